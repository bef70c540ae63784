//! What a service documents is what it offers; and its admin port.

use std::collections::BTreeSet;

use super::{Client, IN, Method, OUT, TransferId, Value, World, problem, refused};

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Lists `METHOD path` of an OpenAPI document.
fn documented(openapi: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, operations) in openapi["paths"].as_object().expect("paths") {
        for method in METHODS {
            if operations.get(method.as_str().to_lowercase()).is_some() {
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}

/// Asserts that of all methods on all documented paths exactly the documented are offered.
async fn assert_offered(client: &Client, base: &str, token: &str, wanted: &[&str]) {
    let openapi: Value = client
        .get(format!("{base}/openapi.json"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a document");
    let routes = documented(&openapi);
    assert_eq!(routes, wanted.iter().map(|&route| route.to_owned()).collect());
    let paths: BTreeSet<&str> = routes.iter().filter_map(|route| route.split(' ').nth(1)).collect();
    for path in paths {
        let filled = path
            .replace("{id}", &TransferId::generate().to_string())
            .replace("{code}", "BC")
            .replace("{sender}", "ON");
        for method in METHODS {
            let answer =
                client.request(method.clone(), format!("{base}{filled}")).bearer_auth(token).send().await;
            let answer = answer.expect("an answer");
            let is_offered = answer.status() != 405;
            assert_eq!(is_offered, routes.contains(&format!("{method} {path}")), "{method} {path}");
            if !is_offered {
                assert_eq!(refused(answer).await, (405, "method-not-allowed".to_owned()));
            }
        }
    }
    for path in
        ["/", "/transfer-requests", "/inbound-transfers", "/livez", "/metrics", "/openapi.json/x", "/peer"]
    {
        let answer = client.get(format!("{base}{path}")).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(problem(answer).await.code, "not-found", "{path}");
    }
}

#[tokio::test]
async fn outbound_transfer_documents_exactly_what_it_offers() {
    let world = World::shared().await;
    let api = world.outbound("ON");
    let token = world.token("ON", &["transfer.request", "transfer.read", "transfer.operate"]);
    let wanted = [
        "GET /transfer-request",
        "POST /transfer-request",
        "POST /transfer-request/search",
        "POST /transfer-request/dry-run",
        "GET /transfer-request/{id}",
        "GET /transfer-request/{id}/events",
        "POST /transfer-request/{id}/retry",
        "POST /transfer-request/{id}/cancel",
        "POST /transfer-request/{id}/purge",
        "GET /peers",
        "POST /peers/{code}/pause",
        "POST /peers/{code}/resume",
    ];
    assert_offered(&Client::builder().no_proxy().build().unwrap(), api.base(), &token, &wanted).await;
}

#[tokio::test]
async fn inbound_transfer_documents_exactly_what_it_offers() {
    let world = World::shared().await;
    let client = world.peer_client("ON", "outbound-transfer", "BC");
    let wanted =
        ["PUT /inbound-transfer/{id}", "GET /inbound-transfer/{id}", "POST /inbound-transfer/dry-run"];
    assert_offered(&client, &world.gateway("BC", ""), "", &wanted).await;
    let wanted = ["GET /inbound-transfer", "GET /inbound-transfer/{sender}/{id}"];
    let (plain, local) = (Client::builder().no_proxy().build().unwrap(), world.arrivals("BC"));
    let token = world.token("BC", &["transfer.read"]);
    assert_offered(&plain, local.base(), &token, &wanted).await;
}

#[tokio::test]
async fn the_admin_port_says_how_the_service_is_and_changes_how_loud_it_logs() {
    let world = World::of("admin", &["ON"]).await;
    let client = Client::builder().no_proxy().build().unwrap();
    for service in [OUT, IN] {
        let admin = world.admin("ON", service);
        for (path, text) in [("livez", "alive\n"), ("readyz", "ready\n"), ("startupz", "started\n")] {
            let answer = client.get(format!("{admin}/{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(answer.text().await.unwrap(), text);
        }
        let put = async |level: &'static str| {
            let answer = client.put(format!("{admin}/log-level")).body(level).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(put("info,tower=debug\n").await, (200, "info,tower=debug\n".to_owned()));
        assert_eq!(put("a=b=c").await.0, 400);
        assert_eq!(put("off").await.0, 200);
        let quiet = world.log("ON", service);
        ask(&world, &client, service).await;
        assert_eq!(world.log("ON", service), quiet, "a service that is told to be quiet still logs");
        assert_eq!(put("info").await.0, 200);
        ask(&world, &client, service).await;
        assert!(world.log("ON", service).len() > quiet.len());
        let metrics = world.metrics("ON", service).await;
        let route = "http_request_duration_seconds_count{route=\"/openapi.json\",status=\"200\"} 2";
        assert!(metrics.lines().any(|line| line == route), "{metrics}");
        for (method, path) in
            [(Method::POST, "livez"), (Method::GET, "log-level"), (Method::GET, "transfer-request")]
        {
            let answer = client.request(method, format!("{admin}/{path}")).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path}");
        }
    }
}

/// Asks a service something that it logs.
async fn ask(world: &World, client: &Client, service: local_stack::ProvinceService) {
    let (client, base) = if service == OUT {
        (client.clone(), world.outbound("ON").base().to_owned())
    } else {
        (world.peer_client("BC", "outbound-transfer", "ON"), world.gateway("ON", ""))
    };
    assert_eq!(client.get(format!("{base}/openapi.json")).send().await.expect("an answer").status(), 200);
}
