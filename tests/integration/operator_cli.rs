//! `iidictl`, run as an operator runs it, against real services.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use domain::{TransferId, TransferState};
use local_stack::ProvinceService::{Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::{Person, World};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

mod releases;
mod sources;

/// An operator with a configuration and a token.
struct Operator {
    config: PathBuf,
    folder: tempfile::TempDir,
}

impl Operator {
    /// An operator of a province's transfers.
    fn of(world: &World, province: &str) -> Self {
        let token = world.token(province, &["transfer.request", "transfer.read", "transfer.operate"]);
        let tls = world.stack().certificate(province, "outbound-transfer").unwrap();
        let mut operator = Self::with(&token, &json!({}));
        let database = operator.write("database", &world.service_database_url(province, Outbound));
        operator.configure(&json!({
            "server": world.outbound(province).base(),
            "inbound_server": world.arrivals(province).base(),
            "admin": [world.admin(province, Outbound), world.admin(province, Inbound)],
            "directory": world.directory(),
            "database_url_file": database,
            "tls": {"certificate": tls.certificate, "key": tls.key, "roots": tls.roots, "crl": tls.crl},
        }));
        operator
    }

    fn with(token: &str, config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut operator = Self { config: folder.path().join("config.toml"), folder };
        operator.write("token", token);
        operator.configure(config);
        operator
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn configure(&mut self, config: &Value) {
        let mut config = config.clone();
        config["token_file"] = json!(self.folder.path().join("token"));
        self.config = self.write("config.toml", &toml::to_string(&config).unwrap());
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "", "en_CA.UTF-8").await
    }

    async fn run_with(&self, arguments: &[&str], input: &str, lang: &str) -> Output {
        let binary = test_kit::world::binaries().join("iidictl");
        let mut command = Command::new(binary);
        command.arg("--config").arg(&self.config).args(arguments).env_clear().env("LANG", lang);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("iidictl is built");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        child.wait_with_output().await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["-o", "json"]].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn a_transfer_is_requested_followed_and_found() {
    let world = World::of("cli", &["ON", "BC"]).await;
    let operator = Operator::of(&world, "ON");
    let person = Person::new().doses(2);
    person.upload(&world.fhir("ON")).await;
    let patient = person.id();
    let request = ["transfer", "request", "--patient", &patient, "--to", "BC", "--approval-ref", "test"];

    let tried = operator.run(&[&request[..], &["--dry-run"]].concat()).await;
    assert_eq!(tried.status.code(), Some(0));
    assert!(text(&tried).starts_with("would be sent: 2 Immunization, 1 Patient ("), "{}", text(&tried));

    let key = TransferId::generate().to_string();
    let done = operator.run(&[&request[..], &["--idempotency-key", &key, "--wait"]].concat()).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let lines: Vec<_> = text(&done).lines().map(|line| line.split("  ").last().unwrap().to_owned()).collect();
    assert_eq!(lines, ["requested", "sealed", "delivered", "completed"]);

    let shown = operator.json(&["transfer", "show", &key, "--events"]).await;
    assert_eq!(
        (&shown["transfer"]["state"], shown["events"].as_array().unwrap().len()),
        (&json!("completed"), 4)
    );
    let found = operator.run_with(&["transfer", "search", "-o", "json"], &patient, "C").await;
    assert_eq!(serde_json::from_slice::<Value>(&found.stdout).unwrap()[0]["id"], json!(key));
    let french = operator.run_with(&["transfer", "list"], "", "fr_CA.UTF-8").await;
    assert!(text(&french).starts_with("TRANSFERT") && text(&french).contains("terminé"), "{}", text(&french));
    let there = Operator::of(&world, "BC").json(&["transfer", "list", "--direction", "in"]).await;
    assert_eq!((&there[0]["id"], &there[0]["sender"]), (&json!(key), &json!("ON")));

    let nobody =
        ["transfer", "request", "--patient", "nobody", "--to", "BC", "--approval-ref", "x", "--wait"];
    assert_eq!(operator.run(&nobody).await.status.code(), Some(3), "rejected");
    let unknown = operator.run(&["transfer", "show", &TransferId::generate().to_string()]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown).contains("not-found"), "{}", text(&unknown));
    assert_eq!(operator.run(&["transfer", "show"]).await.status.code(), Some(2), "usage");
}

#[tokio::test]
async fn lanes_are_paused_and_resumed_and_transfers_cancelled() {
    let world = World::of("clilanes", &["ON", "BC"]).await;
    let operator = Operator::of(&world, "ON");
    let paused = operator.run(&["peer", "pause", "BC", "--reason", "maintenance"]).await;
    assert!(
        text(&paused).contains("paused") && text(&paused).contains("maintenance (by test)"),
        "{}",
        text(&paused)
    );
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    let (patient, key) = (person.id(), TransferId::generate().to_string());
    let request = [
        "transfer",
        "request",
        "--patient",
        &patient,
        "--to",
        "BC",
        "--approval-ref",
        "test",
        "--idempotency-key",
        &key,
        "--wait",
        "--timeout",
        "0",
    ];
    assert_eq!(operator.run(&request).await.status.code(), Some(4), "timed out");
    let cancelled = operator.run(&["transfer", "cancel", &key, "--reason", "asked for by mistake"]).await;
    assert_eq!(cancelled.status.code(), Some(0), "{}", text(&cancelled));
    let again = operator.run(&["transfer", "retry", &key, "--reason", "x"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("transfer-not-retryable"), "{}", text(&again));
    let resumed = operator.json(&["peer", "resume", "BC", "--reason", "done"]).await;
    assert_eq!(resumed[0]["lane"], "open");
    let wrong = operator.run(&["peer", "pause", "../x", "--reason", "x"]).await;
    assert_eq!(wrong.status.code(), Some(1));
}

#[tokio::test]
async fn a_check_names_what_is_wrong_and_a_verification_what_was_altered() {
    let world = World::of("clicheck", &["ON", "BC"]).await;
    let operator = Operator::of(&world, "ON");
    let good = operator.run(&["check"]).await;
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert!(
        text(&good).contains("handshake with BC") && text(&good).contains("days left"),
        "{}",
        text(&good)
    );
    world.kill("BC", Inbound).await;
    let bad = operator.run(&["check", "-o", "json"]).await;
    assert_eq!(bad.status.code(), Some(1));
    let checks: Value = serde_json::from_slice(&bad.stdout).unwrap();
    let failed: Vec<_> = checks.as_array().unwrap().iter().filter(|one| one["level"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{checks}");
    assert_eq!(failed[0]["check"], "handshake with BC");
    assert!(failed[0]["hint"].is_string());

    let person = Person::new();
    person.upload(&world.fhir("ON")).await;
    let id = world.outbound("ON").request(&person.id(), "BC").await;
    test_kit::eventually("a sealed transfer", async || {
        (world.outbound("ON").find(id).await.state == TransferState::Sealed).then_some(())
    })
    .await;
    assert_eq!(world.terminate("ON", Outbound).await, Some(0));
    let log = world.log_file("ON", Outbound);
    let verify = ["audit", "verify", "--log", log.to_str().unwrap()];
    let whole = operator.run(&verify).await;
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole));
    assert!(text(&whole).starts_with("the audit trail is whole"), "{}", text(&whole));
    // What it ends with is what the next one takes.
    let said = text(&whole);
    let kept = said.lines().last().unwrap().trim();
    let again = operator.run(&["audit", "verify", "--head", kept]).await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let (chain, place) = kept.split_once(':').unwrap();
    let (number, _) = place.split_once(':').unwrap();
    let other = format!("{chain}:{number}:{}", "0".repeat(64));
    let anew = operator.run(&["audit", "verify", "--head", &other]).await;
    assert_eq!(anew.status.code(), Some(1));
    assert!(text(&anew).contains("a chain was written anew"), "{}", text(&anew));
    let owner = world.database("ON", Outbound).await;
    sqlx::query("UPDATE audit_event SET actor = 'nobody' WHERE action = 'transfer.sealed'")
        .execute(&owner)
        .await
        .unwrap();
    owner.close().await;
    let altered = operator.run_with(&verify, "", "fr_CA.UTF-8").await;
    assert_eq!(altered.status.code(), Some(1));
    assert!(text(&altered).contains("une ligne a été modifiée"), "{}", text(&altered));
}
