//! The gate beside the real FHIR server's `$validate`: valid resources, each changed in one place, judged by both.
//!
//! They need not agree, but every difference is known: `known.rs` lists them and `docs/gate-vs-hapi.md` says why. A
//! difference that is not listed fails, and so does one that is listed and no longer there.
//!
//! Set `IIDI_FHIR_BASE` to hold the gate against another server. `IIDI_ALL_MUTATIONS=1` judges every mutation there
//! is instead of a sample, which takes minutes; `--nocapture` shows the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fhir::gate::{Limits, check_resource, parse};
use futures::{StreamExt, stream};
use local_stack::{Layout, Stack};
use serde_json::Value;

mod by_hand;
mod known;
mod mutations;
mod values;

use known::{KNOWN, Stricter};
use mutations::Mutation;

/// Those that a package may hold.
const TYPES: [&str; 8] = [
    "AllergyIntolerance",
    "Immunization",
    "Location",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Provenance",
];

/// How many mutations of a class are tried, chosen by [`SEED`].
const OF_A_CLASS: usize = 8;
const SEED: &str = "2026";
/// Requests at a time.
const AT_ONCE: usize = 4;

/// What both say of one mutation: why it is refused, or nothing.
struct Verdicts {
    mutation: Mutation,
    gate: Option<String>,
    hapi: Option<String>,
}

impl Verdicts {
    /// Who refuses what the other one accepts.
    fn stricter(&self) -> Option<Stricter> {
        match (&self.gate, &self.hapi) {
            (Some(_), None) => Some(Stricter::Gate),
            (None, Some(_)) => Some(Stricter::Hapi),
            _ => None,
        }
    }
}

#[tokio::test]
async fn the_gate_and_the_server_differ_only_where_it_is_known() {
    let server = Server::find();
    for (resource_type, document) in documents() {
        let bytes = document.to_string();
        assert_eq!(gate(bytes.as_bytes()), None, "{resource_type} is valid");
        assert_eq!(
            server.validate(resource_type, bytes.into_bytes()).await,
            None,
            "{resource_type} is valid"
        );
    }
    let judge = async |mutation: Mutation| {
        let gate = gate(&mutation.bytes);
        let hapi = server.validate(mutation.resource_type, mutation.bytes.clone()).await;
        Verdicts { mutation, gate, hapi }
    };
    let judged: Vec<Verdicts> = stream::iter(chosen()).map(judge).buffer_unordered(AT_ONCE).collect().await;
    println!("{}", table(&judged));
    let mut wrong: Vec<String> = judged.iter().filter_map(unexpected).collect();
    wrong.extend(if is_sample() { miscounted(&judged) } else { Vec::new() });
    assert!(wrong.is_empty(), "{} of {} are not as known:\n{}", wrong.len(), judged.len(), wrong.join("\n"));
}

#[test]
fn every_difference_is_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gate-vs-hapi.md");
    let text = fs::read_to_string(path).expect("the documentation");
    for known in KNOWN {
        assert!(text.contains(&format!("| {} |", known.name)), "{} is not explained", known.name);
        assert!(known.classes.iter().any(|(_, count)| *count > 0), "{} is not met by the sample", known.name);
    }
}

/// What the two say of a mutation, where they differ and nobody knows why.
fn unexpected(judged: &Verdicts) -> Option<String> {
    judged.stricter()?;
    let Verdicts { mutation, gate, hapi } = judged;
    let text = |verdict: &Option<String>| verdict.clone().unwrap_or_else(|| "accepted".to_owned());
    let is_known = KNOWN.iter().any(|known| known.explains(judged));
    (!is_known).then(|| format!("{mutation}\n    gate: {}\n    HAPI: {}", text(gate), text(hapi)))
}

/// The known differences that were met more or less often than they are known.
fn miscounted(judged: &[Verdicts]) -> Vec<String> {
    let mut wrong = Vec::new();
    for known in KNOWN {
        let found: Vec<&Verdicts> = judged.iter().filter(|verdicts| known.explains(verdicts)).collect();
        for (class, expected) in known.classes {
            let count = found.iter().filter(|verdicts| verdicts.mutation.class == *class).count();
            if count != *expected {
                wrong.push(format!("{}: {class}: {count} times, not {expected}", known.name));
            }
        }
    }
    wrong
}

