//! Match keys: two packages that may be about the same person are planned one after the other.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::{Claim, Store, StoreError};

/// The hash of something that selects a person: an origin record, a health number, name and birth date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchKey(Vec<u8>);

impl MatchKey {
    /// Makes the key of `text` among keys of this `kind`.
    pub fn new(kind: &str, text: &str) -> Self {
        Self(Sha256::digest(format!("{kind}\0{text}")).to_vec())
    }
}

impl Store {
    /// Takes all keys or none; tells whether it got them. Repeatable by the same transfer.
    pub async fn lock(
        &self,
        claim: &Claim,
        mut keys: Vec<MatchKey>,
        now: DateTime<Utc>,
        held_until: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        keys.sort();
        keys.dedup();
        let wanted = keys.len() as u64;
        let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| key.0).collect();
        let mut tx = service_kit::begin(&self.pool).await?;
        let taken = sqlx::query!(
            "-- inbound.lock
            INSERT INTO match_lock (key, sender, transfer_id, held_until)
            SELECT key, $2, $3, $5 FROM unnest($1::bytea[]) AS key ORDER BY key
            ON CONFLICT (key) DO UPDATE SET sender = $2, transfer_id = $3, held_until =
                CASE WHEN match_lock.sender = $2 AND match_lock.transfer_id = $3
                    THEN greatest(match_lock.held_until, $5) ELSE $5 END
                WHERE match_lock.held_until <= $4 OR (match_lock.sender = $2 AND match_lock.transfer_id = $3)",
            &keys,
            claim.sender.as_str(),
            claim.id.uuid(),
            now,
            held_until,
        )
        .execute(&mut *tx)
        .await?;
        if taken.rows_affected() == wanted {
            tx.commit().await?;
            Ok(true)
        } else {
            tx.rollback().await?;
            Ok(false)
        }
    }

    /// Gives the keys of a transfer back that has no plan, as long as it is this worker's: a worker that was overtaken
    /// must not take them from the one that has planned meanwhile.
    pub async fn unlock(&self, claim: &Claim) -> Result<(), StoreError> {
        sqlx::query!(
            "-- inbound.unlock_own
            WITH own AS (
                SELECT sender, id FROM inbound_transfer
                WHERE sender = $1 AND id = $2 AND lease = $3 AND state <> 'planned' FOR UPDATE),
            mine AS (
                SELECT key FROM match_lock JOIN own ON match_lock.sender = own.sender AND transfer_id = own.id
                ORDER BY key FOR UPDATE OF match_lock)
            DELETE FROM match_lock USING mine WHERE match_lock.key = mine.key",
            claim.sender.as_str(),
            claim.id.uuid(),
            claim.lease,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Gives the keys of a transfer back, in the caller's transaction.
pub(super) async fn unlock(connection: &mut PgConnection, claim: &Claim) -> Result<(), StoreError> {
    sqlx::query!(
        "-- inbound.unlock
        WITH mine AS (SELECT key FROM match_lock WHERE sender = $1 AND transfer_id = $2 ORDER BY key FOR UPDATE)
        DELETE FROM match_lock USING mine WHERE match_lock.key = mine.key",
        claim.sender.as_str(),
        claim.id.uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Holds the keys of a transfer for as long as its plan is stored; returns how many it still had.
pub(super) async fn hold(
    connection: &mut PgConnection,
    claim: &Claim,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let held = sqlx::query!(
        "-- inbound.hold
        WITH mine AS (SELECT key FROM match_lock WHERE sender = $1 AND transfer_id = $2 ORDER BY key FOR UPDATE)
        UPDATE match_lock SET held_until = 'infinity' FROM mine WHERE match_lock.key = mine.key AND held_until > $3",
        claim.sender.as_str(),
        claim.id.uuid(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(held.rows_affected())
}
