//! The audit trail: every request and change of state is on record, and whoever takes a row away or alters one is found.

use std::collections::BTreeSet;

use audit::{Finding, Head, Report, heads_from_log, verify};
use domain::TransferId;
use local_stack::ProvinceService::{self, Inbound, Outbound};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Person, World, eventually, package_of};

/// Verifies once everything is linked.
async fn settled(pool: &PgPool, heads: &[Head]) -> Report {
    eventually("all rows to be linked", async || {
        let report = verify(pool, heads).await.unwrap();
        (report.young == 0).then_some(report)
    })
    .await
}

fn heads(world: &World, province: &str, service: ProvinceService) -> Vec<Head> {
    heads_from_log(world.log(province, service).as_bytes()).unwrap()
}

#[tokio::test]
async fn a_trail_of_several_processes_one_of_them_killed_is_good_and_any_change_is_found() {
    let world = World::of("trail", &["ON", "BC"]).await;
    let person = Person::new().doses(2);
    person.upload(&world.fhir("ON")).await;
    world.outbound("ON").transfer(&person.id(), "BC").await;
    world.kill("ON", Outbound).await;
    world.start("ON", Outbound, "", &|_| {}, &[]).await;
    world.start("ON", Outbound, "-2", &|_| {}, &[]).await;
    let later = Person::new().doses(1);
    later.upload(&world.fhir("ON")).await;
    world.outbound("ON").transfer(&later.id(), "BC").await;
    assert_eq!(world.terminate("ON", Outbound).await, Some(0));

    let pool = world.database("ON", Outbound).await;
    let told = heads(&world, "ON", Outbound);
    assert!(told.len() >= 2, "the log names the heads: {told:?}");
    let good = eventually("the killed process's rows to be adopted", async || {
        let report = verify(&pool, &told).await.unwrap();
        (report.young == 0).then_some(report)
    })
    .await;
    assert_eq!(good.findings, []);
    assert!(good.chains >= 3 && good.rows > 15 && good.heads >= 3, "{good:?}");

    let (chain, seq, event): (String, i64, i64) = sqlx::query_as(
        "SELECT chain, seq, event_id FROM audit_link l JOIN audit_event e ON e.id = l.event_id
        WHERE e.action = 'transfer.sealed' ORDER BY chain, seq LIMIT 1",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    any_altered_column_is_found(&pool, &told, (&chain, seq, event)).await;
    swapped_and_removed_rows_are_found(&pool, &told, (&chain, seq, event)).await;
    pool.close().await;
}

/// Each column is altered, and put back.
async fn any_altered_column_is_found(pool: &PgPool, told: &[Head], at: (&str, i64, i64)) {
    let (chain, seq, event) = at;
    let altered = [Finding::Altered { chain: chain.to_owned(), seq, event_id: event }];
    for (column, kind, other) in [
        ("action", "text", "'transfer.completed'"),
        ("outcome", "text", "'failed'"),
        ("forensic", "boolean", "NOT forensic"),
        ("actor", "text", "'somebody else'"),
        ("at", "timestamptz", "at + interval '1 microsecond'"),
        ("peer", "text", "NULL"),
        ("transfer_id", "uuid", "NULL"),
        ("detail", "jsonb", "detail || '{\"x\": 1}'"),
        ("writer", "text", "'another'"),
    ] {
        let kept = sqlx::AssertSqlSafe(format!("SELECT {column}::text FROM audit_event WHERE id = {event}"));
        let kept: String = sqlx::query_scalar(kept).fetch_one(pool).await.unwrap();
        let set = async |value: &str| {
            let sql = format!("UPDATE audit_event SET {column} = {value} WHERE id = {event}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
            verify(pool, told).await.unwrap().findings
        };
        assert_eq!(set(other).await, altered, "{column}");
        assert_eq!(set(&format!("'{kept}'::{kind}")).await, [], "{column} is as it was");
    }
}

/// Rows change places, an end is cut off, a row, its link and a whole chain are removed.
async fn swapped_and_removed_rows_are_found(pool: &PgPool, told: &[Head], at: (&str, i64, i64)) {
    let (chain, seq, event) = at;
    // Two rows change places.
    let next: i64 = sqlx::query_scalar("SELECT event_id FROM audit_link WHERE chain = $1 AND seq = $2")
        .bind(chain)
        .bind(seq + 1)
        .fetch_one(pool)
        .await
        .unwrap();
    let swap = async || {
        for (from, to) in [(event, -1), (next, event), (-1, next)] {
            sqlx::query("UPDATE audit_link SET event_id = $2 WHERE event_id = $1 AND chain = $3")
                .bind(from)
                .bind(to)
                .bind(chain)
                .execute(pool)
                .await
                .unwrap();
        }
    };
    swap().await;
    let found = verify(pool, told).await.unwrap().findings;
    let moved = |at: i64, event_id, from_seq| Finding::Moved {
        chain: chain.to_owned(),
        seq: at,
        event_id,
        from_chain: chain.to_owned(),
        from_seq,
    };
    assert_eq!(found, [moved(seq, next, seq + 1), moved(seq + 1, event, seq)]);
    swap().await;
    assert_eq!(verify(pool, told).await.unwrap().findings, []);

    // The end of a chain is cut off, rows and links: a head that was told of is no more.
    let last = told.last().unwrap();
    let cut = "WITH gone AS (DELETE FROM audit_link WHERE chain = $1 AND seq >= $2 RETURNING event_id)
        DELETE FROM audit_event WHERE id IN (SELECT event_id FROM gone)";
    sqlx::query(cut).bind(&last.chain).bind(last.seq).execute(pool).await.unwrap();
    let found = verify(pool, told).await.unwrap().findings;
    assert_eq!(found, [Finding::CutOff { chain: last.chain.clone(), seq: last.seq, told_by: None }]);

    // A row is removed; then its link as well; then its whole chain.
    sqlx::query("DELETE FROM audit_event WHERE id = $1").bind(event).execute(pool).await.unwrap();
    let found = verify(pool, &[]).await.unwrap().findings;
    assert_eq!(found, [Finding::Removed { chain: chain.to_owned(), seq, event_id: event }]);
    sqlx::query("DELETE FROM audit_link WHERE event_id = $1").bind(event).execute(pool).await.unwrap();
    let found = verify(pool, &[]).await.unwrap().findings;
    assert_eq!(found, [Finding::Gap { chain: chain.to_owned(), seq }]);
    let all = "WITH gone AS (DELETE FROM audit_link WHERE chain = $1 RETURNING event_id)
        DELETE FROM audit_event WHERE id IN (SELECT event_id FROM gone)";
    sqlx::query(all).bind(chain).execute(pool).await.unwrap();
    let found = verify(pool, &[]).await.unwrap().findings;
    assert!(
        found.iter().any(
            |finding| matches!(finding, Finding::CutOff { chain: of, told_by: Some(_), .. } if *of == chain)
        ),
        "a later process has named the chain: {found:?}"
    );
}

#[tokio::test]
async fn a_row_that_no_process_has_written_is_found() {
    let world = World::of("forged", &["ON"]).await;
    let pool = world.database("ON", Outbound).await;
    assert_eq!(settled(&pool, &[]).await.findings, []);
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO audit_event (at, action, outcome, actor, writer)
        SELECT now() - interval '1 hour', 'transfer.completed', 'success', 'x', writer FROM audit_event LIMIT 1
        RETURNING id",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    // Linked in the living process's name before it was altered, or not linked yet: both show. (Left alone for a
    // minute, it would be adopted as the row of a process that has gone: decision 0007.)
    sqlx::query("UPDATE audit_event SET writer = 'nobody' WHERE id = $1")
        .bind(id)
        .execute(&pool)
        .await
        .unwrap();
    let found = verify(&pool, &[]).await.unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    pool.close().await;
}

/// The rows of requests that a service has left.
async fn requests(pool: &PgPool) -> Vec<(String, String, Option<uuid::Uuid>, Option<String>, Value)> {
    sqlx::query_as(
        "SELECT outcome, actor, transfer_id, peer, detail FROM audit_event WHERE action = 'request' ORDER BY id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_request_and_its_answer_is_on_record_also_a_refused_one() {
    let world = World::of("requests", &["ON", "BC"]).await;
    let api = world.outbound("ON");
    let id = TransferId::generate();
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("00-{trace}-00f067aa0ba902b7-01");
    let get = |path: &str| plain.get(format!("{}{path}", api.base())).header("traceparent", &header);
    let found = get(&format!("/transfer-request/{id}")).bearer_auth(world.token("ON", &["transfer.read"]));
    assert_eq!(found.send().await.unwrap().status(), 404);
    assert_eq!(get("/peers").send().await.unwrap().status(), 401);
    let narrow = world.token("ON", &["transfer.request"]);
    assert_eq!(get("/peers").bearer_auth(&narrow).send().await.unwrap().status(), 403);
    assert_eq!(get("/nothing/here").send().await.unwrap().status(), 404);
    let wrong = api.call(Method::DELETE, "/peers").send().await.unwrap();
    assert_eq!(wrong.status(), 405);
    let large =
        api.call(Method::POST, "/transfer-request/search").json(&json!({"patient_id": "x".repeat(70_000)}));
    assert_eq!(large.send().await.unwrap().status(), 413);

    let rows = requests(&world.database("ON", Outbound).await).await;
    let told: Vec<_> = rows
        .iter()
        .map(|(outcome, actor, _, _, detail)| {
            let text = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
            (detail["status"].as_u64().unwrap(), text("code"), text("route"), outcome.clone(), actor.clone())
        })
        .collect();
    let row = |status, code: &str, route: &str, actor: &str| {
        (status, code.to_owned(), route.to_owned(), "refused".to_owned(), actor.to_owned())
    };
    assert_eq!(
        told,
        [
            row(404, "not-found", "/transfer-request/{id}", "test"),
            row(401, "unauthenticated", "/peers", "unknown"),
            row(403, "insufficient-scope", "/peers", "test"),
            row(404, "not-found", "unknown", "unknown"),
            row(405, "method-not-allowed", "/peers", "unknown"),
            row(413, "too-large", "/transfer-request/search", "test"),
        ]
    );
    assert_eq!(rows[0].2, Some(id.uuid()));
    assert!(rows[..4].iter().all(|row| row.4["trace_id"] == trace));
    let ids: BTreeSet<_> = rows.iter().map(|row| row.4["request_id"].to_string()).collect();
    assert_eq!(ids.len(), rows.len());

    // The gateway: by its certificate, with the jurisdiction that it belongs to.
    let package = package_of(&Person::new(), "ON", id).to_string();
    let client = world.peer_client("ON", "inbound-transfer", "BC");
    let refused = test_kit::world::put_by(&client, &world.gateway("BC", ""), id, package.as_bytes()).await;
    assert_eq!(refused.status(), 403);
    assert!(world.put("ON", "BC", id, package.as_bytes()).await.status().is_success());
    let rows = requests(&world.database("BC", Inbound).await).await;
    let told: Vec<_> = rows
        .iter()
        .map(|(_, actor, id, peer, detail)| {
            (detail["status"].as_u64().unwrap(), actor.clone(), *id, peer.clone())
        })
        .collect();
    let actor = |service: &str| local_stack::spiffe_id("ON", service).unwrap();
    assert_eq!(
        told,
        [
            (403, actor("inbound-transfer"), Some(id.uuid()), None),
            (201, actor("outbound-transfer"), Some(id.uuid()), Some("ON".to_owned())),
        ]
    );
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_the_row_of_its_request() {
    let world = World::of("hungup", &["ON"]).await;
    let pool = world.database("ON", Outbound).await;
    // Whoever reads a timeline waits for this test.
    let mut hold = service_kit::begin(&pool).await.unwrap();
    sqlx::query("LOCK TABLE transfer_event IN ACCESS EXCLUSIVE MODE").execute(&mut *hold).await.unwrap();
    let id = TransferId::generate();
    let asking = world.outbound("ON").call(Method::GET, &format!("/transfer-request/{id}/events"));
    let asking = tokio::spawn(asking.header("X-Request-Id", "hangs-up").send());
    eventually("the request to be at work", async || {
        let waits =
            "SELECT count(*) FROM pg_locks WHERE relation = 'transfer_event'::regclass AND NOT granted";
        let waits: i64 = sqlx::query_scalar(waits).fetch_one(&pool).await.unwrap();
        (waits > 0).then_some(())
    })
    .await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled(), "the caller has not waited for its answer");
    let rows = eventually("the row of the request", async || {
        let rows = requests(&pool).await;
        (!rows.is_empty()).then_some(rows)
    })
    .await;
    let (outcome, actor, of, _, detail) = &rows[0];
    assert_eq!((rows.len(), outcome.as_str(), actor.as_str(), *of), (1, "failed", "test", Some(id.uuid())));
    assert_eq!((&detail["caller_gone"], &detail["status"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&detail["request_id"], &detail["route"]),
        (&json!("hangs-up"), &json!("/transfer-request/{id}/events"))
    );
    hold.rollback().await.unwrap();
    assert_eq!(settled(&pool, &[]).await.findings, []);
}

#[tokio::test]
async fn the_trace_of_a_request_crosses_the_queue_and_the_border() {
    let world = World::of("traced", &["ON", "BC"]).await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    let (api, id) = (world.outbound("ON"), TransferId::generate());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let asked = api
        .call(Method::POST, "/transfer-request")
        .header("Idempotency-Key", id.to_string())
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&json!({"patient_id": person.id(), "transfer_to": "BC", "approval_ref": "test"}));
    assert_eq!(asked.send().await.unwrap().status(), 202);
    api.until(id, domain::TransferState::Completed).await;
    for (log, line) in [
        (world.log("ON", Outbound), "a transfer has moved on"),
        (world.log("BC", Inbound), "\"message\":\"request\""),
        (world.log("BC", Inbound), "\"message\":\"committed\""),
    ] {
        assert!(log.lines().any(|one| one.contains(line) && one.contains(trace)), "{line}: {log}");
    }
}

#[tokio::test]
async fn the_services_role_can_neither_change_nor_remove_a_row() {
    let world = World::of("append", &["ON"]).await;
    let service = world.service_database("ON", Outbound).await;
    for table in ["audit_event", "audit_link"] {
        let column = if table == "audit_event" { "actor" } else { "chain" };
        for statement in [
            format!("DELETE FROM {table}"),
            format!("UPDATE {table} SET {column} = 'x'"),
            format!("TRUNCATE {table}"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} ADD COLUMN x text"),
        ] {
            let refused =
                sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&service).await.unwrap_err();
            let code =
                refused.as_database_error().and_then(|error| error.code().map(|code| code.to_string()));
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
        }
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_event").fetch_one(&service).await.unwrap();
    assert!(rows >= 1);
    service.close().await;
}

/// Writes a chain anew from a number on, as somebody does who has the owner's rights and knows how rows are linked:
/// the row there is another, and every hash from there on agrees with it.
async fn rewrite(pool: &PgPool, chain: &str, from: i64) {
    use sha2::{Digest as _, Sha256};
    sqlx::query(
        "UPDATE audit_event SET actor = 'nobody'
        WHERE id = (SELECT event_id FROM audit_link WHERE chain = $1 AND seq = $2)",
    )
    .bind(chain)
    .bind(from)
    .execute(pool)
    .await
    .unwrap();
    let before = "SELECT hash FROM audit_link WHERE chain = $1 AND seq = $2";
    let before: Option<Vec<u8>> =
        sqlx::query_scalar(before).bind(chain).bind(from - 1).fetch_optional(pool).await.unwrap();
    let mut hash = before.unwrap_or_else(|| vec![0; 32]);
    let rows: Vec<(i64, i64, Value)> = sqlx::query_as(
        "SELECT seq, id, jsonb_build_array(id, (extract(epoch FROM at) * 1000000)::bigint, action, outcome, forensic,
            actor, transfer_id, peer, detail, writer)
        FROM audit_link JOIN audit_event ON id = event_id WHERE chain = $1 AND seq >= $2 ORDER BY seq",
    )
    .bind(chain)
    .bind(from)
    .fetch_all(pool)
    .await
    .unwrap();
    for (seq, id, columns) in rows {
        let mut next = Sha256::new();
        next.update(&hash);
        next.update(seq.to_be_bytes());
        next.update(columns.to_string());
        hash = next.finalize().to_vec();
        let set = "UPDATE audit_link SET hash = $2 WHERE event_id = $1";
        sqlx::query(set).bind(id).bind(&hash).execute(pool).await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_written_anew_is_found_by_whoever_named_it_also_in_its_middle() {
    let world = World::of("rewritten", &["ON", "BC"]).await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    world.outbound("ON").transfer(&person.id(), "BC").await;
    let pool = world.database("ON", Outbound).await;
    let chain: String =
        sqlx::query_scalar("SELECT min(chain) FROM audit_link").fetch_one(&pool).await.unwrap();
    settled(&pool, &[]).await;
    // A second replica names the chain of the first, which goes on.
    world.start("ON", Outbound, "-2", &|_| {}, &[]).await;
    let (second, named): (String, i64) = eventually("the second chain", async || {
        sqlx::query_as(
            "SELECT writer, (named ->> 'seq')::bigint
            FROM audit_event, jsonb_array_elements(detail -> 'predecessors') named
            WHERE action = 'audit.opened' AND named ->> 'chain' = $1",
        )
        .bind(&chain)
        .fetch_optional(&pool)
        .await
        .unwrap()
    })
    .await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    world.outbound("ON").transfer(&person.id(), "BC").await;
    let end = eventually("the first chain to go on", async || {
        let end = "SELECT max(seq) FROM audit_link WHERE chain = $1";
        let end: i64 = sqlx::query_scalar(end).bind(&chain).fetch_one(&pool).await.unwrap();
        (end > named).then_some(end)
    })
    .await;
    let good = settled(&pool, &[]).await;
    assert_eq!(good.findings, [], "nobody is accused of two replicas at once");
    let kept = good.ends;
    assert!(kept.iter().any(|head| head.chain == chain && head.seq >= end), "{kept:?}");

    // Behind what the second has named, only a head that was kept elsewhere shows it.
    rewrite(&pool, &chain, named + 1).await;
    assert_eq!(verify(&pool, &[]).await.unwrap().findings, []);
    let found = verify(&pool, &kept).await.unwrap().findings;
    let seq = kept.iter().find(|head| head.chain == chain).unwrap().seq;
    let anew = |after, seq, told_by| [Finding::Rewritten { chain: chain.clone(), after, seq, told_by }];
    assert_eq!(found, anew(Some(named), seq, None));

    // Before it, the second chain does, though the first has gone on, and agrees with itself.
    rewrite(&pool, &chain, 1).await;
    assert_eq!(verify(&pool, &[]).await.unwrap().findings, anew(None, named, Some(second)));
    pool.close().await;
}
