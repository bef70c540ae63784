//! `demo`: two provinces with everything real; people move, one comes back, a service is killed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use fhir_client::{FhirServer, FhirServerOptions};
use local_stack::{ProvinceService, ServiceProcess, Stack, StackOptions, start_service};

use crate::{StateFolder, build, operator, say, stack};

mod afternoon;
mod api;
mod national;
mod people;
mod report;
mod show;

use api::Api;
use people::{Person, Synthesizer};

/// Options of `demo`.
#[derive(Args)]
pub struct Demo {
    /// How many people each province gets for the national table.
    #[arg(long, env = "PEOPLE", default_value_t = 300)]
    people: usize,
    /// How many people move in the first wave.
    #[arg(long, env = "MOVERS", default_value_t = 30)]
    movers: usize,
    /// A folder of NDJSON files to fill Ontario with instead.
    #[arg(long, env = "DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many people the second wave has.
    #[arg(long, default_value_t = 20)]
    second_wave: usize,
    #[command(flatten)]
    state: StateFolder,
}

/// How many people move in each part of the afternoon.
const AFTERNOON: usize = 12;

/// The provinces of the story.
const FROM: &str = "ON";
const TO: &str = "BC";

impl Demo {
    /// Tells the story from an empty computer to a verified receipt.
    pub async fn run(self) -> Result<()> {
        let started = Instant::now();
        say("1. Two provinces, everything real");
        let world = World::start(&self.state).await?;

        let earlier = world.out.unfinished().await?;
        if !earlier.is_empty() {
            say(&format!("   {} transfers of an earlier demo are finished first:", earlier.len()));
            world.out.follow(&earlier).await?;
        }

        say(&format!("\n2. Filling {FROM}"));
        world.synthesizer.prepare()?;
        let residents = people::active(&world.from_fhir, FROM).await?;
        match self.data.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => world.synthesizer.load(folder, &world.from_url)?,
            None => world.synthesizer.upload(self.movers, world.next_seed()?, &world.from_url)?,
        }

        say(&format!("\n3. Everyone who has come moves from {FROM} to {TO}"));
        let mut everyone = people::active(&world.from_fhir, FROM).await?;
        if everyone.len() > residents.len() {
            // An earlier demo's people stay where they are.
            everyone.retain(|person| residents.iter().all(|other| other.id != person.id));
        }
        ensure!(!everyone.is_empty(), "{FROM} has nobody to transfer");
        let before = show::people_at(&world.to_fhir).await?;
        let wave = world.out.request_all(&everyone, TO).await?;
        world.out.follow(&wave).await?;
        show::arrived(&world, &everyone, &wave).await?;
        show::closed(&world, &everyone, &wave).await?;
        show::receipts(&world, &wave).await?;

        say(&format!("\n4. One person goes back to {FROM}"));
        show::round_trip(&world, &everyone[0], &wave[0]).await?;

        say(&format!("\n5. A second wave, and {TO}'s inbound-transfer is killed in its middle"));
        let second = world.newcomers(self.second_wave).await?;
        let wave = world.killed_in_the_middle(&second).await?;
        show::arrived(&world, &second, &wave).await?;
        let after = show::people_at(&world.to_fhir).await?;
        let moved = u64::try_from(everyone.len() + second.len())?;
        say(&format!(
            "   {TO} has {after} people, {} more than before the demo; {moved} moved",
            after - before
        ));
        ensure!(after - before <= moved, "somebody arrived twice");

        say(&format!("\n6. An operator's afternoon: {TO} is away, and comes back"));
        afternoon::peer_away(&world, &world.newcomers(AFTERNOON).await?).await?;

        say(&format!("\n7. {FROM}'s certificate is revoked, and renewed"));
        afternoon::certificate_revoked(&world, &world.newcomers(AFTERNOON).await?).await?;

        say(&format!("\n8. {FROM}'s operator looks around, and the audit trail is verified"));
        world.operator_looks().await?;

        say("\n9. The national table: doses by province and vaccine, with nothing small in it");
        national::tell(&world, self.people).await?;

