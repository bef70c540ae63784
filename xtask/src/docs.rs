//! `docs`: writes the parts of the documentation that are made from the code.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use contracts::ProblemCode;
use contracts::problem::Actor;

use crate::{repository, say};

const PAGE: &str = "docs/API.md";
const BEGIN: &str = "<!-- problems: begin, written by `cargo xtask docs` -->\n";
const END: &str = "<!-- problems: end -->\n";

/// Writes the catalogue of problems into the description of the API.
pub fn write() -> Result<()> {
    let path = repository().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    fs::write(&path, with_catalogue(&page)?)?;
    say(&format!("{PAGE} holds {} problems", ProblemCode::ALL.len()));
    Ok(())
}

fn with_catalogue(page: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{PAGE} lacks {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{PAGE} lacks {END:?}"))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", catalogue()))
}

fn catalogue() -> String {
    let mut table =
        String::from("| code | status | meaning | who acts | sent again |\n|---|---|---|---|---|\n");
    for code in ProblemCode::ALL {
        let actor = match code.actor() {
            Actor::Sender => "sender",
            Actor::Operator => "operator",
            Actor::Nobody => "nobody",
        };
        let again = if code.is_retried() { "yes" } else { "no" };
        let (word, status, meaning) = (code.as_str(), code.status().as_u16(), code.meaning());
        let _ = writeln!(table, "| `{word}` | {status} | {meaning} | {actor} | {again} |"); // a String takes all
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_catalogue_is_the_one_in_the_code() {
        let page = fs::read_to_string(repository().join(PAGE)).unwrap();
        assert_eq!(page, with_catalogue(&page).unwrap(), "write it anew: cargo xtask docs");
    }
}
