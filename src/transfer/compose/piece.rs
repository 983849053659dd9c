//! The pieces of a composed file: as the caller describes them, and opened, with their lengths
//! known.
//!
//! 1. A [`Piece`] is a description. What can be wrong with it by itself is checked without a
//!    request.
//! 2. `Opener` opens the pieces in order. A local file is described by the system, a stored one
//!    with `b2_get_file_info`, once for each file however many pieces it has.
//! 3. An `Opened` piece is placed in the result, and read, or named in a copy, by the parts that use
//!    it.
//!
//! | what is wrong with a piece | what the call returns, before a file is started |
//! | --- | --- |
//! | a local file cannot be read | `LocalFile` |
//! | the range has no byte, or bytes that the source does not have | `InvalidInput` |
//! | a local piece has a customer's key | `InvalidInput`, because the file would not be encrypted with it |
//! | the stored file does not exist | `FileNotFound` |
//! | it is a hide marker, or an unfinished large file | `InvalidInput` |
//! | it is encrypted with a customer's key, and that key is missing or another one | `EncryptionKey` |
//! | a local file changes after it was opened | `SourceChanged`, when a part of it is read |

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::compose::plan::Placed;
use crate::transfer::source::local_file::FileSource;
use crate::transfer::source::{BytesSource, StoredFile, UploadSource, settle};

/// The number of stored files whose description is remembered while a stream of pieces is read.
const MAX_KNOWN: usize = 10_000;

/// A piece of a file that is to be composed: a local file, bytes, a stored file, or a range of one
/// of these.
///
/// Creating a piece reads nothing. A file that cannot be read, or a stored file that does not
/// exist, is reported by the call that uses the piece. A piece can be used in several calls, and
/// more than once in one.
///
/// | piece | requests of the call that uses it | bytes that pass through this machine |
/// | --- | --- | --- |
/// | a local file, or bytes | uploads, free of charge | all, once for each attempt |
/// | a stored file or range of at least 5 MB | `b2_get_file_info` (class B) once a file, and copies (class C) | none |
/// | a smaller one | `b2_get_file_info`, and a download (class B) for each attempt | all, twice |
///
/// ```
/// use b2sdk::compose::Piece;
/// use b2sdk::FileId;
///
/// let pieces = [
///     Piece::bytes(b"header"),
///     Piece::remote(&FileId::from("4_z27c88f1d182b150646ff0b16_f1004ba650fe24e6b")).range(0..=9_999_999),
///     Piece::local_file("tail.bin"),
/// ];
/// # let _ = pieces;
/// ```
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    content: PieceContent<'a>,
    /// The bytes that are used; all if there is no range.
    range: Option<ByteRange>,
    /// The customer's key of a stored file.
    key: Option<SseCustomerKey>,
}

/// Where the bytes of a piece come from.
#[derive(Clone)]
enum PieceContent<'a> {
    /// A local file, which is opened by the call that uses the piece.
    File(PathBuf),
    /// Bytes in memory. `Debug` shows only their number.
    Bytes(Cow<'a, [u8]>),
    /// A version in a bucket of the account.
    Remote(FileId),
}

impl fmt::Debug for PieceContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Bytes(bytes) => write!(f, "Bytes(<{} bytes>)", bytes.len()),
            Self::Remote(id) => f.debug_tuple("Remote").field(id).finish(),
        }
    }
}

impl<'a> Piece<'a> {
    const fn new(content: PieceContent<'a>) -> Self {
        Self {
            content,
            range: None,
            key: None,
        }
    }

    /// Creates a piece from a local file. If the file changes before the result is complete, the
    /// call fails with [`Error::SourceChanged`], and no version is created.
    ///
    /// The path is resolved when the call begins, and the file is opened once for each part that
    /// needs it.
    #[must_use]
    pub fn local_file(path: impl Into<PathBuf>) -> Self {
        Self::new(PieceContent::File(path.into()))
    }

