use crate::error::QueueError;

/// The longest lane or prefix, in bytes.
const LONGEST: usize = 64;

/// The two keys of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) stream: String,
    pub(crate) delayed: String,
}

impl Keys {
    /// Builds the keys; prefix and lane stand together in the hash tag.
    pub(crate) fn of(prefix: &str, lane: &str) -> Result<Self, QueueError> {
        check_prefix(prefix)?;
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if lane.is_empty() || lane.len() > LONGEST || !lane.bytes().all(is_plain) {
            return Err(QueueError::Invalid { what: "the lane" });
        }
        Ok(Self {
            stream: format!("{{{prefix}:{lane}}}:stream"),
            delayed: format!("{{{prefix}:{lane}}}:delayed"),
        })
    }
}

/// Refuses a prefix that would end the hash tag early or match other keys.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), QueueError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":-_".contains(&b);
    if prefix.is_empty() || prefix.len() > LONGEST || !prefix.bytes().all(is_plain) {
        return Err(QueueError::Invalid { what: "the prefix" });
    }
    Ok(())
}
