//! Processes of services. A file server that has a file `readyz` stands in for one.

use std::path::PathBuf;
use std::time::Duration;

use local_stack::{ServiceProcess, ServiceSpec, Stack, free_port};

use crate::support::Scratch;

fn stand_in(scratch: &Scratch, name: &str) -> ServiceSpec {
    let pages = scratch.layout.root().join("pages");
    std::fs::create_dir_all(&pages).unwrap();
    std::fs::write(pages.join("readyz"), "").unwrap();
    let port = free_port().unwrap();
    let mut spec = ServiceSpec::new(name, "python3", PathBuf::new(), port);
    spec.args = ["-m", "http.server", "--bind", "127.0.0.1", "--directory"].map(str::to_owned).to_vec();
    spec.args.extend([pages.to_string_lossy().into_owned(), port.to_string()]);
    spec
}

#[tokio::test]
async fn a_service_is_ready_when_its_admin_port_says_so_and_stops_when_asked() {
    let scratch = Scratch::new();
    let spec = stand_in(&scratch, "on-inbound-transfer");
    let service = ServiceProcess::start(&scratch.layout, &spec).await.unwrap();
    assert!(ServiceProcess::start(&scratch.layout, &spec).await.is_err(), "two of one name");
    let status = service.terminate(Duration::from_secs(10)).await.unwrap().unwrap();
    assert!(!status.success(), "the stand-in knows no orderly stop, so the signal ends it: {status}");
    assert!(Stack::status(&scratch.layout).is_empty());
}

#[tokio::test]
async fn a_service_that_was_left_running_is_found_and_killed_by_name() {
    let scratch = Scratch::new();
    let spec = stand_in(&scratch, "on-inbound-transfer");
    let record = ServiceProcess::start(&scratch.layout, &spec).await.unwrap().leave_running();
    let found = ServiceProcess::find(&scratch.layout, "on-inbound-transfer").unwrap();
    assert_eq!(found.record(), &record);
    found.kill().await.unwrap();
    assert!(!record.is_running());
    assert!(std::net::TcpListener::bind(("127.0.0.1", record.port)).is_ok(), "its port is still taken");
    assert!(ServiceProcess::find(&scratch.layout, "on-inbound-transfer").is_none());
}

#[tokio::test]
async fn down_ends_services_too() {
    let scratch = Scratch::new();
    let spec = stand_in(&scratch, "bc-inbound-transfer-2");
    let record = ServiceProcess::start(&scratch.layout, &spec).await.unwrap().leave_running();
    Stack::down(&scratch.layout, &|_| ()).await.unwrap();
    assert!(!record.is_running());
}

#[tokio::test]
async fn a_dropped_service_dies_with_its_test() {
    let scratch = Scratch::new();
    let spec = stand_in(&scratch, "on-outbound-transfer");
    let service = ServiceProcess::start(&scratch.layout, &spec).await.unwrap();
    let record = service.record().clone();
    drop(service);
    while record.is_running() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_service_that_ends_at_once_fails_with_its_log() {
    let scratch = Scratch::new();
    let mut spec = stand_in(&scratch, "on-outbound-transfer");
    spec.args = ["-c", "raise SystemExit('the configuration is wrong')"].map(str::to_owned).to_vec();
    let error = ServiceProcess::start(&scratch.layout, &spec).await.unwrap_err();
    assert!(error.to_string().contains("the configuration is wrong"), "{error}");
}
