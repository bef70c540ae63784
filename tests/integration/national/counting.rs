//! What is counted, before protection.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};
use test_kit::eventually;

use super::clocks::{Off, double};
use super::{Alone, Cell, cells, dose, excluded, follow, recorded};
use crate::synthesizer;

/// Reads a cell of the independent count.
fn cell(row: &Value) -> (Cell, i64) {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let year = row["OccurrenceYear"].as_i64().map(|year| i32::try_from(year).unwrap());
    let vaccine = row["VaccineCode"].as_str().unwrap_or("Unmapped").to_owned();
    ((year, text("Age"), text("Sex"), vaccine, text("DoseLabel")), row["Count"].as_i64().unwrap())
}

#[tokio::test]
async fn the_counts_equal_an_independent_count_cell_by_cell() {
    for province in ["ON", "BC"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let mut arguments = vec!["generate", "--pt", province, "--people", "300", "--seed", "5"];
        arguments.extend(["--as-of", "2026-11-01", "--out", out, "--summary", "json"]);
        let summary: Value = serde_json::from_str(&synthesizer::run(&arguments).await).unwrap();
        let script = synthesizer::repository().join("synthesizer/count_ndjson.py");
        let counted =
            Command::new("python3").arg(script).args(["--jurisdiction", province, out]).output().unwrap();
        assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
        let counted: Value = serde_json::from_slice(&counted.stdout).unwrap();
        assert_eq!(counted, summary["expected"], "the generator and the independent count agree");

        let mut resources = Vec::new();
        let mut records = 0;
        for kind in
            ["Organization", "Location", "Practitioner", "Patient", "Immunization", "AllergyIntolerance"]
        {
            let Ok(text) = std::fs::read_to_string(folder.path().join(format!("{kind}.ndjson"))) else {
                continue;
            };
            let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            records += if kind == "Immunization" { read.len() } else { 0 };
            resources.extend(read);
        }
        let alone = Alone::with("count", province, &resources).await;
        alone.has_read(records).await;
        let expected: BTreeMap<Cell, i64> = counted["rows"].as_array().unwrap().iter().map(cell).collect();
        assert!(expected.len() > 100, "a table worth comparing");
        assert_eq!(cells(&alone.facts).await, expected, "{province}");
        let reasons: BTreeMap<String, i64> = serde_json::from_value(counted["excluded"].clone()).unwrap();
        assert_eq!(excluded(&alone.facts).await, reasons, "{province}");
    }
}

#[tokio::test]
async fn a_corrected_birth_date_moves_what_was_counted() {
    let alone = Alone::with("birth", "ON", &recorded(1, "2018-05-06", "2019-07-01")).await;
    alone.has_read(1).await;
    let age = async || cells(&alone.facts).await.into_keys().next().unwrap().1;
    assert_eq!(age().await, "1 year");
    alone.double.put_all(&recorded(1, "2018-09-06", "2019-07-01")[..1]).unwrap();
    eventually("the dose to move", async || (age().await == "Under 1 year").then_some(())).await;
}

