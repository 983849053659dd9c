//! The settings of one simulated account, which admin calls can change while it runs.

/// The settings of a simulator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The smallest size of every part but the last.
    pub(crate) absolute_minimum_part_size: u64,
    /// The part size that the authorize answer recommends.
    pub(crate) recommended_part_size: u64,
    /// The largest single upload, part, or copied file.
    pub(crate) max_single_file: u64,
    /// Whether buckets encrypt unless told otherwise, as the service does since 2026-09
    /// (docs/protocol.md, section 3.9). `false` is the behaviour before that.
    pub(crate) encrypt_by_default: bool,
    /// Whether the account may choose upload timestamps, which few may (docs/protocol.md, section
    /// 2.7).
    pub(crate) custom_timestamps: bool,
    /// How many buckets the account may have.
    pub(crate) max_buckets: usize,
    /// After this many hidden names a listing of names ends its page early, so that a small number
    /// makes the short and empty pages of docs/protocol.md, section 9.3.
    pub(crate) listing_scan_limit: usize,
    /// How many rows of a listing one answer has at most.
    pub(crate) max_rows: usize,
    /// Where the draws of `X-Bz-Test-Mode` begin.
    pub(crate) test_mode_seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            absolute_minimum_part_size: 5_000_000,
            recommended_part_size: 100_000_000,
            max_single_file: 5_000_000_000,
            encrypt_by_default: true,
            custom_timestamps: false,
            max_buckets: 100,
            listing_scan_limit: 100_000,
            max_rows: usize::MAX,
            test_mode_seed: 0,
        }
    }
}
