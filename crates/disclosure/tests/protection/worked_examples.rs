//! The worked examples of the method: small tables of which one can see what must be hidden.

use crate::support::{Grid, key, release, row_of};
use disclosure::{Policy, Release, Series};

/// What is shown of the cells, row by row; `None` is hidden.
fn shown(release: &Release, grid: &Grid) -> Vec<Vec<Option<i64>>> {
    grid.map(|key| release.cells.iter().find(|row| row.key == key).and_then(|row| row.count))
}

/// The sums of the rows and those of the columns.
fn sums(release: &Release) -> (Vec<Option<i64>>, Vec<Option<i64>>) {
    let of = |table: usize| release.margins[table].rows.iter().map(|row| row.count).collect();
    (of(0), of(1))
}

#[test]
fn a_lone_small_cell_needs_a_square() {
    let grid = Grid::new(&[&[3, 20], &[30, 40]]);
    let release = release(&grid, 5);
    assert_eq!(shown(&release, &grid), [[None, None], [None, None]]);
    assert_eq!(sums(&release), (vec![Some(23), Some(70)], vec![Some(33), Some(60)]));
    assert_eq!(release.total, Some(93));
}

#[test]
fn the_cheapest_square_is_taken() {
    let grid = Grid::new(&[&[3, 20, 12], &[30, 40, 9], &[15, 8, 50]]);
    let release = release(&grid, 5);
    assert_eq!(
        shown(&release, &grid),
        [[None, None, Some(12)], [Some(30), Some(40), Some(9)], [None, None, Some(50)]]
    );
}

#[test]
fn ones_are_never_hidden_only_with_ones() {
    let grid = Grid::new(&[&[1, 1, 1, 60], &[30, 40, 9, 8]]);
    let release = release(&grid, 5);
    let hidden = shown(&release, &grid);
    assert!(hidden[0][3].is_none() || sums(&release).0[0].is_none(), "{hidden:?}");
}

#[test]
fn rows_that_are_tables_of_their_own() {
    let all = |counts: &[i64]| counts.iter().map(|count| Some(*count)).collect::<Vec<_>>();
    let (first, total) = row_of(&[304, 125, 26, 20], 20);
    assert_eq!((first, total), (all(&[304, 125, 26, 20]), Some(475)));
    let (second, total) = row_of(&[70, 29, 7, 21], 20);
    assert_eq!((second, total), (vec![Some(70), Some(29), None, None], Some(127)));
    let (third, total) = row_of(&[5, 3, 1, 1], 20);
    assert_eq!((third, total), (vec![None; 4], None));
    let (fourth, total) = row_of(&[19, 1], 20);
    assert_eq!((fourth, total), (vec![None; 2], None));
}

#[test]
fn the_same_rows_as_one_table_hide_more() {
    let grid = Grid::new(&[&[304, 125, 26, 20], &[70, 29, 7, 21], &[5, 3, 1, 1]]);
    let release = release(&grid, 20);
    assert_eq!(sums(&release).0, [Some(475), None, None]);
    let hidden = shown(&release, &grid);
    assert!(hidden.iter().flatten().filter(|count| count.is_none()).count() > 6, "{hidden:?}");
}

#[test]
fn a_small_margin_is_hidden() {
    let grid = Grid::new(&[&[1, 2, 1], &[50, 60, 70], &[30, 20, 10]]);
    let release = release(&grid, 5);
    assert_eq!(sums(&release).0[0], None);
    assert_eq!(shown(&release, &grid)[0], [None; 3]);
}

#[test]
fn two_people_in_a_province_see_nothing() {
    let mut facts = disclosure::FactsBuilder::new();
    for dose in 1..=12 {
        facts.add_to_cell(key("MMR", 2020, "2-6", "Female", dose % 3), 1, 1);
        facts.add_to_cell(key("MMR", 2021, "2-6", "Male", dose % 2), 2, 1);
    }
    let (_, release) = Series::first(&facts.build(), Policy::default());
    assert_eq!(release.total, None);
    assert!(release.cells.iter().all(|row| row.count.is_none()));
    assert!(release.margins.iter().flat_map(|table| &table.rows).all(|row| row.count.is_none()));
    assert_eq!(release.cells.len(), 5);
}
