use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fhir::references::linked_patients;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::error::FhirError;
use crate::paging::next_page;
use crate::transport::{FHIR_JSON, FORM, FhirRequest, FhirTransport, HttpTransport, Limited};

pub(crate) const PAGE_SIZE: &str = "200";
/// Merged records that are followed.
const MAX_MERGED: usize = 50;

/// How the client treats its server.
#[derive(Debug, Clone)]
pub struct FhirServerOptions {
    /// The longest that one call may take; below the server's own limit of 30 s.
    pub timeout: Duration,
    /// How many transactions run at once; more than 16 only queue at the server.
    pub concurrent_writes: usize,
    /// The largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// The most resources that one search may return, over all its pages.
    pub max_search_results: usize,
}

impl Default for FhirServerOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            concurrent_writes: 8,
            max_answer_bytes: 64 << 20,
            max_search_results: 20_000,
        }
    }
}

/// What a read found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The resource as it stands.
    Present(Value),
    /// No such resource was ever here.
    Absent,
    /// It was here and has been deleted.
    Deleted,
}

/// The version that a transaction left one resource at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenVersion {
    /// `Type/id`.
    pub location: String,
    /// The version id.
    pub version: String,
}

/// What a transaction answered, entry by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionResponse {
    /// One for each entry, in the request's order.
    pub entries: Vec<WrittenVersion>,
}

/// A FHIR server, by its base URL or by any other way to it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FhirServer {
    transport: Arc<dyn FhirTransport>,
    writes: Arc<Semaphore>,
    options: FhirServerOptions,
}

impl FhirServer {
    /// Makes a client of the server at `base`, such as `http://127.0.0.1:8080/fhir`.
    ///
    /// # Errors
    /// `Unreadable` when `base` is no URL, `Unavailable` when the HTTP client cannot be built.
    pub fn new(base: &str, options: FhirServerOptions) -> Result<Self, FhirError> {
        let http = HttpTransport::new(base, options.timeout, options.max_answer_bytes)?;
        Ok(Self::by(Arc::new(http), options))
    }

    /// Makes a client of a server that is reached by `transport`; the options' timeout holds there too.
    pub fn over(transport: impl FhirTransport, options: FhirServerOptions) -> Self {
        let timeout = options.timeout;
        Self::by(Arc::new(Limited { transport, timeout }), options)
    }

    fn by(transport: Arc<dyn FhirTransport>, options: FhirServerOptions) -> Self {
        let writes = Arc::new(Semaphore::new(options.concurrent_writes));
        Self { transport, writes, options }
    }

    /// Returns every resource that a search finds, over all its pages, each once.
    ///
    /// Other resources that the server adds (`search.mode` other than `match`) are left out.
    pub async fn search(
        &self,
        resource_type: &str,
        criteria: &[(&str, &str)],
    ) -> Result<Vec<Value>, FhirError> {
        let mut form = criteria.to_vec();
        form.push(("_count", PAGE_SIZE));
        let page = self.post_search(resource_type, &form, "no-cache").await?;
        self.all_pages(page).await
    }

