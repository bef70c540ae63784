//! Which process follows the FHIR server, and how far it has come.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError};
use crate::rules;

/// How many facts or patients are begun anew with one statement.
const AT_ONCE: i64 = 20_000;

/// The right to follow the FHIR server, until its lease ends.
#[derive(Debug, Clone, Copy)]
pub struct Collector {
    /// Grows with each taking; every change names it.
    pub fence: i64,
}

/// How far a type was followed. All by the server's clock.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// All changes before are in the facts.
    pub until: DateTime<Utc>,
    /// Up to when it was last compared with the server; `None` before the first load has ended so.
    pub compared: Option<DateTime<Utc>>,
}

impl Store {
    /// Takes or keeps the right to follow the server; `None` while another process has it.
    pub async fn take_collector(
        &self,
        owner: &str,
        now: DateTime<Utc>,
        held_until: DateTime<Utc>,
    ) -> Result<Option<Collector>, StoreError> {
        let fence = sqlx::query_scalar!(
            "-- aggregator.take_collector
            INSERT INTO collector (owner, fence, held_until) VALUES ($1, 1, $3)
            ON CONFLICT (only_one) DO UPDATE SET owner = $1, held_until = $3,
                fence = CASE WHEN collector.owner = $1 THEN collector.fence ELSE collector.fence + 1 END
            WHERE collector.owner = $1 OR collector.held_until <= $2
            RETURNING fence",
            owner,
            now,
            held_until,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(fence.map(|fence| Collector { fence }))
    }

    /// Gives the right to follow back, so that another process need not wait for the lease to end.
    pub async fn let_go(&self, owner: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query!(
            "-- aggregator.let_go
            UPDATE collector SET held_until = $2 WHERE owner = $1 AND held_until > $2",
            owner,
            now,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Begins anew where the facts were derived by other rules than this program's; tells whether it did.
    ///
    /// First nothing is publishable any more; then, in steps, no fact is in a place, and whatever comes is newer than what
    /// is there. Stopped in between, it begins again. Who a fact was about stays, for the series that goes on.
    pub async fn take_rules(&self, collector: Collector) -> Result<bool, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let is_ours = sqlx::query_scalar!(
            r#"-- aggregator.has_rules
            SELECT coalesce(rules = $1, false) AS "is_ours!" FROM collector"#,
            rules::version(),
        )
        .fetch_one(&mut *tx)
        .await?;
        if is_ours {
            return Ok(false);
        }
        sqlx::query!("-- aggregator.drop_rules\nUPDATE collector SET rules = NULL").execute(&mut *tx).await?;
        let begun = sqlx::query!("-- aggregator.follow_anew\nDELETE FROM followed").execute(&mut *tx).await?;
        tx.commit().await?;

        let mut behind = Some(String::new());
        while let Some(last) = behind {
            behind = self.forget_places(collector, &last).await?;
        }
        let mut behind = Some(String::new());
        while let Some(last) = behind {
            behind = self.outdate_patients(collector, &last).await?;
        }
        let mut tx = self.begin_held(collector).await?;
        sqlx::query!("-- aggregator.take_rules\nUPDATE collector SET rules = $1", rules::version())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(begun.rows_affected() > 0)
    }

    /// Takes the next facts behind an id out of their places; returns the last one's id, `None` at the end.
    async fn forget_places(&self, collector: Collector, behind: &str) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let last = sqlx::query_scalar!(
            "-- aggregator.forget_places
            WITH step AS (SELECT id FROM fact WHERE id > $1 ORDER BY id LIMIT $2), changed AS (
                UPDATE fact SET place = NULL, version = 0, last_updated = 'epoch' FROM step WHERE fact.id = step.id)
            SELECT max(id) FROM step",
            behind,
            AT_ONCE,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(last)
    }

    /// Makes the next patients behind an id older than anything that comes; returns the last one's id, `None` at the end.
    async fn outdate_patients(
        &self,
        collector: Collector,
        behind: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin_held(collector).await?;
        let last = sqlx::query_scalar!(
            "-- aggregator.outdate_patients
            WITH step AS (SELECT id FROM patient WHERE id > $1 ORDER BY id LIMIT $2), changed AS (
                UPDATE patient SET version = 0, last_updated = 'epoch' FROM step WHERE patient.id = step.id)
            SELECT max(id) FROM step",
            behind,
            AT_ONCE,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(last)
    }

    /// Returns how far a type was followed; `None` before the first load has ended.
    pub async fn followed(&self, resource_type: &str) -> Result<Option<Followed>, StoreError> {
        let followed = sqlx::query_as!(
            Followed,
            "-- aggregator.followed
            SELECT until, checked_at AS compared FROM followed WHERE resource_type = $1",
            resource_type,
        );
        Ok(followed.fetch_optional(&self.pool).await?)
    }

    /// Notes that all changes of a type before `until` are in the facts.
    pub async fn has_followed(
        &self,
        collector: Collector,
        resource_type: &str,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(collector).await?;
        sqlx::query!(
            "-- aggregator.has_followed
            INSERT INTO followed (resource_type, until) VALUES ($1, $2)
            ON CONFLICT (resource_type) DO UPDATE SET until = $2",
            resource_type,
            until,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes that a type was compared with the server, as of `until`.
    pub async fn has_compared(
        &self,
        collector: Collector,
        resource_type: &str,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_held(collector).await?;
        sqlx::query!(
            "-- aggregator.has_compared
            UPDATE followed SET checked_at = $2 WHERE resource_type = $1",
            resource_type,
            until,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Begins a transaction of whoever holds the right to follow, which nobody takes away before it ends: who has lost
    /// it must not write, since another process may be ahead.
    pub(super) async fn begin_held(
        &self,
        collector: Collector,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = service_kit::begin(&self.pool).await?;
        let held = sqlx::query_scalar!(
            "-- aggregator.still_ours
        SELECT fence FROM collector WHERE fence = $1 FOR SHARE",
            collector.fence,
        )
        .fetch_optional(&mut *tx)
        .await?;
        held.map(|_| tx).ok_or(StoreError::LeaseLost)
    }
}
