//! The mesh's word agrees with the network's, edge by edge.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::network::{Edge, Place, World};
use crate::objects::{Object, list, text};

/// Whether a principal of a policy names an account: exactly, or by its end.
fn names(pattern: &str, principal: &str) -> bool {
    pattern.strip_prefix('*').map_or_else(|| pattern == principal, |end| principal.ends_with(end))
}

fn principal(place: &Place) -> Option<String> {
    place.is_meshed.then(|| format!("cluster.local/ns/{}/sa/{}", place.namespace, place.account))
}

/// The policies of a kind that select a place; one without a selector selects its whole namespace.
fn policies<'a>(world: &'a World, kind: &'a str, to: &'a Place) -> impl Iterator<Item = &'a Object> {
    world.objects.iter().filter(move |object| {
        object.kind() == kind
            && object.namespace() == to.namespace
            && to.has_labels(object.at("/spec/selector/matchLabels"))
    })
}

/// A policy without an action allows.
fn action(policy: &Object) -> &str {
    policy.at("/spec/action").as_str().unwrap_or("ALLOW")
}

/// Whether an operation is on a port; one that names no port is on all.
fn is_on(operation: &Value, port: u64) -> bool {
    let ports = operation["operation"]["ports"].as_array();
    ports.is_none_or(|ports| ports.iter().any(|wanted| wanted.as_str() == Some(&port.to_string())))
}

/// Whether a source of a rule names a caller: nothing if it names callers by what we do not read, so anybody.
fn is_caller(source: &Value, from: &Place) -> Option<bool> {
    let source = &source["source"];
    if let Some(principals) = source["principals"].as_array() {
        let own = principal(from);
        let named = |own: &String| principals.iter().filter_map(Value::as_str).any(|one| names(one, own));
        return Some(own.as_ref().is_some_and(named));
    }
    let namespaces = source["namespaces"].as_array()?;
    Some(from.is_meshed && namespaces.iter().any(|one| one.as_str() == Some(&from.namespace)))
}

/// Whether the mesh lets a caller in, and by a rule that names callers. What a rule leaves out, it allows.
fn admits(world: &World, from: &Place, to: &Place, port: u64) -> Option<bool> {
    let rules = policies(world, "AuthorizationPolicy", to)
        .filter(|policy| action(policy) == "ALLOW")
        .flat_map(|policy| policy.list("/spec/rules"));
    let mut admitted = None;
    for rule in rules {
        let operations = list(&rule["to"]);
        if !operations.is_empty() && !operations.iter().any(|operation| is_on(operation, port)) {
            continue;
        }
        let sources = list(&rule["from"]);
        let callers: Vec<Option<bool>> = sources.iter().map(|source| is_caller(source, from)).collect();
        if callers.is_empty() || callers.contains(&None) {
            return Some(false);
        }
        if callers.contains(&Some(true)) {
            admitted = Some(true);
        }
    }
    admitted
}

/// Where the two disagree, and what is not strict.
pub fn problems(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let open: BTreeSet<Edge> = world.edges();
    let meshed: Vec<&Place> = world.places.iter().filter(|place| place.is_meshed).collect();
    let ours =
        |place: &&Place| world.objects.iter().any(|o| o.kind() == "Namespace" && o.name() == place.namespace);
    for to in meshed.iter().copied().filter(ours) {
        for (from, (_, port)) in
            world.places.iter().flat_map(|from| to.ports.iter().map(move |port| (from, port)))
        {
            let is_open = open.contains(&(from.to_string(), to.to_string(), *port));
            let is_stranger = from.namespace == "strangers"; // stopped by the network before the mesh sees it
            match admits(world, from, to, *port) {
                None if is_open => found.push(format!("{from} reaches {to}:{port} and the mesh refuses it")),
                Some(true) if !is_open && !is_stranger => {
                    found.push(format!("the mesh admits {from} to {to}:{port} and the network does not"));
                }
                Some(false) if !is_permissive(world, to, *port) => {
                    found.push(format!("anybody may call {to}:{port}, which is not excepted"));
                }
                _ => {}
            }
            if is_open && principal(from).is_none() && !is_permissive(world, to, *port) {
                found.push(format!("{from} is outside the mesh and {to}:{port} is strict"));
            }
        }
    }
    let namespaces = world.objects.iter().filter(|object| object.kind() == "Namespace");
    for namespace in namespaces {
        let here = |kind: &str, name: &str| {
            let mut all = world.objects.iter();
            all.find(|o| o.kind() == kind && o.name() == name && o.namespace() == namespace.name())
        };
        let strict = here("PeerAuthentication", "strict");
        if strict.is_none_or(|o| o.text("/spec/mtls/mode") != "STRICT" || !o.at("/spec/selector").is_null()) {
            found.push(format!("{namespace} is not strict"));
        }
        if here("AuthorizationPolicy", "deny-all")
            .is_none_or(|o| o.at("/spec").as_object().is_none_or(|s| !s.is_empty()))
        {
            found.push(format!("{namespace} does not begin with a refusal"));
        }
    }
    for object in &world.objects {
        match object.kind() {
            "PeerAuthentication" if object.text("/spec/mtls/mode") != "STRICT" => {
                found.push(format!("{object} is not strict"));
            }
            "AuthorizationPolicy" if action(object) != "ALLOW" => {
                found.push(format!("{object}: nobody here reads {}", action(object)));
            }
            _ => {}
        }
    }
    // Who calls a store by TLS of its own must not be wrapped once more.
    for store in world.places.iter().filter(|place| ["postgres", "redis"].contains(&place.name.as_str())) {
        let is_let = world.objects.iter().any(|o| {
            o.kind() == "DestinationRule"
                && o.namespace() == store.namespace
                && o.text("/spec/host").starts_with(&store.name)
                && o.text("/spec/trafficPolicy/tls/mode") == "DISABLE"
        });
        if store.is_meshed || !is_let {
            found.push(format!("{store} is in the mesh, or its callers think so"));
        }
    }
    found
}

