//! Stub: the service half brings the real clock.

use std::time::{Duration, Instant};

/// Measures how long a request took; the only clock here that a test cannot move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
