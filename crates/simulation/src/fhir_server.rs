//! A province's FHIR server: it fails before or after it has done what was asked, or does it after its
//! client has gone, and whoever asks may die there.

use fhir_client::FhirError;
use fhir_client::double::FhirDouble;
use fhir_client::{Calling, FhirRequest, FhirResponse, FhirTransport};
use serde_json::Value;

use crate::sabotage::Sabotage;
use crate::shared::Shared;

/// Failures in a call, each kind, before the mix multiplies them.
const PER_CALL: f64 = 0.002;
/// Transactions that are carried out late, before the mix multiplies them.
const PER_TRANSACTION: f64 = 0.01;
/// How long a client waits for an answer, in seconds.
const CLIENT_WAITS: f64 = 30.0;
/// How long a transaction still takes at most whose client has given up, in seconds: longer than a lease.
const LATE: f64 = 90.0;

/// A FHIR server of the world.
#[derive(Debug, Clone)]
pub struct SimulatedFhir {
    /// What it holds.
    pub double: FhirDouble,
    /// The world.
    pub shared: Shared,
}

impl FhirTransport for SimulatedFhir {
    fn call(&self, request: FhirRequest) -> Calling<'_> {
        Box::pin(async move {
            let lost = || FhirError::Unavailable { source: None };
            let struck = |what| {
                self.shared.count(what);
                self.shared.strike(None);
            };
            self.shared.boundary("processes killed before a FHIR call").await;
            let is_calm = self.shared.is_calm();
            let draw = if is_calm { 1.0 } else { self.shared.draw() / self.shared.mix().factor() };
            if draw < PER_CALL || self.shared.is_sabotaged(Sabotage::AllSilent) {
                struck("FHIR calls that did not arrive");
                return Err(lost());
            }
            if draw < PER_CALL * 1.5 {
                struck("FHIR calls answered 503");
                let status = http::StatusCode::SERVICE_UNAVAILABLE;
                return Ok(FhirResponse { status, body: bytes::Bytes::from_static(b"busy") });
            }
            if !is_calm && is_transaction(&request) && self.shared.happens(self.lateness()) {
                struck("FHIR transactions carried out after their client had gone");
                self.carry_out_late(request);
                self.shared.stand(CLIENT_WAITS).await;
                return Err(lost());
            }
            let answer = self.double.call(request).await?;
            self.shared.boundary("processes killed after a FHIR call").await;
            if draw < PER_CALL * 3.0 {
                struck("FHIR calls done, but their answer lost");
                return Err(lost());
            }
            Ok(answer)
        })
    }
}

impl SimulatedFhir {
    /// The chance of a transaction to be carried out late.
    fn lateness(&self) -> f64 {
        let is_sabotaged = self.shared.is_sabotaged(Sabotage::LateCopies);
        if is_sabotaged { 0.3 } else { PER_TRANSACTION * self.shared.mix().factor() }
    }

    /// The client waits and gives up; the server is at it still, and commits.
    fn carry_out_late(&self, request: FhirRequest) {
        let server = self.clone();
        self.shared.let_go_on(Box::pin(async move {
            let late = LATE * server.shared.draw();
            server.shared.stand(CLIENT_WAITS + late).await;
            let has_own_ids = server.shared.is_sabotaged(Sabotage::LateCopies);
            let request = if has_own_ids { under_other_ids(request) } else { request };
            let answer = server.double.call(request).await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                server.shared.count("of these, such that were committed");
            }
        }));
    }
}

fn is_transaction(request: &FhirRequest) -> bool {
    let word = br#""transaction""#;
    request.path.is_empty() && request.body.windows(word.len()).any(|window| window == word)
}

/// Gives everything in a transaction but the Patient another id, as a server does that chooses ids itself.
fn under_other_ids(mut request: FhirRequest) -> FhirRequest {
    if let Ok(mut bundle) = serde_json::from_slice::<Value>(&request.body) {
        for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
            let resource_type = entry["resource"]["resourceType"].as_str().unwrap_or_default().to_owned();
            if resource_type != "Patient" {
                let id = format!("late-{}", entry["resource"]["id"].as_str().unwrap_or_default());
                entry["request"]["url"] = Value::from(format!("{resource_type}/{id}"));
                entry["resource"]["id"] = Value::from(id);
            }
        }
        request.body = bundle.to_string().into();
    }
    request
}
