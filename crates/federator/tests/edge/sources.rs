//! Aggregators that hang, break off, lie or are not who they should be.

use std::sync::Arc;
use std::time::Duration;

use contracts::federated::NationalTable;
use contracts::release::ReleaseDocument;
use domain::Jurisdiction;
use federator::fan_out::{FanOut, Holdings};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::fake::Script;
use crate::sample::release;
use crate::world::{FEDERATOR, MAX_BYTES, TIMEOUT, World, serve, standing};

fn rows(table: &NationalTable, code: &str) -> usize {
    table.data.iter().filter(|row| row.jurisdiction.as_str() == code).count()
}

/// A release with something changed, its checksum right.
fn changed(code: &str, change: impl Fn(&mut ReleaseDocument)) -> Script {
    let mut document = release(code, 8, 40);
    change(&mut document);
    Script::release(document.sealed())
}

/// A release with a value that our own types cannot write.
fn with_value(place: &str, value: &Value) -> Script {
    let mut document = serde_json::to_value(release("BC", 8, 40)).unwrap();
    *document.pointer_mut(place).unwrap() = value.clone();
    Script::Bytes(serde_json::to_vec(&document).unwrap())
}

/// What a province may do wrong, and the problem that it is.
fn faults() -> Vec<(&'static str, Script, &'static str)> {
    vec![
        ("hangs", Script::Hang, "source-timeout"),
        ("answers another province's data", Script::release(release("ON", 8, 40)), "release-invalid"),
        (
            "has a row of another province",
            changed("BC", |it| it.data[0].jurisdiction = "ON".parse().unwrap()),
            "release-invalid",
        ),
        ("shows a cell of 3", changed("BC", |it| it.data[0].count = Some(3)), "release-invalid"),
        ("has a negative count", with_value("/data/0/Count", &Value::from(-12)), "release-invalid"),
        (
            "has a column more",
            with_value("/data/0", &serde_json::json!({"PostalCode": "K1A"})),
            "release-invalid",
        ),
        (
            "changed a number after it was published",
            with_value("/data/0/Count", &Value::from(41)),
            "release-invalid",
        ),
        ("sends 200 MB", Script::Huge(200 << 20), "release-invalid"),
        ("sends rubbish", Script::Bytes(b"\x00\xffrubbish".to_vec()), "release-invalid"),
        ("sends half a body", Script::Half(release("BC", 8, 40).to_bytes()), "peer-fault"),
        ("sends nothing", Script::Bytes(Vec::new()), "release-invalid"),
        ("has no release yet", Script::Status(503), "peer-unreachable"),
        ("does not let us in", Script::Status(403), "peer-untrusted"),
        ("has a fault", Script::Status(500), "peer-fault"),
        ("answers 304 to whoever has nothing", Script::Status(304), "peer-fault"),
    ]
}

#[tokio::test]
async fn a_province_that_has_never_answered_well_is_named_and_no_zero() {
    let world = World::of(&["BC", "ON"]).await;
    for (what, script, code) in faults() {
        world.fake("BC").does(script);
        let table = world.refreshed().await;
        let status = if code == "release-invalid" { "invalid" } else { "unavailable" };
        assert_eq!(standing(&table.sources), [format!("BC {status} {code}"), "ON ok 7".to_owned()], "{what}");
        assert_eq!((rows(&table, "BC"), rows(&table, "ON")), (0, 3), "{what}");
        assert!(
            matches!(table.errors.as_slice(), [line] if line.starts_with("BC (BC) is ")),
            "{:?}",
            table.errors
        );
    }
}

#[tokio::test]
async fn the_last_good_release_stays_and_is_said_to_be_one() {
    let world = World::of(&["BC", "ON"]).await;
    assert_eq!(standing(&world.refreshed().await.sources), ["BC ok 7", "ON ok 7"]);
    for (what, script, code) in faults().into_iter().filter(|(what, ..)| !what.contains("304")) {
        world.fake("BC").does(script);
        let table = world.refreshed().await;
        assert_eq!(standing(&table.sources), [format!("BC stale 7 {code}"), "ON ok 7".to_owned()], "{what}");
        assert_eq!((rows(&table, "BC"), rows(&table, "ON")), (3, 3), "{what}");
    }
    world.fake("BC").does(Script::release(release("BC", 8, 50)));
    let table = world.refreshed().await;
    assert_eq!((standing(&table.sources), table.errors.len()), (vec!["BC ok 8".into(), "ON ok 7".into()], 0));
}

