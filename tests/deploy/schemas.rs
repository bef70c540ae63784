//! What Kubernetes itself would take: built-in kinds by the schemas of two versions, custom resources by a real API
//! server with the definitions of the projects that own them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use local_stack::ClusterApi;
use reqwest::Method;
use serde_json::{Value, json};

use crate::objects::{
    DEVELOPMENT, Object, documents, namespaces, overlay, production_of, render, render_text, repository, tool,
};
use crate::province::with_a_new_province;

/// The versions that a cluster may have.
const VERSIONS: [&str; 2] = ["1.34", "1.36"];

/// A checker of `deploy/local/tools.sh`.
fn checker(name: &str) -> Command {
    let program = tool("kustomize").with_file_name("../python/bin").join(name);
    assert!(program.is_file(), "{} is missing: run deploy/local/tools.sh", program.display());
    Command::new(program)
}

fn rendered(folder: &str) -> tempfile::NamedTempFile {
    let text = render_text(repository(), folder, true).expect("it renders");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file can be made");
    fs::write(file.path(), text).expect("it can be written");
    file
}

fn folders() -> Vec<String> {
    let mut folders: Vec<String> = namespaces().into_iter().map(|(folder, _)| folder).collect();
    folders.extend([crate::objects::PLATFORM, crate::objects::REGISTRY, "argocd/config"].map(str::to_owned));
    folders
}

fn validate(version: &str, file: &Path) -> (bool, String) {
    let mut command = checker("kubernetes-validate");
    let output = command.args(["--strict", "--quiet", "-k", version]).arg(file).output().expect("it runs");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), said)
}

