//! From a province's records to its protected table.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_client::double::FhirDouble;
use fhir_client::double::serve::DoubleServer;
use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::world::Change;
use test_kit::{World, eventually};

mod breaks;
mod clocks;
mod counting;
mod dashboard;
mod federation;
mod publishing;
mod releases;
mod replicas;
mod storm;

/// A cell without its number: year, age, sex, vaccine, dose.
type Cell = (Option<i32>, String, String, String, String);

/// A world with the aggregator of one province over a FHIR double of its own.
pub(super) struct Alone {
    pub(super) world: World,
    pub(super) double: FhirDouble,
    pub(super) facts: PgPool,
    pub(super) server: DoubleServer,
}

impl Alone {
    /// Starts the aggregator of a province; the double holds these resources.
    pub(super) async fn with(name: &str, province: &str, resources: &[Value]) -> Self {
        let double = FhirDouble::default();
        for some in resources.chunks(500) {
            double.put_all(some).expect("the double takes them");
        }
        Self::over(name, province, double).await
    }

    /// Starts the aggregator of a province over this double.
    async fn over(name: &str, province: &str, double: FhirDouble) -> Self {
        Self::changed(name, province, double, &|_| {}).await
    }

    /// Starts an aggregator that looks back as far as it does in service.
    async fn with_clock_margin(name: &str, double: FhirDouble) -> Self {
        Self::changed(name, "ON", double, &|config| config["collect"]["overlap_seconds"] = json!(600)).await
    }

    async fn changed(name: &str, province: &str, double: FhirDouble, change: Change<'_>) -> Self {
        let server = DoubleServer::start(double.clone(), 0, Duration::ZERO).await.expect("a server");
        let base = server.base().to_owned();
        let world = World::with(name, &[(province, Aggregator)], &|config| {
            follow(config, &base);
            change(config);
        })
        .await;
        let facts = world.database(province, Aggregator).await;
        Self { world, double, facts, server }
    }

    /// Where the double is.
    fn base(&self) -> &str {
        self.server.base()
    }

    /// Waits until so many records are in the facts.
    pub(super) async fn has_read(&self, records: usize) {
        let wanted = i64::try_from(records).unwrap();
        eventually("the records to be read", async || {
            let read = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM fact WHERE place IS NOT NULL");
            let is_whole = "SELECT count(*) = 2 FROM followed WHERE checked_at IS NOT NULL";
            let is_whole: bool = sqlx::query_scalar(is_whole).fetch_one(&self.facts).await.unwrap();
            (is_whole && read.fetch_one(&self.facts).await.unwrap() == wanted).then_some(())
        })
        .await;
    }
}

/// Lets an aggregator follow another server, at once.
pub(super) fn follow(config: &mut Value, base: &str) {
    config["fhir"]["base_url"] = json!(base);
    config["collect"] = json!({"every_seconds": 1, "grace_seconds": 0, "overlap_seconds": 60});
}

/// What the facts add up to, before any protection.
async fn cells(facts: &PgPool) -> BTreeMap<Cell, i64> {
    let rows: Vec<(Option<i32>, String, String, String, String, i64)> = sqlx::query_as(
        "SELECT year, age, sex, p.vaccine, p.dose, count(*) FROM fact JOIN place p ON p.id = fact.place
        WHERE p.reason IS NULL GROUP BY 1, 2, 3, 4, 5",
    )
    .fetch_all(facts)
    .await
    .unwrap();
    rows.into_iter().map(|(year, age, sex, vaccine, dose, n)| ((year, age, sex, vaccine, dose), n)).collect()
}

/// How many records are excluded, by reason.
async fn excluded(facts: &PgPool) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT p.reason, count(*) FROM fact JOIN place p ON p.id = fact.place
        WHERE p.reason IS NOT NULL GROUP BY 1",
    )
    .fetch_all(facts)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// A person with a dose, as a clinic records it.
pub(super) fn recorded(number: usize, born: &str, given: &str) -> Vec<Value> {
    let patient =
        json!({"resourceType": "Patient", "id": format!("p{number}"), "birthDate": born, "gender": "female"});
    vec![patient, dose(&format!("d{number}"), number, given)]
}

fn dose(id: &str, person: usize, given: &str) -> Value {
    json!({
        "resourceType": "Immunization", "id": id, "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://snomed.info/sct", "code": "871831003"}]},
        "patient": {"reference": format!("Patient/p{person}")}, "occurrenceDateTime": given, "primarySource": true,
        "protocolApplied": [{"doseNumberPositiveInt": 1}],
    })
}
