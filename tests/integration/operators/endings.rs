//! How transfers end that do not complete, what wakes them, and when their packages are deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contracts::Receipt;
use domain::SourceOutcome;
use fhir::canonical::closed_to;
use fhir_client::Found;
use test_kit::Person;
use test_kit::gateway::{Asked, plain, signed};
use test_kit::people::put_all;

use super::*;

/// A world with a transfer that has died: its peer has answered nothing usable for the whole horizon.
async fn dead(name: &str) -> (World, Gateway, TransferId, Arc<AtomicBool>) {
    let (world, gateway) = Gateway::in_a_world(name).await;
    let is_well = Arc::new(AtomicBool::new(false));
    let (bc, well) = (world.credentials("BC", "inbound-transfer"), is_well.clone());
    let answer: Answer = Box::new(move |asked: &Asked| {
        if well.load(Ordering::Relaxed) { signed(&asked.receipt, &bc) } else { plain(500, "<html>") }
    });
    let id = gateway.sent(&world, answer).await.1;
    let api = world.outbound("ON");
    eventually("an attempt to fail", async || (api.find(id).await.attempts > 0).then_some(())).await;
    set(&world, id, "horizon_ends_at = requested_at").await;
    let view = is_state(&api, id, TransferState::Dead).await;
    assert_eq!(view.last_problem.unwrap().code, "horizon-spent");
    (world, gateway, id, is_well)
}

/// Whose record a transfer is about.
async fn patient_of(world: &World, id: TransferId) -> String {
    let pool = world.database("ON", Outbound).await;
    let patient = sqlx::query_scalar("SELECT patient_id FROM transfer WHERE id = $1").bind(id.uuid());
    let patient = patient.fetch_one(&pool).await.unwrap();
    pool.close().await;
    patient
}

#[tokio::test]
async fn a_dead_transfer_is_completed_by_a_receipt_that_comes_late() {
    let (world, gateway, id, is_well) = dead("late").await;
    let api = world.outbound("ON");
    let view = api.find(id).await;
    assert!(view.next_attempt_at.unwrap() > view.updated_at, "it is asked for a receipt later");
    is_well.store(true, Ordering::Relaxed);
    set(&world, id, "next_attempt_at = now(), enqueued_at = now() - interval '1 hour'").await;
    let view = is_state(&api, id, TransferState::Completed).await;
    assert!(view.receipt.is_some() && view.source.is_some());
    assert_eq!(events(&api, id, "revived").await, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_dead_transfer_is_woken_by_its_operator_and_sends_the_same_bytes() {
    let (world, gateway, id, is_well) = dead("woken").await;
    let api = world.outbound("ON");
    let before = api.find(id).await;
    is_well.store(true, Ordering::Relaxed);
    let view = done(&api, id, "retry").await;
    assert!(view.horizon_ends_at > before.horizon_ends_at);
    let view = api.until(id, TransferState::Completed).await;
    assert_eq!(view.digest, before.digest);
    assert_eq!(view.receipt.unwrap().digest, before.digest.unwrap());
    gateway.stop().await;
}

#[tokio::test]
async fn a_dead_transfer_does_not_come_back_beside_a_new_one_of_the_same_patient() {
    let (world, gateway, id, _) = dead("replaced").await;
    let api = world.outbound("ON");
    let patient = patient_of(&world, id).await;
    let other = TransferId::generate();
    gateway.answer(other, |_| plain(503, ""));
    let body = json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "test"});
    assert_eq!(api.ask(other, &body).await.status(), 202);
    assert_eq!(refused(&api, id, "retry").await, (409, "transfer-unfinished".to_owned()));
    assert_eq!(api.find(id).await.state, TransferState::Dead);
    gateway.stop().await;
}

