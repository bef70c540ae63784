//! Transfers between two real FHIR servers, beside a script that makes the same FHIR calls and nothing else.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use fhir_client::{FhirServer, FhirServerOptions};

use crate::pair::{Pair, Setup};
use crate::people::{self, Person};
use crate::report::{Table, per_second, say};
use crate::transfers::record;

/// Options of `real`.
#[derive(Args)]
pub struct Real {
    /// How many people move in each round.
    #[arg(long, default_value_t = 150)]
    people: usize,
    /// How often services and script take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many transfers run at once.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
}

impl Real {
    /// Measures and prints.
    pub async fn run(self) -> Result<()> {
        let run = std::process::id();
        let script = record(run).await?;
        let (origin, destination) = bases()?;
        let bases = (origin.as_str(), destination.as_str());
        let setup = Setup { origin: bases.0, destination: bases.1, concurrency: Some(self.concurrency) };
        let pair = Pair::start(setup).await?;
        let fhir = FhirServer::new(bases.0, FhirServerOptions::default())?;
        let (mut by_services, mut by_script) = (Duration::ZERO, Duration::ZERO);
        // The first round warms both up and is not counted.
        for round in 0..=self.rounds {
            let part = |half: u32| -> Vec<(usize, Person)> {
                let run = run.wrapping_add(u32::try_from(round).unwrap_or_default() * 2 + half);
                (0..self.people).map(|n| (n, Person::new(run, n))).collect()
            };
            let (mine, theirs) = (part(0), part(1));
            let people =
                |part: &[(usize, Person)]| part.iter().map(|(_, person)| person.clone()).collect::<Vec<_>>();
            people::upload(&fhir, &people(&mine)).await;
            people::upload(&fhir, &people(&theirs)).await;
            let services = pair.transfer(&people(&mine)).await?.took;
            let script = script.run(bases, &theirs, self.concurrency).await?;
            if round > 0 {
                by_services += services;
                by_script += script;
            }
        }
        pair.stop().await;
        let count = self.people * self.rounds;
        let (services, script) = (per_second(count, by_services), per_second(count, by_script));
        say(&format!(
            "\n### Real FHIR servers: {} rounds of {} people in turn, {} at once\n",
            self.rounds, self.people, self.concurrency
        ));
        let mut table = Table::new(&["what", "transfers/s"]);
        table.row(&["transfers, completed and closed".to_owned(), format!("{services:.1}")]);
        table.row(&["a script that makes the same FHIR calls".to_owned(), format!("{script:.1}")]);
        table.print();
        say(&format!(
            "\nThe services are {:.0} % slower than the script.",
            (1.0 - services / script) * 100.0
        ));
        Ok(())
    }
}

/// The FHIR servers of Ontario and British Columbia: those of the stack, or those that the environment names.
fn bases() -> Result<(String, String)> {
    let folder = std::env::var_os("IIDI_TEST_STACK").context("IIDI_TEST_STACK names no stack")?;
    let stack = local_stack::Stack::attach(&local_stack::Layout::at(std::path::PathBuf::from(folder)))?;
    Ok((stack.fhir_url("ON")?, stack.fhir_url("BC")?))
}
