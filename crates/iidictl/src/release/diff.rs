//! `release diff`: what two releases give differently, by nothing but what both show.
//!
//! A group that is absent is zero. Of a hidden number nothing is computed: neither it, nor a change from it or to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use contracts::release::{Column, MarginRow, Number, Release, ReleaseDocument};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::labels;
use crate::exit::Exit;
use crate::output::Output;
use crate::words::Word;

#[cfg(test)]
mod tests;

/// The zero of a group that is absent.
const ABSENT: Number = Number { count: Some(0), suppressed: false };

/// What differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Differences {
    from: Side,
    to: Side,
    total: Change,
    waiting: Change,
    excluded: BTreeMap<String, Change>,
    cells: Vec<Changed>,
    margins: Vec<ChangedMargin>,
    /// Margins that only one of the two has; nothing of them is compared.
    not_compared: Vec<Vec<Column>>,
    /// Cells and sums that only one of two releases of a series hides. There must be none.
    hidden_differently: usize,
}

/// Which release.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Side {
    id: u64,
    series: u64,
    threshold: u64,
}

/// A number in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Change {
    from: Number,
    to: Number,
}

/// A group whose number differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changed {
    #[serde(serialize_with = "columns_alone")]
    group: MarginRow,
    #[serde(flatten)]
    change: Change,
}

/// What differs in a margin.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChangedMargin {
    by: Vec<Column>,
    rows: Vec<Changed>,
}

impl Change {
    fn is_hidden_once(self) -> bool {
        self.from.suppressed != self.to.suppressed
    }

    /// Tells by how much it has changed, where both numbers are shown.
    fn signed(self) -> String {
        match (self.from.count, self.to.count) {
            (Some(from), Some(to)) if to > from => format!("+{}", to - from),
            (Some(from), Some(to)) if to < from => format!("-{}", from - to),
            _ => String::new(),
        }
    }

    fn cells(self) -> [String; 3] {
        [labels::number(self.from.count), labels::number(self.to.count), self.signed()]
    }
}

/// Compares two releases. That a series hides differently from one release to the next is told, and is an error.
pub fn run(output: &Output, from: &ReleaseDocument, to: &ReleaseDocument) -> Result<Exit> {
    let differences = Differences::between(from, to);
    if !output.json(&differences)? {
        differences.show(output);
    }
    let exit = differences.exit();
    if exit != Exit::Fine {
        let count = differences.hidden_differently;
        output
            .complain(&anyhow::anyhow!(output.of(output.word(Word::HiddenDifferently), &count.to_string())));
    }
    Ok(exit)
}

impl Differences {
    fn between(from: &ReleaseDocument, to: &ReleaseDocument) -> Self {
        let (before, after) = (&from.release, &to.release);
        let reasons: BTreeSet<&String> =
            before.excluded.iter().chain(&after.excluded).map(|excluded| &excluded.reason).collect();
        let excluded = reasons.into_iter().map(|reason| {
            (reason.clone(), Change { from: of_reason(before, reason), to: of_reason(after, reason) })
        });
        let mut found = Self {
            from: Side::of(before),
            to: Side::of(after),
            total: Change { from: before.total.into(), to: after.total.into() },
            waiting: Change { from: before.waiting, to: after.waiting },
            excluded: excluded.collect(),
            cells: changed(&cells(from), &cells(to)),
            margins: Vec::new(),
            not_compared: Vec::new(),
            hidden_differently: 0,
        };
        for margin in &from.margins {
            match sums(to, &margin.by) {
                Some(after) => {
                    let before = sums(from, &margin.by).unwrap_or_default();
                    found
                        .margins
                        .push(ChangedMargin { by: margin.by.clone(), rows: changed(&before, &after) });
                }
                None => found.not_compared.push(margin.by.clone()),
            }
        }
        let added = to.margins.iter().filter(|margin| sums(from, &margin.by).is_none());
        found.not_compared.extend(added.map(|margin| margin.by.clone()));
        if before.series == after.series {
            let groups = found.cells.iter().chain(found.margins.iter().flat_map(|margin| &margin.rows));
            let changes = groups.map(|group| group.change).chain([found.total]);
            found.hidden_differently = changes.filter(|change| change.is_hidden_once()).count();
        }
        found
    }

    fn exit(&self) -> Exit {
        if self.hidden_differently == 0 { Exit::Fine } else { Exit::Error }
    }

