//! The directory as `Jurisdiction` objects, against a real API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use local_stack::ClusterApi;
use peers::{Directory, JurisdictionState};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const OBJECTS: &str = "/apis/iidi.phac-aspc.gc.ca/v1/jurisdictions";
/// What is promised is seconds; a busy computer gets more.
const PATIENCE: Duration = Duration::from_secs(30);

/// An API server with the definition, and a folder with the directory's file.
struct World {
    api: ClusterApi,
    folder: TempDir,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn programs() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/tools/bin");
    std::env::var_os("IIDI_TOOLS").map_or_else(default, PathBuf::from)
}

impl World {
    async fn start() -> Self {
        mtls::install_crypto_provider();
        let api = ClusterApi::start(&programs()).await.expect("run deploy/local/tools.sh first");
        api.define(&yaml(&peers::definition())).await.expect("the definition is taken");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (kubeconfig, copy) = (api.kubeconfig(), folder.path().join("last-good.yaml"));
        let text = format!(
            "kubernetes: {{last_good: \"{}\", kubeconfig: \"{}\", watch_seconds: 2}}\n",
            copy.display(),
            kubeconfig.display()
        );
        std::fs::write(folder.path().join("jurisdictions.yaml"), text).expect("a file can be written");
        Self { api, folder, stop: CancellationToken::new() }
    }

    /// What a service does at its start.
    fn open(&self) -> Directory {
        let directory = Directory::from_file(&self.folder.path().join("jurisdictions.yaml"))
            .expect("the directory is there");
        tokio::spawn(directory.clone().watch(Duration::from_secs(1), self.stop.clone()));
        directory
    }

    async fn put(&self, code: &str) {
        let (status, answer) =
            self.api.call(Method::POST, OBJECTS, Some(&object(code))).await.expect("the server answers");
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    async fn change(&self, code: &str, spec: &Value) -> StatusCode {
        let patch = json!({"spec": spec});
        self.api
            .call(Method::PATCH, &format!("{OBJECTS}/{code}"), Some(&patch))
            .await
            .expect("the server answers")
            .0
    }
}

fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).expect("a file can be written")
}

fn object(code: &str) -> Value {
    json!({
        "apiVersion": "iidi.phac-aspc.gc.ca/v1",
        "kind": "Jurisdiction",
        "metadata": {"name": code},
        "spec": {
            "code": code.to_ascii_uppercase(),
            "name": {"en": "A", "fr": "B"},
            "role": "pt",
            "state": "active",
            "identities": {"inbound_transfer": format!("spiffe://d/pt/{code}/inbound-transfer")},
        },
    })
}

