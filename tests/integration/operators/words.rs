//! Who may operate, with which words, and what a dry run tells.

use contracts::transfer::TransferDryRun;
use serde_json::Value;
use test_kit::gateway::plain;

use super::*;

#[tokio::test]
async fn operating_needs_its_scope_and_a_reason() {
    let world = World::shared().await;
    let api = world.outbound("ON");
    let id = TransferId::generate();
    let paths = [
        format!("/transfer-request/{id}/retry"),
        format!("/transfer-request/{id}/cancel"),
        format!("/transfer-request/{id}/purge"),
        "/peers/NS/pause".to_owned(),
        "/peers/NS/resume".to_owned(),
    ];
    let reader =
        OutboundApi::new(api.base().to_owned(), world.token("ON", &["transfer.read", "transfer.request"]));
    let long = "x".repeat(201);
    for path in &paths {
        assert_eq!(operate(&reader, path).await.status(), 403, "{path}");
        assert_eq!(operate(&api, path).await.status(), 404, "{path}: NS is no peer of this world");
        for wrong in [
            json!({}),
            json!({"reason": ""}),
            json!({"reason": "a\nb"}),
            json!({"reason": long}),
            json!({"reason": "x", "force": true}),
        ] {
            let answer = api.call(Method::POST, path).json(&wrong).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{path} {wrong}");
        }
    }
    assert_eq!(peer(&api, "BC").await.name_fr, "Colombie-Britannique");
}

async fn dry_run(world: &World, body: Value) -> TransferDryRun {
    let answer = world
        .outbound("ON")
        .call(Method::POST, "/transfer-request/dry-run")
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    assert_eq!(status, 200, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_sent_and_stores_nothing() {
    let (world, gateway) = Gateway::in_a_world("dry").await;
    let person = Person::new().doses(3).allergy();
    person.upload(&world.fhir("ON")).await;
    let body = |patient: &str| json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "test"});
    let outcome = dry_run(&world, body(&person.id())).await;
    assert!(outcome.is_sendable && outcome.problems.is_empty(), "{:?}", outcome.problems);
    assert_eq!((outcome.counts["Patient"], outcome.counts["Immunization"]), (1, 3));
    assert_eq!(outcome.counts["AllergyIntolerance"], 1);
    assert!(outcome.bytes > 1000);

    let nobody = dry_run(&world, body("nobody")).await;
    let codes = |run: &TransferDryRun| run.problems.iter().map(|p| p.code.clone()).collect::<Vec<_>>();
    assert_eq!((nobody.is_sendable, codes(&nobody)), (false, vec!["patient-not-found".to_owned()]));
    let broken = Person::new().dose("1901-05-06", "03"); // before birth
    broken.upload(&world.fhir("ON")).await;
    let broken = dry_run(&world, body(&broken.id())).await;
    assert_eq!((broken.is_sendable, codes(&broken)), (false, vec!["package-invalid".to_owned()]));
    let pool = world.database("ON", Outbound).await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM transfer").fetch_one(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(rows, 0);

    let id = TransferId::generate();
    gateway.answer(id, |_| plain(503, ""));
    assert_eq!(world.outbound("ON").ask(id, &body(&person.id())).await.status(), 202);
    let again = dry_run(&world, body(&person.id())).await;
    assert_eq!((again.is_sendable, codes(&again)), (false, vec!["transfer-unfinished".to_owned()]));
    let elsewhere = json!({"patient_id": person.id(), "transfer_to": "XX", "approval_ref": "test"});
    let answer = world
        .outbound("ON")
        .call(Method::POST, "/transfer-request/dry-run")
        .json(&elsewhere)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_client_error());
    gateway.stop().await;
}
