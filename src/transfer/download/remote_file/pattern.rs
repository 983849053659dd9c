//! Distinguishes sequential reads from random ones, and decides how much to read ahead, and in how
//! many requests.
//!
//! A read that begins where an earlier one ended, or less than a block after it, continues its run.
//! So does one that begins within the earlier one, which happens when a reader with a large buffer
//! got less than it asked for, and one with which a handle repeats its own last read, because it
//! failed or because the bytes are examined twice. Nothing is read ahead before a run is as long as
//! a block. Then the window grows with the run, up to half of the cache, which all runs share.
//!
//! How fast the window grows is a choice between waiting and receiving what nobody reads:
//!
//! | who reads | the window | so that |
//! | --- | --- | --- |
//! | a handle that has jumped, as readers of archives do, and `read_at` | as much as the run has read so far | a jump leaves no more unread than was read |
//! | a handle that has read in order only | three times as much, but beyond 2 MiB as above | while requests are small, the next one is under way when a reader waits for one |
//!
//! What a jump of a handle does to what was requested ahead of it:
//!
//! | the handle jumps | its run | what was requested ahead |
//! | --- | --- | --- |
//! | into what was requested ahead of it, whether that has arrived or not | begins again at the new place, with an empty window | is received, because what follows may be read as well |
//! | to another place | ends, and another run begins | is given up |
//! | anywhere, while another handle reads in its run, too | goes on without it | is received for the other handle |
//!
//! Each request is a billed call, so requests grow with the run, too. The size of a request depends
//! only on how far from the beginning of the run its first block is: as many blocks as the largest
//! power of two that is not greater than that distance. A file that is read in order takes requests
//! of 1, 1, 2, 4, 8, 8, ... blocks, whichever thread sends them, and however fast the reader is.

use std::ops::Range;

use crate::control::cancel::CancelToken;

/// The number of runs that are followed at the same time. A new one replaces the one that was not
/// continued for the longest time.
pub(super) const MAX_RUNS: usize = 32;
/// The largest number of bytes that one request reads ahead.
pub(super) const MAX_REQUEST: u64 = 2 * 1024 * 1024;
/// The smallest number of requests that a window of full size is cut into, so that they are
/// answered at the same time.
const REQUESTS: u64 = 4;
/// The window of a handle that has read in order only, in lengths of its run, while that is at most
/// the size of the largest request.
const EAGER: u64 = 3;

/// The number of a run. A run that has ended leaves its number unused.
pub(super) type RunId = u64;

/// The runs of reads in one file.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// The runs; the one that was continued last comes last.
    runs: Vec<Run>,
    /// The number of the next run.
    next: RunId,
}

/// A sequence of reads that follow one another.
#[derive(Debug)]
struct Run {
    /// Its number.
    id: RunId,
    /// Where its first read began.
    start: u64,
    /// Its last read.
    last: Range<u64>,
    /// The number of its reads.
    reads: u32,
    /// The number of handles that read in it. Calls of `read_at` do not count.
    handles: usize,
    /// The end of what was requested for it.
    requested: u64,
    /// Cancels what is read ahead of it, if anything was.
    stop: Option<CancelToken>,
}

impl Run {
    /// The number of bytes that it has read or passed over.
    const fn length(&self) -> u64 {
        self.last.end - self.start
    }

    /// Whether a read that begins here belongs to it. `is_own` is for a handle that reads in it.
    fn is_continued_from(&self, offset: u64, block: u64, is_own: bool) -> bool {
        let first = self.last.start + u64::from(!is_own);
        (first..self.last.end.saturating_add(block)).contains(&offset)
    }

    /// Notes a read that continues it. One that repeats the last read adds nothing.
    fn go_on(&mut self, read: &Range<u64>) {
        if read.start == self.last.start {
            self.last.end = self.last.end.max(read.end);
        } else {
            self.last = read.clone();
            self.reads = self.reads.saturating_add(1);
        }
    }

    /// Begins again with this read, in the middle of what was requested for it.
    fn begin_again(&mut self, read: &Range<u64>) {
        self.start = read.start;
        self.last = read.clone();
        self.reads = 1;
    }
}

