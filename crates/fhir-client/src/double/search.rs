//! Searches: criteria to places by the indexes, places to pages.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;

use super::facts::{self, Kind};
use super::outcome::{self, Refused};
use super::store::{Place, Search, Store};
use crate::transport::FhirResponse;

/// What stands in links and full URLs; clients read them on their own base.
const BASE: &str = "http://localhost/fhir";
const DEFAULT_PAGE: usize = 20;
/// The most results of a search that is kept nowhere.
const MAX_UNKEPT: usize = 1000;

/// How the results are shown.
#[derive(Debug)]
struct Shape {
    count: usize,
    only_count: bool,
    /// With `no-store` there are only so many results and no further page.
    unkept: Option<usize>,
}

pub(super) fn search(
    store: &mut Store,
    resource_type: &str,
    form: &str,
    cache: &str,
    now: DateTime<Utc>,
) -> Result<FhirResponse, Refused> {
    let mut shape = Shape { count: DEFAULT_PAGE, only_count: false, unkept: unkept(cache)? };
    let mut found: Option<Vec<Place>> = None;
    let (mut from, mut until, mut is_by_time) = (None, None, false);
    for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
        match (&*name, &*value) {
            ("_count", number) => shape.count = number.parse().map_err(|_| bad_value("_count"))?,
            ("_summary", "count") => shape.only_count = true,
            ("_format" | "_pretty" | "_total", _) | ("_elements", "id") => {}
            ("_sort", "_lastUpdated") => is_by_time = true,
            ("_lastUpdated", value) => match value.split_at_checked(2) {
                Some(("ge", at)) => from = Some(instant(at)?),
                Some(("lt", at)) => until = Some(instant(at)?),
                _ => return Err(bad_value("_lastUpdated")),
            },
            (name, value) => {
                let places = places(store, resource_type, name, value)?;
                found = Some(match found {
                    None => places,
                    Some(before) => both(&before, &places),
                });
            }
        }
    }
    let mut found = if is_by_time || from.is_some() || until.is_some() {
        if found.is_some() {
            return Err(bad_value("_lastUpdated")); // with other criteria: not known here
        }
        let written = store.written(resource_type, from.as_deref().unwrap_or_default(), until.as_deref());
        let live = written.filter(|place| store.at(*place).is_some_and(|stored| !stored.is_deleted));
        live.take(shape.unkept.unwrap_or(usize::MAX)).collect()
    } else {
        found.unwrap_or_else(|| store.places_of(resource_type).collect())
    };
    if shape.only_count {
        let total = found.len();
        let bundle = format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{total}}}"#);
        return Ok(outcome::ok(bundle));
    }
    if let Some(most) = shape.unkept {
        found.truncate(most);
        let count = found.len().min(shape.count);
        return Ok(show(store, &found[..count], found.len(), None, now));
    }
    if found.len() <= shape.count {
        return Ok(show(store, &found, found.len(), None, now));
    }
    let (id, search) = store.keep(Search { found });
    Ok(show_page(store, id, &search, (0, shape.count), now))
}

/// Reads a further page by the query of a next-link.
pub(super) fn page(store: &Store, query: &str, now: DateTime<Utc>) -> Result<FhirResponse, Refused> {
    let number = |wanted: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    let id = number("_getpages").ok_or_else(|| Refused::unknown("a GET of the base without a page"))?;
    let search = u64::from_str_radix(&id, 16).ok().and_then(|id| Some((id, store.kept(id)?)));
    let gone = || Refused::new(StatusCode::GONE, "HAPI-0417: Search does not exist or has expired");
    let (id, search) = search.ok_or_else(gone)?;
    let read = |name, default| {
        number(name).map_or(Ok(default), |value| value.parse::<usize>()).map_err(|_| bad_value(name))
    };
    let part = (read("_getpagesoffset", 0)?, read("_count", DEFAULT_PAGE)?);
    Ok(show_page(store, id, &search, part, now))
}

fn show_page(
    store: &Store,
    id: u64,
    search: &Search,
    (offset, count): (usize, usize),
    now: DateTime<Utc>,
) -> FhirResponse {
    let total = search.found.len();
    let (start, end) = (offset.min(total), (offset + count.max(1)).min(total));
    let next = (end < total).then(|| format!("{BASE}?_getpages={id:x}&_getpagesoffset={end}&_count={count}"));
    show(store, &search.found[start..end], total, next, now)
}

/// Returns what was written since an instant, deletions among it, newest first; in one page, however many there are.
pub(super) fn history(store: &Store, resource_type: &str, query: &str) -> Result<FhirResponse, Refused> {
    let (mut since, mut only_ids) = (None, false);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "_since" => since = Some(instant(&value)?),
            "_count" => {}
            "_elements" if value == "id" => only_ids = true,
            _ => return Err(Refused::unknown("the double does not know this parameter of a history")),
        }
    }
    let since = since.ok_or_else(|| Refused::unknown("a history without _since is not known here"))?;
    let mut written: Vec<Place> = store.written(resource_type, &since, None).collect();
    written.reverse();
    let written = written.into_iter().filter_map(|place| store.at(place));
    let entries: Vec<String> = written.map(|stored| entry(stored, only_ids)).collect();
    Ok(outcome::ok(format!(
        r#"{{"resourceType":"Bundle","type":"history","entry":[{}]}}"#,
        entries.join(",")
    )))
}

