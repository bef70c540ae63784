//! Every name that is used is there: ports, selectors, secrets, keys, files that a configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::objects::{FEDERAL, Object, PLATFORM, documents, list, namespaces, render, repository, text};
use crate::province::{binaries, new_province};

/// What a namespace is given from outside the tree: the cluster's root certificate and the federation's.
const GIVEN: [(&str, &str); 2] = [("kube-root-ca.crt", "ca.crt"), ("federation-roots", "ca.crt")];

/// Where PHAC's and a province's certificates lie, by who makes them.
fn produced(objects: &[Object]) -> BTreeMap<(&str, String), Vec<String>> {
    let keys =
        |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    let mut found = BTreeMap::new();
    for object in objects {
        match object.kind() {
            "ConfigMap" => {
                found.insert(("configMap", object.name().to_owned()), keys(object.at("/data")));
            }
            "ExternalSecret" => {
                let name = object.text("/spec/target/name").to_owned();
                found.insert(("secret", name), keys(object.at("/spec/target/template/data")));
            }
            "Certificate" => {
                let files = ["tls.crt", "tls.key", "ca.crt"].map(str::to_owned).to_vec();
                found.insert(("secret", object.text("/spec/secretName").to_owned()), files);
            }
            _ => {}
        }
    }
    for (name, key) in GIVEN {
        found.insert(("configMap", name.to_owned()), vec![key.to_owned()]);
    }
    found
}

struct Found<'a> {
    objects: &'a [Object],
    problems: Vec<String>,
}

impl<'a> Found<'a> {
    fn need(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(what());
        }
    }

    fn is_there(&self, kind: &str, name: &str) -> bool {
        self.objects.iter().any(|object| object.kind() == kind && object.name() == name)
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &'a Object> + use<'a> {
        let objects = self.objects;
        objects.iter().filter(move |object| object.kind() == kind)
    }
}

fn is_selected(wanted: &Value, labels: &Value) -> bool {
    wanted.as_object().is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

/// The files that a container finds below its mounts.
fn files(object: &Object, container: &Value, made: &BTreeMap<(&str, String), Vec<String>>) -> Vec<String> {
    let volumes = object.pods().map(|pods| list(&pods["spec"]["volumes"])).unwrap_or_default();
    let mut found = Vec::new();
    for mount in list(&container["volumeMounts"]) {
        let Some(volume) = volumes.iter().find(|volume| volume["name"] == mount["name"]) else { continue };
        let at = text(mount, "mountPath");
        for (kind, name) in [("secret", "secretName"), ("configMap", "name")] {
            let source = &volume[kind];
            let keys = made.get(&(kind, text(source, name).to_owned())).cloned().unwrap_or_default();
            let items = list(&source["items"]);
            let named: Vec<String> = items.iter().map(|item| text(item, "path").to_owned()).collect();
            found.extend(if items.is_empty() { keys } else { named }.iter().map(|key| format!("{at}/{key}")));
        }
        if volume.get("emptyDir").is_some() {
            found.push(format!("{at}/"));
        }
    }
    found
}

/// The files that a text names: paths below /run and /var/lib, and certificates in database URLs.
fn named_files(text: &str) -> Vec<String> {
    let separators = |c: char| c.is_whitespace() || "\"'{},&=?".contains(c);
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(" #").next().unwrap_or_default().split(separators))
        .filter(|word| {
            word.starts_with("/run/") || word.starts_with("/etc/iidi/") || word.starts_with("/var/lib/")
        })
        .map(str::to_owned)
        .collect()
}

/// What is used and not there.
pub fn problems(objects: &[Object]) -> Vec<String> {
    let made = produced(objects);
    let mut found = Found { objects, problems: Vec::new() };
    let runs: Vec<&Object> = objects.iter().filter(|object| object.pods().is_some()).collect();
    services(&mut found, &runs);
    for object in &runs {
        volumes(&mut found, object, &made);
        configuration(&mut found, object, &made);
    }
    references(&mut found, &runs, &made);
    database(&mut found, &made);
    found.problems
}

