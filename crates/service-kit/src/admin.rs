//! The admin port: is the process alive, is it ready, what does it measure, how loud does it log.
//!
//! Plain HTTP on its own port, so that the gateway port always demands a client certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit::Trail;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde::Deserialize;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::telemetry::Telemetry;

/// Where the admin port listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port; never exposed outside the cluster.
    pub listen: SocketAddr,
}

/// Whether the service takes work.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    started: Arc<AtomicBool>,
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Says that the service has started and takes work.
    pub fn set_ready(&self) {
        self.started.store(true, Ordering::Relaxed);
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Says that the service is going away.
    pub fn set_stopping(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    pool: PgPool,
    trail: Trail,
    telemetry: Telemetry,
}

/// Serves the admin port until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    pool: PgPool,
    trail: Trail,
    telemetry: Telemetry,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(|State(admin): State<Admin>| async move { admin.telemetry.metrics.render() }))
        .route("/log-level", put(log_level))
        .with_state(Admin { readiness, pool, trail, telemetry });
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin port has failed");
    }
}

async fn startupz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.readiness.started.load(Ordering::Relaxed) {
        (StatusCode::OK, "started\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if !admin.readiness.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n");
    }
    let ping = sqlx::query("SELECT 1").execute(&admin.pool);
    match tokio::time::timeout(Duration::from_secs(2), ping).await {
        Ok(Ok(_)) if !admin.trail.is_up() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the audit trail cannot be written\n")
        }
        Ok(Ok(_)) => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

async fn log_level(State(admin): State<Admin>, body: String) -> (StatusCode, String) {
    match EnvFilter::try_new(body.trim()) {
        Ok(filter) => match admin.telemetry.filter.reload(filter) {
            Ok(()) => (StatusCode::OK, format!("{}\n", body.trim())),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        Err(error) => {
            (StatusCode::BAD_REQUEST, format!("{error}; try `info` or `info,inbound_transfer=debug`\n"))
        }
    }
}
