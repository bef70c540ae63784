//! `check`: is everything there that a transfer needs, and will it be tomorrow?

use std::time::Duration;

use anyhow::Result;
use chrono::DateTime;
use contracts::arrival::ArrivalPage;
use contracts::peer::{LaneState, PeerList};
use mtls::{ClientOptions, Credentials, SpiffeId, TlsFiles};
use peers::{Directory, JurisdictionEntry, JurisdictionState, Role};
use serde::Serialize;

use crate::api::{Api, client};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, now};
use crate::words::Word;

/// Clocks that differ by more are worth a warning, or a failure: tokens and certificates are judged by them.
const CLOCK: (i64, i64) = (2, 30);
/// Days before a certificate's end from which on it is a warning, or a failure: of 30 days, it is renewed ten before.
const CERTIFICATE: (i64, i64) = (10, 3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Checked {
    check: String,
    level: Level,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

struct Checks<'a> {
    output: &'a Output,
    all: Vec<Checked>,
}

/// Runs the command.
pub async fn run(config: &Config, output: &Output) -> Result<Exit> {
    let mut checks = Checks { output, all: Vec::new() };
    checks.services(config).await?;
    checks.ready(config).await?;
    let credentials = checks.certificate(config.tls.as_ref());
    checks.peers(config, credentials.as_ref()).await;
    let has_failed = checks.all.iter().any(|one| one.level == Level::Failed);
    if !output.json(&checks.all)? {
        checks.show();
    }
    Ok(if has_failed { Exit::Error } else { Exit::Fine })
}

impl Checks<'_> {
    fn note(&mut self, check: String, level: Level, what: impl Into<String>, hint: Word) {
        let hint = (level != Level::Ok).then(|| self.output.word(hint));
        self.all.push(Checked { check, level, what: what.into(), hint });
    }

    fn judged<T>(&mut self, check: String, outcome: Result<T>, hint: Word) -> Option<T> {
        match outcome {
            Ok(found) => {
                self.note(check, Level::Ok, "", hint);
                Some(found)
            }
            Err(error) => {
                self.note(check, Level::Failed, format!("{error:#}"), hint);
                None
            }
        }
    }

    fn not_configured(&mut self, check: Word) {
        let check = self.output.word(check).to_owned();
        let what = self.output.word(Word::NotConfigured);
        self.all.push(Checked { check, level: Level::Warning, what: what.to_owned(), hint: None });
    }

    async fn services(&mut self, config: &Config) -> Result<()> {
        if config.server.is_some() {
            let asked = async { Api::outbound(config)?.get::<PeerList>("/peers", &[]).await };
            let name = self.output.word(Word::CheckApi).to_owned();
            let found = self.judged(name, asked.await, Word::HintServer);
            for peer in found.into_iter().flat_map(|list| list.peers) {
                let name = format!("{} {}", self.output.word(Word::CheckLane), peer.code);
                let why = peer.last_problem.map(|problem| problem.code).unwrap_or_default();
                let level = if peer.lane == LaneState::Open { Level::Ok } else { Level::Warning };
                self.note(name, level, format!("{} {why}", peer.lane.as_str()).trim_end(), Word::HintLane);
            }
        } else {
            self.not_configured(Word::CheckApi);
        }
        if config.inbound_server.is_some() {
            let query = [("limit", "1".to_owned())];
            let asked = async { Api::inbound(config)?.get::<ArrivalPage>("/inbound-transfer", &query).await };
            let name = self.output.word(Word::CheckInbound).to_owned();
            self.judged(name, asked.await, Word::HintServer);
        } else {
            self.not_configured(Word::CheckInbound);
        }
        Ok(())
    }

    /// The services say of themselves whether their dependencies answer.
    async fn ready(&mut self, config: &Config) -> Result<()> {
        let http = client()?;
        for admin in &config.admin {
            let name = format!("{} {admin}", self.output.word(Word::CheckReady));
            let asked = http.get(format!("{}/readyz", admin.trim_end_matches('/'))).send().await;
            match asked {
                Ok(answer) if answer.status().is_success() => self.note(name, Level::Ok, "", Word::HintReady),
                Ok(answer) => {
                    let text = answer.text().await.unwrap_or_default();
                    self.note(name, Level::Failed, text.trim(), Word::HintReady);
                }
                Err(error) => {
                    self.note(name, Level::Failed, error.without_url().to_string(), Word::HintReady);
                }
            }
        }
        Ok(())
    }

    fn certificate(&mut self, tls: Option<&TlsFiles>) -> Option<Credentials> {
        let Some(tls) = tls else {
            self.not_configured(Word::CheckCertificate);
            return None;
        };
        let name = self.output.word(Word::CheckCertificate).to_owned();
        match Credentials::load(tls) {
            Ok(credentials) => {
                let end = i64::try_from(credentials.not_after()).unwrap_or(i64::MAX);
                let days = (end - now().timestamp()) / 86_400;
                let level = level(days < CERTIFICATE.1, days < CERTIFICATE.0);
                let what =
                    format!("{}: {days} {}", credentials.spiffe_id(), self.output.word(Word::DaysLeft));
                self.note(name, level, what, Word::HintCertificate);
                Some(credentials)
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                self.note(name, Level::Failed, format!("{error:#}"), Word::HintCertificate);
                None
            }
        }
    }

    /// A handshake with each peer's gateway, as our outbound-transfer would make it; its answer tells the time there.
    async fn peers(&mut self, config: &Config, credentials: Option<&Credentials>) {
        let Some(file) = &config.directory else {
            self.not_configured(Word::CheckDirectory);
            return;
        };
        let name = self.output.word(Word::CheckDirectory).to_owned();
        let opened = Directory::from_file(file).map_err(Into::into);
        let Some(directory) = self.judged(name.clone(), opened, Word::HintDirectory) else { return };
        for (entry, problem) in directory.problems() {
            self.note(name.clone(), Level::Failed, format!("{entry}: {problem}"), Word::HintDirectory);
        }
        let Some(credentials) = credentials else { return };
        let own = credentials.spiffe_id();
        for entry in directory.all() {
            let is_own = entry.identities.all().any(|identity| identity == own.as_str());
            if entry.role == Role::Pt && entry.state == JurisdictionState::Active && !is_own {
                self.handshake(credentials, &entry).await;
            }
        }
    }

    async fn handshake(&mut self, credentials: &Credentials, entry: &JurisdictionEntry) {
        let name = format!("{} {}", self.output.word(Word::CheckHandshake), entry.code);
        let call = async {
            let identity = entry.identities.inbound_transfer.as_deref().unwrap_or_default();
            let gateway = entry.gateway.inbound_transfer.as_deref().unwrap_or_default();
            let options =
                ClientOptions { request_timeout: Duration::from_secs(10), ..ClientOptions::default() };
            let http = mtls::client(credentials, &SpiffeId::parse(identity)?, options)?;
            let answer = http.get(format!("{}/openapi.json", gateway.trim_end_matches('/'))).send().await;
            let answer = answer.map_err(|error| match mtls::chain_fault(&error) {
                Some(fault) => anyhow::anyhow!("{}", fault.as_str()),
                None => anyhow::Error::from(error.without_url()),
            })?;
            let date = answer.headers().get("date").and_then(|date| date.to_str().ok().map(str::to_owned));
            anyhow::ensure!(answer.status().is_success(), "{}", answer.status());
            Ok(date.and_then(|date| DateTime::parse_from_rfc2822(&date).ok()))
        };
        let Some(date) = self.judged(name, call.await, Word::HintHandshake).flatten() else { return };
        let off = (now() - date.to_utc()).num_seconds().abs();
        let name = format!("{} {}", self.output.word(Word::CheckClock), entry.code);
        self.note(name, level(off > CLOCK.1, off > CLOCK.0), format!("{off} s"), Word::HintClock);
    }

    fn show(&self) {
        let rows: Vec<_> = self
            .all
            .iter()
            .map(|one| {
                let level = match one.level {
                    Level::Ok => Word::Ok,
                    Level::Warning => Word::Warning,
                    Level::Failed => Word::Failed,
                };
                let hint = one.hint.map_or_else(String::new, |hint| format!(" → {hint}"));
                vec![one.check.clone(), self.output.word(level).to_owned(), format!("{}{hint}", one.what)]
            })
            .collect();
        self.output.table(&[Word::Check, Word::Result, Word::Standing], &rows);
    }
}

fn level(is_failed: bool, is_warning: bool) -> Level {
    match (is_failed, is_warning) {
        (true, _) => Level::Failed,
        (false, true) => Level::Warning,
        (false, false) => Level::Ok,
    }
}
