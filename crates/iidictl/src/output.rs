//! How answers are shown: aligned tables with ages, or JSON that stays as the services give it.

use std::env;
use std::io::{Stdout, Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::arguments::{Form, Lang};
use crate::words::Word;

/// The language and the form of the output.
#[derive(Debug)]
pub struct Output {
    /// The language.
    pub lang: Lang,
    /// The form.
    pub form: Form,
    out: Stdout,
}

impl Output {
    /// Takes the language from the environment where none is asked for.
    pub fn new(lang: Option<Lang>, form: Form) -> Self {
        let asked = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| env::var(name).ok());
        let is_french = asked.is_some_and(|lang| lang.to_ascii_lowercase().starts_with("fr"));
        let lang = lang.unwrap_or(if is_french { Lang::Fr } else { Lang::En });
        Self { lang, form, out: std::io::stdout() }
    }

    /// Returns a word in the output's language.
    pub fn word(&self, word: Word) -> &'static str {
        word.in_lang(self.lang)
    }

    /// Writes a line; a reader that has gone, as `head` does, is no error.
    pub fn line(&self, line: &str) {
        let _ = writeln!(self.out.lock(), "{line}");
    }

    /// Writes a document as JSON and tells whether that was asked for.
    pub fn json(&self, document: &impl Serialize) -> anyhow::Result<bool> {
        if self.form == Form::Table {
            return Ok(false);
        }
        let text = match self.form {
            Form::Ndjson => serde_json::to_string(document)?,
            _ => serde_json::to_string_pretty(document)?,
        };
        self.line(&text);
        Ok(true)
    }

    /// Writes a list as JSON, or an object a line, and tells whether that was asked for.
    pub fn list(&self, documents: &[impl Serialize]) -> anyhow::Result<bool> {
        if self.form != Form::Ndjson {
            return self.json(&documents);
        }
        for document in documents {
            self.json(document)?;
        }
        Ok(true)
    }

    /// Writes a table with aligned columns.
    pub fn table(&self, heads: &[Word], rows: &[Vec<String>]) {
        let heads: Vec<String> = heads.iter().map(|head| self.word(*head).to_owned()).collect();
        for line in aligned(&heads, rows) {
            self.line(&line);
        }
    }

    /// What is said of something, after its name; a colon has a no-break space before it in French.
    pub fn of(&self, name: &str, said: &str) -> String {
        let colon = if self.lang == Lang::Fr { "\u{a0}:" } else { ":" };
        format!("{name}{colon} {said}")
    }

    /// Asks something on standard error, so that standard output stays what was asked for.
    #[expect(clippy::print_stderr, reason = "a question is no part of the answer")]
    pub fn ask(&self, question: Word) {
        eprint!("{} ", self.word(question));
    }

    /// Says what went wrong, on standard error.
    #[expect(clippy::print_stderr, reason = "errors go where scripts do not read")]
    pub fn complain(&self, error: &anyhow::Error) {
        eprintln!("{}", self.of(self.word(Word::Error), &format!("{error:#}")));
    }
}

/// Lines of a table: each column as wide as its widest cell, the last as long as it is.
fn aligned(heads: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let all = || std::iter::once(heads).chain(rows.iter().map(Vec::as_slice));
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// Returns a time and how long ago it was: `2026-01-02 03:04:05Z (3 m)`.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", at.format("%Y-%m-%d %H:%M:%SZ"), span(now - at))
}

/// Returns a number of seconds in its largest unit.
pub fn seconds(seconds: u64) -> String {
    span(i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX))
}

/// Returns a span in its largest unit.
pub fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Returns the computer's time.
#[expect(clippy::disallowed_methods, reason = "ages are shown by the operator's own clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let heads = ["ÉTAT", "B"].map(str::to_owned);
        let rows = [vec!["a".to_owned(), "x y".to_owned()], vec!["abcdef".to_owned(), String::new()]];
        assert_eq!(aligned(&heads, &rows), ["ÉTAT    B", "a       x y", "abcdef"]);
    }

    #[test]
    fn ages_have_one_unit() {
        let seconds = [0, 59, 60, 3599, 3600, 172_799, 172_800];
        let shown = seconds.map(|seconds| span(TimeDelta::seconds(seconds)));
        assert_eq!(shown, ["0 s", "59 s", "1 m", "59 m", "1 h", "47 h", "2 d"]);
    }
}