#[tokio::test]
async fn an_answer_after_its_time_is_the_next_last_good() {
    let mut world = World::of(&["BC", "ON"]).await;
    world.refreshed().await;
    let gate = Arc::new(Semaphore::new(0));
    world.fake("BC").does(Script::Gated(gate.clone(), Box::new(release("BC", 8, 50))));
    assert_eq!(standing(&world.refreshed().await.sources), ["BC stale 7 source-timeout", "ON ok 7"]);
    // Whatever is asked from here on is not answered: only the first answer can come.
    world.fake("BC").does(Script::Hang);
    assert_eq!(standing(&world.refreshed().await.sources), ["BC stale 7 source-timeout", "ON ok 7"]);
    gate.add_permits(1);
    let table = until(&world, "BC stale 8 source-timeout").await;
    assert_eq!(rows(&table, "BC"), 3);
    world.restart().await;
    assert_eq!(standing(&world.answer().await.sources)[0], "BC stale 8 peer-unreachable", "it is on disk");

    // Late and wrong, or older than what came meanwhile, it changes nothing.
    for wrong in [release("BC", 6, 99), release("ON", 9, 40)] {
        world.fake("BC").does(Script::release(release("BC", 8, 50)));
        assert_eq!(standing(&world.refreshed().await.sources)[0], "BC ok 8");
        let gate = Arc::new(Semaphore::new(0));
        world.fake("BC").does(Script::Gated(gate.clone(), Box::new(wrong)));
        assert_eq!(standing(&world.refreshed().await.sources)[0], "BC stale 8 source-timeout");
        world.fake("BC").does(Script::Hang);
        gate.add_permits(1);
        let asked = world.fake("BC").asked().len();
        for _ in 0..3 {
            assert_eq!(standing(&world.refreshed().await.sources)[0], "BC stale 8 source-timeout");
        }
        assert_eq!(world.fake("BC").asked().len(), asked + 3);
    }
    world.fake("BC").does(Script::release(release("BC", 9, 50)));
    assert_eq!(standing(&world.refreshed().await.sources), ["BC ok 9", "ON ok 7"]);
}

#[tokio::test]
async fn of_a_province_that_hangs_two_requests_wait_at_most() {
    let world = World::of(&["BC"]).await;
    world.refreshed().await;
    world.fake("BC").does(Script::Hang);
    for _ in 0..4 {
        world.refreshed().await;
        waits_for(&world, 1).await;
    }
    world.fake("BC").does(Script::release(release("BC", 8, 50)));
    assert_eq!(standing(&world.refreshed().await.sources), ["BC ok 8"]);
    waits_for(&world, 0).await;
    world.fake("BC").does(Script::Hang);
    world.refreshed().await;
    world.write_directory(&["BC"]);
    world.refreshed().await;
    waits_for(&world, 0).await;
}