/// Whether calls from outside the mesh are taken at a port, by an exception that selects its pods.
fn is_permissive(world: &World, to: &Place, port: u64) -> bool {
    policies(world, "PeerAuthentication", to)
        .any(|policy| text(&policy.at("/spec/portLevelMtls")[port.to_string()], "mode") == "PERMISSIVE")
}

#[test]
fn the_mesh_admits_whom_the_network_lets_through() {
    assert_eq!(problems(&World::standing()), Vec::<String>::new());
}

#[test]
fn a_disagreement_is_noticed() {
    let changed = |kind: &str, name: &str, pointer: &str, value: Value| {
        let mut world = World::standing();
        let object =
            world.objects.iter_mut().find(|o| o.kind() == kind && o.name() == name && o.namespace() == "on");
        *object.and_then(|o| o.0.pointer_mut(pointer)).unwrap_or_else(|| panic!("{kind} {name}")) = value;
        problems(&world)
    };
    let principals = "/spec/rules/0/from/0/source/principals";
    let other = serde_json::json!(["cluster.local/ns/bc/sa/outbound-transfer"]);
    for (kind, name, pointer, value) in [
        ("AuthorizationPolicy", "hapi-fhir", principals, other),
        ("AuthorizationPolicy", "aggregator-gateway", principals, serde_json::json!(["*/sa/dashboard"])),
        (
            "AuthorizationPolicy",
            "outbound-transfer-api",
            "/spec/rules/0/to/0/operation/ports",
            serde_json::json!(["9101"]),
        ),
        ("AuthorizationPolicy", "hapi-fhir", "/spec/rules", serde_json::json!([{}])),
        (
            "AuthorizationPolicy",
            "hapi-fhir",
            "/spec/rules/0/from/0/source",
            serde_json::json!({"notPrincipals": ["x"]}),
        ),
        ("AuthorizationPolicy", "hapi-fhir", "/spec/action", "DENY".into()),
        // Without ports: all of them; without a selector and an action: all pods, allowed.
        ("AuthorizationPolicy", "inbound-transfer-gateway", "/spec/rules/0/to", serde_json::json!([])),
        (
            "AuthorizationPolicy",
            "inbound-transfer-metrics",
            "/spec",
            serde_json::json!({"rules": [{"from": [{"source": {"namespaces": ["on"]}}]}]}),
        ),
        ("PeerAuthentication", "outbound-transfer", "/spec/mtls/mode", "PERMISSIVE".into()),
        ("AuthorizationPolicy", "deny-all", "/spec", serde_json::json!({"action": "ALLOW"})),
        ("PeerAuthentication", "strict", "/spec/mtls/mode", "PERMISSIVE".into()),
        ("PeerAuthentication", "aggregator", "/spec/portLevelMtls", serde_json::json!({})),
        ("DestinationRule", "redis", "/spec/trafficPolicy/tls/mode", "ISTIO_MUTUAL".into()),
    ] {
        assert_ne!(changed(kind, name, pointer, value), Vec::<String>::new(), "{kind} {name}{pointer}");
    }
}
