//! The one way in which all services start, stop, are observed and answer errors.
//!
//! [`run`] is the whole of a service's `main`: arguments, configuration, telemetry, admin port, database,
//! the service itself, and on SIGTERM the drain. The crate knows no province's data, no queue and no FHIR.

pub mod admin;
mod api;
mod chain;
mod config;
mod database;
pub mod extract;
mod heartbeat;
pub mod hold;
pub mod in_flight;
mod lifecycle;
pub mod negotiation;
pub mod openapi;
pub mod package_keys;
pub mod page;
pub mod problem;
pub mod request_log;
mod run;
pub mod spans;
mod telemetry;
pub mod trace;

pub use admin::{AdminConfig, Readiness};
pub use api::{ApiConfig, GatewayConfig, default_tls_poll};
pub use chain::Chain;
pub use config::{ConfigError, load as load_config};
pub use database::{DatabaseConfig, begin, connect, migrate, reading_pool};
pub use heartbeat::with_heartbeat;
pub use lifecycle::Lifecycle;
pub use package_keys::PackageKeys;
pub use problem::{ProblemResponse, answer_problem};
pub use run::{Common, Context, Service, ServiceConfig, run};
pub use sqlx::migrate::Migrator;
pub use telemetry::LogConfig;
