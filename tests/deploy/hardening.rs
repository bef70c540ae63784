//! Rules for what runs: each is a claim, each has an example that breaks it.

use serde_json::{Value, json};

use crate::objects::{DEVELOPMENT, Object, PLATFORM, list, namespaces, production, provinces, render, text};

type Rule = (&'static str, fn(&Object, &[Object]) -> Vec<String>);

const RULES: &[Rule] = &[
    ("pods are restricted", restricted),
    ("images are named by digest", digests),
    ("containers ask for what they need and have a memory limit", requests),
    ("containers are probed", probes),
    ("no token where none is needed", tokens),
    ("a disruption budget lets a drain go on and keeps one", budgets),
    ("data is not pruned", data),
    ("no secret stands in the tree", secrets),
    ("namespaces enforce", enforcing),
];

pub fn violations(objects: &[Object]) -> Vec<String> {
    let checked = objects.iter().flat_map(|object| {
        RULES.iter().flat_map(move |(rule, check)| {
            check(object, objects).into_iter().map(move |what| format!("{object}: {rule}: {what}"))
        })
    });
    checked.collect()
}

fn fail(is_wrong: bool, what: impl Into<String>) -> Option<String> {
    is_wrong.then(|| what.into())
}

/// The controls of Pod Security's `restricted`, and a read-only root.
fn restricted(object: &Object, _: &[Object]) -> Vec<String> {
    let Some(spec) = object.pods().map(|pods| &pods["spec"]) else { return Vec::new() };
    let pod = &spec["securityContext"];
    let mut found: Vec<Option<String>> = vec![
        fail(pod["runAsNonRoot"] != true, "runAsNonRoot"),
        fail(pod["runAsUser"].as_u64().unwrap_or(0) == 0, "a numeric user that is not root"),
        fail(pod["seccompProfile"]["type"] != "RuntimeDefault", "seccompProfile"),
        fail(
            ["hostNetwork", "hostPID", "hostIPC"].iter().any(|key| spec[*key] == true),
            "the host's namespaces",
        ),
        fail(spec["enableServiceLinks"] != false, "enableServiceLinks"),
        fail(spec["priorityClassName"].is_null(), "priorityClassName"),
        fail(spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30) < 60, "time to drain"),
    ];
    let volumes =
        ["configMap", "secret", "emptyDir", "projected", "downwardAPI", "persistentVolumeClaim", "csi"];
    for volume in list(&spec["volumes"]) {
        let is_allowed = volumes.iter().any(|kind| volume.get(kind).is_some());
        found.push(fail(!is_allowed, format!("volume {}", text(volume, "name"))));
    }
    for container in object.containers() {
        let name = text(container, "name");
        let context = &container["securityContext"];
        let ports = list(&container["ports"]);
        found.extend([
            fail(context["allowPrivilegeEscalation"] != false, format!("{name}: allowPrivilegeEscalation")),
            fail(context["readOnlyRootFilesystem"] != true, format!("{name}: readOnlyRootFilesystem")),
            fail(context["privileged"] == true, format!("{name}: privileged")),
            fail(context["capabilities"]["drop"] != json!(["ALL"]), format!("{name}: capabilities")),
            fail(!context["capabilities"]["add"].is_null(), format!("{name}: capabilities added")),
            fail(context["runAsUser"] == 0, format!("{name}: root")),
            fail(ports.iter().any(|port| !port["hostPort"].is_null()), format!("{name}: hostPort")),
        ]);
    }
    found.into_iter().flatten().collect()
}

