/// The keys of one lane.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) stream: String,
    pub(crate) delayed: String,
}

impl Keys {
    pub(crate) fn of(prefix: &str, lane: &str) -> Self {
        Self {
            stream: format!("{{{prefix}:{lane}}}:stream"),
            delayed: format!("{{{prefix}:{lane}}}:delayed"),
        }
    }
}
