use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::{Axis, Key, Label, Place};
use crate::pattern::Pattern;
use crate::policy::Policy;

/// A number of doses; `None` if it is hidden.
pub type Count = Option<i64>;

/// Everything that is shown. Nothing else of the facts may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The rules of the release.
    pub policy: Policy,
    /// All doses in the table.
    pub total: Count,
    /// Changes (doses added and doses taken away) that are in no number yet.
    pub waiting: Count,
    /// What is not in the table, by reason. The reasons must not be added up.
    pub excluded: Vec<Excluded>,
    /// The finest table. A cell without a row is empty.
    pub cells: Vec<CellRow>,
    /// The sums by column and vaccine, in the order of [`Axis::ALL`], then those by vaccine alone.
    pub margins: Vec<MarginTable>,
}

/// A row of the finest table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellRow {
    /// The cell.
    pub key: Key,
    /// Its doses.
    pub count: Count,
}

/// The sums by one column and vaccine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginTable {
    /// The column beside the vaccine; none if the sums are by vaccine alone.
    pub by: Option<Axis>,
    /// The sums that are not empty.
    pub rows: Vec<MarginRow>,
}

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginRow {
    /// The vaccine.
    pub vaccine: String,
    /// The label in the column beside it, if there is one.
    pub label: Option<Label>,
    /// The doses.
    pub count: Count,
}

/// What is not in the table for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The reason.
    pub reason: String,
    /// The doses.
    pub count: Count,
}

impl Release {
    /// Sets up the tables: these doses by place, without what the pattern hides.
    ///
    /// A hidden cell has a row even if it is empty: it stays hidden, and its row with it.
    pub(crate) fn new<'a>(
        policy: Policy,
        pattern: &'a Pattern,
        doses: impl IntoIterator<Item = (&'a Place, i64)>,
        waiting: Count,
    ) -> Self {
        let mut cells: BTreeMap<&Key, i64> = pattern.cells.iter().map(|key| (key, 0)).collect();
        let mut reasons: BTreeMap<&String, i64> = pattern.reasons.iter().map(|reason| (reason, 0)).collect();
        for (place, doses) in doses.into_iter().filter(|(_, doses)| *doses > 0) {
            match place {
                Place::Cell(key) => *cells.entry(key).or_default() += doses,
                Place::Excluded(reason) => *reasons.entry(reason).or_default() += doses,
            }
        }
        let shown = |hidden: bool, doses: i64| (!hidden).then_some(doses);
        let excluded = reasons.into_iter().map(|(reason, doses)| Excluded {
            reason: reason.clone(),
            count: shown(pattern.hides_reason(reason), doses),
        });
        Self {
            policy,
            total: shown(pattern.total, cells.values().sum()),
            waiting,
            excluded: excluded.collect(),
            margins: Axis::ALL
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|by| margins(pattern, &cells, by))
                .collect(),
            cells: cells
                .into_iter()
                .map(|(key, doses)| CellRow {
                    key: key.clone(),
                    count: shown(pattern.hides_cell(key), doses),
                })
                .collect(),
        }
    }
}

fn margins(pattern: &Pattern, cells: &BTreeMap<&Key, i64>, by: Option<Axis>) -> MarginTable {
    let mut sums: BTreeMap<(&str, Option<Label>), i64> = BTreeMap::new();
    for (key, doses) in cells {
        *sums.entry((&key.vaccine, by.map(|axis| key.label(axis)))).or_default() += doses;
    }
    let row = |((vaccine, label), doses): ((&str, Option<Label>), i64)| {
        let hidden = match &label {
            Some(label) => pattern.hides_margin(vaccine, label),
            None => pattern.hides_vaccine(vaccine),
        };
        MarginRow { vaccine: vaccine.to_owned(), label, count: (!hidden).then_some(doses) }
    };
    MarginTable { by, rows: sums.into_iter().map(row).collect() }
}
