//! What is said at the end.

use std::collections::BTreeMap;

use crate::judge::Verdict;
use crate::mix::Mix;

/// What several worlds came to.
#[derive(Debug, Default)]
pub struct Sum {
    /// How many worlds.
    pub worlds: u64,
    /// What was found.
    pub verdict: Verdict,
    /// What happened, how often.
    pub tally: BTreeMap<&'static str, u64>,
}

impl Sum {
    /// Adds a world.
    pub fn add(&mut self, verdict: Verdict, tally: BTreeMap<&'static str, u64>) {
        self.worlds += 1;
        self.verdict.add(verdict);
        for (what, count) in tally {
            *self.tally.entry(what).or_default() += count;
        }
    }
}

/// Prints a table of all mixes.
pub fn print(sums: &BTreeMap<Mix, Sum>) {
    let mut whats: Vec<&str> = sums.values().flat_map(|sum| sum.tally.keys().copied()).collect();
    whats.sort_unstable();
    whats.dedup();
    let row = |name: &str, cells: Vec<u64>| {
        let cells: Vec<String> = cells.iter().map(|count| format!("{count:>14}")).collect();
        say(&format!("{name:<58}{}", cells.concat()));
    };
    let heads: Vec<String> = sums.keys().map(|mix| format!("{:>14}", mix.as_str())).collect();
    say(&format!("\n{:<58}{}", "faults", heads.concat()));
    row("worlds", sums.values().map(|sum| sum.worlds).collect());
    for what in whats {
        row(what, sums.values().map(|sum| sum.tally.get(what).copied().unwrap_or_default()).collect());
    }
    say("");
    let verdicts = || sums.values().map(|sum| &sum.verdict);
    row("transfers accepted", verdicts().map(|v| v.accepted).collect());
    let mut states: Vec<&String> = verdicts().flat_map(|verdict| verdict.states.keys()).collect();
    states.sort_unstable();
    states.dedup();
    for state in states {
        row(&format!("  {state}"), verdicts().map(|v| v.states.get(state).copied().unwrap_or(0)).collect());
    }
    row("LOST", verdicts().map(|v| v.lost).collect());
    row("DOUBLED", verdicts().map(|v| v.doubled).collect());
    row("WRONGLY CLOSED", verdicts().map(|v| v.wrongly_closed).collect());
    row("RECEIPT WITHOUT COMMIT, OR COMMIT WITHOUT RECEIPT", verdicts().map(|v| v.unproven).collect());
    row("NOT COMPLETED, AND NOTHING SAYS WHY", verdicts().map(|v| v.unexplained).collect());
    row("WORLDS IN WHICH TOO FEW COMPLETED", verdicts().map(|v| v.too_few).collect());
    row("AUDIT TRAILS THAT DO NOT VERIFY", verdicts().map(|v| v.bad_audit).collect());
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this program's output is for a terminal")]
pub fn say(line: &str) {
    println!("{line}");
}
