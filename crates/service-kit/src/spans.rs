//! Spans of a trace, sent to an OpenTelemetry collector where the configuration names one.
//!
//! A span says what was done, for how long and how it ended, by the templates of routes and the ids of transfers: never
//! by what a caller wrote, so nothing of a person leaves by it. Spans wait in a bounded queue; what a collector does
//! not take in time is dropped, never waited for. Source: OTLP 1.x over HTTP; names of attributes by OpenTelemetry's
//! semantic conventions for HTTP.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor};
use serde::Deserialize;

pub use opentelemetry::trace::SpanKind;

use crate::trace::TraceContext;

static PROCESSOR: OnceLock<BatchSpanProcessor> = OnceLock::new();

/// How long a stop waits for the last spans.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans are sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// Address of an OTLP collector that speaks HTTP, such as `http://collector:4318`; without it nothing is sent.
    pub otlp_endpoint: Option<String>,
}

/// Begins to send spans of this service, where a collector is named. Called once, by `run`.
pub(crate) fn install(config: &TracesConfig, service: &'static str) -> anyhow::Result<()> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(()) };
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).with_timeout(FLUSH).build()?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    processor.set_resource(&Resource::builder().with_service_name(service).with_attribute(version).build());
    let _ = PROCESSOR.set(processor);
    Ok(())
}

/// Sends what is left. Blocks for two seconds at most.
pub(crate) fn flush() {
    if let Some(Err(error)) =
        PROCESSOR.get().map(|processor| SpanProcessor::shutdown_with_timeout(processor, FLUSH))
    {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

/// Something at work; when it is dropped, it has ended, and is sent.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    kind: SpanKind,
    name: String,
    begun: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// Begins what `context` stands for.
    pub fn begin(context: &TraceContext, kind: SpanKind, name: impl Into<String>) -> Self {
        let (begun, status) = (SystemTime::now(), Status::Unset);
        Self { context: context.clone(), kind, name: name.into(), begun, attributes: Vec::new(), status }
    }

    /// Notes something about it: an id, a number, a word of ours.
    pub fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key, value));
    }

    /// It has failed; `code` is a problem's code.
    pub fn fails(&mut self, code: impl Into<String>) {
        self.status = Status::Error { description: code.into().into() };
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(processor) = PROCESSOR.get() else { return };
        let id =
            |hex: Option<&str>| hex.and_then(|hex| SpanId::from_hex(hex).ok()).unwrap_or(SpanId::INVALID);
        let Ok(trace_id) = TraceId::from_hex(self.context.trace_id()) else { return };
        let context = SpanContext::new(
            trace_id,
            id(Some(self.context.span_id())),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        processor.on_end(SpanData {
            span_context: context,
            parent_span_id: id(self.context.parent()),
            parent_span_is_remote: self.kind == SpanKind::Server,
            span_kind: self.kind.clone(),
            name: std::mem::take(&mut self.name).into(),
            start_time: self.begun,
            end_time: SystemTime::now(),
            attributes: std::mem::take(&mut self.attributes),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.status.clone(),
            instrumentation_scope: InstrumentationScope::builder("iidi").build(),
        });
    }
}