/// What a handle knows of its own reads.
#[derive(Debug, Default)]
pub(super) struct Habit {
    /// The run that its last read belongs to.
    pub(super) run: Option<RunId>,
    /// Whether it has ever jumped.
    pub(super) has_jumped: bool,
}

/// What is worth fetching beyond a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ahead {
    /// The run that the read belongs to.
    pub(super) run: RunId,
    /// The number of bytes after the read; 0 if it is not sequential.
    pub(super) bytes: u64,
    /// Whether the read follows others.
    is_sequential: bool,
    /// The byte at which its run began.
    run_start: u64,
    /// The largest number of bytes of a request.
    most_request: u64,
}

impl Ahead {
    /// The number of blocks that a request should ask for if this is its first one.
    pub(super) fn request_size(&self, first: u64, block: u64) -> u64 {
        self.size_up_to(self.most_request, first, block)
    }

    /// The number of blocks that a request of at most `most` bytes should ask for.
    pub(super) fn size_up_to(&self, most: u64, first: u64, block: u64) -> u64 {
        let distance = first.saturating_sub(self.run_start / block);
        match distance.checked_ilog2().filter(|_| self.is_sequential) {
            Some(exponent) => (1 << exponent).min((most / block).max(1)),
            None => 1,
        }
    }
}

impl Pattern {
    /// Notes a read, and returns what is worth reading ahead of it: at most `most` bytes. `habit` is
    /// that of the handle, if one reads at its own position; it then names the run of this read. If
    /// that is another one than before, the caller lets the handle [`leave`](Self::leave) the former.
    pub(super) fn note(
        &mut self,
        read: &Range<u64>,
        block: u64,
        most: u64,
        mut habit: Option<&mut Habit>,
    ) -> Ahead {
        let run = self.run_of(read, block, habit.as_deref_mut());
        if self.runs.len() == MAX_RUNS {
            self.runs.remove(0);
        }
        let is_sequential = |run: &Run| run.reads > 1 && run.length() >= block;
        let (id, run_start, length) = (run.id, run.start, run.length());
        let is_alone = !is_sequential(&run);
        self.runs.push(run);
        if is_alone {
            return Ahead {
                run: id,
                ..Ahead::default()
            };
        }
        let sequential = self.runs.iter().filter(|run| is_sequential(run)).count() as u64;
        let share = most / sequential.max(1);
        let window = match habit {
            Some(habit) if !habit.has_jumped => {
                length.max(length.saturating_mul(EAGER).min(MAX_REQUEST))
            }
            _ => length,
        };
        Ahead {
            run: id,
            bytes: window.min(share),
            is_sequential: true,
            run_start,
            most_request: (share / REQUESTS).min(MAX_REQUEST),
        }
    }

    /// Takes the run that a read belongs to, and notes the read in it. Another run begins if it belongs
    /// to none.
    fn run_of(&mut self, read: &Range<u64>, block: u64, habit: Option<&mut Habit>) -> Run {
        let own = habit.as_ref().and_then(|habit| habit.run);
        let continues = |run: &Run| run.is_continued_from(read.start, block, own == Some(run.id));
        let lands_in = |run: &Run| {
            own == Some(run.id)
                && run.handles <= 1
                && (run.last.end..run.requested).contains(&read.start)
        };
        let is_own = |run: &Run| own == Some(run.id) && continues(run);
        let mut jumps = own.is_some();
        let mut run = if let Some(at) = self.runs.iter().position(is_own) {
            jumps = false;
            let mut run = self.runs.remove(at);
            run.go_on(read);
            run
        } else if let Some(at) = self.runs.iter().position(lands_in) {
            let mut run = self.runs.remove(at);
            run.begin_again(read);
            run
        } else if let Some(at) = self.runs.iter().rposition(continues) {
            let mut run = self.runs.remove(at);
            run.go_on(read);
            run
        } else {
            self.begin(read)
        };
        if let Some(habit) = habit {
            run.handles += usize::from(own != Some(run.id));
            habit.run = Some(run.id);
            habit.has_jumped |= jumps;
        }
        run
    }

    /// Notes that bytes up to this one were requested for a run.
    pub(super) fn requested(&mut self, run: RunId, end: u64) {
        if let Some(run) = self.runs.iter_mut().find(|known| known.id == run) {
            run.requested = run.requested.max(end);
        }
    }

