//! Holds links, one after the other, against their rows: pure.

use serde_json::Value;

use crate::chain::{BEGINNING, Hash, Head, Row};
use crate::finding::{Finding, Report};
use crate::told::Told;

/// Rows that are not what was linked are compared with one another, to find those that changed places; no more.
const COMPARED: usize = 1000;

/// A link, and the row that it names.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) chain: String,
    pub(crate) seq: i64,
    pub(crate) event_id: i64,
    pub(crate) hash: Hash,
    pub(crate) row: Option<Row>,
}

/// A verification under way.
#[derive(Debug)]
pub(crate) struct Check {
    report: Report,
    told: Told,
    at: Option<(String, i64, Hash)>,
    wrong: Vec<Wrong>,
}

/// A place whose row is not what was linked there.
#[derive(Debug)]
struct Wrong {
    chain: String,
    seq: i64,
    before: Hash,
    hash: Hash,
    row: Row,
    finding: usize,
}

impl Check {
    /// Begins with the heads that were told outside the database.
    pub(crate) fn new(heads: &[Head]) -> Self {
        Self { report: Report::default(), told: Told::of(heads), at: None, wrong: Vec::new() }
    }

    /// Notes a row that opens a chain; all of them, before the first link.
    pub(crate) fn opening(&mut self, event_id: i64, detail: &Value) {
        self.told.opening(event_id, detail);
    }

    /// Holds a link against its row; they come by chain and number.
    pub(crate) fn link(&mut self, link: Link) {
        let Link { chain, seq, event_id, hash, row } = link;
        let (before, expected) = match self.at.take() {
            Some((last, seq, hash)) if last == chain => (hash, seq + 1),
            _ => {
                self.report.chains += 1;
                (BEGINNING, 0)
            }
        };
        if seq != expected {
            self.report.findings.push(Finding::Gap { chain: chain.clone(), seq: expected });
        }
        match row {
            None => self.report.findings.push(Finding::Removed { chain: chain.clone(), seq, event_id }),
            // Behind a gap the hash before is not known; the gap is named.
            Some(row) if seq == expected && row.hash(&before, seq) != hash => {
                if self.wrong.len() < COMPARED {
                    let finding = self.report.findings.len();
                    self.wrong.push(Wrong { chain: chain.clone(), seq, before, hash, row, finding });
                }
                self.report.findings.push(Finding::Altered { chain: chain.clone(), seq, event_id });
            }
            Some(row) => {
                self.report.rows += 1;
                if row.action == "audit.opened" {
                    self.told.opening_is_good(event_id, &chain);
                }
            }
        }
        self.told.stands(&chain, seq, &hash);
        // The stored hash goes on: one altered row is one finding, not one for each row behind it.
        self.at = Some((chain, seq, hash));
    }

    /// Notes a row without a link.
    pub(crate) fn unlinked(&mut self, event_id: i64, writer: String, is_young: bool) {
        if is_young {
            self.report.young += 1;
        } else {
            self.report.findings.push(Finding::Unlinked { event_id, writer });
        }
    }

    /// Returns what was found.
    pub(crate) fn finish(mut self) -> Report {
        for place in &self.wrong {
            let home = self.wrong.iter().find(|home| place.row.hash(&home.before, home.seq) == home.hash);
            if let Some(home) = home {
                self.report.findings[place.finding] = Finding::Moved {
                    chain: place.chain.clone(),
                    seq: place.seq,
                    event_id: place.row.id,
                    from_chain: home.chain.clone(),
                    from_seq: home.seq,
                };
            }
        }
        self.told.report(&mut self.report);
        self.report
    }
}

#[cfg(test)]
mod tests;
