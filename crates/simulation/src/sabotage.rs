//! Faults of our own making: a judge that has never convicted anybody is not known to be one.

use clap::ValueEnum;

/// What is done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// A destination signs a receipt and writes nothing.
    ReceiptWithoutCommit,
    /// A destination writes a copy of a dose under an id of its own.
    SecondCopy,
    /// A source is closed although nothing was sent.
    ClosedEarly,
    /// A transfer that was accepted is deleted from the ledger.
    ForgottenTransfer,
    /// A dose of the copy is missing at the destination.
    MissingDose,
    /// A row of an inbound service's audit trail is altered.
    AlteredAudit,
    /// The same of an outbound service's.
    AlteredSentAudit,
    /// Every destination refuses what it would have taken.
    RefusesAll,
    /// No FHIR server answers, as long as the world lasts.
    AllSilent,
    /// A FHIR server that carries out late what its client has given up writes records under ids of its own.
    LateCopies,
}