fn services(found: &mut Found<'_>, runs: &[&Object]) {
    for service in found.of("Service") {
        let selected: Vec<&&Object> = runs
            .iter()
            .filter(|run| is_selected(service.at("/spec/selector"), run.at("/spec/template/metadata/labels")))
            .collect();
        found.need(selected.len() == 1, || format!("{service} selects {selected:?}"));
        for port in service.list("/spec/ports") {
            let target = text(port, "targetPort");
            let has = selected.iter().any(|run| has_port(run, target));
            found.need(has, || format!("{service}: nothing listens on {target}"));
        }
    }
    for run in runs {
        for container in run.containers() {
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                for kind in ["httpGet", "tcpSocket"] {
                    let port = container[probe][kind]["port"].as_str();
                    found.need(port.is_none_or(|port| has_port(run, port)), || {
                        format!("{run}: {probe} at {port:?}")
                    });
                }
            }
        }
    }
    for budget in found.of("PodDisruptionBudget") {
        let selected = runs.iter().filter(|run| {
            is_selected(budget.at("/spec/selector/matchLabels"), run.at("/spec/template/metadata/labels"))
        });
        let count = selected.count();
        found.need(count == 1, || format!("{budget} is for {count} workloads"));
    }
}

fn has_port(run: &Object, name: &str) -> bool {
    run.containers().flat_map(|container| list(&container["ports"])).any(|port| port["name"] == name)
}

fn volumes(found: &mut Found<'_>, run: &Object, made: &BTreeMap<(&str, String), Vec<String>>) {
    let spec = run.pods().map(|pods| &pods["spec"]).expect("it runs");
    let claims = run.list("/spec/volumeClaimTemplates").iter().map(|claim| text(&claim["metadata"], "name"));
    let volumes: Vec<&str> =
        list(&spec["volumes"]).iter().map(|volume| text(volume, "name")).chain(claims).collect();
    let mounted: Vec<&str> = run
        .containers()
        .flat_map(|container| list(&container["volumeMounts"]))
        .map(|mount| text(mount, "name"))
        .collect();
    for mount in &mounted {
        found.need(volumes.contains(mount), || format!("{run} mounts {mount}, which it has not"));
    }
    for volume in &volumes {
        found.need(mounted.contains(volume), || format!("{run} has {volume}, which nobody mounts"));
    }
    let mut uses: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for volume in list(&spec["volumes"]) {
        let keys = |source: &'static str| {
            list(&volume[source]["items"]).iter().map(|item| text(item, "key")).collect()
        };
        if volume.get("secret").is_some() {
            uses.push(("secret", text(&volume["secret"], "secretName"), keys("secret")));
        }
        if volume.get("configMap").is_some() {
            uses.push(("configMap", text(&volume["configMap"], "name"), keys("configMap")));
        }
    }
    for variable in run.containers().flat_map(|container| list(&container["env"])) {
        for (kind, reference) in [("secret", "secretKeyRef"), ("configMap", "configMapKeyRef")] {
            let source = &variable["valueFrom"][reference];
            if !source.is_null() {
                uses.push((kind, text(source, "name"), vec![text(source, "key")]));
            }
        }
    }
    for (kind, name, keys) in uses {
        let there = made.get(&(kind, name.to_owned()));
        found.need(there.is_some(), || format!("{run} uses {kind} {name}, which nothing makes"));
        for key in keys {
            let has = there.is_none_or(|there| there.iter().any(|other| other == key));
            found.need(has, || format!("{run} uses {key} of {kind} {name}"));
        }
    }
}

