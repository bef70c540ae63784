//! `transfer`: requesting, listing, following and operating.

use std::fmt::Write as _;
use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use contracts::arrival::{ArrivalPage, ArrivalView};
use contracts::transfer::{TransferDryRun, TransferEvents, TransferPage, TransferView};
use domain::{TransferId, TransferState};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{Api, answer};
use crate::arguments::{Direction, List, Operate, Request, Transfer};
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, ago, now, span};
use crate::words::{self, Word};

/// How often a transfer that is followed is asked for.
const POLL: Duration = Duration::from_millis(500);
const PAGE: usize = 500;

/// Runs the command.
pub async fn run(config: &Config, output: &Output, what: Transfer) -> Result<Exit> {
    if let Transfer::List(list) = &what
        && list.direction == Direction::In
    {
        return arrivals(&Api::inbound(config)?, output, list).await;
    }
    let api = Api::outbound(config)?;
    match what {
        Transfer::Request(request) => ask(&api, output, &request).await,
        Transfer::List(list) => show_all(output, &collect(&api, &list).await?),
        Transfer::Show { id, events } => show(&api, output, &id, events).await,
        Transfer::Watch { id, timeout } => watch(&api, output, parse(&id)?, timeout).await,
        Transfer::Retry(word) => operate(&api, output, &word, "retry").await,
        Transfer::Cancel(word) => operate(&api, output, &word, "cancel").await,
        Transfer::Purge(word) => operate(&api, output, &word, "purge").await,
        Transfer::Search => {
            let mut patient = String::new();
            std::io::stdin().read_to_string(&mut patient)?;
            let page: TransferPage =
                api.post("/transfer-request/search", &json!({"patient_id": patient.trim()})).await?;
            show_all(output, &page.transfers)
        }
    }
}

fn parse(id: &str) -> Result<TransferId> {
    TransferId::parse(id).map_err(Into::into)
}

async fn ask(api: &Api, output: &Output, request: &Request) -> Result<Exit> {
    let mut body = json!({
        "patient_id": request.patient, "transfer_to": request.to, "approval_ref": request.approval_ref,
    });
    if let Some(identifier) = &request.destination_identifier {
        let (system, value) = identifier.split_once('|').context("write the identifier as SYSTEM|VALUE")?;
        body["destination_identifier"] = json!({"system": system, "value": value});
    }
    if request.dry_run {
        return try_out(output, &api.post("/transfer-request/dry-run", &body).await?);
    }
    let id = match &request.idempotency_key {
        Some(key) => parse(key)?,
        None => TransferId::generate(),
    };
    let call = api.call(Method::POST, "/transfer-request").header("Idempotency-Key", id.to_string());
    let transfer: TransferView = answer(call.json(&body)).await?;
    if request.wait {
        return watch(api, output, id, Some(request.timeout)).await;
    }
    show_all(output, &[transfer])
}

fn try_out(output: &Output, run: &TransferDryRun) -> Result<Exit> {
    let exit = if run.is_sendable { Exit::Fine } else { Exit::Error };
    if output.json(run)? {
        return Ok(exit);
    }
    let word = if run.is_sendable { Word::Sendable } else { Word::NotSendable };
    let counts: Vec<_> = run.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let sent = format!("{} ({} {})", counts.join(", "), run.bytes, output.word(Word::Bytes));
    output.line(&output.of(output.word(word), &sent));
    for problem in &run.problems {
        output.line(&format!("  {}", crate::api::Refused(problem.clone())));
    }
    Ok(exit)
}

async fn collect(api: &Api, list: &List) -> Result<Vec<TransferView>> {
    let mut query = Vec::new();
    query.extend(list.state.clone().map(|state| ("state", state)));
    query.extend(list.retrying.then(|| ("retrying", "true".to_owned())));
    query.extend(list.to.clone().map(|to| ("transfer_to", to)));
    query.extend(list.since.map(|span| ("since", (now() - span).to_rfc3339())));
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = query.clone();
        query.push(("limit", (list.limit - found.len()).clamp(1, PAGE).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page: TransferPage = api.get("/transfer-request", &query).await?;
        found.extend(page.transfers);
        cursor = page.next_cursor;
        if cursor.is_none() || found.len() >= list.limit {
            found.truncate(list.limit);
            return Ok(found);
        }
    }
}

fn show_all(output: &Output, transfers: &[TransferView]) -> Result<Exit> {
    if output.list(transfers)? {
        return Ok(Exit::Fine);
    }
    if transfers.is_empty() {
        output.line(output.word(Word::NoTransfers));
        return Ok(Exit::Fine);
    }
    let rows: Vec<_> = transfers
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                words::state(one.state.as_str(), output.lang).to_owned(),
                one.transfer_to.to_string(),
                ago(one.requested_at, now()),
                one.attempts.to_string(),
                standing(output, one),
            ]
        })
        .collect();
    output.table(
        &[Word::Transfer, Word::State, Word::To, Word::Requested, Word::Attempts, Word::Standing],
        &rows,
    );
    Ok(Exit::Fine)
}

