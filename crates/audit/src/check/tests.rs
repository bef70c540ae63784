use std::collections::BTreeMap;

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const PROCESSES: usize = 4;

/// A trail in memory, written as processes write theirs.
#[derive(Debug, Clone, Default)]
struct Trail {
    rows: BTreeMap<i64, Row>,
    links: BTreeMap<(String, i64), (i64, Hash)>,
    chains: Vec<String>,
}

/// What one of the processes does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Write(usize),
    Restart(usize),
}

fn script() -> impl Strategy<Value = Vec<Act>> {
    let act =
        prop_oneof![8 => (0..PROCESSES).prop_map(Act::Write), 1 => (0..PROCESSES).prop_map(Act::Restart)];
    // The last one opens its chain after all others.
    proptest::collection::vec(act, 10..80).prop_map(|mut acts| {
        acts.push(Act::Restart(0));
        acts.push(Act::Write(0));
        acts
    })
}

impl Trail {
    /// Plays a script; the row that `forged` counts to is another, and everything after it agrees with it.
    fn play(script: &[Act], forged: Option<usize>) -> Self {
        let mut trail = Self::default();
        let mut running: [Option<String>; PROCESSES] = Default::default();
        for (step, act) in script.iter().enumerate() {
            let (Act::Write(process) | Act::Restart(process)) = *act;
            if running[process].is_none() || matches!(act, Act::Restart(_)) {
                let chain = format!("service/{:03}", trail.chains.len());
                let before = trail.ends();
                trail.chains.push(chain.clone());
                trail.append(&chain, "audit.opened", json!({"predecessors": before}));
                running[process] = Some(chain);
            }
            if let (Act::Write(_), Some(chain)) = (act, &running[process]) {
                let action = if forged == Some(step) { "request.forged" } else { "request" };
                trail.append(chain, action, json!({"status": 200}));
            }
        }
        trail
    }

    fn append(&mut self, chain: &str, action: &str, detail: Value) {
        let id = 1 + self.rows.last_key_value().map_or(0, |(id, _)| *id);
        let row = Row {
            id,
            at: DateTime::from_timestamp_micros(1_790_000_000_000_000 + id).unwrap(),
            action: action.to_owned(),
            outcome: "success".to_owned(),
            forensic: false,
            actor: "test".to_owned(),
            transfer_id: None,
            peer: None,
            detail,
            writer: chain.to_owned(),
        };
        let (seq, before) = self.end(chain).map_or((-1, BEGINNING), |(seq, hash)| (seq, hash));
        self.links.insert((chain.to_owned(), seq + 1), (id, row.hash(&before, seq + 1)));
        self.rows.insert(id, row);
    }

    fn end(&self, chain: &str) -> Option<(i64, Hash)> {
        let all = (chain.to_owned(), 0)..=(chain.to_owned(), i64::MAX);
        self.links.range(all).next_back().map(|((_, seq), (_, hash))| (*seq, *hash))
    }

    /// The heads that a process which starts now names.
    fn ends(&self) -> Vec<Head> {
        let named = self.named();
        let heads = self.chains.iter().filter_map(|chain| {
            let (seq, hash) = self.end(chain)?;
            Some(Head { chain: chain.clone(), seq, hash: hex::encode(hash) })
        });
        heads.filter(|head| !named.contains(head)).collect()
    }

    /// The heads that opening rows name.
    fn named(&self) -> Vec<Head> {
        let openings = self.rows.values().filter(|row| row.action == "audit.opened");
        openings
            .flat_map(|row| serde_json::from_value::<Vec<Head>>(row.detail["predecessors"].clone()).unwrap())
            .collect()
    }

    /// The highest number of a chain that a later chain names.
    fn witnessed(&self, chain: &str) -> Option<i64> {
        self.named().iter().filter(|head| head.chain == chain).map(|head| head.seq).max()
    }

    fn verify(&self, heads: &[Head]) -> Report {
        let mut check = Check::new(heads);
        for row in self.rows.values().filter(|row| row.action == "audit.opened") {
            check.opening(row.id, &row.detail);
        }
        for ((chain, seq), (event_id, hash)) in &self.links {
            let (chain, row) = (chain.clone(), self.rows.get(event_id).cloned());
            check.link(Link { chain, seq: *seq, event_id: *event_id, hash: *hash, row });
        }
        for (id, row) in &self.rows {
            if !self.links.values().any(|(linked, _)| linked == id) {
                check.unlinked(*id, row.writer.clone(), false);
            }
        }
        check.finish()
    }

    /// Removes a chain's rows and links from a number on; returns the rows.
    fn cut(&mut self, chain: &str, from: i64) -> Vec<Row> {
        let all: Vec<_> = self
            .links
            .range((chain.to_owned(), from)..=(chain.to_owned(), i64::MAX))
            .map(|(at, _)| at.clone())
            .collect();
        all.into_iter().filter_map(|at| self.rows.remove(&self.links.remove(&at)?.0)).collect()
    }

    /// Links rows at the end of a chain with hashes that agree.
    fn link(&mut self, chain: &str, rows: Vec<Row>) {
        for row in rows {
            let (seq, before) = self.end(chain).map_or((-1, BEGINNING), |(seq, hash)| (seq, hash));
            self.links.insert((chain.to_owned(), seq + 1), (row.id, row.hash(&before, seq + 1)));
            self.rows.insert(row.id, row);
        }
    }

