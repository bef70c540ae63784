//! Logs and metrics.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How the service logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A filter such as `info` or `info,outbound_transfer=debug`; changed while running by `PUT /log-level`.
    pub level: String,
    /// `json` (one object a line) or `text`.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading at a terminal.
    Text,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json }
    }
}

/// What the admin port serves of the telemetry.
#[derive(Clone)]
pub(crate) struct Telemetry {
    pub(crate) metrics: PrometheusHandle,
    pub(crate) filter: reload::Handle<EnvFilter, Registry>,
}

/// Installs the process's log and metrics. Called once, by `run`.
pub(crate) fn install(config: &LogConfig) -> anyhow::Result<Telemetry> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&config.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
            registry.with(layer).try_init()?;
        }
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr)).try_init()?,
    }
    let metrics = PrometheusBuilder::new().install_recorder()?;
    Ok(Telemetry { metrics, filter: handle })
}
