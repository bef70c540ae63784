//! A good package, broken at every node: whatever stands where it should not is refused, never a fault of ours.

use domain::TransferId;
use fhir::gate::Limits;
use inbound_transfer::intake::check_package;
use serde_json::{Value, json};
use test_kit::{World, package_of};

use super::person;

/// About how many of the broken packages go through the real gateway.
const SENT: usize = 150;

/// Lists the JSON pointers of all nodes.
fn nodes(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(name, inner)| nodes(inner, &format!("{at}/{name}"), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, inner)| nodes(inner, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// Makes every mutation: each node replaced by a value of each kind.
fn mutations(package: &Value) -> Vec<(String, Value, Value)> {
    let mut pointers = Vec::new();
    nodes(package, "", &mut pointers);
    let kinds = [
        json!(null),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"a": 1}),
        json!(""),
        json!("é"),
        json!(-1.5e3),
        json!(true),
    ];
    let mut all = Vec::new();
    for pointer in pointers {
        for kind in &kinds {
            let mut mutated = package.clone();
            *mutated.pointer_mut(&pointer).expect("a node") = kind.clone();
            all.push((pointer.clone(), kind.clone(), mutated));
        }
    }
    all
}

fn is_scalar_at(package: &Value, pointer: &str) -> bool {
    package.pointer(pointer).is_some_and(|node| !node.is_object() && !node.is_array())
}

#[test]
fn a_value_of_the_wrong_shape_is_refused_at_every_node() {
    let package = package_of(&person(), "ON", TransferId::generate());
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let all = mutations(&package);
    assert!(all.len() > 500, "{}", all.len());
    for (pointer, kind, mutated) in all {
        let refusal = check_package(mutated.to_string().as_bytes(), &Limits::default(), now).err();
        // A text may stand for another text, and a truth value for another; all else has a wrong shape.
        let same_shape = is_scalar_at(&package, &pointer)
            && (kind.is_string() && package.pointer(&pointer).is_some_and(Value::is_string)
                || kind.is_boolean() && package.pointer(&pointer).is_some_and(Value::is_boolean));
        assert!(refusal.is_some() || same_shape, "{pointer} = {kind} was accepted");
        if let Some(problem) = refusal {
            assert!((400..500).contains(&problem.status), "{pointer} = {kind}: {problem:?}");
            assert!(!problem.issues.is_empty(), "{pointer} = {kind}");
        }
    }
}

#[tokio::test]
async fn no_broken_package_makes_the_gateway_fail() {
    let world = World::shared().await;
    let package = package_of(&person(), "ON", TransferId::generate());
    let all = mutations(&package);
    let step = all.len() / SENT;
    let mut taken = 0;
    // The step is made odd, so that every kind of value has its turn.
    for (pointer, kind, mutated) in all.into_iter().step_by(step | 1) {
        let answer = world.put("ON", "BC", TransferId::generate(), mutated.to_string().as_bytes()).await;
        let status = answer.status();
        assert!(
            status.is_success() || status.is_client_error(),
            "{pointer} = {kind}: {status} {:?}",
            answer.text().await
        );
        taken += usize::from(status.is_success());
        if !status.is_success() {
            super::problem(answer).await;
        }
    }
    assert!(taken < 20, "{taken} broken packages were taken");
}
