//! Facts for tests.

use disclosure::{FactsBuilder, Key, Policy, Release, Series};

/// A cell of which only some labels matter.
pub fn key(vaccine: &str, year: i32, age: &str, sex: &str, dose: u32) -> Key {
    Key {
        vaccine: vaccine.to_owned(),
        year: Some(year),
        age: age.to_owned(),
        sex: sex.to_owned(),
        dose: dose.to_string(),
    }
}

/// A table with two ways, one vaccine: years are rows, age groups columns. Each dose has a person of its own.
pub struct Grid(Vec<Vec<u32>>);

impl Grid {
    pub fn new(rows: &[&[u32]]) -> Self {
        Self(rows.iter().map(|row| row.to_vec()).collect())
    }

    pub fn key(row: usize, column: usize) -> Key {
        key("MMR", 2000 + i32::try_from(row).unwrap(), &column.to_string(), "All", 1)
    }

    pub fn map<T>(&self, mut value: impl FnMut(Key) -> T) -> Vec<Vec<T>> {
        let row = |(row, cells): (usize, &Vec<u32>)| {
            (0..cells.len()).map(|column| value(Self::key(row, column))).collect()
        };
        self.0.iter().enumerate().map(row).collect()
    }

    pub fn facts(&self) -> FactsBuilder {
        let mut facts = FactsBuilder::new();
        let mut person = 0;
        for (row, cells) in self.0.iter().enumerate() {
            for (column, doses) in cells.iter().enumerate() {
                for _ in 0..*doses {
                    person += 1;
                    facts.add_to_cell(Self::key(row, column), person, 1);
                }
            }
        }
        facts
    }
}

/// The first release of a grid.
pub fn release(grid: &Grid, threshold: u32) -> Release {
    Series::first(&grid.facts().build(), Policy::new(threshold).unwrap()).1
}

/// What is shown of the cells of a single row, and of its sum.
pub fn row_of(counts: &[u32], threshold: u32) -> (Vec<Option<i64>>, Option<i64>) {
    let release = release(&Grid::new(&[counts]), threshold);
    (release.cells.iter().map(|row| row.count).collect(), release.total)
}
