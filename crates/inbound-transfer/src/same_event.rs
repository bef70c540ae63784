//! Is this dose recorded here already, by somebody here? (rule 20)
//!
//! Sought against the destination's own record only, never inside the package.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use fhir::origin::ORIGIN_SYSTEM;
use fhir::terminology::{Diseases, diseases};
use serde_json::Value;

/// How an arriving dose relates to one that is recorded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same event: nothing is written.
    Same,
    /// Close in time and of the same kind: written, with a warning.
    Possible,
    /// The same business identifier on another event: refused.
    IdentifierConflict,
    /// Another event.
    Other,
}

/// Days within which two doses of one kind are a possible duplicate.
const CLOSE_DAYS: i64 = 23;

/// Compares an arriving dose with one recorded here; both have their references rewritten to local ids.
pub fn relation(arriving: &Value, here: &Value) -> Relation {
    if !is_dose(arriving) || !is_dose(here) {
        return Relation::Other;
    }
    let (Some(date), Some(date_here)) = (exact_date(arriving), exact_date(here)) else {
        return Relation::Other;
    };
    let days = (date - date_here).num_days().abs();
    let same_kind = same_kind(arriving, here);
    if shares_identifier(arriving, here) && !(days == 0 && same_kind) {
        return Relation::IdentifierConflict;
    }
    if !same_kind || days > CLOSE_DAYS {
        return Relation::Other;
    }
    if days > 0 {
        return Relation::Possible;
    }
    if lots_differ(arriving, here) && shares_performer(arriving, here) {
        Relation::Other
    } else {
        Relation::Same
    }
}

fn is_dose(immunization: &Value) -> bool {
    immunization.get("status").and_then(Value::as_str) == Some("completed")
}

/// The date as written, if it is exact to the day.
fn exact_date(immunization: &Value) -> Option<NaiveDate> {
    let text = immunization.get("occurrenceDateTime")?.as_str()?;
    text.get(..10)?.parse().ok()
}

fn same_kind(a: &Value, b: &Value) -> bool {
    let (code_a, code_b) = (&a["vaccineCode"], &b["vaccineCode"]);
    match (diseases(code_a), diseases(code_b)) {
        (Diseases::Known(a), Diseases::Known(b)) => !a.is_disjoint(&b),
        (Diseases::Unmapped, Diseases::Unmapped) => {
            let (codings_a, codings_b) = (codings(code_a), codings(code_b));
            !codings_a.is_disjoint(&codings_b)
        }
        _ => false,
    }
}

fn codings(concept: &Value) -> BTreeSet<(String, String)> {
    let pair = |coding: &Value| {
        Some((coding.get("system")?.as_str()?.to_owned(), coding.get("code")?.as_str()?.trim().to_owned()))
    };
    concept.get("coding").and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect()
}

fn shares_identifier(a: &Value, b: &Value) -> bool {
    !business_identifiers(a).is_disjoint(&business_identifiers(b))
}

fn business_identifiers(resource: &Value) -> BTreeSet<(String, String)> {
    let pair = |identifier: &Value| {
        let system = identifier.get("system")?.as_str()?.to_owned();
        (system != ORIGIN_SYSTEM).then_some((system, identifier.get("value")?.as_str()?.to_owned()))
    };
    resource.get("identifier").and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect()
}

fn lots_differ(a: &Value, b: &Value) -> bool {
    let lot = |resource: &Value| resource.get("lotNumber")?.as_str().map(|lot| lot.trim().to_lowercase());
    matches!((lot(a), lot(b)), (Some(a), Some(b)) if a != b)
}

fn shares_performer(a: &Value, b: &Value) -> bool {
    let actors = |resource: &Value| -> BTreeSet<String> {
        let performers = resource.get("performer").and_then(Value::as_array);
        let actor = |performer: &Value| {
            let actor = performer.get("actor")?;
            let key = actor.get("reference").or_else(|| actor.get("identifier")?.get("value"))?;
            key.as_str().map(str::to_owned)
        };
        performers.into_iter().flatten().filter_map(actor).collect()
    };
    !actors(a).is_disjoint(&actors(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dose(date: &str, cvx: &str) -> Value {
        json!({"status": "completed", "occurrenceDateTime": date,
            "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": cvx}]}})
    }

    fn with(mut dose: Value, key: &str, value: Value) -> Value {
        dose[key] = value;
        dose
    }

    #[test]
    fn same_day_and_overlapping_antigens_are_the_same_event() {
        // MMR (03) and MMRV (94) overlap; influenza (140) does not.
        assert_eq!(
            relation(&dose("2019-05-02", "03"), &dose("2019-05-02T10:00:00-04:00", "94")),
            Relation::Same
        );
        assert_eq!(relation(&dose("2019-05-02", "03"), &dose("2019-05-02", "140")), Relation::Other);
        assert_eq!(relation(&dose("2019-05-02", "03"), &dose("2019-05-25", "03")), Relation::Possible);
        assert_eq!(relation(&dose("2019-05-02", "03"), &dose("2019-05-26", "03")), Relation::Other);
    }

    #[test]
    fn different_lots_at_one_organisation_are_two_doses() {
        let at = |lot: &str, organisation: &str| {
            let dose = with(dose("2019-05-02", "03"), "lotNumber", json!(lot));
            with(dose, "performer", json!([{"actor": {"reference": format!("Organization/{organisation}")}}]))
        };
        assert_eq!(relation(&at("A", "1"), &at("B", "1")), Relation::Other);
        assert_eq!(relation(&at("A", "1"), &at("A", "1")), Relation::Same);
        assert_eq!(relation(&at("A", "1"), &at("B", "2")), Relation::Same);
    }

    #[test]
    fn what_is_no_dose_or_has_no_exact_date_is_never_merged() {
        let not_done = with(dose("2019-05-02", "03"), "status", json!("not-done"));
        assert_eq!(relation(&not_done, &dose("2019-05-02", "03")), Relation::Other);
        assert_eq!(relation(&dose("2019-05", "03"), &dose("2019-05", "03")), Relation::Other);
    }

    #[test]
    fn a_business_identifier_on_another_event_is_a_conflict() {
        let named = |date: &str, cvx: &str| {
            with(dose(date, cvx), "identifier", json!([{"system": "urn:clinic", "value": "7"}]))
        };
        assert_eq!(relation(&named("2019-05-02", "03"), &named("2019-05-02", "03")), Relation::Same);
        assert_eq!(
            relation(&named("2019-05-02", "03"), &named("2019-05-02", "140")),
            Relation::IdentifierConflict
        );
        assert_eq!(
            relation(&named("2019-05-02", "03"), &named("2021-05-02", "03")),
            Relation::IdentifierConflict
        );
    }

    #[test]
    fn unknown_codes_are_the_same_kind_only_when_they_are_equal() {
        let unknown = |code: &str| {
            with(
                dose("2019-05-02", "03"),
                "vaccineCode",
                json!({"coding": [{"system": "urn:local", "code": code}]}),
            )
        };
        assert_eq!(relation(&unknown("x"), &unknown("x")), Relation::Same);
        assert_eq!(relation(&unknown("x"), &unknown("y")), Relation::Other);
    }
}
