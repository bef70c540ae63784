//! Lists, searches and timelines.

use std::collections::BTreeSet;

use super::{
    IN, Method, OUT, OutboundApi, Person, TransferId, TransferPage, TransferState, Value, World, body, json,
    lonely, refused,
};

async fn list(api: &OutboundApi, query: &[(&str, &str)]) -> TransferPage {
    let call = api.call(Method::GET, "/transfer-request").query(query);
    call.send()
        .await
        .expect("an answer")
        .error_for_status()
        .expect("success")
        .json()
        .await
        .expect("a document")
}

fn ids(page: &TransferPage) -> Vec<TransferId> {
    page.transfers.iter().map(|transfer| transfer.id).collect()
}

/// Asks for transfers to NS, a destination that no other test of this world uses.
async fn ask_for(api: &OutboundApi, count: usize) -> Vec<TransferId> {
    let mut asked = Vec::new();
    for _ in 0..count {
        asked.push(api.request(&Person::new().id(), "NS").await);
    }
    asked
}

#[tokio::test]
async fn pages_show_each_transfer_once_and_filters_only_what_they_name() {
    let api = lonely().await.outbound("ON");
    // One person has a record; the others are unknown, so that their transfers are rejected.
    let before = chrono_now(&api).await;
    let asked = ask_for(&api, 6).await;
    let person = Person::new().doses(1);
    person.upload(&lonely().await.fhir("ON")).await;
    let sealed = api.request(&person.id(), "NS").await;
    api.until(sealed, TransferState::Sealed).await;
    for id in &asked {
        api.until(*id, TransferState::Rejected).await;
    }
    let mut newest_first = asked.clone();
    newest_first.push(sealed);
    newest_first.reverse();

    let (mut seen, mut cursor, mut sizes) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let mut query = vec![("transfer_to", "NS"), ("limit", "3")];
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let page = list(&api, &query).await;
        sizes.push(page.transfers.len());
        seen.extend(ids(&page));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, newest_first);

    let to = ("transfer_to", "NS");
    assert_eq!(ids(&list(&api, &[to, ("state", "sealed")]).await), [sealed]);
    assert_eq!(ids(&list(&api, &[to, ("state", "rejected")]).await).len(), 6);
    assert_eq!(ids(&list(&api, &[to, ("state", "completed")]).await), []);
    assert_eq!(ids(&list(&api, &[to, ("since", &before)]).await), newest_first);
    let fourth = api.find(asked[3]).await.requested_at.to_rfc3339();
    assert_eq!(ids(&list(&api, &[to, ("since", &fourth)]).await), newest_first[..4]);
    assert_eq!(ids(&list(&api, &[to, ("limit", "0")]).await).len(), 1);
    assert_eq!(ids(&list(&api, &[to, ("limit", "100000")]).await).len(), 7);
    assert_eq!(ids(&list(&api, &[("since", "2199-01-01T00:00:00Z")]).await), []);
    let all: BTreeSet<_> = ids(&list(&api, &[("since", &before)]).await).into_iter().collect();
    assert!(newest_first.iter().all(|id| all.contains(id)));
}

/// The time of the service, by a transfer that it has just accepted.
async fn chrono_now(api: &OutboundApi) -> String {
    let id = api.request(&Person::new().id(), "BC").await;
    api.find(id).await.requested_at.to_rfc3339()
}

#[tokio::test]
async fn a_query_that_means_nothing_is_refused() {
    let api = lonely().await.outbound("ON");
    let micros = "9".repeat(30);
    for query in [
        ("state", "waiting"),
        ("state", ""),
        ("transfer_to", "somewhere far"),
        ("since", "yesterday"),
        ("since", "2026-01-01"),
        ("limit", "many"),
        ("limit", "99999999999999999999"),
        ("cursor", "x"),
        ("cursor", "1_x"),
        ("cursor", &format!("{micros}_{}", TransferId::generate())),
        ("cursor", &format!("{}_{}", i64::MAX, TransferId::generate())),
        ("cursor", &format!("-200000000000000000_{}", TransferId::generate())),
        ("since", "-200000-01-01T00:00:00Z"),
        ("since", "+200000-01-01T00:00:00Z"),
        ("since", "-5000-01-01T00:00:00Z"),
        ("patient_id", "1"),
        ("page", "2"),
    ] {
        let call = api.call(Method::GET, "/transfer-request").query(&[query]);
        assert_eq!(
            refused(call.send().await.unwrap()).await,
            (400, "invalid-request".to_owned()),
            "{query:?}"
        );
    }
}

