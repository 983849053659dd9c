//! Reads batch after batch on a thread of its own, one batch ahead of whoever takes them.
//!
//! A thread reads. It hands over a batch when it is asked for one, so that at most two batches are in
//! memory: the one that is worked through, and the next one. If no thread can be started, the batches are
//! read by the thread that asks for them.
//!
//! Dropping it cancels the request that is under way and does not wait for the thread. Usually the thread ends
//! within milliseconds. One that looks up a name or connects, which cannot be interrupted, ends after the time limit
//! of that, and sends nothing. A panic of the thread is passed on to an owner that still takes batches.
//!
//! | what happens | what follows |
//! |---|---|
//! | reading fails | the error is the next batch, and the last one |
//! | it is dropped while a request runs | the request is cancelled; the thread ends by itself |
//! | the thread panics | the panic continues in the thread that asks for the batch |
//! | whoever takes the batches is slow | the thread waits with one batch; it reads nothing more |
//!
//! 1. `start` gives the reader to a thread, which reads the first batch at once.
//! 2. The thread offers a batch and waits until it is taken; then it reads the next one.
//! 3. The owner takes a batch when it has used up the one before.
//! 4. After the last batch, or after an error, the thread ends and is joined.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};

/// How long a batch is waited for between two ticks.
const TICK: Duration = Duration::from_millis(50);

/// Batches `B` that a reader `R` reads ahead.
#[derive(Debug)]
pub(crate) struct Ahead<R, B> {
    state: State<R, B>,
    /// Ends the request that is under way when this is dropped.
    cancel: CancelToken,
}

/// Who reads.
#[derive(Debug)]
enum State<R, B> {
    /// Nobody yet.
    Idle(Box<R>),
    /// A thread of its own, which hands over one batch at a time.
    Ahead {
        /// Behind a lock only so that the owner can be shared between threads.
        batches: Mutex<Receiver<Option<Result<B>>>>,
        thread: JoinHandle<()>,
    },
    /// The owner, because no thread could be started.
    Alone(Box<R>),
    /// The last batch was taken, or reading has failed or was ended.
    Ended,
}

impl<R, B> Ahead<R, B> {
    /// Waits for the thread, and passes its panic on.
    fn join(&mut self) {
        if let State::Ahead { batches, thread } = std::mem::replace(&mut self.state, State::Ended) {
            drop(batches);
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Reads no more.
    ///
    /// It cancels the request that is under way and does not wait for the thread: in an outage, connecting takes
    /// longer than any caller wants to wait. Calling it again does nothing.
    pub(crate) fn end(&mut self) {
        // Cancelling what a thread has ended by itself would close connections that are good.
        if let State::Ahead { thread, .. } = &self.state
            && !thread.is_finished()
        {
            self.cancel.cancel();
        }
        self.state = State::Ended;
    }
}

impl<R, B> Ahead<R, B>
where
    R: Iterator<Item = Result<B>> + Send + 'static,
    B: Send + 'static,
{
    /// `cancel` is the token of the reader's calls.
    pub(crate) fn new(reader: R, cancel: CancelToken) -> Self {
        Self {
            state: State::Idle(Box::new(reader)),
            cancel,
        }
    }

    /// Begins to read, if that has not begun.
    pub(crate) fn start(&mut self) {
        let reader = match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle(reader) => reader,
            other => {
                self.state = other;
                return;
            }
        };
        // A thread that cannot be started drops what it was given; so it is given that afterwards.
        let (give, take) = sync_channel::<Box<R>>(1);
        let (sender, batches) = sync_channel(0);
        let thread = Builder::new().spawn(move || {
            if let Ok(reader) = take.recv() {
                read(*reader, &sender);
            }
        });
        self.state = match thread {
            Ok(thread) => {
                // Never fails: the thread waits for it.
                let _sent = give.send(reader);
                State::Ahead {
                    batches: Mutex::new(batches),
                    thread,
                }
            }
            Err(_) => State::Alone(reader),
        };
    }

    /// The next batch. `tick` is called again and again while it is waited for.
    ///
    /// It returns `None` after the last batch, and also after an error was returned.
    pub(crate) fn next_ticking(&mut self, tick: impl Fn()) -> Option<Result<B>> {
        self.take(|batches| {
            loop {
                match batches.recv_timeout(TICK) {
                    Err(RecvTimeoutError::Timeout) => tick(),
                    received => return received.ok(),
                }
            }
        })
    }

    /// Takes the next batch, which `receive` waits for.
    fn take(
        &mut self,
        receive: impl Fn(&Receiver<Option<Result<B>>>) -> Option<Option<Result<B>>>,
    ) -> Option<Result<B>> {
        self.start();
        let batch = match &mut self.state {
            State::Ahead { batches, .. } => receive(batches.get_mut()).unwrap_or_else(|| {
                self.join();
                // Never seen: the thread panicked, or has said that it is at its end.
                Some(Err(Error::Cancelled))
            }),
            State::Alone(reader) => reader.next(),
            State::Idle(_) | State::Ended => None,
        };
        if !matches!(batch, Some(Ok(_))) {
            // The thread has ended by itself. Cancelling it now would close connections that are good.
            self.join();
        }
        batch
    }
}

impl<R, B> Iterator for Ahead<R, B>
where
    R: Iterator<Item = Result<B>> + Send + 'static,
    B: Send + 'static,
{
    type Item = Result<B>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take(|batches| batches.recv().ok())
    }
}

impl<R, B> Drop for Ahead<R, B> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread does: it reads batch after batch until the last one, a failure, or nobody takes
/// them.
fn read<B>(mut reader: impl Iterator<Item = Result<B>>, batches: &SyncSender<Option<Result<B>>>) {
    loop {
        let batch = reader.next();
        let is_last = !matches!(batch, Some(Ok(_)));
        // Nobody waits for it any more: the owner was dropped.
        if batches.send(batch).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
    use std::time::Duration;

    use super::Ahead;
    use crate::control::cancel::CancelToken;
    use crate::error::Result;

    /// A reader of one batch, after which it reads like one that connects: it takes no notice of being cancelled.
    struct Connecting {
        batches: u32,
        begun: Sender<()>,
        /// Ends the connecting.
        connected: Receiver<()>,
        /// Whether it had to wait for longer than its limit.
        gave_up: Sender<bool>,
    }

    impl Iterator for Connecting {
        type Item = Result<u32>;

        fn next(&mut self) -> Option<Self::Item> {
            self.batches += 1;
            if self.batches > 1 {
                self.begun.send(()).unwrap();
                let waited = self.connected.recv_timeout(Duration::from_secs(20));
                let gave_up = waited == Err(RecvTimeoutError::Timeout);
                self.gave_up.send(gave_up).unwrap();
            }
            Some(Ok(self.batches))
        }
    }

    #[test]
    fn dropping_it_does_not_wait_for_a_thread_that_connects() {
        let (begun, has_begun) = channel();
        let (connect, connected) = channel();
        let (gave_up, outcome) = channel();
        let cancel = CancelToken::new();
        let reader = Connecting {
            batches: 0,
            begun,
            connected,
            gave_up,
        };
        let mut ahead = Ahead::new(reader, cancel.clone());
        assert_eq!(ahead.next().map(Result::unwrap), Some(1));
        has_begun.recv().unwrap();
        drop(ahead);
        assert!(cancel.is_cancelled());
        connect.send(()).unwrap();
        assert!(!outcome.recv().unwrap(), "the drop waited for the thread");
        assert!(outcome.recv().is_err(), "nothing is read after the drop");
    }
}
