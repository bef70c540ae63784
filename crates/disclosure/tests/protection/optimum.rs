//! Small two-way tables, beside the least that any method must hide.

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, Variable, constraint, microlp, variable};

use crate::province::Chance;
use crate::support::{Grid, release};

const K: i64 = 5;
const TABLES: u64 = 200;

/// A sum, or a cell: its cells and their doses.
struct Part {
    cells: Vec<usize>,
    doses: i64,
}

/// A two-way table by parts; empty cells are none.
struct Ways {
    cells: Vec<i64>,
    sums: Vec<Part>,
}

impl Ways {
    fn of(rows: &[Vec<u32>]) -> Self {
        let mut cells = Vec::new();
        let mut sums: Vec<Part> = Vec::new();
        let columns = rows[0].len();
        sums.resize_with(rows.len() + columns, || Part { cells: Vec::new(), doses: 0 });
        for (row, counts) in rows.iter().enumerate() {
            for (column, doses) in counts.iter().enumerate().filter(|(_, doses)| **doses > 0) {
                for sum in [row, rows.len() + column] {
                    sums[sum].cells.push(cells.len());
                    sums[sum].doses += i64::from(*doses);
                }
                cells.push(i64::from(*doses));
            }
        }
        sums.retain(|sum| !sum.cells.is_empty());
        Self { cells, sums }
    }

    fn total(&self) -> i64 {
        self.cells.iter().sum()
    }
}

fn number(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap())
}

/// The least doses of hidden cells and sums with which every small one can be at least k, and as small as possible.
fn optimum(table: &Ways) -> f64 {
    let mut variables = ProblemVariables::new();
    let mut rules = Vec::new();
    let mut hidden = |doses: &i64| {
        let least = f64::from(u8::from(*doses < K));
        variables.add(variable().integer().min(least).max(1))
    };
    let cells: Vec<Variable> = table.cells.iter().map(&mut hidden).collect();
    let sums: Vec<Variable> = table.sums.iter().map(|sum| hidden(&sum.doses)).collect();
    let small_cells = (0..table.cells.len()).map(|cell| Part { cells: vec![cell], doses: table.cells[cell] });
    let small_sums = table.sums.iter().map(|sum| Part { cells: sum.cells.clone(), doses: sum.doses });
    let many = number(K);
    for target in small_cells.chain(small_sums).filter(|part| part.doses < K) {
        let least = i64::try_from(target.cells.len()).unwrap();
        for goal in [K, least].into_iter().filter(|goal| *goal != target.doses) {
            let change: Vec<Variable> = table
                .cells
                .iter()
                .map(|doses| variables.add(variable().min(number(1 - doses).max(-many)).max(many)))
                .collect();
            for (cell, doses) in table.cells.iter().enumerate() {
                rules.push(constraint!(change[cell] <= many * cells[cell]));
                rules.push(constraint!(change[cell] >= number(1 - doses).max(-many) * cells[cell]));
            }
            for (sum, is_hidden) in table.sums.iter().zip(&sums) {
                let net: Expression = sum.cells.iter().map(|cell| change[*cell]).sum();
                rules.push(constraint!(net.clone() <= many * *is_hidden));
                rules.push(constraint!(net >= -many * *is_hidden));
            }
            let all: Expression = change.iter().sum();
            rules.push(constraint!(all == 0));
            let net: Expression = target.cells.iter().map(|cell| change[*cell]).sum();
            rules.push(constraint!(net == number(goal - target.doses)));
        }
    }
    let of_cells = cells.iter().zip(&table.cells).map(|(cell, doses)| number(*doses) * *cell);
    let of_sums = sums.iter().zip(&table.sums).map(|(sum, part)| number(part.doses) * *sum);
    let cost: Expression = of_cells.chain(of_sums).sum();
    let solution = variables.minimise(cost.clone()).using(microlp).with_all(rules).solve().unwrap();
    solution.eval(&cost)
}

/// What the crate hides, in doses of cells and sums; none if it hides the total too.
fn ours(rows: &[Vec<u32>]) -> Option<i64> {
    let grid = Grid::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let release = release(&grid, u32::try_from(K).unwrap());
    release.total?;
    let doses = |row: usize, column: usize| i64::from(rows[row][column]);
    let mut cost = 0;
    for (row, counts) in rows.iter().enumerate() {
        for column in 0..counts.len() {
            let found = release.cells.iter().find(|cell| cell.key == Grid::key(row, column));
            cost += if found.is_some_and(|cell| cell.count.is_none()) { doses(row, column) } else { 0 };
        }
    }
    for sum in release.margins[..2].iter().flat_map(|margins| &margins.rows).filter(|sum| sum.count.is_none())
    {
        let label = sum.label.as_ref();
        for (row, counts) in rows.iter().enumerate() {
            for column in 0..counts.len() {
                let key = Grid::key(row, column);
                let inside = label.is_some_and(|label| key.label(label.axis()) == *label);
                cost += if inside { doses(row, column) } else { 0 };
            }
        }
    }
    Some(cost)
}

#[test]
fn half_of_small_tables_lose_at_most_half_more_than_they_must() {
    let mut chance = Chance::new(6);
    let mut up_to = |most: u64| u32::try_from(chance.next() % most).unwrap();
    let mut ratios = Vec::new();
    for _ in 0..TABLES {
        let (rows, columns) = (2 + up_to(4), 2 + up_to(3));
        let mut count = || match up_to(10) {
            0 => 0,
            1 | 2 => 1 + up_to(4),
            _ => 5 + up_to(55),
        };
        let rows: Vec<Vec<u32>> = (0..rows).map(|_| (0..columns).map(|_| count()).collect()).collect();
        let table = Ways::of(&rows);
        let Some(ours) = ours(&rows).filter(|cost| *cost > 0 && table.total() > 0) else { continue };
        let least = optimum(&table);
        assert!(number(ours) >= least - 0.01, "{rows:?}: {ours} is less than {least}");
        ratios.push(number(ours) / least);
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios[ratios.len() * share / 100];
    assert!(ratios.len() > 100, "{}", ratios.len());
    assert!(at(50) <= 1.5 && at(90) <= 2.0, "median {}, nine tenths {}, most {}", at(50), at(90), at(99));
}