fn codes(directory: &Directory) -> Vec<String> {
    directory.all().iter().map(|entry| entry.code.to_string()).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "it never came to this: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_changed_suspended_and_deleted_is_followed() {
    let world = World::start().await;
    world.put("aa").await;
    let directory = world.open();
    assert_eq!(codes(&directory), ["AA"], "what is there is loaded before a service goes on");
    world.put("bb").await;
    until("BB is added", || codes(&directory) == ["AA", "BB"]).await;
    let entry = |code: &str| directory.all().into_iter().find(|entry| entry.code.as_str() == code).unwrap();
    assert_eq!(entry("BB").limits.concurrent, 8, "what an object leaves away has the type's default");
    world.change("bb", &json!({"limits": {"concurrent": 3}})).await;
    until("BB has another limit", || entry("BB").limits.concurrent == 3).await;
    world.change("bb", &json!({"state": "suspended"})).await;
    until("BB is suspended", || entry("BB").state == JurisdictionState::Suspended).await;
    world.api.call(Method::DELETE, &format!("{OBJECTS}/bb"), None).await.unwrap();
    until("BB is gone", || codes(&directory) == ["AA"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_set_holds_while_the_server_is_gone_and_it_is_followed_again() {
    let mut world = World::start().await;
    world.put("aa").await;
    let directory = world.open();
    world.api.stop_server().await.unwrap();
    until("the absence is told", || !directory.problems().is_empty()).await;
    assert_eq!(codes(&directory), ["AA"]);
    world.api.start_server().await.unwrap();
    world.put("bb").await;
    until("BB is added", || codes(&directory) == ["AA", "BB"]).await;
    until("nothing is wrong", || directory.problems().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_server_uses_the_copy_and_follows_once_it_is_there() {
    let mut world = World::start().await;
    world.put("aa").await;
    let directory = world.open();
    assert_eq!(codes(&directory), ["AA"]);
    world.stop.cancel();
    world.stop = CancellationToken::new();
    world.api.stop_server().await.unwrap();
    let restarted = world.open();
    assert_eq!(codes(&restarted), ["AA"]);
    world.api.start_server().await.unwrap();
    world.put("bb").await;
    until("BB is added", || codes(&restarted) == ["AA", "BB"]).await;
    until("nothing is wrong", || restarted.problems().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_over_is_begun_again() {
    let world = World::start().await;
    world.put("aa").await;
    let directory = world.open();
    let begun = std::time::Instant::now();
    // Several watches of two seconds end meanwhile, some while nothing happens, some between two changes.
    for (limit, pause) in [(2, 0), (3, 2500), (4, 5000)] {
        until("time passes", || begun.elapsed() >= Duration::from_millis(pause)).await;
        world.change("aa", &json!({"limits": {"concurrent": limit}})).await;
        until("the change is followed", || directory.all()[0].limits.concurrent == limit).await;
    }
    assert!(directory.problems().is_empty(), "{:?}", directory.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_and_without_a_copy_a_service_does_not_start() {
    let mut world = World::start().await;
    world.api.stop_server().await.unwrap();
    let error = Directory::from_file(&world.folder.path().join("jurisdictions.yaml")).unwrap_err();
    assert!(error.to_string().contains("jurisdictions.yaml"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_object_is_refused_alone_and_its_last_good_version_stays() {
    let world = World::start().await;
    world.put("aa").await;
    world.put("bb").await;
    let directory = world.open();
    // The definition does not know that an identity may be used once only; the program does.
    let clash =
        json!({"identities": {"inbound_transfer": "spiffe://d/pt/bb/x", "aggregator": "spiffe://d/pt/bb/x"}});
    assert_eq!(world.change("bb", &clash).await, StatusCode::OK);
    until("it is refused", || directory.problems().iter().any(|(label, _)| label == "bb")).await;
    let bb = directory.all().into_iter().find(|entry| entry.code.as_str() == "BB").unwrap();
    assert_eq!(bb.identities.inbound_transfer.as_deref(), Some("spiffe://d/pt/bb/inbound-transfer"));
    world.change("aa", &json!({"state": "suspended"})).await;
    let aa = || directory.all().into_iter().find(|entry| entry.code.as_str() == "AA").unwrap().state;
    until("others are followed", || aa() == JurisdictionState::Suspended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_definition_forbids_never_gets_in() {
    let world = World::start().await;
    let strictly = format!("{OBJECTS}?fieldValidation=Strict");
    let changed = |pointer: &str, value: Value| {
        let mut object = object("aa");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value;
        object
    };
    for (wrong, status) in [
        (changed("/metadata/name", json!("bb")), 422),
        (changed("/spec/code", json!("aa")), 422),
        (changed("/spec/state", json!("aktive")), 422),
        (changed("/spec/identities/inbound_transfer", json!("spiffe://d/pt/bb/inbound-transfer")), 422),
        (changed("/spec/identities/inbound_transfer", json!("https://d/pt/aa/inbound-transfer")), 422),
        (changed("/spec/gateway", json!({"inbound_transfer": "http://d"})), 422),
        (changed("/spec/limits", json!({"concurrent": 0})), 422),
        (changed("/spec/stat", json!("active")), 400),
    ] {
        let (answered, answer) = world.api.call(Method::POST, &strictly, Some(&wrong)).await.unwrap();
        assert_eq!(answered.as_u16(), status, "{wrong}\n{}", answer["message"]);
    }
    assert_eq!(world.api.call(Method::POST, &strictly, Some(&object("aa"))).await.unwrap().0, 201);
}
