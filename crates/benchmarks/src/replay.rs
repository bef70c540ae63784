//! The FHIR calls of a transfer and nothing else: recorded once for each shape of record, then made again for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fhir_client::FhirRequest;
use fhir_client::double::{Answer, Fault, FaultRule, FhirDouble};
use futures::StreamExt;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use uuid::Uuid;

use crate::people::{Person, SHAPES};

/// Whose FHIR server is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Origin,
    Destination,
}

type Calls = Vec<(Side, FhirRequest)>;

/// Writes down what two doubles are asked.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    calls: Arc<Mutex<Calls>>,
}

impl Recorder {
    /// Listens at a double.
    pub fn listen(&self, double: &FhirDouble, side: Side) {
        let calls = Arc::clone(&self.calls);
        let write_down = move |request: &FhirRequest| {
            if !request.path.starts_with("metadata") {
                calls.lock().unwrap_or_else(PoisonError::into_inner).push((side, request.clone()));
            }
            false
        };
        double.inject(FaultRule::new(Fault::before(Answer::HangUp)).on(write_down));
    }

    /// Returns what was asked since the last time.
    pub fn take(&self) -> Calls {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The calls of one transfer for each shape.
#[derive(Debug, Clone, Default)]
pub struct Script {
    by_shape: BTreeMap<usize, (Person, Calls)>,
}

impl Script {
    /// Keeps the calls of a transfer of person `n`.
    pub fn keep(&mut self, n: usize, person: Person, calls: Calls) {
        self.by_shape.insert(n % SHAPES, (person, calls));
    }

    /// Returns how many calls a transfer makes on average, at the origin and at the destination.
    pub fn calls(&self) -> (f64, f64) {
        let of = |side| {
            let counted =
                self.by_shape.values().map(|(_, calls)| calls.iter().filter(|call| call.0 == side).count());
            as_f64(counted.sum()) / as_f64(self.by_shape.len())
        };
        (of(Side::Origin), of(Side::Destination))
    }

    /// Makes the calls for people `from..to` of a run, so many transfers at once; returns how long it took.
    pub async fn run(
        &self,
        (origin, destination): (&str, &str),
        people: &[(usize, Person)],
        concurrency: usize,
    ) -> Result<Duration> {
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).no_proxy().build()?;
        let begun = Instant::now();
        let transfers = people.iter().map(|(n, person)| {
            let (http, kept) = (http.clone(), self.by_shape.get(&(n % SHAPES)));
            async move {
                let (recorded, calls) = kept.context("a shape that was not recorded")?;
                for (side, call) in calls {
                    let base = if *side == Side::Origin { origin } else { destination };
                    make(&http, base, call, recorded, person).await?;
                }
                anyhow::Ok(())
            }
        });
        let mut done = futures::stream::iter(transfers).buffer_unordered(concurrency);
        while let Some(outcome) = done.next().await {
            outcome?;
        }
        Ok(begun.elapsed())
    }
}

async fn make(
    http: &reqwest::Client,
    base: &str,
    call: &FhirRequest,
    from: &Person,
    to: &Person,
) -> Result<()> {
    let separator = if call.path.is_empty() || call.path.starts_with('?') { "" } else { "/" };
    let url = format!("{base}{separator}{}", renamed(&call.path, from, to));
    let mut request = http.request(call.method.clone(), url).header(ACCEPT, "application/fhir+json");
    if let Some(content_type) = call.content_type {
        let body = renamed(std::str::from_utf8(&call.body)?, from, to);
        request = request.header(CONTENT_TYPE, content_type).body(Bytes::from(body));
    }
    if let Some(freshness) = &call.cache_control {
        request = request.header(CACHE_CONTROL, freshness);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(
        status.is_success(),
        "the script got {status}: {}",
        String::from_utf8_lossy(&body[..body.len().min(400)])
    );
    Ok(())
}

/// Writes what was said of one person as it would be said of another: names, numbers, dates, and every UUID.
fn renamed(text: &str, from: &Person, to: &Person) -> String {
    let text = text
        .replace(&from.token, &to.token)
        .replace(&from.number, &to.number)
        .replace(&from.birth_date, &to.birth_date);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('-') {
        // A UUID has its first dash after eight characters.
        let found = at
            .checked_sub(8)
            .and_then(|start| Some((start, Uuid::try_parse(rest.get(start..start + 36)?).ok()?)));
        if let Some((start, uuid)) = found {
            out.push_str(&rest[..start]);
            out.push_str(&Uuid::new_v5(&uuid, to.token.as_bytes()).to_string());
            rest = &rest[start + 36..];
        } else {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    out
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_person_is_said_of_another_in_as_many_bytes() {
        let (from, to) = (Person::new(1, 3), Person::new(2, 10));
        let uuid = "0f0e0d0c-0b0a-4908-8706-050403020100";
        let text = format!("Patient/{} é-{uuid}/{uuid} {} {}", from.id(), from.number, from.birth_date);
        let said = renamed(&text, &from, &to);
        assert_eq!(said.len(), text.len());
        for gone in [&from.token, &from.number, &from.birth_date, &uuid.to_owned()] {
            assert!(!said.contains(gone), "{said}");
        }
        let other = Uuid::new_v5(&Uuid::parse_str(uuid).unwrap(), to.token.as_bytes()).to_string();
        assert_eq!(said.matches(&other).count(), 2);
    }
}
