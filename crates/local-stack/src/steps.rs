//! One line a step, with its seconds.

use std::time::Instant;

/// Where progress lines go.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// A step that has begun.
pub(crate) struct Step<'a> {
    progress: Progress<'a>,
    started: Instant,
}

impl<'a> Step<'a> {
    pub(crate) fn begin(progress: Progress<'a>) -> Self {
        Self { progress, started: Instant::now() }
    }

    /// Says what was done and how long it took.
    pub(crate) fn done(self, what: &str) {
        (self.progress)(&format!("{what} ({:.1} s)", self.started.elapsed().as_secs_f64()));
    }
}
