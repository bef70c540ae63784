//! Who reaches whom, computed from the rendered network policies, and held against `docs/NETWORK.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::objects::{FEDERAL, Object, list, overlay, provinces, render, repository, text};

/// A place from which or to which packets go.
#[derive(Debug, Clone)]
pub struct Place {
    pub namespace: String,
    pub name: String,
    /// The account that its pods run as; whether they are in the mesh.
    pub account: String,
    pub is_meshed: bool,
    namespace_labels: Value,
    labels: Value,
    /// Names and numbers of its ports.
    pub ports: Vec<(String, u64)>,
    address: Option<Ipv4Addr>,
    is_ours: bool,
}

/// All places, and the policies.
pub struct World {
    pub places: Vec<Place>,
    policies: Vec<Object>,
    pub objects: Vec<Object>,
}

/// The label that says what a namespace is.
const ROLE: &str = "iidi.phac-aspc.gc.ca/role";

/// From, to, port.
pub type Edge = (String, String, u64);

fn outside(namespace: &str, name: &str, labels: Value, account: &str, is_meshed: bool) -> Place {
    Place {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        account: account.to_owned(),
        is_meshed,
        namespace_labels: json!({"kubernetes.io/metadata.name": namespace}),
        labels,
        ports: vec![("dns".to_owned(), 53), ("http".to_owned(), 8080)],
        address: None,
        is_ours: false,
    }
}

fn address(name: &str, address: [u8; 4], ports: &[u64]) -> Place {
    let place = outside("", name, json!({}), "", false);
    let ports = ports.iter().map(|port| (String::new(), *port)).collect();
    Place { ports, address: Some(Ipv4Addr::from(address)), ..place }
}

/// Whoever else is in a cluster or outside of it.
fn others() -> Vec<Place> {
    vec![
        outside("istio-ingress", "gateway", json!({"istio": "ingressgateway"}), "istio-ingressgateway", true),
        outside(
            "monitoring",
            "prometheus",
            json!({"app.kubernetes.io/name": "prometheus"}),
            "prometheus",
            false,
        ),
        Place {
            ports: vec![("otlp".to_owned(), 4318)],
            ..outside(
                "monitoring",
                "collector",
                json!({"app.kubernetes.io/name": "opentelemetry-collector"}),
                "collector",
                false,
            )
        },
        outside(
            "cnpg-system",
            "operator",
            json!({"app.kubernetes.io/name": "cloudnative-pg"}),
            "cnpg",
            false,
        ),
        outside("kube-system", "dns", json!({"k8s-app": "kube-dns"}), "kube-dns", false),
        Place {
            ports: vec![("xds".to_owned(), 15012)],
            ..outside("istio-system", "control", json!({"app": "istiod"}), "istiod", false)
        },
        // A stranger who calls itself what we are called, in a namespace without a role.
        outside(
            "strangers",
            "impostor",
            json!({"app.kubernetes.io/name": "outbound-transfer"}),
            "outbound-transfer",
            true,
        ),
        address("cluster API", [172, 16, 0, 2], &[443, 6443]),
        address("node DNS", [169, 254, 20, 10], &[53]),
        address("Google metadata", [169, 254, 169, 254], &[80]),
        address("the Internet", [203, 0, 113, 7], &[22, 80, 443, 5432]),
        address("an address of the private network", [10, 1, 2, 3], &[443, 5432]),
    ]
}

fn places_of(objects: &[Object]) -> Vec<Place> {
    let namespace = objects.iter().find(|object| object.kind() == "Namespace").expect("a namespace");
    let mut labels = namespace.at("/metadata/labels").clone();
    labels["kubernetes.io/metadata.name"] = namespace.name().into();
    let place =
        |name: &str, account: &str, pod_labels: Value, ports: Vec<(String, u64)>, is_meshed: bool| Place {
            namespace: namespace.name().to_owned(),
            name: name.to_owned(),
            account: account.to_owned(),
            is_meshed,
            namespace_labels: labels.clone(),
            labels: pod_labels,
            ports,
            address: None,
            is_ours: true,
        };
    let mut found = Vec::new();
    for object in objects {
        if let Some(pods) = object.pods() {
            let ports = object
                .containers()
                .flat_map(|container| list(&container["ports"]))
                .map(|port| (text(port, "name").to_owned(), port["containerPort"].as_u64().unwrap_or(0)))
                .collect();
            let inject = &pods["metadata"]["annotations"]["sidecar.istio.io/inject"];
            let account = text(&pods["spec"], "serviceAccountName");
            found.push(place(
                object.name(),
                account,
                pods["metadata"]["labels"].clone(),
                ports,
                inject != "false",
            ));
        } else if object.kind() == "Cluster" {
            let ports = [("postgresql", 5432), ("metrics", 9187), ("status", 8000)];
            let ports = ports.map(|(name, port)| (name.to_owned(), port)).to_vec();
            let inherited = object.at("/spec/inheritedMetadata");
            let is_meshed = inherited["annotations"]["sidecar.istio.io/inject"] != "false";
            found.push(place(object.name(), object.name(), inherited["labels"].clone(), ports, is_meshed));
        }
    }
    found
}