#[test]
fn built_in_kinds_are_what_two_versions_of_kubernetes_take() {
    let tree = with_a_new_province();
    let texts: Vec<String> = folders()
        .iter()
        .chain([&overlay("zz")])
        .map(|folder| render_text(tree, folder, true).expect("it renders"))
        .collect();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file can be made");
    fs::write(file.path(), texts.join("---\n")).expect("it can be written");
    for version in VERSIONS {
        let (is_valid, said) = validate(version, file.path());
        assert!(is_valid, "{version}: {said}");
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_refused() {
    let text = render_text(repository(), "kustomize/base/redis", true).expect("it renders");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file can be made");
    for wrong in [("readOnlyRootFilesystem", "readOnlyRootFS"), ("replicas: 1", "replicas: one")] {
        assert!(text.contains(wrong.0));
        fs::write(file.path(), text.replace(wrong.0, wrong.1)).expect("it can be written");
        for version in VERSIONS {
            assert!(!validate(version, file.path()).0, "{version} takes {}", wrong.1);
        }
    }
}

/// The definitions of other projects: the folder that `IIDI_CRDS` names, or the one beside the repository.
fn definitions() -> Option<Vec<Value>> {
    let beside = || repository().join("../shared/crds");
    let folder = std::env::var_os("IIDI_CRDS").map_or_else(beside, PathBuf::from);
    let projects = fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.path().is_dir());
    let files = projects.flat_map(|project| fs::read_dir(project.path()).into_iter().flatten().flatten());
    let texts = files.map(|file| fs::read_to_string(file.path()).expect("it is text"));
    let all: Vec<Value> = texts
        .flat_map(|text| documents(&text))
        .filter(|object| object.kind() == "CustomResourceDefinition")
        .map(|object| object.0)
        .collect();
    (!all.is_empty()).then_some(all)
}

pub fn is_custom(object: &Object) -> bool {
    let own = ["", "apps", "batch", "policy"];
    !own.contains(&object.group()) && !object.group().ends_with(".k8s.io")
}

/// Every custom resource of ours, each kind of place once.
fn custom_resources() -> Vec<Object> {
    let tree = with_a_new_province();
    let mut all = production_of(tree);
    for folder in ["argocd".to_owned(), DEVELOPMENT.to_owned()] {
        all.extend(render(&folder).iter().cloned());
    }
    all.extend(documents(&fs::read_to_string(repository().join("argocd/root.yaml")).expect("it is there")));
    for file in fs::read_dir(tree.join("deploy/flux/clusters/prod")).expect("it is there").flatten() {
        all.extend(documents(&fs::read_to_string(file.path()).expect("it is text")));
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|object| is_custom(object) && object.kind() != "CustomResourceDefinition");
    all.retain(|object| seen.insert((object.to_string(), object.0.to_string())));
    all
}

/// Where objects of a kind are posted, by group and kind: version, plural, whether they have a namespace.
type Paths = BTreeMap<(String, String), (String, bool)>;

fn paths(definitions: &[Value]) -> Paths {
    let path = |definition: &Value| {
        let spec = &definition["spec"];
        let word =
            |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        ((word("/group"), word("/names/kind")), (word("/names/plural"), spec["scope"] == "Namespaced"))
    };
    definitions.iter().map(path).collect()
}

async fn post(api: &ClusterApi, paths: &Paths, object: &Object) -> (u16, String) {
    let key = (object.group().to_owned(), object.kind().to_owned());
    let Some((plural, is_namespaced)) = paths.get(&key) else {
        return (0, format!("nobody defines {key:?}"));
    };
    let place = if *is_namespaced { format!("namespaces/{}/", object.namespace()) } else { String::new() };
    let path =
        format!("/apis/{}/{place}{plural}?fieldValidation=Strict&dryRun=All", object.text("/apiVersion"));
    let (status, answer) = api.call(Method::POST, &path, Some(&object.0)).await.expect("the server answers");
    (status.as_u16(), answer["message"].as_str().unwrap_or_default().to_owned())
}

/// One kind's own way to be wrong: kind, place, value, status.
fn wrong_ones() -> Vec<(&'static str, &'static str, Value, u16)> {
    vec![
        ("Cluster", "/spec/instances", json!(0), 422),
        ("Cluster", "/spec/storage", json!({"sise": "1Gi"}), 400),
        ("PeerAuthentication", "/spec", json!({"portLevelMtls": {"9101": {"mode": "PERMISSIVE"}}}), 422),
        ("AuthorizationPolicy", "/spec/action", json!("LET"), 422),
        ("ExternalSecret", "/spec/target/deletionPolicy", json!("Burn"), 422),
        ("Certificate", "/spec/privateKey/algorithm", json!("DSA"), 422),
        ("ScaledObject", "/spec/scaleTargetRef", json!({}), 422),
        ("PrometheusRule", "/spec/groups/0/rules/0/for", json!("soon"), 422),
        ("ApplicationSet", "/spec/goTemplate", json!("yes"), 422),
        ("Kustomization", "/spec/deletionPolicy", json!("Burn"), 422),
        ("Jurisdiction", "/spec/code", json!("XX"), 422),
    ]
}

#[tokio::test]
async fn custom_resources_are_taken_by_a_real_api_server_and_wrong_ones_refused() {
    mtls::install_crypto_provider();
    let objects = custom_resources();
    assert!(objects.len() > 100, "only {} were found", objects.len());
    let Some(mut definitions) = definitions() else {
        println!("not checked custom resources, for want of their projects' definitions: {}", objects.len());
        return;
    };
    let own: serde_norway::Value = serde_norway::from_str(&peers::definition()).expect("it is YAML");
    definitions.push(serde_json::to_value(own).expect("it is JSON"));
    let api =
        ClusterApi::start(tool("etcd").parent().expect("it stands in a folder")).await.expect("it comes up");
    let paths = paths(&definitions);
    let used = |definition: &&Value| {
        let key = |object: &Object| (object.group().to_owned(), object.kind().to_owned());
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
        let group = definition["spec"]["group"].as_str().unwrap_or_default().to_owned();
        objects.iter().any(|object| key(object) == (group.clone(), kind.clone()))
    };
    for definition in definitions.iter().filter(used) {
        api.define(definition)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", definition["metadata"]["name"]));
    }
    let mut refused = Vec::new();
    for object in &objects {
        let (status, said) = post(&api, &paths, object).await;
        if status != 201 {
            refused.push(format!("{object}: {status} {said}"));
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    // Each kind refuses a field that it does not know, and some what is theirs alone.
    let kinds: BTreeMap<&str, &Object> = objects.iter().map(|object| (object.kind(), object)).collect();
    for object in kinds.values().filter(|object| object.at("/spec").is_object()) {
        let mut wrong = (*object).clone();
        wrong.0["spec"]["nobodyKnowsMe"] = json!(1);
        let (status, said) = post(&api, &paths, &wrong).await;
        assert_eq!(status, 400, "{object}: {said}");
    }
    for (kind, pointer, value, expected) in wrong_ones() {
        let mut wrong =
            objects.iter().find(|o| o.kind() == kind && o.0.pointer(pointer).is_some()).expect(kind).clone();
        *wrong.0.pointer_mut(pointer).expect("it is there") = value;
        let (status, said) = post(&api, &paths, &wrong).await;
        assert_eq!(status, expected, "{kind}{pointer}: {said}");
    }
}

/// What checkov would have otherwise, and why not.
const SKIPPED: &[(&str, &str)] = &[
    ("CKV_K8S_11", "a CPU limit throttles what has time left; requests and quotas bound it"),
    ("CKV_K8S_35", "the FHIR server takes its password by the environment only"),
];

#[test]
fn checkov_finds_nothing_else() {
    for folder in ["kustomize/overlays/pt/on", crate::objects::FEDERAL] {
        let file = rendered(folder);
        let skipped: Vec<&str> = SKIPPED.iter().map(|(check, _)| *check).collect();
        let output = checker("checkov")
            .args(["--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--skip-check"])
            .arg(skipped.join(","))
            .arg("-f")
            .arg(file.path())
            .output()
            .expect("checkov runs");
        assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
