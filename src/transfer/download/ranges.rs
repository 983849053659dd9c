//! A large download to a file: several ranges at a time, each written where it belongs.
//!
//! The response that is already open becomes the first range; the others are requested by the
//! version's id. All run under the download's own token, so that the failure of one stops the
//! others at once.
//!
//! One more thread hashes the file in order (`ordered_hash`): what arrives at the position that it
//! has reached in memory, and what ran ahead from the page cache. So verifying needs neither a
//! second pass over the network nor, usually, over the disk. What an earlier process left is not
//! requested again, and is hashed with the rest.
//!
//! If the caller chose the size of the ranges, or there is nothing to verify, all workers request
//! ranges from the beginning. Otherwise the open response goes on from part to part, and other
//! ranges are requested only while the thread that hashes waits for bytes (`connections`).
//!
//! Each range is one request of class B, besides the one that is open, and one more for each connection that
//! breaks. All threads take permits of the workers, which other transfers share, except the one that
//! hashes. In memory are one buffer of 256 KiB for each range that runs, and those that wait for the hash.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a range fails for good | the others stop; with a record, what has arrived is noted |
//! | the process is killed | with a record, what was noted stays: all but the last 16 MiB or 10 seconds of each range |
//! | a connection of a range breaks | that range continues over another one |
//! | the disk is full | the download fails; with a record, the bytes that were flushed stay |
//! | the hashing thread cannot be created | the calling thread hashes after the ranges |
//! | the hash is wrong | `ChecksumMismatch`; it is not known which range is wrong |

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::progress::{ProgressCounter, TransferStage};
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::http::body::ResponseBody;
use crate::model::sha1::Sha1Hasher;
use crate::session::Session;
use crate::transfer::download::connections::{InUse, PartQueue};
use crate::transfer::download::handle::write_at;
use crate::transfer::download::ordered_hash::{self, CloseOnDrop, OrderedHash};
use crate::transfer::download::partial::{Partial, Present};
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::download::stream::{ByteStream, PinnedVersion};
use crate::transfer::parallel;
use crate::transfer::parts::EqualParts;

/// The largest number of bytes of a range that are not yet noted in the record of a download that
/// can be resumed; fewer on a slow line, by [`NOTE_AFTER`].
pub(super) const STEP: u64 = 16 * 1024 * 1024;
/// How long the bytes of a range may be in the file before they are noted, if fewer than [`STEP`]
/// arrive. On a slow line a process that is killed loses that much, whatever the number of ranges.
const NOTE_AFTER: Duration = Duration::from_secs(10);

/// Where the bytes are written, through one handle for all threads.
pub(super) struct RangeTarget<'a> {
    /// The destination, for errors: nobody knows the name of the temporary file.
    pub(super) path: &'a Path,
    /// The file that is written, which replaces the destination later.
    pub(super) file: &'a File,
    /// Where the bytes that have arrived are noted, if the download can be resumed.
    pub(super) partial: Option<&'a Partial>,
}

impl RangeTarget<'_> {
    /// The error of writing to the target, or of reading back from it.
    fn failed(&self, error: io::Error) -> Error {
        Error::local_file("write", self.path, error)
    }

    /// Whether nothing of a part was left by an earlier download.
    fn is_missing(&self, part: u64) -> bool {
        self.partial
            .is_none_or(|partial| partial.present(part).bytes == 0)
    }
}

