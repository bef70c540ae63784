//! Several searches in one call: a batch, which a server answers in half the time of one call after the other.

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Value, json};

use crate::client::{FhirServer, PAGE_SIZE};
use crate::error::FhirError;

/// Ids in one search.
const IDS_PER_SEARCH: usize = 100;

/// A search that is asked together with others.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The type of resource.
    pub resource_type: &'a str,
    /// Parameters and their values.
    pub criteria: &'a [(&'a str, &'a str)],
    /// Whether only the number is wanted.
    pub is_count: bool,
}

/// What one of the searches found.
#[derive(Debug, Clone, PartialEq)]
pub enum Searched {
    /// Every resource, over all pages, each once.
    All(Vec<Value>),
    /// How many there are.
    Count(u64),
}

impl<'a> Search<'a> {
    /// Asks for every resource that is found.
    pub fn all(resource_type: &'a str, criteria: &'a [(&'a str, &'a str)]) -> Self {
        Self { resource_type, criteria, is_count: false }
    }

    /// Asks how many are found.
    pub fn count(resource_type: &'a str, criteria: &'a [(&'a str, &'a str)]) -> Self {
        Self { resource_type, criteria, is_count: true }
    }

    /// Returns the relative URL, which stands in the body and in no log of requests.
    fn url(&self) -> Result<String, FhirError> {
        let base = format!("http://batch/{}", self.resource_type);
        let mut url = Url::parse(&base).map_err(|_| FhirError::Unreadable { what: "no URL" })?;
        let how = if self.is_count { ("_summary", "count") } else { ("_count", PAGE_SIZE) };
        url.query_pairs_mut().extend_pairs(self.criteria).append_pair(how.0, how.1);
        Ok(format!("{}?{}", self.resource_type, url.query().unwrap_or_default()))
    }
}

impl FhirServer {
    /// Returns those of the resources that exist, named by type and ids, in one call.
    ///
    /// # Errors
    /// As a single search.
    pub async fn read_many(&self, wanted: &[(&str, Vec<String>)]) -> Result<Vec<Value>, FhirError> {
        let lists: Vec<(&str, String)> = wanted
            .iter()
            .flat_map(|(of, ids)| ids.chunks(IDS_PER_SEARCH).map(|some| (*of, some.join(","))))
            .collect();
        let criteria: Vec<_> = lists.iter().map(|(_, ids)| [("_id", ids.as_str())]).collect();
        let searches: Vec<_> =
            lists.iter().zip(&criteria).map(|((of, _), criteria)| Search::all(of, criteria)).collect();
        let mut found = Vec::new();
        for searched in self.search_together(&searches).await? {
            if let Searched::All(resources) = searched {
                found.extend(resources);
            }
        }
        Ok(found)
    }

    /// Searches several times in one call; the answers stand in the order of the questions.
    ///
    /// # Errors
    /// As a single search; one that fails fails all.
    pub async fn search_together(&self, searches: &[Search<'_>]) -> Result<Vec<Searched>, FhirError> {
        if searches.is_empty() {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        for search in searches {
            entries.push(json!({"request": {"method": "GET", "url": search.url()?}}));
        }
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
        let mut answer = self.post_searches(Bytes::from(batch.to_string())).await?;
        let entries = answer.get_mut("entry").and_then(Value::as_array_mut).map(std::mem::take);
        let entries = entries.unwrap_or_default();
        if entries.len() != searches.len() {
            return Err(FhirError::Unreadable { what: "a batch answer of another length" });
        }
        let mut found = Vec::new();
        for (search, mut entry) in searches.iter().zip(entries) {
            let status = entry.pointer("/response/status").and_then(Value::as_str).unwrap_or_default();
            if !status.starts_with("200") {
                return Err(FhirError::Unavailable { source: None });
            }
            let page = entry.get_mut("resource").map(Value::take);
            let page = page.ok_or(FhirError::Unreadable { what: "a search without a Bundle" })?;
            found.push(if search.is_count {
                let total = page.get("total").and_then(Value::as_u64);
                Searched::Count(total.ok_or(FhirError::Unreadable { what: "a count without total" })?)
            } else {
                Searched::All(self.all_pages(page).await?)
            });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_in_the_url() {
        let criteria = [("identifier", "http://a|1&2 é"), ("patient", "x,y")];
        let search = Search::all("Patient", &criteria);
        let url = search.url().unwrap();
        assert_eq!(url, "Patient?identifier=http%3A%2F%2Fa%7C1%262+%C3%A9&patient=x%2Cy&_count=200");
    }
}
