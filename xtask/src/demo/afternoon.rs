//! An operator's afternoon: a peer away and back, a certificate revoked and renewed.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::peer::{LaneState, PeerView};
use local_stack::{ProvinceService, ServiceProcess, start_service};
use mtls::{Credentials, Purpose, TlsFiles};

use super::people::Person;
use super::{FROM, TO, World};
use crate::say;

/// How long anything of the afternoon may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// The peer is away: its lane is parked. It is back: everything arrives.
pub async fn peer_away(world: &World, people: &[Person]) -> Result<()> {
    let name = format!("{}-inbound-transfer", TO.to_lowercase());
    let inbound =
        ServiceProcess::find(world.stack.layout(), &name).context("inbound-transfer does not run")?;
    inbound.terminate(Duration::from_secs(30)).await?;
    say(&format!("   {TO}'s inbound-transfer is stopped"));
    let wave = world.out.request_all(people, TO).await?;
    let parked = until_lane(world, LaneState::Parked).await?;
    say_lane(&parked);
    let waiting = until(world, "everybody to be parked", |peer| peer.parked == wave.len() as u64).await?;
    let attempts = world.out.attempts(&wave).await?;
    let probes = waiting.failures;
    let later = until(world, "two probes", |peer| peer.failures >= probes + 2).await?;
    say_lane(&later);
    ensure!(world.out.attempts(&wave).await? == attempts, "parked time has cost attempts");
    say("   none of them has lost an attempt meanwhile");
    start_service(&world.stack, TO, ProvinceService::Inbound, &world.binaries).await?.leave_running();
    say(&format!("   {TO}'s inbound-transfer is back; the next probe opens the lane"));
    world.out.follow(&wave).await?;
    say_lane(&until_lane(world, LaneState::Open).await?);
    Ok(())
}

/// A certificate is revoked: the next request is refused and the lane parked. It is renewed: everything arrives.
pub async fn certificate_revoked(world: &World, people: &[Person]) -> Result<()> {
    let serial = serial(world)?;
    let revoked = world.stack.authority()?.crl(&[serial.as_str()])?;
    let files = world.stack.certificate(FROM, "outbound-transfer")?;
    std::fs::write(&files.crl, revoked).context("writing the list of revoked certificates")?;
    say(&format!("   the certificate of {FROM}'s outbound-transfer is revoked; its connections are open"));
    let log = world.stack.layout().log(&format!("{}-inbound-transfer", TO.to_lowercase()));
    let before = std::fs::read_to_string(&log)?.len();
    // Until both have read the files again, a transfer may still get through.
    let mut people = people.iter();
    let mut wave = Vec::new();
    let started = Instant::now();
    let parked = loop {
        let peer = world.out.peer(TO).await?;
        if peer.lane == LaneState::Parked {
            break peer;
        }
        ensure!(started.elapsed() < PATIENCE, "the revocation has no effect");
        if let Some(person) = people.next() {
            wave.push(world.out.request(&person.id, TO).await?);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    say_lane(&parked);
    let log = std::fs::read_to_string(&log)?;
    let refused = log[before..].lines().any(|line| line.contains("\"reason\":\"revoked\""));
    ensure!(refused, "{TO}'s log does not name the reason");
    say(&format!("   {TO}'s log gives the reason of the refusal: revoked"));
    renew(world)?;
    say(&format!("   {FROM}'s certificate is renewed; nothing is restarted"));
    world.out.follow(&wave).await?;
    say_lane(&until_lane(world, LaneState::Open).await?);
    Ok(())
}

/// Returns the serial number of the certificate that Ontario's outbound-transfer shows.
fn serial(world: &World) -> Result<String> {
    let files = world.stack.certificate(FROM, "outbound-transfer")?;
    let (certificate, key, roots) = (files.certificate, files.key, files.roots);
    let credentials = Credentials::load(&TlsFiles { certificate, key, roots, crl: None })?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let identity = credentials.verify_chain(&credentials.chain_der(), now, Purpose::Client)?;
    Ok(identity.serial_hex)
}

/// Gives Ontario's outbound-transfer a new certificate.
fn renew(world: &World) -> Result<()> {
    let files = world.stack.certificate(FROM, "outbound-transfer")?;
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let leaf = world.stack.authority()?.issue(&files.spiffe_id, &["localhost"], &[localhost])?;
    Ok(leaf.write(&files.certificate, &files.key)?)
}

async fn until_lane(world: &World, lane: LaneState) -> Result<PeerView> {
    until(world, lane.as_str(), |peer| peer.lane == lane).await
}

async fn until(world: &World, what: &str, is_so: impl Fn(&PeerView) -> bool) -> Result<PeerView> {
    let started = Instant::now();
    loop {
        let peer = world.out.peer(TO).await?;
        if is_so(&peer) {
            return Ok(peer);
        }
        ensure!(started.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn say_lane(peer: &PeerView) {
    let why = peer.last_problem.as_ref().map_or(String::new(), |problem| {
        format!(" after {} failures in a row ({})", peer.failures, problem.code)
    });
    say(&format!(
        "   the lane to {} is {}{why}: {} transfers wait in it",
        peer.code,
        peer.lane.as_str(),
        peer.parked
    ));
}