fn entry(stored: &super::store::Stored, only_id: bool) -> String {
    let (key, version) = (&stored.key, stored.version);
    let response = format!(r#""response":{{"etag":"W/\"{version}\""}}"#);
    if stored.is_deleted {
        return format!(
            r#"{{"fullUrl":"{BASE}/{key}","request":{{"method":"DELETE","url":"{key}/_history/{version}"}},{response}}}"#
        );
    }
    let short = || {
        let (resource_type, id) = key.split_once('/').unwrap_or_default();
        let meta = format!(r#"{{"versionId":"{version}","lastUpdated":"{}"}}"#, stored.updated);
        format!(r#"{{"resourceType":"{resource_type}","id":"{id}","meta":{meta}}}"#)
    };
    let text = if only_id { short() } else { String::from_utf8_lossy(&stored.text).into_owned() };
    format!(
        r#"{{"fullUrl":"{BASE}/{key}","resource":{text},"request":{{"method":"PUT","url":"{key}/_history/{version}"}},{response}}}"#
    )
}

/// Reads an instant as the store writes it.
fn instant(text: &str) -> Result<String, Refused> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| bad_value("an instant"))?;
    Ok(super::store::instant(at.to_utc()))
}

fn show(
    store: &Store,
    places: &[Place],
    total: usize,
    next: Option<String>,
    now: DateTime<Utc>,
) -> FhirResponse {
    let found: Vec<_> = places.iter().filter_map(|place| store.at(*place)).collect();
    let size: usize = found.iter().map(|stored| stored.text.len() + 160).sum();
    let mut bundle = String::with_capacity(size + 256);
    let now = super::store::instant(now);
    let _ = write!(
        bundle,
        r#"{{"resourceType":"Bundle","meta":{{"lastUpdated":"{now}"}},"type":"searchset","total":{total}"#
    );
    if let Some(next) = next {
        let _ = write!(bundle, r#","link":[{{"relation":"next","url":"{next}"}}]"#);
    }
    let mut before = r#","entry":["#;
    for stored in found.into_iter().filter(|stored| !stored.is_deleted) {
        let _ = write!(bundle, r#"{before}{{"fullUrl":"{BASE}/{}","resource":"#, stored.key);
        bundle.push_str(std::str::from_utf8(&stored.text).unwrap_or("null"));
        bundle.push_str(r#","search":{"mode":"match"}}"#);
        before = ",";
    }
    bundle.push_str(if before == "," { "]}" } else { "}" });
    outcome::ok(bundle)
}

fn unkept(cache: &str) -> Result<Option<usize>, Refused> {
    let mut directives = cache.split(',').map(str::trim);
    if !directives.clone().any(|directive| directive == "no-store") {
        return Ok(None);
    }
    let most = directives.find_map(|directive| directive.strip_prefix("max-results="));
    match most.map(str::parse::<usize>) {
        None => Ok(Some(MAX_UNKEPT)),
        Some(Ok(most)) if most <= MAX_UNKEPT => Ok(Some(most)),
        Some(_) => {
            Err(Refused::bad_request("HAPI-1165: Cache-Control header max-results value is too large"))
        }
    }
}

/// Returns everything that fits one of the values of one parameter, sorted.
fn places(store: &Store, resource_type: &str, name: &str, values: &str) -> Result<Vec<Place>, Refused> {
    let kind = facts::kind(resource_type, name).ok_or_else(|| {
        Refused::bad_request(format!("HAPI-0524: Unknown search parameter \"{name}\" for {resource_type}"))
    })?;
    let mut places = Vec::new();
    for value in split(values) {
        let value = value.as_ref();
        match kind {
            Kind::Id => places.extend(store.place(&super::store::key(resource_type, value))),
            Kind::Reference => {
                let target = facts::target_of(name, value).ok_or_else(|| bad_value(name))?;
                places.extend_from_slice(store.places_by(facts::term(resource_type, name, &target)));
            }
            Kind::Word => {
                let of = facts::term(resource_type, name, "");
                places.extend(store.places_by_word((of, &facts::folded(&unescaped(value)))));
            }
            Kind::ExactWord => {
                let term = facts::term(resource_type, name, &unescaped(value));
                places.extend_from_slice(store.places_by(term));
            }
            Kind::Token => {
                let token = token(value).ok_or_else(|| bad_value(name))?;
                places.extend_from_slice(store.places_by(facts::term(resource_type, name, &token)));
            }
            Kind::Date => {
                let is_plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                if !is_plain || ![4, 7, 10].contains(&value.len()) {
                    return Err(bad_value(name));
                }
                places.extend_from_slice(store.places_by(facts::term(resource_type, name, value)));
            }
        }
    }
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

fn bad_value(name: &str) -> Refused {
    Refused::bad_request(format!("HAPI-0524: the double cannot read this value of {name}"))
}

fn both(left: &[Place], right: &[Place]) -> Vec<Place> {
    let (few, many) = if left.len() < right.len() { (left, right) } else { (right, left) };
    few.iter().filter(|place| many.binary_search(place).is_ok()).copied().collect()
}

/// Splits at commas that are not escaped; the parts are still escaped.
fn split(values: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(values);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = unescaped_at(text, ',');
        rest = end.map(|end| &text[end + 1..]);
        Some(Cow::Borrowed(end.map_or(text, |end| &text[..end])))
    })
}

/// Finds the first `wanted` that no backslash precedes.
fn unescaped_at(text: &str, wanted: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == wanted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reads a token, `system|value` or a value of any system, as the index writes it.
fn token(value: &str) -> Option<String> {
    match unescaped_at(value, '|') {
        None => Some(unescaped(value).into_owned()),
        Some(at) if at + 1 == value.len() => None,
        Some(at) => Some(format!("{}|{}", unescaped(&value[..at]), unescaped(&value[at + 1..]))),
    }
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_values_may_be_escaped() {
        let parts: Vec<_> = split(r"a\|b|c\,d,e").map(|part| token(&part).unwrap()).collect();
        assert_eq!(parts, ["a|b|c,d", "e"]);
        assert_eq!(token("system|"), None);
    }
}
