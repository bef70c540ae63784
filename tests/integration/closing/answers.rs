//! What the destination answers: only a receipt that proves this very delivery closes anything.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use contracts::transfer::TransferView;
use contracts::{Problem, ProblemCode, Receipt};
use domain::{SourceOutcome, TransferId, TransferState};
use fhir::canonical::closed_to;
use fhir::{Issue, IssueCode};
use futures::stream;
use local_stack::ProvinceService::Inbound;
use mtls::Credentials;
use test_kit::gateway::{Answer, Asked, Gateway, documented, plain, signed};
use test_kit::{World, eventually, versions};

use super::patient;

async fn failed(world: &World, id: TransferId, what: &str) -> TransferView {
    eventually(&format!("{what} to be met"), async || {
        let view = world.outbound("ON").find(id).await;
        view.last_problem.is_some().then_some(view)
    })
    .await
}

/// Each is wrong in one point, whoever signed it.
fn wrong_receipts(world: &World) -> Vec<(&'static str, Answer)> {
    let bc = world.credentials("BC", "inbound-transfer");
    let by = |signer: Credentials| -> Answer { Box::new(move |asked| signed(&asked.receipt, &signer)) };
    let states = |change: fn(&mut Receipt)| -> Answer {
        let bc = bc.clone();
        Box::new(move |asked| {
            let mut receipt = asked.receipt.clone();
            change(&mut receipt);
            signed(&receipt, &bc)
        })
    };
    let changed_after_signing: Answer = {
        let bc = bc.clone();
        Box::new(move |asked| {
            let signed = auth::sign_receipt(&asked.receipt, &bc).unwrap();
            let parts: Vec<&str> = signed.split('.').collect();
            let mut other = asked.receipt.clone();
            other.patient.push('x');
            let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&other).unwrap());
            documented(format!("{}.{payload}.{}", parts[0], parts[2]))
        })
    };
    let other_bytes: fn(&mut Receipt) = |receipt| receipt.digest = format!("sha-256:{}", "0".repeat(64));
    let after_a_conflict: Answer = {
        let later = states(other_bytes);
        Box::new(move |asked| if asked.is_put { plain(409, "") } else { later(asked) })
    };
    vec![
        ("signed by another province", by(world.credentials("QC", "inbound-transfer"))),
        ("signed by another service of BC", by(world.credentials("BC", "outbound-transfer"))),
        ("signed by ourselves", by(world.credentials("ON", "outbound-transfer"))),
        ("changed after signing", changed_after_signing),
        ("a dose less", states(|receipt| receipt.counts.get_mut("Immunization").unwrap().created -= 1)),
        ("a type less", states(|receipt| receipt.counts.retain(|name, _| name != "Immunization"))),
        ("more than was sent", states(|receipt| receipt.counts.get_mut("Patient").unwrap().unchanged += 1)),
        ("other bytes", states(other_bytes)),
        ("other bytes, asked for after a 409", after_a_conflict),
        ("another transfer", states(|receipt| receipt.jti = TransferId::generate())),
        ("another origin", states(|receipt| receipt.aud = "QC".parse().unwrap())),
        ("another destination", states(|receipt| receipt.iss = "QC".parse().unwrap())),
        ("a patient elsewhere", states(|receipt| receipt.patient = String::from("QC/Patient/1"))),
        ("garbage", Box::new(|_| documented("e30.e30.e30".to_owned()))),
        ("nothing", Box::new(|_| documented(String::new()))),
    ]
}

#[tokio::test]
async fn only_a_receipt_for_this_very_delivery_is_accepted() {
    let (world, gateway) = Gateway::in_a_world("receipts").await;
    let mut sent = Vec::new();
    for (what, wrong) in wrong_receipts(&world) {
        let (person, id) = gateway.sent(&world, wrong).await;
        sent.push((what, person, id));
    }
    for (what, person, id) in &sent {
        let view = failed(&world, *id, what).await;
        assert_eq!(view.state, TransferState::Sealed, "{what}");
        let code = view.last_problem.unwrap().known_code();
        assert_eq!(code, Some(ProblemCode::ReceiptInvalid), "{what}");
        assert!(view.receipt.is_none() && view.source.is_none(), "{what}");
        assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 1, "{what}");
    }

    assert_eq!(gateway.stop().await, Vec::<String>::new());
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    for (what, person, id) in &sent {
        let view = world.outbound("ON").until(*id, TransferState::Completed).await;
        assert_eq!(view.source, Some(SourceOutcome::Closed), "{what}");
        assert!(view.last_problem.is_none(), "{what}");
        assert!(closed_to(&patient(&world, "ON", &person.id()).await).is_some(), "{what}");
    }
}

fn problem(problem: &Problem, retry_after: Option<u64>) -> Response {
    let mut response =
        Response::builder().status(problem.status).header("content-type", "application/problem+json");
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(Body::from(serde_json::to_vec(problem).unwrap())).unwrap()
}

