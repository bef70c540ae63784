//! The words of the business: jurisdictions, people's ids, transfers and the legal moves between their states.
//!
//! Everything here is pure. The crate does no I/O, knows no standard and no protocol, and refuses to hold
//! anything that only one service needs.

mod clock;
mod jurisdiction;
mod patient;
mod transfer;
mod transfer_state;

pub use clock::{Clock, FixedClock, SystemClock};
pub use jurisdiction::{InvalidJurisdiction, Jurisdiction};
pub use patient::{InvalidPatientId, PatientId};
pub use transfer::{InvalidTransferId, TransferId};
pub use transfer_state::{SourceOutcome, TransferState, UnknownState};
