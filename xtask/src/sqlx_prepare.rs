//! `sqlx-prepare`: writes down what the compiler needs to know of each query, so that builds need no database.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use local_stack::Stack;

use crate::{StateFolder, repository, say};

/// The crates with SQL, and whose migrations their queries meet.
const CRATES: [(&str, &[&str]); 4] = [
    ("audit", &["audit"]),
    ("outbound-transfer", &["audit", "outbound-transfer"]),
    ("inbound-transfer", &["audit", "inbound-transfer"]),
    ("aggregator", &["audit", "aggregator"]),
];

/// Options of `sqlx-prepare`.
#[derive(Args)]
pub struct SqlxPrepare {
    #[command(flatten)]
    state: StateFolder,
    /// Only these crates; all by default.
    crates: Vec<String>,
}

impl SqlxPrepare {
    /// Checks each crate against a fresh database of the running stack and keeps what sqlx writes.
    pub async fn run(self) -> Result<()> {
        let stack =
            Stack::attach(&self.state.layout()).context("start one first: cargo xtask up --no-fhir")?;
        for (name, schema) in CRATES {
            if !self.crates.is_empty() && !self.crates.iter().any(|wanted| wanted == name) {
                continue;
            }
            // A database of this run's own: another one may be at work beside it.
            let database = format!("prepare_{}_{}", name.replace('-', "_"), std::process::id());
            let urls = stack.postgres().create_database(&database).await?;
            let pool = sqlx::PgPool::connect(&urls.owner_url).await?;
            for owner in schema {
                let folder = repository().join("crates").join(owner).join("migrations");
                let mut migrator = sqlx::migrate::Migrator::new(folder.as_path()).await?;
                migrator.set_ignore_missing(true);
                migrator.run(&pool).await?;
            }
            pool.close().await;
            check(name, &urls.owner_url)?;
            stack.postgres().drop_database(&database).await?;
            say(&format!("{name}: .sqlx written"));
        }
        Ok(())
    }
}

fn check(name: &str, url: &str) -> Result<()> {
    let folder = repository().join("crates").join(name);
    let offline = folder.join(".sqlx");
    if offline.exists() {
        fs::remove_dir_all(&offline)?;
    }
    fs::create_dir_all(&offline)?;
    // Whatever it depends on is compiled before, and does not write its queries here.
    if name != "audit" {
        let mut before = Command::new("cargo");
        before.args(["check", "--quiet", "--package", "audit"]).env_remove("DATABASE_URL");
        ensure!(before.current_dir(repository()).status()?.success(), "audit does not compile");
    }
    touch(&folder.join("src/lib.rs"))?;
    let status = Command::new("cargo")
        .args(["check", "--quiet", "--package", name])
        .env("DATABASE_URL", url)
        .env("SQLX_OFFLINE_DIR", &offline)
        .current_dir(repository())
        .status()?;
    ensure!(status.success(), "{name} does not compile against its schema");
    Ok(())
}

/// Makes cargo look at the crate again.
fn touch(path: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().append(true).open(path)?;
    file.set_modified(std::time::SystemTime::now())?;
    Ok(())
}