/// Files that the configuration, the environment and the database URLs name are mounted where they are looked for.
fn configuration(found: &mut Found<'_>, run: &Object, made: &BTreeMap<(&str, String), Vec<String>>) {
    let named = |name: &str| found.of("ConfigMap").find(|map| map.name() == name);
    let volumes = run.pods().map(|pods| list(&pods["spec"]["volumes"])).unwrap_or_default();
    let maps = volumes.iter().filter_map(|volume| named(text(&volume["configMap"], "name")));
    let texts: Vec<&str> = maps
        .flat_map(|map| map.at("/data").as_object().into_iter().flat_map(|data| data.values()))
        .filter_map(Value::as_str)
        .collect();
    let has_init = !list(run.at("/spec/template/spec/initContainers")).is_empty();
    for container in run.containers() {
        let there = files(run, container, made);
        let environment = list(&container["env"]).iter().filter_map(|variable| variable["value"].as_str());
        let is_init = text(container, "name") == "migrate";
        let arguments =
            list(&container["args"]).iter().chain(list(&container["command"])).filter_map(Value::as_str);
        for file in texts.iter().copied().chain(environment).chain(arguments).flat_map(named_files) {
            // The schema's owner is known to the first container only, and it needs nothing else.
            let is_owner = file.contains("/owner/");
            if has_init && is_init != is_owner && !file.starts_with("/etc/") {
                continue;
            }
            let is_there = there.iter().any(|other| {
                *other == file
                    || (other.ends_with('/') && file.starts_with(other.trim_end_matches('/')))
                    || other.starts_with(&format!("{file}/"))
            });
            found.need(is_there, || format!("{run}: {} finds no {file}", text(container, "name")));
        }
    }
}

fn references(found: &mut Found<'_>, runs: &[&Object], made: &BTreeMap<(&str, String), Vec<String>>) {
    for certificate in found.of("Certificate") {
        let issuer = certificate.text("/spec/issuerRef/name");
        let is_cluster = certificate.text("/spec/issuerRef/kind") == "ClusterIssuer";
        let is_there = is_cluster || found.is_there("Issuer", issuer);
        found.need(is_there, || format!("{certificate}: no issuer {issuer}"));
    }
    for issuer in found.of("Issuer") {
        let secret = issuer.text("/spec/ca/secretName");
        let has = secret.is_empty() || made.contains_key(&("secret", secret.to_owned()));
        found.need(has, || format!("{issuer}: nothing makes {secret}"));
    }
    for secret in found.of("ExternalSecret") {
        let store = secret.text("/spec/secretStoreRef/name");
        found.need(found.is_there("SecretStore", store), || format!("{secret}: no store {store}"));
        // Each value that the template uses is fetched, and each that is fetched is used.
        let template = secret.at("/spec/target/template/data").to_string();
        for fetched in secret.list("/spec/data") {
            let key = format!(".{}", text(fetched, "secretKey"));
            found.need(template.contains(&key), || format!("{secret}: {key} is fetched and not used"));
        }
        let used = template.matches("{{").count();
        found
            .need(used >= secret.list("/spec/data").len(), || format!("{secret}: a template without values"));
    }
    for scaled in found.of("ScaledObject") {
        let target = scaled.text("/spec/scaleTargetRef/name");
        let deployment = found.of("Deployment").find(|deployment| deployment.name() == target);
        found.need(deployment.is_some(), || format!("{scaled}: no {target}"));
        let fixed = deployment.is_some_and(|deployment| !deployment.at("/spec/replicas").is_null());
        found.need(!fixed, || format!("{scaled}: {target} says how many, too"));
    }
    for route in found.of("VirtualService") {
        for kind in ["http", "tls"] {
            for one in route.list(&format!("/spec/{kind}")).iter().flat_map(|route| list(&route["route"])) {
                let (host, port) = (text(&one["destination"], "host"), &one["destination"]["port"]["number"]);
                let service = found.of("Service").find(|service| service.name() == host);
                let has = service
                    .is_some_and(|service| service.list("/spec/ports").iter().any(|p| p["port"] == *port));
                found.need(has, || format!("{route} leads to {host}:{port}"));
            }
        }
    }
    for monitor in found.of("PodMonitor").filter(|monitor| monitor.name() == "services") {
        for endpoint in monitor.list("/spec/podMetricsEndpoints") {
            let port = text(endpoint, "port");
            let values = monitor.list("/spec/selector/matchExpressions/0/values");
            let selected = runs.iter().filter(|run| {
                values.contains(run.at("/spec/template/metadata/labels/app.kubernetes.io~1name"))
            });
            let all = selected.clone().count() > 0 && selected.clone().all(|run| has_port(run, port));
            found.need(all, || format!("{monitor}: port {port}"));
        }
    }
    let priorities = render(PLATFORM);
    for run in runs {
        let class = run.text("/spec/template/spec/priorityClassName");
        let has = priorities.iter().any(|object| object.kind() == "PriorityClass" && object.name() == class);
        found.need(has, || format!("{run}: no class {class}"));
    }
}

