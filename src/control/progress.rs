//! Reporting how far a transfer is.
//!
//! Reports carry absolute counts, because an attempt that is repeated starts again lower. They come
//! at most about ten times a second for each transfer, from the thread that moves the data; the
//! last one always comes.

use std::fmt;
use std::sync::Arc;
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

/// Counts the bytes of one attempt and reports them.
pub(crate) struct Reporter {
    receiver: Option<Arc<dyn Progress>>,
    clock: Clock,
    progress: TransferProgress,
    reported: Duration,
}

impl Reporter {
    pub(crate) fn new(
        receiver: Option<&Arc<dyn Progress>>,
        clock: &Clock,
        done: u64,
        total: Option<u64>,
    ) -> Self {
        let receiver = receiver.map(Arc::clone);
        let reported = clock.elapsed();
        let progress = TransferProgress { bytes: done, total };
        if let Some(receiver) = &receiver {
            receiver.update(&progress);
        }
        Self {
            receiver,
            clock: clock.clone(),
            progress,
            reported,
        }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.progress.bytes += bytes;
        let Some(receiver) = &self.receiver else {
            return;
        };
        let now = self.clock.elapsed();
        if now.saturating_sub(self.reported) >= INTERVAL {
            self.reported = now;
            receiver.update(&self.progress);
        }
    }

    /// The final report.
    pub(crate) fn finish(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.update(&self.progress);
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
