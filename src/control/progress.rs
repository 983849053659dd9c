//! Reporting how far a transfer is.
//!
//! Reports carry absolute counts, because an attempt that is repeated starts again lower. They come
//! at most about ten times a second for each transfer, from the thread that moves the data; the
//! last one always comes.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::control::clock::Clock;

/// How far one transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// The bytes of content moved so far; lower than before after a failed attempt.
    pub bytes: u64,
    /// The bytes there are, if that is known.
    pub total: Option<u64>,
}

/// Receives reports. Closures are progress receivers too.
///
/// It is called from the threads that move data: it should return soon, and it must not start
/// transfers on the same `B2Api`.
pub trait Progress: Send + Sync {
    /// The transfer is this far.
    fn update(&self, progress: &TransferProgress);
}

impl<F: Fn(&TransferProgress) + Send + Sync> Progress for F {
    fn update(&self, progress: &TransferProgress) {
        self(progress);
    }
}

impl fmt::Debug for dyn Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

const INTERVAL: Duration = Duration::from_millis(100);

/// Counts the bytes of one transfer, from all its threads, and reports them.
pub(crate) struct Tally {
    receiver: Option<Arc<dyn Progress>>,
    clock: Clock,
    total: Option<u64>,
    state: Mutex<State>,
}

struct State {
    bytes: u64,
    reported: Duration,
    finished: bool,
}

impl Tally {
    /// Reports a beginning.
    pub(crate) fn new(
        receiver: Option<&Arc<dyn Progress>>,
        clock: &Clock,
        total: Option<u64>,
    ) -> Self {
        let receiver = receiver.map(Arc::clone);
        let state = State {
            bytes: 0,
            reported: clock.elapsed(),
            finished: false,
        };
        if let Some(receiver) = &receiver {
            receiver.update(&TransferProgress { bytes: 0, total });
        }
        Self {
            receiver,
            clock: clock.clone(),
            total,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_add(bytes);
        let now = self.clock.elapsed();
        if now.saturating_sub(state.reported) >= INTERVAL {
            state.reported = now;
            let bytes = state.bytes;
            // The receiver may take its time, and other threads need not wait for it.
            drop(state);
            receiver.update(&TransferProgress {
                bytes,
                total: self.total,
            });
        }
    }

    /// Takes back what an attempt counted that came to nothing. The next report tells it: this one may
    /// come while the receiver's own panic unwinds.
    fn take_back(&self, bytes: u64) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// The final report.
    pub(crate) fn finish(&self) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        let mut state = self.lock();
        if !state.finished {
            state.finished = true;
            let bytes = state.bytes;
            drop(state);
            receiver.update(&TransferProgress {
                bytes,
                total: self.total,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// A reader whose bytes count towards a transfer, unless the attempt comes to nothing.
pub(crate) struct Counted<'a, R> {
    content: R,
    tally: &'a Tally,
    counted: u64,
}

impl<'a, R: Read> Counted<'a, R> {
    pub(crate) const fn new(content: R, tally: &'a Tally) -> Self {
        Self {
            content,
            tally,
            counted: 0,
        }
    }

    /// The attempt succeeded.
    pub(crate) fn keep(&mut self) {
        self.counted = 0;
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.counted += read as u64;
        self.tally.add(read as u64);
        Ok(read)
    }
}

impl<R> Drop for Counted<'_, R> {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.tally.take_back(self.counted);
        }
    }
}
