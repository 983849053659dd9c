//! Large files from what can be read only once. Each part is read into memory by the calling thread
//! and sent by another one; a fixed number of buffers goes round, one more than there are workers.

use std::io::Read;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::control::Control;
use crate::control::memory::{Loan, Memory};
use crate::control::progress::Tally;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::transfer::parallel;
use crate::transfer::parts::{MAX_PARTS, PartLimits, Parts};
use crate::transfer::source::{BytesSource, ended_early, fill};
use crate::transfer::upload::large::{Started, with_sha1};
use crate::transfer::upload::{LargeFileSha1, Upload, Uploaded};

/// One part in memory.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// What its buffer may take.
    room: u64,
    _loan: Loan,
}

/// The parts of a reader, one after the other.
pub(super) struct Pieces<'a> {
    reader: &'a mut dyn Read,
    plan: Plan,
    memory: &'a Memory,
    index: u64,
    ready: Option<Piece>,
    /// The first byte of the next part, if it was looked for.
    peeked: Option<u8>,
    ended: bool,
}

enum Plan {
    /// Exactly these parts.
    Known(Parts),
    /// Until the reader ends.
    Stream(PartLimits),
}

impl<'a> Pieces<'a> {
    pub(super) fn of_length(reader: &'a mut dyn Read, parts: Parts, memory: &'a Memory) -> Self {
        Self::new(reader, Plan::Known(parts), memory)
    }

    pub(super) fn of_stream(
        reader: &'a mut dyn Read,
        limits: PartLimits,
        memory: &'a Memory,
    ) -> Self {
        Self::new(reader, Plan::Stream(limits), memory)
    }

    fn new(reader: &'a mut dyn Read, plan: Plan, memory: &'a Memory) -> Self {
        Self {
            reader,
            plan,
            memory,
            index: 0,
            ready: None,
            peeked: None,
            ended: false,
        }
    }

    /// The next part in a new buffer; none at the end.
    pub(super) fn next_piece(&mut self, control: &Control) -> Result<Option<Piece>> {
        self.next_into(None, control)
    }

    /// What was read already comes first.
    pub(super) fn put_back(&mut self, piece: Piece) {
        self.ready = Some(piece);
    }

    /// Whether another part follows. One byte tells: a buffer for it would be a second one, for which
    /// nobody may wait who holds the first.
    pub(super) fn goes_on(&mut self) -> Result<bool> {
        let mut byte = [0];
        if self.peeked.is_none() && !self.ended && self.wanted() > 0 {
            match fill(&mut self.reader, &mut byte)? {
                0 => self.ended = true,
                _ => self.peeked = Some(byte[0]),
            }
        }
        Ok(self.peeked.is_some())
    }

    /// The next part, in the buffer of an earlier one if it fits.
    fn next_into(&mut self, old: Option<Piece>, control: &Control) -> Result<Option<Piece>> {
        if let Some(ready) = self.ready.take() {
            return Ok(Some(ready));
        }
        let wanted = self.wanted();
        if wanted == 0 || self.ended {
            return Ok(None);
        }
        let size = usize::try_from(wanted).map_err(|_| {
            Error::invalid_input("part_size", "a part of it does not fit into memory")
        })?;
        let mut piece = match old.filter(|old| old.room >= wanted) {
            Some(old) => old,
            None => Piece {
                _loan: self.memory.borrow(wanted, control)?,
                bytes: Vec::new(),
                room: wanted,
            },
        };
        piece.bytes.resize(size, 0);
        let mut start = 0;
        if let (Some(byte), Some(first)) = (self.peeked.take(), piece.bytes.first_mut()) {
            *first = byte;
            start = 1;
        }
        let rest = piece.bytes.get_mut(start..).unwrap_or_default();
        let filled = start + fill(&mut self.reader, rest)?;
        // A terminal, or a file that grows, may go on after its end.
        self.ended = filled < size;
        self.index += 1;
        if filled < size && matches!(self.plan, Plan::Known(_)) {
            return Err(ended_early());
        }
        if filled == 0 {
            return Ok(None);
        }
        if self.index > MAX_PARTS {
            let reason =
                "the stream has more bytes than 10,000 parts of this size; ask for larger parts";
            return Err(Error::invalid_input("part_size", reason));
        }
        piece.bytes.truncate(filled);
        Ok(Some(piece))
    }

