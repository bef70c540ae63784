//! `sources`: how it stands with each province's data in the national table.

use anyhow::Result;
use contracts::federated::{Source, SourceList, SourceStatus};

use crate::api::Api;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, seconds};
use crate::words::Word;

/// Runs the command.
pub async fn run(config: &Config, output: &Output) -> Result<Exit> {
    let SourceList { sources, .. } = Api::federator(config)?.get("/sources", &[]).await?;
    if output.list(&sources)? {
        return Ok(exit(&sources));
    }
    if sources.is_empty() {
        output.line(output.word(Word::NoSources));
        return Ok(exit(&sources));
    }
    let rows: Vec<_> = sources.iter().map(|source| row(output, source)).collect();
    output.table(&[Word::Jurisdiction, Word::Status, Word::AsOf, Word::Release, Word::Why], &rows);
    Ok(exit(&sources))
}

/// A table without a source is as wrong as one in which a source is missing.
fn exit(sources: &[Source]) -> Exit {
    let is_whole = !sources.is_empty() && sources.iter().all(|source| source.status == SourceStatus::Ok);
    if is_whole { Exit::Fine } else { Exit::Error }
}

/// What is not there, as of a source without data, is a dash and never a zero.
fn row(output: &Output, source: &Source) -> Vec<String> {
    let status = match source.status {
        SourceStatus::Ok => Word::Ok,
        SourceStatus::Stale => Word::Stale,
        SourceStatus::Unavailable => Word::Unavailable,
        SourceStatus::Invalid => Word::Invalid,
        SourceStatus::Suspended => Word::Suspended,
    };
    let none = || "-".to_owned();
    let as_of = source.as_of.map(|at| {
        let age = source.age_seconds.map_or_else(String::new, |age| format!(" ({})", seconds(age)));
        format!("{}{age}", at.format("%Y-%m-%d %H:%M:%SZ"))
    });
    let why = source.problem.as_ref().map(|problem| match &problem.detail {
        Some(detail) => format!("{}: {detail}", problem.code),
        None => problem.code.clone(),
    });
    vec![
        source.jurisdiction.to_string(),
        output.word(status).to_owned(),
        as_of.unwrap_or_else(none),
        source.release_id.map_or_else(none, |id| id.to_string()),
        why.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::arguments::{Form, Lang};

    fn source(code: &str, status: &str, change: &Value) -> Source {
        let mut source = json!({"jurisdiction": code, "status": status, "as_of": null, "published_at": null,
            "age_seconds": null, "release_id": null, "threshold": null});
        source.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(source).unwrap()
    }

    fn here(code: &str, status: &str) -> Source {
        let data = json!({"as_of": "2026-03-01T02:00:00Z", "published_at": "2026-03-01T03:00:00Z",
            "age_seconds": 7200, "release_id": 7, "threshold": 5});
        source(code, status, &data)
    }

    #[test]
    fn only_a_whole_table_ends_fine() {
        let ok = here("ON", "ok");
        assert_eq!(exit(std::slice::from_ref(&ok)), Exit::Fine);
        for status in ["stale", "unavailable", "invalid", "suspended"] {
            assert_eq!(exit(&[ok.clone(), source("BC", status, &json!({}))]), Exit::Error, "{status}");
        }
        assert_eq!(exit(&[]), Exit::Error);
    }

    #[test]
    fn a_source_without_data_shows_no_age_and_no_release() {
        let output = Output::new(Some(Lang::Fr), Form::Table);
        let problem = json!({"problem": {"type": "about:blank", "title": "t", "status": 504,
            "code": "source-timeout", "detail": "nothing within 5 s"}});
        let missing = row(&output, &source("BC", "unavailable", &problem));
        assert_eq!(missing, ["BC", "indisponible", "-", "-", "source-timeout: nothing within 5 s"]);
        let there = row(&output, &here("ON", "ok"));
        assert_eq!(there, ["ON", "ok", "2026-03-01 02:00:00Z (2 h)", "7", ""]);
    }
}
