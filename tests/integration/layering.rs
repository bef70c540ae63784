//! Who may depend on whom: the crate table, held against what the manifests say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// A line of the crate table.
struct Rule {
    name: &'static str,
    /// Crates of the workspace that it may use; empty for none.
    may_use: &'static [&'static str],
    /// Crates from outside that it must not use, beside those that [`HOLDERS`] keep to others.
    must_not_use: &'static [&'static str],
}

/// Everything that reaches outside the process.
const IO: &[&str] = &[
    "tokio",
    "reqwest",
    "axum",
    "hyper",
    "hyper-util",
    "tower-http",
    "sqlx",
    "redis",
    "kube",
    "k8s-openapi",
];

const ABOVE_SERVICES: &[&str] = &[
    "domain",
    "fhir",
    "contracts",
    "fhir-client",
    "mtls",
    "auth",
    "audit",
    "work-queue",
    "peers",
    "disclosure",
    "service-kit",
];

const ANYTHING: &[&str] = &["*"];

const TABLE: &[Rule] = &[
    Rule { name: "domain", may_use: &[], must_not_use: IO },
    Rule { name: "fhir", may_use: &["domain"], must_not_use: IO },
    Rule { name: "contracts", may_use: &["domain", "fhir"], must_not_use: IO },
    Rule { name: "fhir-client", may_use: &["domain", "fhir"], must_not_use: &["axum", "sqlx"] },
    Rule { name: "mtls", may_use: &[], must_not_use: &["sqlx"] },
    Rule { name: "auth", may_use: &["domain", "contracts", "mtls"], must_not_use: &["axum", "sqlx"] },
    Rule { name: "audit", may_use: &["domain"], must_not_use: &["axum", "reqwest"] },
    Rule { name: "work-queue", may_use: &[], must_not_use: &["axum", "sqlx"] },
    Rule { name: "peers", may_use: &["domain"], must_not_use: &["axum", "sqlx"] },
    Rule { name: "disclosure", may_use: &[], must_not_use: IO },
    Rule {
        name: "service-kit",
        may_use: &["domain", "contracts", "mtls", "auth", "audit"],
        must_not_use: &["reqwest"],
    },
    Rule { name: "outbound-transfer", may_use: ABOVE_SERVICES, must_not_use: &[] },
    Rule { name: "inbound-transfer", may_use: ABOVE_SERVICES, must_not_use: &[] },
    Rule { name: "aggregator", may_use: ABOVE_SERVICES, must_not_use: &[] },
    Rule {
        name: "federator",
        may_use: &["domain", "fhir", "contracts", "mtls", "auth", "audit", "peers", "service-kit"],
        must_not_use: &["sqlx"],
    },
    Rule {
        name: "iidictl",
        may_use: &["domain", "contracts", "mtls", "auth", "audit", "peers"],
        must_not_use: &["axum"],
    },
    Rule { name: "local-stack", may_use: &["domain", "mtls", "auth"], must_not_use: &["axum", "sqlx"] },
    Rule { name: "test-kit", may_use: ANYTHING, must_not_use: &[] },
    Rule {
        name: "benchmarks",
        may_use: &["domain", "contracts", "fhir-client", "local-stack", "test-kit"],
        must_not_use: &["axum"],
    },
    Rule { name: "simulation", may_use: ANYTHING, must_not_use: &["redis", "kube"] },
    Rule { name: "iidi-tests", may_use: ANYTHING, must_not_use: &[] },
    Rule {
        name: "xtask",
        may_use: &["domain", "fhir", "contracts", "fhir-client", "mtls", "auth", "local-stack"],
        must_not_use: &["axum"],
    },
];

/// What only some may know: a crate, and those that may depend on it, tests of their own included.
const HOLDERS: &[(&str, &[&str])] = &[
    ("redis", &["work-queue"]),
    ("kube", &["peers"]),
    ("k8s-openapi", &["peers"]),
    ("rustls", &["mtls"]),
    ("tokio-rustls", &["mtls"]),
    ("rustls-webpki", &["mtls"]),
    ("rcgen", &["mtls", "auth"]),
    (
        "sqlx",
        &[
            "audit",
            "service-kit",
            "outbound-transfer",
            "inbound-transfer",
            "aggregator",
            "local-stack", // its own tests only, see its line of the table
            "test-kit",
            "benchmarks", // counters of PostgreSQL, and the floor that is measured beside
            "simulation", // the judge reads ledgers itself
            "iidi-tests",
            "xtask",
        ],
    ),
];

/// What may be a normal dependency of these alone.
const NORMAL_DEPENDENCY_OF: &[(&str, &[&str])] = &[
    ("local-stack", &["xtask", "test-kit", "benchmarks", "simulation"]),
    ("test-kit", &["iidi-tests", "benchmarks"]),
    ("benchmarks", &[]),
    ("simulation", &[]),
    ("outbound-transfer", &["test-kit", "simulation"]),
    ("inbound-transfer", &["test-kit", "simulation"]),
    ("aggregator", &[]),
    ("federator", &[]),
    ("iidi-tests", &[]),
    ("xtask", &[]),
];

/// A crate of the workspace and what its manifest names.
struct Crate {
    name: String,
    manifest: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    /// The package's own name.
    name: String,
    /// The name it has in the code, with dashes.
    called: String,
    is_normal: bool,
}

