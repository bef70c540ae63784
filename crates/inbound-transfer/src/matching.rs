//! Who is this person here? By origin record, then by identifiers with the birth date, never by name alone.

use std::collections::BTreeMap;

use contracts::{Issue, ProblemCode};
use domain::Jurisdiction;
use fhir::IssueCode;
use fhir::identifiers::{matching_numbers, normalise_system, normalise_value, spellings};
use fhir::origin::{ORIGIN_SYSTEM, OriginRecord, copied_from, is_copy};
use fhir::references::linked_patients;
use fhir_client::{FhirServer, Found};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::refusal::Refusal;
use crate::store::{MatchKey, ReceivedRecord};
use crate::unit::Unit;

/// Merges of merges that are followed.
const MAX_HOPS: usize = 10;
/// People of one birth date and family name that are compared.
const MAX_NAMESAKES: usize = 200;

/// Returns the keys under which packages about the same person exclude each other.
pub fn match_keys(unit: &Unit) -> Vec<MatchKey> {
    let patient = &unit.patient.resource;
    let mut keys: Vec<_> =
        unit.patient.origins.iter().map(|origin| MatchKey::new("origin", &origin.to_string())).collect();
    keys.extend(
        numbers(unit).iter().map(|(system, value)| MatchKey::new("number", &format!("{system}|{value}"))),
    );
    for name in names(patient) {
        let birth_date = birth_date(patient).unwrap_or_default();
        keys.push(MatchKey::new("name", &format!("{birth_date}|{}|{}", name.family, name.given)));
    }
    keys
}

/// Finds the person, `None` for a new one.
///
/// # Errors
/// Content refused: `origin-not-proven`, `multiple-matches`, `probable-match`, `deleted-here`.
pub async fn find(
    fhir: &FhirServer,
    unit: &Unit,
    here: &Jurisdiction,
    received: &BTreeMap<String, ReceivedRecord>,
) -> Result<Option<Value>, Refusal> {
    let patient = &unit.patient.resource;
    let mut candidates = BTreeMap::new();
    for origin in &unit.patient.origins {
        for candidate in by_origin(fhir, unit, origin, here, received).await? {
            add(fhir, &mut candidates, candidate).await?;
        }
    }
    for number in numbers(unit) {
        for found in by_number(fhir, &number).await? {
            let candidate = live(fhir, found.clone()).await?;
            let is_selected = candidates.contains_key(id(&candidate));
            // A record that was merged into another may have had the birth date that is known elsewhere.
            let same_birth_date = birth_date(patient)
                .is_some_and(|ours| [&found, &candidate].iter().any(|there| birth_date(there) == Some(ours)));
            if !is_selected && !same_birth_date {
                return Err(multiple("a number of this person is recorded here with another birth date"));
            }
            add(fhir, &mut candidates, candidate).await?;
        }
    }
    if candidates.len() > 1 {
        return Err(multiple("more than one person here fits"));
    }
    if let Some((_, found)) = candidates.pop_first() {
        return Ok(Some(found));
    }
    refuse_namesakes(fhir, patient).await?;
    Ok(None)
}

/// Finds whoever has a number in use, however it was spelled when it was stored.
async fn by_number(fhir: &FhirServer, number: &(String, String)) -> Result<Vec<Value>, Refusal> {
    let spellings = spellings(&number.0, &number.1);
    let tokens: Vec<String> = spellings.iter().map(|(system, value)| token(system, value)).collect();
    let mut found = fhir.search_few("Patient", &[("identifier", &tokens.join(","))], 20).await?;
    found.retain(|candidate| has_in_use(candidate, number));
    Ok(found)
}

fn has_in_use(patient: &Value, number: &(String, String)) -> bool {
    let identifiers = patient.get("identifier").and_then(Value::as_array);
    identifiers.into_iter().flatten().any(|identifier| {
        let text = |name| identifier.get(name).and_then(Value::as_str).unwrap_or_default();
        let (system, value) = (text("system"), text("value"));
        text("use") != "old"
            && normalise_system(system) == number.0
            && normalise_value(system, value) == number.1
    })
}

