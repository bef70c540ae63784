//! How the command ends, for scripts.

use std::process::ExitCode;

/// The exit codes; 2 is a usage error, and clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and as it should be.
    Fine,
    /// 1: it could not be done, or something is not as it should be.
    Error,
    /// 3: the destination has refused the transfer.
    Rejected,
    /// 4: it took longer than was asked for.
    TimedOut,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Error => 1,
            Exit::Rejected => 3,
            Exit::TimedOut => 4,
        })
    }
}
