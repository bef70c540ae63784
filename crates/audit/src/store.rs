//! All SQL of the trail.

use sqlx::PgConnection;

use crate::AuditEvent;
use crate::chain::{Hash, Head, Row};

/// Rows that are linked in one transaction.
const LINKED_AT_ONCE: i64 = 5000;

/// Holds the lock under a writer's name as long as the connection lives.
pub(crate) async fn lock_writer(connection: &mut PgConnection, writer: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"-- audit.lock_writer
        SELECT pg_advisory_lock(hashtextextended($1, 0)) AS "locked!: ()""#,
        writer
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Returns the number of the process that serves this connection.
pub(crate) async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- audit.backend
        SELECT pg_backend_pid() AS "pid!""#
    )
    .fetch_one(connection)
    .await
}

/// Ends an earlier connection of this writer, if it is there still.
pub(crate) async fn end_backend(
    connection: &mut PgConnection,
    pid: i32,
    writer: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- audit.end_backend
        SELECT pg_terminate_backend(pid) AS "ended!" FROM pg_stat_activity
        WHERE pid = $1 AND application_name = $2"#,
        pid,
        writer
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// Takes the lock under a writer's name, if nobody has it.
pub(crate) async fn try_lock_writer(
    connection: &mut PgConnection,
    writer: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- audit.try_lock_writer
        SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS "locked!""#,
        writer
    )
    .fetch_one(connection)
    .await
}

pub(crate) async fn unlock_writer(connection: &mut PgConnection, writer: &str) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- audit.unlock_writer
        SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS "unlocked!""#,
        writer
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Returns the last link of a chain.
pub(crate) async fn head(
    connection: &mut PgConnection,
    chain: &str,
) -> Result<Option<(i64, Hash)>, sqlx::Error> {
    let row = sqlx::query!(
        "-- audit.head
        SELECT seq, hash FROM audit_link WHERE chain = $1 ORDER BY seq DESC LIMIT 1",
        chain,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.and_then(|row| Some((row.seq, Hash::try_from(row.hash).ok()?))))
}

/// Returns the heads of all chains that no opening row names as they stand.
pub(crate) async fn heads_not_named(connection: &mut PgConnection) -> Result<Vec<Head>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- audit.heads_not_named
        SELECT chain, seq, encode(hash, 'hex') AS "hash!" FROM (
            SELECT DISTINCT ON (chain) chain, seq, hash FROM audit_link ORDER BY chain, seq DESC) head
        WHERE NOT EXISTS (
            SELECT 1 FROM audit_event e, jsonb_array_elements(e.detail -> 'predecessors') named
            WHERE e.action = 'audit.opened' AND named ->> 'chain' = head.chain
                AND (named ->> 'seq')::bigint = head.seq)
        ORDER BY chain"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Head { chain: row.chain, seq: row.seq, hash: row.hash }).collect())
}

/// Adds many rows by one statement.
pub(crate) async fn insert_all(
    connection: &mut PgConnection,
    events: &[AuditEvent],
) -> Result<(), sqlx::Error> {
    let at: Vec<_> = events.iter().map(|event| event.at).collect();
    let actions: Vec<_> = events.iter().map(|event| event.action.to_owned()).collect();
    let outcomes: Vec<_> = events.iter().map(|event| event.outcome.as_str().to_owned()).collect();
    let forensic: Vec<_> = events.iter().map(|event| event.forensic).collect();
    let actors: Vec<_> = events.iter().map(|event| event.actor.clone()).collect();
    let transfers: Vec<_> = events.iter().map(|event| event.transfer_id.map(|id| id.uuid())).collect();
    let peers: Vec<_> = events.iter().map(|event| event.peer.as_ref().map(ToString::to_string)).collect();
    let details: Vec<_> = events.iter().map(|event| event.detail.clone()).collect();
    sqlx::query!(
        "-- audit.insert_all
        INSERT INTO audit_event (at, action, outcome, forensic, actor, transfer_id, peer, detail)
        SELECT * FROM UNNEST($1::timestamptz[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::uuid[],
            $7::text[], $8::jsonb[])",
        &at,
        &actions,
        &outcomes,
        &forensic,
        &actors,
        &transfers as &[Option<uuid::Uuid>],
        &peers as &[Option<String>],
        &details,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns a writer's rows behind `floor` that no chain holds, in the order of their ids.
pub(crate) async fn unlinked(
    connection: &mut PgConnection,
    writer: &str,
    floor: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        "-- audit.unlinked
        SELECT id, at, action, outcome, forensic, actor, transfer_id, peer, detail, writer FROM audit_event e
        WHERE writer = $1 AND id > $2 AND NOT EXISTS (SELECT 1 FROM audit_link l WHERE l.event_id = e.id)
        ORDER BY id LIMIT $3",
        writer,
        floor,
        LINKED_AT_ONCE,
    )
    .fetch_all(connection)
    .await
}

/// Returns the other writers with rows behind `floor` that no chain holds, and the highest id there is.
pub(crate) async fn writers_with_unlinked(
    connection: &mut PgConnection,
    own: &str,
    floor: i64,
) -> Result<(Vec<String>, Option<i64>), sqlx::Error> {
    let last = sqlx::query_scalar!(
        "-- audit.last
        SELECT max(id) FROM audit_event"
    )
    .fetch_one(&mut *connection)
    .await?;
    let writers = sqlx::query_scalar!(
        "-- audit.writers_with_unlinked
        SELECT DISTINCT writer FROM audit_event e
        WHERE writer <> $1 AND id > $2 AND NOT EXISTS (SELECT 1 FROM audit_link l WHERE l.event_id = e.id)
        ORDER BY writer",
        own,
        floor,
    )
    .fetch_all(connection)
    .await?;
    Ok((writers, last))
}

/// Adds links to a chain: number, row, hash.
pub(crate) async fn insert_links(
    connection: &mut PgConnection,
    chain: &str,
    links: &[(i64, i64, Hash)],
) -> Result<(), sqlx::Error> {
    let seqs: Vec<_> = links.iter().map(|(seq, _, _)| *seq).collect();
    let events: Vec<_> = links.iter().map(|(_, event, _)| *event).collect();
    let hashes: Vec<_> = links.iter().map(|(_, _, hash)| hash.to_vec()).collect();
    sqlx::query!(
        "-- audit.insert_links
        INSERT INTO audit_link (chain, seq, event_id, hash)
        SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::bytea[])",
        chain,
        &seqs,
        &events,
        &hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}
