use serde_json::json;

use super::*;

fn on() -> Jurisdiction {
    Jurisdiction::parse("ON").unwrap()
}

fn with(changes: &Value) -> Dose {
    let mut record = json!({
        "resourceType": "Immunization", "id": "i", "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://snomed.info/sct", "code": "871831003"}]},
        "patient": {"reference": "Patient/p"}, "occurrenceDateTime": "2020-05-06",
    });
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    dose(&record, &on(), 2026).unwrap()
}

fn origin(value: &str) -> Value {
    json!([{"system": ORIGIN_SYSTEM, "value": value}])
}

#[test]
fn a_dose_counts_where_it_was_given() {
    assert_eq!(with(&json!({})).reason, None);
    assert_eq!(with(&json!({"primarySource": true})).reason, None);
    assert_eq!(with(&json!({"identifier": origin("ON/Immunization/i")})).reason, None, "come home");
    for (changes, reason) in [
        (json!({"status": "not-done"}), "not-done"),
        (json!({"status": "entered-in-error"}), "entered-in-error"),
        (json!({"status": null}), "no-status"),
        (json!({"primarySource": false}), "reported"),
        (json!({"identifier": origin("BC/Immunization/i")}), "received"),
        (json!({"identifier": origin("rubbish")}), "received"),
        (
            json!({"vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "998"}]}}),
            "absent-or-unknown",
        ),
        (
            json!({"vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "87"}]}}),
            "passive-agent",
        ),
    ] {
        assert_eq!(with(&changes).reason, Some(reason), "{changes}");
    }
}

#[test]
fn subpotent_and_imprecise_doses_are_doses() {
    let dose = with(&json!({"isSubpotent": true, "occurrenceDateTime": "2020"}));
    assert_eq!((dose.reason, year(&dose.occurrence)), (None, Some(2020)));
}

#[test]
fn the_number_is_the_one_that_all_agree_on() {
    let label = |protocols: Value| with(&json!({"protocolApplied": protocols})).dose;
    assert_eq!(label(json!([])), "Unknown");
    assert_eq!(label(json!([{"doseNumberPositiveInt": 2}])), "2");
    assert_eq!(label(json!([{"doseNumberString": "2"}, {"doseNumberPositiveInt": 2}])), "2");
    assert_eq!(label(json!([{"doseNumberPositiveInt": 1}, {"doseNumberPositiveInt": 2}])), "Mixed");
    assert_eq!(label(json!([{"doseNumberString": "booster"}])), "Unknown");
    assert_eq!(label(json!([{"doseNumberString": "booster"}, {"doseNumberPositiveInt": 2}])), "Mixed");
}

#[test]
fn age_is_in_completed_calendar_years_at_the_dose() {
    assert_eq!(age_group("2018-05-07", "2020-05-06"), "1 year", "the day before the birthday");
    assert_eq!(age_group("2018-05-06", "2020-05-06"), "2–6 years", "on it");
    assert_eq!(age_group("2020-02-29", "2021-02-28"), "Under 1 year");
    assert_eq!(age_group("2020-02-29", "2021-03-01"), "1 year");
    assert_eq!(age_group("2020-05-06", "2020-05-06T23:00:00-08:00"), "Under 1 year");
}

#[test]
fn of_partial_dates_only_what_all_days_agree_on_is_said() {
    assert_eq!(age_group("1990", "2020-05-06"), "Unknown", "29 or 30");
    assert_eq!(age_group("1980", "2020-05-06"), "30–49 years");
    assert_eq!(age_group("", "2020-05-06"), "Unknown");
    assert_eq!(age_group("1980-01-01", ""), "Unknown");
    assert_eq!(age_group("2021-01-01", "2020-05-06"), "Unknown", "before birth");
    assert_eq!(
        age_group("2020-05", "2020-05-06"),
        "Under 1 year",
        "a day may be before birth, none is above"
    );
}

#[test]
fn the_year_is_the_one_that_is_written() {
    assert_eq!(year("2013-12-31T22:00:00-08:00"), Some(2013));
    assert_eq!(year("2013-02-30"), None);
    assert_eq!(year("soon"), None);
}

#[test]
fn a_year_that_cannot_be_meant_is_unknown() {
    for (written, expected) in [
        ("1899-12-31", None),
        ("1900-01-01", Some(1900)),
        ("0219-05-06", None),
        ("2027-01-01", Some(2027)),
        ("2028-01-01", None),
    ] {
        let dose = with(&json!({"occurrenceDateTime": written}));
        assert_eq!((year(&dose.occurrence), dose.reason), (expected, None), "{written}");
    }
}
