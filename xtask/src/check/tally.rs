//! What test runners printed, counted: cargo's and pytest's.

/// Counts of one run, or of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// What the tests said they could not check, with its count.
    pub(super) not_checked: Vec<String>,
}

impl Tally {
    /// Reads `test result: ok. 3 passed; 0 failed; …` and `3 passed, 1 failed in 0.2s`.
    pub(super) fn of(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines() {
            let line = line.trim().trim_matches('=').trim();
            if let Some(what) = line.strip_prefix("not checked ") {
                tally.not_checked.push(what.to_owned());
            } else if let Some(counts) = line.strip_prefix("test result: ") {
                tally.count(counts.split_once(". ").map_or(counts, |(_, counts)| counts));
            } else if let Some(counts) = of_pytest(line) {
                tally.count(counts);
            }
        }
        tally
    }

    fn count(&mut self, counts: &str) {
        for part in counts.split([',', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" | "error" | "errors" => self.failed += number,
                "ignored" | "skipped" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Adds another run's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.not_checked.extend(other.not_checked.iter().cloned());
    }

    /// The counts for the end of a line; empty where nothing was counted.
    pub(super) fn in_brackets(&self) -> String {
        match self {
            Self { passed: 0, failed: 0, .. } => String::new(),
            Self { passed, failed, ignored: 0, .. } => format!("  ({passed} passed, {failed} failed)"),
            Self { passed, failed, ignored, .. } => {
                format!("  ({passed} passed, {failed} failed, {ignored} not run)")
            }
        }
    }
}

/// The counts of pytest's last line: `1 failed, 36 passed in 75.20s (0:01:15)`.
fn of_pytest(line: &str) -> Option<&str> {
    let (counts, time) = line.split_once(" in ")?;
    let seconds = time.split(' ').next()?.strip_suffix('s')?;
    let is_count =
        |part: &str| part.trim().split_once(' ').is_some_and(|(number, _)| number.parse::<u64>().is_ok());
    (seconds.parse::<f64>().is_ok() && counts.split(',').all(is_count)).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(output: &str) -> (u64, u64, u64) {
        let Tally { passed, failed, ignored, .. } = Tally::of(output);
        (passed, failed, ignored)
    }

    #[test]
    fn both_runners_are_counted() {
        let cargo = "running 2 tests\ntest a ... ok\n\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n";
        assert_eq!(counts(cargo), (5, 2, 1));
        assert_eq!(counts("....\n37 passed in 4.10s\n"), (37, 0, 0));
        assert_eq!(counts("===== 1 failed, 36 passed, 2 skipped in 4.10s ====="), (36, 1, 2));
        assert_eq!(counts("2 errors in 0.10s"), (0, 2, 0));
        assert_eq!(counts("1 failed, 36 passed in 75.20s (0:01:15)"), (36, 1, 0));
    }

    #[test]
    fn what_only_looks_like_a_result_is_not_counted() {
        assert_eq!(counts("all people moved in 3.0s\nfinished in 1.00s\n40 passed by in cars\n"), (0, 0, 0));
    }

    #[test]
    fn what_was_not_checked_is_kept() {
        assert_eq!(Tally::of("not checked without ../shared: 185\n").not_checked, ["without ../shared: 185"]);
    }
}
