//! An attacker who knows all releases, the rules, and linear programming. Shares nothing with the builder.

use std::collections::BTreeMap;

use disclosure::{Axis, Facts, Key, Label, Place, Release};
use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution, SolverModel, Variable, constraint, microlp,
    variable,
};

/// More doses than any table of the tests holds.
const MANY: f64 = 100_000.0;
/// What the solver's figures may be off by.
const BLUR: f64 = 1e-4;

/// What the attacker knows beside the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knowledge {
    /// Doses are whole.
    pub whole: bool,
    /// Nothing was withdrawn from one release to the next.
    pub growing: bool,
    /// A cell's change is 0 or of at least k doses.
    pub steps: bool,
}

/// What he knows of any tables.
pub const FIGURES: Knowledge = Knowledge { whole: false, growing: false, steps: false };

/// A group that must not be bounded below the threshold.
#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub doses: i64,
    pub cells: Vec<Key>,
    pub is_cell: bool,
}

/// The cells and sums with few persons or doses.
pub fn small_groups(facts: &Facts, k: usize) -> Vec<Group> {
    let mut groups: BTreeMap<(String, Option<Label>), Vec<&Key>> = BTreeMap::new();
    let mut small = Vec::new();
    let mut weigh = |name: String, keys: Vec<&Key>, is_cell: bool| {
        let places = keys.iter().map(|key| Place::Cell((*key).clone()));
        let entries: Vec<_> = places.flat_map(|place| facts.entries(&place).to_vec()).collect();
        let doses: i64 = entries.iter().map(|entry| i64::from(entry.doses)).sum();
        let mut persons: Vec<u64> = entries.iter().map(|entry| entry.person).collect();
        persons.sort_unstable();
        persons.dedup();
        if persons.len() < k || doses < i64::try_from(k).unwrap() {
            small.push(Group { name, doses, cells: keys.into_iter().cloned().collect(), is_cell });
        }
    };
    for place in facts.places() {
        let Place::Cell(key) = place else { continue };
        weigh(format!("{key:?}"), vec![key], true);
        groups.entry((key.vaccine.clone(), None)).or_default().push(key);
        for axis in Axis::ALL {
            groups.entry((key.vaccine.clone(), Some(key.label(axis)))).or_default().push(key);
        }
    }
    for (name, keys) in groups {
        weigh(format!("{name:?}"), keys, false);
    }
    small
}

/// One release as the attacker sees it: hidden cells are unknowns.
struct View {
    cells: BTreeMap<Key, Expression>,
}

/// Tells which small groups the attacker bounds: below the threshold, or above what a group can at least be.
///
/// Each release comes with the facts it shows.
pub fn leaks(releases: &[(&Facts, &Release)], knows: Knowledge) -> Vec<String> {
    let mut found = Vec::new();
    for (number, (facts, release)) in releases.iter().enumerate() {
        let k = release.policy.threshold();
        for group in small_groups(facts, k as usize) {
            // the truth is one of the tables he must think possible
            if group.doses < i64::from(k) {
                let most = bound(releases, knows, number, &group, true);
                if most < f64::from(k) - BLUR {
                    found.push(format!("{} is at most {most} in release {number}", group.name));
                }
            }
            let least_possible = i64::try_from(group.cells.len()).unwrap();
            if group.doses > least_possible {
                let least = bound(releases, knows, number, &group, false);
                if least > f64::from(u32::try_from(least_possible).unwrap()) + BLUR {
                    let kind = if group.is_cell { "cell" } else { "margin" };
                    found.push(format!("{kind} {} is at least {least} in release {number}", group.name));
                }
            }
        }
    }
    found
}

fn bound(releases: &[(&Facts, &Release)], knows: Knowledge, number: usize, group: &Group, up: bool) -> f64 {
    let mut variables = ProblemVariables::new();
    let views: Vec<View> =
        releases.iter().map(|(facts, release)| view(facts, release, knows, &mut variables)).collect();
    let mut rules = Vec::new();
    for ((_, release), view) in releases.iter().zip(&views) {
        figures(release, view, &mut rules);
    }
    for pair in views.windows(2) {
        changes(pair, releases[0].1.policy.threshold(), knows, &mut variables, &mut rules);
    }
    let goal: Expression = group.cells.iter().map(|key| views[number].cells[key].clone()).sum();
    let problem = if up { variables.maximise(goal.clone()) } else { variables.minimise(goal.clone()) };
    match problem.using(microlp).with_all(rules).solve() {
        Ok(solution) => solution.eval(&goal),
        Err(ResolutionError::Infeasible) => panic!("the truth itself is a solution"),
        Err(error) => panic!("{error}"),
    }
}

fn view(facts: &Facts, release: &Release, knows: Knowledge, variables: &mut ProblemVariables) -> View {
    let mut unknown = |key: &Key| -> Variable {
        // a hidden cell is not empty, unless it has been emptied since: let him know that too
        let least = if facts.entries(&Place::Cell(key.clone())).is_empty() { 0.0 } else { 1.0 };
        let one = variable().min(least).max(MANY);
        variables.add(if knows.whole { one.integer() } else { one })
    };
    let value = |count: Option<i64>, key: &Key| match count {
        Some(count) => Expression::from(number(count)),
        None => Expression::from(unknown(key)),
    };
    let mut value = value;
    View { cells: release.cells.iter().map(|row| (row.key.clone(), value(row.count, &row.key))).collect() }
}

fn number(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap())
}

/// Every shown sum is the sum of its cells.
fn figures(release: &Release, view: &View, rules: &mut Vec<good_lp::Constraint>) {
    if let Some(total) = release.total {
        let sum: Expression = view.cells.values().cloned().sum();
        rules.push(constraint!(sum == number(total)));
    }
    for row in release.margins.iter().flat_map(|table| &table.rows) {
        let inside = |key: &Key| {
            key.vaccine == row.vaccine
                && row.label.as_ref().is_none_or(|label| key.label(label.axis()) == *label)
        };
        if let Some(count) = row.count {
            let cells = view.cells.iter().filter(|(key, _)| inside(key));
            let sum: Expression = cells.map(|(_, value)| value.clone()).sum();
            rules.push(constraint!(sum == number(count)));
        }
    }
}

/// What he knows of two releases that follow each other.
fn changes(
    pair: &[View],
    k: u32,
    knows: Knowledge,
    variables: &mut ProblemVariables,
    rules: &mut Vec<good_lp::Constraint>,
) {
    let keys: Vec<&Key> = pair[0].cells.keys().chain(pair[1].cells.keys()).collect();
    let at = |view: &View, key: &Key| view.cells.get(key).cloned().unwrap_or_default();
    for key in keys {
        let (before, after) = (at(&pair[0], key), at(&pair[1], key));
        if knows.growing {
            rules.push(constraint!(before.clone() <= after.clone()));
        }
        if knows.steps {
            let mut part = || {
                let amount = variables.add(variable().min(0).max(MANY).integer());
                let some = variables.add(variable().binary());
                rules.push(constraint!(amount >= f64::from(k) * some));
                rules.push(constraint!(amount <= MANY * some));
                (amount, some)
            };
            let (more, is_more) = part();
            let (less, is_less) = part();
            rules.push(constraint!(is_more + is_less <= 1));
            rules.push(constraint!(after - before == more - less));
        }
    }
}
