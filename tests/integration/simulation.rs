//! The simulation's judge convicts whoever breaks a promise, and lets go who does not.

use std::process::Output;

use tokio::process::Command;

/// A world opens as many connections as two provinces: several at once would use up those of the test database.
static ONE_WORLD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Runs one small world; the same seed for all.
async fn world(sabotage: Option<&str>) -> Output {
    let _one = ONE_WORLD.lock().await;
    let binaries = std::env::var_os("IIDI_BINARIES").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug"),
        std::path::PathBuf::from,
    );
    let mut command = Command::new(binaries.join("simulation"));
    command.args(["--transfers", "30", "--world", "30", "--threads", "1", "--seed", "3", "--mix", "1x"]);
    command.args(["--databases", sabotage.unwrap_or("honest")]);
    command.args(sabotage.iter().flat_map(|sabotage| ["--sabotage", sabotage]));
    command.output().await.expect("the simulation runs")
}

/// Asserts that the judge finds this, and only where it was done.
async fn assert_found(sabotage: &str, name: &str) {
    let output = world(Some(sabotage)).await;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let found: u64 = found.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(found > 0 && !output.status.success(), "{sabotage} was not found: {said}");
}

#[tokio::test]
async fn an_honest_world_is_let_go() {
    let output = world(None).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 lost, 0 doubled, 0 wrongly closed"), "{said}");
}

#[tokio::test]
async fn a_forgotten_transfer_is_lost() {
    assert_found("forgotten-transfer", "LOST").await;
}

#[tokio::test]
async fn a_dose_that_did_not_arrive_is_lost() {
    assert_found("missing-dose", "LOST").await;
}

#[tokio::test]
async fn a_second_copy_is_doubled() {
    assert_found("second-copy", "DOUBLED").await;
}

#[tokio::test]
async fn a_source_closed_without_a_transfer_is_wrongly_closed() {
    assert_found("closed-early", "WRONGLY CLOSED").await;
}

#[tokio::test]
async fn a_receipt_without_a_commit_is_unproven() {
    assert_found("receipt-without-commit", "RECEIPT WITHOUT COMMIT, OR COMMIT WITHOUT RECEIPT").await;
}

#[tokio::test]
async fn an_altered_audit_row_is_found() {
    assert_found("altered-audit", "AUDIT TRAILS THAT DO NOT VERIFY").await;
}

#[tokio::test]
async fn an_altered_audit_row_of_the_sender_is_found() {
    assert_found("altered-sent-audit", "AUDIT TRAILS THAT DO NOT VERIFY").await;
}

#[tokio::test]
async fn rejections_without_a_reason_are_found() {
    assert_found("refuses-all", "NOT COMPLETED, AND NOTHING SAYS WHY").await;
}

#[tokio::test]
async fn a_world_in_which_everything_dies_of_faults_is_found() {
    assert_found("all-silent", "WORLDS IN WHICH TOO FEW COMPLETED").await;
}

#[tokio::test]
async fn a_fhir_server_that_writes_late_under_ids_of_its_own_is_found() {
    assert_found("late-copies", "DOUBLED").await;
}
