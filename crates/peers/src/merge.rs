//! From what was read and what was good before to what holds now. Pure, and blind to the order of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Jurisdiction;

use crate::check::EntryProblem;
use crate::entry::{JurisdictionEntry, JurisdictionState, PeerService};
use crate::file::ReadEntry;

pub(crate) type Entries = BTreeMap<Jurisdiction, Arc<JurisdictionEntry>>;

/// The code (or position) of each refused entry, and why.
pub(crate) type Problems = Vec<(String, EntryProblem)>;

/// Merges: good entries hold, a refused one leaves its last good version, what is not in the file is gone.
pub(crate) fn merge(mut read: Vec<ReadEntry>, last: &Entries) -> (Entries, Problems) {
    // A refused entry falls back on identities that another may have taken over: again until nothing clashes.
    loop {
        let clashing: Vec<usize> =
            (0..read.len()).filter(|&position| is_clashing(&read, position, last)).collect();
        if clashing.is_empty() {
            break;
        }
        for position in clashing {
            read[position].outcome = Err(EntryProblem::Duplicate);
        }
    }
    let mut entries = Entries::new();
    let mut refused = Vec::new();
    for one in read {
        match one.outcome {
            Ok(entry) => drop(entries.insert(entry.code.clone(), Arc::new(entry))),
            Err(problem) => refused.push((one.label, one.code, one.is_suspended, problem)),
        }
    }
    let mut problems = Problems::new();
    for (label, code, is_suspended, problem) in refused {
        problems.push((label, problem));
        let Some(code) = code else { continue };
        if let Some(good) = last.get(&code) {
            entries.entry(code.clone()).or_insert_with(|| good.clone());
        }
        // A slip elsewhere in an entry must not keep a suspended peer going.
        if is_suspended && let Some(entry) = entries.get_mut(&code) {
            Arc::make_mut(entry).state = JurisdictionState::Suspended;
        }
    }
    (entries, problems)
}

/// Whether a good entry shares its code or an identity with another and is not the one that had it before.
fn is_clashing(read: &[ReadEntry], position: usize, last: &Entries) -> bool {
    let Ok(entry) = &read[position].outcome else { return false };
    let before = last.get(&entry.code);
    let mut twins = read
        .iter()
        .enumerate()
        .filter(|(other, one)| *other != position && one.code.as_ref() == Some(&entry.code))
        .map(|(_, twin)| twin)
        .peekable();
    let is_unchanged = before.is_some_and(|before| **before == *entry);
    let has_twin = twins.peek().is_some();
    if has_twin && (!is_unchanged || twins.any(|twin| twin.outcome.as_ref() == Ok(entry))) {
        return true;
    }
    PeerService::ALL.into_iter().any(|service| {
        let had = before.and_then(|before| before.identities.of(service));
        let id = entry.identities.of(service).filter(|id| Some(*id) != had);
        id.is_some_and(|id| is_claimed_by_another(read, &entry.code, id, last))
    })
}

/// Whether another jurisdiction has an identity: by its good entry, or by the last good one that a refused leaves.
fn is_claimed_by_another(read: &[ReadEntry], code: &Jurisdiction, id: &str, last: &Entries) -> bool {
    read.iter().any(|one| {
        let holder = match (&one.outcome, &one.code) {
            (Ok(entry), _) => Some(entry),
            (Err(_), Some(refused)) => last.get(refused).map(AsRef::as_ref),
            (Err(_), None) => None,
        };
        holder.is_some_and(|holder| holder.code != *code && holder.identities.all().any(|other| other == id))
    })
}

#[cfg(test)]
mod tests;
