//! Next-links: only their query is taken, so that a wrong or hostile link leads nowhere else.

use reqwest::Url;
use serde_json::Value;

use crate::error::FhirError;

/// Returns the query of the next page, `?` before it, whatever host the server wrote into the link.
pub(crate) fn next_page(bundle: &Value) -> Result<Option<String>, FhirError> {
    let links = bundle.get("link").and_then(Value::as_array);
    let next = links
        .into_iter()
        .flatten()
        .find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))
        .and_then(|link| link.get("url")?.as_str());
    let Some(next) = next else { return Ok(None) };
    // A relative link is read on any base: its host is not used.
    let base = Url::parse("http://localhost/").map_err(|_| unreadable())?;
    let link = base.join(next).map_err(|_| unreadable())?;
    Ok(Some(format!("?{}", link.query().unwrap_or_default())))
}

fn unreadable() -> FhirError {
    FhirError::Unreadable { what: "the next-link is no URL" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_to_another_host_is_read_on_our_own_base() {
        let bundle = json!({"link": [{"relation": "next", "url": "http://evil.example/x?_getpages=1&_getpagesoffset=20"}]});
        assert_eq!(next_page(&bundle).unwrap().as_deref(), Some("?_getpages=1&_getpagesoffset=20"));
        assert_eq!(next_page(&json!({"link": []})).unwrap(), None);
    }
}
