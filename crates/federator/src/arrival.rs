//! Whether what an aggregator sent may be taken over: each release is checked again here.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::release::{Fault, ReleaseDocument, check_release};
use contracts::{Problem, ProblemCode};
use domain::Jurisdiction;

/// How far a province's clock may be ahead of ours.
const CLOCKS: TimeDelta = TimeDelta::hours(1);

/// Why a release is not taken over. It never repeats what the release says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no JSON, or has members or values of a kind that the contract does not know.
    #[error("its release cannot be read (line {line}, column {column})")]
    Unreadable {
        /// Where reading ended.
        line: usize,
        /// Where reading ended.
        column: usize,
    },
    /// It breaks the contract.
    #[error("its release is refused: {0}")]
    Contract(Fault),
    /// It is of a time that has not come.
    #[error("its release is of the future")]
    Future,
    /// One of a higher number was taken over before.
    #[error("its aggregator answered release {0}, which is older than the one taken over before")]
    Older(u64),
    /// The same number was taken over with other bytes.
    #[error("its release {0} was taken over before with other bytes")]
    OtherBytes(u64),
}

impl Refusal {
    /// Returns the refusal as a problem of the source.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Older(_) => ProblemCode::ReleaseOutdated,
            Self::Unreadable { .. } | Self::Contract(_) | Self::Future | Self::OtherBytes(_) => {
                ProblemCode::ReleaseInvalid
            }
        };
        Problem::new(code).detail(self.to_string())
    }
}

/// Reads and checks a release of `from`, of which `last` was taken over last.
pub fn accept(
    bytes: &[u8],
    from: &Jurisdiction,
    last: Option<&ReleaseDocument>,
    now: DateTime<Utc>,
) -> Result<ReleaseDocument, Refusal> {
    let document: ReleaseDocument = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::Unreadable { line: error.line(), column: error.column() })?;
    check_release(&document, from).map_err(Refusal::Contract)?;
    let release = &document.release;
    if release.as_of > now + CLOCKS || release.published_at > now + CLOCKS {
        return Err(Refusal::Future);
    }
    match last.map(|last| &last.release) {
        Some(last) if release.id < last.id => Err(Refusal::Older(release.id)),
        Some(last) if release.id == last.id && release.checksum != last.checksum => {
            Err(Refusal::OtherBytes(release.id))
        }
        _ => Ok(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::release;

    fn code(code: &str) -> Jurisdiction {
        Jurisdiction::parse(code).unwrap()
    }

    #[test]
    fn only_a_current_release_of_that_province_is_taken_over() {
        let (older, current) = (release("ON", 6, 40), release("ON", 7, 40));
        let now = current.release.published_at;
        let take = |document: &ReleaseDocument, from: &str, last: Option<&ReleaseDocument>| {
            accept(&document.to_bytes(), &code(from), last, now).map(|taken| taken.release.id)
        };
        assert_eq!(take(&current, "ON", None), Ok(7));
        assert_eq!(take(&current, "ON", Some(&older)), Ok(7));
        assert_eq!(take(&current, "ON", Some(&current)), Ok(7));
        assert_eq!(take(&older, "ON", Some(&current)), Err(Refusal::Older(6)));
        assert_eq!(take(&release("ON", 7, 41), "ON", Some(&current)), Err(Refusal::OtherBytes(7)));
        assert_eq!(take(&current, "BC", None), Err(Refusal::Contract(Fault::Jurisdiction)));
        let before = now - TimeDelta::days(1);
        assert_eq!(accept(&current.to_bytes(), &code("ON"), None, before), Err(Refusal::Future));
    }

    #[test]
    fn half_a_release_is_none() {
        let bytes = release("ON", 7, 40).to_bytes();
        for part in [&bytes[..bytes.len() / 2], b"", b"<html>", b"[]", b"{}"] {
            let refused = accept(part, &code("ON"), None, chrono::DateTime::UNIX_EPOCH);
            assert!(matches!(refused, Err(Refusal::Unreadable { .. })), "{refused:?}");
        }
    }
}