fn is_sample() -> bool {
    std::env::var_os("IIDI_ALL_MUTATIONS").is_none()
}

/// Valid resources by type.
fn documents() -> Vec<(&'static str, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents");
    let read = |resource_type: &'static str| {
        let bytes = fs::read(folder.join(format!("{resource_type}.json"))).expect("a document");
        (resource_type, serde_json::from_slice(&bytes).expect("a document is JSON"))
    };
    TYPES.into_iter().map(read).collect()
}

/// Every mutation made by hand, and a sample of each other class.
fn chosen() -> Vec<Mutation> {
    let most = if is_sample() { OF_A_CLASS } else { usize::MAX };
    let documents = documents();
    let mut by_class = BTreeMap::<&str, Vec<Mutation>>::new();
    for mutation in mutations::of(&documents) {
        by_class.entry(mutation.class).or_default().push(mutation);
    }
    for class in by_class.values_mut() {
        class.sort_by_key(|mutation| mutation.rank(SEED));
        class.truncate(most);
    }
    by_class.into_values().flatten().chain(by_hand::all(&documents)).collect()
}

fn gate(bytes: &[u8]) -> Option<String> {
    let issues = match parse(bytes, &Limits::default()) {
        Ok(document) => check_resource(&document),
        Err(refusal) => refusal.issues,
    };
    let texts = issues.iter().map(|issue| format!("{} {}", issue.expression, issue.text));
    (!issues.is_empty()).then(|| texts.collect::<Vec<_>>().join("; "))
}

/// The real FHIR server.
struct Server {
    client: reqwest::Client,
    base: String,
}

impl Server {
    fn find() -> Self {
        mtls::install_crypto_provider();
        let base = std::env::var("IIDI_FHIR_BASE").unwrap_or_else(|_| {
            let layout = std::env::var_os("IIDI_TEST_STACK")
                .map_or_else(|| Layout::in_repository("test"), |folder| Layout::at(PathBuf::from(folder)));
            let stack = Stack::attach(&layout).expect("a running test stack: `cargo xtask test` starts one");
            stack.fhir_url("QC").expect("a province")
        });
        let client = reqwest::Client::builder().timeout(Duration::from_mins(1)).no_proxy().build();
        Self { client: client.expect("a client"), base }
    }

    /// Asks for the server's judgement; `None` when it finds no error.
    async fn validate(&self, resource_type: &str, body: Vec<u8>) -> Option<String> {
        let url = format!("{}/{resource_type}/$validate", self.base);
        let request = self.client.post(url).header("content-type", "application/fhir+json").body(body);
        let answer = request.send().await.expect("the FHIR server answers");
        let status = answer.status();
        let outcome: Value = serde_json::from_slice(&answer.bytes().await.expect("a whole answer"))
            .unwrap_or_else(|_| panic!("{status} without an OperationOutcome"));
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{status}");
        let issues = outcome["issue"].as_array().into_iter().flatten();
        let is_error = |issue: &&Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
        let errors: Vec<String> =
            issues.filter(is_error).map(|issue| issue["diagnostics"].to_string()).collect();
        assert!(status.is_success() || !errors.is_empty(), "{status} without an error");
        (!errors.is_empty()).then(|| errors.join("; "))
    }
}

/// The agreement by class, as it stands in the documentation.
fn table(judged: &[Verdicts]) -> String {
    let mut rows = BTreeMap::<&str, [usize; 4]>::new();
    for verdicts in judged {
        let column = match (verdicts.stricter(), &verdicts.gate) {
            (None, Some(_)) => 0,
            (None, None) => 1,
            (Some(Stricter::Gate), _) => 2,
            (Some(Stricter::Hapi), _) => 3,
        };
        rows.entry(verdicts.mutation.class).or_default()[column] += 1;
    }
    let mut text = String::from(
        "| class | both refuse | both accept | only the gate | only HAPI |\n|---|---|---|---|---|\n",
    );
    let mut sum = [0; 4];
    for (class, counts) in &rows {
        let [refuse, accept, gate, hapi] = counts;
        let _ = writeln!(text, "| {class} | {refuse} | {accept} | {gate} | {hapi} |");
        sum.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    let [refuse, accept, gate, hapi] = sum;
    let _ = writeln!(text, "| all {} | {refuse} | {accept} | {gate} | {hapi} |", judged.len());
    text
}
