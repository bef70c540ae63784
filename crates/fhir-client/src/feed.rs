//! Following a server: what has changed, in the order in which it did, and what was deleted.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::client::FhirServer;
use crate::error::FhirError;
use crate::paging::next_page;
use crate::transport::FhirRequest;

/// The most resources of a page; more the server refuses.
pub const PAGE: usize = 1000;

/// Something that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Its logical id.
    pub id: String,
    /// The version that says so.
    pub version: i64,
}

impl FhirServer {
    /// Returns the server's own time, as it stands in the answer to a search that it does not keep.
    pub async fn server_time(&self) -> Result<DateTime<Utc>, FhirError> {
        let form = [("_count", "1"), ("_elements", "id"), ("_total", "none")];
        let page = self.post_search("Patient", &form, "no-store, max-results=1").await?;
        let time = page.pointer("/meta/lastUpdated").and_then(Value::as_str);
        time.and_then(|time| DateTime::parse_from_rfc3339(time).ok())
            .map(|time| time.to_utc())
            .ok_or(FhirError::Unreadable { what: "a search without its time" })
    }

    /// Returns up to [`PAGE`] resources that were last changed from `from` on and before `until`, oldest first. The
    /// next page begins at the last one's instant: nothing is kept at the server between the two.
    pub async fn changed(
        &self,
        resource_type: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Value>, FhirError> {
        let (from, until) = (format!("ge{}", instant(from)), format!("lt{}", instant(until)));
        let criteria = [
            ("_lastUpdated", from.as_str()),
            ("_lastUpdated", until.as_str()),
            ("_sort", "_lastUpdated"),
            ("_total", "none"),
        ];
        self.search_few(resource_type, &criteria, PAGE).await
    }

    /// Returns all resources that were last changed at one instant (to the millisecond): for a page that has no other.
    pub async fn changed_at(&self, resource_type: &str, at: DateTime<Utc>) -> Result<Vec<Value>, FhirError> {
        let (from, until) = (format!("ge{}", instant(at)), format!("lt{}", instant(after(at))));
        self.search(resource_type, &[("_lastUpdated", &from), ("_lastUpdated", &until)]).await
    }

    /// Returns how many resources there are that were last changed before an instant.
    pub async fn count_before(&self, resource_type: &str, until: DateTime<Utc>) -> Result<u64, FhirError> {
        self.count(resource_type, &[("_lastUpdated", &format!("lt{}", instant(until)))]).await
    }

    /// Returns what was deleted since an instant and has not come back. Some may be named that were deleted before.
    ///
    /// Of the versions that were written beside them only ids are asked for; a server that sends them whole all the
    /// same is read as well.
    pub async fn deleted_since(
        &self,
        resource_type: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Deleted>, FhirError> {
        let mut deleted = Vec::new();
        let mut path = format!("{resource_type}/_history?_since={}&_count=500&_elements=id", instant(since));
        loop {
            let page = self.call(FhirRequest::get(path)).await?;
            let entries = page.get("entry").and_then(Value::as_array);
            deleted.extend(entries.into_iter().flatten().filter_map(|entry| deletion(entry, resource_type)));
            let Some(next) = next_page(&page)? else { return Ok(deleted) };
            path = format!("{resource_type}/_history{next}");
        }
    }
}

/// Returns the instant behind this one, to the millisecond, which is how precisely the server tells time.
pub fn after(at: DateTime<Utc>) -> DateTime<Utc> {
    at + chrono::TimeDelta::milliseconds(1)
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn deletion(entry: &Value, resource_type: &str) -> Option<Deleted> {
    if entry.pointer("/request/method")?.as_str()? != "DELETE" {
        return None;
    }
    let url = entry.pointer("/request/url")?.as_str()?;
    let mut parts = url.split('/').skip_while(|part| *part != resource_type);
    let id = parts.nth(1)?.to_owned();
    let etag = entry.pointer("/response/etag")?.as_str()?;
    let version = etag.trim_start_matches("W/").trim_matches('"').parse().ok()?;
    Some(Deleted { id, version })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deletion_is_read_with_its_version() {
        for (url, etag) in [("Immunization/a/_history/3", "3"), ("http://h/fhir/Immunization/a", "W/\"3\"")] {
            let entry = json!({"request": {"method": "DELETE", "url": url}, "response": {"etag": etag}});
            assert_eq!(deletion(&entry, "Immunization"), Some(Deleted { id: "a".to_owned(), version: 3 }));
        }
        let put = json!({"request": {"method": "PUT", "url": "Immunization/a"}, "response": {"etag": "3"}});
        assert_eq!(deletion(&put, "Immunization"), None);
    }
}
