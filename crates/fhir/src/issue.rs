use serde::{Deserialize, Serialize};

/// How bad an issue is (R4 value set `issue-severity`, without `fatal`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The content is refused.
    Error,
    /// Accepted, but somebody should look.
    Warning,
    /// For information.
    Information,
}

/// What kind of issue it is (R4 value set `issue-type`, the part we use).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are those of the value set issue-type")]
pub enum IssueCode {
    Invalid,
    Structure,
    Required,
    Value,
    Invariant,
    CodeInvalid,
    Extension,
    Duplicate,
    MultipleMatches,
    Conflict,
    BusinessRule,
    NotSupported,
    NotFound,
    TooLong,
    Forbidden,
    Throttled,
    Transient,
    Timeout,
}

/// One thing that is wrong with FHIR content. Never holds a value of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: IssueCode,
    /// Where it is: a FHIRPath such as `Bundle.entry[3].resource.occurrenceDateTime`.
    pub expression: String,
    /// What is wrong, in words, without personal data.
    pub text: String,
}

impl Issue {
    /// Makes an error.
    pub fn error(code: IssueCode, expression: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, expression: expression.into(), text: text.into() }
    }

    /// Makes a warning.
    pub fn warning(code: IssueCode, expression: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, expression: expression.into(), text: text.into() }
    }
}
