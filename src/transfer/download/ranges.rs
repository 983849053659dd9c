//! A large download to a file: several ranges at a time, each written where it belongs.
//!
//! The response that is already open becomes the first range; the others are requested by the
//! version's id. All run under the download's own token, so that the failure of one stops the
//! others at once.
//!
//! One more thread hashes the file behind the ranges: whatever is complete from the beginning on,
//! read from the page cache. So verifying needs neither a second pass over the network nor,
//! usually, over the disk. What an earlier process left is not requested again, and is hashed with
//! the rest.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a range fails for good | the others stop; with a record, what has arrived is noted |
//! | a connection of a range breaks | that range continues over another one |
//! | the disk is full | the download fails; with a record, the bytes that were flushed stay |
//! | the hashing thread cannot be created | the calling thread hashes after the ranges |
//! | the hash is wrong | `ChecksumMismatch`; it is not known which range is wrong |

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::control::Control;
use crate::control::progress::TransferStage;
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Hasher;
use crate::transfer::download::handle::{RangeReader, write_at};
use crate::transfer::download::partial::{Partial, Present};
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::download::stream::ByteStream;
use crate::transfer::hash::hash_to_end;
use crate::transfer::parallel;
use crate::transfer::parts::EqualParts;

/// The number of bytes that are read from a connection and written to the file at a time.
const BUFFER: usize = 256 * 1024;

/// The largest number of bytes of a range that are not yet noted in the record of a download that
/// can be resumed.
pub(super) const STEP: u64 = 16 * 1024 * 1024;

/// Where the bytes are written, through one handle for all threads.
pub(super) struct RangeTarget<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    /// Where the bytes that have arrived are noted, if the download can be resumed.
    pub(super) partial: Option<&'a Partial>,
}

impl RangeTarget<'_> {
    /// The error of writing to the target.
    fn failed(&self, error: io::Error) -> Error {
        Error::local_file("write", self.path, error)
    }
}

/// Downloads all parts to the target, and verifies the whole.
pub(super) fn download(
    reader: &mut DownloadReader,
    parts: &EqualParts,
    workers: &Workers,
    target: &RangeTarget<'_>,
) -> Result<()> {
    let offset = reader.stream().range().start;
    let first = reader.stream().take_body();
    let (session, content) = (
        Arc::clone(reader.stream().session()),
        reader.stream().content().clone(),
    );
    let control = reader.stream().control().clone();
    let complete_parts = &CompleteParts::default();
    let expected = reader.expected();
    let tally = reader.tally();
    let hashed = thread::scope(|scope| {
        let hashing = expected.map(|_| {
            thread::Builder::new()
                .spawn_scoped(scope, || complete_parts.hash(parts, target, &control))
        });
        let close = CloseOnDrop(complete_parts);
        let token = control.cancel.clone().unwrap_or_default();
        let outcome = parallel::run_under(token, workers, &control, |_| {
            let mut first = first;
            let missing = (0..).zip(parts.iter()).filter_map(move |(index, range)| {
                let sink = Sink::new(target, index, &range);
                let body = first.take().filter(|_| sink.is_at(0));
                if sink.is_at(range.end) {
                    tally.add(range.end - range.start);
                    tally.part_arrived();
                    complete_parts.note(index);
                    return None;
                }
                let (session, content) = (Arc::clone(&session), content.clone());
                Some(Ok(move |control: &Control| {
                    let rest = offset + sink.position..offset + parts.length();
                    tally.add(sink.position - range.start);
                    let steering = (control.clone(), tally);
                    let stream = ByteStream::new(&session, steering, content, rest, body);
                    sink.write(&mut StreamReader(stream.cut_at(offset + range.end)))?;
                    tally.part_arrived();
                    complete_parts.note(index);
                    Ok(())
                }))
            });
            Box::new(missing)
        });
        drop(close);
        if outcome.is_ok() {
            tally.enter(TransferStage::Finishing);
        }
        let hashed = match hashing {
            // Behind the ranges, or after them where the system refused a thread.
            Some(Ok(thread)) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Some(Err(_)) if outcome.is_ok() => complete_parts.hash(parts, target, &control),
            _ => Ok(Sha1Hasher::default()),
        };
        outcome?;
        hashed
    })?;
    reader.judge(hashed)
}

