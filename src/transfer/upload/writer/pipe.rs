//! A pipe in memory between a writer and the thread that uploads.
//!
//! The reader waits until there are bytes, the writer has ended, or its call is cancelled. The
//! writer waits until there is room, or nobody reads any more, which it learns at once.
//!
//! | how one end goes | what the other end sees |
//! | --- | --- |
//! | the writer finishes | the reader gets what is in the pipe, and then the end |
//! | the writer is dropped, or its thread panics | the reader gets what is in the pipe, and then `Cancelled`, so that no file ends there |
//! | the reader is dropped, because the upload has failed | `write` returns `None`, also one that is waiting |
//! | the reader's call is cancelled | it closes the pipe, and `write` returns `None` |
//!
//! The pipe holds 256 KiB, which is not counted against the memory limit: it only lets the two threads
//! run at the same time. What is behind it, in whole parts, is counted.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::control::Control;
use crate::error::Error;
use crate::transfer::upload::buffered::Input;

/// The largest number of bytes in the pipe.
const CAPACITY: usize = 256 * 1024;
/// The number of bytes that wake the reader. Many programs write a few bytes at a time, and a thread
/// that is woken for each of them costs more than the bytes.
const BATCH: usize = 4 * 1024;

/// The end of a pipe that the caller writes to. Dropping it breaks the pipe unless it was finished.
pub(super) struct PipeWriter(Arc<Pipe>);

/// How long a writer that is dropped waits for the answer to starting a large file, so that the
/// file can be cancelled.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end of a pipe that an upload reads from.
pub(crate) struct PipeReader(Arc<Pipe>);

/// What both ends share.
#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    /// Wakes both ends after every change of the state.
    changed: Condvar,
}

/// The content of a pipe, and what is known of its ends.
#[derive(Default)]
struct State {
    /// The bytes that were written and not read yet.
    bytes: VecDeque<u8>,
    /// How the writer ended, if it did.
    end: Option<End>,
    /// Whether nobody reads any more.
    is_closed: bool,
    /// Whether the reader is waiting for the answer to starting a large file.
    is_starting: bool,
}

/// How the writer ended.
#[derive(Clone, Copy)]
enum End {
    /// The file is complete.
    Finished,
    /// The writer was dropped before it was finished.
    Broken,
}

/// Creates a pipe.
pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let pipe = Arc::<Pipe>::default();
    (PipeWriter(Arc::clone(&pipe)), PipeReader(pipe))
}

impl PipeWriter {
    /// Writes as many bytes as there is room for, at least one. Returns `None` if nobody reads any
    /// more. Waits without a limit of time: an upload that repeats its requests is slow, not dead.
    ///
    /// That bytes were taken says nothing about the service. The reader is woken when there are enough
    /// of them, so a few bytes may stay here until more come or the pipe ends.
    pub(super) fn write(&self, buffer: &[u8]) -> Option<usize> {
        let mut state = self.0.state.lock();
        let waits = |state: &mut State| {
            state.bytes.len() >= CAPACITY && !state.is_closed && !buffer.is_empty()
        };
        self.0.changed.wait_while(&mut state, waits);
        if state.is_closed {
            return None;
        }
        let room = CAPACITY.saturating_sub(state.bytes.len());
        let written = buffer.get(..room).unwrap_or(buffer);
        let was_waited_for = state.bytes.len() < BATCH;
        state.bytes.extend(written);
        if was_waited_for && state.bytes.len() >= BATCH {
            self.0.changed.notify_all();
        }
        Some(written.len())
    }

    /// Whether nobody reads any more, which means that the upload has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.0.state.lock().is_closed
    }

    /// Breaks the pipe. Waits for a moment if the reader is starting a large file, so that it knows
    /// which file to cancel. After five seconds it waits no longer, and an unfinished file without
    /// parts may be left, for which nothing is billed.
    pub(super) fn break_off(self) {
        self.end(End::Broken);
        let mut state = self.0.state.lock();
        let waits = |state: &mut State| state.is_starting && !state.is_closed;
        self.0.changed.wait_while_for(&mut state, waits, PATIENCE);
    }

    /// Ends the pipe; the reader then comes to the end of the content.
    pub(super) fn finish(self) {
        self.end(End::Finished);
    }

    /// Notes how the writer ended. The first call counts.
    fn end(&self, end: End) {
        self.0.state.lock().end.get_or_insert(end);
        self.0.changed.notify_all();
    }
}

