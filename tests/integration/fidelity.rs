//! What arrives is what was sent: to the last digit, mark and blank.

use domain::SourceOutcome;
use fhir::OriginRecord;
use serde_json::{Value, json};
use test_kit::{Original, Person, World, copy_id, url_of, versions};

const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

fn narrative(text: &str) -> Value {
    json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>")})
}

/// A number with these very digits; one that is computed would lose its zeros.
fn number(digits: &str) -> Value {
    serde_json::from_str(digits).expect("a number")
}

fn translated(french: &str) -> Value {
    json!({"extension": [{"url": TRANSLATION, "extension": [
        {"url": "lang", "valueCode": "fr-CA"}, {"url": "content", "valueString": french}]}]})
}

/// A person whose record has much that a careless hand would lose.
fn intricate() -> Person {
    let mut person =
        Person::new().dose("2015-03", "03").dose("2016", "21").dose("2017-03-04T23:59:59.120-03:30", "62");
    person = person.dose("2018-01-01", "140").dose("2019-09-09", "115").allergy();
    person.patient["text"] =
        narrative("Zoé <b>Épreuve</b>, née à <i>Chicoutimi</i> &amp; vaccinée à l’école");
    person.patient["name"][0]["given"] = json!(["Zoé-Anaïs", "D’Arcy", "Nuna\u{1670}"]);
    person.patient["name"][0]["_given"] = json!([null, {"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier", "valueCode": "BR"}]}, null]);
    person.patient["extension"] = json!([{"url": "https://on.example/registry", "extension": [
        {"url": "score", "valueDecimal": number("12.500")},
        {"url": "tiny", "valueDecimal": number("0.000010")},
        {"url": "inner", "extension": [{"url": "deep", "valueQuantity": {"value": number("3.0"), "unit": "µg"}}]},
        {"url": "when", "valuePeriod": {"start": "2010", "end": "2010-12"}},
    ]}]);
    person.patient["meta"] = json!({
        "profile": ["https://on.example/StructureDefinition/patient"],
        "tag": [{"system": "https://on.example/tags", "code": "école", "display": "Programme de l’école"}],
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}],
    });
    person.patient["multipleBirthInteger"] = json!(2);
    person.patient["contained"] =
        json!([{"resourceType": "Organization", "id": "school", "name": "École Notre-Dame"}]);
    person.patient["generalPractitioner"] =
        json!([{"reference": "#school", "display": "Clinique de l’école"}]);

    let doses = &mut person.resources;
    doses[0]["text"] = narrative("Dose de <b>0,50\u{a0}mL</b><br/>bras gauche");
    doses[0]["doseQuantity"] =
        json!({"value": number("0.50"), "unit": "mL", "system": "http://unitsofmeasure.org", "code": "mL"});
    doses[0]["vaccineCode"] = json!({
        "coding": [
            {"system": "http://hl7.org/fhir/sid/cvx", "code": "03", "display": "MMR",
             "_display": translated("rougeole, oreillons, rubéole")},
            {"system": "https://on.example/vaccins", "code": "RRO-1", "userSelected": true},
        ],
        "text": "Vaccin RRO — M-M-R® II",
    });
    doses[0]["note"] = json!([
        {"text": "Première ligne\nDeuxième ligne\n\n  retrait, tabulation\tet fin", "time": "2015-03-04"},
        {"text": "Réaction légère 💉🙂 \u{1d11e} \u{0065}\u{0301}", "authorString": "Inf. Ève Gagné"},
    ]);
    doses[1]["contained"] = json!([{"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Gagné", "given": ["Ève"]}]}]);
    doses[1]["performer"] = json!([{"actor": {"reference": "#nurse", "display": "Ève Gagné, inf."}}]);
    doses[1]["protocolApplied"] = json!([{"series": "Série primaire", "doseNumberPositiveInt": 1,
        "seriesDosesString": "2 ou 3"}]);
    doses[1]["education"] =
        json!([{"reference": "https://on.example/feuillets/varicelle", "publicationDate": "2012-07"}]);
    doses[2]["extension"] = json!([{"url": "https://on.example/temperature", "valueQuantity": {
        "value": number("-2.10"), "comparator": "<", "unit": "°C"}}]);
    doses[2]["lotNumber"] = json!("É-0042/β");
    doses[2]["expirationDate"] = json!("2019-10");
    doses[2]["identifier"] = json!([{"system": "https://on.example/doses", "value": url_of(&doses[2]),
        "period": {"start": "2017"}}]);
    let silent = doses[3].as_object_mut().expect("a dose");
    silent.remove("occurrenceDateTime");
    silent.insert(
        "_occurrenceDateTime".into(),
        json!({"extension": [{"url": ABSENT, "valueCode": "asked-unknown"}]}),
    );
    let told = doses[4].as_object_mut().expect("a dose");
    told.remove("occurrenceDateTime");
    told.insert("occurrenceString".into(), json!("à l’automne, vers 2019"));
    told.insert("status".into(), json!("not-done"));
    told.insert("statusReason".into(), json!({"text": "refusé par le parent"}));
    doses[5]["onsetAge"] =
        json!({"value": number("4.0"), "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"});
    doses[5]["note"] = json!([{"text": "Œdème après « beurre d’arachide »"}]);
    person
}