/// Downloads all parts to the target, and verifies the whole. Returns the number of ranges that
/// were requested. With `adapts`, that is as few as keep the hashing thread busy.
///
/// The file is complete and verified after a success, and not flushed. After a failure it has holes
/// and unverified bytes; only a record (`partial`) tells which of them are right.
pub(super) fn download(
    reader: &mut DownloadReader,
    parts: &EqualParts,
    (workers, adapts): (&Workers, bool),
    target: &RangeTarget<'_>,
) -> Result<u64> {
    let first = Mutex::new(reader.stream().take_body());
    let control = reader.stream().control().clone();
    let running = Running::new(reader, parts, adapts, target);
    let (running, token) = (&running, control.cancel.clone().unwrap_or_default());
    let (ranges, hasher) = thread::scope(|scope| {
        let hashing = running.hash.as_ref().map(|hash| {
            let control = &control;
            let hash_all = move || {
                let failed = |error| target.failed(error);
                hash.hash(target.file, failed, &running.queue, control)
            };
            (
                thread::Builder::new().spawn_scoped(scope, hash_all),
                CloseOnDrop(hash),
                hash_all,
            )
        });
        if matches!(&hashing, Some((Err(_), ..))) {
            // Nobody measures whether more connections are worthwhile.
            running.queue.allow(usize::MAX);
        }
        let outcome = parallel::run_under(token, workers, &control, |_| {
            let pieces = std::iter::from_fn(|| running.next_missing(first.lock().take()));
            Box::new(pieces.map(Ok))
        });
        if outcome.is_ok() {
            running.counter.enter(TransferStage::Finishing);
        }
        let hashed = match hashing {
            // Behind the ranges, or after them where the system refused a thread.
            Some((Ok(thread), close, _)) => {
                drop(close);
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            Some((Err(_), _, hash_all)) if outcome.is_ok() => hash_all(),
            _ => Ok(Sha1Hasher::default()),
        };
        let ranges: Vec<()> = outcome?;
        Ok::<_, Error>((ranges.len() as u64, hashed?))
    })?;
    reader.judge(hasher)?;
    Ok(ranges)
}

/// What the threads of one download share.
struct Running<'a> {
    /// The byte of the version with which the download begins.
    offset: u64,
    /// What requests the ranges.
    session: Arc<Session>,
    /// The version that every response must belong to.
    content: PinnedVersion,
    /// The ranges that the download is cut into.
    parts: &'a EqualParts,
    /// Whether a response continues with the next part. Otherwise each part is a request.
    adapts: bool,
    /// Where the bytes go.
    target: &'a RangeTarget<'a>,
    /// The parts that nobody has taken yet.
    queue: PartQueue,
    /// The hash of the whole, if there is one to compare it with.
    hash: Option<OrderedHash>,
    counter: Arc<ProgressCounter>,
}

impl<'a> Running<'a> {
    /// Prepares the download of these parts. Where the content can be verified, it begins with one
    /// connection, and more are allowed when hashing waits for it.
    fn new(
        reader: &mut DownloadReader,
        parts: &'a EqualParts,
        adapts: bool,
        target: &'a RangeTarget<'a>,
    ) -> Self {
        let hash = reader.expected().map(|_| OrderedHash::new(parts));
        let allowed = if adapts && hash.is_some() {
            1
        } else {
            usize::MAX
        };
        let stream = reader.stream();
        Self {
            offset: stream.range().start,
            session: Arc::clone(stream.session()),
            content: stream.content().clone(),
            counter: Arc::clone(stream.counter()),
            queue: PartQueue::new(parts.count(), allowed),
            parts,
            adapts,
            target,
            hash,
        }
    }

    /// The next range that has to be requested, when another connection is allowed. `body` is the
    /// response that is open, if it has not been used yet; it begins with the first part.
    ///
    /// Parts that an earlier download has completed are skipped. If the beginning of the first part was
    /// left by one, the open response is of no use and is closed.
    fn next_missing(
        &'a self,
        body: Option<ResponseBody>,
    ) -> Option<impl FnOnce(&Control) -> Result<()> + Send + 'a> {
        loop {
            let index = self.queue.take()?;
            let in_use = InUse(&self.queue);
            let (range, sink) = (self.parts.range(index), Sink::new(self, index));
            if !sink.is_at(range.end) {
                let body = body.filter(|_| sink.is_at(0));
                return Some(move |control: &Control| {
                    let _in_use = in_use;
                    self.counter.add(sink.position - range.start);
                    self.receive(sink, body, control)
                });
            }
            self.counter.add(range.end - range.start);
            self.counter.part_arrived();
        }
    }

    /// Receives the part of a sink, and the following ones as far as the response brings them and
    /// nobody else has requested them.
    fn receive(
        &'a self,
        mut sink: Sink<'a>,
        body: Option<ResponseBody>,
        control: &Control,
    ) -> Result<()> {
        // It may have been waited for until something else failed.
        control.check()?;
        let rest = self.offset + sink.position..self.offset + self.parts.length();
        let steering = (control.clone(), &self.counter);
        let (session, content) = (&self.session, self.content.clone());
        let end_of = |index| self.offset + self.parts.range(index).end;
        let mut index = sink.index;
        let stream = ByteStream::new(session, steering, content, rest, body);
        let mut stream = stream.cut_at(end_of(index));
        let mut buffer = ordered_hash::buffer();
        loop {
            buffer = sink.write(&mut stream, buffer)?;
            index += 1;
            let goes_on = self.adapts
                && stream.has_more()
                && self.target.is_missing(index)
                && self.queue.take_following(index);
            if !goes_on {
                stream.drain()?;
            }
            self.counter.part_arrived();
            if !goes_on {
                return Ok(());
            }
            sink = Sink::new(self, index);
            stream.continue_to(end_of(index));
        }
    }
}

