//! What of a release is visible.

use std::fmt;

use disclosure::{Facts, Key, Number, Place, Release, Series};

/// Figures of one release.
pub struct Figures {
    pub doses: i64,
    pub cells: usize,
    pub visible_doses: i64,
    /// Doses in small cells: no method could show these.
    pub small_doses: i64,
    pub hidden_cells: usize,
    /// Sensitive cells among them.
    pub sensitive_cells: usize,
    /// By column and vaccine, and by vaccine.
    pub margins: usize,
    pub hidden_margins: usize,
}

impl Figures {
    pub fn of(facts: &Facts, series: &Series, release: &Release) -> Self {
        let held =
            |place: &Place| facts.entries(place).iter().map(|entry| i64::from(entry.doses)).sum::<i64>();
        let cells = facts.places().iter().filter(|place| matches!(place, Place::Cell(_)));
        let pattern = series.pattern();
        let small: Vec<&Key> = pattern
            .proofs
            .iter()
            .filter_map(|proof| match proof.number {
                Number::Cell(cell) => pattern.cells.get(cell),
                _ => None,
            })
            .collect();
        let margins = release.margins.iter().flat_map(|table| &table.rows);
        Self {
            doses: cells.map(held).sum(),
            small_doses: small.iter().map(|key| held(&Place::Cell((*key).clone()))).sum(),
            cells: release.cells.len(),
            visible_doses: release.cells.iter().filter_map(|row| row.count).sum(),
            hidden_cells: release.cells.iter().filter(|row| row.count.is_none()).count(),
            sensitive_cells: small.len(),
            hidden_margins: margins.clone().filter(|row| row.count.is_none()).count(),
            margins: margins.count(),
        }
    }

    /// Doses that are visible in the finest table, in thousandths.
    pub fn visible_per_mille(&self) -> i64 {
        self.visible_doses * 1000 / self.doses.max(1)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visible = self.visible_per_mille();
        let possible = (self.doses - self.small_doses) * 1000 / self.doses.max(1);
        write!(
            f,
            "{} doses, {} cells, {} sensitive, {} hidden; {}.{} % of doses visible, at most {}.{} % could be; {} of {} margins hidden",
            self.doses,
            self.cells,
            self.sensitive_cells,
            self.hidden_cells,
            visible / 10,
            visible % 10,
            possible / 10,
            possible % 10,
            self.hidden_margins,
            self.margins
        )
    }
}