fn database(found: &mut Found<'_>, made: &BTreeMap<(&str, String), Vec<String>>) {
    let Some(cluster) = found.of("Cluster").next() else { return };
    let catalogue = cluster.text("/spec/imageCatalogRef/name");
    found.need(found.is_there("ImageCatalog", catalogue), || format!("{cluster}: no catalogue {catalogue}"));
    for plugin in cluster.list("/spec/plugins") {
        let store = text(&plugin["parameters"], "barmanObjectName");
        found.need(found.is_there("ObjectStore", store), || format!("{cluster}: no object store {store}"));
    }
    let first = cluster.at("/spec/bootstrap/initdb");
    let first = serde_json::json!({"name": first["owner"], "login": true, "passwordSecret": first["secret"]});
    let roles: Vec<&Value> = cluster.list("/spec/managed/roles").iter().chain([&first]).collect();
    for role in roles.iter().filter(|role| role["login"] == true) {
        let (name, secret) = (text(role, "name"), text(&role["passwordSecret"], "name"));
        let holder = found.of("ExternalSecret").find(|holder| holder.text("/spec/target/name") == secret);
        let says = holder.map(|holder| holder.text("/spec/target/template/data/username"));
        found.need(says == Some(name), || format!("{cluster}: role {name} has {says:?}'s password"));
        let may = cluster.list("/spec/postgresql/pg_hba").iter().filter_map(Value::as_str);
        let lets =
            may.filter(|line| line.split(' ').nth(2) == Some(name) && line.starts_with("hostssl ")).count();
        found.need(lets == 1, || format!("{cluster}: role {name} gets in {lets} times"));
    }
    let last = cluster.list("/spec/postgresql/pg_hba").last().and_then(Value::as_str);
    found.need(last == Some("host all all all reject"), || format!("{cluster}: others get in by {last:?}"));
    for database in found.of("Database") {
        let owner = database.text("/spec/owner");
        let is_role = roles.iter().any(|role| role["name"] == owner);
        found.need(is_role, || format!("{database}: no role {owner}"));
    }
    for key in ["serverTLSSecret", "serverCASecret"] {
        let secret = cluster.text(&format!("/spec/certificates/{key}")).to_owned();
        found.need(made.contains_key(&("secret", secret.clone())), || {
            format!("{cluster}: nothing makes {secret}")
        });
    }
}

#[test]
fn every_name_that_is_used_is_there() {
    for (folder, objects) in namespaces() {
        assert_eq!(problems(&objects), Vec::<String>::new(), "{folder}");
    }
}

#[test]
fn a_name_that_is_not_there_is_noticed() {
    let good = render("kustomize/overlays/pt/on");
    let breaks: &[(&str, &str, &str)] = &[
        ("Service", "hapi-fhir", "/spec/selector/app.kubernetes.io~1name"),
        ("Service", "inbound-transfer", "/spec/ports/0/targetPort"),
        ("Deployment", "outbound-transfer", "/spec/template/spec/containers/0/startupProbe/httpGet/port"),
        ("Deployment", "outbound-transfer", "/spec/template/spec/containers/0/volumeMounts/1/mountPath"),
        ("ExternalSecret", "outbound-transfer", "/spec/target/name"),
        ("ExternalSecret", "role-hapi", "/spec/target/template/data/username"),
        ("Certificate", "redis", "/spec/secretName"),
        ("Certificate", "redis", "/spec/issuerRef/name"),
        ("ScaledObject", "outbound-transfer", "/spec/scaleTargetRef/name"),
        ("Database", "inbound-transfer", "/spec/owner"),
        ("VirtualService", "systems", "/spec/http/0/route/0/destination/host"),
        ("Cluster", "postgres", "/spec/managed/roles/1/name"),
    ];
    for (kind, name, pointer) in breaks {
        let mut broken = good.to_vec();
        let object = broken.iter_mut().find(|object| object.kind() == *kind && object.name() == *name);
        let object = object.unwrap_or_else(|| panic!("{kind} {name}"));
        *object.0.pointer_mut(pointer).unwrap_or_else(|| panic!("{kind} {name}{pointer}")) =
            "elsewhere".into();
        assert_ne!(problems(&broken), Vec::<String>::new(), "{kind} {name}{pointer}");
    }
}