/// Waits until so many requests wait at BC's aggregator: one that was given up is gone a little later.
async fn waits_for(world: &World, requests: usize) {
    let waiting = async {
        while world.fake("BC").waiting() != requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("requests to be given up");
}

/// Asks again until the first source stands so.
async fn until(world: &World, wanted: &str) -> NationalTable {
    for _ in 0..20 {
        let table = world.refreshed().await;
        if standing(&table.sources)[0] == wanted {
            return table;
        }
    }
    panic!("it never is {wanted}");
}

#[tokio::test]
async fn an_older_release_and_other_bytes_of_the_same_change_nothing() {
    let world = World::of(&["BC"]).await;
    let good = world.refreshed().await;
    world.fake("BC").does(Script::release(release("BC", 6, 99)));
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC stale 7 release-outdated"]);
    assert_eq!(table.data, good.data);
    world.fake("BC").does(Script::release(release("BC", 7, 99)));
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC stale 7 release-invalid"]);
    assert_eq!(table.data, good.data);
}

#[tokio::test]
async fn nobody_speaks_for_another_and_a_lost_connection_is_one() {
    let mut world = World::of(&["BC", "ON"]).await;
    // ON's server, with ON's certificate, where BC's is expected
    let url = world.url("ON").to_owned();
    world.moves("BC", url);
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC unavailable peer-untrusted", "ON ok 7"]);
    // a listener that closes whatever connects
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.moves("BC", format!("https://localhost:{}", listener.local_addr().unwrap().port()));
    let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC unavailable peer-unreachable", "ON ok 7"]);
    closing.abort();
    // BC's identity on a server that is not in the directory under it
    let stranger = world.credentials("spiffe://iidi.test/pt/bc/inbound-transfer");
    let url = serve(stranger, world.fake("BC").router(), &world.stop).await;
    world.moves("BC", url);
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC unavailable peer-untrusted", "ON ok 7"]);
}

#[tokio::test]
async fn what_is_here_is_not_sent_again() {
    let world = World::of(&["ON"]).await;
    world.refreshed().await;
    world.refreshed().await;
    let tag = release("ON", 7, 40).etag();
    assert_eq!(world.fake("ON").asked(), [(FEDERATOR.to_owned(), None), (FEDERATOR.to_owned(), Some(tag))]);
    assert_eq!(standing(&world.answer().await.sources), ["ON ok 7"]);
}

#[tokio::test]
async fn a_restart_answers_from_disk_before_anybody_was_asked() {
    let mut world = World::of(&["BC", "ON"]).await;
    let before = world.refreshed().await;
    world.fake("BC").does(Script::Hang);
    std::fs::write(world.folder.path().join("releases/ON.json"), b"{}").unwrap();
    world.restart().await;
    let table = world.answer().await;
    assert_eq!(standing(&table.sources), ["BC stale 7 peer-unreachable", "ON unavailable peer-unreachable"]);
    let table = world.refreshed().await;
    assert_eq!(standing(&table.sources), ["BC stale 7 source-timeout", "ON ok 7"]);
    assert_eq!(table.data, before.data);
}

#[tokio::test]
async fn a_suspended_province_leaves_the_answer_at_once() {
    let world = World::of(&["BC", "ON"]).await;
    world.refreshed().await;
    world.write_directory(&["BC"]);
    let table = world.answer().await; // nobody was asked since
    assert_eq!(standing(&table.sources), ["BC suspended source-suspended", "ON ok 7"]);
    assert_eq!((rows(&table, "BC"), rows(&table, "ON")), (0, 3));
    assert!(
        table
            .margins
            .iter()
            .flat_map(|margin| &margin.rows)
            .all(|row| { row.jurisdiction.as_ref().is_some_and(|code| code.as_str() == "ON") })
    );
    let asked = world.fake("BC").asked().len();
    world.refreshed().await;
    assert_eq!(world.fake("BC").asked().len(), asked, "a suspended province is not asked");
    world.write_directory(&[]);
    assert_eq!(standing(&world.answer().await.sources), ["BC stale 7 peer-unreachable", "ON ok 7"]);
    assert_eq!(standing(&world.refreshed().await.sources), ["BC ok 7", "ON ok 7"]);
}

#[tokio::test]
async fn those_that_hang_cost_one_timeout_together_and_readers_nothing() {
    let codes = ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];
    let world = World::of(&codes).await;
    world.refreshed().await;
    for code in &codes[..3] {
        world.fake(code).does(Script::Hang);
    }
    let asking = tokio::spawn({
        let national = world.national.clone();
        async move { national.refresh().await }
    });
    let mut read = 0;
    while !asking.is_finished() {
        assert!(world.national.current().await.unwrap().has_data());
        read += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(read > 10, "readers waited for the round: {read}");
    let table = world.answer().await;
    assert_eq!(table.errors.len(), 3);
    assert_eq!(table.data.len(), 3 * codes.len());
}

/// However long one may take: the round ends, and who was in time is in it.
#[tokio::test]
async fn a_round_ends_at_its_deadline() {
    let world = World::of(&["BC", "ON"]).await;
    world.fake("BC").does(Script::Hang);
    let patient = FanOut { timeout: 1000 * TIMEOUT, deadline: TIMEOUT, ..world.fan_out.clone() };
    let active: Vec<_> =
        ["BC", "ON"].iter().filter_map(|code| world.directory.get(&code.parse().unwrap())).collect();
    let round = tokio::time::timeout(20 * TIMEOUT, patient.ask(&active, &Holdings::new())).await;
    let held = round.expect("the round ends long before the connection does");
    let standing = |code: &str| {
        let held = &held[&Jurisdiction::parse(code).unwrap()];
        (held.release.is_some(), held.problem.as_ref().map(|problem| problem.code.clone()))
    };
    assert_eq!(standing("ON"), (true, None));
    assert_eq!(standing("BC"), (false, Some("source-timeout".to_owned())));
}

#[tokio::test]
async fn a_release_may_be_as_large_as_allowed() {
    let world = World::of(&["ON"]).await;
    let mut padded = release("ON", 7, 40).to_bytes();
    padded.resize(MAX_BYTES, b' ');
    world.fake("ON").does(Script::Bytes(padded.clone()));
    assert_eq!(standing(&world.refreshed().await.sources), ["ON ok 7"]);
    padded.push(b' ');
    world.fake("ON").does(Script::Bytes(padded));
    assert_eq!(standing(&world.refreshed().await.sources), ["ON stale 7 release-invalid"]);
}