    /// Creates a piece from bytes in memory, borrowed or owned. They do not count against the
    /// [memory limit](crate::B2ApiBuilder::memory_limit), because they belong to the caller.
    #[must_use]
    pub fn bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::new(PieceContent::Bytes(bytes.into()))
    }

    /// Creates a piece from a stored file, of this or another bucket of the account. The
    /// application key needs the capability `readFiles`.
    ///
    /// The id names one version, so a later upload under the same name changes nothing. If the
    /// version is deleted before the result is complete, the call fails.
    #[must_use]
    pub fn remote(file_id: &FileId) -> Self {
        Self::new(PieceContent::Remote(file_id.clone()))
    }

    /// Restricts the piece to these bytes: `0..=99`, `100..`, or [`ByteRange::last`]. The call that
    /// uses it fails with [`Error::InvalidInput`] if the file or the bytes are shorter than that.
    #[must_use]
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Sets the customer's key that the stored file is encrypted with (SSE-C). The result is
    /// encrypted as the options of the call say, also if it has only this piece.
    #[must_use]
    pub fn encryption_key(mut self, key: &SseCustomerKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Fails with `InvalidInput` or `LocalFile` if this cannot be a piece, whatever the service
    /// has.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_form()?;
        let length = match &self.content {
            PieceContent::File(path) => FileSource::new(path)?.len(),
            PieceContent::Bytes(bytes) => BytesSource(bytes).len(),
            PieceContent::Remote(_) => return Ok(()),
        };
        select(self.range, length).map(|_| ())
    }

    /// Checks what can be checked without accessing the file.
    fn check_form(&self) -> Result<()> {
        let reason = match (self.range, &self.content) {
            (Some(range), _) if range.is_empty() => format!("{range} is no byte of one"),
            (_, PieceContent::File(_) | PieceContent::Bytes(_)) if self.key.is_some() => {
                "a local one is under no key of the service".to_owned()
            }
            _ => return Ok(()),
        };
        Err(Error::invalid_input("pieces", reason))
    }
}

/// The selected bytes of a source of this length, which must have all of them.
fn select(range: Option<ByteRange>, length: u64) -> Result<Range<u64>> {
    let Some(range) = range else {
        return Ok(0..length);
    };
    range.inside(length).ok_or_else(|| {
        let reason = format!("one has {length} bytes, and not all of {range}");
        Error::invalid_input("pieces", reason)
    })
}

/// A piece whose length is known.
pub(crate) struct Opened<'a> {
    source: PieceSource<'a>,
    /// The selected bytes of the source.
    range: Range<u64>,
}

/// Where the bytes of an open piece come from.
pub(crate) enum PieceSource<'a> {
    /// A local file, as it was when the piece was opened.
    File(FileSource),
    /// Bytes in memory.
    Bytes(Cow<'a, [u8]>),
    /// Another local source, such as a file that may grow.
    Local(&'a (dyn UploadSource + Sync)),
    /// A stored file.
    Remote(Remote),
}

/// A stored file that is, or contains, a piece.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) file_id: FileId,
    /// The length of all of it, in bytes.
    pub(crate) length: u64,
    /// The SHA-1 of all of it, if it is known.
    pub(crate) sha1: Option<Sha1Digest>,
    /// The customer's key that it is encrypted with, if there is one.
    pub(crate) key: Option<SseCustomerKey>,
}

impl<'a> Opened<'a> {
    /// A piece of these bytes of a source that is open already.
    pub(crate) const fn new(source: PieceSource<'a>, range: Range<u64>) -> Self {
        Self { source, range }
    }

    /// Converts bytes of the piece to bytes of its source.
    const fn absolute(&self, range: &Range<u64>) -> Range<u64> {
        self.range.start + range.start..self.range.start + range.end
    }

    /// The stored file and its bytes, for bytes of a remote piece. A local piece is an error.
    pub(crate) fn remote(&self, range: &Range<u64>) -> Result<(StoredFile<'_>, Range<u64>)> {
        match &self.source {
            PieceSource::Remote(remote) => {
                let stored = StoredFile {
                    file_id: &remote.file_id,
                    key: remote.key.as_ref(),
                };
                Ok((stored, self.absolute(range)))
            }
            _ => Err(Error::invalid_input(
                "pieces",
                "a local one cannot be copied",
            )),
        }
    }

    /// The SHA-1 of these bytes of a remote piece, if it is known because they are all of the file.
    pub(crate) fn sha1_of(&self, range: &Range<u64>) -> Option<Sha1Digest> {
        match &self.source {
            PieceSource::Remote(remote) if self.absolute(range) == (0..remote.length) => {
                remote.sha1
            }
            _ => None,
        }
    }

