//! Redis Streams that dispatch ids to workers.
//!
//! **Keys** (one hash tag a lane, so that scripts work in a cluster): `{prefix:lane}:stream`, read by one consumer
//! group, and `{prefix:lane}:delayed`, a sorted set of ids by the millisecond at which they are due.
//!
//! **Life of an entry**: [`Queue::add_many`] puts an id on the stream; [`run_lane`] hands it to a handler as a
//! [`Delivery`], which the handler settles by value: [`Delivery::ack`] takes it off, [`Delivery::retry_in`] moves
//! it to the delayed set, from where it returns when due. An entry whose worker has died is reclaimed.
//!
//! **Guarantee**: at least once, while Redis keeps its data; ids and nothing else, so that the caller's database
//! can put back what Redis loses. The crate refuses to count attempts or to give anything up: that is the
//! caller's row to decide. Commands of Redis 7.0.

mod backoff;
mod delivery;
mod keys;
mod lane;
mod queue;

pub use backoff::RetryPolicy;
pub use delivery::Delivery;
pub use lane::run_lane;
pub use queue::{Depth, Queue, QueueError};
