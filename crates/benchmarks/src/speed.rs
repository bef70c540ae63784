//! How many requests the FHIR double answers in process, so that a simulation knows what it can afford.

use std::time::{Duration, Instant};

use anyhow::Result;
use fhir_client::double::FhirDouble;
use fhir_client::{FhirServer, FhirServerOptions};

use crate::people::Person;
use crate::report::{Table, per_second, say};

/// People that are there.
const PEOPLE: usize = 5000;
/// How long each kind of request is asked.
const MEASURED: Duration = Duration::from_secs(2);

/// Measures and prints; one caller, so one core.
pub async fn run() -> Result<()> {
    let double = FhirDouble::default();
    let people: Vec<Person> = (0..PEOPLE).map(|n| Person::new(1, n)).collect();
    let begun = Instant::now();
    for person in &people {
        double.put_all(&person.record())?;
    }
    let written = per_second(PEOPLE, begun.elapsed());
    let fhir = FhirServer::over(double, FhirServerOptions::default());
    say(&format!("\n### The FHIR double in process, {PEOPLE} people, one caller\n"));
    let mut table = Table::new(&["request", "a second"]);
    table.row(&["a record of 8 to 20 resources written".to_owned(), format!("{written:.0}")]);
    for (name, parameter) in [("a patient by id", "_id"), ("a patient by identifier", "identifier")] {
        let begun = Instant::now();
        let mut asked = 0;
        while begun.elapsed() < MEASURED {
            let person = &people[asked % PEOPLE];
            let value = if parameter == "_id" { person.id() } else { person.number.clone() };
            anyhow::ensure!(
                fhir.search_few("Patient", &[(parameter, &value)], 2).await?.len() == 1,
                "not found"
            );
            asked += 1;
        }
        table.row(&[name.to_owned(), format!("{:.0}", per_second(asked, begun.elapsed()))]);
    }
    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < MEASURED {
        fhir.count("Immunization", &[("patient", &people[asked % PEOPLE].id())]).await?;
        asked += 1;
    }
    table.row(&[
        "a count of a patient's doses".to_owned(),
        format!("{:.0}", per_second(asked, begun.elapsed())),
    ]);
    table.print();
    Ok(())
}
