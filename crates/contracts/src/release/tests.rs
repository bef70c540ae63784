use serde_json::{Value, json};

use super::*;

pub(super) fn sample() -> ReleaseDocument {
    let row = |age: &str, dose: Option<u32>, count: Option<u64>| {
        json!({"Jurisdiction": "ON", "OccurrenceYear": 2019, "Age": age, "Sex": "Female", "VaccineType": "MMR",
            "VaccineCode": "871831003", "Dose": dose, "DoseLabel": dose.map_or("Unknown".to_owned(), |d| d.to_string()),
            "Count": count, "Suppressed": count.is_none(), "ReferenceDate": "2019-12-31"})
    };
    let document: ReleaseDocument = serde_json::from_value(json!({
        "release": {
            "id": 7, "series": 1, "jurisdiction": "ON", "as_of": "2026-03-01T02:00:00Z",
            "published_at": "2026-03-01T03:00:00Z",
            "policy": {"threshold": 5, "margins": [["VaccineType", "VaccineCode"], ["OccurrenceYear", "VaccineType", "VaccineCode"]]},
            "contract_version": "1", "age_basis": "completed-years-at-occurrence", "total": 32,
            "waiting": {"count": null, "suppressed": true},
            "excluded": [{"reason": "received", "count": 12, "suppressed": false}], "checksum": ""
        },
        "data": [row("1 year", Some(1), Some(12)), row("2–6 years", Some(2), None), row("7–11 years", None, None)],
        "margins": [
            {"by": ["VaccineType", "VaccineCode"],
             "rows": [{"VaccineType": "MMR", "VaccineCode": "871831003", "Count": 32, "Suppressed": false}]},
            {"by": ["OccurrenceYear", "VaccineType", "VaccineCode"],
             "rows": [{"OccurrenceYear": 2019, "VaccineType": "MMR", "VaccineCode": "871831003", "Count": 32, "Suppressed": false}]}
        ]
    }))
    .unwrap();
    document.sealed()
}

#[test]
fn a_release_is_read_back_byte_for_byte_and_passes() {
    let document = sample();
    let bytes = document.to_bytes();
    let read: ReleaseDocument = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, document);
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(check_release(&read, &Jurisdiction::parse("ON").unwrap()), Ok(()));
}

#[test]
fn the_checksum_is_that_of_the_bytes_with_an_empty_checksum() {
    let document = sample();
    let sent = String::from_utf8(document.to_bytes()).unwrap();
    let blank = sent.replace(&document.release.checksum, "");
    let digest = Sha256::digest(blank.as_bytes());
    assert_eq!(document.release.checksum, crate::ContentDigest::from_bytes(digest.into()).to_string());
}

/// The sample with something changed, its checksum right.
fn changed(change: impl Fn(&mut Value)) -> Result<(), String> {
    let mut value = serde_json::to_value(sample()).unwrap();
    change(&mut value);
    let read: Result<ReleaseDocument, _> = serde_json::from_value(value);
    let document = read.map_err(|_| "unreadable".to_owned())?.sealed();
    check_release(&document, &Jurisdiction::parse("ON").unwrap()).map_err(|fault| {
        let fault = format!("{fault:?}");
        fault.split('(').next().unwrap_or_default().to_owned()
    })
}

type Change = (&'static str, &'static str, Value);

#[test]
fn whatever_breaks_the_contract_is_refused() {
    let cases: &[Change] = &[
        ("/release/jurisdiction", "Jurisdiction", json!("BC")),
        ("/data/0/Jurisdiction", "Jurisdiction", json!("BC")),
        ("/release/contract_version", "Version", json!("2")),
        ("/release/age_basis", "Version", json!("age-today")),
        ("/release/policy/threshold", "Threshold", json!(2)),
        ("/release/policy/threshold", "Small", json!(20)),
        ("/release/total", "Small", json!(4)),
        ("/release/total", "Sum", json!(11)),
        ("/release/total", "Sum", json!(16)), // 4 doses in two hidden cells
        ("/release/waiting", "Small", json!({"count": 1, "suppressed": false})),
        ("/release/waiting", "Suppression", json!({"count": 9, "suppressed": true})),
        ("/release/excluded/0/count", "Small", json!(3)),
        ("/release/excluded/0/reason", "Value", json!("Said by Jane Roe")),
        ("/data/0/Count", "Small", json!(3)),
        ("/data/0/Count", "unreadable", json!(-12)),
        ("/data/0/Count", "unreadable", json!(12.5)),
        ("/data/0/Count", "Suppression", json!(null)),
        ("/data/1/Suppressed", "Suppression", json!(false)),
        ("/data/0/OccurrenceYear", "Value", json!(1850)),
        ("/data/0/OccurrenceYear", "Value", json!(2019 + 40)),
        ("/data/0/ReferenceDate", "Value", json!("2018-12-31")),
        ("/data/0/ReferenceDate", "Value", json!(null)),
        ("/data/0/ReferenceDate", "unreadable", json!("2019")),
        ("/data/0/Age", "Value", json!("2-6 years")),
        ("/data/0/Age", "unreadable", json!(4)),
        ("/data/0/Sex", "Value", json!("female")),
        ("/data/0/VaccineCode", "Value", json!("1234")),
        ("/data/0/VaccineCode", "Value", json!(null)),
        ("/data/0/VaccineCode", "Sum", json!("871908002")), // another vaccine, whose margin is not there
        ("/data/0/VaccineType", "Value", json!("Unmapped")),
        ("/data/0/VaccineType", "Value", json!("a\u{0}b")),
        ("/data/0/Dose", "Value", json!(2)),
        ("/data/0/Dose", "unreadable", json!("1")),
        ("/data/2/DoseLabel", "Value", json!("unknown")),
        ("/margins/0/rows/0/Count", "Small", json!(3)),
        ("/margins/0/rows/0/Count", "Sum", json!(14)),
        ("/margins/0/rows", "Sum", json!([])),
        ("/margins/0/by", "Columns", json!(["VaccineCode", "VaccineType"])),
        ("/margins/0/by", "Columns", json!(["VaccineType"])),
        ("/margins/0/by", "unreadable", json!(["PostalCode"])),
        ("/release/policy/margins", "Columns", json!([])),
    ];
    for (place, fault, value) in cases {
        let outcome = changed(|document| *document.pointer_mut(place).unwrap() = value.clone());
        assert_eq!(outcome, Err((*fault).to_owned()), "{place} = {value}");
    }
}

