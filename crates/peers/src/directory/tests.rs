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

    fn copy(&self) -> PathBuf {
        self.folder.path().join("last-good.yaml")
    }

    fn keeping(&self) -> Result<Directory, DirectoryError> {
        Directory::from_file_keeping(&self.path(), &self.copy())
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
        assert!(matches!(directory.problems().as_slice(), [(_, EntryProblem::Unreadable(_))]), "{text}");
    }
    std::fs::remove_file(case.path()).unwrap();
    assert!(!directory.reload());
    assert_eq!(directory.all().len(), 2);
    let problems = directory.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, case.path().display().to_string());
    case.write(&[ON, BC]);
    assert!(!directory.reload());
    assert_eq!(directory.problems(), []);
}

#[test]
fn an_unquoted_code_is_explained() {
    for bare in ["code: ON", "code: true"] {
        let (_case, directory) = Case::new(&[&ON.replace("code: \"ON\"", bare), BC]);
        assert_eq!(directory.all().len(), 1);
        assert!(directory.problems()[0].1.to_string().contains("quoted"));
    }
}

#[test]
fn the_example_is_read_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jurisdictions.example.yaml");
    let directory = Directory::from_file(&path).unwrap();
    assert_eq!(directory.problems(), []);
    assert_eq!(directory.all().len(), 3);
}

#[test]
fn a_restart_without_a_usable_file_uses_the_last_good_copy() {
    let (case, _) = Case::new(&[ON]);
    let directory = case.keeping().unwrap();
    case.write(&[&ON.replace("state: active", "state: suspended"), BC]);
    assert!(directory.reload());
    let before = directory.all();

    for text in [Some("{"), Some("other: []"), None] {
        match text {
            Some(text) => std::fs::write(case.path(), text).unwrap(),
            None => std::fs::remove_file(case.path()).unwrap(),
        }
        assert!(Directory::from_file(&case.path()).is_err());
        let restarted = case.keeping().unwrap();
        assert_eq!(restarted.all(), before);
        assert_eq!(restarted.problems().len(), 1, "{text:?}");
        case.write(&[BC]);
        assert!(restarted.reload());
        assert_eq!(restarted.problems(), []);
        assert_eq!(last_good::read(&case.copy()).unwrap().unwrap().len(), 1);
        case.write(&[&ON.replace("state: active", "state: suspended"), BC]);
        assert!(restarted.reload());
    }
}

#[test]
fn a_restart_with_one_broken_entry_takes_that_one_from_the_copy() {
    let (case, _) = Case::new(&[ON, BC]);
    case.keeping().unwrap();
    case.write(&[&ON.replace("state: active", "state: suspended"), &BC.replace("https://", "http://")]);
    let restarted = case.keeping().unwrap();
    assert_eq!(restarted.get(&code("ON")).unwrap().state, JurisdictionState::Suspended);
    assert!(restarted.get(&code("BC")).is_some());
    assert_eq!(restarted.problems(), [("BC".to_owned(), EntryProblem::Gateway)]);
}

#[test]
fn a_broken_copy_is_no_copy_and_is_written_anew() {
    let (case, _) = Case::new(&[ON, BC]);
    for text in ["", "{", "jurisdictions: [{code: ON}]"] {
        std::fs::write(case.copy(), text).unwrap();
        let directory = case.keeping().unwrap();
        assert_eq!(directory.all().len(), 2);
        assert_eq!(last_good::read(&case.copy()).unwrap().unwrap().len(), 2);
    }
    std::fs::write(case.copy(), "{").unwrap();
    std::fs::remove_file(case.path()).unwrap();
    assert!(matches!(case.keeping(), Err(DirectoryError::File { .. })));
    std::fs::remove_file(case.copy()).unwrap();
    assert!(matches!(case.keeping(), Err(DirectoryError::File { .. })));
}

#[test]
fn entries_of_the_copy_are_checked_as_new_ones_are() {
    let (case, _) = Case::new(&[ON, BC]);
    case.keeping().unwrap();
    let text = std::fs::read_to_string(case.copy()).unwrap();
    std::fs::write(case.copy(), text.replace("pt/bc/", "pt/on/")).unwrap();
    std::fs::remove_file(case.path()).unwrap();
    let directory = case.keeping().unwrap();
    assert_eq!(directory.all().iter().map(|entry| entry.code.as_str()).collect::<Vec<_>>(), ["ON"]);
}

#[test]
fn a_copy_that_cannot_be_written_is_reported_and_tried_again() {
    let (case, _) = Case::new(&[ON]);
    let folder = case.folder.path().join("later");
    let copy = folder.join("last-good.yaml");
    let directory = Directory::from_file_keeping(&case.path(), &copy).unwrap();
    assert!(matches!(directory.problems().as_slice(), [(_, EntryProblem::NotKept(_))]));
    std::fs::create_dir(&folder).unwrap();
    assert!(!directory.reload());
    assert_eq!(directory.problems(), []);
    assert_eq!(last_good::read(&copy).unwrap().unwrap().len(), 1);
    // Nothing is left beside it, and nothing is written when nothing has changed.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_file(&copy).unwrap();
    assert!(!directory.reload());
    assert!(!copy.exists());
}
