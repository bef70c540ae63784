//! A province's outbound API, as its own systems call it.

use std::time::Duration;

use contracts::Problem;
use contracts::transfer::{TransferEvents, TransferView};
use domain::{TransferId, TransferState};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::wait::eventually;

/// Calls with a token that may do everything.
#[derive(Clone)]
pub struct OutboundApi {
    base: String,
    http: Client,
    token: String,
}

impl OutboundApi {
    /// Makes a client.
    ///
    /// # Panics
    /// When the HTTP client cannot be built.
    pub fn new(base: String, token: String) -> Self {
        let http = Client::builder().timeout(Duration::from_mins(1)).no_proxy().build().expect("a client");
        Self { base, http, token }
    }

    /// Begins a call with the token.
    pub fn call(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Returns the base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for a transfer under an id.
    ///
    /// # Panics
    /// When the service does not answer.
    pub async fn ask(&self, id: TransferId, body: &Value) -> Response {
        let call =
            self.call(reqwest::Method::POST, "/transfer-request").header("Idempotency-Key", id.to_string());
        call.json(body).send().await.expect("the outbound API answers")
    }

    /// Requests a transfer of a patient and returns its id.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn request(&self, patient_id: &str, to: &str) -> TransferId {
        self.request_with(json!({"patient_id": patient_id, "transfer_to": to, "approval_ref": "test"})).await
    }

    /// Requests a transfer by a whole body and returns its id.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn request_with(&self, body: Value) -> TransferId {
        let id = TransferId::generate();
        let answer = self.ask(id, &body).await;
        let status = answer.status().as_u16();
        assert_eq!(status, 202, "{}", answer.text().await.unwrap_or_default());
        id
    }

    /// Returns a transfer as it stands.
    ///
    /// # Panics
    /// When it is unknown.
    pub async fn find(&self, id: TransferId) -> TransferView {
        let answer = self.call(reqwest::Method::GET, &format!("/transfer-request/{id}")).send().await;
        answer
            .expect("the outbound API answers")
            .error_for_status()
            .expect("a known transfer")
            .json()
            .await
            .expect("a transfer")
    }

    /// Returns a transfer's timeline.
    ///
    /// # Panics
    /// When it is unknown.
    pub async fn events(&self, id: TransferId) -> TransferEvents {
        let answer = self.call(reqwest::Method::GET, &format!("/transfer-request/{id}/events")).send().await;
        answer.expect("the outbound API answers").json().await.expect("a timeline")
    }

    /// Waits until a transfer is in a state, or has ended otherwise.
    ///
    /// # Panics
    /// When it ends in another state, with its last problem.
    pub async fn until(&self, id: TransferId, state: TransferState) -> TransferView {
        eventually(&format!("transfer {id} to be {state}"), async || {
            let view = self.find(id).await;
            let has_ended = !view.state.is_unfinished();
            assert!(!has_ended || view.state == state, "ended as {}: {:?}", view.state, view.last_problem);
            (view.state == state).then_some(view)
        })
        .await
    }

    /// Requests a transfer and waits for its completion.
    pub async fn transfer(&self, patient_id: &str, to: &str) -> TransferView {
        let id = self.request(patient_id, to).await;
        self.until(id, TransferState::Completed).await
    }

    /// Requests a transfer and waits until it is rejected; returns the problem.
    ///
    /// # Panics
    /// When it is not rejected.
    pub async fn rejected(&self, patient_id: &str, to: &str) -> Problem {
        let id = self.request(patient_id, to).await;
        let view = self.until(id, TransferState::Rejected).await;
        view.last_problem.expect("a rejected transfer says why")
    }
}
