//! What an operator types first: `--help`, `--version`, `check-config`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const SERVICES: [&str; 4] = ["aggregator", "federator", "inbound-transfer", "outbound-transfer"];

/// Exit code for a configuration that cannot be used (`EX_USAGE` of sysexits).
const BAD_CONFIG: i32 = 64;

/// Folder of the binaries: `IIDI_BINARIES`, or where cargo builds them, as they are in the tree now.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(folder) = std::env::var_os("IIDI_BINARIES") {
        return PathBuf::from(folder);
    }
    let packages = SERVICES.iter().flat_map(|service| ["--package", service]);
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--bins"])
        .args(packages)
        .current_dir(repository())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the services do not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    target.join("debug")
});

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository")
}

fn sample(service: &str) -> PathBuf {
    repository().join("crates").join(service).join("config.example.yaml")
}

fn run(service: &str, arguments: &[&str]) -> Output {
    let binary = BINARIES.join(service);
    let output = Command::new(&binary).args(arguments).env_clear().output();
    output.unwrap_or_else(|error| panic!("{} does not run: {error}", binary.display()))
}

fn check(service: &str, config: &Path) -> Output {
    run(service, &["--config", &config.to_string_lossy(), "check-config"])
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("help is text")
}

/// The sample with something changed.
fn changed_sample(service: &str, change: impl Fn(String) -> String) -> tempfile::NamedTempFile {
    let text = change(fs::read_to_string(sample(service)).expect("every service has a sample"));
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), text).expect("a file can be written");
    file
}

#[test]
fn outbound_transfer_says_what_it_is_for() {
    insta::assert_snapshot!(printed(&run("outbound-transfer", &["--help"])), @r"
    Hands a person's immunization record to another province.

    Usage: outbound-transfer [OPTIONS] [COMMAND]

    Commands:
      serve         Serves until SIGTERM (the default)
      migrate       Brings the database to this version's schema, as its owner, and ends
      check-config  Reads and checks the configuration and ends
      help          Print this message or the help of the given subcommand(s)

    Options:
          --config <CONFIG>  The configuration file (YAML) [default: config.yaml]
      -h, --help             Print help
      -V, --version          Print version
    ");
}

#[test]
fn inbound_transfer_says_what_it_is_for() {
    insta::assert_snapshot!(printed(&run("inbound-transfer", &["--help"])), @r"
    Receives persons' immunization records from other provinces.

    Usage: inbound-transfer [OPTIONS] [COMMAND]

    Commands:
      serve         Serves until SIGTERM (the default)
      migrate       Brings the database to this version's schema, as its owner, and ends
      check-config  Reads and checks the configuration and ends
      help          Print this message or the help of the given subcommand(s)

    Options:
          --config <CONFIG>  The configuration file (YAML) [default: config.yaml]
      -h, --help             Print help
      -V, --version          Print version
    ");
}

#[test]
fn federator_says_what_it_is_for() {
    insta::assert_snapshot!(printed(&run("federator", &["--help"])), @r"
    Answers with the national table: every province's release, side by side.

    Usage: federator [OPTIONS] [COMMAND]

    Commands:
      serve         Serves until SIGTERM (the default)
      migrate       Brings the database to this version's schema, as its owner, and ends
      check-config  Reads and checks the configuration and ends
      help          Print this message or the help of the given subcommand(s)

    Options:
          --config <CONFIG>  The configuration file (YAML) [default: config.yaml]
      -h, --help             Print help
      -V, --version          Print version
    ");
}

#[test]
fn every_service_names_its_version() {
    for service in SERVICES {
        let expected = format!("{service} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(printed(&run(service, &["--version"])), expected);
    }
}

#[test]
fn the_documented_sample_passes_check_config() {
    for service in SERVICES {
        let output = check(service, &sample(service));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{service}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for service in SERVICES {
        let file = changed_sample(service, |text| text + "\nlisten_adress: \"127.0.0.1:1\"\n");
        let output = check(service, file.path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(BAD_CONFIG), "{service}: {said}");
        assert!(said.contains("listen_adress"), "{service}: {said}");
    }
}

#[test]
fn a_contradiction_is_refused_with_what_to_change() {
    for (service, key, name) in [
        ("outbound-transfer", "transfers.lease_seconds", "lease_seconds"),
        ("inbound-transfer", "intake.lease_seconds", "lease_seconds"),
        ("federator", "sources.timeout_milliseconds", "deadline_milliseconds"),
    ] {
        let short = |text: String| {
            let start = format!("{name}: ");
            let shown = text.lines().find_map(|line| line.trim().strip_prefix(&start)).expect("the setting");
            let value = shown.split_whitespace().next().expect("a value");
            text.replace(&format!("{name}: {value}"), &format!("{name}: 1"))
        };
        let output = check(service, changed_sample(service, short).path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(BAD_CONFIG), "{service}: {said}");
        assert!(said.contains(key), "{service}: {said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for service in SERVICES {
        let output = check(service, Path::new("/nowhere/config.yaml"));
        assert_eq!(output.status.code(), Some(BAD_CONFIG), "{service}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/config.yaml"), "{service}");
    }
}
