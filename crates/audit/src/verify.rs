//! Reads the trail back, and holds it against its chains, and the chains against the heads that were told of.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::chain::{BEGINNING, Hash, Head, Row};
use crate::check::{Check, Link};
use crate::finding::Report;

/// Rows that a living process has had no time to link yet are younger than this.
const YOUNG_SECONDS: f64 = 120.0;

/// The longest that a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the database whose trail is to be verified.
pub async fn open(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE).connect(url).await
}

/// Reads the whole trail, a row at a time, and reports what does not agree.
///
/// `heads` were told outside the database: by the log ([`crate::heads_from_log`]), or by an earlier report
/// ([`Report::ends`]). Without them nobody can tell that the end of the last chain was cut off, or that all chains
/// were written anew.
pub async fn verify(pool: &PgPool, heads: &[Head]) -> Result<Report, sqlx::Error> {
    let mut check = Check::new(heads);
    let openings = sqlx::query!(
        "-- audit.verify.openings
        SELECT id, detail FROM audit_event WHERE action = 'audit.opened' ORDER BY id"
    )
    .fetch_all(pool)
    .await?;
    for row in openings {
        check.opening(row.id, &row.detail);
    }
    let mut links = sqlx::query!(
        r#"-- audit.verify
        SELECT l.chain, l.seq, l.event_id, l.hash, e.id AS "id?", e.at AS "at?", e.action AS "action?",
            e.outcome AS "outcome?", e.forensic AS "forensic?", e.actor AS "actor?", e.transfer_id, e.peer,
            e.detail AS "detail?", e.writer AS "writer?"
        FROM audit_link l LEFT JOIN audit_event e ON e.id = l.event_id ORDER BY l.chain, l.seq"#
    )
    .fetch(pool);
    while let Some(link) = links.try_next().await? {
        let row = (|| {
            Some(Row {
                id: link.id?,
                at: link.at?,
                action: link.action?,
                outcome: link.outcome?,
                forensic: link.forensic?,
                actor: link.actor?,
                transfer_id: link.transfer_id,
                peer: link.peer,
                detail: link.detail?,
                writer: link.writer?,
            })
        })();
        let hash = Hash::try_from(link.hash).unwrap_or(BEGINNING);
        check.link(Link { chain: link.chain, seq: link.seq, event_id: link.event_id, hash, row });
    }
    drop(links);
    let unlinked = sqlx::query!(
        r#"-- audit.verify.unlinked
        SELECT e.id, e.writer, extract(epoch FROM now() - e.at)::float8 AS "age!" FROM audit_event e
        WHERE NOT EXISTS (SELECT 1 FROM audit_link l WHERE l.event_id = e.id) ORDER BY e.id"#
    )
    .fetch_all(pool)
    .await?;
    for row in unlinked {
        // A row from the future has not just been written either.
        check.unlinked(row.id, row.writer, row.age.abs() < YOUNG_SECONDS);
    }
    Ok(check.finish())
}