/// What it waits for, or what became of it.
fn standing(output: &Output, transfer: &TransferView) -> String {
    let code = transfer.last_problem.as_ref().map(|problem| problem.code.clone());
    let because = code.map_or_else(String::new, |code| format!(" ({code})"));
    match (transfer.parked_since, transfer.next_attempt_at, transfer.source) {
        (Some(_), _, _) => format!("{}{because}", output.word(Word::Parked)),
        (None, Some(at), _) if transfer.attempts > 0 && transfer.state.is_unfinished() => {
            format!("{} {}{because}", output.word(Word::RetryingIn), span(at - now()))
        }
        (None, _, Some(source)) => source.as_str().to_owned(),
        _ if transfer.state.is_unfinished() => output.word(Word::Working).to_owned(),
        _ => because.trim().trim_matches(['(', ')']).to_owned(),
    }
}

async fn show(api: &Api, output: &Output, id: &str, with_events: bool) -> Result<Exit> {
    let id = parse(id)?;
    let transfer: TransferView = api.get(&format!("/transfer-request/{id}"), &[]).await?;
    if !with_events {
        return show_all(output, &[transfer]);
    }
    let events: TransferEvents = api.get(&format!("/transfer-request/{id}/events"), &[]).await?;
    if output.json(&json!({"transfer": transfer, "events": events.events}))? {
        return Ok(Exit::Fine);
    }
    show_all(output, &[transfer])?;
    output.line("");
    for event in &events.events {
        output.line(&event_line(output, event));
    }
    Ok(Exit::Fine)
}

fn event_line(output: &Output, event: &contracts::transfer::TransferEvent) -> String {
    let mut line = format!("{}  {}", ago(event.at, now()), words::state(&event.event, output.lang));
    if let Some(attempt) = event.attempt {
        let _ = write!(line, " {attempt}");
    }
    if let (Some(actor), Some(reason)) = (&event.actor, &event.reason) {
        let _ = write!(line, ": {reason} ({} {actor})", output.word(Word::By));
    }
    if let Some(problem) = &event.problem {
        let _ = write!(line, ": {} {}", problem.code, problem.detail.as_deref().unwrap_or_default());
    }
    line
}

/// Tells each event as it comes, until the transfer ends.
async fn watch(api: &Api, output: &Output, id: TransferId, timeout: Option<u64>) -> Result<Exit> {
    let deadline = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut told = 0;
    loop {
        // The state first: the events asked for afterwards hold the one that ended it.
        let transfer: TransferView = api.get(&format!("/transfer-request/{id}"), &[]).await?;
        let events: TransferEvents = api.get(&format!("/transfer-request/{id}/events"), &[]).await?;
        for event in events.events.iter().skip(told) {
            if !output.json(event)? {
                output.line(&event_line(output, event));
            }
        }
        told = events.events.len();
        if !transfer.state.is_unfinished() {
            return Ok(match transfer.state {
                TransferState::Completed => Exit::Fine,
                TransferState::Rejected => Exit::Rejected,
                _ => Exit::Error,
            });
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            output.complain(&anyhow::anyhow!(output.word(Word::TimedOut)));
            return Ok(Exit::TimedOut);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn operate(api: &Api, output: &Output, word: &Operate, what: &str) -> Result<Exit> {
    let id = parse(&word.id)?;
    let body: Value = json!({"reason": word.reason});
    let transfer: TransferView = api.post(&format!("/transfer-request/{id}/{what}"), &body).await?;
    show_all(output, &[transfer])
}

async fn arrivals(api: &Api, output: &Output, list: &List) -> Result<Exit> {
    if list.retrying {
        bail!("--retrying is about what leaves");
    }
    let mut query = vec![("limit", list.limit.clamp(1, PAGE).to_string())];
    query.extend(list.state.clone().map(|state| ("state", state)));
    query.extend(list.to.clone().map(|from| ("sender", from)));
    query.extend(list.since.map(|span| ("since", (now() - span).to_rfc3339())));
    let page: ArrivalPage = api.get("/inbound-transfer", &query).await?;
    if output.list(&page.transfers)? {
        return Ok(Exit::Fine);
    }
    if page.transfers.is_empty() {
        output.line(output.word(Word::NoTransfers));
        return Ok(Exit::Fine);
    }
    let rows: Vec<_> = page.transfers.iter().map(|one| arrival(output, one)).collect();
    output.table(&[Word::Transfer, Word::State, Word::From, Word::Received, Word::Standing], &rows);
    Ok(Exit::Fine)
}

fn arrival(output: &Output, one: &ArrivalView) -> Vec<String> {
    let sum = |pick: fn(&contracts::OutcomeCounts) -> u64| one.counts.values().map(pick).sum::<u64>();
    let counts = [
        (sum(|counts| counts.created), "created"),
        (sum(|counts| counts.updated), "updated"),
        (sum(|counts| counts.unchanged), "unchanged"),
        (sum(|counts| counts.duplicate_of), "duplicate-of"),
    ];
    let shown = counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    let outcome = one
        .problem
        .as_ref()
        .map_or_else(|| shown.collect::<Vec<_>>().join(", "), |problem| problem.code.clone());
    vec![
        one.id.to_string(),
        words::state(&one.state, output.lang).to_owned(),
        one.sender.to_string(),
        ago(one.received_at, now()),
        outcome,
    ]
}
