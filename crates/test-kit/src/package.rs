//! Packages as a sending province makes them, to be broken or sent by hand.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Jurisdiction, TransferId};
use fhir::OriginRecord;
use outbound_transfer::package::{self, Purpose};
use outbound_transfer::record::Record;
use serde_json::Value;

use crate::Person;

/// Makes the package of a person's record in a province, as its outbound-transfer seals it.
///
/// # Panics
/// When the code is none, or a resource of the person has no id.
pub fn package_of(person: &Person, province: &str, id: TransferId) -> Value {
    let key = |resource: &Value| {
        let text = |name: &str| resource[name].as_str().expect("type and id of a resource").to_owned();
        (text("resourceType"), text("id"))
    };
    let resources: BTreeMap<_, _> =
        person.resources.iter().map(|resource| (key(resource), resource.clone())).collect();
    let record = Record {
        patient: person.patient.clone(),
        merged: BTreeSet::new(),
        resources,
        arrivals: BTreeSet::new(),
    };
    let here = Jurisdiction::parse(province).expect("a jurisdiction");
    let purpose = Purpose {
        here: &here,
        id,
        destination_identifier: None,
        sealed_at: "2026-01-02T03:04:05Z".parse().expect("a time"),
    };
    serde_json::from_slice(&package::build(&record, purpose).bytes).expect("a package is JSON")
}

/// Returns the id that a copy of this province's record has everywhere else.
///
/// # Panics
/// When the code is none.
pub fn copy_id(province: &str, resource_type: &str, id: &str) -> String {
    OriginRecord::new(&Jurisdiction::parse(province).expect("a jurisdiction"), resource_type, id).copy_id()
}
