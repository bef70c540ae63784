//! Provinces are alike: what differs is identity, and a new one is data.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::objects::{Object, overlay, provinces, render, render_of, repository};
use crate::{addresses, hardening, mesh, network, wiring};

/// Where two provinces may differ: kind and place.
const IDENTITY: &[(&str, &str)] = &[
    ("*", "/metadata/namespace"),
    ("Namespace", "/metadata/name"),
    ("ConfigMap", "/data/code"),
    ("ConfigMap", "/data/google_project"),
    ("ConfigMap", "/data/token_audience"),
    ("ConfigMap", "/data/token_issuer"),
    ("ConfigMap", "/data/token_jwks_url"),
    ("RoleBinding", "/subjects/0/name"),
    ("Certificate", "/spec/dnsNames/"),
    ("Certificate", "/spec/uris/0"),
    ("SecretStore", "/spec/provider/gcpsm/projectID"),
    ("ObjectStore", "/spec/configuration/destinationPath"),
    ("AuthorizationPolicy", "/spec/rules/0/from/0/source/principals/"),
    ("Gateway", "/spec/servers/"),
    ("VirtualService", "/spec/hosts/0"),
    ("VirtualService", "/spec/tls/0/match/0/sniHosts/0"),
    ("ScaledObject", "/spec/triggers/0/metadata/query"),
];

/// The places at which two values differ, with what stands there.
fn differences(one: &Value, other: &Value, place: &str, found: &mut Vec<(String, String, String)>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let value =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                differences(&value(one), &value(other), &format!("{place}/{key}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (position, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{place}/{position}"), found);
            }
        }
        _ if one != other => found.push((place.to_owned(), one.to_string(), other.to_string())),
        _ => {}
    }
}

/// Puts another code where a word is the code.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        words.push(if word == from { to.to_owned() } else { word.clone() });
        words.push(c.to_string());
        word.clear();
    }
    words.concat().trim_end_matches('\0').to_owned()
}

fn only_identity_differs(one: (&str, &[Object]), other: (&str, &[Object])) {
    let key = |code: &str, object: &Object| {
        let name = if object.kind() == "Namespace" { "itself" } else { object.name() };
        assert_ne!(object.name(), "", "{code}");
        (object.kind().to_owned(), name.to_owned())
    };
    let named = |(code, objects): (&str, &[Object])| -> BTreeSet<(String, String)> {
        objects.iter().map(|object| key(code, object)).collect()
    };
    assert_eq!(named(one), named(other));
    for object in one.1 {
        let twin =
            other.1.iter().find(|twin| key(other.0, twin) == key(one.0, object)).expect("it has a twin");
        let mut found = Vec::new();
        differences(&object.0, &twin.0, "", &mut found);
        for (place, ours, theirs) in found {
            let is_identity = IDENTITY
                .iter()
                .any(|(kind, at)| (*kind == "*" || *kind == object.kind()) && place.starts_with(at));
            assert!(is_identity, "{object}{place}: {ours} and {theirs}");
            assert_eq!(renamed(&ours, one.0, other.0), theirs, "{object}{place}");
        }
    }
}

#[test]
fn provinces_differ_in_identity_only() {
    let on = render(&overlay("on"));
    let others: Vec<String> = provinces().into_iter().filter(|province| province != "on").collect();
    assert!(!others.is_empty());
    for other in others {
        only_identity_differs(("on", &on), (&other, &render(&overlay(&other))));
    }
}

/// Folder of the binaries: `IIDI_BINARIES`, or where cargo builds them, as they are in the tree now.
pub fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("IIDI_BINARIES") {
        return PathBuf::from(folder);
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--bins", "--package", "iidictl"])
        .args(wiring::programs().iter().flat_map(|program| ["--package", program]))
        .current_dir(repository())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs do not build");
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from)
        .join("debug")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// A copy of the tree, with the province `ZZ` as iidictl writes it; made once.
pub fn with_a_new_province() -> &'static Path {
    static TREE: LazyLock<PathBuf> = LazyLock::new(|| {
        let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("with-a-new-province");
        let _ = fs::remove_dir_all(&tree);
        for folder in ["kustomize", "deploy/flux", "argocd"] {
            copy(&repository().join(folder), &tree.join(folder));
        }
        let names = ["--name-en", "Zedland", "--name-fr", "Zède", "--login", "login.zz.example"];
        let mut onboard = Command::new(binaries().join("iidictl"));
        let output = onboard.args(["onboard", "ZZ"]).args(names).arg("--tree").arg(&tree).output();
        let output = output.expect("iidictl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        tree
    });
    &TREE
}

/// What is applied to the new province's namespace.
pub fn new_province() -> Arc<Vec<Object>> {
    render_of(with_a_new_province(), &overlay("zz"))
}

#[test]
fn a_province_that_iidictl_writes_passes_what_the_others_pass() {
    let zz = new_province();
    only_identity_differs(("on", &render(&overlay("on"))), ("zz", &zz));
    assert_eq!(hardening::violations(&zz), Vec::<String>::new());
    assert_eq!(wiring::problems(&zz), Vec::<String>::new());
    assert_eq!(addresses::problems(&zz), Vec::<String>::new());
    // One province more beside the two of the table, as when a third one joins.
    let (on, bc, federal) = (render(&overlay("on")), render(&overlay("bc")), render(crate::objects::FEDERAL));
    let world = network::World::of(&[&zz, &on, &bc, &federal]);
    let expected = network::table(&network::World::standing(), "on", "bc");
    assert_eq!(network::table(&world, "zz", "on"), expected);
    assert_eq!(network::table(&world, "on", "zz"), expected);
    assert_eq!(mesh::problems(&world), Vec::<String>::new());
    let registry = render_of(with_a_new_province(), crate::objects::REGISTRY);
    let entry = registry.iter().find(|object| object.kind() == "Jurisdiction" && object.name() == "zz");
    assert_eq!(entry.expect("its entry").text("/spec/code"), "ZZ");
}

/// What the transcript shows is what is written and rendered now, with another code.
#[test]
fn the_transcript_shows_what_iidictl_writes() {
    let transcript =
        fs::read_to_string(repository().join("docs/onboarding-transcript.md")).expect("it is there");
    let shown = |command: &str| {
        let (_, rest) =
            transcript.split_once(&format!("$ {command}\n")).unwrap_or_else(|| panic!("no {command}"));
        renamed(
            rest.split("\n\n").next().and_then(|rest| rest.split("\n```").next()).unwrap_or_default(),
            "qc",
            "zz",
        )
    };
    let tree = with_a_new_province();
    let written = shown("iidictl onboard QC --name-en Quebec --name-fr Québec --login login.qc.example");
    for path in written.lines() {
        assert!(tree.join(path).is_file(), "{path} is not written");
    }
    let identity =
        fs::read_to_string(tree.join("kustomize/overlays/pt/zz/identity.yaml")).expect("it is written");
    assert_eq!(shown("cat kustomize/overlays/pt/qc/identity.yaml"), identity.trim_end());
    let rendered = new_province();
    let render = "kubectl kustomize kustomize/overlays/pt/qc | grep";
    assert_eq!(shown(&format!("{render} -c '^kind'")), rendered.len().to_string());
    let mut identities: Vec<&str> = rendered
        .iter()
        .filter(|object| object.kind() == "Certificate")
        .flat_map(|object| object.list("/spec/uris"))
        .filter_map(Value::as_str)
        .collect();
    identities.sort_unstable();
    assert_eq!(shown(&format!("{render} -o 'spiffe://.*pt/qc/.*'")).lines().collect::<Vec<_>>(), identities);
}
