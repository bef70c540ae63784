//! What was received of each record.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Jurisdiction;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{Claim, Store, StoreError};

/// The last content received of a record, and from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRecord {
    /// The record, `CODE/Type/id`.
    pub origin: String,
    /// Its type.
    pub resource_type: String,
    /// Its id here.
    pub local_id: String,
    /// SHA-256 (hex) of its content as it was written.
    pub content_hash: String,
    /// Who sent it.
    pub sender: Jurisdiction,
}

impl Store {
    /// Returns what is known of these records, by origin.
    pub async fn received(&self, origins: &[String]) -> Result<BTreeMap<String, ReceivedRecord>, StoreError> {
        let rows = sqlx::query!(
            "-- inbound.received
            SELECT origin, resource_type, local_id, content_hash, sender FROM received_record
            WHERE origin = ANY($1::text[])",
            origins,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut found = BTreeMap::new();
        for row in rows {
            let sender = Jurisdiction::parse(&row.sender).map_err(|_| StoreError::Unreadable("a sender"))?;
            let record = ReceivedRecord {
                origin: row.origin.clone(),
                resource_type: row.resource_type,
                local_id: row.local_id,
                content_hash: hex::encode(row.content_hash),
                sender,
            };
            found.insert(row.origin, record);
        }
        Ok(found)
    }
}

/// Writes down what was received, in the transaction of the commit.
pub(super) async fn write(
    connection: &mut PgConnection,
    claim: &Claim,
    records: &[ReceivedRecord],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // One statement for all of them. A record that is named twice counts as it was named last.
    let by_origin: BTreeMap<&str, &ReceivedRecord> =
        records.iter().map(|record| (record.origin.as_str(), record)).collect();
    let hashes = by_origin.values().map(|record| hex::decode(&record.content_hash));
    let hashes: Vec<Vec<u8>> =
        hashes.collect::<Result<_, _>>().map_err(|_| StoreError::Unreadable("a content hash"))?;
    let column = |of: fn(&ReceivedRecord) -> &str| -> Vec<String> {
        by_origin.values().map(|record| of(record).to_owned()).collect()
    };
    sqlx::query!(
        "-- inbound.write_received
        INSERT INTO received_record
            (origin, resource_type, local_id, content_hash, sender, transfer_id, received_at)
        SELECT origin, resource_type, local_id, content_hash, sender, $6, $7
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[])
            AS arrived (origin, resource_type, local_id, content_hash, sender)
        ON CONFLICT (origin) DO UPDATE SET local_id = EXCLUDED.local_id, content_hash = EXCLUDED.content_hash,
            sender = EXCLUDED.sender, transfer_id = EXCLUDED.transfer_id, received_at = EXCLUDED.received_at",
        &column(|record| &record.origin),
        &column(|record| &record.resource_type),
        &column(|record| &record.local_id),
        &hashes,
        &column(|record| record.sender.as_str()),
        claim.id.uuid(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