#[tokio::test]
async fn a_merged_record_is_the_person_it_was_merged_into() {
    let mut both = recorded(1, "2018-05-06", "2019-07-01");
    both.extend(recorded(2, "", "2020-07-01"));
    let alone = Alone::with("merged", "ON", &both).await;
    alone.has_read(2).await;
    let persons = async || -> i64 {
        sqlx::query_scalar("SELECT count(DISTINCT person) FROM fact").fetch_one(&alone.facts).await.unwrap()
    };
    assert_eq!(persons().await, 2);
    let mut merged = both[2].clone();
    merged["link"] = json!([{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]);
    alone.double.put_all(&[merged]).unwrap();
    eventually("two records to be one person", async || (persons().await == 1).then_some(())).await;
    let ages: Vec<String> = cells(&alone.facts).await.into_keys().map(|cell| cell.1).collect();
    assert_eq!(ages, ["1 year", "2–6 years"], "the second record has the first one's birth date");

    // The first one is merged in its turn: all three are one.
    let mut third = recorded(3, "2018-05-06", "2021-07-01");
    alone.double.put_all(&third).unwrap();
    alone.has_read(3).await;
    third[0] = both[0].clone();
    third[0]["link"] = json!([{"other": {"reference": "Patient/p3"}, "type": "replaced-by"}]);
    alone.double.put_all(&third[..1]).unwrap();
    eventually("three records to be one person", async || (persons().await == 1).then_some(())).await;
}

#[tokio::test]
async fn a_deleted_dose_is_counted_no_more_and_one_that_comes_back_is() {
    let alone = Alone::with("deleted", "ON", &recorded(1, "2018-05-06", "2019-07-01")).await;
    alone.has_read(1).await;
    alone.double.delete("Immunization", "d1");
    alone.has_read(0).await;
    alone.double.put_all(&[dose("d1", 1, "2019-07-01")]).unwrap();
    alone.has_read(1).await;
}

/// The comparison of the night, now.
async fn compare(alone: &Alone) {
    sqlx::query("UPDATE followed SET checked_at = checked_at - interval '2 days'")
        .execute(&alone.facts)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_vanished_without_a_trace_is_noticed_when_counts_are_compared() {
    let mut records = recorded(1, "2018-05-06", "2019-07-01");
    records.extend(recorded(2, "2018-05-06", "2019-07-01"));
    let alone = Alone::with("vanished", "ON", &records).await;
    alone.has_read(2).await;
    alone.double.forget("Immunization", "d2");
    alone.double.forget("Patient", "p2");
    // They are old enough to be missed.
    for aged in [
        "UPDATE fact SET last_updated = last_updated - interval '1 hour'",
        "UPDATE patient SET last_updated = last_updated - interval '1 hour'",
    ] {
        sqlx::query(aged).execute(&alone.facts).await.unwrap();
    }
    compare(&alone).await;
    alone.has_read(1).await;
    eventually("the patient to be forgotten", async || {
        let patients = sqlx::query_scalar::<_, String>("SELECT id FROM patient");
        (patients.fetch_all(&alone.facts).await.unwrap() == ["p1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_record_that_was_dropped_comes_back_as_it_was() {
    let mut records = recorded(1, "2018-05-06", "2019-07-01");
    records.extend(recorded(2, "2018-05-06", "2019-07-01"));
    let alone = Alone::with("dropped", "ON", &records).await;
    alone.has_read(2).await;
    // As after a list of all records that had lacked this one, for whatever reason; no cycle looks back so far.
    let dropped = "UPDATE fact SET place = NULL WHERE id = 'd2'";
    sqlx::query(dropped).execute(&alone.facts).await.unwrap();
    compare(&alone).await;
    alone.has_read(2).await;
}

#[tokio::test]
async fn a_missed_change_of_a_patient_is_noticed_when_patients_are_compared() {
    let clock = Arc::new(Off::default());
    let people: Vec<Value> = (1..=6).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect();
    let server = double(&clock);
    server.put_all(&people).unwrap();
    let alone = Alone::over("missed", "ON", server).await;
    alone.has_read(6).await;
    let row = async |n: usize| {
        let row = "SELECT birth_date, sex, replaced_by, person FROM patient WHERE id = $1";
        let row = sqlx::query_as::<_, (String, String, Option<String>, i64)>(row).bind(format!("p{n}"));
        row.fetch_optional(&alone.facts).await.unwrap()
    };
    let (before, unknown) = (row(3).await.unwrap(), row(5).await.unwrap());

    // Written long before anybody sees it: five minutes, where a cycle looks back one.
    assert_eq!(alone.world.terminate("ON", Aggregator).await, Some(0));
    clock.0.store(-300, Ordering::Relaxed);
    let changed = |n: usize, member: &str, value: Value| {
        let mut patient = recorded(n, "2018-05-06", "")[0].clone();
        patient[member] = value;
        patient
    };
    let number = json!([{"system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn",
        "value": "1000000008"}]);
    let merged = json!([{"other": {"reference": "Patient/p5"}, "type": "replaced-by"}]);
    alone
        .double
        .put_all(&[
            changed(1, "birthDate", json!("2018-09-06")),
            changed(2, "gender", json!("male")),
            changed(3, "identifier", number),
            changed(4, "link", merged),
        ])
        .unwrap();
    alone.double.delete("Immunization", "d6");
    alone.double.delete("Patient", "p6");
    clock.0.store(0, Ordering::Relaxed);
    let base = alone.base().to_owned();
    alone.world.start("ON", Aggregator, "", &|config| follow(config, &base), &[]).await;
    alone.double.put_all(&recorded(7, "2018-05-06", "2019-07-01")).unwrap();
    alone.has_read(7).await;
    assert_eq!(row(1).await.unwrap().0, "2018-05-06", "no cycle sees it");

    compare(&alone).await;
    alone.has_read(6).await;
    eventually("the changes to be found", async || {
        let there = [row(1).await?, row(2).await?, row(3).await?, row(4).await?];
        let is_found = there[0].0 == "2018-09-06"
            && there[1].1 == "Male"
            && there[2].3 != before.3
            && there[3].2.as_deref() == Some("p5")
            && row(6).await.is_none();
        is_found.then_some(())
    })
    .await;
    let merged: i64 =
        sqlx::query_scalar("SELECT person FROM fact WHERE id = 'd4'").fetch_one(&alone.facts).await.unwrap();
    assert_eq!(merged, unknown.3);
}

#[tokio::test]
async fn a_thousand_records_of_one_instant_are_all_read() {
    let mut resources: Vec<Value> = recorded(1, "2018-05-06", "2019-07-01");
    resources.extend((0..2500).map(|n| dose(&format!("many{n}"), 1, "2020-01-01")));
    let alone = Alone::with("instant", "ON", &resources[..2]).await;
    alone.double.put_all(&resources[2..]).unwrap(); // one write, one instant
    alone.has_read(2501).await;
}
