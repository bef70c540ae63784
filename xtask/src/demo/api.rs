//! A province's outbound API, as one of its own systems uses it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contracts::peer::{PeerList, PeerView};
use contracts::transfer::TransferView;
use domain::TransferState;
use local_stack::{Layout, outbound_url, token_issuer};
use reqwest::{Client, Response};
use serde_json::json;

use super::people::Person;
use crate::say;

/// How long a wave may take before the demo gives up.
const PATIENCE: Duration = Duration::from_mins(5);

/// The API of one province.
pub struct Api {
    base: String,
    http: Client,
    token: String,
}

impl Api {
    /// Makes a client with a fresh token.
    pub fn of(layout: &Layout, province: &str) -> Result<Self> {
        let issuer = token_issuer(layout, province)?;
        let scopes = ["transfer.request", "transfer.read"];
        let token = issuer.mint("demo", &scopes, Duration::from_hours(1))?;
        let http = Client::builder().timeout(Duration::from_secs(20)).build()?;
        Ok(Self { base: outbound_url(layout, province)?, http, token })
    }

    /// Returns the base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Requests a transfer for each person and returns their ids, in the same order.
    pub async fn request_all(&self, people: &[Person], to: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for person in people {
            ids.push(self.request(&person.id, to).await?);
        }
        say(&format!("   {} transfers requested", ids.len()));
        Ok(ids)
    }

    /// Requests one transfer and returns its id.
    pub async fn request(&self, patient_id: &str, to: &str) -> Result<String> {
        let id = uuid::Uuid::now_v7().to_string();
        let answer = self
            .http
            .post(format!("{}/transfer-request", self.base))
            .bearer_auth(&self.token)
            .header("Idempotency-Key", &id)
            .json(&json!({"patient_id": patient_id, "transfer_to": to, "approval_ref": "demo"}))
            .send()
            .await?;
        checked(answer, 202).await?;
        Ok(id)
    }

    /// Returns a transfer as it stands.
    pub async fn find(&self, id: &str) -> Result<TransferView> {
        let request = self.http.get(format!("{}/transfer-request/{id}", self.base)).bearer_auth(&self.token);
        Ok(checked(request.send().await?, 200).await?.json().await?)
    }

    /// Follows transfers until all have ended, a line whenever something changes.
    pub async fn follow(&self, ids: &[String]) -> Result<()> {
        let started = Instant::now();
        let mut last = String::new();
        loop {
            let mut states = BTreeMap::new();
            for view in self.all(ids).await? {
                *states.entry(view.state.as_str()).or_insert(0) += 1;
            }
            let line: Vec<String> = TransferState::ALL
                .into_iter()
                .filter_map(|state| states.get(state.as_str()).map(|count| format!("{state} {count}")))
                .collect();
            let line = line.join(", ");
            if line != last {
                say(&format!("   {:>6.1} s  {line}", started.elapsed().as_secs_f64()));
                last = line;
            }
            if states.get("completed") == Some(&ids.len()) {
                return Ok(());
            }
            let unfinished: usize =
                ["requested", "sealed", "delivered"].iter().filter_map(|state| states.get(state)).sum();
            if unfinished == 0 {
                self.say_problems(ids).await?;
                bail!("not every transfer was completed");
            }
            ensure!(started.elapsed() < PATIENCE, "the transfers take too long; see `cargo xtask logs`");
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }

    /// Returns the ids of all transfers that have not ended.
    pub async fn unfinished(&self) -> Result<Vec<String>> {
        let url = format!("{}/transfer-request?state=requested,sealed,delivered&limit=500", self.base);
        let request = self.http.get(url).bearer_auth(&self.token);
        let page: contracts::transfer::TransferPage =
            checked(request.send().await?, 200).await?.json().await?;
        Ok(page.transfers.iter().map(|view| view.id.to_string()).collect())
    }

    /// Returns a peer and how its lane stands.
    pub async fn peer(&self, code: &str) -> Result<PeerView> {
        let request = self.http.get(format!("{}/peers", self.base)).bearer_auth(&self.token);
        let list: PeerList = checked(request.send().await?, 200).await?.json().await?;
        let found = list.peers.into_iter().find(|peer| peer.code.as_str() == code);
        found.with_context(|| format!("{code} is not among the peers"))
    }

    /// Sums the attempts that transfers have lost.
    pub async fn attempts(&self, ids: &[String]) -> Result<i32> {
        Ok(self.all(ids).await?.iter().map(|view| view.attempts).sum())
    }

    /// Counts the transfers in a state.
    pub async fn count(&self, ids: &[String], state: &str) -> Result<usize> {
        Ok(self.all(ids).await?.iter().filter(|view| view.state.as_str() == state).count())
    }

    /// Counts the transfers that wait for another attempt.
    pub async fn retrying(&self, ids: &[String]) -> Result<usize> {
        Ok(self.all(ids).await?.iter().filter(|view| view.last_problem.is_some()).count())
    }

    /// Says what stopped those that have not got through yet.
    pub async fn say_problems(&self, ids: &[String]) -> Result<()> {
        let mut problems = BTreeMap::new();
        for problem in self.all(ids).await?.into_iter().filter_map(|view| view.last_problem) {
            let detail = problem.detail.unwrap_or_default();
            let issue = problem.issues.first().map(|issue| format!("{} {}", issue.expression, issue.text));
            *problems.entry((problem.code, issue.unwrap_or(detail))).or_insert(0) += 1;
        }
        for ((code, detail), count) in problems {
            say(&format!("     {count} × {code}: {detail}"));
        }
        Ok(())
    }

    async fn all(&self, ids: &[String]) -> Result<Vec<TransferView>> {
        let url = format!("{}/transfer-request?limit=500", self.base);
        let request = self.http.get(url).bearer_auth(&self.token);
        let page: contracts::transfer::TransferPage =
            checked(request.send().await?, 200).await?.json().await?;
        let mut found = Vec::new();
        let mut known: BTreeMap<String, TransferView> =
            page.transfers.into_iter().map(|view| (view.id.to_string(), view)).collect();
        for id in ids {
            match known.remove(id) {
                Some(view) => found.push(view),
                None => found.push(self.find(id).await?),
            }
        }
        Ok(found)
    }
}

async fn checked(answer: Response, expected: u16) -> Result<Response> {
    let status = answer.status();
    if status.as_u16() == expected {
        return Ok(answer);
    }
    let body = answer.text().await.context("reading an answer")?;
    bail!("expected {expected}, was answered {status}: {body}")
}