    /// Returns every resource from this page of a searchset on, each once.
    pub(crate) async fn all_pages(&self, mut page: Value) -> Result<Vec<Value>, FhirError> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        loop {
            let next = next_page(&page)?;
            let before = found.len();
            for resource in matches(page) {
                let id = resource.get("id").and_then(Value::as_str);
                let id = id.ok_or(FhirError::Unreadable { what: "a resource without id" })?.to_owned();
                if seen.insert(id) {
                    found.push(resource);
                }
            }
            let Some(next) = next else { return Ok(found) };
            if found.len() > self.options.max_search_results {
                return Err(FhirError::Unreadable { what: "more results than allowed" });
            }
            if found.len() == before {
                return Err(FhirError::Unreadable { what: "a page that brings nothing new" });
            }
            page = self.call(FhirRequest::get(next)).await?;
        }
    }

    /// Returns at most `limit` resources (up to 1000) that a search finds, without paging.
    pub async fn search_few(
        &self,
        resource_type: &str,
        criteria: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Value>, FhirError> {
        let limit = limit.min(1000).to_string();
        let mut form = criteria.to_vec();
        form.push(("_count", &limit));
        let cache = format!("no-store, max-results={limit}");
        Ok(matches(self.post_search(resource_type, &form, &cache).await?).collect())
    }

    /// Returns how many resources a search would find.
    pub async fn count(&self, resource_type: &str, criteria: &[(&str, &str)]) -> Result<u64, FhirError> {
        let mut form = criteria.to_vec();
        form.push(("_summary", "count"));
        let bundle = self.post_search(resource_type, &form, "no-cache").await?;
        bundle
            .get("total")
            .and_then(Value::as_u64)
            .ok_or(FhirError::Unreadable { what: "a count without total" })
    }

    /// Reads one resource, telling a deleted one from one that never was.
    pub async fn read(&self, resource_type: &str, id: &str) -> Result<Found, FhirError> {
        let url = format!("{resource_type}/{id}");
        let batch = json!({
            "resourceType": "Bundle", "type": "batch",
            "entry": [{"request": {"method": "GET", "url": url}}],
        });
        let mut answer = self.post_bundle(Bytes::from(batch.to_string())).await?;
        let entry = answer.pointer_mut("/entry/0").map(Value::take);
        let mut entry = entry.ok_or(FhirError::Unreadable { what: "a batch answer without entries" })?;
        let status = entry.pointer("/response/status").and_then(Value::as_str).unwrap_or_default();
        match status.get(..3) {
            Some("200") => match entry.get_mut("resource").map(Value::take) {
                Some(resource) => Ok(Found::Present(resource)),
                None => Err(FhirError::Unreadable { what: "a read without a resource" }),
            },
            Some("404") => Ok(Found::Absent),
            Some("410") => Ok(Found::Deleted),
            _ => Err(FhirError::Unavailable { source: None }),
        }
    }

    /// Returns the ids of all patients that were merged into this one (`replaced-by`), merges of merges included.
    ///
    /// # Errors
    /// `Unreadable` when there are more than 50.
    pub async fn merged_into(&self, live: &Value) -> Result<BTreeSet<String>, FhirError> {
        let id = live
            .get("id")
            .and_then(Value::as_str)
            .ok_or(FhirError::Unreadable { what: "a resource without id" })?;
        let mut merged: BTreeSet<String> = linked_patients(live, "replaces").map(str::to_owned).collect();
        let mut unseen: Vec<String> = std::iter::once(id.to_owned()).chain(merged.iter().cloned()).collect();
        while let Some(current) = unseen.pop() {
            for other in self.search("Patient", &[("link", &format!("Patient/{current}"))]).await? {
                let is_replaced = linked_patients(&other, "replaced-by").any(|by| by == current);
                let other_id = other.get("id").and_then(Value::as_str).unwrap_or_default();
                if is_replaced && merged.insert(other_id.to_owned()) {
                    unseen.push(other_id.to_owned());
                }
            }
            if merged.len() > MAX_MERGED {
                return Err(FhirError::Unreadable { what: "more merged records than can be followed" });
            }
        }
        merged.remove(id);
        Ok(merged)
    }

    /// Writes a transaction Bundle: all of it, or nothing.
    ///
    /// After `Unavailable` the outcome is unknown; the same bytes may be sent again.
    pub async fn transaction(&self, bundle: Bytes) -> Result<TransactionResponse, FhirError> {
        let _permit = self.writes.acquire().await.map_err(|_| FhirError::Unavailable { source: None })?;
        let answer = self.post_bundle(bundle).await?;
        let entries = answer.get("entry").and_then(Value::as_array);
        let entries = entries.into_iter().flatten().map(written_version).collect::<Option<Vec<_>>>();
        let entries =
            entries.ok_or(FhirError::Unreadable { what: "a transaction answer without locations" })?;
        Ok(TransactionResponse { entries })
    }

    /// Asks whether the server answers at all.
    pub async fn ping(&self) -> Result<(), FhirError> {
        let request = FhirRequest::get("metadata?_elements=fhirVersion&_summary=true");
        self.call(request).await.map(|_: Value| ())
    }

    pub(crate) async fn post_search(
        &self,
        resource_type: &str,
        form: &[(&str, &str)],
        cache_control: &str,
    ) -> Result<Value, FhirError> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = FhirRequest::post(format!("{resource_type}/_search"), FORM, Bytes::from(form));
        request.cache_control = Some(cache_control.to_owned());
        self.call(request).await
    }

    async fn post_bundle(&self, bundle: Bytes) -> Result<Value, FhirError> {
        self.call(FhirRequest::post("", FHIR_JSON, bundle)).await
    }

    /// Posts a batch of searches, past any cached result.
    pub(crate) async fn post_searches(&self, batch: Bytes) -> Result<Value, FhirError> {
        let mut request = FhirRequest::post("", FHIR_JSON, batch);
        request.cache_control = Some("no-cache".to_owned());
        self.call(request).await
    }

    pub(crate) async fn call(&self, request: FhirRequest) -> Result<Value, FhirError> {
        let answer = self.transport.call(request).await?;
        if !answer.status.is_success() {
            return Err(FhirError::from_answer(answer.status, &answer.body));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| FhirError::Unreadable { what: "an answer that is no JSON" })
    }
}

/// Takes the resources out of a searchset, without those that were only added to it.
fn matches(mut bundle: Value) -> impl Iterator<Item = Value> {
    let entries = bundle.get_mut("entry").map(Value::take);
    let entries = match entries {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    entries.into_iter().filter_map(|mut entry| {
        let mode = entry.pointer("/search/mode").and_then(Value::as_str);
        if mode.is_some_and(|mode| mode != "match") {
            return None;
        }
        entry.get_mut("resource").map(Value::take)
    })
}

/// Reads `Type/id` and the version out of an entry's `location` and `etag` (`1` and `W/"1"` are both met).
fn written_version(entry: &Value) -> Option<WrittenVersion> {
    let location = entry.pointer("/response/location")?.as_str()?;
    let (before, version) = location.split_once("/_history/")?;
    let mut parts = before.rsplit('/');
    let (id, resource_type) = (parts.next()?, parts.next()?);
    Some(WrittenVersion { location: format!("{resource_type}/{id}"), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_matches_are_taken_from_a_searchset() {
        let bundle = json!({"entry": [
            {"resource": {"id": "1"}, "search": {"mode": "match"}},
            {"resource": {"id": "2"}, "search": {"mode": "include"}},
            {"resource": {"id": "3"}},
        ]});
        let ids: Vec<_> = matches(bundle).map(|r| r["id"].clone()).collect();
        assert_eq!(ids, ["1", "3"]);
    }

    #[test]
    fn a_version_is_read_from_the_location() {
        let entry =
            json!({"response": {"status": "200 OK", "location": "Patient/a/_history/2", "etag": "2"}});
        let version = written_version(&entry).unwrap();
        assert_eq!((version.location.as_str(), version.version.as_str()), ("Patient/a", "2"));
    }
}
