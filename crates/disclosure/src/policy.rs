use serde::{Deserialize, Serialize};

/// From how many persons and doses on a number may be shown: the `k` of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Policy {
    threshold: u32,
}

/// The threshold is outside what a province may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a threshold is between {} and {}", Policy::LEAST, Policy::MOST)]
pub struct InvalidThreshold;

impl Policy {
    /// The lowest threshold a province may choose.
    pub const LEAST: u32 = 3;
    /// The highest threshold a province may choose.
    pub const MOST: u32 = 20;

    /// Takes the threshold, in persons and in doses.
    pub fn new(threshold: u32) -> Result<Self, InvalidThreshold> {
        if (Self::LEAST..=Self::MOST).contains(&threshold) {
            Ok(Self { threshold })
        } else {
            Err(InvalidThreshold)
        }
    }

    /// Returns the threshold, in persons and in doses.
    pub fn threshold(self) -> u32 {
        self.threshold
    }

    /// The threshold in doses.
    pub(crate) fn doses(self) -> i64 {
        i64::from(self.threshold)
    }

    /// The threshold in persons.
    pub(crate) fn persons(self) -> usize {
        self.threshold as usize
    }

    /// Whether a group must not be shown: it is not empty, and has fewer persons or doses than the threshold.
    pub(crate) fn is_sensitive(self, persons: usize, doses: i64) -> bool {
        doses > 0 && (persons < self.persons() || doses < self.doses())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { threshold: 5 }
    }
}

impl TryFrom<u32> for Policy {
    type Error = InvalidThreshold;

    fn try_from(threshold: u32) -> Result<Self, Self::Error> {
        Self::new(threshold)
    }
}

impl From<Policy> for u32 {
    fn from(policy: Policy) -> Self {
        policy.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_thresholds_from_3_to_20_are_taken() {
        assert_eq!(
            (0..30).filter(|k| Policy::new(*k).is_ok()).collect::<Vec<_>>(),
            (3..=20).collect::<Vec<_>>()
        );
        assert_eq!(Policy::default().threshold(), 5);
    }

    #[test]
    fn few_persons_and_few_doses_are_sensitive_and_none_are_not() {
        let policy = Policy::default();
        assert!(policy.is_sensitive(4, 100));
        assert!(policy.is_sensitive(4, 4));
        assert!(!policy.is_sensitive(5, 5));
        assert!(!policy.is_sensitive(0, 0));
    }
}
