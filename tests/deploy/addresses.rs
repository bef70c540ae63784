//! Every address that is used leads somewhere: hosts and ports in configurations, environments, secrets and triggers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::hardening::words;
use crate::objects::{FEDERAL, Object, REGISTRY, namespaces, overlay, render};

const SCHEMES: [(&str, u64); 6] = [
    ("http", 80),
    ("https", 443),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
];

/// Host and port.
type Address = (String, u64);

/// The addresses in a text, without those of other schemes; what a template fills in is never one.
fn addresses(text: &str) -> Vec<Address> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        let mut parts = line.split("{{");
        let first = parts.next().unwrap_or_default().to_owned();
        let line =
            parts.fold(first, |line, part| line + part.split_once("}}").map_or(part, |(_, rest)| rest));
        for (at, _) in line.match_indices("://") {
            let scheme = line[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let Some((_, usual)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else { continue };
            let is_end = |c: char| c.is_whitespace() || "/?#'\"`,}>".contains(c);
            let authority = line[at + 3..].split(is_end).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            let (host, port) = host.split_once(':').unwrap_or((host, ""));
            found.push((host.to_owned(), port.parse().unwrap_or(*usual)));
        }
    }
    found
}

/// Where a name of the cluster is: service and namespace. Nothing for what is outside of it.
fn place<'a>(host: &'a str, own: &'a str) -> Option<(&'a str, &'a str)> {
    let host = host.strip_suffix(".cluster.local").unwrap_or(host);
    match host.split('.').collect::<Vec<_>>()[..] {
        [service] => Some((service, own)),
        [service, namespace, "svc"] => Some((service, namespace)),
        _ => None,
    }
}

/// The doors of a namespace: its Services', and those that CloudNativePG makes for a cluster.
fn doors(objects: &[Object]) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    for object in objects {
        match object.kind() {
            "Service" => {
                let ports = object.list("/spec/ports").iter().filter_map(|port| port["port"].as_u64());
                found.extend(ports.map(|port| (object.name().to_owned(), port)));
            }
            "Cluster" => {
                let disabled = object.list("/spec/managed/services/disabledDefaultServices");
                for kind in ["rw", "ro", "r"].iter().filter(|kind| !disabled.iter().any(|one| one == *kind)) {
                    found.insert((format!("{}-{kind}", object.name()), 5432));
                }
            }
            _ => {}
        }
    }
    found
}

/// Who uses which address.
fn used(objects: &[Object]) -> Vec<(&Object, Address)> {
    let mut found = Vec::new();
    for object in objects {
        let holders: Vec<&Value> = match object.kind() {
            "ConfigMap" => vec![object.at("/data")],
            "ExternalSecret" => vec![object.at("/spec/target/template")],
            "ScaledObject" => vec![object.at("/spec/triggers")],
            "Jurisdiction" => vec![object.at("/spec/gateway")],
            _ => object.containers().collect(),
        };
        let mut texts = Vec::new();
        for holder in holders {
            words(holder, &mut texts);
        }
        found.extend(texts.iter().flat_map(|text| addresses(text)).map(|address| (object, address)));
    }
    found
}

fn name_of(objects: &[Object]) -> String {
    objects.iter().find(|object| object.kind() == "Namespace").map_or("", Object::name).to_owned()
}

/// Doors by namespace: of the tree, and of these objects in place of what it has.
fn all_doors(objects: &[Object]) -> BTreeMap<String, BTreeSet<Address>> {
    let standing = namespaces();
    let mut found: BTreeMap<String, BTreeSet<Address>> =
        standing.iter().map(|(_, objects)| (name_of(objects), doors(objects))).collect();
    let (own, here) = (name_of(objects), doors(objects));
    if !own.is_empty() {
        found.insert(own, here);
    }
    found
}

/// Addresses at which nobody listens.
pub fn problems(objects: &[Object]) -> Vec<String> {
    let doors = all_doors(objects);
    let is_there = |object: &Object, (host, port): &Address| {
        let Some((service, namespace)) = place(host, object.namespace()) else { return true };
        doors.get(namespace).is_none_or(|doors| doors.contains(&(service.to_owned(), *port)))
    };
    let nowhere = used(objects).into_iter().filter(|(object, address)| !is_there(object, address));
    nowhere.map(|(object, (host, port))| format!("{object}: nobody is at {host}:{port}")).collect()
}

/// Addresses in the cluster that are not of the tree: somebody else has to be there.
pub fn given(objects: &[Object]) -> BTreeSet<String> {
    let doors = all_doors(&[]);
    let others = used(objects).into_iter().filter(|(object, (host, _))| {
        place(host, object.namespace()).is_some_and(|(_, namespace)| !doors.contains_key(namespace))
    });
    others.map(|(_, (host, port))| format!("{host}:{port}")).collect()
}

#[test]
fn somebody_listens_at_every_address() {
    for (folder, objects) in namespaces() {
        assert_eq!(problems(&objects), Vec::<String>::new(), "{folder}");
    }
    assert_eq!(problems(&render(REGISTRY)), Vec::<String>::new());
}

#[test]
fn a_wrong_address_is_noticed() {
    let (on, federal, registry) = (render(&overlay("on")), render(FEDERAL), render(REGISTRY));
    for (objects, right, wrong) in [
        (&on, "http://hapi-fhir:8080/", "http://hapi-fhir:8081/"),
        (&on, "postgresql://postgres-rw:", "postgresql://postgres-primary:"),
        (&on, "@postgres-rw:5432/aggregator", "@postgres-rw:5433/aggregator"),
        (&on, "@postgres-ro:", "@postgres-r:"),
        (&on, "@redis:6379", "@redis-master:6379"),
        (&federal, "://federator.phac.svc:8443", "://federator.phac.svc"),
        (&registry, "://aggregator.bc.svc.cluster.local:8443", "://aggregator.bc.svc.cluster.local:8444"),
    ] {
        let changed: Vec<Object> = objects
            .iter()
            .map(|object| {
                let text = object.0.to_string().replace(right, wrong);
                Object(serde_json::from_str(&text).expect("it is JSON"))
            })
            .collect();
        assert_ne!(problems(&changed), Vec::<String>::new(), "{wrong}");
    }
    let text = "a: redis://u:{{ .x | urlquery }}@r:1\n# http://no\nb: {c: \"https://h/p\"} spiffe://d/e";
    assert_eq!(addresses(text), [("r".to_owned(), 1), ("h".to_owned(), 443)]);
}