/// Writes a token of a search (R4 §3.1.1.4.3): what separates tokens is escaped.
fn token(system: &str, value: &str) -> String {
    format!("{}|{}", escaped(system), escaped(value))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

async fn add(
    fhir: &FhirServer,
    candidates: &mut BTreeMap<String, Value>,
    candidate: Value,
) -> Result<(), Refusal> {
    let candidate = live(fhir, candidate).await?;
    candidates.insert(id(&candidate).to_owned(), candidate);
    Ok(())
}

async fn by_origin(
    fhir: &FhirServer,
    unit: &Unit,
    origin: &OriginRecord,
    here: &Jurisdiction,
    received: &BTreeMap<String, ReceivedRecord>,
) -> Result<Vec<Value>, Refusal> {
    let patient = &unit.patient.resource;
    if origin.jurisdiction == *here {
        return match fhir.read("Patient", &origin.id).await? {
            Found::Present(own) if proves_same_person(patient, &own) => Ok(vec![own]),
            Found::Deleted => Err(deleted()),
            Found::Present(_) | Found::Absent => Err(origin_not_proven()),
        };
    }
    let mut selected = Vec::new();
    let token = token(ORIGIN_SYSTEM, &origin.to_string());
    for candidate in fhir.search_few("Patient", &[("identifier", &token)], 10).await? {
        let speaks_for_itself = origin.jurisdiction == unit.sender;
        let is_original = !is_copy(&candidate, here);
        if is_original && !speaks_for_itself {
            continue; // what one province says of another's record never selects a record of ours
        }
        let received_from_owner = copied_from(&candidate, here)
            .and_then(|copied| received.get(&copied.to_string()))
            .is_some_and(|known| known.sender == origin.jurisdiction);
        let is_trusted = speaks_for_itself && (is_original || received_from_owner);
        if !is_trusted && !is_likely_same(patient, &candidate) {
            return Err(multiple("the record that this origin names here is not clearly the same person"));
        }
        selected.push(candidate);
    }
    let was_received = received.contains_key(&origin.to_string());
    if selected.is_empty() && was_received && unit.patient.origin.as_ref() == Some(origin) {
        return Err(deleted());
    }
    Ok(selected)
}

/// What a third province says of another's record needs more: the birth date, and a number or a name in common.
fn is_likely_same(arriving: &Value, candidate: &Value) -> bool {
    let numbers = matching_numbers(candidate);
    let shares_number = matching_numbers(arriving).iter().any(|number| numbers.contains(number));
    let names_here = names(candidate);
    let shares_name = names(arriving).iter().any(|name| names_here.contains(name));
    birth_date(arriving).is_some()
        && birth_date(arriving) == birth_date(candidate)
        && (shares_number || shares_name)
}

/// Tells whether a patient that is said to be ours is: same birth date, and one identifier in common.
fn proves_same_person(arriving: &Value, own: &Value) -> bool {
    let identifiers = |patient: &Value| -> Vec<(String, String)> {
        let list = patient.get("identifier").and_then(Value::as_array);
        let pair = |identifier: &Value| {
            let system = normalise_system(identifier.get("system")?.as_str()?);
            let value = identifier.get("value")?.as_str()?.to_owned();
            (system != ORIGIN_SYSTEM).then_some((system, value))
        };
        list.into_iter().flatten().filter_map(pair).collect()
    };
    let ours = identifiers(own);
    birth_date(arriving).is_some()
        && birth_date(arriving) == birth_date(own)
        && identifiers(arriving).iter().any(|identifier| ours.contains(identifier))
}

/// Follows `replaced-by` to the record that is in use.
async fn live(fhir: &FhirServer, mut patient: Value) -> Result<Value, Refusal> {
    for _ in 0..MAX_HOPS {
        let next = linked_patients(&patient, "replaced-by").next().map(str::to_owned);
        let Some(next) = next else { return Ok(patient) };
        match fhir.read("Patient", &next).await? {
            Found::Present(resource) => patient = resource,
            Found::Absent | Found::Deleted => return Err(deleted()),
        }
    }
    Err(multiple("the records found here replace each other in a circle"))
}

/// Without any shared number, a person of the same name and birth date is too likely the same to make a second
/// record, and too uncertain to add to the first.
async fn refuse_namesakes(fhir: &FhirServer, patient: &Value) -> Result<(), Refusal> {
    let Some(birth_date) = birth_date(patient) else { return Ok(()) };
    let ours = names(patient);
    for name in &ours {
        let escaped = escaped(&name.family_as_written);
        let criteria = [("birthdate", birth_date), ("family", escaped.as_str())];
        let found = fhir.search_few("Patient", &criteria, MAX_NAMESAKES).await?;
        let is_namesake =
            |other: &Value| self::birth_date(other) == Some(birth_date) && names(other).contains(name);
        if found.iter().any(is_namesake) {
            let text = "a person of the same name and birth date is recorded here without a number in common";
            let issue = Issue::error(IssueCode::MultipleMatches, "Patient", text);
            return Err(Refusal::content(ProblemCode::ProbableMatch, issue));
        }
    }
    Ok(())
}

/// A name as it is compared: without case, accents and outer blanks.
#[derive(Debug, Clone)]
struct Name {
    family: String,
    given: String,
    family_as_written: String,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.family == other.family && self.given == other.given
    }
}

