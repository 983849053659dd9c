//! A caller's reader as the source of an upload: it can be read only once, and may fail in its own
//! way.
//!
//! A reader of a known length is sent in one request. Its bytes are kept as they are read, for
//! another attempt (`ReaderSource`). Readers that are uploaded in parts are read into the memory of
//! one part after the other (`fill`), by `upload::buffered`.
//!
//! | what the reader does | what the upload does |
//! | --- | --- |
//! | it fails | fails with `Stream`, which has the reader's error |
//! | it fails with an error of this crate, such as that of a download | fails with `Stream` and that error as its source; `Cancelled` stays `Cancelled` |
//! | it is interrupted (`ErrorKind::Interrupted`) | reads again |
//! | it ends before its length | fails with `SourceChanged` |
//! | it has more bytes than its length | leaves them unread |
//! | it blocks | waits: only between two reads is a cancelled call noticed |

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::transfer::source::UploadSource;

/// The size of the piece that is read of a caller's reader before a request begins, in bytes.
const FIRST_PIECE: usize = 8 * 1024;

/// A reader that can be read only once. What was read is kept in memory, so that another attempt
/// can send it again.
///
/// It serves one thread at a time, and only uploads in one request use it.
pub(crate) struct ReaderSource<'c, R> {
    length: u64,
    control: &'c Control,
    state: RefCell<ReaderState<R>>,
}

/// The reader, and what was read from it.
struct ReaderState<R> {
    /// The caller's reader, at the position behind the bytes that are kept.
    reader: R,
    /// All bytes that were read so far.
    kept: Vec<u8>,
}

impl<'c, R: Read> ReaderSource<'c, R> {
    /// The next `length` bytes of a reader, all of which may have to be kept. Reading fails once
    /// the call is cancelled.
    pub(crate) const fn new(reader: R, length: u64, control: &'c Control) -> Self {
        Self {
            length,
            control,
            state: RefCell::new(ReaderState {
                reader,
                kept: Vec::new(),
            }),
        }
    }
}

impl<R: Read> UploadSource for ReaderSource<'_, R> {
    fn len(&self) -> u64 {
        self.length
    }

    /// Reads the first piece, if nothing was read yet: the head of a request waits for the beginning of its body,
    /// and a connection on which nothing is sent for long is closed by the service.
    fn open(&self, range: Range<u64>) -> Result<Box<dyn Read + '_>> {
        let replay = |position| Replay {
            source: self,
            position,
            end: range.end,
        };
        if self.state.borrow().kept.is_empty() && !range.is_empty() {
            let mut piece = [0; FIRST_PIECE];
            read_piece(&mut replay(range.start), &mut piece)?;
        }
        Ok(Box::new(replay(range.start)))
    }
}

/// Reads a [`ReaderSource`]: first what was kept, then the reader itself.
struct Replay<'a, 'c, R> {
    source: &'a ReaderSource<'c, R>,
    /// The byte that comes next, counted from the first one that the reader gave.
    position: u64,
    /// Where it ends; the reader is never asked for more.
    end: u64,
}

impl<R: Read> Read for Replay<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.control.check()?;
        let state = &mut *self.source.state.borrow_mut();
        let kept = usize::try_from(self.position)
            .ok()
            .and_then(|start| state.kept.get(start..));
        let mut kept = kept.unwrap_or_default();
        let read = if kept.is_empty() {
            // Never one byte more than was promised: what follows may be somebody else's.
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let Some(buffer) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
                return Ok(0);
            };
            let read = read_callers(&mut state.reader, buffer)?;
            if read == 0 {
                return Err(ended_early().into());
            }
            state
                .kept
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
            read
        } else {
            kept.read(buffer)?
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// Reads one piece, and again only if a signal interrupted it.
fn read_piece(reader: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    loop {
        match reader.read(buffer) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error).unwrap_or_else(failed_reader)),
        }
    }
}

/// The error of a reader that has fewer bytes than was promised.
pub(crate) fn ended_early() -> Error {
    Error::SourceChanged {
        path: Path::new("<reader>").into(),
        change: "it ended early",
    }
}

/// The error of a caller's reader that fails. `Cancelled` stays what it is. Other errors of the
/// crate, such as those of a download that is uploaded again, are reported as failures of the
/// reader.
pub(super) fn failed_reader(source: io::Error) -> Error {
    let source = match Error::from_io(source) {
        Ok(Error::Cancelled) => return Error::Cancelled,
        Ok(other) => other.into(),
        Err(source) => source,
    };
    Error::Stream {
        action: "read",
        source,
    }
}

/// Reads from the caller's reader, and turns its error into one of the crate's.
fn read_callers(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    match reader.read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        outcome => Ok(outcome.map_err(failed_reader)?),
    }
}

/// Reads from the caller's reader until `buffer` is full, the reader ends, or the call is
/// cancelled. Returns the number of bytes.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8], control: &Control) -> Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        control.check()?;
        match read_callers(reader, room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error).unwrap_or_else(failed_reader)),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::ReaderSource;
    use crate::control::Control;
    use crate::error::Error;
    use crate::transfer::source::UploadSource;

    fn read(source: &dyn UploadSource) -> std::result::Result<Vec<u8>, Error> {
        let length = source.len();
        let mut bytes = Vec::new();
        let outcome = source.open(0..length)?.read_to_end(&mut bytes);
        outcome.map_err(|error| Error::from_io(error).unwrap())?;
        Ok(bytes)
    }

    #[test]
    fn a_reader_is_replayed_and_never_read_beyond_its_length() {
        let mut rest: &[u8] = b"hello, world";
        let control = Control::default();
        let source = ReaderSource::new(&mut rest, 5, &control);
        let mut piece = [0; 2];
        source.open(0..5).unwrap().read_exact(&mut piece).unwrap();
        assert_eq!(read(&source).unwrap(), b"hello");
        assert_eq!(read(&source).unwrap(), b"hello");
        assert_eq!(rest, b", world");
    }

    #[test]
    fn a_reader_that_ends_early_is_an_error() {
        let control = Control::default();
        let source = ReaderSource::new(&b"hel"[..], 5, &control);
        assert!(matches!(read(&source), Err(Error::SourceChanged { .. })));
    }
}
