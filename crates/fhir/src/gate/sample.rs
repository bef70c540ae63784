//! The gate against real documents, where the shared sample is at hand.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::{Limits, check_resource, parse};

const FILES: &[(&str, usize)] = &[("Patient", 13), ("Immunization", 161), ("AllergyIntolerance", 11)];

fn sample_folder() -> Option<PathBuf> {
    let beside_the_workspace = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = env::var_os("IIDI_SHARED").map_or_else(beside_the_workspace, PathBuf::from);
    Some(shared.join("data/synthea-10-patients")).filter(|folder| folder.is_dir())
}

#[test]
fn every_resource_of_the_synthea_sample_passes() {
    let total: usize = FILES.iter().map(|(_, count)| count).sum();
    let Some(folder) = sample_folder() else {
        println!("not checked without ../shared: {total}");
        return;
    };
    let mut passed = 0;
    for (name, count) in FILES {
        let lines = fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap();
        for line in lines.lines() {
            let resource = parse(line.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(check_resource(&resource), [], "{name}");
            assert_eq!(resource.to_string().len(), line.len(), "digits must survive");
            passed += 1;
        }
        assert_eq!(lines.lines().count(), *count);
    }
    assert_eq!(passed, total);
}