    /// How many bytes the next part has if the reader has them.
    fn wanted(&self) -> u64 {
        match &self.plan {
            Plan::Known(parts) => {
                let range = parts.range(self.index);
                range.end - range.start
            }
            Plan::Stream(limits) => limits.of_stream(self.index),
        }
    }

    const fn total(&self) -> Option<u64> {
        match &self.plan {
            Plan::Known(parts) => Some(parts.length()),
            Plan::Stream(_) => None,
        }
    }
}

impl Upload<'_> {
    /// Uploads the parts of a reader.
    pub(super) fn send_buffered(
        &self,
        request: &UploadRequest<'_>,
        mut pieces: Pieces<'_>,
    ) -> Result<Uploaded> {
        let sha1 = match self.options.large_file_sha1 {
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Compute | LargeFileSha1::Omit => None,
        };
        let file_info = with_sha1(request.file_info, sha1)?;
        let file_id = self.start(&UploadRequest {
            file_info: &file_info,
            ..*request
        })?;
        let tally = Tally::new(
            self.control,
            self.file_name,
            self.session.clock(),
            pieces.total(),
        );
        // Memory that is short is for whoever can use it now.
        let is_short = pieces.memory.limit().is_some();
        let buffers = Buffers::new(self.workers.limit() + 1, !is_short);
        self.as_large_file(file_id, &tally, |started| {
            parallel::run(self.workers, self.control, |control| {
                let (buffers, pieces) = (&buffers, &mut pieces);
                let mut number = 0;
                Box::new(std::iter::from_fn(move || {
                    let piece = buffers
                        .take(&control)
                        .and_then(|old| pieces.next_into(old, &control))
                        .transpose()?;
                    number += 1;
                    Some(piece.map(|piece| {
                        let number = number;
                        move |control: &Control| {
                            send_piece(started, number, piece, buffers, control)
                        }
                    }))
                }))
            })
        })
    }
}

fn send_piece(
    started: &Started<'_>,
    number: u64,
    piece: Piece,
    buffers: &Buffers,
    control: &Control,
) -> Result<Sha1Digest> {
    let bytes = &piece.bytes;
    let outcome = started.send_part(number, &BytesSource(bytes), 0..bytes.len() as u64, control);
    buffers.give_back(piece);
    outcome
}

/// The buffers that go round between the reading thread and the sending ones.
struct Buffers {
    /// One entry for each that may be made now, or is made.
    free: Mutex<Vec<Option<Piece>>>,
    given_back: Condvar,
    /// Whether they are kept for the next part.
    keep: bool,
}

impl Buffers {
    fn new(count: usize, keep: bool) -> Self {
        Self {
            free: Mutex::new(std::iter::repeat_with(|| None).take(count).collect()),
            given_back: Condvar::new(),
            keep,
        }
    }

    /// The right to one more buffer, perhaps with an old one.
    fn take(&self, control: &Control) -> Result<Option<Piece>> {
        let mut free = self.lock();
        loop {
            control.check()?;
            if let Some(buffer) = free.pop() {
                return Ok(buffer);
            }
            // A failed part gives its buffer back too; looking up now and then is for cancelled calls.
            self.given_back
                .wait_for(&mut free, Duration::from_millis(50));
        }
    }

    fn give_back(&self, buffer: Piece) {
        let kept = Some(buffer).filter(|_| self.keep);
        self.lock().push(kept);
        self.given_back.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Piece>>> {
        self.free.lock()
    }
}
