//! Images: what is built, what is used, and the builds that make them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::objects::{Object, documents, list, namespaces, repository, text, tool};

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a release builds, and which of hadolint's rules each does without.
const DOCKERFILES: [(&str, &[&str]); 4] = [
    ("Dockerfile", &[]),
    ("dashboard/Dockerfile", &["--ignore=DL3008"]), // R and its packages are as old as Debian's release is
    ("deploy/local/hapi/Dockerfile", &[]),
    ("synthesizer/Dockerfile", &[]),
];

/// The services and tools that are programs of ours.
fn programs() -> BTreeSet<String> {
    ["outbound-transfer", "inbound-transfer", "aggregator", "federator", "iidictl"]
        .into_iter()
        .filter(|name| repository().join("crates").join(name).join("src/main.rs").exists())
        .map(str::to_owned)
        .collect()
}

fn targets() -> BTreeSet<String> {
    let dockerfile = read("Dockerfile");
    let stages = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM runtime-base AS "));
    stages.map(str::to_owned).collect()
}

#[test]
fn every_program_is_a_target_of_the_one_dockerfile() {
    assert_eq!(targets(), programs());
    let dockerfile = read("Dockerfile");
    for target in targets() {
        assert!(dockerfile.contains(&format!("--package {target}")), "{target} is not built");
        assert!(
            dockerfile.contains(&format!("ENTRYPOINT [\"/usr/local/bin/{target}\"]")),
            "{target} is not run"
        );
    }
    assert!(dockerfile.contains("--locked") && dockerfile.contains("ARG PROFILE"));
    for (path, _) in DOCKERFILES {
        assert!(read(path).contains("USER 65532:65532"), "{path}");
    }
}

#[test]
fn hadolint_finds_nothing() {
    let hadolint = tool("kustomize").with_file_name("../python/bin/hadolint");
    for (path, without) in DOCKERFILES {
        let file = repository().join(path);
        let output = Command::new(&hadolint).args(without).arg(file).output().expect("hadolint runs");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn named() -> Vec<Value> {
    let component = documents(&read("kustomize/components/images/kustomization.yaml"));
    component[0].list("/images").to_vec()
}

/// The images of ours that a cluster runs, by their last name.
fn used() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, objects) in namespaces() {
        for object in objects.iter() {
            let catalogue: &[Value] =
                if object.kind() == "ImageCatalog" { object.list("/spec/images") } else { &[] };
            for holder in object.containers().chain(catalogue) {
                let (name, _) = text(holder, "image").split_once('@').expect("an image has a digest");
                found.insert(name.rsplit('/').next().expect("a name").to_owned());
            }
        }
    }
    found
}

#[test]
fn the_images_that_are_named_are_those_that_run() {
    let named: BTreeSet<String> = named().iter().map(|image| text(image, "name").to_owned()).collect();
    assert_eq!(named, used());
}

fn build(name: &str) -> Object {
    documents(&read(&format!("deploy/cloudbuild/{name}.yaml"))).remove(0)
}

/// The variables that a text uses: `${_NAME}` and `$NAME`, not what is doubled for the shell.
fn variables(text: &str) -> BTreeSet<String> {
    let single = text.replace("$$", "");
    let mut found = BTreeSet::new();
    for part in single.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let name: String =
            part.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_' || c.is_ascii_digit()).collect();
        if !name.is_empty() {
            found.insert(name);
        }
    }
    found
}

#[test]
fn builds_use_only_what_they_define() {
    const GIVEN: [&str; 3] = ["TAG_NAME", "COMMIT_SHA", "PROJECT_ID"];
    for name in ["ci", "release", "promote"] {
        let build = build(name);
        let defined: BTreeSet<String> =
            build.at("/substitutions").as_object().expect("some").keys().cloned().collect();
        let mut rest = build.0.clone();
        rest.as_object_mut().expect("a mapping").remove("substitutions");
        let used = variables(&rest.to_string());
        let used: BTreeSet<String> =
            used.into_iter().filter(|name| !GIVEN.contains(&name.as_str())).collect();
        assert_eq!(used, defined, "{name}");
        assert_eq!(build.text("/options/logging"), "CLOUD_LOGGING_ONLY", "{name}");
        let ids: Vec<&str> = build.list("/steps").iter().map(|step| text(step, "id")).collect();
        for step in build.list("/steps") {
            for before in list(&step["waitFor"]).iter().filter_map(Value::as_str) {
                let position = |id: &str| ids.iter().position(|other| *other == id);
                assert!(before == "-" || position(before) < position(text(step, "id")), "{name}: {before}");
            }
        }
    }
    assert_eq!(build("release").text("/options/requestedVerifyOption"), "VERIFIED");
    assert_eq!(variables("${_A} $B $$c $${d}"), ["_A", "B"].map(str::to_owned).into());
}

#[test]
fn a_release_makes_signs_and_names_what_runs() {
    let release = build("release");
    let words = |key: &str| -> BTreeSet<String> {
        release.text(&format!("/substitutions/{key}")).split(' ').map(str::to_owned).collect()
    };
    let programs = programs();
    assert_eq!(words("_IMAGES"), used());
    let services: BTreeSet<String> = programs.iter().filter(|name| *name != "iidictl").cloned().collect();
    assert_eq!(words("_SERVICES"), services);
    let ci: BTreeSet<String> =
        build("ci").text("/substitutions/_SERVICES").split(' ').map(str::to_owned).collect();
    assert_eq!(ci, targets());
    let registry = release.text("/substitutions/_REGISTRY");
    for image in named() {
        assert_eq!(text(&image, "newName"), format!("{registry}/{}", text(&image, "name")));
    }
}

