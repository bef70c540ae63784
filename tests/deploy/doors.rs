//! Argo CD and Flux lead to the same tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::objects::{
    FEDERAL, Object, PLATFORM, REGISTRY, documents, list, overlay, provinces_of, render, render_of,
    repository, text,
};
use crate::province::with_a_new_province;

fn argo(tree: &Path) -> Vec<Object> {
    render_of(tree, "argocd").to_vec()
}

fn flux(tree: &Path) -> Vec<Object> {
    let folder = fs::read_dir(tree.join("deploy/flux/clusters/prod")).expect("it is there");
    let mut texts: Vec<String> =
        folder.flatten().map(|file| fs::read_to_string(file.path()).expect("it is text")).collect();
    texts.sort();
    texts.iter().flat_map(|text| documents(text)).collect()
}

/// The folders that the generator of an `ApplicationSet` finds.
fn generated(tree: &Path, set: &Object) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for generator in set.list("/spec/generators") {
        for directory in list(&generator["git"]["directories"]) {
            let parent = text(directory, "path").strip_suffix("/*").expect("one level below a folder");
            for folder in fs::read_dir(tree.join(parent)).expect("it is there").flatten() {
                let name = folder.file_name().to_string_lossy().into_owned();
                if folder.path().is_dir() {
                    found.insert(name.clone(), format!("{parent}/{name}"));
                }
            }
        }
    }
    found
}

/// The folders of the tree that Argo CD applies, by the name of the application.
fn argo_folders(tree: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for object in argo(tree) {
        match object.kind() {
            "Application" if object.at("/spec/source/chart").is_null() => {
                found.insert(object.name().to_owned(), object.text("/spec/source/path").to_owned());
            }
            "ApplicationSet" => {
                for (name, path) in generated(tree, &object) {
                    let fill = |template: &str| {
                        template.replace("{{.path.basename}}", &name).replace("{{.path.path}}", &path)
                    };
                    found.insert(
                        fill(object.text("/spec/template/metadata/name")),
                        fill(object.text("/spec/template/spec/source/path")),
                    );
                    assert_eq!(fill(object.text("/spec/template/spec/destination/namespace")), name);
                }
            }
            _ => {}
        }
    }
    found
}

fn flux_folders(tree: &Path) -> BTreeMap<String, String> {
    flux(tree)
        .iter()
        .filter(|object| object.kind() == "Kustomization" && object.name() != "root")
        .map(|object| {
            (object.name().to_owned(), object.text("/spec/path").trim_start_matches("./").to_owned())
        })
        .collect()
}

#[test]
fn both_doors_lead_to_the_same_folders() {
    for tree in [repository(), with_a_new_province()] {
        lead_to_the_same_folders(tree);
    }
}

