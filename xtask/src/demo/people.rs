//! Who lives in a province: made by the synthesizer, read from the FHIR server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use domain::Jurisdiction;
use fhir::OriginRecord;
use fhir::canonical::is_closed;
use fhir::origin::{copied_from, origins};
use fhir_client::FhirServer;
use serde_json::Value;

use crate::{repository, say};

/// The day that the synthetic people are seen from, so that the same seed gives the same people.
const AS_OF: &str = "2026-11-01";

/// A person of a province.
pub struct Person {
    /// The Patient's id there.
    pub id: String,
    /// The origin record, wherever the person goes.
    pub origin: OriginRecord,
}

/// Returns everyone who has an open record in a province.
pub async fn active(fhir: &FhirServer, province: &str) -> Result<Vec<Person>> {
    let here = Jurisdiction::parse(province)?;
    let mut people = Vec::new();
    for patient in fhir.search("Patient", &[]).await? {
        if is_closed(&patient) {
            continue;
        }
        let id = patient.get("id").and_then(Value::as_str).context("a patient without id")?.to_owned();
        let own = OriginRecord::new(&here, "Patient", &id);
        let origin = copied_from(&patient, &here).unwrap_or(own);
        people.push(Person { id, origin });
    }
    people.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(people)
}

/// Tells whether a Patient carries an origin record.
pub fn has_origin(patient: &Value, origin: &OriginRecord) -> bool {
    origins(patient).contains(origin)
}

/// The synthesizer, in a Python environment of its own.
pub struct Synthesizer {
    environment: PathBuf,
}

impl Synthesizer {
    /// Uses the environment in this folder.
    pub fn new(environment: PathBuf) -> Self {
        Self { environment }
    }

    /// Makes the environment, unless it has what the requirements say.
    pub fn prepare(&self) -> Result<()> {
        let wanted = std::fs::read_to_string(folder().join("requirements.txt"))?;
        let stamp = self.environment.join("requirements.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        say("   preparing the synthesizer's Python environment");
        run(Command::new("python3").args(["-m", "venv"]).arg(&self.environment))?;
        let pip = self.environment.join("bin/pip");
        let requirements = folder().join("requirements.txt");
        run(Command::new(pip)
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements))?;
        std::fs::write(stamp, wanted)?;
        Ok(())
    }

    /// Makes people of Ontario and sends them to a FHIR server.
    pub fn upload(&self, people: usize, seed: u64, fhir: &str) -> Result<()> {
        self.upload_to("ON", people, seed, fhir)
    }

    /// Makes people of a province and sends them to a FHIR server.
    pub fn upload_to(&self, province: &str, people: usize, seed: u64, fhir: &str) -> Result<()> {
        let (people, seed) = (people.to_string(), seed.to_string());
        let who = ["--pt", province, "--people", &people, "--seed", &seed, "--as-of", AS_OF];
        // Nobody has an origin record of a province whose server does not hold the original.
        let options = [&who[..], &["--moved-share", "0", "--fhir", fhir]].concat();
        self.run("upload", &options)
    }

    /// Sends a folder of NDJSON files to a FHIR server.
    pub fn load(&self, data: &Path, fhir: &str) -> Result<()> {
        let data = std::path::absolute(data)?;
        ensure!(data.is_dir(), "{} is no folder", data.display());
        self.run("load", &[&data.to_string_lossy(), "--fhir", fhir])
    }

    fn run(&self, command: &str, options: &[&str]) -> Result<()> {
        let python = self.environment.join("bin/python");
        run(Command::new(python)
            .args(["-m", "iidi_synthesizer", command])
            .args(options)
            .current_dir(folder()))
    }
}

fn folder() -> PathBuf {
    repository().join("synthesizer")
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}
