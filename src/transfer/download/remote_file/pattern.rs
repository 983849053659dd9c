//! Distinguishes sequential reads from random ones, and decides how much to read ahead, and in how
//! many requests.
//!
//! A read that begins where an earlier one ended, or less than a block after it, continues its run.
//! So does one that begins within the earlier one, which happens when a reader with a large buffer
//! got less than it asked for. Nothing is read ahead before a run is as long as a block. Then the
//! window grows with the run: to three times what was read so far, but at most half of the cache,
//! which all runs share. So a reader that waits for one request has the next one under way.
//!
//! Each request is a billed call, so requests grow with the run, too. The size of a request depends
//! only on how far from the beginning of the run its first block is: as many blocks as the largest
//! power of two that is not greater than that distance. A file that is read in order takes requests
//! of 1, 1, 2, 4, 8, 8, ... blocks, whichever thread sends them, and however fast the reader is.

use std::ops::Range;

/// The number of runs that are followed at the same time. A new one replaces the one that was not
/// continued for the longest time.
const MAX_RUNS: usize = 32;
/// The largest number of bytes that one request reads ahead.
const MAX_REQUEST: u64 = 2 * 1024 * 1024;
/// The smallest number of requests that a window of full size is cut into, so that they are
/// answered at the same time.
const REQUESTS: u64 = 4;

/// The runs of reads in one file.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// The runs; the one that was continued last comes last.
    runs: Vec<Run>,
}

/// A sequence of reads that follow one another.
#[derive(Debug, Clone)]
struct Run {
    /// Where its first read began.
    start: u64,
    /// Its last read.
    last: Range<u64>,
    /// The number of its reads.
    reads: u32,
}

impl Run {
    /// The number of bytes that it has read or passed over.
    const fn length(&self) -> u64 {
        self.last.end - self.start
    }
}

/// What is worth fetching beyond a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ahead {
    /// The number of bytes after the read; 0 if it is not sequential.
    pub(super) bytes: u64,
    /// The byte at which its run began.
    run_start: u64,
    /// The largest number of bytes of a request.
    most_request: u64,
}

impl Ahead {
    /// The number of blocks that a request should ask for if this is its first one.
    pub(super) fn request_size(&self, first: u64, block: u64) -> u64 {
        let distance = first.saturating_sub(self.run_start / block);
        let most = (self.most_request / block).max(1);
        match distance.checked_ilog2() {
            Some(exponent) => (1 << exponent).min(most),
            None => 1,
        }
    }
}

impl Pattern {
    /// Notes a read, and returns what is worth reading ahead of it: at most `most` bytes.
    pub(super) fn note(&mut self, read: &Range<u64>, block: u64, most: u64) -> Ahead {
        let continues = |run: &Run| {
            (run.last.start + 1..run.last.end.saturating_add(block)).contains(&read.start)
        };
        let found = self.runs.iter().rposition(continues);
        let run = match found.map(|at| self.runs.remove(at)) {
            Some(run) => Run {
                last: read.clone(),
                reads: run.reads.saturating_add(1),
                ..run
            },
            None => Run {
                start: read.start,
                last: read.clone(),
                reads: 1,
            },
        };
        if self.runs.len() == MAX_RUNS {
            self.runs.remove(0);
        }
        let is_sequential = |run: &Run| run.reads > 1 && run.length() >= block;
        let (run_start, length) = (run.start, run.length());
        let is_alone = !is_sequential(&run);
        self.runs.push(run);
        if is_alone {
            return Ahead::default();
        }
        let sequential = self.runs.iter().filter(|run| is_sequential(run)).count() as u64;
        let share = most / sequential.max(1);
        Ahead {
            bytes: length.saturating_mul(3).min(share),
            run_start,
            most_request: (share / REQUESTS).min(MAX_REQUEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::{Ahead, Pattern};

    const BLOCK: u64 = 100;
    const MOST: u64 = 10_000;

    #[test]
    fn the_window_of_a_sequential_run_grows_to_its_limit() {
        let mut pattern = Pattern::default();
        let windows = (0..100).map(|n| pattern.note(&(n * 50..n * 50 + 50), BLOCK, MOST).bytes);
        let windows: Vec<_> = windows.collect();
        assert_eq!(windows[..5], [0, 300, 450, 600, 750]);
        assert_eq!(windows[99], MOST);
    }

    #[test]
    fn nothing_is_read_ahead_of_random_reads() {
        let mut pattern = Pattern::default();
        for start in [5_000, 100, 9_000, 3_000, 4_500, 700, 8_000] {
            let ahead = pattern.note(&(start..start + 10), BLOCK, MOST);
            assert_eq!(ahead, Ahead::default());
        }
    }

    #[test]
    fn runs_that_take_turns_are_told_apart_and_share_the_window() {
        let mut pattern = Pattern::default();
        let mut windows = [0; 4];
        for n in 0..50 {
            for (run, window) in (0..4).zip(&mut windows) {
                let start = run * 1_000_000 + n * 500;
                *window = pattern.note(&(start..start + 500), BLOCK, MOST).bytes;
            }
        }
        assert_eq!(windows, [MOST / 4; 4]);
    }

    #[test]
    fn requests_grow_with_the_distance_from_the_beginning_of_the_run() {
        for start in [0, 30, 700] {
            let mut pattern = Pattern::default();
            pattern.note(&(start..start + 50), BLOCK, MOST);
            let ahead = pattern.note(&(start + 50..start + 150), BLOCK, MOST);
            let first = start / BLOCK;
            let mut sizes = Vec::new();
            while sizes.iter().sum::<u64>() < 60 {
                let next = first + sizes.iter().sum::<u64>();
                sizes.push(ahead.request_size(next, BLOCK));
            }
            assert_eq!(sizes, [1, 1, 2, 4, 8, 16, 25, 25]);
        }
    }

    #[test]
    fn a_reader_that_gets_less_than_it_asks_for_continues_its_run() {
        let mut pattern = Pattern::default();
        let windows = (0..4).map(|n| pattern.note(&(n * 50..n * 50 + 400), BLOCK, MOST).bytes);
        assert!(windows.eq([0, 1_350, 1_500, 1_650]));
    }

    #[test]
    fn reading_backwards_is_not_sequential() {
        let mut pattern = Pattern::default();
        for n in (1..50).rev() {
            let ahead = pattern.note(&(n * 500..n * 500 + 500), BLOCK, MOST);
            assert_eq!(ahead, Ahead::default());
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
                let ahead = pattern.note(&(start..start + length), BLOCK, most);
                assert!(ahead.bytes <= most);
                // A request fits into the window, unless not even a block does.
                let blocks = ahead.request_size(start / BLOCK + 1, BLOCK);
                assert!(blocks == 1 || blocks * BLOCK <= most, "{blocks}");
                assert!(pattern.runs.len() <= super::MAX_RUNS);
            }
        }
    }
}
