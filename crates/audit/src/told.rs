//! The heads that somebody has told of, held against the chains as they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};

use serde_json::Value;

use crate::chain::{Hash, Head};
use crate::finding::{Finding, Report};

/// Heads by chain and number, and what stands there.
#[derive(Debug, Default)]
pub(crate) struct Told {
    by_chain: BTreeMap<String, BTreeMap<i64, Place>>,
    ends: BTreeMap<String, (i64, Hash)>,
    /// The chains of openings that are as they were written.
    openings: BTreeMap<i64, String>,
}

#[derive(Debug, Default)]
struct Place {
    told: Vec<(String, Witness)>,
    stands: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    /// The log, or the operator.
    Outside,
    /// The row that opens another chain.
    Opening(i64),
}

impl Told {
    /// Notes what was told outside the database.
    pub(crate) fn of(heads: &[Head]) -> Self {
        let mut told = Self::default();
        for head in heads {
            told.note(head.clone(), Witness::Outside);
        }
        told
    }

    /// Notes the heads that an opening row names. They count once that row is seen to be as it was written.
    pub(crate) fn opening(&mut self, event_id: i64, detail: &Value) {
        let named = detail.get("predecessors").cloned().unwrap_or_default();
        for head in serde_json::from_value::<Vec<Head>>(named).unwrap_or_default() {
            self.note(head, Witness::Opening(event_id));
        }
    }

    fn note(&mut self, head: Head, witness: Witness) {
        let place = self.by_chain.entry(head.chain).or_default().entry(head.seq).or_default();
        place.told.push((head.hash, witness));
    }

    /// Notes a link; those of a chain come in their order.
    pub(crate) fn stands(&mut self, chain: &str, seq: i64, hash: &Hash) {
        if let Some(place) = self.by_chain.get_mut(chain).and_then(|places| places.get_mut(&seq)) {
            place.stands = Some(hex::encode(hash));
        }
        match self.ends.get_mut(chain) {
            Some(end) => *end = (seq, *hash),
            None => {
                self.ends.insert(chain.to_owned(), (seq, *hash));
            }
        }
    }

    /// Notes that a row which opens a chain is as it was written.
    pub(crate) fn opening_is_good(&mut self, event_id: i64, chain: &str) {
        self.openings.insert(event_id, chain.to_owned());
    }

    /// Reports where a chain is not what was told of it, and the ends that nobody has named.
    pub(crate) fn report(self, report: &mut Report) {
        let mut named = BTreeSet::new();
        for (chain, places) in &self.by_chain {
            let end = self.ends.get(chain).map_or(-1, |(seq, _)| *seq);
            let (mut after, mut rewritten, mut cut_off) = (None, None, None);
            for (&seq, place) in places {
                for (hash, witness) in &place.told {
                    let told_by = match witness {
                        Witness::Outside => None,
                        Witness::Opening(event_id) => match self.openings.get(event_id) {
                            Some(chain) => Some(chain.clone()),
                            None => continue,
                        },
                    };
                    report.heads += 1;
                    match &place.stands {
                        Some(stands) if stands == hash => {
                            if rewritten.is_none() {
                                after = Some(seq);
                            }
                            if told_by.is_some() && seq == end {
                                named.insert(chain.clone());
                            }
                        }
                        Some(_) => {
                            rewritten.get_or_insert((seq, told_by));
                        }
                        None if seq > end => cut_off = Some((seq, told_by)),
                        None => {} // a gap, which was found
                    }
                }
            }
            if let Some((seq, told_by)) = rewritten {
                report.findings.push(Finding::Rewritten { chain: chain.clone(), after, seq, told_by });
            }
            if let Some((seq, told_by)) = cut_off {
                report.findings.push(Finding::CutOff { chain: chain.clone(), seq, told_by });
            }
        }
        let ends = self.ends.into_iter().filter(|(chain, _)| !named.contains(chain));
        report.ends = ends.map(|(chain, (seq, hash))| Head { chain, seq, hash: hex::encode(hash) }).collect();
    }
}

/// Collects the heads that a service has told its log, from its JSON lines; other lines are passed over.
pub fn heads_from_log(log: impl BufRead) -> io::Result<Vec<Head>> {
    let mut heads = Vec::new();
    for line in log.lines() {
        let line = line?;
        if !line.contains("audit.hash") {
            continue;
        }
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        let seq = line.get("audit.seq").and_then(Value::as_i64);
        if let (Some(chain), Some(seq), Some(hash)) = (text("audit.chain"), seq, text("audit.hash")) {
            heads.push(Head { chain, seq, hash });
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_from_a_log_among_other_lines() {
        let log = r#"not json
{"level":"INFO","message":"request"}
{"level":"INFO","message":"audit chain head","audit.chain":"a/1","audit.seq":7,"audit.hash":"00ff"}
"#;
        let heads = heads_from_log(log.as_bytes()).unwrap();
        assert_eq!(heads, [Head { chain: "a/1".to_owned(), seq: 7, hash: "00ff".to_owned() }]);
    }
}
