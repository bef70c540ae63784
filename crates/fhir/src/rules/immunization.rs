//! What a dose says (rules 8, 9, 14, 15, 16): when, why (not), and of which vaccine.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::Findings;
use super::package::Package;
use crate::IssueCode::{BusinessRule, Required};
use crate::dates::{self, Moment, Precision};
use crate::gate::path::Path;
use crate::terminology::{self, Diseases};

pub(super) fn check(package: &Package<'_>, now: DateTime<Utc>, findings: &mut Findings) {
    let patient =
        package.entries.iter().find(|entry| entry.resource_type == "Patient").map(|entry| entry.resource);
    let read = |name| -> Option<Moment> { dates::parse_date_time(patient?.get(name)?.as_str()?) };
    let life = Life { birth: read("birthDate"), death: read("deceasedDateTime") };
    package.each("Immunization", |entry, path| {
        check_time(entry.resource, &life, now, path, findings);
        check_oddities(entry.resource, path, findings);
        check_vaccine(entry.resource, path, findings);
    });
    warn_of_missing_narratives(package, findings);
}

struct Life {
    birth: Option<Moment>,
    death: Option<Moment>,
}

fn text<'v>(resource: &'v Value, name: &str) -> Option<&'v str> {
    resource.get(name)?.as_str()
}

/// Tells whether the day of a dose is not known: `occurrenceString`, no occurrence, or a date without a day.
pub fn is_imprecise(immunization: &Value) -> bool {
    let occurrence = text(immunization, "occurrenceDateTime").and_then(dates::parse_date_time);
    occurrence.is_none_or(|moment| moment.precision() < Precision::Day)
}

fn check_time(dose: &Value, life: &Life, now: DateTime<Utc>, path: &Path<'_>, findings: &mut Findings) {
    if is_imprecise(dose) {
        findings.warn(9, &path.field("occurrence"), "the day of the dose is not known");
    }
    let Some(occurrence) = text(dose, "occurrenceDateTime").and_then(dates::parse_date_time) else { return };
    let here = path.field("occurrenceDateTime");
    let status = text(dose, "status");
    if status == Some("completed") && occurrence.earliest() > now + Duration::days(1) {
        findings.reject(8, BusinessRule, &here, "a completed dose is not more than a day ahead");
    }
    if status == Some("entered-in-error") {
        return;
    }
    // Dates are compared as they were written where the event took place.
    if life.birth.is_some_and(|birth| occurrence.last_day() < birth.first_day()) {
        findings.quarantine(8, &here, "the dose is before the person's birth");
    }
    if life.death.is_some_and(|death| occurrence.first_day() > death.last_day()) {
        findings.quarantine(8, &here, "the dose is after the person's death");
    }
}

fn check_oddities(dose: &Value, path: &Path<'_>, findings: &mut Findings) {
    let has = |name| dose.get(name).is_some();
    let is_true = |name| dose.get(name).and_then(Value::as_bool) == Some(true);
    let status = text(dose, "status");
    if has("subpotentReason") && !is_true("isSubpotent") {
        findings.warn(
            14,
            &path.field("subpotentReason"),
            "a reason, but the dose is not said to be subpotent",
        );
    }
    if has("statusReason") && status == Some("completed") {
        findings.warn(14, &path.field("statusReason"), "a reason for not giving a dose that was given");
    }
    if has("reportOrigin") && is_true("primarySource") {
        findings.warn(14, &path.field("reportOrigin"), "the origin of a report that is said to be none");
    }
    if status == Some("not-done") && !has("statusReason") {
        findings.warn(14, &path.field("statusReason"), "a dose not given should say why");
    }
}

fn check_vaccine(dose: &Value, path: &Path<'_>, findings: &mut Findings) {
    let Some(vaccine_code) = dose.get("vaccineCode") else { return };
    let here = path.field("vaccineCode");
    let codings = vaccine_code.get("coding").and_then(Value::as_array);
    let has_code =
        codings.into_iter().flatten().any(|coding| coding.get("code").is_some_and(Value::is_string));
    if !has_code && vaccine_code.get("text").is_none() {
        return findings.reject(15, Required, &here, "needs a code or a text");
    }
    match terminology::diseases(vaccine_code) {
        Diseases::Known(_) => {}
        Diseases::Unmapped => findings.warn(15, &here, "the vaccine is not one that we can name"),
        Diseases::NoVaccine => {
            findings.warn(15, &here, "says that there is no vaccine or none is known: no dose");
        }
    }
    if terminology::has_disjoint_codings(vaccine_code) {
        findings.quarantine(16, &here, "the codings are of vaccines against different diseases");
    }
}

