//! One transfer is one trace: its spans of both provinces reach a collector, linked, and hold nothing of a person.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use local_stack::ProvinceService::{Inbound, Outbound};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use prost::Message as _;
use serde_json::json;
use test_kit::{Person, World, eventually};

/// A span as the collector got it.
#[derive(Debug, Clone)]
struct Received {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

/// All spans received, and every byte of them.
#[derive(Default)]
struct Collector {
    spans: Vec<Received>,
    bytes: Vec<u8>,
}

fn take(collector: &Mutex<Collector>, body: &Bytes) {
    let request = ExportTraceServiceRequest::decode(body.as_ref()).expect("a collector's request");
    let mut collector = collector.lock().unwrap();
    collector.bytes.extend_from_slice(body);
    for resource in request.resource_spans {
        let named = resource.resource.iter().flat_map(|resource| &resource.attributes);
        let mut named = named.filter(|attribute| attribute.key == "service.name");
        let service = match named.next().and_then(|name| name.value.clone()?.value) {
            Some(AnyValue::StringValue(name)) => name,
            other => panic!("a service has a name: {other:?}"),
        };
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            collector.spans.push(Received {
                service: service.clone(),
                name: span.name,
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
            });
        }
    }
}

#[tokio::test]
async fn a_transfer_is_one_trace_across_provinces_and_the_queue() {
    let collector = Arc::new(Mutex::new(Collector::default()));
    let taken = collector.clone();
    let router = Router::new().route("/v1/traces", post(async move |body: Bytes| take(&taken, &body)));
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", tcp.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(tcp, router).await });
    let world = World::with("spans", &[("ON", Outbound), ("BC", Inbound)], &|config| {
        config["common"]["traces"] = json!({"otlp_endpoint": endpoint});
    })
    .await;
    let person =
        Person::new().doses(1).with("name", json!([{"family": "Markedname", "given": ["Markedgiven"]}]));
    person.upload(&world.fhir("ON")).await;

    world.outbound("ON").transfer(&person.id(), "BC").await;

    let spans = eventually("the spans of the transfer", async || {
        let spans = collector.lock().unwrap().spans.clone();
        let arrived = spans.iter().find(|s| s.service == "inbound-transfer" && s.name.starts_with("PUT "))?;
        let whole: Vec<Received> = spans.iter().filter(|s| s.trace == arrived.trace).cloned().collect();
        (whole.len() >= 4).then_some(whole)
    })
    .await;
    let by_id: BTreeMap<&[u8], &Received> = spans.iter().map(|span| (span.id.as_slice(), span)).collect();
    let mut at = spans.iter().find(|span| span.service == "inbound-transfer").unwrap();
    let mut way = vec![format!("{} {}", at.service, at.name)];
    while let Some(parent) = by_id.get(at.parent.as_slice()) {
        at = parent;
        way.push(format!("{} {}", at.service, at.name));
    }
    assert_eq!(
        way,
        [
            "inbound-transfer PUT /inbound-transfer/{id}",
            "outbound-transfer PUT /inbound-transfer/{id}",
            "outbound-transfer transfer",
            "outbound-transfer POST /transfer-request",
        ]
    );
    let bytes = collector.lock().unwrap().bytes.clone();
    let text = String::from_utf8_lossy(&bytes);
    for marked in ["Markedname", "Markedgiven", &person.id()] {
        assert!(!text.contains(marked), "a span holds {marked}");
    }
}
