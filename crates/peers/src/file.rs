//! `jurisdictions.yaml`: a list of entries, each read on its own.

use domain::Jurisdiction;
use serde_norway::Value;

use crate::check::EntryProblem;
use crate::cluster::ClusterSource;
use crate::entry::JurisdictionEntry;

/// One entry as it was read: good, or what is wrong with it.
#[derive(Debug)]
pub(crate) struct ReadEntry {
    /// The code as written, or the position.
    pub(crate) label: String,
    /// Whose it is, as far as that can be told.
    pub(crate) code: Option<Jurisdiction>,
    /// Whether it says `state: suspended`, whatever else is wrong with it.
    pub(crate) is_suspended: bool,
    pub(crate) outcome: Result<JurisdictionEntry, EntryProblem>,
}

/// Returns where the entries are, if the file says that they are a cluster's objects: `kubernetes: {}`.
pub(crate) fn cluster(text: &str) -> Option<Result<ClusterSource, String>> {
    let document: Value = serde_norway::from_str(text).ok()?;
    let source = document.get("kubernetes")?.clone();
    if document.get("jurisdictions").is_some() {
        return Some(Err(
            "the file holds a list `jurisdictions:` or names `kubernetes:`, not both".to_owned()
        ));
    }
    Some(serde_norway::from_value(source).map_err(|error| error.to_string()))
}

/// Reads the whole text, or says why it is no directory at all.
pub(crate) fn read(text: &str) -> Result<Vec<ReadEntry>, String> {
    let document: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let list = document.get("jurisdictions").and_then(Value::as_sequence);
    let list = list.ok_or("the file must hold a list `jurisdictions:`")?;
    let quoted = quoted_codes(text);
    let is_quoted = |code: &str| {
        let written = list.iter().filter(|value| code_of(value) == Some(code)).count();
        quoted.iter().filter(|quoted| **quoted == code).count() >= written
    };
    let read = |(position, value): (usize, &Value)| {
        let text = code_of(value);
        ReadEntry {
            label: text.map_or_else(|| format!("entry {}", position + 1), str::to_owned),
            code: text.and_then(|text| Jurisdiction::parse(&text.to_ascii_uppercase()).ok()),
            is_suspended: says_suspended(value),
            outcome: match text {
                Some(code) if is_quoted(code) && code.bytes().all(|b| b.is_ascii_uppercase()) => entry(value),
                _ => Err(EntryProblem::Code),
            },
        }
    };
    Ok(list.iter().enumerate().map(read).collect())
}

fn code_of(value: &Value) -> Option<&str> {
    value.get("code").and_then(Value::as_str)
}

fn says_suspended(value: &Value) -> bool {
    let state = value.get("state").and_then(Value::as_str);
    state.is_some_and(|state| state.trim().eq_ignore_ascii_case("suspended"))
}

fn entry(value: &Value) -> Result<JurisdictionEntry, EntryProblem> {
    let entry: JurisdictionEntry = serde_norway::from_value(value.clone())
        .map_err(|error| EntryProblem::Unreadable(error.to_string()))?;
    entry.check()?;
    Ok(entry)
}

/// Finds what stands in quotes after each `code:`. The parser no longer tells `ON` from `"ON"`, yet other readers
/// of the file take the first for a truth value.
fn quoted_codes(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.match_indices("code").map(|(at, key)| &line[at + key.len()..]))
        .filter_map(|rest| {
            let rest = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?.trim_start();
            let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
            rest[1..].split_once(quote).map(|(code, _)| code)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_seen_in_every_style_and_not_in_comments() {
        for text in ["- code: \"ON\"", "- {name: x, code: 'ON'}", "{\"code\":\"ON\"}", "code:   \"ON\" # x"] {
            assert_eq!(quoted_codes(text), ["ON"], "{text}");
        }
        for text in ["- code: ON", "# code: \"ON\"", "- code:", "code: \"ON"] {
            assert!(quoted_codes(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_bare_lower_case_or_missing_code_is_refused_and_still_attributed() {
        let read =
            |code: &str| read(&format!("jurisdictions:\n- {code}\n  state: suspended\n")).unwrap().remove(0);
        for (line, attributed) in [
            ("code: ON", Some("ON")),
            ("code: \"on\"", Some("ON")),
            ("code: \"On\"", Some("ON")),
            ("code: true", None),
            ("name: x", None),
        ] {
            let entry = read(line);
            assert_eq!(entry.outcome, Err(EntryProblem::Code), "{line}");
            assert_eq!(entry.code.as_ref().map(Jurisdiction::as_str), attributed, "{line}");
            assert!(entry.is_suspended, "{line}");
        }
    }
}