    /// Opens bytes of the piece for reading. `download` opens those of a stored file.
    pub(crate) fn read<'r>(
        &'r self,
        range: &Range<u64>,
        download: impl FnOnce(&'r Remote, Range<u64>) -> Result<Box<dyn Read + 'r>>,
    ) -> Result<Box<dyn Read + 'r>> {
        let range = self.absolute(range);
        match &self.source {
            PieceSource::File(file) => file.open(range),
            PieceSource::Local(source) => source.open(range),
            PieceSource::Bytes(bytes) => {
                let at = |at| usize::try_from(at).unwrap_or(usize::MAX);
                let bytes = bytes.get(at(range.start)..at(range.end));
                Ok(Box::new(bytes.unwrap_or_default()))
            }
            PieceSource::Remote(remote) => download(remote, range),
        }
    }

    /// The piece at its place in the result.
    pub(crate) fn placed(self, offset: u64) -> Placed<Arc<Self>> {
        Placed {
            offset,
            length: self.range.end - self.range.start,
            is_remote: matches!(self.source, PieceSource::Remote(_)),
            piece: Arc::new(self),
        }
    }
}

/// Opens pieces one after the other. Each stored file is asked about once.
pub(crate) struct Opener<'a> {
    transfer: Transfer<'a>,
    /// The descriptions so far, by id. There are at most [`MAX_KNOWN`]; then they are forgotten, and
    /// asked for again where they are needed.
    known: HashMap<FileId, FileVersion>,
    /// Where the previous piece ends in the result.
    end: u64,
}

impl<'a> Opener<'a> {
    /// Opens nothing yet.
    pub(crate) fn new(transfer: Transfer<'a>) -> Self {
        Self {
            transfer,
            known: HashMap::new(),
            end: 0,
        }
    }

    /// Opens a piece, and places it at the offset, or after the previous piece.
    pub(crate) fn place<'p>(
        &mut self,
        offset: Option<u64>,
        piece: Piece<'p>,
    ) -> Result<Placed<Arc<Opened<'p>>>> {
        self.transfer.control.check()?;
        let placed = self.open(piece)?.placed(offset.unwrap_or(self.end));
        self.end = placed.end();
        Ok(placed)
    }

    /// Opens a piece. A local file is noted as it is now; a later change is an error.
    fn open<'p>(&mut self, piece: Piece<'p>) -> Result<Opened<'p>> {
        piece.check_form()?;
        let Piece {
            content,
            range,
            key,
        } = piece;
        let (source, length) = match content {
            PieceContent::File(path) => {
                let file = FileSource::new(&path)?;
                settle(self.transfer, &file)?;
                let length = file.len();
                (PieceSource::File(file), length)
            }
            PieceContent::Bytes(bytes) => {
                let length = BytesSource(&bytes).len();
                (PieceSource::Bytes(bytes), length)
            }
            PieceContent::Remote(file_id) => {
                let remote = self.describe(file_id, key)?;
                let length = remote.length;
                (PieceSource::Remote(remote), length)
            }
        };
        let range = select(range, length)?;
        Ok(Opened { source, range })
    }

    /// Asks for the length of a stored file, unless it is known already.
    fn describe(&mut self, file_id: FileId, key: Option<SseCustomerKey>) -> Result<Remote> {
        let version = match self.known.get(&file_id) {
            Some(known) => known,
            None => {
                let Transfer {
                    session, control, ..
                } = self.transfer;
                let version = session.call(Operation::GetFileInfo, control, |raw| {
                    raw.get_file_info(&file_id)
                })?;
                if self.known.len() >= MAX_KNOWN {
                    self.known.clear();
                }
                self.known.entry(file_id.clone()).or_insert(version)
            }
        };
        if version.action != FileAction::Upload {
            let reason = format!("{file_id} is no finished file");
            return Err(Error::invalid_input("pieces", reason));
        }
        let stored = StoredFile {
            file_id: &file_id,
            key: key.as_ref(),
        };
        stored.check_key(version)?;
        let (length, sha1) = (version.content_length, version.sha1());
        Ok(Remote {
            file_id,
            length,
            sha1,
            key,
        })
    }
}
