//! What readers get: by token, by certificate, packed, as text, or a problem.

use std::io::Read as _;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderName, Request, Response};
use bytes::Bytes;
use contracts::Problem;
use contracts::federated::{NationalTable, SourceList};
use mtls::{ClientOptions, SpiffeId};
use tower::ServiceExt;

use crate::fake::Script;
use crate::sample::release;
use crate::world::{DASHBOARD, FEDERATOR, World, serve};

fn api(world: &World) -> Router {
    federator::http::routes().with_state(world.state(1_000))
}

async fn get(world: &World, path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
    let token = world.issuer.mint("epidemiologist", &["aggregate.read"], Duration::from_mins(5)).unwrap();
    let mut request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    api(world).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn body(response: Response<Body>) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

async fn problem(response: Response<Body>) -> (u16, String, String) {
    let status = response.status().as_u16();
    let problem: Problem = serde_json::from_slice(&body(response).await).unwrap();
    (status, problem.code, problem.detail.unwrap_or_default())
}

#[tokio::test]
async fn partial_is_an_answer_and_none_is_not() {
    let world = World::of(&["BC", "ON"]).await;
    let (status, code, detail) = problem(get(&world, "/aggregated-data", &[]).await).await;
    assert_eq!((status, code.as_str()), (503, "no-source"));
    assert!(
        detail.contains("BC (BC) is unavailable") && detail.contains("ON (ON) is unavailable"),
        "{detail}"
    );
    world.fake("BC").does(Script::Status(500));
    world.national.refresh().await;
    let partial = get(&world, "/aggregated-data", &[]).await;
    assert_eq!(
        (partial.status().as_u16(), &partial.headers()["x-iidi-sources"]),
        (200, &"BC=unavailable, ON=ok".parse().unwrap())
    );
    let table: NationalTable = serde_json::from_slice(&body(partial).await).unwrap();
    assert_eq!((table.data.len(), table.errors.len()), (3, 1));
    let all = get(&world, "/aggregated-data?require=all", &[]).await;
    assert_eq!(all.headers()["retry-after"], "15");
    let (status, code, detail) = problem(all).await;
    assert_eq!((status, code.as_str()), (503, "sources-missing"));
    assert!(detail.contains("BC (BC) is unavailable") && !detail.contains("ON (ON)"), "{detail}");
    world.fake("BC").does(Script::release(release("BC", 7, 40)));
    world.national.refresh().await;
    assert_eq!(get(&world, "/aggregated-data?require=all", &[]).await.status(), 200);
    let wrong = problem(get(&world, "/aggregated-data?require=some", &[]).await).await;
    assert_eq!((wrong.0, wrong.1.as_str()), (400, "invalid-request"));
}

#[tokio::test]
async fn a_tag_lasts_as_long_as_the_answer_but_for_time() {
    let world = World::of(&["ON"]).await;
    world.national.refresh().await;
    let tag = |response: &Response<Body>| response.headers()[ETAG].to_str().unwrap().to_owned();
    let first = tag(&get(&world, "/aggregated-data", &[]).await);
    world.clock.advance(chrono::TimeDelta::hours(1));
    world.national.refresh().await;
    let again = get(&world, "/aggregated-data", &[(IF_NONE_MATCH, &first)]).await;
    assert_eq!((again.status().as_u16(), tag(&again)), (304, first.clone()));
    assert!(body(again).await.is_empty());
    let table = world.answer().await;
    assert_eq!(table.sources[0].age_seconds, Some(2 * 3_600 + 60), "the answer itself tells the time");
    let text = get(&world, "/aggregated-data", &[(IF_NONE_MATCH, &first), (ACCEPT, "text/csv")]).await;
    assert_eq!(text.status(), 200, "text is another answer");
    world.fake("ON").does(Script::Hang);
    world.national.refresh().await;
    let stale = get(&world, "/aggregated-data", &[(IF_NONE_MATCH, &first)]).await;
    assert_eq!(stale.status(), 200, "a source that became stale is news");
    world.fake("ON").does(Script::release(release("ON", 8, 50)));
    world.national.refresh().await;
    assert_eq!(get(&world, "/aggregated-data", &[(IF_NONE_MATCH, &tag(&stale))]).await.status(), 200);
}

#[tokio::test]
async fn the_table_comes_packed_and_as_text() {
    let world = World::of(&["ON"]).await;
    world.national.refresh().await;
    for (accepted, kind) in
        [("application/json", "application/json"), ("text/csv", "text/csv; charset=utf-8")]
    {
        let plain = get(&world, "/aggregated-data", &[(ACCEPT, accepted)]).await;
        let packed = get(&world, "/aggregated-data", &[(ACCEPT, accepted), (ACCEPT_ENCODING, "gzip")]).await;
        assert_eq!(
            (&plain.headers()["content-type"], &packed.headers()["content-type"]),
            (&kind.parse().unwrap(), &kind.parse().unwrap())
        );
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        let mut unpacked = Vec::new();
        let packed = body(packed).await;
        flate2::read::GzDecoder::new(packed.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body(plain).await);
    }
    let text = body(get(&world, "/aggregated-data", &[(ACCEPT, "text/csv")]).await).await;
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 4);
    assert!(text.contains("ON,2019,1 year,Female,MMR,871831003,1,1,40,false,2019-12-31\r\n"), "{text}");
}