#[test]
fn a_member_that_is_not_agreed_is_not_read() {
    for place in ["", "/release", "/release/policy", "/data/0", "/margins/0", "/margins/0/rows/0"] {
        let outcome = changed(|document| {
            document.pointer_mut(place).unwrap()["PostalCode"] = json!("K1A");
        });
        assert_eq!(outcome, Err("unreadable".to_owned()), "{place}");
    }
}

#[test]
fn a_group_stands_once() {
    let twice = |list: &'static str| {
        changed(move |document| {
            let rows = document.pointer_mut(list).unwrap().as_array_mut().unwrap();
            rows.push(rows[0].clone());
        })
    };
    for list in ["/data", "/margins/0/rows", "/release/excluded"] {
        assert_eq!(twice(list), Err("Duplicate".to_owned()), "{list}");
    }
}

#[test]
fn a_checksum_of_other_bytes_is_refused() {
    let mut document = sample();
    document.data[0].count = Some(13);
    assert_eq!(check_release(&document, &Jurisdiction::parse("ON").unwrap()), Err(Fault::Checksum));
}

#[test]
fn values_of_the_contract_are_let_in() {
    let unknown = json!({"OccurrenceYear": null, "Age": "Unknown", "Sex": "Other", "VaccineType": "Unmapped",
        "VaccineCode": null, "Dose": null, "DoseLabel": "Mixed", "ReferenceDate": null});
    let outcome = changed(|document| {
        for (name, value) in unknown.as_object().unwrap() {
            document["data"][2][name] = value.clone();
        }
        for margin in document["margins"].as_array_mut().unwrap() {
            let mut row = margin["rows"][0].clone();
            for (name, value) in unknown.as_object().unwrap() {
                if row.get(name).is_some() {
                    row[name] = value.clone();
                }
            }
            row["Count"] = Value::Null;
            row["Suppressed"] = json!(true);
            margin["rows"].as_array_mut().unwrap().push(row);
        }
        document["release"]["dictionary"] = json!({"age_groups": crate::dictionary::age_terms(),
            "vaccines": [{"code": "871831003", "en": "MMR", "fr": "RRO"}]});
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn vaccines_of_one_short_name_are_told_apart_by_their_codes() {
    let outcome = changed(|document| {
        let mut row = document["data"][0].clone();
        row["VaccineCode"] = json!("8771000087109");
        document["data"].as_array_mut().unwrap().push(row);
        for margin in document["margins"].as_array_mut().unwrap() {
            let mut row = margin["rows"][0].clone();
            row["VaccineCode"] = json!("8771000087109");
            row["Count"] = json!(12);
            margin["rows"].as_array_mut().unwrap().push(row);
        }
        document["release"]["total"] = json!(44);
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn text_has_one_field_for_each_column() {
    let mut rows = sample().data;
    rows[0].vaccine_type = "MMR, \"live\"".to_owned();
    let text = write_csv(&rows[..2]);
    assert_eq!(
        text,
        "Jurisdiction,OccurrenceYear,Age,Sex,VaccineType,VaccineCode,Dose,DoseLabel,Count,Suppressed,ReferenceDate\r\n\
         ON,2019,1 year,Female,\"MMR, \"\"live\"\"\",871831003,1,1,12,false,2019-12-31\r\n\
         ON,2019,2–6 years,Female,MMR,871831003,2,2,,true,2019-12-31\r\n"
    );
}
