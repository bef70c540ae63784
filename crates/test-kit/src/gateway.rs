//! A gateway that answers as a test wants, with a real province's certificate.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use contracts::receipt::{OutcomeCounts, ReceiptDocument};
use contracts::{ContentDigest, Receipt};
use domain::{Jurisdiction, TransferId};
use local_stack::ProvinceService;
use mtls::{Credentials, ListenerOptions};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::people::Person;
use crate::world::World;

/// What the gateway is asked: `PUT` with a package, or `GET`.
pub struct Asked {
    /// Whether a package was handed over, or only asked for a receipt.
    pub is_put: bool,
    /// The receipt that would be right.
    pub receipt: Receipt,
}

/// What it answers, each time anew.
pub type Answer = Box<dyn Fn(&Asked) -> Response + Send>;

#[derive(Default)]
struct Script {
    answers: HashMap<TransferId, Answer>,
    receipts: HashMap<TransferId, Receipt>,
    strays: Vec<String>,
}

/// The gateway, listening where BC's own would.
pub struct Gateway {
    script: Arc<Mutex<Script>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Makes a world of Ontario's outbound service, with this gateway in British Columbia's place.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn in_a_world(name: &str) -> (World, Self) {
        let services = [("ON", ProvinceService::Outbound), ("BC", ProvinceService::Inbound)];
        let world = World::prepared(name, &services).await;
        let gateway = Self::start(&world).await;
        world.start("ON", ProvinceService::Outbound, "", &|_| {}, &[]).await;
        (world, gateway)
    }

    /// Lets Ontario send a new person's record, to be answered in this way.
    ///
    /// # Panics
    /// When the transfer is not accepted.
    pub async fn sent(
        &self,
        world: &World,
        answer: impl Fn(&Asked) -> Response + Send + 'static,
    ) -> (Person, TransferId) {
        let person = Person::new().doses(1);
        person.upload(&world.fhir("ON")).await;
        let id = TransferId::generate();
        self.answer(id, answer);
        let body = json!({"patient_id": person.id(), "transfer_to": "BC", "approval_ref": "test"});
        assert_eq!(world.outbound("ON").ask(id, &body).await.status(), 202);
        (person, id)
    }

    /// Starts to listen in the place of BC's inbound-transfer, which must not run.
    ///
    /// # Panics
    /// When it cannot listen there.
    pub async fn start(world: &World) -> Self {
        let url = Url::parse(&world.gateway("BC", "")).expect("a URL");
        let tcp = tokio::net::TcpListener::bind(("127.0.0.1", url.port().expect("a port"))).await;
        let tcp = tcp.expect("a free port");
        let script = Arc::<Mutex<Script>>::default();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let credentials = world.credentials("BC", "inbound-transfer");
        let stop = CancellationToken::new();
        let serving = mtls::serve(tcp, credentials, app, ListenerOptions::default(), stop.clone());
        let task = tokio::spawn(async move { serving.await.expect("a gateway") });
        Self { script, stop, task }
    }

    /// Says what a transfer is answered.
    ///
    /// # Panics
    /// After a panic of an answer.
    pub fn answer(&self, id: TransferId, answer: impl Fn(&Asked) -> Response + Send + 'static) {
        self.script.lock().expect("a script").answers.insert(id, Box::new(answer));
    }

    /// Stops listening and returns the paths that were asked for and are none of the contract.
    ///
    /// # Panics
    /// When it had failed.
    pub async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.expect("a gateway that has ended");
        std::mem::take(&mut self.script.lock().expect("a script").strays)
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let is_put = request.method() == "PUT";
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.expect("a package");
    let mut script = script.lock().expect("a script");
    let id = path.strip_prefix("/inbound-transfer/").and_then(|id| TransferId::parse(id).ok());
    let Some(id) = id.filter(|id| script.answers.contains_key(id)) else {
        script.strays.push(path);
        return plain(404, "");
    };
    if is_put {
        script.receipts.insert(id, right_receipt(id, &body));
    }
    let receipt = script.receipts.get(&id).expect("a delivery before").clone();
    script.answers[&id](&Asked { is_put, receipt })
}

fn right_receipt(id: TransferId, package: &[u8]) -> Receipt {
    let bundle: Value = serde_json::from_slice(package).expect("a Bundle");
    let mut counts = BTreeMap::<String, OutcomeCounts>::new();
    for entry in bundle["entry"].as_array().expect("entries") {
        let resource_type = entry["resource"]["resourceType"].as_str().expect("a type");
        counts.entry(resource_type.to_owned()).or_default().created += 1;
    }
    Receipt {
        iss: Jurisdiction::parse("BC").expect("a code"),
        aud: Jurisdiction::parse("ON").expect("a code"),
        jti: id,
        digest: ContentDigest::of(package).to_string(),
        patient: "BC/Patient/somebody".to_owned(),
        counts,
        conflicts: Vec::new(),
        committed_at: "2026-01-02T03:04:05Z".parse().expect("a time"),
    }
}

/// Answers with a receipt that somebody signs.
///
/// # Panics
/// When it cannot be signed.
pub fn signed(receipt: &Receipt, signer: &Credentials) -> Response {
    documented(auth::sign_receipt(receipt, signer).expect("a signature"))
}

/// Answers with what is said to be a receipt.
///
/// # Panics
/// Never.
pub fn documented(receipt: String) -> Response {
    let document = serde_json::to_vec(&ReceiptDocument { receipt }).expect("a document");
    let response = Response::builder().status(201).header("content-type", "application/json");
    response.body(Body::from(document)).expect("an answer")
}

/// Answers with a status and a text.
///
/// # Panics
/// When the status is none.
pub fn plain(status: u16, text: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(text)).expect("an answer")
}
