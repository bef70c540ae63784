use super::*;
use crate::file;

const ON: &str = r#"{code: "ON", name: {en: Ontario, fr: Ontario}, role: pt, state: active, identities: {outbound_transfer: "spiffe://d/pt/on/outbound-transfer"}}"#;
const BC: &str =
    r#"{code: "BC", name: {en: British Columbia, fr: Colombie-Britannique}, role: pt, state: active}"#;
/// Two that may claim the same path, as no code stands in it.
const A: &str = r#"{code: "XA", name: {en: A, fr: A}, role: phac, state: active, identities: {federator: "spiffe://d/phac/a"}}"#;
const B: &str = r#"{code: "XB", name: {en: B, fr: B}, role: phac, state: active, identities: {federator: "spiffe://d/phac/b"}}"#;

fn merged(entries: &[&str], last: &Entries) -> (Entries, Vec<String>) {
    let lines: Vec<String> = entries.iter().map(|entry| format!("- {entry}\n")).collect();
    let read = || file::read(&format!("jurisdictions:\n{}", lines.concat())).unwrap();
    let (now, problems) = merge(read(), last);
    assert_eq!(merge(read(), &now).0, now, "the same file again changes nothing");
    (now, problems.into_iter().map(|(label, _)| label).collect())
}

/// Merges in each order of the file, holds the outcomes to be one, and returns it with the sorted labels.
fn in_any_order(entries: &[&str], last: &Entries) -> (Entries, Vec<String>) {
    let sorted = |(now, mut labels): (Entries, Vec<String>)| {
        labels.sort();
        (now, labels)
    };
    let first = sorted(merged(entries, last));
    let mut order = entries.to_vec();
    for _ in 0..entries.len() {
        order.rotate_left(1);
        assert_eq!(sorted(merged(&order, last)), first);
        let reversed: Vec<&str> = order.iter().rev().copied().collect();
        assert_eq!(sorted(merged(&reversed, last)), first);
    }
    first
}

fn good(entries: &[&str]) -> Entries {
    let (entries, problems) = merged(entries, &Entries::new());
    assert_eq!(problems, Vec::<String>::new());
    entries
}

fn code(text: &str) -> Jurisdiction {
    Jurisdiction::parse(text).unwrap()
}

fn suspended(entry: &str) -> String {
    entry.replace("state: active", "state: suspended")
}

#[test]
fn of_two_newcomers_that_share_an_identity_neither_gets_it() {
    let thief = B.replace("phac/b", "phac/a");
    let (now, problems) = in_any_order(&[A, &thief, BC], &Entries::new());
    assert_eq!(now, good(&[BC]));
    assert_eq!(problems, ["XA", "XB"]);
}

#[test]
fn the_last_good_holder_keeps_its_identity_and_the_newcomer_its_old_one() {
    let thief = B.replace("phac/b", "phac/a");
    let (now, problems) = in_any_order(&[A, &thief], &good(&[A, B]));
    assert_eq!(now, good(&[A, B]));
    assert_eq!(problems, ["XB"]);
    // What else the holder changes does not cost it the identity.
    let (now, problems) = in_any_order(&[&suspended(A), &thief], &good(&[A]));
    assert_eq!(now, good(&[&suspended(A)]));
    assert_eq!(problems, ["XB"]);
}

#[test]
fn an_identity_used_for_another_service_is_shared_all_the_same() {
    let thief = B.replace("federator: \"spiffe://d/phac/b\"", "aggregator: \"spiffe://d/phac/a\"");
    let (now, problems) = in_any_order(&[A, &thief], &good(&[A]));
    assert_eq!(now, good(&[A]));
    assert_eq!(problems, ["XB"]);
}

#[test]
fn a_broken_entry_does_not_lose_its_identity_to_a_newcomer() {
    let broken = A.replace("role: phac", "role: none");
    let thief = B.replace("phac/b", "phac/a");
    let (now, problems) = in_any_order(&[&broken, &thief], &good(&[A, B]));
    assert_eq!(now, good(&[A, B]));
    assert_eq!(problems, ["XA", "XB"]);
}

