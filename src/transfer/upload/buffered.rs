//! Makes large files of what can be read only once.
//!
//! The calling thread reads each part into a buffer, and another thread sends it. The number of
//! buffers is limited to one more than there are workers, so that the next part is read while the
//! others are sent. A buffer's memory is borrowed from the limit of the `B2Api` before the buffer
//! is filled.
//!
//! A part that fails is sent again from its buffer. Such an upload cannot be resumed, so every
//! failure cancels the large file.
//!
//! 1. Of a stream the first part was read already, and it is known that another one follows: what
//!    fits into one part never comes here.
//! 2. `b2_start_large_file` is sent when the parts are begun (`large`).
//! 3. Each part is read, and sent with `b2_upload_part` while the next ones are read.
//! 4. `b2_finish_large_file` is sent when the input has ended and all parts are stored.
//!
//! All these requests are free. What is held in memory is at most one part for each worker and one
//! more, of the size that the part has: parts of a stream double in size every thousand parts, and so
//! does the memory, within its limit if there is one. Under a memory limit, buffers are returned after each part, because another upload
//! may be waiting for the memory; without one they are used again, which saves clearing them.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the reader fails | `Stream`, and the large file is cancelled |
//! | the reader ends before the promised length | `SourceChanged`, and the large file is cancelled |
//! | the reader blocks in its own `read` | cancelling takes effect when it returns; parts on their way are stopped at once |
//! | the stream needs more than 10,000 parts | `InvalidInput`, and the large file is cancelled |
//! | the memory limit is smaller than the smallest part | `InvalidInput` before anything is started |

use std::io::{self, Read};

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::memory::{Loan, Memory};
use crate::control::semaphore::Semaphore;
use crate::error::{Error, Result};
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::large::{Beginning, LargeFile};
use crate::transfer::new_file::NewFile;
use crate::transfer::parallel;
use crate::transfer::parts::{EqualParts, MAX_PARTS, PartLimits};
use crate::transfer::source::BytesSource;
use crate::transfer::source::reader::{ended_early, fill};
use crate::transfer::uploaded::Uploaded;

/// One part in memory.
#[derive(Debug)]
pub(super) struct PartBuffer {
    /// The content, which is as long as the part.
    pub(super) bytes: Vec<u8>,
    /// The size of the buffer, which was borrowed for it. The last part may be shorter.
    room: u64,
    /// Returns the memory when the buffer is dropped.
    _loan: Loan,
}

/// Where the parts come from.
pub(super) trait Input {
    /// Reads the next bytes; returns 0 at the end. A wait for bytes ends when the call is
    /// cancelled.
    fn read(&mut self, buffer: &mut [u8], control: &Control) -> io::Result<usize>;

    /// Tells that a large file is about to be started, or was started. Cancelling in between may
    /// leave one that nobody knows, so an input may delay it.
    fn is_starting(&mut self, _is_starting: bool) {}
}

/// A reader of the caller, which nothing can interrupt: cancelling takes effect when its `read`
/// returns.
pub(super) struct CallersReader<R>(pub(super) R);

impl<R: Read> Input for CallersReader<R> {
    fn read(&mut self, buffer: &mut [u8], control: &Control) -> io::Result<usize> {
        control.check()?;
        self.0.read(buffer)
    }
}

/// An input that is read under a control, as a [`Read`].
struct Under<'a>(&'a mut dyn Input, &'a Control);

impl Read for Under<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer, self.1)
    }
}

/// The parts of an input, read one after the other.
pub(super) struct PartReader<'a> {
    input: &'a mut dyn Input,
    /// The sizes of the parts.
    cut: Cut,
    /// What the memory of the buffers is borrowed from.
    memory: &'a Memory,
    /// The number of parts that were read.
    index: u64,
    /// A part that was put back and comes next.
    ready: Option<PartBuffer>,
    /// The first byte of the next part, if it was read to see whether there is one.
    peeked: Option<u8>,
    /// Whether the input has ended.
    ended: bool,
}

/// How the input is cut into parts.
enum Cut {
    /// Into exactly these parts. An input that ends earlier is an error.
    Known(EqualParts),
    /// Into parts of this size until the input ends.
    Stream(PartLimits),
}

impl<'a> PartReader<'a> {
    /// The parts of an input of known length.
    pub(super) fn of_length(
        input: &'a mut dyn Input,
        parts: EqualParts,
        memory: &'a Memory,
    ) -> Self {
        Self::new(input, Cut::Known(parts), memory)
    }

    /// The parts of an input of unknown length.
    pub(super) fn of_stream(
        input: &'a mut dyn Input,
        limits: PartLimits,
        memory: &'a Memory,
    ) -> Self {
        Self::new(input, Cut::Stream(limits), memory)
    }

    /// Nothing is read before a part is asked for.
    fn new(input: &'a mut dyn Input, cut: Cut, memory: &'a Memory) -> Self {
        Self {
            input,
            cut,
            memory,
            index: 0,
            ready: None,
            peeked: None,
            ended: false,
        }
    }

    /// Reads the next part into a new buffer; returns `None` at the end. Waits for memory, and for
    /// the input.
    pub(super) fn next_part(&mut self, control: &Control) -> Result<Option<PartBuffer>> {
        self.next_into(None, control)
    }

    /// Makes this part the next one again. One part can wait like this, as the first part of a stream
    /// does that turned out to be longer.
    pub(super) fn put_back(&mut self, part: PartBuffer) {
        self.ready = Some(part);
    }