fn half_an_answer(receipt: &Receipt, signer: &Credentials) -> Response {
    let (parts, _) = signed(receipt, signer).into_parts();
    let pieces = stream::iter([Ok("{\"receipt\":\"ey"), Err(std::io::Error::other("cut off"))]);
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn elsewhere() -> Response {
    Response::builder().status(302).header("location", "/elsewhere").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn what_is_no_receipt_is_tried_again_until_there_is_one() {
    use ProblemCode::{Busy, Internal, PeerFault, PeerUntrusted};
    let (world, gateway) = Gateway::in_a_world("answers").await;
    let bc = world.credentials("BC", "inbound-transfer");
    let half: Answer = Box::new(move |asked| half_an_answer(&asked.receipt, &bc));
    // The destination says that it knows other bytes, and gives no receipt for them.
    let other_bytes: Answer =
        Box::new(|asked| if asked.is_put { plain(409, "other bytes") } else { plain(404, "") });
    let cases: [(&str, Answer, ProblemCode); 9] = [
        // The first: before the lane is parked by what the others are answered.
        ("503 for a while", Box::new(|_| problem(&Problem::new(Busy), Some(5))), Busy),
        ("500", Box::new(|_| plain(500, "<html>oops</html>")), PeerFault),
        ("half a body", half, PeerFault),
        ("409", other_bytes, Internal),
        ("302", Box::new(|_| elsewhere()), PeerFault),
        ("201 without a receipt", Box::new(|_| plain(201, "<html>welcome</html>")), PeerFault),
        ("202", Box::new(|_| plain(202, "")), Busy),
        ("404", Box::new(|_| plain(404, "")), PeerFault),
        ("403", Box::new(|_| plain(403, "")), PeerUntrusted),
    ];
    let mut sent = Vec::new();
    for (what, answer, code) in cases {
        let (person, id) = gateway.sent(&world, answer).await;
        if what == "503 for a while" {
            let view = failed(&world, id, what).await;
            let events = world.outbound("ON").events(id).await.events;
            let failed = events.iter().find(|event| event.event == "attempt-failed").unwrap().at;
            assert!(view.next_attempt_at.unwrap() >= failed + TimeDelta::seconds(5), "asked too early");
        }
        sent.push((what, code, person, id));
    }
    for (what, code, person, id) in &sent {
        let view = failed(&world, *id, what).await;
        assert_eq!(view.state, TransferState::Sealed, "{what}");
        assert_eq!(view.last_problem.unwrap().known_code(), Some(*code), "{what}");
        assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 1, "{what}");
    }

    assert_eq!(gateway.stop().await, Vec::<String>::new(), "a redirection was followed");
    world.start("BC", Inbound, "", &|_| {}, &[]).await;
    for (what, _, _, id) in &sent {
        let view = world.outbound("ON").until(*id, TransferState::Completed).await;
        assert_eq!(view.source, Some(SourceOutcome::Closed), "{what}");
    }
}

#[tokio::test]
async fn a_refusal_ends_the_transfer_and_its_reasons_are_repeated() {
    let (world, gateway) = Gateway::in_a_world("refusals").await;
    let issue = Issue::error(IssueCode::Required, "Bundle.entry[1].resource.status", "is missing");
    let refusal = Problem::new(ProblemCode::PackageInvalid).detail("of theirs").issues(vec![issue.clone()]);
    let (person, id) = gateway.sent(&world, move |_| problem(&refusal, None)).await;
    let (wordless, other) = gateway.sent(&world, |_| plain(422, "no")).await;

    let view = world.outbound("ON").until(id, TransferState::Rejected).await;
    let repeated = view.last_problem.unwrap();
    assert_eq!(repeated.known_code(), Some(ProblemCode::PackageInvalid));
    assert_eq!(repeated.issues, [issue]);
    assert_eq!(view.source, None);
    let view = world.outbound("ON").until(other, TransferState::Rejected).await;
    assert_eq!(view.last_problem.unwrap().known_code(), Some(ProblemCode::PackageInvalid));
    for person in [person, wordless] {
        assert_eq!(closed_to(&patient(&world, "ON", &person.id()).await), None);
        assert_eq!(versions(&world, "ON", &format!("Patient/{}", person.id())).await, 1);
    }
}

#[tokio::test]
async fn a_destination_that_knows_the_transfer_is_asked_for_its_receipt() {
    let (world, gateway) = Gateway::in_a_world("conflict").await;
    let bc = world.credentials("BC", "inbound-transfer");
    let answer = move |asked: &Asked| if asked.is_put { plain(409, "") } else { signed(&asked.receipt, &bc) };
    let (person, id) = gateway.sent(&world, answer).await;
    let view = world.outbound("ON").until(id, TransferState::Completed).await;
    assert_eq!(view.source, Some(SourceOutcome::Closed));
    let destination = closed_to(&patient(&world, "ON", &person.id()).await).unwrap();
    assert_eq!(destination.to_string(), "BC/Patient/somebody");
}
