use serde_json::json;

use super::*;

const MEASLES: &str = "14189004";
const MUMPS: &str = "36989005";
const RUBELLA: &str = "36653000";
const VARICELLA: &str = "38907003";
const TETANUS: &str = "76902006";
const DIPHTHERIA: &str = "397430003";
const PERTUSSIS: &str = "27836007";
const POLIO: &str = "398102009";
const HIB: &str = "406583002";
const HEP_B: &str = "66071002";

fn known(codes: &[&'static str]) -> Diseases {
    Diseases::Known(codes.iter().copied().collect())
}

#[test]
fn the_tables_are_sorted_and_whole() {
    assert!(tables::NVC.is_sorted_by(|a, b| a.code < b.code));
    assert!(tables::CVX.is_sorted_by(|a, b| a.code < b.code));
    assert!(tables::DISEASES.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!((tables::NVC.len(), tables::CVX.len(), tables::DISEASES.len()), (602, 288, 38));
    assert_eq!(tables::CVX_GROUPS.len(), 38);
}

#[test]
fn every_disease_of_a_group_or_code_has_both_names() {
    let of_groups = tables::CVX_GROUPS.iter().flat_map(|(_, diseases)| *diseases);
    let of_codes = tables::NVC.iter().chain(tables::CVX).flat_map(|vaccine| vaccine.diseases);
    for disease in of_groups.chain(of_codes) {
        let (en, fr) = disease_name(disease).unwrap();
        assert!(!en.is_empty() && !fr.is_empty(), "{disease}");
    }
}

#[test]
fn groups_without_a_disease_and_codes_without_one_are_counted() {
    let groups: Vec<_> =
        tables::CVX_GROUPS.iter().filter(|(_, d)| d.is_empty()).map(|(name, _)| *name).collect();
    assert_eq!(groups, ["ADENO", "DENGUE", "VEE"]);
    let codes: Vec<_> = tables::NVC.iter().filter(|v| v.diseases.is_empty()).map(|v| v.code).collect();
    assert_eq!(codes, ["2221000221107", "407737004", "407746005"]);
}

#[test]
fn every_code_of_a_group_protects_against_something_of_the_group() {
    for vaccine in tables::CVX {
        for group in vaccine.groups {
            let (_, of_group) = tables::CVX_GROUPS.iter().find(|(name, _)| name == group).unwrap();
            let shares = of_group.iter().any(|disease| vaccine.diseases.contains(disease));
            assert!(shares || of_group.is_empty(), "{} {group}", vaccine.code);
        }
    }
}

#[test]
fn the_vaccines_of_the_schedules_agree_with_their_cvx() {
    // Generic, trade name, CVX: the pairs that Ontario's and British Columbia's schedules use.
    for (generic, tradename, cvx) in [
        ("871831003", "7171000087106", "03"),
        ("871908002", "7181000087108", "94"),
        ("28441000087100", "31541000087105", "21"),
        ("7931000087106", "7521000087104", "120"),
        ("7731000087108", "7451000087107", "146"),
        ("7731000087108", "7451000087107", "132"),
        ("7851000087109", "7431000087103", "115"),
        ("1252708008", "37891000087107", "215"),
        ("1252709000", "37881000087105", "216"),
        ("7811000087105", "7191000087105", "119"),
        ("27511000087101", "21701000087104", "103"),
        ("7121000087107", "56051000087108", "203"),
        ("9831000087108", "6931000087109", "08"),
        ("20861000087100", "20871000087109", "165"),
        ("7691000087100", "271421000087109", "140"),
        ("56011000087109", "23011000087103", "187"),
    ] {
        let of_generic = coding_diseases(SNOMED, generic);
        assert!(matches!(of_generic, Diseases::Known(_)), "{generic}");
        assert_eq!(coding_diseases(SNOMED, tradename), of_generic, "{tradename}");
        assert_eq!(coding_diseases(CVX, cvx), of_generic, "{cvx}");
        assert_eq!(vaccine(SNOMED, tradename).unwrap().kind, Kind::Tradename, "{tradename}");
        assert_eq!(vaccine(SNOMED, generic).unwrap().kind, Kind::Generic, "{generic}");
    }
}

#[test]
fn combinations_are_their_parts() {
    let five = known(&[DIPHTHERIA, TETANUS, PERTUSSIS, POLIO, HIB]);
    assert_eq!(coding_diseases(CVX, "120"), five);
    assert_eq!(coding_diseases(CVX, "198"), known(&[DIPHTHERIA, TETANUS, PERTUSSIS, HEP_B, HIB]));
    assert_eq!(coding_diseases(CVX, "28"), known(&[DIPHTHERIA, TETANUS]));
    assert_eq!(coding_diseases(CVX, "35"), known(&[TETANUS]));
    assert_eq!(coding_diseases(CVX, "04"), known(&[MEASLES, RUBELLA]));
    assert_eq!(coding_diseases(SNOMED, "61153008"), known(&[MEASLES, MUMPS, RUBELLA]));
}

#[test]
fn codes_and_systems_have_one_form() {
    for code in ["3", "03", "003", "03        ", " 3"] {
        assert_eq!(normalise_cvx(code), "03");
        assert_eq!(coding_diseases(CVX, code), known(&[MEASLES, MUMPS, RUBELLA]), "{code:?}");
    }
    assert_eq!(
        (normalise_cvx("120"), normalise_cvx("0"), normalise_cvx("x3")),
        ("120".into(), "00".into(), "x3".into())
    );
    for system in [
        SNOMED,
        "http://snomed.info/sct/20611000087101",
        "http://snomed.info/sct/20611000087101/version/20250331",
        "http://snomed.info/sct|20250331",
        "urn:oid:2.16.840.1.113883.6.96",
    ] {
        assert_eq!(normalise_system(system), SNOMED);
        assert!(vaccine(system, "871831003").is_some(), "{system}");
    }
    assert_eq!(normalise_system("http://snomed.info/sctx"), "http://snomed.info/sctx");
    assert_eq!(normalise_system("http://a.example/codes"), "http://a.example/codes");
}

#[test]
fn no_vaccine_is_told_from_an_unknown_one() {
    let concept = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    for (system, code) in [
        (CVX, "998"),
        (CVX, "999"),
        (ABSENT_UNKNOWN, "no-immunization-info"),
        (ABSENT_UNKNOWN, "no-known-immunizations"),
    ] {
        assert_eq!(diseases(&concept(system, code)), Diseases::NoVaccine, "{code}");
    }
    for unmapped in
        [concept(CVX, "801"), concept("http://a.example", "1"), json!({"text": "shot"}), json!(null)]
    {
        assert_eq!(diseases(&unmapped), Diseases::Unmapped);
    }
}

#[test]
fn codings_that_contradict_each_other_are_seen() {
    let both = |cvx: &str, snomed: &str| {
        json!({"coding": [{"system": CVX, "code": cvx}, {"system": "http://a.example", "code": "1"},
            {"system": "http://snomed.info/sct/20611000087101", "code": snomed}]})
    };
    assert!(!has_disjoint_codings(&both("03", "871831003")));
    assert!(!has_disjoint_codings(&both("03", "871908002")));
    assert!(!has_disjoint_codings(&both("801", "871831003")));
    assert!(has_disjoint_codings(&both("03", "28441000087100")));
    assert_eq!(diseases(&both("94", "871831003")), known(&[MEASLES, MUMPS, RUBELLA, VARICELLA]));
}

#[test]
fn passive_agents_are_marked() {
    for code in
        ["9542007", "333711001", "58321000087103", "7951000087102", "19431000087108", "61231000087107"]
    {
        assert!(vaccine(SNOMED, code).unwrap().is_passive, "{code}");
    }
    for code in ["30", "306", "307", "332", "27"] {
        assert!(is_passive(&json!({"coding": [{"system": CVX, "code": code}]})), "{code}");
    }
    for code in ["305", "304", "03"] {
        assert!(!is_passive(&json!({"coding": [{"system": CVX, "code": code}]})), "{code}");
    }
    let passive = tables::NVC.iter().filter(|vaccine| vaccine.is_passive);
    assert_eq!(passive.filter(|vaccine| vaccine.en.contains("accine ")).count(), 0);
}

#[test]
fn antigens_are_no_products() {
    assert_eq!(vaccine(SNOMED, "120997001").unwrap().kind, Kind::Substance);
    assert_eq!(tables::NVC.iter().filter(|vaccine| vaccine.kind == Kind::Tradename).count(), 207);
}

#[test]
fn a_combination_belongs_to_several_groups() {
    assert_eq!(cvx_groups("94"), ["MMR", "VARICELLA"]);
    assert_eq!(cvx_groups("3"), ["MMR"]);
    assert!(cvx_groups("998").is_empty() && cvx_groups("nothing").is_empty());
}
