//! `jurisdictions.yaml`: a list of entries, each read on its own.

use serde_norway::Value;

use crate::entry::{EntryProblem, JurisdictionEntry};

/// What one reading of the file gave.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) entries: Vec<JurisdictionEntry>,
    /// The code (or position) of each refused entry, and why.
    pub(crate) problems: Vec<(String, EntryProblem)>,
}

/// Reads the whole text, or says why it is no directory at all.
pub(crate) fn read(text: &str) -> Result<Reading, String> {
    let document: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let list = document.get("jurisdictions").and_then(Value::as_sequence);
    let list = list.ok_or("the file must hold a list `jurisdictions:`")?;
    let mut reading = Reading::default();
    for (position, value) in list.iter().enumerate() {
        let label = value
            .get("code")
            .and_then(Value::as_str)
            .map_or_else(|| format!("entry {}", position + 1), str::to_owned);
        match entry(value).and_then(|entry| reading.unique(entry)) {
            Ok(entry) => reading.entries.push(entry),
            Err(problem) => reading.problems.push((label, problem)),
        }
    }
    Ok(reading)
}

fn entry(value: &Value) -> Result<JurisdictionEntry, EntryProblem> {
    if value.get("code").is_some_and(|code| !code.is_string()) {
        let text = "code must be a quoted text: unquoted, YAML reads ON and NO as booleans";
        return Err(EntryProblem::Unreadable(text.to_owned()));
    }
    let entry: JurisdictionEntry = serde_norway::from_value(value.clone())
        .map_err(|error| EntryProblem::Unreadable(error.to_string()))?;
    entry.check()?;
    Ok(entry)
}

impl Reading {
    /// Refuses the later of two entries that share a code or an identity.
    fn unique(&self, entry: JurisdictionEntry) -> Result<JurisdictionEntry, EntryProblem> {
        let mut own: Vec<&str> = entry.identities.all().collect();
        own.sort_unstable();
        let repeats = own.windows(2).any(|pair| pair[0] == pair[1]);
        let clashes = self.entries.iter().any(|other| {
            other.code == entry.code || other.identities.all().any(|id| own.binary_search(&id).is_ok())
        });
        if repeats || clashes { Err(EntryProblem::Duplicate) } else { Ok(entry) }
    }
}