    /// Whether another part follows. One byte is read to find out. A buffer for the part would be
    /// the second one, and nobody may wait for that while holding the first (`control::memory`).
    pub(super) fn goes_on(&mut self, control: &Control) -> Result<bool> {
        let mut byte = [0];
        if self.peeked.is_none() && !self.ended && self.wanted() > 0 {
            match fill(&mut Under(self.input, control), &mut byte, control)? {
                0 => self.ended = true,
                _ => self.peeked = Some(byte[0]),
            }
        }
        Ok(self.peeked.is_some())
    }

    /// Reads the next part, into the buffer of an earlier one if it is large enough.
    ///
    /// The memory is borrowed before the input is read, so a limit that is exhausted stops the reading
    /// and not the parts that are on their way. An old buffer that is too small is returned before a
    /// larger one is borrowed. An input that has ended is not asked again.
    fn next_into(
        &mut self,
        old: Option<PartBuffer>,
        control: &Control,
    ) -> Result<Option<PartBuffer>> {
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
        let mut part = match old.filter(|old| old.room >= wanted) {
            Some(old) => old,
            None => PartBuffer {
                _loan: self.memory.borrow(wanted, control)?,
                bytes: Vec::new(),
                room: wanted,
            },
        };
        part.bytes.resize(size, 0);
        let mut start = 0;
        if let (Some(byte), Some(first)) = (self.peeked.take(), part.bytes.first_mut()) {
            *first = byte;
            start = 1;
        }
        let rest = part.bytes.get_mut(start..).unwrap_or_default();
        let filled = start + fill(&mut Under(self.input, control), rest, control)?;
        // A terminal, or a file that grows, may go on after its end.
        self.ended = filled < size;
        self.index += 1;
        if filled < size && matches!(self.cut, Cut::Known(_)) {
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
        part.bytes.truncate(filled);
        Ok(Some(part))
    }

    /// The size of the next part if the input has as many bytes.
    fn wanted(&self) -> u64 {
        match &self.cut {
            Cut::Known(parts) => {
                let range = parts.range(self.index);
                range.end - range.start
            }
            Cut::Stream(limits) => limits.of_stream(self.index),
        }
    }

    /// The length of the input, if it is known.
    const fn total(&self) -> Option<u64> {
        match &self.cut {
            Cut::Known(parts) => Some(parts.length()),
            Cut::Stream(_) => None,
        }
    }
}

/// Uploads the parts of an input as a large file. The first part is read before the file is started
/// only by whoever made `parts`; the others are read while parts are sent.
///
/// On failure nothing is left but what `LargeFileLeft` names, and the input stands where it was when
/// the failure was noticed.
pub(super) fn upload(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    mut parts: PartReader<'_>,
) -> Result<Uploaded> {
    let Transfer {
        workers, control, ..
    } = transfer;
    let counter = transfer.counter(file.name, parts.total());
    // Where memory is limited, a buffer is returned at once, for whoever can use it now.
    let is_short = parts.memory.limit().is_some();
    let buffers = Buffers::new(workers.parts_in_memory(), !is_short);
    let beginning = Beginning {
        unfinished: None,
        is_kept: false,
        length: parts.total(),
        parts: None,
    };
    parts.input.is_starting(true);
    let made = LargeFile::make(transfer, file, beginning, &counter, |large| {
        parts.input.is_starting(false);
        parallel::run(workers, control, |control| {
            let (buffers, parts) = (&buffers, &mut parts);
            let mut number = 0;
            Box::new(std::iter::from_fn(move || {
                let part = buffers
                    .take(&control)
                    .and_then(|old| parts.next_into(old, &control))
                    .transpose()?;
                number += 1;
                Some(part.map(|part| {
                    let number = number;
                    move |control: &Control| send_part(large, number, part, buffers, control)
                }))
            }))
        })
    });
    Ok(made?)
}

/// Sends one part, and returns its buffer whatever the outcome.
fn send_part(
    large: &LargeFile<'_>,
    number: u64,
    part: PartBuffer,
    buffers: &Buffers,
    control: &Control,
) -> Result<Sha1Digest> {
    let bytes = &part.bytes;
    let outcome = large.send_part(
        number,
        (&BytesSource(bytes), 0..bytes.len() as u64),
        None,
        control,
    );
    buffers.give_back(part);
    outcome
}

/// The buffers that are used in turn by the reading thread and the sending ones.
///
/// Their number is limited apart from the memory, because most programs set no limit of memory: the
/// reading thread would otherwise read ahead of a slow connection without end.
struct Buffers {
    /// The number of buffers that may exist at the same time.
    turns: Semaphore,
    /// Buffers that were sent and are kept for the next parts.
    used: Mutex<Vec<PartBuffer>>,
    /// Whether buffers are kept.
    keep: bool,
}

impl Buffers {
    /// The right to this many buffers, none of which exists yet.
    fn new(count: usize, keep: bool) -> Self {
        Self {
            turns: Semaphore::new(count as u64),
            used: Mutex::default(),
            keep,
        }
    }

    /// Waits for the right to one more buffer, and returns an old one if there is one.
    fn take(&self, control: &Control) -> Result<Option<PartBuffer>> {
        control.check()?;
        self.turns.acquire(1, control.tokens())?;
        Ok(self.used.lock().pop())
    }

    /// Returns a buffer, and lets the reading thread take another one.
    fn give_back(&self, buffer: PartBuffer) {
        let kept = Some(buffer).filter(|_| self.keep);
        self.used.lock().extend(kept);
        self.turns.release(1);
    }
}
