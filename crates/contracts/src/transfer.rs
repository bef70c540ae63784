//! A transfer as its origin's callers see it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Jurisdiction, PatientId, SourceOutcome, TransferId, TransferState};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::receipt::Receipt;

/// An identifier of the person at the destination, if the caller knows one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationIdentifier {
    /// The naming system, such as the destination's health number.
    pub system: String,
    /// The number.
    pub value: String,
}

/// The body of `POST /transfer-request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTransfer {
    /// The Patient's logical id on the province's FHIR server.
    #[schema(value_type = String)]
    pub patient_id: PatientId,
    /// The destination's code.
    #[schema(value_type = String, example = "BC")]
    pub transfer_to: Jurisdiction,
    /// Where consent and authorization are recorded.
    pub approval_ref: String,
    /// The person's identifier at the destination, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_identifier: Option<DestinationIdentifier>,
}

/// A transfer as it stands.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferView {
    /// The transfer.
    #[schema(value_type = String)]
    pub id: TransferId,
    /// Its state.
    #[schema(value_type = String, example = "sealed")]
    pub state: TransferState,
    /// The destination.
    #[schema(value_type = String)]
    pub transfer_to: Jurisdiction,
    /// As requested.
    pub approval_ref: String,
    /// When it was accepted.
    pub requested_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Attempts at the present step.
    pub attempts: i32,
    /// When it is tried next; absent when nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<Problem>,
    /// Since when the breaker or a pause holds it back; that time costs neither attempts nor horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_since: Option<DateTime<Utc>>,
    /// When its package first left; from then on it cannot be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_attempt_at: Option<DateTime<Utc>>,
    /// When it is given up.
    pub horizon_ends_at: DateTime<Utc>,
    /// When the package's bytes were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<DateTime<Utc>>,
    /// The live record's id, when the one asked for was merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub live_patient_id: Option<PatientId>,
    /// What was sealed: resources by type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub sealed_counts: BTreeMap<String, u64>,
    /// The package's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The verified receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The receipt as it was received: a compact JWS whose `x5c` names its signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_jws: Option<String>,
    /// What became of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub source: Option<SourceOutcome>,
}

/// A page of transfers, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferPage {
    /// The transfers.
    pub transfers: Vec<TransferView>,
    /// Give this as `cursor` to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One entry of a transfer's timeline.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened: `requested`, `sealed`, `attempt-failed`, `parked`, `delivered`, `completed`, ….
    pub event: String,
    /// Who did it, where it was an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, as the operator has given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The attempt's number at its step, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The timeline of a transfer, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferEvents {
    /// The events.
    pub events: Vec<TransferEvent>,
}

/// The body of `POST /transfer-request/search`.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferSearch {
    /// The Patient's logical id.
    #[schema(value_type = String)]
    pub patient_id: PatientId,
}

/// The body of a call by which an operator changes something: why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorReason {
    /// 1 to 200 characters, for the audit trail; never personal data.
    pub reason: String,
}

/// What a transfer would send, found out without storing or sending anything.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferDryRun {
    /// The destination.
    #[schema(value_type = String)]
    pub transfer_to: Jurisdiction,
    /// Whether a transfer would be sealed as things stand.
    pub is_sendable: bool,
    /// What would be sent: resources by type.
    pub counts: BTreeMap<String, u64>,
    /// The package's size in bytes.
    pub bytes: u64,
    /// What stands against it, or what the destination would find fault with.
    pub problems: Vec<Problem>,
}
