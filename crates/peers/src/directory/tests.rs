use super::*;
use crate::entry::JurisdictionState;

const ON: &str = r#"  - {code: "ON", name: {en: Ontario, fr: Ontario}, role: pt, state: active, identities: {outbound_transfer: "spiffe://d/pt/on/outbound-transfer", inbound_transfer: "spiffe://d/pt/on/inbound-transfer"}}"#;
const BC: &str = r#"  - {code: "BC", name: {en: British Columbia, fr: Colombie-Britannique}, role: pt, state: active, gateway: {inbound_transfer: "https://localhost:1"}, identities: {outbound_transfer: "spiffe://d/pt/bc/outbound-transfer"}}"#;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(entries: &[&str]) -> (Self, Directory) {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        case.write(entries);
        let directory = Directory::from_file(&case.path()).unwrap();
        (case, directory)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("jurisdictions.yaml")
    }

    fn write(&self, entries: &[&str]) {
        std::fs::write(self.path(), format!("jurisdictions:\n{}\n", entries.join("\n"))).unwrap();
    }
}

fn code(text: &str) -> Jurisdiction {
    Jurisdiction::parse(text).unwrap()
}

#[test]
fn an_identity_is_found_exactly_and_for_its_own_service_only() {
    let (_case, directory) = Case::new(&[ON, BC]);
    let found =
        |id: &str| directory.by_identity(PeerService::OutboundTransfer, id).map(|entry| entry.code.clone());
    assert_eq!(found("spiffe://d/pt/on/outbound-transfer"), Some(code("ON")));
    for other in [
        "spiffe://d/pt/on2/outbound-transfer",
        "spiffe://d/pt/ON/outbound-transfer",
        "spiffe://d/pt/on/inbound-transfer",
        "spiffe://d/pt/on/outbound-transfer/",
        "spiffe://e/pt/on/outbound-transfer",
        "",
    ] {
        assert_eq!(found(other), None, "{other}");
    }
}

#[test]
fn a_province_is_added_changed_and_removed_while_running() {
    let (case, directory) = Case::new(&[ON]);
    let mut changed = directory.changed();
    case.write(&[ON, BC]);
    assert!(directory.reload());
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    assert!(!directory.reload());
    assert!(!changed.has_changed().unwrap());
    case.write(&[&ON.replace("state: active", "state: suspended")]);
    assert!(directory.reload());
    assert_eq!(directory.get(&code("ON")).unwrap().state, JurisdictionState::Suspended);
    assert_eq!(directory.get(&code("BC")), None);
}

#[test]
fn a_bad_entry_is_refused_alone_and_its_last_good_version_stays() {
    let (case, directory) = Case::new(&[ON, BC]);
    let broken = BC.replace("https://", "http://");
    case.write(&[&ON.replace("state: active", "state: suspended"), &broken]);
    assert!(directory.reload());
    assert_eq!(directory.get(&code("ON")).unwrap().state, JurisdictionState::Suspended);
    assert!(directory.get(&code("BC")).is_some());
    assert_eq!(directory.problems(), [("BC".to_owned(), EntryProblem::Gateway)]);
}

#[test]
fn a_file_that_is_no_directory_leaves_everything_as_it_was() {
    let (case, directory) = Case::new(&[ON, BC]);
    for text in ["", "jurisdictions: 5", "{", "other: []"] {
        std::fs::write(case.path(), text).unwrap();
        assert!(!directory.reload());
        assert_eq!(directory.all().len(), 2);
    }
    std::fs::remove_file(case.path()).unwrap();
    assert!(!directory.reload());
    assert_eq!(directory.all().len(), 2);
}

#[test]
fn nobody_takes_another_ones_identity_or_code() {
    let thief = BC.replace("spiffe://d/pt/bc/outbound-transfer", "spiffe://d/pt/on/outbound-transfer");
    let (_case, directory) = Case::new(&[ON, &thief, ON]);
    assert_eq!(directory.all().len(), 1);
    let labels: Vec<_> = directory.problems().into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["BC", "ON"]);
}

#[test]
fn an_unquoted_code_is_explained() {
    let unquoted = ON.replace("code: \"ON\"", "code: on");
    let (_case, directory) = Case::new(&[&unquoted.replace("code: on", "code: true")]);
    assert!(directory.problems()[0].1.to_string().contains("quoted"));
}

#[test]
fn the_example_is_read_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jurisdictions.example.yaml");
    let directory = Directory::from_file(&path).unwrap();
    assert_eq!(directory.problems(), []);
    assert_eq!(directory.all().len(), 3);
}
