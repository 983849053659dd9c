//! How much is moved how often, from the environment.

use anyhow::{Context as _, Result};

/// What is moved.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Bytes of the large file: `B2SDK_BENCH_LARGE`.
    pub(crate) large: u64,
    /// Bytes of the large file over each network but loopback: `B2SDK_BENCH_NEAR`, `B2SDK_BENCH_CAPPED` and
    /// `B2SDK_BENCH_LOSSY`. With loss, a connection carries about 60 kB a second, and most programs use one.
    pub(crate) near: u64,
    pub(crate) capped: u64,
    pub(crate) lossy: u64,
    /// Bytes of the file that is downloaded in many ranges over the network with loss: `B2SDK_BENCH_LOSSY_RANGES`.
    pub(crate) lossy_ranges: u64,
    /// Bytes of each small file.
    pub(crate) small: u64,
    /// How many small files: `B2SDK_BENCH_FILES`.
    pub(crate) files: usize,
    /// How many of them where every response is late: `B2SDK_BENCH_SLOW_FILES`.
    pub(crate) slow_files: usize,
    /// How many names a listing has: `B2SDK_BENCH_NAMES`.
    pub(crate) names: usize,
    /// How often each program runs: `B2SDK_BENCH_RUNS`.
    pub(crate) runs: usize,
    /// The same for a large file where every response is late: `B2SDK_BENCH_SLOW_RUNS`.
    pub(crate) slow_runs: usize,
}

impl Sizes {
    pub(crate) fn from_environment() -> Result<Self> {
        Ok(Self {
            large: variable("B2SDK_BENCH_LARGE", 1 << 30)?,
            near: variable("B2SDK_BENCH_NEAR", 512 << 20)?,
            capped: variable("B2SDK_BENCH_CAPPED", 128 << 20)?,
            lossy: variable("B2SDK_BENCH_LOSSY", 3 << 20)?,
            lossy_ranges: variable("B2SDK_BENCH_LOSSY_RANGES", 64 << 20)?,
            small: 4096,
            files: variable("B2SDK_BENCH_FILES", 2000)?,
            slow_files: variable("B2SDK_BENCH_SLOW_FILES", 200)?,
            names: variable("B2SDK_BENCH_NAMES", 100_000)?,
            runs: variable("B2SDK_BENCH_RUNS", 3)?,
            slow_runs: variable("B2SDK_BENCH_SLOW_RUNS", 1)?,
        })
    }

    /// The lengths of large files that can be downloaded.
    pub(crate) fn all_large(&self) -> [u64; 5] {
        [
            self.large,
            self.near,
            self.capped,
            self.lossy,
            self.lossy_ranges,
        ]
    }

    /// How many files there are in the folders of small files.
    pub(crate) fn all_folders(&self) -> [usize; 2] {
        [self.files, self.slow_files]
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
