//! Next-links: read on the configured base only, so that a wrong or hostile link leads nowhere else.

use reqwest::Url;
use serde_json::Value;

use crate::error::FhirError;

/// Returns where the next page is, on `base`, whatever host the server wrote into the link.
pub(crate) fn next_page(bundle: &Value, base: &Url) -> Result<Option<Url>, FhirError> {
    let links = bundle.get("link").and_then(Value::as_array);
    let next = links
        .into_iter()
        .flatten()
        .find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))
        .and_then(|link| link.get("url")?.as_str());
    let Some(next) = next else { return Ok(None) };
    let link = base.join(next).map_err(|_| FhirError::Unreadable { what: "the next-link is no URL" })?;
    let mut page = base.clone();
    page.set_query(link.query());
    Ok(Some(page))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_to_another_host_is_read_on_our_own_base() {
        let base = Url::parse("http://127.0.0.1:8080/fhir").unwrap();
        let bundle = json!({"link": [{"relation": "next", "url": "http://evil.example/x?_getpages=1&_getpagesoffset=20"}]});
        let next = next_page(&bundle, &base).unwrap().unwrap();
        assert_eq!(next.as_str(), "http://127.0.0.1:8080/fhir?_getpages=1&_getpagesoffset=20");
        assert_eq!(next_page(&json!({"link": []}), &base).unwrap(), None);
    }
}
