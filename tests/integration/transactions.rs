//! What a caller leaves behind that is gone while its transaction begins.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use local_stack::ProvinceService;
use sqlx::postgres::PgPoolOptions;
use test_kit::World;

#[tokio::test]
async fn a_transaction_that_nobody_waits_for_is_not_left_open() {
    let world = World::shared().await;
    let options = world.database("ON", ProvinceService::Outbound).await.connect_options();
    let pool = PgPoolOptions::new().max_connections(1).connect_with((*options).clone()).await.unwrap();
    // The caller goes away a little later each time: before the statement, while it is on its way, after its answer.
    for steps in (0..6000).step_by(20) {
        {
            let mut begins = pin!(service_kit::begin(&pool));
            for _ in 0..steps {
                if begins.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Outside of a transaction, each statement has one of its own.
        let id = "SELECT pg_current_xact_id()::text";
        let first: String = sqlx::query_scalar(id).fetch_one(&pool).await.unwrap();
        let second: String = sqlx::query_scalar(id).fetch_one(&pool).await.unwrap();
        assert_ne!(first, second, "the connection was given back inside a transaction");
    }
}