    fn show(&self, output: &Output) {
        let side = |side: &Side| {
            let (release, series) = (output.word(Word::Release), output.word(Word::Series));
            format!(
                "{} {} ({} {}, k {})",
                release.to_lowercase(),
                side.id,
                series.to_lowercase(),
                side.series,
                side.threshold
            )
        };
        output.line(&format!("{} → {}", side(&self.from), side(&self.to)));
        if self.from.series != self.to.series {
            output.line(output.word(Word::OtherSeries));
        }
        output.line("");
        let row = |name: String, change: Change| [vec![name], change.cells().to_vec()].concat();
        let mut rows = vec![
            row(output.word(Word::Total).to_lowercase(), self.total),
            row(output.word(Word::ChangesWaiting).to_lowercase(), self.waiting),
        ];
        let excluded = output.word(Word::Excluded).to_lowercase();
        rows.extend(
            self.excluded.iter().map(|(reason, change)| row(format!("{excluded} {reason}"), *change)),
        );
        output.table(&[Word::Number, Word::Before, Word::After, Word::ChangeHead], &rows);
        Self::show_groups(output, &output.word(Word::Cells).to_lowercase(), &self.cells);
        for margin in &self.margins {
            Self::show_groups(output, &labels::columns(output, &margin.by), &margin.rows);
        }
        for by in &self.not_compared {
            let name = labels::columns(output, by);
            output.line(&format!("\n{}", output.of(&name, output.word(Word::NotCompared))));
        }
        output.line("");
        output.line(output.word(Word::Suppressed));
    }

    fn show_groups(output: &Output, name: &str, groups: &[Changed]) {
        if groups.is_empty() {
            output.line(&format!("\n{}", output.of(name, output.word(Word::NothingDiffers))));
            return;
        }
        let said = format!("{} {}", groups.len(), output.word(Word::Differ));
        output.line(&format!("\n{}", output.of(name, &said)));
        let row =
            |one: &Changed| [vec![labels::group(output, &one.group)], one.change.cells().to_vec()].concat();
        let rows: Vec<_> = groups.iter().map(row).collect();
        output.table(&[Word::Group, Word::Before, Word::After, Word::ChangeHead], &rows);
    }
}

impl Side {
    fn of(release: &Release) -> Self {
        Self { id: release.id, series: release.series, threshold: release.policy.threshold }
    }
}

fn of_reason(release: &Release, reason: &str) -> Number {
    let found = release.excluded.iter().find(|excluded| excluded.reason == reason);
    found.map_or(ABSENT, |excluded| Number { count: excluded.count, suppressed: excluded.suppressed })
}

/// The finest table by group.
fn cells(document: &ReleaseDocument) -> BTreeMap<MarginRow, Number> {
    let number = |count, suppressed| Number { count, suppressed };
    document
        .data
        .iter()
        .map(|row| (MarginRow::group_of(row, &labels::CELL), number(row.count, row.suppressed)))
        .collect()
}

/// A margin by group, if the release has it.
fn sums(document: &ReleaseDocument, by: &[Column]) -> Option<BTreeMap<MarginRow, Number>> {
    let margin = document.margins.iter().find(|margin| margin.by == by)?;
    let number = |row: &MarginRow| Number { count: row.count, suppressed: row.suppressed };
    Some(margin.rows.iter().map(|row| (row.group(), number(row))).collect())
}

fn changed(from: &BTreeMap<MarginRow, Number>, to: &BTreeMap<MarginRow, Number>) -> Vec<Changed> {
    let groups: BTreeSet<&MarginRow> = from.keys().chain(to.keys()).collect();
    let of = |table: &BTreeMap<MarginRow, Number>, group| table.get(group).copied().unwrap_or(ABSENT);
    let both = groups.into_iter().map(|group| (group, Change { from: of(from, group), to: of(to, group) }));
    both.filter(|(_, change)| change.from != change.to)
        .map(|(group, change)| Changed { group: group.clone(), change })
        .collect()
}

/// Writes a group without the number that every row has.
fn columns_alone<S: Serializer>(group: &MarginRow, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(group).map_err(serde::ser::Error::custom)?;
    if let Value::Object(members) = &mut value {
        members.retain(|name, _| !["Count", "Suppressed"].contains(&name.as_str()));
    }
    value.serialize(serializer)
}