#[test]
fn every_dockerfile_of_a_release_is_looked_at() {
    let release = build("release");
    let built: BTreeSet<String> = release
        .list("/steps")
        .iter()
        .flat_map(|step| list(&step["args"]))
        .filter_map(Value::as_str)
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("build ")?.split(' ').nth(1))
        .map(|context| Path::new(context).join("Dockerfile").to_string_lossy().replace("./", ""))
        .collect();
    assert_eq!(built, DOCKERFILES.map(|(path, _)| path.to_owned()).into());
}

/// The script of a step.
fn script<'a>(build: &'a Object, id: &str) -> &'a str {
    let step = build.list("/steps").iter().find(|step| text(step, "id") == id);
    let step = step.unwrap_or_else(|| panic!("no step {id}"));
    list(&step["args"]).last().and_then(Value::as_str).unwrap_or_default()
}

/// The steps that are done before one is begun.
fn before(build: &Object, id: &str) -> BTreeSet<String> {
    let step = build.list("/steps").iter().find(|step| text(step, "id") == id).expect("a step");
    let direct = list(&step["waitFor"]).iter().filter_map(Value::as_str).filter(|one| *one != "-");
    direct.flat_map(|one| before(build, one).into_iter().chain([one.to_owned()])).collect()
}

#[test]
fn what_clusters_pull_was_looked_at_before() {
    let release = build("release");
    let scan = script(&release, "scan");
    assert!(scan.find("syft ") < scan.find("grype ") && scan.contains("--fail-on high"), "{scan}");
    for step in release.list("/steps") {
        let id = text(step, "id");
        if script(&release, id).contains("${_REGISTRY}") {
            assert!(before(&release, id).contains("scan"), "{id} reaches what clusters pull before the scan");
        }
    }
    let first = before(&release, "scan");
    assert!(["test", "build", "copy"].iter().all(|id| first.contains(*id)), "{first:?}");
    // Clusters take what was published, and neither what is in staging nor in any other repository.
    let registry = release.text("/substitutions/_REGISTRY");
    let staging = release.text("/substitutions/_STAGING");
    assert!(staging != registry && !staging.starts_with(&format!("{registry}/")));
    let admission = read("kustomize/platform/config/admission.yaml");
    let allowed = format!("'^{}/[^@]+@sha256:[0-9a-f]{{64}}$'", registry.replace('.', "[.]"));
    assert_eq!(admission.matches("@sha256:").count(), admission.matches(&allowed).count());
    assert!(admission.contains(&allowed), "{allowed}");
}

#[test]
fn a_release_names_every_base_by_digest() {
    let release = build("release");
    let (bases, builds) = (script(&release, "bases"), script(&release, "build"));
    for (path, _) in DOCKERFILES {
        let context = path.trim_end_matches("Dockerfile").trim_end_matches('/');
        let context = if context.is_empty() { "." } else { context };
        let line = builds.lines().filter_map(|line| line.trim().strip_prefix("build "));
        let line = line.filter(|line| line.split(' ').nth(1) == Some(context)).collect::<String>();
        let dockerfile = read(path);
        let from = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
        for base in from.filter(|base| *base != "runtime-base" && *base != "runtime") {
            let (given, variable) = if let Some(argument) = base.strip_prefix("${") {
                (format!("--build-arg {}", argument.trim_end_matches('}')), None)
            } else {
                let given = format!("--build-context \"{base}=docker-image://$$");
                let rest = line.split_once(&given).map(|(_, rest)| rest);
                (given, rest.and_then(|rest| rest.split('"').next()))
            };
            assert!(line.contains(&given), "{path}: {base} is not given by a digest");
            if let Some(variable) = variable {
                assert!(bases.contains(&format!("{variable}=$(pin docker.io/library/{base})")), "{base}");
            }
        }
    }
}

#[test]
fn the_image_of_the_builds_is_described() {
    let readme = read("deploy/cloudbuild/README.md");
    let texts = ["ci.yaml", "release.yaml", "promote.yaml", "propose.sh"]
        .map(|name| read(&format!("deploy/cloudbuild/{name}")))
        .concat();
    let tools = ["git", "gh", "crane", "cosign", "syft", "grype", "kustomize"];
    for tool in tools {
        assert!(texts.contains(&format!("{tool} ")), "no build uses {tool}");
        assert!(readme.contains(&format!("`{tool}`")), "{tool} is not in the image's description");
    }
    assert!(readme.contains("`_CI_IMAGE`"));
}

#[test]
fn new_digests_are_proposed_by_one_script() {
    let tree = tempfile::tempdir().expect("a folder can be made");
    let copy = |path: &str| {
        let to = tree.path().join(path);
        fs::create_dir_all(to.parent().expect("a folder")).expect("it can be made");
        fs::copy(repository().join(path), &to).expect("it can be copied");
        to
    };
    let images = copy("kustomize/components/images/kustomization.yaml");
    let script = copy("deploy/cloudbuild/propose.sh");
    let propose = |lines: &str| {
        let file = tree.path().join("digests");
        fs::write(&file, lines).expect("it can be written");
        let run = |script: &Path| {
            Command::new("bash")
                .arg(script)
                .arg(&file)
                .arg("v1")
                .env("DRY_RUN", "1")
                .output()
                .expect("it runs")
        };
        run(&script).status.success()
    };
    let digest = format!("sha256:{}", "a1".repeat(32));
    assert!(propose(&format!("redis {digest}\nhapi-fhir {digest}\n")));
    let written = fs::read_to_string(images).expect("it is there");
    assert_eq!(written.matches(&digest).count(), 2);
    assert_eq!(documents(&written)[0].list("/images").len(), named().len());
    assert!(!propose("redis sha256:short\n") && !propose(&format!("nobody {digest}\n")));
}