    /// A run that begins with this read.
    fn begin(&mut self, read: &Range<u64>) -> Run {
        self.next += 1;
        Run {
            id: self.next,
            start: read.start,
            last: read.clone(),
            reads: 1,
            handles: 0,
            requested: read.start,
            stop: None,
        }
    }

    /// The token that cancels what is read ahead of this run, which `make` creates at the first
    /// call. Returns `None` if the run has ended.
    pub(super) fn stop_of(
        &mut self,
        run: RunId,
        make: impl FnOnce() -> CancelToken,
    ) -> Option<CancelToken> {
        let run = self.runs.iter_mut().find(|known| known.id == run)?;
        Some(run.stop.get_or_insert_with(make).clone())
    }

    /// Notes that a handle reads elsewhere now. Returns whether that ended the run, and the token
    /// that cancels what is read ahead of it.
    pub(super) fn leave(&mut self, run: RunId) -> (bool, Option<CancelToken>) {
        let Some(at) = self.runs.iter().position(|known| known.id == run) else {
            // It was replaced by another one. What was read ahead of it is at its end by now.
            return (true, None);
        };
        if let Some(run) = self.runs.get_mut(at).filter(|run| run.handles > 1) {
            run.handles -= 1;
            return (false, None);
        }
        (true, self.runs.remove(at).stop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use std::ops::Range;

    use super::{Ahead, Habit, MAX_REQUEST, Pattern};
    use crate::control::cancel::CancelToken;

    const BLOCK: u64 = 100;
    const MOST: u64 = 10_000;

    /// Notes a read of a handle that has read in order only.
    fn note(pattern: &mut Pattern, read: Range<u64>) -> Ahead {
        pattern.note(&read, BLOCK, MOST, Some(&mut Habit::default()))
    }

    fn is_nothing(ahead: &Ahead) -> bool {
        let size = ahead.request_size(1_000, BLOCK);
        (ahead.bytes, size) == (0, 1)
    }

    #[test]
    fn the_window_of_a_sequential_run_grows_to_its_limit() {
        let mut pattern = Pattern::default();
        let windows = (0..100).map(|n| note(&mut pattern, n * 50..n * 50 + 50).bytes);
        let windows: Vec<_> = windows.collect();
        assert_eq!(windows[..5], [0, 300, 450, 600, 750]);
        assert_eq!(windows[99], MOST);
    }

    #[test]
    fn nothing_is_read_ahead_of_random_reads() {
        let mut pattern = Pattern::default();
        for start in [5_000, 100, 9_000, 3_000, 4_500, 700, 8_000] {
            assert!(is_nothing(&note(&mut pattern, start..start + 10)));
        }
    }

    #[test]
    fn runs_that_take_turns_are_told_apart_and_share_the_window() {
        let mut pattern = Pattern::default();
        let mut windows = [0; 4];
        for n in 0..50 {
            for (run, window) in (0..4).zip(&mut windows) {
                let start = run * 1_000_000 + n * 500;
                *window = note(&mut pattern, start..start + 500).bytes;
            }
        }
        assert_eq!(windows, [MOST / 4; 4]);
    }

    #[test]
    fn requests_grow_with_the_distance_from_the_beginning_of_the_run() {
        for start in [0, 30, 700] {
            let mut pattern = Pattern::default();
            note(&mut pattern, start..start + 50);
            let ahead = note(&mut pattern, start + 50..start + 150);
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
        let windows = (0..4).map(|n| note(&mut pattern, n * 50..n * 50 + 400).bytes);
        assert!(windows.eq([0, 1_350, 1_500, 1_650]));
    }

    #[test]
    fn reading_backwards_is_not_sequential() {
        let mut pattern = Pattern::default();
        for n in (1..50).rev() {
            assert!(is_nothing(&note(&mut pattern, n * 500..n * 500 + 500)));
        }
    }

    #[test]
    fn a_long_run_has_no_more_read_ahead_than_was_read() {
        let (mut pattern, mut habit) = (Pattern::default(), Habit::default());
        let mut windows = Vec::new();
        for n in 0..6 {
            let read = n * MAX_REQUEST / 4..(n + 1) * MAX_REQUEST / 4;
            let ahead = pattern.note(&read, BLOCK, u64::MAX, Some(&mut habit));
            windows.push(ahead.bytes as f64 / MAX_REQUEST as f64);
        }
        assert_eq!(windows, [0.0, 1.0, 1.0, 1.0, 1.25, 1.5]);
    }

    #[test]
    fn whoever_jumps_has_no_more_read_ahead_than_was_read() {
        let mut jumped = Habit {
            run: None,
            has_jumped: true,
        };
        for mut habit in [Some(&mut jumped), None] {
            let mut pattern = Pattern::default();
            for n in 0..100 {
                let read = n * 50..n * 50 + 50;
                let ahead = pattern.note(&read, BLOCK, MOST, habit.as_deref_mut());
                let expected = if read.end < BLOCK { 0 } else { read.end };
                assert_eq!(ahead.bytes, expected.min(MOST));
            }
        }
    }

    #[test]
    fn a_run_ends_when_the_last_of_its_handles_leaves_it() {
        let mut pattern = Pattern::default();
        let (mut one, mut other) = (Habit::default(), Habit::default());
        let run = pattern.note(&(0..200), BLOCK, MOST, Some(&mut one)).run;
        let ahead = pattern.note(&(200..400), BLOCK, MOST, Some(&mut other));
        assert_eq!(ahead.run, run);
        let stop = pattern.stop_of(run, CancelToken::new).unwrap();
        assert!(matches!(pattern.leave(run), (false, None)));
        assert!(matches!(pattern.leave(run), (true, Some(_))));
        assert!(pattern.stop_of(run, || stop).is_none(), "it is gone");
        // Where it was, another one begins.
        let ahead = pattern.note(&(400..600), BLOCK, MOST, Some(&mut one));
        assert!(is_nothing(&ahead) && ahead.run != run);
    }

    #[test]
    fn a_handle_that_repeats_its_last_read_continues_its_run() {
        let (mut pattern, mut habit) = (Pattern::default(), Habit::default());
        let mut note = |read: Range<u64>| pattern.note(&read, BLOCK, MOST, Some(&mut habit));
        let run = note(0..150).run;
        // A block that is read twice is no sequence.
        assert!(is_nothing(&note(0..150)));
        let ahead = note(150..300);
        assert_eq!((ahead.run, ahead.bytes), (run, 900));
        assert_eq!(note(150..160), ahead);
        assert_eq!(note(300..400).run, run);
        assert!(!habit.has_jumped);
        // Whoever else reads there begins a run of their own.
        assert_ne!(pattern.note(&(300..400), BLOCK, MOST, None).run, run);
    }

    #[test]
    fn a_jump_into_what_was_requested_begins_the_run_again_and_one_elsewhere_ends_it() {
        let (mut pattern, mut habit) = (Pattern::default(), Habit::default());
        let mut note = |pattern: &mut Pattern, start: u64| {
            let ahead = pattern.note(&(start..start + 200), BLOCK, MOST, Some(&mut habit));
            (ahead.run, ahead.bytes, habit.has_jumped)
        };
        let (run, ..) = note(&mut pattern, 0);
        assert_eq!(note(&mut pattern, 200), (run, 1_200, false));
        pattern.requested(run, 1_600);
        assert_eq!(note(&mut pattern, 1_000), (run, 0, true));
        assert_eq!(note(&mut pattern, 1_200), (run, 400, true));
        // The end of what was requested is not part of it.
        assert_ne!(note(&mut pattern, 1_600).0, run);
    }

    proptest! {
        #[test]
        fn the_window_never_exceeds_what_is_there(
            reads in prop::collection::vec((0..5_000_u64, 1..1_000_u64), 1..200),
            most in 0..2_000_u64,
        ) {
            let mut pattern = Pattern::default();
            for (start, length) in reads {
                let ahead = pattern.note(&(start..start + length), BLOCK, most, None);
                assert!(ahead.bytes <= most);
                // A request fits into the window, unless not even a block does.
                let blocks = ahead.request_size(start / BLOCK + 1, BLOCK);
                assert!(blocks == 1 || blocks * BLOCK <= most, "{blocks}");
                assert!(pattern.runs.len() <= super::MAX_RUNS);
            }
        }
    }
}