fn workspace() -> Vec<Crate> {
    let mut command = MetadataCommand::new();
    command.manifest_path(repository().join("Cargo.toml")).no_deps().other_options(vec!["--offline".into()]);
    let metadata = command.exec().expect("cargo metadata describes the workspace");
    let read = |package: cargo_metadata::Package| Crate {
        name: package.name.to_string(),
        manifest: package.manifest_path.into_std_path_buf(),
        dependencies: package
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                called: dependency.rename.unwrap_or_else(|| dependency.name.clone()),
                name: dependency.name,
                is_normal: dependency.kind != DependencyKind::Development,
            })
            .collect(),
    };
    metadata.packages.into_iter().map(read).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository").to_owned()
}

/// Names everything that breaks the table, one sentence each.
fn violations(crates: &[Crate]) -> Vec<String> {
    let own: BTreeSet<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    let mut found = Vec::new();
    for Crate { name, dependencies, .. } in crates {
        let Some(rule) = TABLE.iter().find(|rule| rule.name == name) else {
            found.push(format!("{name} has no line in the crate table"));
            continue;
        };
        for dependency in dependencies {
            let used = dependency.name.as_str();
            for (kept, holders) in HOLDERS {
                if used == *kept && !holders.contains(&rule.name) {
                    found.push(format!("{name} uses {used}, which only {} may", holders.join(", ")));
                }
            }
            if !dependency.is_normal {
                continue;
            }
            for (kept, users) in NORMAL_DEPENDENCY_OF {
                if used == *kept && !users.contains(&rule.name) {
                    found.push(format!("{used} is a normal dependency of {name}"));
                }
            }
            let may_use = rule.may_use == ANYTHING || rule.may_use.contains(&used);
            if own.contains(used) && !may_use {
                found.push(format!("{name} uses {used}, which stands beside or below it"));
            }
            if rule.must_not_use.contains(&used) {
                found.push(format!("{name} must not use {used}"));
            }
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    assert_eq!(violations(&workspace()), Vec::<String>::new());
}

#[test]
fn every_line_of_the_table_is_a_crate() {
    let crates = workspace();
    let names: BTreeSet<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    let lines: BTreeSet<&str> = TABLE.iter().map(|rule| rule.name).collect();
    assert_eq!(lines, names);
}

#[test]
fn each_kind_of_violation_is_reported() {
    let made_up = |name: &str, dependencies: &[(&str, bool)]| Crate {
        name: name.to_owned(),
        manifest: PathBuf::new(),
        dependencies: dependencies
            .iter()
            .map(|&(name, is_normal)| Dependency {
                name: name.to_owned(),
                called: name.to_owned(),
                is_normal,
            })
            .collect(),
    };
    let broken = [
        made_up("domain", &[("tokio", true), ("fhir", true), ("serde", true)]),
        made_up("fhir", &[("domain", true)]),
        made_up("inbound-transfer", &[("outbound-transfer", true), ("rustls", true), ("redis", false)]),
        made_up("outbound-transfer", &[("test-kit", false), ("service-kit", true)]),
        made_up("service-kit", &[("test-kit", true)]),
        made_up("test-kit", &[("local-stack", true)]),
        made_up("nobody-knows-me", &[]),
    ];
    assert_eq!(
        violations(&broken),
        [
            "domain must not use tokio",
            "domain uses fhir, which stands beside or below it",
            "outbound-transfer is a normal dependency of inbound-transfer",
            "inbound-transfer uses outbound-transfer, which stands beside or below it",
            "inbound-transfer uses rustls, which only mtls may",
            "inbound-transfer uses redis, which only work-queue may",
            "test-kit is a normal dependency of service-kit",
            "service-kit uses test-kit, which stands beside or below it",
            "nobody-knows-me has no line in the crate table",
        ]
    );
}

#[test]
fn what_a_manifest_names_is_used() {
    let mut unused = Vec::new();
    for member in workspace() {
        let folder = member.manifest.parent().expect("a manifest stands in a folder");
        let sources = sources(&folder.join("src"));
        for dependency in member.dependencies.iter().filter(|dependency| dependency.is_normal) {
            let called = dependency.called.replace('-', "_");
            let mentions = [format!("{called}::"), format!("use {called};"), format!("use {called} as")];
            if !mentions.iter().any(|mention| sources.contains(mention.as_str())) {
                unused.push(format!("{}: {}", member.name, dependency.called));
            }
        }
    }
    assert_eq!(unused, Vec::<String>::new());
}

/// All Rust code of a folder as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a crate has sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("code is text"));
        }
    }
    text
}

#[test]
fn one_library_of_cryptography_is_linked_and_none_of_the_systems() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--workspace", "--edges", "normal,build,dev"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    let linked: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(linked.contains("aws-lc-rs"), "the tree was not read");
    for unwanted in ["ring", "openssl", "openssl-sys", "native-tls", "schannel", "security-framework"] {
        assert!(!linked.contains(unwanted), "{unwanted} is linked: cargo tree --invert {unwanted}");
    }
}

#[test]
fn what_has_its_own_types_and_pools_is_there_once() {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).expect("Cargo.lock is checked in");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            package
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
                .map(|v| v.trim_matches('"'))
        };
        if let (Some(name), Some(version)) = (value("name"), value("version")) {
            versions.entry(name).or_default().push(version);
        }
    }
    assert!(versions.len() > 100, "the lock file was not read");
    for once in ["tokio", "hyper", "http", "axum", "reqwest", "rustls", "aws-lc-rs", "sqlx", "redis", "kube"]
    {
        let found = versions.get(once).map(Vec::as_slice).unwrap_or_default();
        assert!(found.len() <= 1, "{once} is there in versions {}", found.join(" and "));
    }
    for unwanted in ["openssl", "openssl-sys", "native-tls"] {
        assert!(!versions.contains_key(unwanted), "{unwanted} is in Cargo.lock");
    }
}
