//! Large files from what can be read only once. Each part is read into memory by the calling thread
//! and sent by another one; a fixed number of buffers goes round, one more than there are workers.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::control::Control;
use crate::control::progress::Tally;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::transfer::parallel;
use crate::transfer::parts::{MAX_PARTS, PartLimits, Parts};
use crate::transfer::source::{BytesSource, ended_early, fill};
use crate::transfer::upload::large::{Started, with_sha1};
use crate::transfer::upload::{LargeFileSha1, Upload, Uploaded};

/// The parts of a reader, one after the other.
pub(super) struct Pieces<'a> {
    reader: &'a mut dyn Read,
    plan: Plan,
    index: u64,
    ready: VecDeque<Vec<u8>>,
    ended: bool,
}

enum Plan {
    /// Exactly these parts.
    Known(Parts),
    /// Until the reader ends.
    Stream(PartLimits),
}

impl<'a> Pieces<'a> {
    pub(super) fn of_length(reader: &'a mut dyn Read, parts: Parts) -> Self {
        Self {
            reader,
            plan: Plan::Known(parts),
            index: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    pub(super) fn of_stream(reader: &'a mut dyn Read, limits: PartLimits) -> Self {
        Self {
            reader,
            plan: Plan::Stream(limits),
            index: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// The next part in a new buffer; none at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Vec<u8>>> {
        self.next_into(Vec::new())
    }

    /// What was read already comes first.
    pub(super) fn put_back(&mut self, pieces: [Vec<u8>; 2]) {
        self.ready.extend(pieces);
    }

    fn next_into(&mut self, mut buffer: Vec<u8>) -> Result<Option<Vec<u8>>> {
        if let Some(ready) = self.ready.pop_front() {
            return Ok(Some(ready));
        }
        let wanted = match &self.plan {
            Plan::Known(parts) => {
                let range = parts.range(self.index);
                range.end - range.start
            }
            Plan::Stream(limits) => limits.of_stream(self.index),
        };
        if wanted == 0 {
            return Ok(None);
        }
        let size = usize::try_from(wanted).map_err(|_| {
            Error::invalid_input("part_size", "a part of it does not fit into memory")
        })?;
        buffer.resize(size, 0);
        if self.ended {
            return Ok(None);
        }
        let filled = fill(&mut self.reader, &mut buffer)?;
        // A terminal, or a file that grows, may go on after its end.
        self.ended = filled < size;
        self.index += 1;
        match self.plan {
            Plan::Known(_) if filled < size => Err(ended_early()),
            Plan::Stream(_) if filled > 0 && self.index > MAX_PARTS => Err(Error::invalid_input(
                "reader",
                "it has more bytes than a file may have",
            )),
            _ if filled == 0 => Ok(None),
            _ => {
                buffer.truncate(filled);
                Ok(Some(buffer))
            }
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
            self.control.progress.as_ref(),
            self.session.clock(),
            pieces.total(),
        );
        let buffers = Buffers::new(self.workers.limit() + 1);
        self.as_large_file(file_id, &tally, |started| {
            parallel::run(self.workers, self.control, |control| {
                let (buffers, pieces) = (&buffers, &mut pieces);
                let mut number = 0;
                Box::new(std::iter::from_fn(move || {
                    let piece = buffers
                        .take(&control)
                        .and_then(|buffer| pieces.next_into(buffer))
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
    piece: Vec<u8>,
    buffers: &Buffers,
    control: &Control,
) -> Result<Sha1Digest> {
    let outcome = started.send_part(number, &BytesSource(&piece), 0..piece.len() as u64, control);
    buffers.give_back(piece);
    outcome
}

/// The buffers that go round between the reading thread and the sending ones.
struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    given_back: Condvar,
}

impl Buffers {
    fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(vec![Vec::new(); count]),
            given_back: Condvar::new(),
        }
    }

    fn take(&self, control: &Control) -> Result<Vec<u8>> {
        let mut free = self.lock();
        loop {
            control.check()?;
            if let Some(buffer) = free.pop() {
                return Ok(buffer);
            }
            // A failed part gives its buffer back too; looking up now and then is for cancelled calls.
            let waited = self
                .given_back
                .wait_timeout(free, Duration::from_millis(50));
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        self.lock().push(buffer);
        self.given_back.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
