//! Distinguishes sequential reads from random ones, and decides how much to read ahead.
//!
//! A read that begins where an earlier one ended, or less than a block after it, continues its run.
//! Nothing is read ahead before a run is as long as a block. Then the window grows with the run: to
//! twice what was read so far, but at most half of the cache, which all runs share.

use std::ops::Range;

/// The number of runs that are followed at the same time. A new one replaces the one that was not
/// continued for the longest time.
const MAX_RUNS: usize = 32;

/// The runs of reads in one file.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// The runs; the one that was continued last comes last.
    runs: Vec<Run>,
}

/// A sequence of reads that follow one another.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Where its last read ended.
    end: u64,
    /// The number of bytes that it has read or passed over.
    length: u64,
    /// The number of its reads.
    reads: u32,
}

impl Pattern {
    /// Notes a read, and returns the number of bytes after it that are worth reading ahead, at most
    /// `most`.
    pub(super) fn note(&mut self, read: &Range<u64>, block: u64, most: u64) -> u64 {
        let continues = |run: &Run| (run.end..run.end.saturating_add(block)).contains(&read.start);
        let found = self.runs.iter().rposition(continues);
        let run = match found.map(|at| self.runs.remove(at)) {
            Some(run) => Run {
                end: read.end,
                length: run.length + (read.end - run.end),
                reads: run.reads + 1,
            },
            None => Run {
                end: read.end,
                length: read.end - read.start,
                reads: 1,
            },
        };
        if self.runs.len() == MAX_RUNS {
            self.runs.remove(0);
        }
        self.runs.push(run);
        let is_sequential = |run: &Run| run.reads > 1 && run.length >= block;
        if !is_sequential(&run) {
            return 0;
        }
        let sequential = self.runs.iter().filter(|run| is_sequential(run)).count() as u64;
        run.length.saturating_mul(2).min(most / sequential.max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::Pattern;

    const BLOCK: u64 = 100;
    const MOST: u64 = 10_000;

    #[test]
    fn the_window_of_a_sequential_run_grows_to_its_limit() {
        let mut pattern = Pattern::default();
        let windows = (0..100).map(|n| pattern.note(&(n * 50..n * 50 + 50), BLOCK, MOST));
        let windows: Vec<_> = windows.collect();
        assert_eq!(windows[..5], [0, 200, 300, 400, 500]);
        assert_eq!(windows[99], MOST);
    }

    #[test]
    fn nothing_is_read_ahead_of_random_reads() {
        let mut pattern = Pattern::default();
        for start in [5_000, 100, 9_000, 3_000, 4_500, 700, 8_000] {
            assert_eq!(pattern.note(&(start..start + 10), BLOCK, MOST), 0);
        }
    }

    #[test]
    fn runs_that_take_turns_are_told_apart_and_share_the_window() {
        let mut pattern = Pattern::default();
        let mut windows = [0; 4];
        for n in 0..50 {
            for (run, window) in (0..4).zip(&mut windows) {
                let start = run * 1_000_000 + n * 500;
                *window = pattern.note(&(start..start + 500), BLOCK, MOST);
            }
        }
        assert_eq!(windows, [MOST / 4; 4]);
    }

    #[test]
    fn reading_backwards_is_not_sequential() {
        let mut pattern = Pattern::default();
        for n in (1..50).rev() {
            assert_eq!(pattern.note(&(n * 500..n * 500 + 500), BLOCK, MOST), 0);
        }
    }

    proptest! {
        #[test]
        fn the_window_never_exceeds_what_is_there(
            reads in prop::collection::vec((0..5_000_u64, 1..1_000_u64), 1..200),
            most in 0..2_000_u64,
        ) {
            let mut pattern = Pattern::default();
            for (start, length) in reads {
                let window = pattern.note(&(start..start + length), BLOCK, most);
                assert!(window <= most);
                assert!(pattern.runs.len() <= super::MAX_RUNS);
            }
        }
    }
}