#[tokio::test]
async fn nothing_but_the_documented_rewrites_tells_a_copy_from_its_original() {
    let world = World::shared().await;
    let person = intricate();
    person.upload(&world.fhir("ON")).await;
    let original = Original::of(world, "ON", &person).await;
    // The origin's own server has kept what the test is about.
    let dose = &original.resources[&url_of(&person.resources[0])];
    assert_eq!(dose["doseQuantity"]["value"].to_string(), "0.50");
    for (resource, elements) in [
        (&person.patient, &["extension", "name", "text", "contained"][..]),
        (&person.resources[0], &["vaccineCode", "note", "text", "occurrenceDateTime"]),
        (&person.resources[1], &["contained", "performer", "education", "protocolApplied"]),
        (&person.resources[2], &["extension", "occurrenceDateTime", "lotNumber", "identifier"]),
        (&person.resources[3], &["_occurrenceDateTime"]),
    ] {
        for &element in elements {
            let kept = &original.resources[&url_of(resource)];
            assert_eq!(kept[element], resource[element], "{element} at the origin");
        }
    }

    let transfer = world.outbound("ON").transfer(&person.id(), "BC").await;

    original.assert_copied(world, "BC").await;
    let receipt = transfer.receipt.unwrap();
    assert_eq!(receipt.counts["Immunization"].created, 5);
    assert_eq!(receipt.conflicts, []);
    // And a copy of the copy, in a third province, is the same but for where it stands.
    let there = OriginRecord::parse(&receipt.patient).unwrap().id;
    world.outbound("BC").transfer(&there, "QC").await;
    original.assert_copied(world, "QC").await;
}

#[tokio::test]
async fn a_record_that_comes_home_leaves_its_original_as_it_was() {
    let world = World::shared().await;
    let person = intricate();
    person.upload(&world.fhir("ON")).await;
    let before = Original::of(world, "ON", &person).await;
    world.outbound("ON").transfer(&person.id(), "BC").await;

    let there = copy_id("ON", "Patient", &person.id());
    let home = world.outbound("BC").transfer(&there, "ON").await;

    let receipt = home.receipt.unwrap();
    assert_eq!(receipt.conflicts, []);
    assert_eq!(receipt.counts["Immunization"].unchanged, 5);
    assert_eq!(home.source, Some(SourceOutcome::Closed));
    let after = Original::of(world, "ON", &person).await;
    for (url, resource) in &before.resources {
        let mut expected = resource.clone();
        if url.starts_with("Patient/") {
            expected["active"] = json!(true); // closed and opened again, which is all that has happened to it
            assert_eq!(versions(world, "ON", url).await, 3);
        } else {
            assert_eq!(versions(world, "ON", url).await, 1, "{url}");
        }
        assert_eq!(after.resources[url], expected);
    }
}
