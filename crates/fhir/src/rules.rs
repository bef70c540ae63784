//! The rules for a package that arrives, beyond R4 itself: what refuses it, and what somebody should look at.
//!
//! [`check_package`] expects a Bundle that has passed [`crate::gate::check_bundle`], which holds the rules that are
//! R4's own: shapes, formats and cardinality (7, 8), contained resources (11), modifiers (12), statuses of
//! allergies (13), script in narratives (27). Given any other document it reports less, but does not fail.
//! Rules that look at the destination's own records are not here.

mod immunization;
mod links;
mod package;
mod patient;

#[cfg(test)]
mod example;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use immunization::is_imprecise;

use crate::gate::path::Path;
use crate::{Issue, IssueCode};
use package::Package;

/// What breaking a rule leads to, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleKind {
    /// The package is refused.
    Reject,
    /// A person would have to look; refused while there is no review queue.
    Quarantine,
    /// Accepted and listed.
    Warn,
}

impl RuleKind {
    /// Tells whether the package is refused, as long as nobody reviews what is quarantined.
    pub fn refuses(self) -> bool {
        self != Self::Warn
    }
}

/// A rule that a package breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the rule.
    pub rule: u8,
    /// What it leads to.
    pub kind: RuleKind,
    /// What and where.
    pub issue: Issue,
}

/// The most findings that are listed, the gravest first.
const MAX_FINDINGS: usize = 500;

/// Lists the rules that a package breaks, the gravest first; `now` bounds how far ahead a dose may be dated.
pub fn check_package(bundle: &Value, now: DateTime<Utc>) -> Vec<Finding> {
    let package = Package::read(bundle);
    let mut findings = Findings::default();
    package::check(&package, bundle, &mut findings);
    links::check(&package, &mut findings);
    patient::check(&package, &mut findings);
    immunization::check(&package, now, &mut findings);
    findings.list.sort_by_key(|finding| finding.kind);
    findings.list.truncate(MAX_FINDINGS);
    findings.list
}

/// What has been found so far.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn reject(&mut self, rule: u8, code: IssueCode, path: &Path<'_>, text: &str) {
        let issue = Issue::error(code, path.render(), text);
        self.list.push(Finding { rule, kind: RuleKind::Reject, issue });
    }

    fn quarantine(&mut self, rule: u8, path: &Path<'_>, text: &str) {
        let issue = Issue::error(IssueCode::BusinessRule, path.render(), text);
        self.list.push(Finding { rule, kind: RuleKind::Quarantine, issue });
    }

    fn warn(&mut self, rule: u8, path: &Path<'_>, text: &str) {
        let issue = Issue::warning(IssueCode::BusinessRule, path.render(), text);
        self.list.push(Finding { rule, kind: RuleKind::Warn, issue });
    }
}
