//! What a cluster has to have before, as `kustomize/README.md` lists it, is all that the tree uses and does not make.

use std::collections::BTreeSet;
use std::fs;

use crate::objects::{Object, production, render, repository};
use crate::{addresses, schemas};

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The list: what each thing is for, and from whom it comes.
fn listed() -> Vec<(BTreeSet<String>, String)> {
    let readme = fs::read_to_string(repository().join("kustomize/README.md")).expect("it is there");
    let (_, section) = readme.split_once("\n## A cluster\n").expect("its section");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1)
        .map(|row| match row.split(" | ").collect::<Vec<_>>()[..] {
            [_, uses, from] => (quoted(uses), from.to_owned()),
            _ => panic!("{row} has not three columns"),
        })
        .collect()
}

/// What the tree uses and something else makes: groups of kinds, the gateway and its secret, hosts.
fn used(objects: &[Object]) -> BTreeSet<String> {
    let mut found = addresses::given(objects);
    for object in objects {
        if schemas::is_custom(object) {
            found.insert(object.group().to_owned());
        }
        match object.kind() {
            "Gateway" => {
                found.insert(object.text("/spec/selector/istio").to_owned());
                let secrets = object.list("/spec/servers").iter();
                let secrets = secrets.filter_map(|server| server["tls"]["credentialName"].as_str());
                found.extend(secrets.map(str::to_owned));
            }
            "Namespace" => {
                let revision = &object.at("/metadata/labels")["istio.io/rev"];
                found.extend(revision.as_str().map(str::to_owned));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_cluster_has_what_the_tree_uses() {
    let listed = listed();
    let said: BTreeSet<String> = listed.iter().flat_map(|(uses, _)| uses.clone()).collect();
    assert_eq!(said, used(&production()));
    let argo = render("argocd");
    let charts = argo.iter().filter(|object| !object.at("/spec/source/chart").is_null());
    let charts: BTreeSet<String> = charts.map(|object| object.name().to_owned()).collect();
    let mut named = BTreeSet::new();
    for (uses, from) in &listed {
        match from.strip_prefix("`argocd/platform`: ") {
            Some(applications) => named.extend(quoted(applications)),
            None => assert!(
                from == "`kustomize/registry`" || from.starts_with("the cluster's owner"),
                "{uses:?} comes from {from}"
            ),
        }
    }
    assert_eq!(named, charts);
    let flux = fs::read_to_string(repository().join("deploy/flux/README.md")).expect("it is there");
    assert!(flux.contains("kustomize/README.md#a-cluster"), "Flux's users do not come by the list");
}
