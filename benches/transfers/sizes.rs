//! How much is moved how often, from the environment.

use anyhow::{Context as _, Result};

/// What is moved.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Bytes of the large file: `B2SDK_BENCH_LARGE`.
    pub(crate) large: u64,
    /// Bytes of each small file.
    pub(crate) small: u64,
    /// How many small files: `B2SDK_BENCH_FILES`.
    pub(crate) files: usize,
    /// How many of them where every response is late: `B2SDK_BENCH_SLOW_FILES`.
    pub(crate) slow_files: usize,
    /// How often each program runs: `B2SDK_BENCH_RUNS`.
    pub(crate) runs: usize,
    /// The same for a large file where every response is late: `B2SDK_BENCH_SLOW_RUNS`.
    pub(crate) slow_runs: usize,
}

impl Sizes {
    pub(crate) fn from_environment() -> Result<Self> {
        Ok(Self {
            large: variable("B2SDK_BENCH_LARGE", 1 << 30)?,
            small: 4096,
            files: variable("B2SDK_BENCH_FILES", 2000)?,
            slow_files: variable("B2SDK_BENCH_SLOW_FILES", 200)?,
            runs: variable("B2SDK_BENCH_RUNS", 3)?,
            slow_runs: variable("B2SDK_BENCH_SLOW_RUNS", 1)?,
        })
    }
}

fn variable<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    default: T,
) -> Result<T> {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .with_context(|| format!("{name} is no number")),
        Err(_) => Ok(default),
    }
}