#[tokio::test]
async fn a_patients_transfers_are_searched_by_the_body() {
    let api = lonely().await.outbound("ON");
    let patient = Person::new().id();
    let mut asked = Vec::new();
    for _ in 0..3 {
        let id = api.request(&patient, "BC").await;
        api.until(id, TransferState::Rejected).await;
        asked.insert(0, id);
    }
    let search = async |body: Value| {
        api.call(Method::POST, "/transfer-request/search").json(&body).send().await.unwrap()
    };
    let page: TransferPage = search(json!({"patient_id": patient})).await.json().await.unwrap();
    assert_eq!(ids(&page), asked);
    let nobody: TransferPage = search(json!({"patient_id": Person::new().id()})).await.json().await.unwrap();
    assert_eq!(ids(&nobody), []);
    for wrong in [json!({}), json!({"patient_id": "a/b"}), json!({"patient_id": "p", "x": 1})] {
        assert_eq!(
            refused(search(wrong.clone()).await).await,
            (400, "invalid-request".to_owned()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_timeline_tells_each_step_in_its_order_and_why_one_failed() {
    let world = World::prepared("timeline", &[("ON", OUT), ("BC", IN)]).await;
    world.start("ON", OUT, "", &|_| {}, &[]).await;
    let api = world.outbound("ON");
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    let id = api.request(&person.id(), "BC").await;
    let events = test_kit::eventually("an attempt to fail", async || {
        let events = api.events(id).await.events;
        events.iter().any(|event| event.event == "attempt-failed").then_some(events)
    })
    .await;
    // While the lane is parked, a transfer can be told so before its first attempt.
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).filter(|&e| e != "parked").collect();
    assert_eq!(names[..3], ["requested", "sealed", "attempt-failed"]);
    let failed = events.iter().find(|event| event.event == "attempt-failed").unwrap();
    assert_eq!(failed.attempt, Some(1));
    assert_eq!(failed.problem.as_ref().unwrap().code, "peer-unreachable");
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let view = api.find(id).await;
    assert_eq!(view.state, TransferState::Sealed);
    assert!(view.attempts >= 1);
    assert!(view.next_attempt_at.is_some() || view.parked_since.is_some());
    assert_eq!(view.last_problem.unwrap().code, "peer-unreachable");
    assert_eq!(view.sealed_counts["Immunization"], 1);
    assert!(view.digest.unwrap().starts_with("sha-256:"));

    let rejected = api.request(&Person::new().id(), "BC").await;
    let view = api.until(rejected, TransferState::Rejected).await;
    assert_eq!(view.last_problem.unwrap().code, "patient-not-found");
    assert_eq!(view.next_attempt_at, None);
    let events = api.events(rejected).await.events;
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names, ["requested", "rejected"]);
    assert_eq!(events[1].problem.as_ref().unwrap().code, "patient-not-found");
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_found() {
    let api = lonely().await.outbound("ON");
    for id in [TransferId::generate().to_string(), "1".to_owned(), "%ff".to_owned(), "..%2f..".to_owned()] {
        for path in [format!("/transfer-request/{id}"), format!("/transfer-request/{id}/events")] {
            let answer = api.call(Method::GET, &path).send().await.unwrap();
            assert_eq!(refused(answer).await, (404, "not-found".to_owned()), "{path}");
        }
    }
    let answer = api.ask(TransferId::generate(), &body("nobody", "BC")).await;
    assert_eq!(answer.status(), 202, "whether there is such a patient is found out when the record is read");
}
