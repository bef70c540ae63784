//! Who may do what.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use local_stack::DatabaseUrls;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::Scratch;

async fn code_of(url: &str, sql: &'static str) -> Result<(), String> {
    let refused = |error: sqlx::Error| match error.as_database_error() {
        Some(error) => error.code().unwrap_or_default().into_owned(),
        None => panic!("no answer of the database: {error}"),
    };
    let mut connection = PgConnection::connect(url).await.map_err(refused)?;
    connection.execute(sql).await.map_err(refused)?;
    Ok(())
}

const INSUFFICIENT_PRIVILEGE: &str = "42501";
const WRONG_PASSWORD: &str = "28P01";

#[tokio::test]
async fn a_runtime_role_makes_no_table_and_enters_no_other_database() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON", "BC"]).await;
    let ours = stack.database("ON", "outbound").unwrap();
    for forbidden in [
        "CREATE TABLE t (x int)",
        "CREATE TEMPORARY TABLE t (x int)",
        "CREATE SCHEMA s",
        "CREATE ROLE r",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    ] {
        let answer = code_of(&ours.runtime_url, forbidden).await;
        assert_eq!(answer, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{forbidden}");
    }
    for others in ["on_inbound", "on_hapi", "bc_outbound", "bc_inbound", "bc_hapi", "postgres", "template1"] {
        let url = ours.runtime_url.replace("/on_outbound?", &format!("/{others}?"));
        let answer = code_of(&url, "SELECT 1").await;
        assert_eq!(answer, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{others}");
    }
    let guessed = format!("postgres://on_outbound:guess@127.0.0.1:{}/on_outbound", stack.postgres().port());
    assert_eq!(code_of(&guessed, "SELECT 1").await, Err(WRONG_PASSWORD.to_owned()));
}

#[tokio::test]
async fn a_runtime_role_has_what_a_migration_grants_and_nothing_else() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    let DatabaseUrls { owner_url, runtime_url } = stack.postgres().create_database("t_grants").await.unwrap();
    let migration = "CREATE TABLE open (id bigserial, x int); CREATE TABLE closed (x int); \
                     GRANT SELECT, INSERT ON open TO iidi_service";
    code_of(&owner_url, migration).await.unwrap();
    code_of(&runtime_url, "INSERT INTO open (x) VALUES (1)").await.unwrap(); // the sequence too
    for forbidden in
        ["SELECT * FROM closed", "DELETE FROM open", "DROP TABLE open", "ALTER TABLE open ADD y int"]
    {
        let answer = code_of(&runtime_url, forbidden).await;
        assert_eq!(answer, Err(INSUFFICIENT_PRIVILEGE.to_owned()), "{forbidden}");
    }
    stack.postgres().drop_database("t_grants").await.unwrap();
    assert_eq!(code_of(&runtime_url, "SELECT 1").await, Err(WRONG_PASSWORD.to_owned()));
}

#[tokio::test]
async fn databases_are_made_side_by_side_and_once() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    let names = ["t_a", "t_b", "t_c", "t_a", "t_b", "t_c"];
    let made = names.map(|name| stack.postgres().create_database(name));
    // two calls for one name at the same instant: one may lose, but none leaves it half made
    for urls in futures::future::join_all(made).await.into_iter().flatten() {
        code_of(&urls.owner_url, "SELECT 1").await.unwrap();
    }
    for name in ["t_a", "t_b", "t_c"] {
        let urls = stack.postgres().create_database(name).await.unwrap();
        code_of(&urls.runtime_url, "SELECT 1").await.unwrap();
    }
    for bad in ["", "T", "1a", "a-b", "a; DROP TABLE x", "postgres"] {
        assert!(stack.postgres().create_database(bad).await.is_err(), "{bad:?} was accepted");
    }
}

#[tokio::test]
async fn the_queue_user_of_a_province_reaches_its_own_keys_only() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON", "BC"]).await;
    let redis = stack.redis();
    let added = redis.command("ON", "XADD {on:tx:bc}:stream * id 1").await.unwrap();
    assert!(added.starts_with('$'), "{added}");
    redis.command("ON", "XGROUP CREATE {on:tx:bc}:stream workers 0 MKSTREAM").await.unwrap();
    redis.command("ON", "ZADD {on:tx:bc}:delayed 1 id").await.unwrap();
    for forbidden in [
        "XADD {bc:tx:on}:stream * id 1",
        "ZADD {bc:tx:on}:delayed 1 id",
        "XADD {on:tx} * id 1",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
        "ACL LIST",
        "DEL {on:tx:bc}:stream",
    ] {
        let refusal = redis.command("ON", forbidden).await.unwrap_err();
        assert!(refusal.to_string().contains("NOPERM"), "{forbidden}: {refusal}");
    }
    redis.admin("FLUSHALL").await.unwrap();
    assert_eq!(redis.command("ON", "XLEN {on:tx:bc}:stream").await.unwrap(), ":0\r\n");
}

#[tokio::test]
async fn nobody_comes_in_without_a_password() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", stack.redis().port())).unwrap();
    std::io::Write::write_all(&mut stream, b"PING\r\nAUTH default x\r\nQUIT\r\n").unwrap();
    let answers = std::io::read_to_string(stream).unwrap();
    assert!(answers.starts_with("-NOAUTH") && answers.contains("-WRONGPASS"), "{answers}");

    let unnamed = format!("postgres://postgres@127.0.0.1:{}/postgres", stack.postgres().port());
    assert_eq!(code_of(&unnamed, "SELECT 1").await, Err(WRONG_PASSWORD.to_owned()));
}

#[tokio::test]
async fn secrets_are_for_their_owner_alone() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    let mut files = vec![stack.layout().package_keys("ON"), stack.layout().root().join("redis/users.acl")];
    files.extend(stack.layout().read().unwrap().secrets.into_values());
    files.push(stack.certificate("ON", "inbound-transfer").unwrap().key);
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let again = std::fs::read_to_string(stack.layout().package_keys("ON")).unwrap();
    scratch.up(&["ON"]).await;
    let kept = std::fs::read_to_string(stack.layout().package_keys("ON")).unwrap();
    assert_eq!(again, kept, "a new key would make stored packages unreadable");
    assert!(kept.starts_with("current: k1\nkeys:\n  k1: "), "{kept}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