/// One warning for all: most systems send none.
fn warn_of_missing_narratives(package: &Package<'_>, findings: &mut Findings) {
    let missing = package.entries.iter().filter(|entry| entry.resource.get("text").is_none()).count();
    if missing > 0 {
        let root = Path::root("Bundle");
        findings.warn(14, &root.field("entry"), &format!("{missing} resources have no narrative (dom-6)"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::is_imprecise;
    use crate::rules::example::{assert_cases, example, now};
    use crate::rules::{RuleKind, check_package};

    const DOSE: &str = "/entry/1/resource";

    fn at(name: &str) -> String {
        format!("Bundle.entry[1].resource.{name}")
    }

    #[test]
    fn doses_are_given_while_the_person_lives() {
        let (time, place) = (format!("{DOSE}/occurrenceDateTime"), at("occurrenceDateTime"));
        assert_cases(&[
            (8, &time, json!("2026-06-05"), &place),
            (8, &time, json!("2027"), &place),
            (8, &time, json!("2026-06-03T12:00:01Z"), &place),
            (8, &time, json!("2000-01-01"), &place),
            (8, &time, json!("1999"), &place),
            (8, "/entry/0/resource/deceasedDateTime", json!("2009-12-31"), &place),
        ]);
        for right in ["2026-06-02", "2026-06-03T11:59:00Z", "2000-01-02", "2010-03-04T23:30:00-05:00"] {
            assert_eq!(check_package(&example(&[(&time, json!(right))]), now()), [], "{right}");
        }
        let dead = example(&[("/entry/0/resource/deceasedDateTime", json!("2010-03-04T01:00:00-05:00"))]);
        assert_eq!(check_package(&dead, now()), []);
        let planned = example(&[
            (&time, json!("2027-01-01")),
            ("/entry/1/resource/status", json!("not-done")),
            ("/entry/1/resource/statusReason", json!({"text": "x"})),
        ]);
        assert_eq!(check_package(&planned, now()), []);
    }

    #[test]
    fn imprecise_dates_are_accepted_and_flagged() {
        for (dose, imprecise) in [
            (json!({"occurrenceDateTime": "2010"}), true),
            (json!({"occurrenceDateTime": "2010-03"}), true),
            (json!({"occurrenceString": "as a child"}), true),
            (json!({"_occurrenceDateTime": {"extension": []}}), true),
            (json!({"occurrenceDateTime": "2010-03-04"}), false),
            (json!({"occurrenceDateTime": "2010-03-04T10:00:00Z"}), false),
        ] {
            assert_eq!(is_imprecise(&dose), imprecise, "{dose}");
        }
        assert_warns(9, "occurrenceDateTime", json!("2010"), "occurrence");
    }

    #[test]
    fn a_vaccine_has_a_code_or_a_text_and_only_one_meaning() {
        let (code, place) = (format!("{DOSE}/vaccineCode"), at("vaccineCode"));
        let two = json!({"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "3"},
            {"system": "http://snomed.info/sct/20611000087101", "code": "28441000087100"}]});
        assert_cases(&[
            (15, &code, json!({"coding": [{"display": "MMR"}]}), &place),
            (15, &code, json!({"id": "x", "extension": [{"url": "x", "valueCode": "unknown"}]}), &place),
            (16, &code, two, &place),
        ]);
        assert_warns(15, "vaccineCode", json!({"text": "shot"}), "vaccineCode");
        assert_warns(
            15,
            "vaccineCode",
            json!({"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "998"}]}),
            "vaccineCode",
        );
    }

    #[test]
    fn legal_oddities_are_only_warned_of() {
        assert_warns(14, "subpotentReason", json!([{"text": "x"}]), "subpotentReason");
        assert_warns(14, "statusReason", json!({"text": "x"}), "statusReason");
        assert_warns(14, "reportOrigin", json!({"text": "x"}), "reportOrigin");
        assert_warns(14, "status", json!("not-done"), "statusReason");
        assert_warns(14, "text", Value::Null, "");
    }

    fn assert_warns(rule: u8, name: &str, value: Value, expected: &str) {
        let findings = check_package(&example(&[(&format!("{DOSE}/{name}"), value)]), now());
        let place = if expected.is_empty() { "Bundle.entry".to_owned() } else { at(expected) };
        let found: Vec<_> = findings.iter().map(|f| (f.rule, f.kind, f.issue.expression.as_str())).collect();
        assert_eq!(found, [(rule, RuleKind::Warn, place.as_str())]);
    }
}
