//! The national table: the first load of a province, a release of millions of facts, its readers, and a federator
//! with a province that hangs.

use anyhow::Result;
use clap::Args;
use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};
use test_kit::World;

use crate::double::DoubleProcess;
use crate::report::say;

mod federal;
mod fresh;
mod load;
mod readers;
mod release;

const ON: &str = "ON";

/// Options of `national`.
#[derive(Args)]
pub struct National {
    /// How many people a province has at first, with about twelve doses each.
    #[arg(long, default_value_t = 15_000)]
    people: usize,
    /// How many facts the release is made of.
    #[arg(long, default_value_t = 5_000_000)]
    facts: i64,
    /// How often each part is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only the first load, from the stack's real FHIR server.
    #[arg(long)]
    real: bool,
    /// Only how long so many changes take from the stack's real FHIR server into the facts.
    #[arg(long)]
    fresh: Option<usize>,
    /// Only these parts: load, release, readers, federal.
    #[arg(long)]
    only: Vec<String>,
}

impl National {
    /// Measures and prints.
    pub async fn run(self) -> Result<()> {
        if let Some(changes) = self.fresh {
            return fresh::run(changes).await;
        }
        if self.real {
            let world = World::prepared("load", &[]).await;
            say("\n### First load of a province, real FHIR server\n");
            return load::run(&world.stack().fhir_url(ON)?, None, self.rounds).await;
        }
        let is_wanted = |part: &str| self.only.is_empty() || self.only.iter().any(|wanted| wanted == part);
        if is_wanted("load") {
            let double = DoubleProcess::start("FHIR double", 0, self.people).await?;
            say(&format!("\n### First load of a province, {} people, FHIR double\n", self.people));
            load::run(&double.base, Some(&double), self.rounds).await?;
        }
        if is_wanted("readers") || is_wanted("federal") {
            let release = readers::run(self.rounds).await?;
            if is_wanted("federal") {
                federal::run(&release, self.rounds).await?;
            }
        }
        if is_wanted("release") {
            release::run(self.facts, self.rounds).await?;
        }
        Ok(())
    }
}

/// Lets an aggregator follow a server at once, and publish on a word only.
fn follow(config: &mut Value, base: &str) {
    config["fhir"]["base_url"] = json!(base);
    config["collect"] = json!({"every_seconds": 1, "grace_seconds": 0, "overlap_seconds": 60});
    config["release"] = json!({"every_hours": 0});
}

/// Prepares a world with one aggregator, not started.
async fn alone(name: &str) -> World {
    World::prepared(name, &[(ON, Aggregator)]).await
}
