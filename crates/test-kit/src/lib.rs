//! Worlds for tests: our services as real processes on the real parts of a local stack.
//!
//! A [`World`] has databases, a queue prefix and a peer directory of its own; the FHIR servers are shared, so every
//! test makes people of its own ([`people`]). Nothing is mocked. The stack is started by `cargo xtask test`, or
//! by hand; without one every test fails and says so.

pub mod aggregators;
pub mod api;
pub mod arrivals;
pub mod copies;
pub mod delivery;
pub mod federal;
pub mod fhir_proxy;
pub mod gateway;
pub mod held;
mod leftovers;
pub mod package;
pub mod people;
pub mod wait;
pub mod wire;
pub mod world;

pub use api::OutboundApi;
pub use arrivals::{assert_arrived_once, versions};
pub use copies::{Original, url_of};
pub use held::{Held, start_held};
pub use package::{copy_id, package_of};
pub use people::Person;
pub use wait::eventually;
pub use world::World;
