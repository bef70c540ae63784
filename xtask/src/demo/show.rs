//! What the demo shows: read from the two FHIR servers, never from our own ledgers.

use anyhow::{Context, Result, ensure};
use domain::Jurisdiction;
use fhir::OriginRecord;
use fhir::canonical::closed_to;
use fhir::origin::copied_from;
use fhir_client::FhirServer;
use mtls::{Credentials, SpiffeId, TlsFiles};
use serde_json::Value;

use super::people::{Person, has_origin};
use super::{FROM, TO, World};
use crate::say;

const SHOWN: usize = 5;

/// Counts the people whom a FHIR server knows.
pub async fn people_at(fhir: &FhirServer) -> Result<u64> {
    Ok(fhir.count("Patient", &[]).await?)
}

/// Shows that each record of each person is at the destination, by the id that its copy has there.
pub async fn arrived(world: &World, people: &[Person], wave: &[String]) -> Result<()> {
    say(&format!(
        "   at {TO}'s FHIR server:   person                                immunizations  allergies"
    ));
    let mut totals = (0, 0);
    for (at, (person, id)) in people.iter().zip(wave).enumerate() {
        let there = at_destination(world, person, id).await?;
        let immunizations = copies(world, person, "Immunization").await?;
        let allergies = copies(world, person, "AllergyIntolerance").await?;
        ensure!(
            immunizations.0 == immunizations.1 && allergies.0 == allergies.1,
            "a record is not whole at {TO}"
        );
        let (found, sent) = ((immunizations.0, allergies.0), (immunizations.1, allergies.1));
        totals = (totals.0 + found.0, totals.1 + found.1);
        if at < SHOWN {
            say(&format!("     {:<58} {:>6} of {:<4} {:>4} of {}", there, found.0, sent.0, found.1, sent.1));
        }
    }
    if people.len() > SHOWN {
        say(&format!("     … and {} more", people.len() - SHOWN));
    }
    say(&format!(
        "   {} people are whole there: {} immunizations, {} allergies",
        people.len(),
        totals.0,
        totals.1
    ));
    Ok(())
}

/// Finds the person at the destination, by the id that the receipt names and the origin record that it carries.
async fn at_destination(world: &World, person: &Person, transfer: &str) -> Result<String> {
    let receipt = world.out.find(transfer).await?.receipt.context("a completed transfer without receipt")?;
    let id = receipt.patient.rsplit('/').next().unwrap_or_default().to_owned();
    let mut found = world.to_fhir.search_few("Patient", &[("_id", &id)], 2).await?;
    let patient =
        found.pop().with_context(|| format!("{TO} does not have the patient that its receipt names"))?;
    ensure!(has_origin(&patient, &person.origin), "the patient at {TO} does not carry its origin record");
    Ok(id)
}

/// Looks for the copy of each of a person's records at the destination; returns how many are there, and of how many.
async fn copies(world: &World, person: &Person, kind: &str) -> Result<(usize, usize)> {
    let here = Jurisdiction::parse(FROM)?;
    let sent = world.from_fhir.search(kind, &[("patient", &person.id)]).await?;
    let copy_id = |resource: &Value| {
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
        copied_from(resource, &here).unwrap_or_else(|| OriginRecord::new(&here, kind, id)).copy_id()
    };
    let ids: Vec<String> = sent.iter().map(copy_id).collect();
    Ok((world.to_fhir.read_many(&[(kind, ids)]).await?.len(), sent.len()))
}

async fn record(fhir: &FhirServer, patient: &str) -> Result<(u64, u64)> {
    let criteria = [("patient", patient)];
    Ok((fhir.count("Immunization", &criteria).await?, fhir.count("AllergyIntolerance", &criteria).await?))
}

/// Shows that the sources are closed and point to where the people now are.
pub async fn closed(world: &World, people: &[Person], wave: &[String]) -> Result<()> {
    let mut closed = 0;
    for (person, id) in people.iter().zip(wave) {
        let view = world.out.find(id).await?;
        let patient = patient(&world.from_fhir, &person.id).await?;
        let points_to = closed_to(&patient).map(|origin| origin.to_string());
        ensure!(
            points_to == view.receipt.map(|receipt| receipt.patient),
            "a source is not closed as it should be"
        );
        closed += 1;
    }
    say(&format!(
        "   at {FROM}'s FHIR server: {closed} of {} patients inactive, each pointing to its copy at {TO}",
        people.len()
    ));
    Ok(())
}

/// Verifies each receipt again, as an auditor would: chain, signer, digest.
pub async fn receipts(world: &World, wave: &[String]) -> Result<()> {
    let files = world.stack.certificate(FROM, "outbound-transfer")?;
    let tls =
        TlsFiles { certificate: files.certificate, key: files.key, roots: files.roots, crl: Some(files.crl) };
    let credentials = Credentials::load(&tls)?;
    let signer = SpiffeId::parse(&world.stack.certificate(TO, "inbound-transfer")?.spiffe_id)?;
    let now = u64::try_from(chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp())?;
    for id in wave {
        let view = world.out.find(id).await?;
        let jws = view.receipt_jws.context("no receipt")?;
        let receipt = auth::verify_receipt(&jws, &credentials, &signer, now)?;
        ensure!(Some(receipt.digest) == view.digest, "a receipt is about other bytes");
    }
    say(&format!("   {} receipts verified: signed by {signer}", wave.len()));
    Ok(())
}

/// Sends a person back to where they came from.
pub async fn round_trip(world: &World, person: &Person, transfer: &str) -> Result<()> {
    let before = record(&world.from_fhir, &person.id).await?;
    let people_before = people_at(&world.from_fhir).await?;
    let there = at_destination(world, person, transfer).await?;
    let back = world.back.request(&there, FROM).await?;
    world.back.follow(std::slice::from_ref(&back)).await?;
    let receipt = world.back.find(&back).await?.receipt.context("no receipt")?;
    let created: u64 = receipt.counts.values().map(|counts| counts.created).sum();
    let patient = patient(&world.from_fhir, &person.id).await?;
    let after = record(&world.from_fhir, &person.id).await?;
    ensure!(created == 0 && after == before, "the return has doubled something");
    ensure!(people_at(&world.from_fhir).await? == people_before, "the return has made a second patient");
    ensure!(patient.get("active").and_then(Value::as_bool) == Some(true), "the patient is not active again");
    ensure!(closed_to(&patient).is_none(), "the patient still points elsewhere");
    let here = Jurisdiction::parse(FROM)?;
    say(&format!(
        "   {here} recognised its own: nothing created, {} immunizations before and after, the patient active again",
        after.0
    ));
    Ok(())
}

async fn patient(fhir: &FhirServer, id: &str) -> Result<Value> {
    fhir.search_few("Patient", &[("_id", id)], 2).await?.pop().context("no such patient")
}