fn lead_to_the_same_folders(tree: &Path) {
    let argo = argo_folders(tree);
    assert_eq!(argo, flux_folders(tree));
    let expected: BTreeSet<String> = provinces_of(tree)
        .iter()
        .map(|province| overlay(province))
        .chain([FEDERAL, PLATFORM, REGISTRY].map(str::to_owned))
        .collect();
    assert_eq!(argo.into_values().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn each_door_follows_its_own_folder() {
    let root = documents(&fs::read_to_string(repository().join("argocd/root.yaml")).expect("it is there"));
    assert_eq!(root[0].text("/spec/source/path"), "argocd");
    let flux = flux(repository());
    let root = flux.iter().find(|object| object.kind() == "Kustomization" && object.name() == "root");
    let root = root.expect("Flux keeps its own folder, or a merged province is not picked up");
    assert_eq!(root.text("/spec/path"), "./deploy/flux/clusters/prod");
    let source = flux.iter().find(|object| object.kind() == "GitRepository").expect("a source");
    // Git's own word on what the source leaves out: it takes nothing up again below a folder that is left out.
    let tree = tempfile::tempdir().expect("a folder can be made");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(tree.path()).args(arguments).output();
        output.expect("git runs").status.success()
    };
    assert!(git(&["init", "--quiet"]));
    fs::write(tree.path().join(".gitignore"), source.text("/spec/ignore")).expect("it can be written");
    let is_left_out = |path: &str| git(&["check-ignore", "--quiet", "--no-index", path]);
    for object in flux.iter().filter(|object| object.kind() == "Kustomization") {
        assert_eq!(*object.at("/spec/sourceRef/name"), source.name(), "{object}");
        assert_eq!(object.text("/spec/deletionPolicy"), "Orphan", "{object} takes along what it kept");
        let path = object.text("/spec/path").trim_start_matches("./");
        assert!(!is_left_out(&format!("{path}/any.yaml")), "{object}: {path} is not in the source");
    }
    assert!(is_left_out("crates/any.yaml") && is_left_out("deploy/local/any.yaml"));
}

#[test]
fn neither_door_changes_what_is_rendered() {
    for object in flux(repository()).iter().filter(|object| object.kind() == "Kustomization") {
        for key in [
            "postBuild",
            "patches",
            "images",
            "targetNamespace",
            "components",
            "namePrefix",
            "commonMetadata",
        ] {
            assert!(object.at("/spec").get(key).is_none(), "{object} sets {key}");
        }
    }
    for object in argo(repository()) {
        for source in ["/spec/source", "/spec/template/spec/source"] {
            assert!(object.at(source).get("kustomize").is_none(), "{object} changes what it applies");
        }
    }
}

#[test]
fn every_folder_is_a_jurisdiction_of_the_directory_and_the_other_way_round() {
    for tree in [repository(), with_a_new_province()] {
        match_the_directory(tree);
    }
}

fn match_the_directory(tree: &Path) {
    let registry = render_of(tree, REGISTRY);
    let codes: BTreeSet<String> = registry
        .iter()
        .filter(|object| object.kind() == "Jurisdiction" && object.text("/spec/role") == "pt")
        .filter(|object| object.text("/spec/gateway/inbound_transfer").contains(".svc.cluster.local")) // in this cluster
        .map(|object| object.name().to_owned())
        .collect();
    assert_eq!(codes, provinces_of(tree).into_iter().collect());
    for object in registry.iter().filter(|object| object.kind() == "Jurisdiction") {
        let folder =
            if object.text("/spec/role") == "pt" { overlay(object.name()) } else { FEDERAL.to_owned() };
        let identities = object.at("/spec/identities").as_object().expect("it has identities");
        // Whom other jurisdictions meet: who serves none of them, as the dashboard, is not in the directory.
        let certificates: BTreeSet<String> = render_of(tree, &folder)
            .iter()
            .filter(|object| object.kind() == "Certificate")
            .filter(|object| object.list("/spec/usages").iter().any(|usage| usage == "server auth"))
            .flat_map(|object| object.list("/spec/uris").to_vec())
            .map(|uri| uri.as_str().expect("a URI is text").to_owned())
            .collect();
        let said: BTreeSet<String> =
            identities.values().map(|id| id.as_str().expect("text").to_owned()).collect();
        assert_eq!(said, certificates, "{object}");
        let names: BTreeSet<String> = render_of(tree, &folder)
            .iter()
            .filter(|object| object.kind() == "Certificate")
            .flat_map(|object| object.list("/spec/dnsNames").to_vec())
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        for gateway in object.at("/spec/gateway").as_object().into_iter().flat_map(|gateway| gateway.values())
        {
            let host = gateway.as_str().and_then(|url| url.strip_prefix("https://")?.split(':').next());
            assert!(
                host.is_some_and(|host| names.contains(host)),
                "{object}: {gateway} is on no certificate"
            );
        }
    }
}

#[test]
fn what_depends_comes_later() {
    let order: BTreeMap<String, Vec<String>> = flux(repository())
        .iter()
        .filter(|object| object.kind() == "Kustomization")
        .map(|object| {
            let before =
                object.list("/spec/dependsOn").iter().map(|one| text(one, "name").to_owned()).collect();
            (object.name().to_owned(), before)
        })
        .collect();
    let mut done: BTreeSet<&String> = BTreeSet::new();
    while done.len() < order.len() {
        let next: Vec<&String> = order
            .iter()
            .filter(|(name, before)| !done.contains(name) && before.iter().all(|one| done.contains(one)))
            .map(|(name, _)| name)
            .collect();
        assert!(!next.is_empty(), "a circle, or something that is not there, after {done:?}");
        done.extend(next);
    }
    let wave =
        |object: &Object| object.annotation("argocd.argoproj.io/sync-wave").parse::<i64>().expect("a wave");
    let waves: BTreeMap<String, i64> =
        argo(repository()).iter().map(|object| (object.name().to_owned(), wave(object))).collect();
    for (earlier, later) in [
        ("platform", "cert-manager"),
        ("cert-manager", "trust-manager"),
        ("keda", "platform-config"),
        ("plugin-barman-cloud", "platform-config"),
        ("platform-config", "registry"),
        ("registry", "jurisdictions"),
        ("jurisdictions", "phac"),
    ] {
        assert!(waves[earlier] <= waves[later], "{earlier} comes after {later}");
    }
    let on = render(&overlay("on"));
    let wave_of = |kind: &str| {
        let waves = on
            .iter()
            .filter(|object| object.kind() == kind)
            .map(|object| object.annotation("argocd.argoproj.io/sync-wave").parse::<i64>().unwrap_or(0));
        waves.max().unwrap_or_else(|| panic!("no {kind}"))
    };
    let rising = ["Namespace", "SecretStore", "Cluster", "Deployment", "ScaledObject"].map(wave_of);
    assert!(rising.is_sorted(), "{rising:?}");
}

#[test]
fn the_project_allows_what_a_jurisdiction_holds_and_no_more() {
    let argo = argo(repository());
    let project =
        argo.iter().find(|object| object.kind() == "AppProject" && object.name() == "jurisdictions");
    let project = project.expect("the project");
    let listed = |pointer: &str| -> BTreeSet<(String, String)> {
        project
            .list(pointer)
            .iter()
            .map(|one| (text(one, "group").to_owned(), text(one, "kind").to_owned()))
            .collect()
    };
    assert_eq!(
        listed("/spec/clusterResourceWhitelist"),
        BTreeSet::from([(String::new(), "Namespace".to_owned())])
    );
    let held: BTreeSet<(String, String)> = crate::objects::namespaces()
        .iter()
        .flat_map(|(_, objects)| objects.iter())
        .filter(|object| object.kind() != "Namespace")
        .map(|object| (object.group().to_owned(), object.kind().to_owned()))
        .collect();
    assert_eq!(listed("/spec/namespaceResourceWhitelist"), held);
    for (folder, objects) in crate::objects::namespaces() {
        let namespace =
            objects.iter().find(|object| object.kind() == "Namespace").expect("a namespace").name();
        for object in objects.iter().filter(|object| object.kind() != "Namespace") {
            assert_eq!(object.namespace(), namespace, "{folder}: {object} is elsewhere");
        }
    }
    for wanted in ["kube-system", "argocd", "cert-manager", "istio-system"] {
        let refused =
            project.list("/spec/destinations").iter().map(|one| text(one, "namespace")).any(|pattern| {
                pattern.strip_prefix('!').is_some_and(|not| {
                    not == wanted || not.strip_suffix('*').is_some_and(|head| wanted.starts_with(head))
                })
            });
        assert!(refused, "a jurisdiction may be put into {wanted}");
    }
}
