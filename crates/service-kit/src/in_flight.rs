//! A bound on the requests that an API works on at once: more are answered 503 at once instead of waiting unseen.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use tokio::sync::Semaphore;

use crate::problem::ProblemResponse;

/// Lets at most `most` requests in at once.
pub fn at_most<S: Clone + Send + Sync + 'static>(router: Router<S>, most: usize) -> Router<S> {
    let permits = Arc::new(Semaphore::new(most));
    router
        .layer(middleware::from_fn(move |request: Request, next: Next| admit(permits.clone(), request, next)))
}

async fn admit(permits: Arc<Semaphore>, request: Request, next: Next) -> Response {
    let Ok(_permit) = permits.try_acquire_owned() else {
        return ProblemResponse::new(ProblemCode::Busy)
            .detail("too many requests at once")
            .retry_after(Duration::from_secs(1))
            .into_response();
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn one_more_than_allowed_is_told_to_come_again() {
        let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arriving, going) = (arrived.clone(), go.clone());
        let slow = get(move || async move {
            arriving.notify_one();
            going.notified().await;
        });
        let api: Router = at_most(Router::new().route("/", slow), 1);
        let ask = |api: Router| async move {
            tower::ServiceExt::oneshot(api, Request::new(Body::empty())).await.expect("an answer")
        };
        let first = tokio::spawn(ask(api.clone()));
        arrived.notified().await;
        let second = ask(api.clone()).await;
        assert_eq!((second.status().as_u16(), second.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        go.notify_one();
        assert_eq!(first.await.unwrap().status(), 200);
    }
}
