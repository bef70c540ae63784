//! The one client of a FHIR server: paged searches, counts, reads and transactions.
//!
//! Every look-up that names a person travels in a body (`POST {Type}/_search`, or a batch of reads or searches), so that no id and
//! no health number stands in a URL that somebody logs. Every search says `no-cache`: the server would
//! otherwise answer from an earlier search for up to a minute. The crate refuses to interpret resources, to
//! follow a link to another host, and to put anything that the server said into its own errors.

mod client;
#[cfg(feature = "double")]
pub mod double;
mod error;
pub mod feed;
mod paging;
mod together;
mod transport;
mod validate;

/// The version of what has never been there, for `If-Match`. The server asks for none where nothing ever was, and takes
/// no other afterwards: a transaction that holds such an entry is carried out once, however often and late it is tried.
pub const NEVER_BEFORE: &str = "0";

pub use client::{FhirServer, FhirServerOptions, Found, TransactionResponse, WrittenVersion};
pub use error::FhirError;
pub use together::{Search, Searched};
pub use transport::{Calling, FhirRequest, FhirResponse, FhirTransport};