impl World {
    pub fn of(folders: &[&[Object]]) -> Self {
        let objects: Vec<Object> = folders.iter().flat_map(|folder| folder.to_vec()).collect();
        let places = folders.iter().flat_map(|folder| places_of(folder)).chain(others()).collect();
        let policies = objects.iter().filter(|object| object.kind() == "NetworkPolicy").cloned().collect();
        Self { places, policies, objects }
    }

    /// The provinces and the federal side as they stand in the tree.
    pub fn standing() -> Self {
        let mut folders: Vec<_> = provinces().iter().map(|province| render(&overlay(province))).collect();
        folders.push(render(FEDERAL));
        let folders: Vec<&[Object]> = folders.iter().map(|folder| folder.as_slice()).collect();
        Self::of(&folders)
    }

    fn selecting<'a>(&'a self, place: &'a Place, direction: &'a str) -> impl Iterator<Item = &'a Object> {
        self.policies.iter().filter(move |policy| {
            policy.namespace() == place.namespace
                && selects(policy.at("/spec/podSelector"), &place.labels)
                && is_about(policy, direction)
        })
    }

    /// Whether a connection may be opened. A pod that no policy selects for a direction is open in it.
    pub fn is_open(&self, from: &Place, to: &Place, port: &(String, u64)) -> bool {
        let one_way = |place: &Place, other: &Place, direction: &str, rules: &str, peers: &str| {
            if !place.is_ours {
                return true; // others have policies of their own
            }
            let mut selecting = self.selecting(place, direction).peekable();
            selecting.peek().is_none()
                || selecting.any(|policy| {
                    policy.list(&format!("/spec/{rules}")).iter().any(|rule| {
                        let peers = list(&rule[peers]);
                        let names = peers.iter().any(|peer| is_peer(peer, place, other));
                        (names || peers.is_empty()) && is_port(list(&rule["ports"]), port)
                    })
                })
        };
        one_way(from, to, "Egress", "egress", "to") && one_way(to, from, "Ingress", "ingress", "from")
    }

    /// All open connections from or to something of ours.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut found = BTreeSet::new();
        for (from, to) in self.places.iter().flat_map(|from| self.places.iter().map(move |to| (from, to))) {
            let is_asked = (from.is_ours || to.is_ours) && from.address.is_none();
            for port in to.ports.iter().filter(|port| is_asked && self.is_open(from, to, port)) {
                found.insert((from.to_string(), to.to_string(), port.1));
            }
        }
        found
    }
}

impl Place {
    /// Whether it has all labels of a mesh's selector; without one, everything is selected.
    pub fn has_labels(&self, wanted: &Value) -> bool {
        wanted.as_object().into_iter().flatten().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{} {}", self.namespace, self.name)
        }
    }
}

/// Whether a policy is about a direction: without a word of its own, about what comes in and what it has rules for.
fn is_about(policy: &Object, direction: &str) -> bool {
    match policy.at("/spec").get("policyTypes") {
        Some(kinds) => list(kinds).iter().any(|kind| kind == direction),
        None => direction == "Ingress" || policy.at("/spec").get("egress").is_some(),
    }
}

/// Whether a selector (`matchLabels`, `matchExpressions`) selects labels; an empty one selects all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let holds = |expression: &Value| {
        let (value, values) = (labels.get(text(expression, "key")), list(&expression["values"]));
        match text(expression, "operator") {
            "In" => value.is_some_and(|value| values.contains(value)),
            "NotIn" => value.is_none_or(|value| !values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            other => panic!("{other} is no operator"),
        }
    };
    equal.clone().all(|(key, value)| labels.get(key) == Some(value))
        && list(&selector["matchExpressions"]).iter().all(holds)
}

