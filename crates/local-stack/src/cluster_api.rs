//! The real API server for custom resources, without a cluster: the part of Kubernetes that holds definitions and
//! their objects, on an etcd of its own. `deploy/local/tools.sh` builds both.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Certificate, Client, Identity, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::exec;
use crate::port::free_port;

const START_LIMIT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(100);

/// A running API server; ended when dropped.
pub struct ClusterApi {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    etcd_port: u16,
    client: Client,
    _etcd: Child,
    server: Option<Child>,
}

impl ClusterApi {
    /// Starts an empty one; `programs` is the folder of its two binaries.
    ///
    /// # Errors
    /// When a program is missing or does not come up.
    pub async fn start(programs: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        certificates(folder.path()).await?;
        let (port, etcd_port, peer_port) = (free_port()?, free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let mut etcd = Command::new(programs.join("etcd"));
        etcd.arg("--data-dir").arg(folder.path().join("etcd")).args([
            "--listen-client-urls",
            &url(etcd_port),
            "--advertise-client-urls",
            &url(etcd_port),
            "--listen-peer-urls",
            &url(peer_port),
            "--initial-advertise-peer-urls",
            &url(peer_port),
            "--initial-cluster",
            &format!("default={}", url(peer_port)),
            "--log-level",
            "error",
        ]);
        let etcd = spawn(&mut etcd, &folder.path().join("etcd.log"))?;
        fs::write(folder.path().join("kubeconfig"), kubeconfig(folder.path(), port))?;
        let read = |name: &str| fs::read(folder.path().join(name));
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&read("ca.crt")?)?])
            .identity(Identity::from_pem(&[read("client.crt")?, read("client.key")?].concat())?)
            .timeout(Duration::from_secs(30))
            .build()?;
        let programs = programs.to_owned();
        let mut api = Self { folder, programs, port, etcd_port, client, _etcd: etcd, server: None };
        api.start_server().await?;
        Ok(api)
    }

    /// The file with which clients reach it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Starts the server again, with what it held.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_server(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let kubeconfig = self.kubeconfig();
        let mut server = Command::new(self.programs.join("apiextensions-apiserver"));
        server.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port));
        server.args([&format!("--secure-port={}", self.port), "--bind-address=127.0.0.1"]);
        for (option, file) in [
            ("--tls-cert-file", folder.join("server.crt")),
            ("--tls-private-key-file", folder.join("server.key")),
            ("--client-ca-file", folder.join("ca.crt")),
            ("--authentication-kubeconfig", kubeconfig.clone()),
            ("--authorization-kubeconfig", kubeconfig.clone()),
            ("--kubeconfig", kubeconfig),
        ] {
            server.arg(option).arg(file);
        }
        // What these would look at are objects of a whole cluster.
        server.args([
            "--authentication-skip-lookup",
            "--enable-priority-and-fairness=false",
            "--disable-admission-plugins=NamespaceLifecycle,MutatingAdmissionPolicy,MutatingAdmissionWebhook,\
             ValidatingAdmissionPolicy,ValidatingAdmissionWebhook",
        ]);
        let log = folder.join("server.log");
        self.server = Some(spawn(&mut server, &log)?);
        let up = async {
            while !self.is_alive().await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(START_LIMIT, up).await.is_err() {
            bail!("the API server did not come up: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        Ok(())
    }

    /// Ends the server; what it holds stays.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop_server(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill().await?;
        }
        Ok(())
    }

    async fn is_alive(&self) -> bool {
        // Not `/readyz`: it waits for objects of a whole cluster.
        let answer = self.client.get(format!("https://127.0.0.1:{}/livez", self.port)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Calls the API; JSON in, JSON out.
    ///
    /// # Errors
    /// When there is no answer, or one that is not JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let merge = method == Method::PATCH;
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            let kind = if merge { "application/merge-patch+json" } else { "application/json" };
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((
            status,
            serde_json::from_str(&text).with_context(|| format!("{path} answered {status}: {text}"))?,
        ))
    }

    /// Adds a definition and waits until its objects are served.
    ///
    /// # Errors
    /// When it is refused, or not served in time.
    pub async fn define(&self, definition: &Value) -> Result<()> {
        const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let strictly = format!("{DEFINITIONS}?fieldValidation=Strict");
        let (status, answer) = self.call(Method::POST, &strictly, Some(definition)).await?;
        ensure!(status == StatusCode::CREATED, "{status}: {}", answer["message"]);
        let name = definition["metadata"]["name"].as_str().context("a definition has a name")?;
        let path = format!("{DEFINITIONS}/{name}");
        let served = async {
            loop {
                let (_, now) = self.call(Method::GET, &path, None).await?;
                let conditions = now["status"]["conditions"].as_array();
                let is_established = |c: &Value| c["type"] == "Established" && c["status"] == "True";
                if conditions.is_some_and(|conditions| conditions.iter().any(is_established)) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(START_LIMIT, served).await.context("the definition is not established")?
    }
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = File::create(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
    command.spawn().with_context(|| format!("{name} does not start: run deploy/local/tools.sh"))
}

/// An authority, the server's certificate, and one that may do everything.
async fn certificates(folder: &Path) -> Result<()> {
    let openssl = exec::program("openssl")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n")?;
    let mut commands =
        vec![format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=local-cluster-api")];
    for (name, subject) in [("server", "/CN=server"), ("client", "/O=system:masters/CN=client")] {
        commands.push(format!("req {key} -keyout {name}.key -out {name}.csr -subj {subject}"));
        commands.push(format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -days 2 -extfile names"
        ));
    }
    for command in commands {
        let mut openssl = exec::clean_command(&openssl);
        exec::run(openssl.args(command.split(' ')).current_dir(folder), "").await?;
    }
    Ok(())
}

fn kubeconfig(folder: &Path, port: u16) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let (ca, certificate, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
    format!(
        r#"apiVersion: v1
kind: Config
clusters: [{{name: local, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{ca}"}}}}]
users: [{{name: local, user: {{client-certificate: "{certificate}", client-key: "{key}"}}}}]
contexts: [{{name: local, context: {{cluster: local, user: local}}}}]
current-context: local
"#
    )
}