/// A later transfer of the same patient has closed the source meanwhile: that is not the dead one's to undo.
#[tokio::test]
async fn a_dead_transfer_that_is_woken_late_leaves_a_later_closing_alone() {
    let (world, gateway, id, is_well) = dead("overtaken").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let patient = patient_of(&world, id).await;
    let mut dose = Person::new().doses(1).resources.remove(0);
    dose["patient"]["reference"] = json!(format!("Patient/{patient}"));
    put_all(&world.fhir("ON"), &[dose]).await;
    let later = TransferId::generate();
    gateway.answer(later, move |asked: &Asked| signed(&asked.receipt, &bc));
    let body = json!({"patient_id": patient, "transfer_to": "BC", "approval_ref": "test"});
    assert_eq!(api.ask(later, &body).await.status(), 202);
    operate(&api, &format!("/transfer-request/{later}/retry")).await; // past a lane that the dead one may have parked
    assert_eq!(api.until(later, TransferState::Completed).await.source, Some(SourceOutcome::Closed));

    is_well.store(true, Ordering::Relaxed);
    set(&world, id, "next_attempt_at = now(), enqueued_at = now() - interval '1 hour'").await;
    let view = is_state(&api, id, TransferState::Completed).await;

    assert_eq!(view.source, Some(SourceOutcome::ChangedSinceSeal));
    let found = world.fhir("ON").read("Patient", &patient).await.unwrap();
    let Found::Present(source) = found else { panic!("{found:?}") };
    assert_eq!(closed_to(&source).unwrap().to_string(), "BC/Patient/somebody");
    gateway.stop().await;
}

/// After a restore the ledger may not know what it has sent. That is ours to settle, and no reason to hold others up.
#[tokio::test]
async fn other_bytes_that_the_destination_has_committed_hold_no_lane_up() {
    let (world, gateway) = Gateway::in_a_world("older").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let theirs = bc.clone();
    let answer: Answer = Box::new(move |asked: &Asked| {
        let digest = format!("sha-256:{}", "0".repeat(64));
        if asked.is_put {
            plain(409, "")
        } else {
            signed(&Receipt { digest, ..asked.receipt.clone() }, &theirs)
        }
    });
    let id = gateway.sent(&world, answer).await.1;
    let failed = eventually("an attempt to fail", async || {
        let view = api.find(id).await;
        (view.attempts > 0).then_some(view)
    })
    .await;
    assert_eq!(failed.last_problem.unwrap().code, "receipt-invalid");
    assert_eq!(peer(&api, "BC").await.lane, LaneState::Open);
    let other = gateway.sent(&world, move |asked: &Asked| signed(&asked.receipt, &bc)).await.1;
    api.until(other, TransferState::Completed).await;
    set(&world, id, "horizon_ends_at = requested_at").await;
    is_state(&api, id, TransferState::Dead).await;
    gateway.stop().await;
}

#[tokio::test]
async fn packages_are_deleted_when_their_time_is_over_and_receipts_stay() {
    let (world, gateway, dead, _) = dead("purged").await;
    let (api, bc) = (world.outbound("ON"), world.credentials("BC", "inbound-transfer"));
    let completed = gateway.sent(&world, move |asked: &Asked| signed(&asked.receipt, &bc)).await.1;
    done(&api, completed, "retry").await; // past a lane that the dead one has parked
    let young = api.until(completed, TransferState::Completed).await;
    assert_eq!(young.purged_at, None);
    for id in [completed, dead] {
        set(&world, id, "updated_at = updated_at - interval '31 days'").await;
    }
    assert_eq!(world.terminate("ON", Outbound).await, Some(0));
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    let old = eventually("a package to be deleted", async || {
        let view = api.find(completed).await;
        view.purged_at.is_some().then_some(view)
    })
    .await;
    assert_eq!((&old.digest, old.receipt_jws.is_some()), (&young.digest, true));
    assert_eq!(api.find(dead).await.purged_at, None, "a dead one's only on an operator's word");
    assert!(done(&api, dead, "purge").await.purged_at.is_some());
    assert_eq!(refused(&api, dead, "retry").await, (409, "transfer-not-retryable".to_owned()));
    let pool = world.database("ON", Outbound).await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM package").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0);
    pool.close().await;
    gateway.stop().await;
}
