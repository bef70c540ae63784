//! Redis Streams that dispatch ids: lanes, consumer groups, delayed retries, reclaim.
//!
//! A queue has one lane for each destination. An entry holds one id and nothing else; what the id stands for is
//! kept elsewhere, so that losing all of Redis delays work and loses none.
//!
//! # Keys
//! For the prefix `on:tx` and the lane `bc`, both in one hash tag, so that a script may touch both in a cluster:
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{on:tx:bc}:stream` | stream | ids that may be worked on now, each in the field `id` |
//! | `{on:tx:bc}:delayed` | sorted set | ids that wait; the score is the due time in Unix milliseconds |
//!
//! # The life of an entry
//! 1. [`Queue::add_many`] puts an id on the stream. The stream is never trimmed: trimming loses unread entries.
//! 2. A [`Consumer`] reads it as a [`Delivery`]: the server notes it as pending for this consumer.
//! 3. The delivery is settled by value. [`Delivery::ack`] takes the entry off; [`Delivery::retry_in`] takes it
//!    off and puts the id among the delayed, in one step. [`Queue::promote_due`] brings due ids back.
//! 4. A delivery that is dropped, or whose process died, stays pending. Once it has been idle for
//!    [`QueueOptions::min_idle`], [`Consumer::reclaim`] gives it to a consumer that lives. A job that runs longer
//!    keeps its entry by a [`Heartbeat`]; [`run_lane`] does all of this.
//!
//! # The guarantee
//! At least once, in no order: an id may come several times, also at the same time in two places. The state that
//! an id stands for decides whether there is something to do, and counts the attempts. `times_delivered` counts
//! deliveries of one entry only; an entry that comes back too often is handed out marked, not thrown away.
//!
//! The crate uses commands of Redis 7.0 only and gets by on the rights named in [`Queue`]. It refuses to hold
//! payloads, to decide what becomes of an id, and to know what an id means.

mod backoff;
mod consumer;
mod delayed;
mod delivery;
mod depth;
mod error;
mod keys;
mod pool;
mod producer;
mod queue;
mod reclaim;
mod scripts;

pub use backoff::RetryPolicy;
pub use consumer::Consumer;
pub use delivery::{Delivery, Heartbeat};
pub use depth::Depth;
pub use error::QueueError;
pub use pool::run_lane;
pub use queue::{Queue, QueueOptions};