fn is_by_digest(image: &str) -> bool {
    image.split_once("@sha256:").is_some_and(|(name, digest)| {
        name.contains('/') && digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn digests(object: &Object, _: &[Object]) -> Vec<String> {
    let catalogue = list(object.at("/spec/images")).iter().filter(|_| object.kind() == "ImageCatalog");
    let images = object.containers().chain(catalogue).map(|holder| text(holder, "image"));
    let named = fail(
        object.kind() == "Cluster"
            && object.group() == "postgresql.cnpg.io"
            && !object.at("/spec/imageName").is_null(),
        "an image outside the catalogue",
    );
    images.filter(|image| !is_by_digest(image)).map(str::to_owned).chain(named).collect()
}

fn requests(object: &Object, _: &[Object]) -> Vec<String> {
    let needs = ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"];
    let missing = |container: &Value| {
        let name = text(container, "name").to_owned();
        let absent = needs.iter().filter(|need| container.pointer(need).is_none());
        absent.map(|need| format!("{name}{need}")).collect::<Vec<_>>()
    };
    object.containers().flat_map(missing).collect()
}

fn probes(object: &Object, _: &[Object]) -> Vec<String> {
    let Some(spec) = object.pods().map(|pods| &pods["spec"]) else { return Vec::new() };
    let probes = ["startupProbe", "readinessProbe", "livenessProbe"];
    let missing = |container: &Value| {
        let name = text(container, "name").to_owned();
        let absent = probes.iter().filter(|probe| container.get(probe).is_none());
        let mut found: Vec<String> = absent.map(|probe| format!("{name} has no {probe}")).collect();
        let live =
            container.pointer("/livenessProbe/httpGet/path").and_then(Value::as_str).unwrap_or_default();
        found.extend(fail(live.contains("readyz"), format!("{name}: liveness looks at dependencies")));
        found
    };
    list(&spec["containers"]).iter().flat_map(missing).collect()
}

/// Who reads Jurisdictions has a token of its own volume; nobody has one by default.
fn tokens(object: &Object, all: &[Object]) -> Vec<String> {
    if object.kind() == "ServiceAccount" {
        return fail(object.at("/automountServiceAccountToken") != false, "mounted by default")
            .into_iter()
            .collect();
    }
    let Some(spec) = object.pods().map(|pods| &pods["spec"]) else { return Vec::new() };
    let account = text(spec, "serviceAccountName");
    let has_account = all.iter().any(|other| other.kind() == "ServiceAccount" && other.name() == account);
    let has_token = list(&spec["volumes"]).iter().any(|volume| {
        list(&volume["projected"]["sources"]).iter().any(|source| source.get("serviceAccountToken").is_some())
    });
    let mounted_by = object
        .containers()
        .filter(|container| list(&container["volumeMounts"]).iter().any(|mount| mount["name"] == "kube-api"))
        .count();
    let needs = list(&spec["volumes"]).iter().any(|volume| volume["name"] == "directory");
    let found = [
        fail(spec["automountServiceAccountToken"] != false, "mounted"),
        fail(account.is_empty() || account == "default", "no account of its own"),
        fail(!has_account, format!("account {account} is not in the tree")),
        fail(has_token != needs, "a token, and no directory to read; or the other way round"),
        fail(mounted_by > 1, "a token that more than one container sees"),
    ];
    found.into_iter().flatten().collect()
}

fn replicas(object: &Object, all: &[Object]) -> u64 {
    let scaled = all.iter().find(|other| {
        other.kind() == "ScaledObject" && other.text("/spec/scaleTargetRef/name") == object.name()
    });
    let least =
        scaled.map_or_else(|| object.at("/spec/replicas"), |scaled| scaled.at("/spec/minReplicaCount"));
    least.as_u64().unwrap_or(1)
}

fn budgets(object: &Object, all: &[Object]) -> Vec<String> {
    if !matches!(object.kind(), "Deployment" | "StatefulSet") {
        return Vec::new();
    }
    let labels = object.at("/spec/template/metadata/labels");
    let budget = all.iter().find(|other| {
        other.kind() == "PodDisruptionBudget"
            && other
                .at("/spec/selector/matchLabels")
                .as_object()
                .is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
    });
    let Some(budget) = budget else { return vec!["there is none".to_owned()] };
    let replicas = replicas(object, all);
    let keeps = budget.at("/spec/minAvailable").as_u64();
    let found = [
        fail(
            keeps.is_some_and(|keeps| keeps >= replicas),
            format!("{replicas} replicas can never be drained"),
        ),
        fail(replicas > 1 && keeps.is_none(), "all may go at once"),
        fail(budget.text("/spec/unhealthyPodEvictionPolicy") != "AlwaysAllow", "broken pods block a drain"),
        fail(
            object.at("/spec/strategy/rollingUpdate/maxUnavailable") != 0 && object.kind() == "Deployment",
            "an update takes away what serves",
        ),
    ];
    found.into_iter().flatten().collect()
}

fn data(object: &Object, _: &[Object]) -> Vec<String> {
    let is_data = match object.kind() {
        "Cluster" | "Database" => object.group() == "postgresql.cnpg.io",
        "StatefulSet" | "PersistentVolumeClaim" | "Namespace" => true,
        _ => false,
    };
    let argo = object.annotation("argocd.argoproj.io/sync-options");
    let flux = object.annotation("kustomize.toolkit.fluxcd.io/prune");
    let found = [
        fail(is_data && argo != "Prune=false,Delete=false", "Argo CD would delete it"),
        fail(is_data && flux != "disabled", "Flux would delete it"),
        fail(
            object.kind() == "Database" && object.text("/spec/databaseReclaimPolicy") != "retain",
            "it goes with its object",
        ),
    ];
    found.into_iter().flatten().collect()
}

fn secrets(object: &Object, _: &[Object]) -> Vec<String> {
    let inline = object.containers().flat_map(|container| list(&container["env"])).filter(|variable| {
        let name = text(variable, "name").to_ascii_lowercase();
        let says = ["password", "secret", "token_file", "private"].iter().any(|word| name.contains(word));
        says && variable.get("value").is_some()
    });
    let inline = inline.map(|variable| format!("{} has a value", text(variable, "name")));
    let mut held = Vec::new();
    words(&object.0, &mut held);
    let looks = held.into_iter().filter(|text| {
        text.contains("PRIVATE KEY")
            || (text.contains("://") && text.contains('@') && !text.contains("{{") && text.contains(":5432"))
    });
    fail(object.kind() == "Secret", "a Secret").into_iter().chain(inline).chain(looks).collect()
}

/// All texts in a value.
pub fn words(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| words(field, found)),
        _ => {}
    }
}

fn enforcing(object: &Object, all: &[Object]) -> Vec<String> {
    if object.kind() != "Namespace" {
        return Vec::new();
    }
    let label = |name: &str| object.at("/metadata/labels").get(name).and_then(Value::as_str);
    let has = |kind: &str| all.iter().any(|other| other.kind() == kind && other.namespace() == object.name());
    let quota =
        all.iter().find(|other| other.kind() == "ResourceQuota").map(|quota| quota.at("/spec/hard").clone());
    let quota = quota.unwrap_or_default();
    let found = [
        fail(
            label("pod-security.kubernetes.io/enforce") != Some("restricted"),
            "pod security is not enforced",
        ),
        fail(label("istio.io/rev").is_none(), "it is outside the mesh"),
        fail(!matches!(label("iidi.phac-aspc.gc.ca/role"), Some("pt" | "phac")), "it has no role"),
        fail(!has("ResourceQuota") || !has("LimitRange"), "nothing bounds it"),
        fail(
            !all.iter().any(|other| denies(other, object.name())),
            "the network does not begin with a refusal",
        ),
        fail(
            quota["services.loadbalancers"] != "0" || quota["services.nodeports"] != "0",
            "doors to the outside",
        ),
    ];
    found.into_iter().flatten().collect()
}

/// Whether a network policy refuses everything, in and out, to every pod of a namespace.
fn denies(policy: &Object, namespace: &str) -> bool {
    policy.kind() == "NetworkPolicy"
        && policy.namespace() == namespace
        && *policy.at("/spec") == json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
}

#[test]
fn what_runs_is_hardened() {
    for (folder, objects) in namespaces() {
        assert_eq!(violations(&objects), Vec::<String>::new(), "{folder}");
        assert!(objects.iter().any(|object| object.pods().is_some()), "{folder} runs nothing");
    }
}

/// The claim of each broken example, found by changing one thing of a good one.
#[test]
fn each_rule_bites() {
    let good = render("kustomize/overlays/dev/on");
    let find = |kind: &str, name: &str| {
        good.iter().position(|object| object.kind() == kind && object.name() == name).expect("it is there")
    };
    let deployment = find("Deployment", "inbound-transfer");
    let breaks: &[(&str, usize, &str, Value)] = &[
        ("pods are restricted", deployment, "/spec/template/spec/securityContext/runAsNonRoot", json!(false)),
        (
            "pods are restricted",
            deployment,
            "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
            json!(false),
        ),
        (
            "pods are restricted",
            deployment,
            "/spec/template/spec/containers/0/securityContext/capabilities",
            json!({"drop": []}),
        ),
        (
            "pods are restricted",
            deployment,
            "/spec/template/spec/volumes/0",
            json!({"name": "x", "hostPath": {"path": "/"}}),
        ),
        (
            "images are named by digest",
            deployment,
            "/spec/template/spec/containers/0/image",
            json!("a/b:latest"),
        ),
        ("containers ask", deployment, "/spec/template/spec/containers/0/resources", json!({})),
        (
            "containers are probed",
            deployment,
            "/spec/template/spec/containers/0/livenessProbe/httpGet/path",
            json!("/readyz"),
        ),
        (
            "containers are probed",
            find("Job", "synthesizer"),
            "/spec/template/spec/containers/0",
            json!({"name": "x"}),
        ),
        ("no token", deployment, "/spec/template/spec/automountServiceAccountToken", json!(true)),
        ("no token", deployment, "/spec/template/spec/serviceAccountName", json!("default")),
        ("no token", find("ServiceAccount", "redis"), "/automountServiceAccountToken", json!(true)),
        (
            "a disruption budget",
            find("PodDisruptionBudget", "inbound-transfer"),
            "/spec",
            json!({"minAvailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "inbound-transfer"}}}),
        ),
        ("data is not pruned", find("Cluster", "postgres"), "/metadata/annotations", json!({})),
        ("data is not pruned", find("StatefulSet", "redis"), "/metadata/annotations", json!({})),
        ("no secret", deployment, "/kind", json!("Secret")),
        (
            "no secret",
            deployment,
            "/spec/template/spec/containers/0/env/0",
            json!({"name": "PASSWORD", "value": "x"}),
        ),
        ("namespaces enforce", find("Namespace", "on"), "/metadata/labels", json!({})),
        ("namespaces enforce", find("ResourceQuota", "jurisdiction"), "/spec/hard", json!({})),
        (
            "namespaces enforce",
            find("NetworkPolicy", "default-deny"),
            "/spec/podSelector",
            json!({"matchLabels": {"app.kubernetes.io/name": "redis"}}),
        ),
    ];
    assert_eq!(violations(&good), Vec::<String>::new());
    for (rule, position, pointer, value) in breaks {
        let mut broken = good.to_vec();
        *broken[*position].0.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        let found = violations(&broken);
        assert!(
            found.iter().any(|what| what.contains(rule)),
            "{rule} does not see {pointer} = {value}: {found:?}"
        );
    }
    for (rule, _) in RULES {
        assert!(breaks.iter().any(|(claimed, ..)| rule.starts_with(claimed)), "nothing breaks: {rule}");
    }
}

/// The storage classes that an object's disks ask for.
fn classes(object: &Object) -> Vec<&str> {
    match object.kind() {
        "Cluster" => ["/spec/storage/storageClass", "/spec/walStorage/storageClass"]
            .map(|pointer| object.text(pointer))
            .to_vec(),
        "StatefulSet" => object
            .list("/spec/volumeClaimTemplates")
            .iter()
            .map(|claim| text(&claim["spec"], "storageClassName"))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn data_lies_on_disks_that_are_kept_and_locked() {
    let platform = render(PLATFORM);
    let mut seen = 0;
    for (folder, objects) in namespaces() {
        for (object, class) in objects.iter().flat_map(|o| classes(o).into_iter().map(move |c| (o, c))) {
            if folder.starts_with(DEVELOPMENT) {
                assert_eq!(class, "", "{folder} {object} asks for what a small cluster has not");
                continue;
            }
            let made = platform.iter().find(|o| o.kind() == "StorageClass" && o.name() == class);
            let made = made.unwrap_or_else(|| panic!("{object}: no class {class:?}"));
            assert_eq!(made.text("/reclaimPolicy"), "Retain", "{made}");
            assert!(made.text("/parameters/disk-encryption-kms-key").starts_with("projects/"), "{made}");
            seen += 1;
        }
    }
    assert_eq!(seen, provinces().len() * 3 + 2, "two disks of a database each, and Redis's");
}

/// What a database has so that no committed row is lost with an instance or a zone.
const DURABLE: [(&str, &str); 7] = [
    ("/spec/instances", "3"),
    ("/spec/postgresql/synchronous/method", "any"),
    ("/spec/postgresql/synchronous/number", "1"),
    ("/spec/postgresql/synchronous/dataDurability", "required"),
    ("/spec/postgresql/synchronous/failoverQuorum", "true"),
    ("/spec/affinity/podAntiAffinityType", "required"),
    ("/spec/affinity/topologyKey", "topology.kubernetes.io/zone"),
];

#[test]
fn a_database_outlives_an_instance_with_all_it_said_yes_to() {
    let objects = production();
    let databases: Vec<&Object> = objects.iter().filter(|object| object.kind() == "Cluster").collect();
    assert_eq!(databases.len(), provinces().len() + 1);
    for database in databases {
        for (pointer, wanted) in DURABLE {
            let value = database.at(pointer);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(value, wanted, "{database}{pointer}");
        }
    }
}

#[test]
fn invented_people_are_nowhere_in_production() {
    let jobs: Vec<Object> = production().into_iter().filter(|object| object.kind() == "Job").collect();
    assert_eq!(jobs, Vec::<Object>::new());
}
