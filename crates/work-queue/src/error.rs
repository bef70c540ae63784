use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why the queue did not do something, sorted by what the caller does next. No message holds an id or a password.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The server cannot be reached, is starting, or did not answer in time: the same call may work later. The
    /// call may have had its effect.
    #[error("the queue is unavailable")]
    Unavailable {
        /// What the client saw.
        source: RedisError,
    },
    /// The server understood and refused, for lack of a right or because a key is of another type: somebody must
    /// act.
    #[error("the queue refused a command")]
    Refused {
        /// What the server said.
        source: RedisError,
    },
    /// The address, prefix, group, consumer or lane cannot be used as given: the same call will fail again.
    #[error("{what} is not usable for the queue")]
    Invalid {
        /// Which part.
        what: &'static str,
    },
}

impl QueueError {
    /// Sorts an error of the client.
    pub(crate) fn of(source: RedisError) -> Self {
        let may_work_later = match source.kind() {
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
            ErrorKind::Server(kind) => matches!(
                kind,
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
            ),
            _ => matches!(source.code(), Some("NOREPLICAS" | "MISCONF" | "OOM" | "BUSY" | "UNBLOCKED")),
        };
        if may_work_later { Self::Unavailable { source } } else { Self::Refused { source } }
    }
}

/// Whether the server knows no such stream or group: it was emptied.
pub(crate) fn is_no_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}
