//! Up, down, and what an interruption leaves.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::sync::Mutex;

use local_stack::{Stack, StackOptions};

use crate::support::Scratch;

fn pids(scratch: &Scratch) -> BTreeMap<String, u32> {
    let parts = Stack::status(&scratch.layout).into_iter().filter(|part| part.running);
    parts.map(|part| (part.record.name, part.record.pid)).collect()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn sleeper(mark: Option<&Scratch>) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600");
    if let Some(scratch) = mark {
        command.env("IIDI_LOCAL_STACK", scratch.layout.root());
    }
    command.spawn().unwrap()
}

#[tokio::test]
async fn up_on_a_running_stack_starts_nothing_new() {
    let scratch = Scratch::new();
    scratch.up(&["ON"]).await;
    let before = pids(&scratch);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["postgres", "redis"]);
    scratch.up(&["ON"]).await;
    assert_eq!(pids(&scratch), before);
}

#[tokio::test]
async fn up_starts_only_what_is_missing() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    let before = pids(&scratch);
    stack.redis().admin("SHUTDOWN NOSAVE").await.ok(); // the answer is a closed connection
    while pids(&scratch).contains_key("redis") {
        tokio::task::yield_now().await;
    }
    assert!(Stack::attach(&scratch.layout).is_err(), "a stack without its queue counts as running");
    scratch.up(&["ON"]).await;
    let after = pids(&scratch);
    assert_eq!(after["postgres"], before["postgres"]);
    assert_ne!(after["redis"], before["redis"]);
}

#[tokio::test]
async fn a_province_joins_while_the_others_run() {
    let scratch = Scratch::new();
    scratch.up(&["ON", "BC"]).await;
    let before = pids(&scratch);
    let stack = scratch.up(&["QC"]).await;
    assert_eq!(pids(&scratch), before);
    assert_eq!(stack.provinces(), ["BC", "ON", "QC"]);
    stack.redis().command("QC", "XADD {qc:tx:on}:stream * id 1").await.unwrap();
    stack.postgres().sql("qc_outbound", "SELECT 1").await.unwrap();
    let directory = std::fs::read_to_string(scratch.layout.jurisdictions()).unwrap();
    for code in ["ON", "BC", "QC", "PHAC"] {
        assert!(directory.contains(&format!("code: \"{code}\"")), "{directory}");
    }
    assert!(stack.certificate("QC", "inbound-transfer").unwrap().certificate.exists());
}

#[tokio::test]
async fn two_commands_at_once_make_one_stack() {
    let scratch = Scratch::new();
    let (first, second) = tokio::join!(scratch.up(&["ON"]), scratch.up(&["ON"]));
    assert_eq!(first.postgres().port(), second.postgres().port());
    assert_eq!(pids(&scratch).len(), 2);
}

#[tokio::test]
async fn down_leaves_no_process_and_the_data_stays() {
    let scratch = Scratch::new();
    let stack = scratch.up(&["ON"]).await;
    stack
        .postgres()
        .sql("on_outbound", "CREATE TABLE kept (x int); INSERT INTO kept VALUES (7);")
        .await
        .unwrap();
    stack.redis().command("ON", "XADD {on:tx:bc}:stream * id 1").await.unwrap();
    let running = pids(&scratch);
    Stack::down(&scratch.layout, &|_| ()).await.unwrap();
    assert!(running.values().all(|pid| !is_alive(*pid)), "{running:?}");
    assert!(Stack::status(&scratch.layout).is_empty());
    assert!(Stack::attach(&scratch.layout).is_err());
    Stack::down(&scratch.layout, &|_| ()).await.unwrap(); // again, in vain

    let stack = scratch.up(&["ON"]).await;
    assert_eq!(stack.postgres().sql("on_outbound", "SELECT x FROM kept").await.unwrap(), "7\n");
    assert_eq!(stack.redis().command("ON", "XLEN {on:tx:bc}:stream").await.unwrap(), ":1\r\n");
}

#[tokio::test]
async fn a_folder_closed_to_others_works_too() {
    let scratch = Scratch::private();
    let stack = scratch.up(&["ON"]).await;
    assert_eq!(stack.postgres().sql("on_outbound", "SELECT 1").await.unwrap(), "1\n");
    let data = scratch.layout.read().unwrap().postgres_data.unwrap();
    Stack::down(&scratch.layout, &|_| ()).await.unwrap();
    Stack::wipe(&scratch.layout).await.unwrap();
    assert!(!data.exists() && !scratch.layout.root().exists());
}

#[tokio::test]
async fn what_an_interrupted_command_left_is_ended() {
    let scratch = Scratch::new();
    let mut stray = sleeper(Some(&scratch));
    let lines = Mutex::new(Vec::new());
    let options = StackOptions { provinces: vec!["ON".to_owned()], hapi: None };
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    Stack::up(&scratch.layout, &options, &progress).await.unwrap();
    assert!(!stray.wait().unwrap().success());
    let lines = lines.into_inner().unwrap();
    assert!(lines.iter().any(|line| line.contains("ended 1 left over")), "{lines:?}");
}

#[tokio::test]
async fn a_process_that_only_has_a_recorded_id_is_left_alone() {
    let scratch = Scratch::new();
    scratch.up(&["ON"]).await;
    Stack::down(&scratch.layout, &|_| ()).await.unwrap();
    let mut stranger = sleeper(None);
    let record = format!(
        r#"{{"name":"redis","pid":{},"start_ticks":1,"port":1,"log":"x","stage":2,"stop_signal":"TERM"}}"#,
        stranger.id()
    );
    std::fs::write(scratch.layout.pids().join("redis.json"), record).unwrap();
    Stack::down(&scratch.layout, &|_| ()).await.unwrap();
    let is_alive = is_alive(stranger.id());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(is_alive, "down ended a process that is not of the stack");
}

#[tokio::test]
async fn an_unknown_province_is_refused_before_anything_starts() {
    let scratch = Scratch::new();
    for code in ["XX", "on", "PHAC", "ON;BC"] {
        let options = StackOptions { provinces: vec![code.to_owned()], hapi: None };
        assert!(Stack::up(&scratch.layout, &options, &|_| ()).await.is_err(), "{code} was accepted");
    }
    assert!(pids(&scratch).is_empty());
}