#[test]
fn an_identity_that_is_given_up_may_be_taken() {
    let (moved, taker) = (A.replace("phac/a", "phac/c"), B.replace("phac/b", "phac/a"));
    for file in [vec![moved.as_str(), taker.as_str()], vec![taker.as_str()]] {
        let (now, problems) = in_any_order(&file, &good(&[A, B]));
        assert_eq!(now, good(&file));
        assert_eq!(problems, Vec::<String>::new());
    }
}

#[test]
fn a_move_that_is_refused_takes_back_what_it_gave_up() {
    // A moves onto BC's place and is refused there; what B took over from A goes back to A.
    let held = A.replace("XA", "XC").replace("phac/a", "phac/c");
    let (moved, taker) = (A.replace("phac/a", "phac/c"), B.replace("phac/b", "phac/a"));
    let last = good(&[A, B, &held]);
    let (now, problems) = in_any_order(&[&moved, &taker, &held], &last);
    assert_eq!(now, last);
    assert_eq!(problems, ["XA", "XB"]);
}

#[test]
fn of_two_entries_with_one_code_neither_is_taken_unless_one_is_as_before() {
    let other = ON.replace("en: Ontario", "en: Other");
    let third = ON.replace("en: Ontario", "en: Third");
    for (file, last, problems) in [
        (vec![ON, &other], Entries::new(), 2),
        (vec![ON, ON], Entries::new(), 2),
        (vec![&third, &other], good(&[ON]), 2),
        (vec![ON, ON], good(&[ON]), 2),
        (vec![ON, &other], good(&[ON]), 1),
        (vec![ON, &other, &third], good(&[ON]), 2),
    ] {
        let (now, labels) = in_any_order(&file, &last);
        assert_eq!(now, last, "{file:?}");
        assert_eq!(labels.len(), problems, "{file:?}");
    }
}

#[test]
fn an_entry_with_a_broken_twin_is_as_ambiguous() {
    let (other, broken) = (ON.replace("en: Ontario", "en: Other"), ON.replace("role: pt", "role: none"));
    assert_eq!(in_any_order(&[&other, &broken], &Entries::new()).0, Entries::new());
    assert_eq!(in_any_order(&[&other, &broken], &good(&[ON])).0, good(&[ON]));
}

#[test]
fn a_broken_entry_that_says_suspended_suspends() {
    let on = suspended(ON);
    for broken in [
        on.replace("role: pt", "role: none"),
        on.replace("role: pt", "rolle: pt"),
        on.replace("pt/on", "pt/bc"),
        on.replace("\"ON\"", "\"on\""),
        on.replace("\"ON\"", "ON"),
        on.replace("state: suspended", "state: Suspended"),
    ] {
        let (now, problems) = in_any_order(&[&broken, BC], &good(&[ON, BC]));
        assert_eq!(problems.len(), 1, "{broken}");
        assert_eq!(now, good(&[&on, BC]), "{broken}");
        // Nothing but a good entry ends it.
        let still_broken = ON.replace("role: pt", "role: none");
        assert_eq!(in_any_order(&[&still_broken, BC], &now).0, now);
        assert_eq!(in_any_order(&[ON, BC], &now).0, good(&[ON, BC]));
    }
}

#[test]
fn a_refused_twin_or_newcomer_that_says_suspended_suspends() {
    let (now, _) = in_any_order(&[ON, &suspended(ON)], &good(&[ON]));
    assert_eq!(now[&code("ON")].state, JurisdictionState::Suspended);
    let thief = suspended(&B.replace("phac/b", "phac/a"));
    let (now, _) = in_any_order(&[A, &thief], &good(&[A, B]));
    assert_eq!(now, good(&[A, &suspended(B)]));
}
