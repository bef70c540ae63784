//! The outbound API, as a province's own systems meet it.

use std::time::Duration;

use contracts::Problem;
use contracts::transfer::{TransferPage, TransferView};
use domain::{TransferId, TransferState};
use local_stack::{ProvinceService, token_issuer};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use test_kit::{OutboundApi, Person, World, eventually};
use tokio::sync::OnceCell;

mod documented;
mod lists;

const OUT: ProvinceService = ProvinceService::Outbound;
const IN: ProvinceService = ProvinceService::Inbound;

/// A world in which only the outbound-transfer of ON runs: no transfer ends, since no gateway answers. QC is
/// suspended, and clocks of token issuers are believed to the second.
async fn lonely() -> &'static World {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let make = async || {
        let world = World::prepared("api", &[("ON", OUT), ("BC", IN), ("NS", IN), ("QC", IN)]).await;
        world.write_directory(&["QC"]);
        let exact = |config: &mut Value| config["api"]["tokens"]["leeway_seconds"] = json!(0);
        world.start("ON", OUT, "", &exact, &[]).await;
        world
    };
    WORLD.get_or_init(make).await
}

async fn problem(answer: Response) -> Problem {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.text().await.expect("a text");
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json", "{status} {body}");
    assert!(!headers["x-request-id"].is_empty());
    assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401, "{body}");
    let problem: Problem = serde_json::from_str(&body).expect("a problem document");
    assert_eq!(problem.status, status.as_u16());
    problem
}

async fn refused(answer: Response) -> (u16, String) {
    let problem = problem(answer).await;
    (problem.status, problem.code)
}

fn body(patient_id: &str, to: &str) -> Value {
    json!({"patient_id": patient_id, "transfer_to": to, "approval_ref": "A-1"})
}

