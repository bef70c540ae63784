//! What operators can do, and what the breaker does for them.

use contracts::Problem;
use contracts::peer::{LaneState, PeerList, PeerView};
use contracts::transfer::TransferView;
use domain::{TransferId, TransferState};
use local_stack::ProvinceService::Outbound;
use reqwest::{Method, Response};
use serde_json::json;
use test_kit::api::OutboundApi;
use test_kit::gateway::{Answer, Gateway};
use test_kit::{Person, World, eventually};

mod endings;
mod lanes;
mod words;

async fn operate(api: &OutboundApi, path: &str) -> Response {
    let call = api.call(Method::POST, path).json(&json!({"reason": "a test"}));
    call.send().await.unwrap()
}

async fn done(api: &OutboundApi, id: TransferId, what: &str) -> TransferView {
    let answer = operate(api, &format!("/transfer-request/{id}/{what}")).await;
    let status = answer.status();
    assert_eq!(status, 202, "{what}: {}", answer.text().await.unwrap());
    api.find(id).await
}

async fn refused(api: &OutboundApi, id: TransferId, what: &str) -> (u16, String) {
    let answer = operate(api, &format!("/transfer-request/{id}/{what}")).await;
    let status = answer.status().as_u16();
    (status, answer.json::<Problem>().await.unwrap().code)
}

async fn peer(api: &OutboundApi, code: &str) -> PeerView {
    let list: PeerList = api.call(Method::GET, "/peers").send().await.unwrap().json().await.unwrap();
    list.peers.into_iter().find(|peer| peer.code.as_str() == code).expect("a peer of the directory")
}

async fn until_lane(api: &OutboundApi, code: &str, lane: LaneState) -> PeerView {
    eventually(&format!("the lane to {code} to be {}", lane.as_str()), async || {
        let peer = peer(api, code).await;
        (peer.lane == lane).then_some(peer)
    })
    .await
}

async fn until_parked(api: &OutboundApi, id: TransferId) -> TransferView {
    eventually("a transfer to be parked", async || {
        let view = api.find(id).await;
        view.parked_since.is_some().then_some(view)
    })
    .await
}

async fn events(api: &OutboundApi, id: TransferId, name: &str) -> usize {
    api.events(id).await.events.iter().filter(|event| event.event == name).count()
}

/// Moves a transfer's times, as waiting for days would.
async fn set(world: &World, id: TransferId, columns: &'static str) {
    let pool = world.database("ON", Outbound).await;
    let update = sqlx::AssertSqlSafe(format!("UPDATE transfer SET {columns} WHERE id = $1"));
    let updated = sqlx::query(update).bind(id.uuid()).execute(&pool).await.unwrap();
    assert_eq!(updated.rows_affected(), 1);
    pool.close().await;
}

async fn is_state(api: &OutboundApi, id: TransferId, state: TransferState) -> TransferView {
    eventually(&format!("a transfer to be {state}"), async || {
        let view = api.find(id).await;
        (view.state == state).then_some(view)
    })
    .await
}
