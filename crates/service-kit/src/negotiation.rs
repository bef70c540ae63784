//! What a reader accepts, as far as it matters here: text or JSON, packed or plain, and what it already has.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH};

/// Tells whether the reader would rather have `text/csv` than JSON.
pub fn prefers_csv(headers: &HeaderMap) -> bool {
    let wish = |kinds: &[&str]| {
        let wishes = list(headers, &ACCEPT).filter(|(kind, _)| kinds.contains(kind)).map(|(_, wish)| wish);
        wishes.max().unwrap_or(0)
    };
    wish(&["text/csv", "text/*"]) > wish(&["application/json", "application/*", "*/*"])
}

/// Tells whether the reader unpacks gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let named = list(headers, &ACCEPT_ENCODING).find(|(name, _)| matches!(*name, "gzip" | "x-gzip"));
    let any = || list(headers, &ACCEPT_ENCODING).find(|(name, _)| *name == "*");
    named.or_else(any).is_some_and(|(_, wish)| wish > 0)
}

/// Tells whether the reader already has what this weak tag names (RFC 9110 §13.1.2).
pub fn already_has(headers: &HeaderMap, tag: &str) -> bool {
    let plain = tag.trim_start_matches("W/");
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|had| had == "*" || had.trim_start_matches("W/") == plain)
}

/// Reads a list of names with wishes in thousandths; what is malformed counts as 1.
fn list<'h>(
    headers: &'h HeaderMap,
    name: &axum::http::HeaderName,
) -> impl Iterator<Item = (&'h str, u32)> + use<'h> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let wish = parts.find_map(|part| part.strip_prefix("q=")).map_or(1_000, thousandths);
        (kind, wish)
    })
}

fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<3}");
    match (whole.parse::<u32>(), part.get(..3).and_then(|part| part.parse::<u32>().ok())) {
        (Ok(whole), Some(part)) => (whole.min(1) * 1_000 + part).min(1_000),
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn text_is_for_whoever_prefers_it() {
        for wanted in ["text/csv", "text/csv, application/json;q=0.9", "text/*", "*/*;q=0.1, text/csv;q=0.2"]
        {
            assert!(prefers_csv(&with(ACCEPT, wanted)), "{wanted}");
        }
        for other in [
            "",
            "*/*",
            "application/json",
            "text/html",
            "text/csv, */*",
            "text/csv;q=0",
            "text/csv;q=0.5, */*",
        ] {
            assert!(!prefers_csv(&with(ACCEPT, other)), "{other}");
        }
        assert!(!prefers_csv(&HeaderMap::new()));
    }

    #[test]
    fn packed_is_for_whoever_unpacks_it() {
        for yes in ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "*", "br,gzip"] {
            assert!(accepts_gzip(&with(ACCEPT_ENCODING, yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "identity", "gzip;q=0.000, *"] {
            assert!(!accepts_gzip(&with(ACCEPT_ENCODING, no)), "{no}");
        }
    }

    #[test]
    fn a_tag_is_compared_weakly() {
        for had in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(already_has(&with(IF_NONE_MATCH, had), "W/\"a\""), "{had}");
        }
        assert!(!already_has(&with(IF_NONE_MATCH, "W/\"ab\""), "W/\"a\""));
        assert!(!already_has(&HeaderMap::new(), "W/\"a\""));
    }
}
