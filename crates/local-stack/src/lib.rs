//! The real parts on one computer: PostgreSQL, Redis, a HAPI FHIR server per province and a local certificate
//! authority. The demo, the tests and the benchmarks share it.
//!
//! Everything a stack makes stands in one folder (see [`Layout`]): data, logs, process records, generated
//! configuration, secrets. Ports are chosen free and remembered, passwords are drawn when first needed and kept in
//! files that only their owner can read. Starting a running stack starts what is missing and nothing else.
//!
//! It refuses to mock anything, to use a system service (it runs its own PostgreSQL and Redis), to listen anywhere
//! but on the loopback address, and to end a process that it cannot prove to be its own. It is for development
//! only: nothing in it belongs into a deployment.

mod ca;
mod cluster_api;
mod dashboard;
mod directory;
mod exec;
mod federal;
mod files;
mod hapi;
mod jurisdictions;
mod layout;
mod package_keys;
mod port;
mod postgres;
mod process;
mod province;
mod redis;
mod service;
mod settings;
mod stack;
mod steps;

pub use crate::ca::{PartyCertificate, spiffe_id};
pub use crate::cluster_api::ClusterApi;
pub use crate::dashboard::start_dashboard;
pub use crate::directory::gateway_port_name;
pub use crate::federal::{FederatorSettings, federator_url, start_federator};
pub use crate::files::{write_config, write_private};
pub use crate::hapi::{Hapi, HapiOptions};
pub use crate::jurisdictions::{Named, names_of};
pub use crate::layout::{Layout, StackFile, lower_code};
pub use crate::port::free_port;
pub use crate::postgres::{DatabaseUrls, Postgres};
pub use crate::process::{ProcessRecord, ProcessStatus};
pub use crate::province::{
    ProvinceService, Settings, arrivals_url, outbound_url, releases_url, start_province, start_service,
    token_issuer,
};
pub use crate::redis::Redis;
pub use crate::service::{ServiceProcess, ServiceSpec};
pub use crate::stack::{Stack, StackOptions};
