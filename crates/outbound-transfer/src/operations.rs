//! Use cases of operators: retry, cancel, purge, pause and resume. Knows neither HTTP nor the queue.

use std::collections::{BTreeMap, BTreeSet};

use contracts::peer::{LaneState, PeerList, PeerView};
use contracts::transfer::TransferView;
use domain::{Jurisdiction, TransferId};
use peers::{JurisdictionState, Role};

use crate::error::ApiError;
use crate::requests::Requests;
use crate::store::{Depth, LaneStanding, Operated, Word};

/// The longest reason, in characters.
const MAX_REASON: usize = 200;

/// What an operator wants of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Try it now, or wake it.
    Retry,
    /// Call it off.
    Cancel,
    /// Delete its package.
    Purge,
}

impl Requests {
    /// Does to a transfer what an operator wants and returns it as it stands then. Safe to repeat.
    pub async fn operate(
        &self,
        operation: Operation,
        id: TransferId,
        by: &str,
        reason: &str,
    ) -> Result<TransferView, ApiError> {
        let word = self.word(by, reason)?;
        let operated = match operation {
            Operation::Retry => self.store.retry(id, word, word.now + self.horizon).await?,
            Operation::Cancel => self.store.cancel(id, word).await?,
            Operation::Purge => self.store.purge(id, word).await?,
        };
        match operated {
            Operated::Done => {
                tracing::info!(transfer.id = %id, ?operation, "an operator has acted on a transfer");
                self.outbox_filled.notify_one();
                self.find(id).await
            }
            Operated::Unknown => Err(ApiError::NotFound),
            Operated::NotNow(state) => Err(ApiError::NotNow(operation, state)),
            Operated::Unfinished(other) => Err(ApiError::Unfinished(other)),
        }
    }

    /// Returns all peers of the directory, and those where something still waits, with their lanes.
    pub async fn peers(&self) -> Result<PeerList, ApiError> {
        let (depths, lanes) = (self.store.depths().await?, self.store.lanes().await?);
        let mut codes: BTreeSet<Jurisdiction> =
            self.directory.all().iter().filter(|e| e.role == Role::Pt).map(|e| e.code.clone()).collect();
        codes.extend(depths.iter().map(|depth| depth.peer.clone()));
        codes.remove(&self.here);
        let peers = codes.into_iter().map(|code| self.view(&depths, lanes.get(&code), code)).collect();
        Ok(PeerList { peers })
    }

    /// Holds a peer's lane back, or takes that back, and returns the peer as it stands then. Safe to repeat.
    pub async fn set_paused(
        &self,
        code: &Jurisdiction,
        is_paused: bool,
        by: &str,
        reason: &str,
    ) -> Result<PeerView, ApiError> {
        let word = self.word(by, reason)?;
        let found = |list: PeerList| list.peers.into_iter().find(|peer| peer.code == *code);
        found(self.peers().await?).ok_or(ApiError::UnknownPeer)?;
        if is_paused {
            self.store.pause(code, word.by, word.reason, word.now).await?;
        } else {
            self.store.resume(code, word.by, word.reason, word.now).await?;
        }
        tracing::info!(peer = %code, is_paused, "an operator has acted on a lane");
        found(self.peers().await?).ok_or(ApiError::UnknownPeer)
    }

    fn word<'a>(&self, by: &'a str, reason: &'a str) -> Result<Word<'a>, ApiError> {
        let reason = reason.trim();
        let is_text =
            (1..=MAX_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
        if !is_text {
            return Err(ApiError::Invalid(
                "reason must hold 1 to 200 characters, without control characters",
            ));
        }
        Ok(Word { by, reason, now: self.clock.now() })
    }

    fn view(&self, depths: &[Depth], lane: Option<&LaneStanding>, code: Jurisdiction) -> PeerView {
        let entry = self.directory.get(&code);
        let directory = match entry.as_ref().map(|entry| entry.state) {
            Some(JurisdictionState::Active) => "active",
            Some(JurisdictionState::Suspended) => "suspended",
            None => "absent",
        };
        let name = entry.map(|entry| entry.name.clone());
        let (name_en, name_fr) = name.map_or_else(|| (code.to_string(), code.to_string()), |n| (n.en, n.fr));
        let of_peer = || depths.iter().filter(|depth| depth.peer == code);
        let transfers: BTreeMap<_, _> = of_peer().map(|depth| (depth.state.clone(), depth.count)).collect();
        PeerView {
            name_en,
            name_fr,
            directory: directory.to_owned(),
            lane: lane.map_or(LaneState::Open, |lane| lane.state),
            failures: lane.map_or(0, |lane| lane.failures),
            next_probe_at: lane.and_then(|lane| lane.next_probe_at),
            last_problem: lane.and_then(|lane| lane.last_problem.clone()),
            pause: lane.and_then(|lane| lane.pause.clone()),
            parked: of_peer().map(|depth| depth.parked).sum(),
            retrying: of_peer().map(|depth| depth.retrying).sum(),
            oldest_waiting_since: of_peer().filter(|d| d.state != "dead").map(|depth| depth.oldest).min(),
            transfers,
            code,
        }
    }
}
