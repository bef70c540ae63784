//! `peer`: lanes, what waits in them, and an operator's hand on them.

use anyhow::Result;
use contracts::peer::{LaneState, PeerList, PeerView};
use serde_json::json;

use crate::api::Api;
use crate::arguments::{Lang, Peer, PeerWord};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, ago, now};
use crate::words::Word;

/// Runs the command.
pub async fn run(config: &Config, output: &Output, what: Peer) -> Result<Exit> {
    let api = Api::outbound(config)?;
    let peers = match what {
        Peer::List => api.get::<PeerList>("/peers", &[]).await?.peers,
        Peer::Pause(word) => vec![say(&api, &word, "pause").await?],
        Peer::Resume(word) => vec![say(&api, &word, "resume").await?],
    };
    if output.list(&peers)? {
        return Ok(Exit::Fine);
    }
    if peers.is_empty() {
        output.line(output.word(Word::NoPeers));
        return Ok(Exit::Fine);
    }
    let rows: Vec<_> = peers.iter().map(|peer| row(output, peer)).collect();
    output.table(
        &[Word::Peer, Word::Name, Word::Lane, Word::Waiting, Word::Dead, Word::Oldest, Word::Why],
        &rows,
    );
    Ok(Exit::Fine)
}

async fn say(api: &Api, word: &PeerWord, what: &str) -> Result<PeerView> {
    // The code goes into a path: whatever is no code is refused before it is sent.
    let code = domain::Jurisdiction::parse(&word.code)?;
    api.post(&format!("/peers/{code}/{what}"), &json!({"reason": word.reason})).await
}

fn row(output: &Output, peer: &PeerView) -> Vec<String> {
    let count =
        |states: &[&str]| -> u64 { states.iter().filter_map(|&state| peer.transfers.get(state)).sum() };
    let lane = match peer.lane {
        LaneState::Open => Word::LaneOpen,
        LaneState::Parked => Word::LaneParked,
        LaneState::Paused => Word::LanePaused,
    };
    let why = match (&peer.pause, &peer.last_problem) {
        (Some(pause), _) => format!("{} ({} {})", pause.reason, output.word(Word::By), pause.by),
        (None, Some(problem)) if peer.lane == LaneState::Parked => {
            format!("{} ×{}", problem.code, peer.failures)
        }
        _ if peer.directory != "active" => peer.directory.clone(),
        _ => String::new(),
    };
    vec![
        peer.code.to_string(),
        if output.lang == Lang::Fr { &peer.name_fr } else { &peer.name_en }.clone(),
        output.word(lane).to_owned(),
        count(&["requested", "sealed", "delivered"]).to_string(),
        count(&["dead"]).to_string(),
        peer.oldest_waiting_since.map(|at| ago(at, now())).unwrap_or_default(),
        why,
    ]
}
