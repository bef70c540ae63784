//! Holds the trail against its chains, and the chains against the heads that the log and later chains name.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::time::Duration;

use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::chain::{BEGINNING, Hash, Head, Row};

/// Rows that a living process has had no time to link yet are younger than this.
const YOUNG_SECONDS: f64 = 120.0;

/// The longest that a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// The row that a link names is gone.
    Removed {
        /// The chain.
        chain: String,
        /// The number in it.
        seq: i64,
        /// The row.
        event_id: i64,
    },
    /// A row, or its place in the chain, is not what was linked.
    Altered {
        /// The chain.
        chain: String,
        /// The number in it.
        seq: i64,
        /// The row.
        event_id: i64,
    },
    /// Numbers of a chain are missing.
    Gap {
        /// The chain.
        chain: String,
        /// The first number that is missing.
        seq: i64,
    },
    /// A chain ends before, or differs at, a head that was told of: its end was cut off or written anew.
    CutOff {
        /// The chain.
        chain: String,
        /// The number that was told of.
        seq: i64,
    },
    /// A row that no chain holds, though its writer had the time to link it: added by somebody else, or its link is gone.
    Unlinked {
        /// The row.
        event_id: i64,
        /// Who is said to have written it.
        writer: String,
    },
}

/// What a verification has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Chains.
    pub chains: u64,
    /// Rows that are linked and as they were.
    pub rows: u64,
    /// Rows too young to be linked.
    pub young: u64,
    /// Heads that were told of and held against the chains.
    pub heads: u64,
    /// What is wrong; nothing in a good trail.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Tells whether nothing was found wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Opens the database whose trail is to be verified.
pub async fn open(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE).connect(url).await
}

/// Reads the whole trail, a row at a time, and reports what does not agree.
///
/// `heads` are those of the log ([`heads_from_log`]): without them nobody can tell that the end of the last
/// chain was cut off.
pub async fn verify(pool: &PgPool, heads: &[Head]) -> Result<Report, sqlx::Error> {
    let mut report = Report::default();
    let mut told = Told::of(heads);
    let mut at: Option<(String, i64, Hash)> = None;
    let mut links = sqlx::query!(
        r#"-- audit.verify
        SELECT l.chain, l.seq, l.event_id, l.hash, e.id AS "id?", e.at AS "at?", e.action AS "action?",
            e.outcome AS "outcome?", e.forensic AS "forensic?", e.actor AS "actor?", e.transfer_id, e.peer,
            e.detail AS "detail?", e.writer AS "writer?"
        FROM audit_link l LEFT JOIN audit_event e ON e.id = l.event_id ORDER BY l.chain, l.seq"#
    )
    .fetch(pool);
    while let Some(link) = links.try_next().await? {
        let (before, expected) = match at.take() {
            Some((chain, seq, hash)) if chain == link.chain => (hash, seq + 1),
            _ => {
                report.chains += 1;
                (BEGINNING, 0)
            }
        };
        let (chain, seq, event_id) = (link.chain, link.seq, link.event_id);
        if seq != expected {
            report.findings.push(Finding::Gap { chain: chain.clone(), seq: expected });
        }
        let stored = Hash::try_from(link.hash).unwrap_or(BEGINNING);
        let row = (|| {
            Some(Row {
                id: link.id?,
                at: link.at?,
                action: link.action?,
                outcome: link.outcome?,
                forensic: link.forensic?,
                actor: link.actor?,
                transfer_id: link.transfer_id,
                peer: link.peer,
                detail: link.detail?,
                writer: link.writer?,
            })
        })();
        match row {
            None => report.findings.push(Finding::Removed { chain: chain.clone(), seq, event_id }),
            // Behind a gap the hash before is not known; the gap is named.
            Some(row) if seq == expected && row.hash(&before, seq) != stored => {
                report.findings.push(Finding::Altered { chain: chain.clone(), seq, event_id });
            }
            Some(row) => {
                report.rows += 1;
                if row.action == "audit.opened" {
                    told.note_opening(&row.detail);
                }
            }
        }
        told.meet(&chain, seq, &stored);
        // The stored hash goes on: one altered row is one finding, not one for each row behind it.
        at = Some((chain, seq, stored));
    }
    drop(links);
    let unlinked = sqlx::query!(
        r#"-- audit.verify.unlinked
        SELECT e.id, e.writer, extract(epoch FROM now() - e.at)::float8 AS "age!" FROM audit_event e
        WHERE NOT EXISTS (SELECT 1 FROM audit_link l WHERE l.event_id = e.id) ORDER BY e.id"#
    )
    .fetch_all(pool)
    .await?;
    for row in unlinked {
        if row.age < YOUNG_SECONDS {
            report.young += 1;
        } else {
            report.findings.push(Finding::Unlinked { event_id: row.id, writer: row.writer });
        }
    }
    report.heads = told.met + told.waiting.len() as u64;
    report.findings.extend(told.waiting.into_keys().map(|(chain, seq)| Finding::CutOff { chain, seq }));
    Ok(report)
}

/// Heads that somebody has told of, until they are met.
#[derive(Default)]
struct Told {
    waiting: BTreeMap<(String, i64), String>,
    /// What was met before an opening row told of it.
    seen: BTreeMap<String, (i64, String)>,
    met: u64,
}

impl Told {
    fn of(heads: &[Head]) -> Self {
        let waiting = heads.iter().map(|head| ((head.chain.clone(), head.seq), head.hash.clone())).collect();
        Self { waiting, ..Self::default() }
    }

    /// Notes the heads that an opening row names. Chains are read by name, and names grow with time: those it names
    /// were read before, as a rule; of these only the last link is remembered, which is what it names.
    fn note_opening(&mut self, detail: &Value) {
        let named = detail.get("predecessors").cloned().unwrap_or_default();
        for head in serde_json::from_value::<Vec<Head>>(named).unwrap_or_default() {
            match self.seen.get(&head.chain) {
                Some((seq, hash)) if *seq == head.seq && *hash == head.hash => self.met += 1,
                // A chain that went on afterwards: its numbers have no gaps, or that was found.
                Some((seq, _)) if *seq > head.seq => self.met += 1,
                _ => {
                    self.waiting.insert((head.chain, head.seq), head.hash);
                }
            }
        }
    }

    fn meet(&mut self, chain: &str, seq: i64, hash: &Hash) {
        let hash = hex::encode(hash);
        if let std::collections::btree_map::Entry::Occupied(told) =
            self.waiting.entry((chain.to_owned(), seq))
            && *told.get() == hash
        {
            told.remove();
            self.met += 1;
        }
        self.seen.insert(chain.to_owned(), (seq, hash));
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