fn names(patient: &Value) -> Vec<Name> {
    let list = patient.get("name").and_then(Value::as_array);
    let read = |name: &Value| {
        let family = name.get("family")?.as_str()?;
        let given = name.pointer("/given/0")?.as_str()?;
        Some(Name { family: folded(family), given: folded(given), family_as_written: family.to_owned() })
    };
    list.into_iter().flatten().filter_map(read).collect()
}

fn folded(text: &str) -> String {
    text.trim().nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

fn numbers(unit: &Unit) -> Vec<(String, String)> {
    let mut numbers: Vec<(String, String)> = unit.destination_identifier.iter().cloned().collect();
    for number in matching_numbers(&unit.patient.resource) {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

fn birth_date(patient: &Value) -> Option<&str> {
    patient.get("birthDate")?.as_str()
}

fn id(patient: &Value) -> &str {
    patient.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn multiple(text: &str) -> Refusal {
    Refusal::content(ProblemCode::MultipleMatches, Issue::error(IssueCode::MultipleMatches, "Patient", text))
}

fn origin_not_proven() -> Refusal {
    let text = "the origin record names a patient of ours that does not exist or is another person";
    Refusal::content(
        ProblemCode::OriginNotProven,
        Issue::error(IssueCode::Forbidden, "Patient.identifier", text),
    )
}

fn deleted() -> Refusal {
    let text = "this patient was here and has been deleted";
    Refusal::content(ProblemCode::DeletedHere, Issue::error(IssueCode::Conflict, "Patient", text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_compared_without_case_and_accents() {
        let a = json!({"name": [{"family": "Bélanger ", "given": ["Zoé"]}]});
        let b = json!({"name": [{"family": "BELANGER", "given": ["zoe", "M"]}]});
        assert_eq!(names(&a), names(&b));
        let c = json!({"name": [{"family": "Bélanger", "given": ["Léo"]}]});
        assert_ne!(names(&a), names(&c));
    }

    #[test]
    fn an_original_is_proven_by_birth_date_and_one_identifier() {
        let own = json!({"birthDate": "1990-01-01", "identifier": [{"system": "s", "value": "1"}]});
        let proof = |birth: &str, value: &str| {
            proves_same_person(
                &json!({"birthDate": birth, "identifier": [{"system": "s", "value": value}]}),
                &own,
            )
        };
        assert!(proof("1990-01-01", "1"));
        assert!(!proof("1990-01-02", "1"));
        assert!(!proof("1990-01-01", "2"));
        let only_origin = json!({"birthDate": "1990-01-01",
            "identifier": [{"system": ORIGIN_SYSTEM, "value": "ON/Patient/1"}]});
        assert!(!proves_same_person(&only_origin, &only_origin));
    }
}
