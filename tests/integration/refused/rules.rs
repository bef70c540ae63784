//! Each rule for arriving packages by an example: what breaks it is refused with the place, its twin is accepted.

use std::collections::BTreeSet;

use domain::TransferId;
use fhir::gate::Limits;
use inbound_transfer::intake::check_package;
use serde_json::{Value, json};
use test_kit::{Person, World, package_of};

mod cases;

use cases::{Case, cases};

use super::{assert_nothing_arrived, person, problem, set};

/// Makes a case's package: with what is wrong, or with what is right instead.
fn packages(case: &Case, person: &Person) -> (Value, Value) {
    let base = package_of(person, "ON", TransferId::generate());
    let (mut wrong, mut right) = (base.clone(), base);
    set(&mut wrong, case.at, case.wrong.clone());
    if !case.right.is_null() {
        set(&mut right, case.at, case.right.clone());
    }
    (wrong, right)
}

/// A person whose package has each kind of entry at a known place.
fn one() -> Person {
    let mut person = person();
    person.patient["birthDate"] = json!("1980-05-06");
    person
}

#[test]
fn each_rule_refuses_its_example_at_the_place_and_accepts_its_twin() {
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let limits = Limits::default();
    let (mut rules, mut faults) = (BTreeSet::new(), Vec::new());
    for case in cases() {
        let (wrong, right) = packages(&case, &one());
        let what = format!("rule {}, {} = {}", case.rule, case.at, case.wrong);
        let place = format!("Bundle.{}", case.place);
        match check_package(wrong.to_string().as_bytes(), &limits, now) {
            Ok(_) => faults.push(format!("{what} was accepted")),
            Err(refusal) => {
                assert_eq!((refusal.status, refusal.code.as_str()), (422, "package-invalid"), "{what}");
                if !refusal.issues.iter().any(|issue| issue.expression == place) {
                    faults.push(format!("{what} names {:?}", refusal.issues));
                }
            }
        }
        if let Err(refusal) = check_package(right.to_string().as_bytes(), &limits, now) {
            faults.push(format!("the twin of {what}: {:?}", refusal.issues));
        }
        rules.insert(case.rule);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(Vec::from_iter(rules), [4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 23]);
}

#[test]
fn the_same_identity_twice_is_refused() {
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    for name in ["/fullUrl", "/resource/identifier"] {
        let mut package = package_of(&one(), "ON", TransferId::generate());
        let same = package.pointer(&format!("/entry/1{name}")).unwrap().clone();
        *package.pointer_mut(&format!("/entry/2{name}")).unwrap() = same;
        let refusal = check_package(package.to_string().as_bytes(), &Limits::default(), now).unwrap_err();
        assert!(refusal.issues.iter().any(|issue| issue.expression.starts_with("Bundle.entry[2]")), "{name}");
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_whole_and_its_twin_is_committed() {
    let world = World::shared().await;
    let mut seen = BTreeSet::new();
    // One case of each rule, through the real gateway.
    for case in cases().into_iter().rev().filter(|case| seen.insert(case.rule)) {
        let person = one();
        let (wrong, right) = packages(&case, &person);
        let what = format!("rule {}, {} = {}", case.rule, case.at, case.wrong);
        let id = TransferId::generate();
        let answer = world.put("ON", "BC", id, wrong.to_string().as_bytes()).await;
        let found = problem(answer).await;
        assert_eq!((found.status, found.code.as_str()), (422, "package-invalid"), "{what}");
        let place = format!("Bundle.{}", case.place);
        assert!(found.issues.iter().any(|issue| issue.expression == place), "{what}: {:?}", found.issues);
        assert_nothing_arrived(world, &person).await;
        // The refusal stands, and can be asked for.
        let client = world.peer_client("ON", "outbound-transfer", "BC");
        let again = client.get(format!("{}/inbound-transfer/{id}", world.gateway("BC", ""))).send().await;
        assert_eq!(problem(again.unwrap()).await, found, "{what}");
        let accepted = world.put("ON", "BC", TransferId::generate(), right.to_string().as_bytes()).await;
        let status = accepted.status().as_u16();
        assert_eq!(status, 201, "the twin of {what}: {}", accepted.text().await.unwrap());
    }
}