fn is_peer(peer: &Value, place: &Place, other: &Place) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let Some(address) = other.address else { return false };
        let excepted = list(&block["except"]).iter().filter_map(Value::as_str);
        return is_in(address, text(block, "cidr"))
            && !excepted.into_iter().any(|block| is_in(address, block));
    }
    if other.address.is_some() {
        return false;
    }
    let is_namespace = match peer.get("namespaceSelector") {
        Some(selector) => selects(selector, &other.namespace_labels),
        None => place.namespace == other.namespace,
    };
    is_namespace && peer.get("podSelector").is_none_or(|selector| selects(selector, &other.labels))
}

fn is_in(address: Ipv4Addr, block: &str) -> bool {
    let (base, bits) = block.split_once('/').expect("a block has a length");
    let base: Ipv4Addr = base.parse().expect("a block is an address");
    let bits: u32 = bits.parse().expect("a length is a number");
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    u32::from(address) & mask == u32::from(base) & mask
}

fn is_port(rules: &[Value], (name, number): &(String, u64)) -> bool {
    rules.is_empty()
        || rules.iter().any(|rule| match (&rule["port"], rule["endPort"].as_u64()) {
            (Value::String(wanted), _) => wanted == name,
            (Value::Number(from), Some(to)) => (from.as_u64().unwrap_or(0)..=to).contains(number),
            (Value::Number(wanted), None) => wanted.as_u64() == Some(*number),
            _ => true,
        })
}

