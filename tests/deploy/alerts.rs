//! Alerts fire when they should and say what to do. That the services export what is asked for, a running system
//! shows: `integration/measured.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::objects::{Object, list, namespaces, repository, text};

/// All groups of rules, once each: provinces are alike.
fn rules() -> Vec<Object> {
    let mut known = BTreeSet::new();
    let objects = namespaces().into_iter().flat_map(|(_, objects)| objects.to_vec());
    objects.filter(|o| o.kind() == "PrometheusRule" && known.insert(o.name().to_owned())).collect()
}

fn alerts(rules: &Object) -> impl Iterator<Item = &Value> {
    rules.list("/spec/groups").iter().flat_map(|group| list(&group["rules"]))
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    assert!(rules().len() >= 4);
    for group in rules() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("rules.yaml"), group.at("/spec").to_string())
            .expect("it can be written");
        let tests = repository().join(format!("tests/deploy/alerts/{}.test.yaml", group.name()));
        let tests = fs::read_to_string(tests).expect("each group of rules has its tests");
        for rule in alerts(&group) {
            let name = text(rule, "alert");
            assert!(tests.contains(&format!("alertname: {name}\n")), "nobody has seen {name} fire");
        }
        fs::write(folder.path().join("test.yaml"), tests).expect("it can be written");
        let output = Command::new("promtool")
            .args(["test", "rules", "test.yaml"])
            .current_dir(folder.path())
            .output()
            .expect("promtool runs: deploy/local/setup.sh installs it");
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{group}: {said}");
    }
}

#[test]
fn every_alert_says_what_to_do_where() {
    for group in rules() {
        for rule in alerts(&group) {
            let runbook = rule["annotations"]["runbook"].as_str().expect("it names a page");
            assert!(repository().join(runbook).is_file(), "{runbook}");
            assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()));
        }
    }
}