/// One range that is being written to the target.
struct Sink<'a> {
    target: &'a RangeTarget<'a>,
    index: u64,
    start: u64,
    position: u64,
    noted: u64,
    /// The hash of the range so far, if it is to be noted.
    hasher: Sha1Hasher,
}

impl<'a> Sink<'a> {
    /// A range of which the beginning may already exist.
    fn new(target: &'a RangeTarget<'a>, index: u64, range: &Range<u64>) -> Self {
        let present = target
            .partial
            .map_or_else(Present::default, |partial| partial.present(index));
        let position = range.start + present.bytes;
        Self {
            target,
            index,
            start: range.start,
            position,
            noted: position,
            hasher: present.hasher,
        }
    }

    const fn is_at(&self, position: u64) -> bool {
        self.position == position
    }

    /// Writes everything that arrives. Where it breaks off, the bytes that have arrived are noted.
    fn write(mut self, source: &mut impl Read) -> Result<()> {
        let outcome = self.copy(source);
        let noted = self.note();
        outcome.and(noted)
    }

    /// Writes everything that arrives, and notes it after each [`STEP`].
    fn copy(&mut self, source: &mut impl Read) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = source.read(&mut buffer).map_err(|error| {
                Error::from_io(error).unwrap_or_else(|error| self.target.failed(error))
            })?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            write_at(self.target.file, bytes, self.position)
                .map_err(|error| self.target.failed(error))?;
            self.position += read as u64;
            if self.target.partial.is_some_and(Partial::wants_sha1) {
                self.hasher.update(bytes);
            }
            if self.position - self.noted >= STEP {
                self.note()?;
            }
        }
    }

    /// Notes the bytes that were written since the last note.
    fn note(&mut self) -> Result<()> {
        let Some(partial) = self.target.partial.filter(|_| self.position > self.noted) else {
            return Ok(());
        };
        let bytes = self.position - self.start;
        partial
            .note(self.index, bytes, &self.hasher)
            .map_err(|error| self.target.failed(error))?;
        self.noted = self.position;
        Ok(())
    }
}

/// A byte stream as a [`Read`], which finishes its response at the end.
struct StreamReader(ByteStream);

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.next(buffer)?;
        if read == 0 {
            self.0.drain()?;
        }
        Ok(read)
    }
}

/// Which parts are complete, for the thread that hashes them in order.
#[derive(Default)]
struct CompleteParts {
    state: Mutex<CompleteState>,
    /// Wakes the hashing thread.
    moved: Condvar,
}

/// What a [`CompleteParts`] knows.
#[derive(Default)]
struct CompleteState {
    complete: BTreeSet<u64>,
    /// Whether no more parts will be completed.
    closed: bool,
}

impl CompleteParts {
    /// Notes that a part is complete.
    fn note(&self, index: u64) {
        self.lock().complete.insert(index);
        self.moved.notify_all();
    }

    /// Waits until a part is complete. Returns false if it never will be.
    fn wait_for(&self, index: u64) -> bool {
        let mut state = self.lock();
        let waiting = |state: &mut CompleteState| !state.closed && !state.complete.contains(&index);
        self.moved.wait_while(&mut state, waiting);
        state.complete.contains(&index)
    }

    /// Hashes the parts in order, each as soon as it is complete.
    fn hash(
        &self,
        parts: &EqualParts,
        target: &RangeTarget<'_>,
        control: &Control,
    ) -> Result<Sha1Hasher> {
        let mut hasher = Sha1Hasher::default();
        for (index, range) in (0..).zip(parts.iter()) {
            if !self.wait_for(index) {
                break;
            }
            let part = RangeReader::new(target.file, range);
            hash_to_end(&mut hasher, part, control, |error| target.failed(error))?;
        }
        Ok(hasher)
    }

    fn lock(&self) -> MutexGuard<'_, CompleteState> {
        self.state.lock()
    }
}

/// Makes the hashing thread end, also if a range panics.
struct CloseOnDrop<'a>(&'a CompleteParts);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.moved.notify_all();
    }
}
