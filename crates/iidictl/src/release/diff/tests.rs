use serde_json::json;

use super::*;

/// A release with cells of these ages, a margin by vaccine, and a total; `None` is hidden.
fn release(id: u64, series: u64, cells: &[(&str, Option<u64>)], sum: Option<u64>) -> ReleaseDocument {
    let data: Vec<_> = cells
        .iter()
        .map(|(age, count)| {
            json!({"Jurisdiction": "ON", "OccurrenceYear": 2019, "Age": age, "Sex": "Female", "VaccineType": "MMR",
                "VaccineCode": "871831003", "Dose": 1, "DoseLabel": "1", "Count": count,
                "Suppressed": count.is_none(), "ReferenceDate": "2019-12-31"})
        })
        .collect();
    let document: ReleaseDocument = serde_json::from_value(json!({
        "release": {
            "id": id, "series": series, "jurisdiction": "ON", "as_of": "2026-03-01T02:00:00Z",
            "published_at": "2026-03-01T03:00:00Z",
            "policy": {"threshold": 5, "margins": [["VaccineType", "VaccineCode"]]},
            "contract_version": "1", "age_basis": "completed-years-at-occurrence", "total": sum,
            "waiting": {"count": 0, "suppressed": false},
            "excluded": [{"reason": "received", "count": id * 10, "suppressed": false}], "checksum": ""
        },
        "data": data,
        "margins": [{"by": ["VaccineType", "VaccineCode"], "rows": [
            {"VaccineType": "MMR", "VaccineCode": "871831003", "Count": sum, "Suppressed": sum.is_none()}]}]
    }))
    .unwrap();
    document.sealed()
}

fn number(count: Option<u64>) -> Number {
    count.into()
}

fn by_age(differences: &Differences) -> Vec<(&str, Option<u64>, Option<u64>, String)> {
    let row = |one: &'_ Changed| (one.change.from.count, one.change.to.count, one.change.signed());
    differences
        .cells
        .iter()
        .map(|one| {
            let (from, to, signed) = row(one);
            (one.group.age.as_deref().unwrap(), from, to, signed)
        })
        .collect()
}

#[test]
fn a_release_does_not_differ_from_itself() {
    let one = release(1, 1, &[("1 year", Some(12)), ("2–6 years", None)], Some(40));
    let found = Differences::between(&one, &one);
    assert!(found.cells.is_empty() && found.margins[0].rows.is_empty() && found.not_compared.is_empty());
    assert_eq!(found.hidden_differently, 0);
}

#[test]
fn shown_numbers_are_subtracted_and_an_absent_group_is_zero() {
    let before = release(1, 1, &[("1 year", Some(12)), ("7–11 years", Some(9))], Some(21));
    let after = release(2, 1, &[("1 year", Some(20)), ("2–6 years", Some(6))], Some(26));
    let found = Differences::between(&before, &after);
    let plus = |text: &str| text.to_owned();
    assert_eq!(
        by_age(&found),
        [
            ("1 year", Some(12), Some(20), plus("+8")),
            ("2–6 years", Some(0), Some(6), plus("+6")),
            ("7–11 years", Some(9), Some(0), plus("-9")),
        ]
    );
    assert_eq!(found.total.signed(), "+5");
    assert_eq!(found.margins[0].rows.len(), 1);
    assert_eq!(found.excluded["received"], Change { from: number(Some(10)), to: number(Some(20)) });
    assert_eq!(found.hidden_differently, 0);
}

#[test]
fn a_hidden_number_that_stays_hidden_is_no_difference_and_a_change_of_it_is_never_computed() {
    let before = release(1, 1, &[("1 year", None), ("2–6 years", Some(7)), ("7–11 years", None)], None);
    let after = release(2, 2, &[("1 year", None), ("2–6 years", None), ("7–11 years", Some(30))], Some(50));
    let found = Differences::between(&before, &after);
    assert_eq!(
        by_age(&found),
        [("2–6 years", Some(7), None, String::new()), ("7–11 years", None, Some(30), String::new()),]
    );
    assert_eq!((found.total.signed(), found.total.cells()[0].as_str()), (String::new(), "x"));
    assert_eq!(found.hidden_differently, 0, "of two series");
}

#[test]
fn a_series_that_hides_differently_is_an_error() {
    let before = release(1, 1, &[("1 year", None), ("2–6 years", None)], Some(40));
    for cells in [&[("1 year", Some(12)), ("2–6 years", None)][..], &[("2–6 years", None)]] {
        let after = release(2, 1, cells, Some(40));
        assert_eq!(Differences::between(&before, &after).exit(), Exit::Error, "{cells:?}");
        assert_eq!(Differences::between(&after, &before).hidden_differently, 1, "{cells:?}");
    }
    let other = release(2, 2, &[("1 year", Some(12))], Some(40));
    assert_eq!(Differences::between(&before, &other).exit(), Exit::Fine);
}

#[test]
fn a_margin_of_one_release_alone_is_named_and_not_compared() {
    let before = release(1, 1, &[("1 year", Some(12))], Some(12));
    let mut after = release(2, 2, &[("1 year", Some(12))], Some(12));
    after.margins[0].by = vec![Column::Sex, Column::VaccineType, Column::VaccineCode];
    let found = Differences::between(&before, &after);
    assert_eq!((found.margins.len(), found.not_compared.len()), (0, 2));
}

#[test]
fn a_group_is_written_with_its_columns_alone() {
    let before = release(1, 1, &[("1 year", Some(12))], Some(12));
    let after = release(2, 1, &[("1 year", Some(20))], Some(20));
    let written = serde_json::to_value(Differences::between(&before, &after)).unwrap();
    assert_eq!(
        written["margins"][0]["rows"][0],
        json!({
            "group": {"VaccineType": "MMR", "VaccineCode": "871831003"},
            "from": {"count": 12, "suppressed": false}, "to": {"count": 20, "suppressed": false},
        })
    );
}
