//! Who may do what to the cluster's API.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::objects::{Object, REGISTRY, list, production, production_of, render, repository, text};
use crate::province::with_a_new_province;

fn words<'a>(rule: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(&rule[key]).iter().filter_map(Value::as_str)
}

fn problems(objects: &[Object]) -> Vec<String> {
    let mut found = Vec::new();
    let roles = objects.iter().filter(|object| matches!(object.kind(), "Role" | "ClusterRole"));
    for role in roles {
        let mut say = |what: String| found.push(format!("{role}: {what}"));
        for rule in role.list("/rules") {
            for key in ["apiGroups", "resources", "verbs", "nonResourceURLs"] {
                words(rule, key)
                    .filter(|word| word.contains('*'))
                    .for_each(|_| say(format!("a wildcard in {key}")));
            }
            for verb in words(rule, "verbs").filter(|verb| ["escalate", "bind", "impersonate"].contains(verb))
            {
                say(format!("the verb {verb}"));
            }
            let dangerous =
                ["secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "nodes", "nodes/proxy"];
            for resource in words(rule, "resources").filter(|resource| dangerous.contains(resource)) {
                say(format!("the resource {resource}"));
            }
        }
    }
    for binding in objects.iter().filter(|object| object.kind().ends_with("RoleBinding")) {
        let mut say = |what: String| found.push(format!("{binding}: {what}"));
        let role = binding.text("/roleRef/name");
        let is_ours = objects.iter().any(|object| {
            object.kind() == binding.text("/roleRef/kind")
                && object.name() == role
                && (object.kind() == "ClusterRole" || object.namespace() == binding.namespace())
        });
        if !is_ours {
            say(format!("the role {role} is not in the tree"));
        }
        for subject in binding.list("/subjects") {
            let name = text(subject, "name");
            if name == "default" || name.starts_with("system:") {
                say(format!("everybody who is {name}"));
            }
        }
    }
    found
}

#[test]
fn rights_are_named_one_by_one() {
    for tree in [repository(), with_a_new_province()] {
        assert_eq!(problems(&production_of(tree)), Vec::<String>::new());
    }
}

#[test]
fn a_right_too_many_is_noticed() {
    let good = production();
    let position = |kind: &str, name: &str| {
        good.iter().position(|o| o.kind() == kind && o.name() == name).expect("it is there")
    };
    let role = position("Role", "operator");
    for (object, pointer, value) in [
        (role, "/rules/0/verbs", serde_json::json!(["*"])),
        (role, "/rules/0/resources", serde_json::json!(["secrets"])),
        (role, "/rules/0/resources", serde_json::json!(["pods/exec"])),
        (role, "/rules/0/verbs", serde_json::json!(["escalate"])),
        (position("RoleBinding", "auditor"), "/subjects/0/name", "system:authenticated".into()),
        (position("ClusterRoleBinding", "gitops-deployer"), "/subjects/0/name", "default".into()),
        (position("ClusterRoleBinding", "gitops-deployer"), "/roleRef/name", "cluster-admin".into()),
    ] {
        let mut broken = good.clone();
        *broken[object].0.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        assert_ne!(problems(&broken), Vec::<String>::new(), "{pointer}");
    }
}

/// Subject, verbs and resource of each account of ours that the API knows.
#[test]
fn a_service_reads_jurisdictions_and_nothing_else() {
    for tree in [repository(), with_a_new_province()] {
        read_jurisdictions(&production_of(tree));
    }
}

fn read_jurisdictions(objects: &[Object]) {
    let accounts: BTreeSet<(String, String)> = objects
        .iter()
        .filter(|object| {
            object.kind() == "Deployment" && !["hapi-fhir", "dashboard"].contains(&object.name())
        })
        .map(|object| (object.namespace().to_owned(), object.name().to_owned()))
        .collect();
    let mut bound = BTreeSet::new();
    for binding in objects.iter().filter(|object| object.kind().ends_with("RoleBinding")) {
        for subject in binding.list("/subjects").iter().filter(|subject| subject["kind"] == "ServiceAccount")
        {
            let (namespace, name) = (text(subject, "namespace"), text(subject, "name"));
            if name == "pt-deployer" {
                continue;
            }
            assert_eq!(binding.text("/roleRef/name"), "jurisdiction-reader", "{binding}");
            bound.insert((namespace.to_owned(), name.to_owned()));
        }
    }
    assert_eq!(bound, accounts);
    let registry = render(REGISTRY);
    let reader = registry.iter().find(|object| object.name() == "jurisdiction-reader").expect("the role");
    assert_eq!(
        *reader.at("/rules"),
        serde_json::json!([{"apiGroups": ["iidi.phac-aspc.gc.ca"], "resources": ["jurisdictions"], "verbs": ["get", "list", "watch"]}])
    );
}

#[test]
fn the_deployer_may_write_what_a_jurisdiction_holds_and_no_more() {
    let objects = production();
    let role =
        objects.iter().find(|object| object.name() == "gitops-deployer" && object.kind() == "ClusterRole");
    let role = role.expect("the role");
    let may: BTreeSet<(String, String)> = role
        .list("/rules")
        .iter()
        .filter(|rule| words(rule, "verbs").any(|verb| verb == "update"))
        .flat_map(|rule| {
            words(rule, "apiGroups").flat_map(|group| {
                words(rule, "resources").map(move |kind| (group.to_owned(), kind.to_owned()))
            })
        })
        .collect();
    let plural = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        match kind.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
            _ => format!("{kind}s"),
        }
    };
    let holds: BTreeSet<(String, String)> = crate::objects::namespaces()
        .iter()
        .flat_map(|(_, objects)| objects.iter())
        .map(|object| (object.group().to_owned(), plural(object.kind())))
        .collect();
    assert_eq!(may, holds);
}
