//! The documented samples are what the code reads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use peers::Directory;
use service_kit::{ServiceConfig, load_config};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository").join("crates")
}

fn sample<C: ServiceConfig>(service: &str) -> C {
    let path = crates().join(service).join("config.example.yaml");
    load_config(&path, service).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the crates that have a file.
fn crates_with(file: &str) -> BTreeSet<String> {
    let folders = fs::read_dir(crates()).expect("there are crates").flatten();
    let with = folders.filter(|folder| folder.path().join(file).exists());
    with.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_sample_is_among_those_tested_here() {
    assert_eq!(
        crates_with("config.example.yaml"),
        ["aggregator", "federator", "inbound-transfer", "outbound-transfer"].map(str::to_owned).into()
    );
    assert_eq!(crates_with("jurisdictions.example.yaml"), ["peers".to_owned()].into());
}

#[test]
fn the_outbound_sample_is_read_and_shows_the_defaults() {
    let config: outbound_transfer::config::Config = sample("outbound-transfer");
    assert_eq!(config.contradictions(), Vec::<String>::new());
    let defaults = outbound_transfer::config::TransfersConfig::default();
    assert_eq!(format!("{:?}", config.transfers), format!("{defaults:?}"));
}

#[test]
fn the_aggregators_sample_is_read_and_shows_the_defaults() {
    let config: aggregator::config::Config = sample("aggregator");
    assert_eq!(config.contradictions(), Vec::<String>::new());
    let (collect, release) =
        (aggregator::config::CollectConfig::default(), aggregator::config::ReleaseConfig::default());
    assert_eq!(format!("{:?}", config.collect), format!("{collect:?}"));
    assert_eq!(format!("{:?}", config.release), format!("{release:?}"));
}

#[test]
fn the_inbound_sample_is_read_and_shows_the_defaults() {
    let config: inbound_transfer::config::Config = sample("inbound-transfer");
    assert_eq!(config.contradictions(), Vec::<String>::new());
    let defaults = inbound_transfer::config::IntakeConfig::default();
    assert_eq!(format!("{:?}", config.intake), format!("{defaults:?}"));
}

#[test]
fn the_federators_sample_is_read_and_shows_the_defaults() {
    let config: federator::config::Config = sample("federator");
    assert_eq!(config.contradictions(), Vec::<String>::new());
    let sources = federator::config::SourcesConfig::default();
    assert_eq!(format!("{:?}", config.sources), format!("{sources:?}"));
    let readers = federator::config::ReadersConfig::default();
    assert_eq!(format!("{:?}", config.readers), format!("{readers:?}"));
}

#[test]
fn every_entry_of_the_sample_directory_is_good() {
    let path = crates().join("peers/jurisdictions.example.yaml");
    let directory = Directory::from_file(&path).expect("the sample directory is read");
    let problems: Vec<String> =
        directory.problems().into_iter().map(|(entry, problem)| format!("{entry}: {problem}")).collect();
    assert_eq!(problems, Vec::<String>::new());
    let mut codes: Vec<String> = directory.all().iter().map(|entry| entry.code.to_string()).collect();
    codes.sort();
    assert_eq!(codes, ["BC", "ON", "PHAC"]);
}