/// A writer that is dropped before it was finished must not make a file of what it has written.
impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.end(End::Broken);
    }
}

impl Input for PipeReader {
    /// Waits for a batch of bytes, or for the end. Tokens are subscribed to only if it has to wait,
    /// because most reads find bytes.
    fn read(&mut self, buffer: &mut [u8], control: &Control) -> io::Result<usize> {
        let subscribe = || {
            let wake = control.tokens().map(|token| {
                let pipe = Arc::clone(&self.0);
                token.on_cancel(move || {
                    // Under the lock: the reader either waits already or has yet to ask the token.
                    let _state = pipe.state.lock();
                    pipe.changed.notify_all();
                })
            });
            wake.collect::<Vec<_>>()
        };
        // Also without tokens, whose list is empty, the wait begins after one more check.
        let mut wakers = None;
        let mut state = self.0.state.lock();
        loop {
            if let Err(cancelled) = control.check() {
                state.is_closed = true;
                self.0.changed.notify_all();
                return Err(cancelled.into());
            }
            let is_due = state.bytes.len() >= BATCH || state.end.is_some();
            if is_due && !state.bytes.is_empty() {
                let read = state.bytes.read(buffer);
                self.0.changed.notify_all();
                return read;
            }
            match state.end {
                Some(End::Finished) => return Ok(0),
                Some(End::Broken) => return Err(Error::Cancelled.into()),
                None => {}
            }
            if wakers.is_none() {
                wakers = Some(subscribe());
                continue;
            }
            self.0.changed.wait(&mut state);
        }
    }

    fn is_starting(&mut self, is_starting: bool) {
        self.0.state.lock().is_starting = is_starting;
        self.0.changed.notify_all();
    }
}

/// Tells the writer at once, so that it does not wait for room that nobody makes.
impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use proptest::prelude::{any, prop, proptest};

    use super::{CAPACITY, PipeReader, pipe};
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::transfer::upload::buffered::Input;

    struct Reader(PipeReader, Control);

    impl Read for Reader {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer, &self.1)
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_000), 0..50),
            repeat in 1..20_usize,
        ) {
            let (writer, reader) = pipe();
            let expected = writes.concat().repeat(repeat);
            let read = thread::scope(|scope| {
                let reading = scope.spawn(move || {
                    let mut read = Vec::new();
                    Reader(reader, Control::default()).read_to_end(&mut read).unwrap();
                    read
                });
                for mut write in std::iter::repeat_n(&writes, repeat).flatten().map(Vec::as_slice) {
                    while !write.is_empty() {
                        let written = writer.write(write).unwrap();
                        write = &write[written..];
                    }
                }
                writer.finish();
                reading.join().unwrap()
            });
            assert!(read == expected);
        }
    }

    #[test]
    fn a_writer_that_is_dropped_is_no_end() {
        let (writer, reader) = pipe();
        writer.write(b"x").unwrap();
        drop(writer);
        let mut read = Vec::new();
        let outcome = Reader(reader, Control::default()).read_to_end(&mut read);
        assert!(outcome.is_err() && read == b"x");
    }

    #[test]
    fn a_reader_that_is_cancelled_while_it_waits_closes_the_pipe() {
        let (writer, reader) = pipe();
        let token = CancelToken::new();
        let control = Control::new(Some(&token));
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut reader = Reader(reader, control);
                let outcome = reader.read_to_end(&mut Vec::new());
                // Before it is dropped.
                assert!(writer.write(b"x").is_none());
                outcome
            });
            token.cancel();
            assert!(reading.join().unwrap().is_err());
        });
    }

    #[test]
    fn a_writer_that_waits_learns_that_nobody_reads() {
        let (writer, reader) = pipe();
        assert_eq!(writer.write(&vec![0; CAPACITY + 1]), Some(CAPACITY));
        assert_eq!(writer.write(&[]), Some(0));
        thread::scope(|scope| {
            let writing = scope.spawn(|| writer.write(b"x"));
            drop(reader);
            assert_eq!(writing.join().unwrap(), None);
        });
    }
}