#[tokio::test]
async fn only_readers_read() {
    let world = World::of(&["ON"]).await;
    world.national.refresh().await;
    let ask = |authorization: Option<String>| {
        let mut request = Request::get("/aggregated-data");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        api(&world).oneshot(request.body(Body::empty()).unwrap())
    };
    let token = world.issuer.mint("clerk", &["transfer.read"], Duration::from_mins(5)).unwrap();
    assert_eq!(problem(ask(None).await.unwrap()).await.1, "unauthenticated");
    assert_eq!(problem(ask(Some("Bearer x.y.z".into())).await.unwrap()).await.1, "unauthenticated");
    assert_eq!(problem(ask(Some(format!("Bearer {token}"))).await.unwrap()).await.1, "insufficient-scope");
    // by certificate: the reader's own, and no other of the same authority, whatever token comes with it
    let url = serve(world.credentials(FEDERATOR), api(&world), &world.stop).await;
    let good = world.issuer.mint("epidemiologist", &["aggregate.read"], Duration::from_mins(5)).unwrap();
    for (identity, status) in [(DASHBOARD, 200), ("spiffe://iidi.test/pt/on/aggregator", 403)] {
        let expected = SpiffeId::parse(FEDERATOR).unwrap();
        let client = mtls::client(&world.credentials(identity), &expected, ClientOptions::default()).unwrap();
        let answer = client.get(format!("{url}/aggregated-data")).bearer_auth(&good).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{identity}");
    }
}

#[tokio::test]
async fn a_reader_that_asks_too_often_is_told_when_to_come_again() {
    let world = World::of(&["ON"]).await;
    let api: Router = federator::http::routes().with_state(world.state(2));
    let token = world.issuer.mint("epidemiologist", &["aggregate.read"], Duration::from_mins(5)).unwrap();
    let ask = || {
        let request = Request::get("/sources").header(AUTHORIZATION, format!("Bearer {token}"));
        api.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    for _ in 0..2 {
        assert_eq!(ask().await.unwrap().status(), 200);
    }
    let refused = ask().await.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await.1, "rate-limited");
}

#[tokio::test]
async fn the_sources_are_told_without_their_data() {
    let world = World::of(&["BC", "ON"]).await;
    world.write_directory(&["BC"]);
    world.national.refresh().await;
    let list: SourceList = serde_json::from_slice(&body(get(&world, "/sources", &[]).await).await).unwrap();
    assert_eq!(crate::world::standing(&list.sources), ["BC suspended source-suspended", "ON ok 7"]);
    assert_eq!(
        list.errors,
        [
            "BC (BC) is suspended: the directory has it suspended; the table is without its data [source-suspended]"
        ]
    );
    let described =
        api(&world).oneshot(Request::get("/openapi.json").body(Body::empty()).unwrap()).await.unwrap();
    let described: serde_json::Value = serde_json::from_slice(&body(described).await).unwrap();
    assert!(described["paths"]["/aggregated-data"]["get"].is_object());
}
