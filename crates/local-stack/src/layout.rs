//! Where a stack keeps what: one folder, and `stack.json` in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::files::write_private;
use crate::hapi::HapiOptions;
use crate::port;

/// The folder of one stack. Cheap to clone; making one writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

/// What a stack remembers between commands (`stack.json`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackFile {
    /// Codes of the provinces it has, upper case.
    pub provinces: BTreeSet<String>,
    /// Port by use, for example `postgres`, `hapi-on`, `on/inbound-transfer/gateway`.
    pub ports: BTreeMap<String, u16>,
    /// Where PostgreSQL keeps its data; outside the folder when its user cannot reach in there.
    pub postgres_data: Option<PathBuf>,
    /// How its FHIR servers are run, as last asked for.
    #[serde(default)]
    pub hapi: Option<HapiOptions>,
    /// Files with secrets by use, for example `postgres/on_outbound`.
    pub secrets: BTreeMap<String, PathBuf>,
}

impl Layout {
    /// The stack in this folder. A relative path is taken from the current folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { root: std::path::absolute(&root).unwrap_or(root) }
    }

    /// The stack of this name in the repository's ignored folder: `.local/<name>`, wherever the caller runs.
    pub fn in_repository(name: &str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(""));
        Self::at(repository.join(".local").join(name))
    }

    /// The folder that holds everything.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Log file of a part.
    pub fn log(&self, part: &str) -> PathBuf {
        self.root.join("logs").join(format!("{part}.log"))
    }

    /// Folder of the log files.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Folder of the process records, one file a process.
    pub fn pids(&self) -> PathBuf {
        self.root.join("pids")
    }

    /// Folder of generated configuration of a province's service: `config/on/outbound-transfer.yaml`.
    pub fn config(&self, owner: &str, service: &str) -> PathBuf {
        self.root.join("config").join(owner.to_lowercase()).join(format!("{service}.yaml"))
    }

    /// File with a secret: `secrets/postgres/on_outbound`.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// Folder with `tls.crt`, `tls.key` and `ca.crt` of a service: `tls/on/outbound-transfer`.
    pub fn tls(&self, owner: &str, service: &str) -> PathBuf {
        self.root.join("tls").join(owner.to_lowercase()).join(service)
    }

    /// Certificate of the local root, which every part trusts.
    pub fn root_certificate(&self) -> PathBuf {
        self.root.join("tls/ca/ca.crt")
    }

    /// List of revoked certificates of the local root, empty at first.
    pub fn crl(&self) -> PathBuf {
        self.root.join("tls/ca/ca.crl")
    }

    /// The peer directory.
    pub fn jurisdictions(&self) -> PathBuf {
        self.root.join("jurisdictions.yaml")
    }

    /// Keys with which a province encrypts packages at rest.
    pub fn package_keys(&self, province: &str) -> PathBuf {
        self.root.join("secrets").join(province.to_lowercase()).join("package-keys.yaml")
    }

    /// What the stack remembers.
    ///
    /// # Errors
    /// When there is no such stack or the file is not understood.
    pub fn read(&self) -> Result<StackFile> {
        let path = self.root.join("stack.json");
        let text =
            fs::read_to_string(&path).with_context(|| format!("no stack in {}", self.root.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not understood", path.display()))
    }

    /// Whether there is a stack, running or not.
    pub fn exists(&self) -> bool {
        self.root.join("stack.json").exists()
    }

    /// Port of a use, chosen free on the first call and the same ever after.
    ///
    /// # Errors
    /// When the stack's file cannot be read or written, or no port is free.
    pub fn port(&self, name: &str) -> Result<u16> {
        self.update(|file| file.port(name))
    }

    /// Port on which the caller is about to listen: the remembered one, or another when somebody has taken it.
    ///
    /// # Errors
    /// As [`Layout::port`].
    pub fn port_to_listen(&self, name: &str) -> Result<u16> {
        self.update(|file| {
            if file.ports.get(name).is_some_and(|port| !port::is_free(*port)) {
                file.ports.remove(name);
            }
            file.port(name)
        })
    }

    /// Changes what the stack remembers; one writer at a time, also across processes.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut StackFile) -> Result<T>) -> Result<T> {
        self.locked(|| {
            let mut file = if self.exists() { self.read()? } else { StackFile::default() };
            let result = change(&mut file)?;
            write_private(&self.root.join("stack.json"), &serde_json::to_vec_pretty(&file)?)?;
            Ok(result)
        })
    }

    /// Runs something short while nobody else changes the records of this stack.
    pub(crate) fn locked<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.make()?;
        let lock = File::create(self.root.join("records.lock"))?;
        lock.lock().context("locking the records")?; // released when the file is closed
        work()
    }

    /// Makes the folders. Secrets, logs and keys are for the owner's eyes only.
    pub(crate) fn make(&self) -> Result<()> {
        if !self.root.exists() {
            fs::create_dir_all(&self.root).with_context(|| format!("making {}", self.root.display()))?;
            // PostgreSQL's own user, when there is one, has to pass through
            fs::set_permissions(&self.root, fs::Permissions::from_mode(0o711))?;
        }
        for name in ["secrets", "logs", "pids", "config", "tls", "redis", "hapi"] {
            let folder = self.root.join(name);
            if !folder.exists() {
                fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        Ok(())
    }

    /// One command at a time changes what runs; the others wait.
    pub(crate) async fn exclusive(&self, waiting: impl FnOnce()) -> Result<File> {
        self.make()?;
        let lock = File::create(self.root.join("up.lock"))?;
        if lock.try_lock().is_ok() {
            return Ok(lock);
        }
        waiting();
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if lock.try_lock().is_ok() {
                return Ok(lock);
            }
        }
    }
}

impl StackFile {
    fn port(&mut self, name: &str) -> Result<u16> {
        if let Some(port) = self.ports.get(name) {
            return Ok(*port);
        }
        let port = port::free_port_except(&|port| self.ports.values().any(|taken| *taken == port))?;
        self.ports.insert(name.to_owned(), port);
        Ok(port)
    }
}

/// Lower-case form of a jurisdiction's code, as in file names, database names and SPIFFE paths.
///
/// # Errors
/// When the code is not two to four upper-case letters.
pub fn lower_code(code: &str) -> Result<String> {
    let is_code = (2..=4).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase());
    ensure!(is_code, "{code:?} is no jurisdiction code: two to four upper-case letters are");
    Ok(code.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_once_and_differs_from_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path());
        let first = layout.port("hapi-on").unwrap();
        assert_eq!(layout.port("hapi-on").unwrap(), first);
        assert_ne!(layout.port("hapi-bc").unwrap(), first);
        assert_eq!(layout.read().unwrap().ports.len(), 2);
    }

    #[test]
    fn a_port_that_somebody_took_is_replaced_before_listening() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path());
        let first = layout.port("redis").unwrap();
        let _stranger = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_ne!(layout.port_to_listen("redis").unwrap(), first);
    }

    #[test]
    fn only_upper_case_letters_are_a_code() {
        assert_eq!(lower_code("ON").unwrap(), "on");
        for bad in ["", "O", "on", "O N", "ON;", "../X", "ONTAR"] {
            assert!(lower_code(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