/// One part that is being written to the target.
///
/// Positions count from the beginning of the download, which is that of the target file.
struct Sink<'a> {
    running: &'a Running<'a>,
    /// The index of the part, from 0.
    index: u64,
    /// The position of its first byte.
    start: u64,
    /// The position up to which its bytes are in the target.
    position: u64,
    /// The position up to which they are noted in the record; never beyond `position`.
    noted: u64,
    /// When they were noted last, or the part was begun, by the clock's `elapsed`.
    noted_at: Duration,
    /// The hash of the part so far, if it is to be noted.
    hasher: Sha1Hasher,
}

impl<'a> Sink<'a> {
    /// A part of which the beginning may already exist.
    fn new(running: &'a Running<'a>, index: u64) -> Self {
        let partial = running.target.partial;
        let present = partial.map_or_else(Present::default, |partial| partial.present(index));
        let start = running.parts.range(index).start;
        let position = start + present.bytes;
        if let Some(hash) = running.hash.as_ref().filter(|_| position > start) {
            hash.is_written(index, position);
        }
        Self {
            running,
            index,
            start,
            position,
            noted: position,
            noted_at: running.session.clock().elapsed(),
            hasher: present.hasher,
        }
    }

    /// Whether this is the position that comes next.
    const fn is_at(&self, position: u64) -> bool {
        self.position == position
    }

    /// Writes everything that arrives, and returns the buffer. Where it breaks off, the bytes that
    /// have arrived are noted.
    fn write(mut self, source: &mut ByteStream, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let outcome = self.copy(source, buffer);
        let noted = self.note();
        let buffer = outcome?;
        noted?;
        Ok(buffer)
    }

    /// Writes everything that arrives, and notes it after each [`STEP`], and after [`NOTE_AFTER`]
    /// where that comes first.
    ///
    /// What arrived before a connection failed for good is written, too, so that the next download can
    /// begin behind it.
    fn copy(&mut self, source: &mut ByteStream, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        loop {
            // A buffer that fills slowly is not waited for.
            let (filled, outcome) = source.fill_some(&mut buffer, || self.is_overdue());
            let bytes = buffer.get(..filled).unwrap_or_default();
            let target = self.running.target;
            write_at(target.file, bytes, self.position).map_err(|error| target.failed(error))?;
            if target.partial.is_some_and(Partial::wants_sha1) {
                self.hasher.update(bytes);
            }
            let position = self.position;
            self.position += filled as u64;
            if let Some(hash) = self.running.hash.as_ref().filter(|_| filled > 0) {
                buffer = hash.hand_over(self.index, position, (buffer, filled));
            }
            outcome?;
            if filled == 0 {
                return Ok(buffer);
            }
            if self.position - self.noted >= STEP {
                self.note()?;
            } else if self.is_overdue() {
                self.note_if_room()?;
            }
        }
    }

    /// Whether bytes may have been in the file for too long without a note.
    fn is_overdue(&self) -> bool {
        let running = self.running;
        running.target.partial.is_some()
            && running
                .session
                .clock()
                .elapsed()
                .saturating_sub(self.noted_at)
                >= NOTE_AFTER
    }

    /// Notes the bytes if the record has room for steps that bring little.
    fn note_if_room(&mut self) -> Result<()> {
        let partial = self.running.target.partial;
        if partial.is_some_and(Partial::has_room_for_small_steps) {
            return self.note();
        }
        self.noted_at = self.running.session.clock().elapsed();
        Ok(())
    }

    /// Notes the bytes that were written since the last note.
    ///
    /// Without a record there is nothing to do. A failure is one of the target, since the record is
    /// on the same disk.
    fn note(&mut self) -> Result<()> {
        let target = self.running.target;
        let Some(partial) = target.partial.filter(|_| self.position > self.noted) else {
            return Ok(());
        };
        let bytes = self.position - self.start;
        partial
            .note(self.index, bytes, &self.hasher)
            .map_err(|error| target.failed(error))?;
        self.noted = self.position;
        self.noted_at = self.running.session.clock().elapsed();
        Ok(())
    }
}