/// The raw call, with whatever stands in `Authorization`.
fn post(api: &OutboundApi, authorization: Option<&str>) -> RequestBuilder {
    let call = Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
        .post(format!("{}/transfer-request", api.base()));
    let call = call.header("Idempotency-Key", TransferId::generate().to_string()).json(&body("p-1", "BC"));
    authorization
        .map_or(call.try_clone().expect("a call without a stream"), |value| call.header(AUTHORIZATION, value))
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused_and_told_why() {
    let world = lonely().await;
    let api = world.outbound("ON");
    let segment = |value: Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let good = world.token("ON", &["transfer.request"]);
    let claims = good.split('.').nth(1).unwrap();
    let none = format!("{}.{claims}.", segment(json!({"alg": "none", "typ": "JWT"})));
    let hs256 = format!("{}.{claims}.AAAA", segment(json!({"alg": "HS256", "typ": "JWT", "kid": "x"})));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let foreign = world.token("BC", &["transfer.request"]);
    let cases = [
        (None, "send Authorization"),
        (Some("Basic YTpi".to_owned()), "send Authorization"),
        (Some("Bearer".to_owned()), "send Authorization"),
        (Some("Bearer x".to_owned()), "malformed"),
        (Some(format!("Bearer {none}")), "algorithm"),
        (Some(format!("Bearer {hs256}")), "algorithm"),
        (Some(format!("Bearer {forged}")), "signature"),
        (Some(format!("Bearer {foreign}")), "key-unknown"),
        (Some(format!("Bearer {}", "a".repeat(20_000))), ""),
    ];
    for (authorization, why) in cases {
        let answer = post(&api, authorization.as_deref()).send().await.unwrap();
        if answer.status() == 431 {
            continue; // larger than any header may be: answered before it is ours
        }
        let found = problem(answer).await;
        assert_eq!((found.status, found.code.as_str()), (401, "unauthenticated"), "{authorization:?}");
        assert!(found.detail.unwrap().contains(why), "{authorization:?}: {why}");
    }
}

#[tokio::test]
async fn a_token_for_another_province_is_refused_by_its_audience() {
    // The issuer's key is ON's own; only what the token is for differs.
    let world = lonely().await;
    let layout = world.stack().layout();
    let folder = token_issuer(layout, "ON").unwrap().jwks_file().parent().unwrap().to_owned();
    let good = world.token("ON", &[]);
    let claims: Value = {
        use base64::Engine as _;
        let claims = good.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap())
            .unwrap()
    };
    let issuer = claims["iss"].as_str().unwrap();
    let lifetime = Duration::from_mins(1);
    for (issuer, audience, why) in
        [(issuer, "iidi-bc", "audience"), ("https://other.example", "iidi-on", "issuer")]
    {
        let forging = auth::LocalIssuer::open(&folder, issuer, audience).unwrap();
        let token = forging.mint("test", &["transfer.request"], lifetime).unwrap();
        let found =
            problem(post(&world.outbound("ON"), Some(&format!("Bearer {token}"))).send().await.unwrap())
                .await;
        assert_eq!((found.status, found.code.as_str()), (401, "unauthenticated"));
        assert!(found.detail.unwrap().contains(why), "{why}");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused() {
    let world = lonely().await;
    let issuer = token_issuer(world.stack().layout(), "ON").unwrap();
    let token = format!("Bearer {}", issuer.mint("test", &["transfer.request"], Duration::ZERO).unwrap());
    eventually("the token's last second to be over", async || {
        let answer = post(&world.outbound("ON"), Some(&token)).send().await.unwrap();
        (answer.status() == 401).then_some(answer)
    })
    .await;
    let found = problem(post(&world.outbound("ON"), Some(&token)).send().await.unwrap()).await;
    assert!(found.detail.unwrap().contains("expired"));
}

#[tokio::test]
async fn each_call_needs_its_scope() {
    let world = lonely().await;
    let id = TransferId::generate();
    let reading = [
        (Method::GET, "/transfer-request".to_owned()),
        (Method::GET, format!("/transfer-request/{id}")),
        (Method::GET, format!("/transfer-request/{id}/events")),
        (Method::POST, "/transfer-request/search".to_owned()),
    ];
    let asking = [(Method::POST, "/transfer-request".to_owned())];
    let with =
        |scopes: &[&str]| OutboundApi::new(world.outbound("ON").base().to_owned(), world.token("ON", scopes));
    for (calls, scope, others) in [
        (
            &reading[..],
            "transfer.read",
            ["transfer.request", "transfer.operate", "transfer.rea", "Transfer.read"],
        ),
        (
            &asking[..],
            "transfer.request",
            ["transfer.read", "transfer.operate", "transfer", "transfer.request2"],
        ),
    ] {
        for (method, path) in calls {
            let call = |api: OutboundApi| {
                let key = TransferId::generate().to_string();
                let call = api.call(method.clone(), path).header("Idempotency-Key", key);
                if *method == Method::POST { call.json(&json!({"x": 1})) } else { call }
            };
            for other in others.iter().map(|other| vec![*other]).chain([vec![]]) {
                let answer = call(with(&other)).send().await.unwrap();
                let found = problem(answer).await;
                assert_eq!(
                    (found.status, found.code.as_str()),
                    (403, "insufficient-scope"),
                    "{path} {other:?}"
                );
                assert!(found.detail.unwrap().contains(scope));
            }
            let status = call(with(&[scope])).send().await.unwrap().status().as_u16();
            assert!(![401, 403].contains(&status), "{path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_body_that_says_the_wrong_thing_is_refused() {
    let api = lonely().await.outbound("ON");
    let with = |name: &str, value: Value| {
        let mut all = body("p-1", "BC");
        all[name] = value;
        all.to_string()
    };
    let without = |name: &str| {
        let mut all = body("p-1", "BC");
        all.as_object_mut().unwrap().remove(name);
        all.to_string()
    };
    let number = |system: &str, value: &str| json!({"system": system, "value": value});
    let cases = [
        (with("extra", json!(1)), 400, "invalid-request"),
        (without("patient_id"), 400, "invalid-request"),
        (without("transfer_to"), 400, "invalid-request"),
        (without("approval_ref"), 400, "invalid-request"),
        (with("patient_id", json!("Patient/1")), 400, "invalid-request"),
        (with("patient_id", json!("../1")), 400, "invalid-request"),
        (with("patient_id", json!("1?x=y")), 400, "invalid-request"),
        (with("patient_id", json!("")), 400, "invalid-request"),
        (with("patient_id", json!("a".repeat(65))), 400, "invalid-request"),
        (with("patient_id", json!(7)), 400, "invalid-request"),
        (with("approval_ref", json!("")), 400, "invalid-request"),
        (with("approval_ref", json!(" \t ")), 400, "invalid-request"),
        (with("approval_ref", json!("a".repeat(201))), 400, "invalid-request"),
        (with("approval_ref", json!("a\u{0}b")), 400, "invalid-request"),
        (with("destination_identifier", number("", "1")), 400, "invalid-request"),
        (with("destination_identifier", number("s:s", " ")), 400, "invalid-request"),
        (with("destination_identifier", number("s:s", "1\u{0}")), 400, "invalid-request"),
        (with("destination_identifier", json!({"system": "s:s"})), 400, "invalid-request"),
        (
            with("destination_identifier", json!({"system": "s:s", "value": "1", "x": 1})),
            400,
            "invalid-request",
        ),
        (with("transfer_to", json!("not a code")), 400, "invalid-request"),
        (with("transfer_to", json!("ON")), 422, "unknown-destination"),
        (with("transfer_to", json!("AB")), 422, "unknown-destination"),
        (with("transfer_to", json!("PHAC")), 422, "unknown-destination"),
        (with("transfer_to", json!("QC")), 422, "unknown-destination"),
        ("{".to_owned(), 400, "invalid-json"),
        (String::new(), 400, "invalid-json"),
        ("[]".to_owned(), 400, "invalid-request"),
        ("null".to_owned(), 400, "invalid-request"),
        (with("approval_ref", json!("a".repeat(70_000))), 413, "too-large"),
    ];
    for (text, status, code) in cases {
        let id = TransferId::generate();
        let call = api.call(Method::POST, "/transfer-request").header("Idempotency-Key", id.to_string());
        let call = call.header(CONTENT_TYPE, "application/json").body(text.clone());
        let shown: String = text.chars().take(200).collect();
        assert_eq!(refused(call.send().await.unwrap()).await, (status, code.to_owned()), "{shown}");
        let found = api.call(Method::GET, &format!("/transfer-request/{id}")).send().await.unwrap();
        assert_eq!(found.status(), 404, "{shown}");
    }
    let call = api
        .call(Method::POST, "/transfer-request")
        .header("Idempotency-Key", TransferId::generate().to_string());
    let call = call.header(CONTENT_TYPE, "text/plain").body(body("p-1", "BC").to_string());
    assert_eq!(refused(call.send().await.unwrap()).await, (415, "unsupported-media-type".to_owned()));
}

#[tokio::test]
async fn a_request_needs_a_key_that_is_a_uuid() {
    let api = lonely().await.outbound("ON");
    for key in [None, Some(""), Some("1"), Some("not-a-uuid"), Some("00000000-0000-0000-0000-00000000000")] {
        let call = api.call(Method::POST, "/transfer-request").json(&body("p-1", "BC"));
        let call = if let Some(key) = key { call.header("Idempotency-Key", key) } else { call };
        assert_eq!(refused(call.send().await.unwrap()).await, (400, "invalid-request".to_owned()), "{key:?}");
    }
}

#[tokio::test]
async fn the_same_key_and_body_are_one_transfer_however_often_and_in_parallel() {
    let world = World::shared().await;
    let (api, person, id) = (world.outbound("ON"), Person::new().doses(1), TransferId::generate());
    person.upload(&world.fhir("ON")).await;
    let asked = body(&person.id(), "BC");
    let answers = futures::future::join_all((0..20).map(|_| api.ask(id, &asked))).await;
    for answer in answers {
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.headers()[LOCATION], format!("/transfer-request/{id}"));
        assert_eq!(answer.json::<TransferView>().await.unwrap().id, id);
    }
    let ended = api.until(id, TransferState::Completed).await;
    let again = api.ask(id, &asked).await;
    assert_eq!(again.status(), 202);
    assert_eq!(again.json::<TransferView>().await.unwrap().receipt_jws, ended.receipt_jws);

    let (ledger, theirs) = (world.database("ON", OUT).await, world.database("BC", IN).await);
    let count = async |pool, sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).bind(id.uuid()).fetch_one::<&sqlx::PgPool>(pool).await.unwrap()
    };
    assert_eq!(count(&ledger, "SELECT count(*) FROM transfer WHERE id = $1").await, 1);
    let requested =
        "SELECT count(*) FROM audit_event WHERE transfer_id = $1 AND action = 'transfer.requested'";
    assert_eq!(count(&ledger, requested).await, 1);
    assert_eq!(count(&ledger, "SELECT count(*) FROM outbox WHERE transfer_id = $1").await, 0);
    assert_eq!(count(&theirs, "SELECT count(*) FROM inbound_transfer WHERE id = $1").await, 1);
    let events: Vec<_> = api.events(id).await.events.into_iter().map(|event| event.event).collect();
    assert_eq!(events, ["requested", "sealed", "delivered", "completed"]);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let api = lonely().await.outbound("ON");
    let patient = Person::new().id();
    let id = api.request(&patient, "BC").await;
    let first = api.find(id).await;
    let mut others = vec![body(&Person::new().id(), "BC"), body(&patient, "NS")];
    others.push(json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "other"}));
    others.push(json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "test",
        "destination_identifier": {"system": "s:s", "value": "1"}}));
    for other in others {
        assert_eq!(
            refused(api.ask(id, &other).await).await,
            (409, "idempotency-conflict".to_owned()),
            "{other}"
        );
    }
    let unreadable = json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "a\0b"});
    assert_eq!(refused(api.ask(id, &unreadable).await).await, (400, "invalid-request".to_owned()));
    let now = api.find(id).await;
    assert_eq!((now.transfer_to, now.approval_ref), (first.transfer_to, first.approval_ref));
}

#[tokio::test]
async fn a_second_transfer_of_a_person_waits_for_the_first_and_is_told_which() {
    let api = lonely().await.outbound("ON");
    let person = Person::new().doses(1);
    person.upload(&lonely().await.fhir("ON")).await;
    let first = api.request(&person.id(), "BC").await;
    api.until(first, TransferState::Sealed).await;
    for to in ["BC", "NS"] {
        let found = problem(api.ask(TransferId::generate(), &body(&person.id(), to)).await).await;
        assert_eq!((found.status, found.code.as_str()), (409, "transfer-unfinished"));
        assert!(found.detail.unwrap().contains(&first.to_string()), "{to}");
    }
}