    fn place(&self, at: prop::sample::Index) -> (String, i64, i64) {
        let ((chain, seq), (id, _)) = self.links.iter().nth(at.index(self.links.len())).unwrap();
        (chain.clone(), *seq, *id)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_trail_that_nobody_touched_is_good_and_its_ends_are_what_nobody_names(acts in script(), more in script()) {
        let trail = Trail::play(&acts, None);
        let report = trail.verify(&[]);
        prop_assert!(report.is_good(), "{report:?}");
        prop_assert_eq!(&report.ends, &trail.ends());
        prop_assert_eq!(report.rows, trail.rows.len() as u64);
        // What was kept holds after the trail has grown.
        let grown = Trail::play(&[acts, more].concat(), None).verify(&report.ends);
        prop_assert!(grown.is_good(), "{grown:?}");
    }

    #[test]
    fn a_removed_and_an_altered_row_are_named(acts in script(), at: prop::sample::Index) {
        let trail = Trail::play(&acts, None);
        let (chain, seq, event_id) = trail.place(at);
        let mut removed = trail.clone();
        removed.rows.remove(&event_id);
        prop_assert_eq!(removed.verify(&[]).findings, [Finding::Removed { chain: chain.clone(), seq, event_id }]);
        let mut altered = trail.clone();
        altered.rows.get_mut(&event_id).unwrap().outcome = "failed".to_owned();
        prop_assert_eq!(altered.verify(&[]).findings, [Finding::Altered { chain: chain.clone(), seq, event_id }]);
        let mut without = trail;
        without.rows.remove(&event_id);
        let end = without.end(&chain).unwrap().0;
        without.links.remove(&(chain.clone(), seq));
        let findings = without.verify(&[]).findings;
        if seq < end {
            prop_assert_eq!(findings, [Finding::Gap { chain, seq }]);
        }
    }

    #[test]
    fn rows_that_changed_places_are_named_with_where_they_belong(
        acts in script(), a: prop::sample::Index, b: prop::sample::Index,
    ) {
        let mut trail = Trail::play(&acts, None);
        let (a, b) = (trail.place(a), trail.place(b));
        prop_assume!(a != b);
        trail.links.get_mut(&(a.0.clone(), a.1)).unwrap().0 = b.2;
        trail.links.get_mut(&(b.0.clone(), b.1)).unwrap().0 = a.2;
        let moved = |at: &(String, i64, i64), row: &(String, i64, i64)| Finding::Moved {
            chain: at.0.clone(), seq: at.1, event_id: row.2, from_chain: row.0.clone(), from_seq: row.1,
        };
        let (first, second) = if (&a.0, a.1) < (&b.0, b.1) { (&a, &b) } else { (&b, &a) };
        prop_assert_eq!(trail.verify(&[]).findings, [moved(first, second), moved(second, first)]);
    }

    #[test]
    fn a_chain_that_ends_before_what_another_names_was_cut_off(acts in script(), at: prop::sample::Index) {
        let mut trail = Trail::play(&acts, None);
        let (chain, from, _) = trail.place(at);
        let Some(told) = trail.witnessed(&chain).filter(|told| *told >= from) else { return Ok(()) };
        // As if the chain's own process had named nobody: what its opening tells of others goes with it.
        trail.cut(&chain, from);
        let findings = trail.verify(&[]).findings;
        let is_it = |finding: &Finding| matches!(finding,
            Finding::CutOff { chain: of, seq, told_by: Some(_) } if *of == chain && *seq == told);
        prop_assert_eq!(findings.len(), 1, "{:?}", &findings);
        prop_assert!(is_it(&findings[0]), "{findings:?}");
    }

    #[test]
    fn a_chain_rewritten_before_what_another_names_is_named_however_it_goes_on(
        acts in script(), at: prop::sample::Index, drops: bool, adds in 0..4,
    ) {
        let mut trail = Trail::play(&acts, None);
        let (chain, from, _) = trail.place(at);
        let told: Vec<i64> =
            trail.named().iter().filter(|head| head.chain == chain).map(|head| head.seq).collect();
        prop_assume!(told.iter().any(|told| *told >= from));
        let mut rows = trail.cut(&chain, from);
        if drops {
            rows.remove(0);
        } else {
            rows[0].actor = "nobody".to_owned();
        }
        trail.link(&chain, rows);
        for _ in 0..adds {
            trail.append(&chain, "request", json!({"status": 404}));
        }
        let findings = trail.verify(&[]).findings;
        let last_good = told.iter().copied().filter(|told| *told < from).max();
        let first_bad = told.iter().copied().filter(|told| *told >= from).min();
        prop_assert!(!findings.is_empty());
        for finding in findings {
            match finding {
                Finding::Rewritten { chain: of, after, seq, told_by: Some(_) } => {
                    prop_assert_eq!((of, after, Some(seq)), (chain.clone(), last_good, first_bad));
                }
                // It has become shorter than what was told of.
                Finding::CutOff { chain: of, told_by: Some(_), .. } => prop_assert!(of == chain && drops),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn a_trail_rewritten_as_a_whole_is_found_by_the_heads_that_were_kept_and_by_nothing_else(
        acts in script(), at: prop::sample::Index,
    ) {
        let writes: Vec<usize> =
            acts.iter().enumerate().filter(|(_, act)| matches!(act, Act::Write(_))).map(|(step, _)| step).collect();
        let kept = Trail::play(&acts, None).verify(&[]).ends;
        let forged = Trail::play(&acts, Some(writes[at.index(writes.len())]));
        prop_assert!(forged.verify(&[]).is_good(), "nothing inside it disagrees: {:?}", forged.verify(&[]));
        let findings = forged.verify(&kept).findings;
        prop_assert!(!findings.is_empty());
        let is_rewritten = |finding: &Finding| matches!(finding, Finding::Rewritten { told_by: None, .. });
        prop_assert!(findings.iter().all(is_rewritten), "{findings:?}");
    }
}
