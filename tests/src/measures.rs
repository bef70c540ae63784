//! The measures that alerts, dashboards and scaling ask for, read from the manifests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

/// Where alerts, dashboards and scaling stand.
const FOLDERS: [&str; 2] = ["kustomize/components/observability", "kustomize/components/autoscaling"];

/// Returns every measure that is asked for, without the endings of summaries.
///
/// # Panics
/// When a manifest is no YAML, or none is found.
pub fn asked_for() -> BTreeSet<String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository");
    let mut expressions = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| files(&repository.join(folder))) {
        let text = fs::read_to_string(&file).expect("a manifest is text");
        for document in serde_norway::Deserializer::from_str(&text) {
            let manifest =
                Value::deserialize(document).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            expressions_of(&manifest, &mut expressions);
        }
    }
    assert!(expressions.len() > 10, "the manifests were not read: {expressions:?}");
    let names = expressions.iter().flat_map(|expression| names(expression));
    names.map(|name| name.trim_end_matches("_count").trim_end_matches("_sum").to_owned()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => files(&path),
            Some("yaml" | "json") => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// Finds what is asked of Prometheus, wherever it stands: `expr` of rules and panels, `query` of scaling.
fn expressions_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("expr" | "query", Value::String(expression)) => found.push(expression.clone()),
                    _ => expressions_of(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions_of(value, found)),
        _ => {}
    }
}

/// The names of measures that an expression asks for.
fn names(expression: &str) -> BTreeSet<String> {
    const WORDS: [&str; 25] = [
        "max",
        "min",
        "sum",
        "by",
        "on",
        "unless",
        "and",
        "or",
        "rate",
        "increase",
        "time",
        "namespace",
        "peer",
        "state",
        "pod",
        "lane",
        "code",
        "reason",
        "spiffe_id",
        "route",
        "outcome",
        "type",
        "status",
        "label_values",
        "quantile",
    ];
    let mut plain = String::new();
    let mut depth = 0_u32;
    for c in expression.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            word.len() > 1 && word.starts_with(|c: char| c.is_ascii_lowercase()) && !WORDS.contains(word)
        })
        .map(str::to_owned)
        .collect()
}