/// The edges of one province as a table: `P` is the province, `Q` another. What there is beside is as `Q`.
pub fn table(world: &World, one: &str, another: &str) -> String {
    let named = |place: &str| match place.split_once(' ') {
        Some((namespace, name)) if namespace == one => format!("P {name}"),
        Some((namespace, name)) if namespace == another => format!("Q {name}"),
        Some(("phac", name)) => format!("PHAC {name}"),
        _ => place.to_owned(),
    };
    let is_third = |place: &str| {
        let namespace = place.split(' ').next().filter(|name| *name != one && *name != another);
        let mut all = world.objects.iter().filter(|object| object.kind() == "Namespace");
        all.any(|o| Some(o.name()) == namespace && o.at("/metadata/labels")[ROLE] == "pt")
    };
    let mut ports: BTreeMap<(String, String), BTreeSet<u64>> = BTreeMap::new();
    for (from, to, port) in world.edges() {
        if is_third(&from) || is_third(&to) {
            continue;
        }
        let (from, to) = (named(&from), named(&to));
        // What Q does by itself is what P does.
        let is_asked = [&from, &to].iter().any(|place| place.starts_with("P ") || place.starts_with("PHAC "));
        let is_everybodys = to.ends_with(" dns") || to == "node DNS" || to == "istio-system control";
        if is_asked
            && !is_everybodys
            && from.split(' ').next() != Some("Q")
            && !(from.starts_with("PHAC") && to.starts_with("Q "))
        {
            ports.entry((from, to)).or_default().insert(port);
        }
    }
    let rows = ports.iter().map(|((from, to), ports)| {
        let ports: Vec<String> = ports.iter().map(u64::to_string).collect();
        format!("| {from} | {to} | {} |\n", ports.join(", "))
    });
    format!("| from | to | port |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// `IIDI_WRITE=1 cargo test -p iidi-tests --test deploy network` writes the table anew.
#[test]
fn the_table_in_the_documents_is_what_the_policies_say() {
    const MARKS: (&str, &str) = ("<!-- edges -->\n", "<!-- end -->");
    let computed = table(&World::standing(), "on", "bc");
    assert_eq!(computed, table(&World::standing(), "bc", "on"), "provinces are alike");
    let path = repository().join("docs/NETWORK.md");
    let document = fs::read_to_string(&path).expect("it is there");
    let (head, rest) = document.split_once(MARKS.0).expect("a mark before the table");
    let (written, tail) = rest.split_once(MARKS.1).expect("a mark after the table");
    if std::env::var_os("IIDI_WRITE").is_some() {
        fs::write(&path, [head, MARKS.0, &computed, MARKS.1, tail].concat()).expect("it can be written");
        return;
    }
    assert_eq!(written, computed);
}

#[test]
fn nobody_reaches_a_store_of_another() {
    let edges = World::standing().edges();
    let stores = ["hapi-fhir", "postgres", "redis"];
    let mut seen = 0;
    for (from, to, port) in &edges {
        let Some((namespace, store)) = to.split_once(' ').filter(|(_, name)| stores.contains(name)) else {
            continue;
        };
        let caller = from.split(' ').next().expect("a place has a name");
        let is_platform =
            matches!(caller, "monitoring" | "cnpg-system") && store == "postgres" && *port != 5432
                || from == "cnpg-system operator" && store == "postgres";
        assert!(caller == namespace || is_platform, "{from} reaches {to}:{port}");
        seen += 1;
    }
    assert!(seen > 10, "the stores are reached by those who need them");
    let federal = edges.iter().filter(|(from, ..)| from.starts_with("phac "));
    for (from, to, port) in federal {
        let platform = [
            "cluster API",
            "node DNS",
            "kube-system dns",
            "istio-system control",
            "the Internet",
            "Google metadata",
            "monitoring collector",
        ];
        let is_expected = to.ends_with(" aggregator") && *port == 8443
            || to.starts_with("phac ")
            || platform.contains(&to.as_str());
        assert!(is_expected, "{from} reaches {to}:{port}");
    }
}

#[test]
fn a_stranger_of_the_same_name_reaches_nothing() {
    let reached: Vec<Edge> =
        World::standing().edges().into_iter().filter(|(from, ..)| from == "strangers impostor").collect();
    assert_eq!(reached, []);
}

#[test]
fn the_evaluator_knows_the_corners_of_network_policies() {
    let place = |namespace: &str, name: &str| {
        let labels = json!({"app.kubernetes.io/name": name});
        Place {
            is_ours: true,
            ports: vec![("a".to_owned(), 80), ("b".to_owned(), 90)],
            ..outside(namespace, name, labels, "", false)
        }
    };
    let world = |spec: Value| World {
        places: vec![place("x", "one"), place("x", "two"), place("y", "one")],
        policies: vec![
            Object(json!({"kind": "NetworkPolicy", "metadata": {"namespace": "x"}, "spec": spec})),
            Object(
                json!({"kind": "NetworkPolicy", "metadata": {"namespace": "x"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}}),
            ),
            Object(
                json!({"kind": "NetworkPolicy", "metadata": {"namespace": "y"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}}),
            ),
        ],
        objects: Vec::new(),
    };
    let to_two = |spec: Value| {
        let edges = world(spec).edges();
        let edges = edges.into_iter().filter(|(_, to, _)| to == "x two");
        edges.map(|(from, _, port)| format!("{from}:{port}")).collect::<Vec<_>>()
    };
    let ingress = |rules: Value| {
        to_two(
            json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "two"}}, "policyTypes": ["Ingress"], "ingress": rules}),
        )
    };
    assert_eq!(ingress(json!([])), Vec::<String>::new());
    // Selected by none, or for what goes out only: open. A policy that does not say is about what comes in.
    let all = ["x one:80", "x one:90", "x two:80", "x two:90", "y one:80", "y one:90"];
    let other = json!({"matchLabels": {"app.kubernetes.io/name": "one"}});
    assert_eq!(to_two(json!({"podSelector": other, "policyTypes": ["Ingress"]})), all);
    assert_eq!(to_two(json!({"podSelector": {}, "policyTypes": ["Egress"]})), all);
    assert_eq!(to_two(json!({"podSelector": {}})), Vec::<String>::new());
    assert_eq!(
        ingress(json!([{"from": [{"podSelector": {}}], "ports": [{"port": "a"}]}])),
        ["x one:80", "x two:80"]
    );
    let named = json!({"matchLabels": {"kubernetes.io/metadata.name": "y"}});
    assert_eq!(
        ingress(json!([{"from": [{"namespaceSelector": named}], "ports": [{"port": 85, "endPort": 95}]}])),
        ["y one:90"]
    );
    // One element is both at once, two are either.
    let two = json!({"matchLabels": {"app.kubernetes.io/name": "two"}});
    assert_eq!(
        ingress(json!([{"from": [{"namespaceSelector": named, "podSelector": two}]}])),
        Vec::<String>::new()
    );
    assert_eq!(
        ingress(
            json!([{"from": [{"namespaceSelector": named}, {"podSelector": two}], "ports": [{"port": 80}]}])
        ),
        ["x two:80", "y one:80"]
    );
    assert!(is_in([10, 1, 2, 3].into(), "10.0.0.0/8") && !is_in([11, 0, 0, 1].into(), "10.0.0.0/8"));
    assert!(is_in([1, 2, 3, 4].into(), "0.0.0.0/0") && is_in([1, 2, 3, 4].into(), "1.2.3.4/32"));
}