/// The environment of a container, as the cluster would fill it.
fn environment(container: &Value, objects: &[Object]) -> Vec<(String, String)> {
    let value = |variable: &Value| {
        let source = &variable["valueFrom"]["configMapKeyRef"];
        let map = objects.iter().find(|map| map.kind() == "ConfigMap" && map.name() == text(source, "name"));
        let from_map = map.map(|map| text(map.at("/data"), text(source, "key")).to_owned());
        variable["value"].as_str().map(str::to_owned).or(from_map).expect("a variable has a value")
    };
    list(&container["env"])
        .iter()
        .map(|variable| (text(variable, "name").to_owned(), value(variable)))
        .collect()
}

/// Deployments whose program reads no configuration file of ours.
const WITHOUT_FILE: [&str; 2] = ["hapi-fhir", "dashboard"];

/// Our programs that a cluster runs, as they are deployed.
pub fn programs() -> BTreeSet<String> {
    let folders = namespaces();
    let deployed = folders.iter().flat_map(|(_, objects)| objects.iter());
    deployed
        .filter(|run| run.kind() == "Deployment" && !WITHOUT_FILE.contains(&run.name()))
        .map(|run| run.name().to_owned())
        .collect()
}

#[test]
fn the_programs_accept_their_rendered_configuration() {
    let binaries = binaries();
    for (folder, objects) in namespaces().into_iter().chain([("zz".to_owned(), new_province())]) {
        let runs = objects.iter().filter(|object| object.kind() == "Deployment");
        for run in runs.filter(|run| !WITHOUT_FILE.contains(&run.name())) {
            let volume =
                list(run.at("/spec/template/spec/volumes")).iter().find(|volume| volume["name"] == "config");
            let map = text(&volume.expect("it has a configuration")["configMap"], "name");
            let map = objects.iter().find(|object| object.kind() == "ConfigMap" && object.name() == map);
            let config = map.expect("it is rendered").text("/data/config.yaml").to_owned();
            let file = tempfile::NamedTempFile::new().expect("a file can be made");
            fs::write(file.path(), config).expect("it can be written");
            for container in run.containers() {
                let output = Command::new(binaries.join(run.name()))
                    .arg("--config")
                    .arg(file.path())
                    .arg("check-config")
                    .env_clear()
                    .envs(environment(container, &objects))
                    .output()
                    .unwrap_or_else(|error| panic!("{}: {error}; cargo build --bins makes it", run.name()));
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{folder} {run}: {said}");
            }
        }
    }
}

#[test]
fn the_dashboard_knows_every_variable_that_it_is_given() {
    let known = fs::read_to_string(repository().join("dashboard/R/settings.R")).expect("it is there");
    let objects = render(FEDERAL);
    let dashboard = objects.iter().find(|run| run.kind() == "Deployment" && run.name() == "dashboard");
    let container = dashboard.and_then(|run| run.containers().next()).expect("it is rendered");
    for (name, _) in environment(container, &objects) {
        assert!(known.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn the_directory_file_leads_to_the_cluster() {
    for (folder, objects) in namespaces() {
        let maps = objects.iter().filter(|map| !map.text("/data/jurisdictions.yaml").is_empty());
        for map in maps {
            let file = documents(map.text("/data/jurisdictions.yaml")).remove(0);
            assert_eq!(file.text("/kubernetes/last_good"), "/run/directory/last-good.yaml", "{folder} {map}");
        }
    }
}
