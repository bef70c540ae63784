//! Every folder renders, by both doors' rules, and codes that YAML misreads are quoted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::objects::{documents, render_text, repository};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

fn manifests() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["kustomize", "argocd", "deploy/flux"] {
        files(&repository().join(folder), &mut found);
    }
    found
}

#[test]
fn every_kustomization_renders_alike_with_both_load_restrictors() {
    let mut rendered = 0;
    for path in manifests().iter().filter(|path| path.ends_with("kustomization.yaml")) {
        if fs::read_to_string(path).expect("it is text").contains("kind: Component") {
            continue; // rendered by those that use it
        }
        let folder =
            path.parent().and_then(|folder| folder.strip_prefix(repository()).ok()).expect("a folder");
        let folder = folder.to_string_lossy();
        let strict =
            render_text(repository(), &folder, true).unwrap_or_else(|error| panic!("{folder}: {error}"));
        assert!(!strict.is_empty(), "{folder} renders nothing");
        assert_eq!(Ok(strict), render_text(repository(), &folder, false), "{folder}");
        rendered += 1;
    }
    assert!(rendered > 20, "only {rendered} folders were found");
}

/// The folders that the kustomizations of a tree name under one of their keys.
fn named(key: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for path in manifests().iter().filter(|path| path.ends_with("kustomization.yaml")) {
        let text = fs::read_to_string(path).expect("it is text");
        let folder = path.parent().expect("it stands in a folder");
        for entry in documents(&text).iter().flat_map(|object| object.list(&format!("/{key}"))) {
            found.extend(folder.join(entry.as_str().expect("a path is text")).canonicalize().ok());
        }
    }
    found
}

#[test]
fn every_component_is_used() {
    let used = named("components");
    let mut seen = 0;
    for path in manifests().iter().filter(|path| path.ends_with("kustomization.yaml")) {
        if fs::read_to_string(path).expect("it is text").contains("kind: Component") {
            let folder = path.parent().and_then(|folder| folder.canonicalize().ok()).expect("a folder");
            assert!(used.contains(&folder), "nobody uses {}", folder.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} components were found");
}

/// What YAML 1.1 takes for a truth value or a number where it stands bare.
fn misread(text: &str) -> Vec<String> {
    let bare = |value: &str| {
        let value = value.split(" #").next().unwrap_or_default().trim().trim_end_matches([',', '}', ']']);
        matches!(value.to_ascii_lowercase().as_str(), "on" | "off" | "yes" | "no" | "y" | "n")
    };
    let keys = ["namespace:", "name:", "code:", "value:", "path:"];
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter(|line| {
            let after = keys.iter().filter_map(|key| line.split_once(key)).any(|(_, value)| bare(value));
            let item = line.trim_start().strip_prefix("- ").is_some_and(bare);
            after || item
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_code_that_yaml_misreads_is_quoted() {
    for path in manifests() {
        let text = fs::read_to_string(&path).expect("it is text");
        assert_eq!(misread(&text), Vec::<String>::new(), "{}", path.display());
    }
    for wrong in ["namespace: on", "- on", "metadata: {name: on}", "  code: no  # x"] {
        assert_eq!(misread(wrong), [wrong]);
    }
    assert!(misread("namespace: \"on\"\n- on.yaml\npath: overlays/pt/on").is_empty());
}

#[test]
fn no_base_component_or_platform_names_a_province() {
    let codes = crate::objects::provinces();
    let mut found = Vec::new();
    for folder in ["kustomize/base", "kustomize/phac", "kustomize/components", "kustomize/platform", "argocd"]
    {
        files(&repository().join(folder), &mut found);
    }
    for path in found {
        let text = fs::read_to_string(&path).expect("it is text");
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let named = codes.iter().find(|code| names(line, code));
            assert_eq!(named, None, "{}: {line}", path.display());
        }
    }
}

/// Whether a line holds a code as a value, a part of a path, of a host, or of a name.
fn names(line: &str, code: &str) -> bool {
    let upper = code.to_ascii_uppercase();
    let held = ["\"{}\"", "'{}'", "/{}/", ".{}.", "=\"{}\"", "iidi-{}", "pt-{}"];
    [code, upper.as_str()].iter().any(|code| {
        held.iter().any(|form| line.contains(&form.replace("{}", code)))
            || line.trim_end().ends_with(&format!(": {code}"))
            || line.trim_end().ends_with(&format!("- {code}"))
    })
}

#[test]
fn a_named_province_is_noticed() {
    for line in
        ["namespace: on", "- bc", "host: a.on.example", "uri: spiffe://d/pt/bc/x", "value: \"ON\"", "pt-bc"]
    {
        assert!(names(line, "on") || names(line, "bc"), "{line}");
    }
    assert!(!names("  log_on_error: on a line", "on"));
}