        say("");
        report::curl_lines(&world, &wave[0])?;
        say(&format!("\ndone in {:.0} s", started.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// What the demo plays on.
pub(crate) struct World {
    stack: Stack,
    binaries: PathBuf,
    synthesizer: Synthesizer,
    from_url: String,
    from_fhir: FhirServer,
    to_fhir: FhirServer,
    out: Api,
    back: Api,
}

impl World {
    async fn start(state: &StateFolder) -> Result<Self> {
        stack::set_up()?;
        let layout = state.layout();
        let options = StackOptions::default();
        let stack = Stack::up(&layout, &options, &|line| say(&format!("   {line}"))).await?;
        // A demo that was stopped in its last part has left a certificate revoked.
        let files = stack.certificate(FROM, "outbound-transfer")?;
        std::fs::write(&files.crl, stack.authority()?.crl(&[])?).context("writing the revocation list")?;
        let binaries = build::services()?;
        stop_federator(&stack).await?;
        for province in stack.provinces() {
            stop_services(&stack, province).await?; // they may be of an older build
            local_stack::start_province(&stack, province, &binaries).await?;
        }
        say(&format!("   the services of {} are ready", stack.provinces().join(" and ")));
        let from_url = stack.fhir_url(FROM)?;
        let from_fhir = FhirServer::new(&from_url, FhirServerOptions::default())?;
        let to_fhir = FhirServer::new(&stack.fhir_url(TO)?, FhirServerOptions::default())?;
        let out = Api::of(&layout, FROM)?;
        let back = Api::of(&layout, TO)?;
        let synthesizer = Synthesizer::new(layout.root().join("python"));
        Ok(Self { stack, binaries, synthesizer, from_url, from_fhir, to_fhir, out, back })
    }

    /// Runs the operators' command line as it would be typed.
    async fn operator_looks(&self) -> Result<()> {
        let config = operator::configure(&self.stack, FROM)?;
        let log = self.stack.layout().log(&format!("{}-outbound-transfer", FROM.to_lowercase()));
        let log = log.strip_prefix(crate::repository()).unwrap_or(&log).display().to_string();
        for arguments in [&["peer", "list"][..], &["check"], &["audit", "verify", "--log", &log]] {
            say(&format!("   $ iidictl {}", arguments.join(" ")));
            let mut command = tokio::process::Command::new(self.binaries.join("iidictl"));
            command.current_dir(crate::repository());
            command.args(["--lang", "en", "--config"]).arg(&config).args(arguments);
            let output = command.output().await.context("running iidictl")?;
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                say(&format!("     {line}"));
            }
            let complaint = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "iidictl {}: {complaint}", arguments.join(" "));
        }
        Ok(())
    }

    /// Another seed each time, so that a second demo has new people.
    fn next_seed(&self) -> Result<u64> {
        let file = self.stack.layout().root().join("demo-seed");
        let last: u64 =
            std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        std::fs::write(&file, (last + 1).to_string()).context("remembering the seed")?;
        Ok(last + 1)
    }

    /// Fills Ontario with more people and returns them.
    async fn newcomers(&self, count: usize) -> Result<Vec<Person>> {
        let before = people::active(&self.from_fhir, FROM).await?;
        self.synthesizer.upload(count, self.next_seed()?, &self.from_url)?;
        let mut people = people::active(&self.from_fhir, FROM).await?;
        people.retain(|person| before.iter().all(|other| other.id != person.id));
        Ok(people)
    }

    async fn killed_in_the_middle(&self, people: &[Person]) -> Result<Vec<String>> {
        let wave = self.out.request_all(people, TO).await?;
        let enough = wave.len() / 4;
        while self.out.count(&wave, "completed").await? < enough {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let name = format!("{}-inbound-transfer", TO.to_lowercase());
        let inbound =
            ServiceProcess::find(self.stack.layout(), &name).context("inbound-transfer does not run")?;
        inbound.kill().await?;
        let done = self.out.count(&wave, "completed").await?;
        say(&format!("   killed (SIGKILL) with {done} of {} completed; the others wait:", wave.len()));
        let since = Instant::now();
        while self.out.retrying(&wave).await? == 0 && since.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.out.say_problems(&wave).await?;
        start_service(&self.stack, TO, ProvinceService::Inbound, &self.binaries).await?.leave_running();
        say("   inbound-transfer is back");
        self.out.follow(&wave).await?;
        Ok(wave)
    }
}

/// Ends the dashboard and the federator, which may be of an older build.
async fn stop_federator(stack: &Stack) -> Result<()> {
    for name in ["phac-dashboard", "phac-federator"] {
        if let Some(process) = ServiceProcess::find(stack.layout(), name) {
            process.terminate(Duration::from_secs(30)).await?;
        }
    }
    Ok(())
}

async fn stop_services(stack: &Stack, province: &str) -> Result<()> {
    for service in ProvinceService::ALL {
        let name = format!("{}-{}", province.to_lowercase(), service.binary());
        if let Some(process) = ServiceProcess::find(stack.layout(), &name) {
            process.terminate(Duration::from_secs(30)).await?;
        }
    }
    Ok(())
}
