//! What a composed file consists of.

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
use crate::transfer::source::{BytesSource, FileSource, StoredFile, UploadSource, settle};

/// How many stored files a stream of pieces remembers.
const MAX_KNOWN: usize = 10_000;

/// A piece of a file that is to be composed: a local file, bytes, a stored file, or a range of one.
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
    range: Option<ByteRange>,
    key: Option<SseCustomerKey>,
}

#[derive(Clone)]
enum PieceContent<'a> {
    File(PathBuf),
    Bytes(Cow<'a, [u8]>),
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

    /// A local file, which must not change until the result is there.
    #[must_use]
    pub fn local_file(path: impl Into<PathBuf>) -> Self {
        Self::new(PieceContent::File(path.into()))
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::new(PieceContent::Bytes(bytes.into()))
    }

    /// A stored file, of this or another bucket of the account.
    #[must_use]
    pub fn remote(file_id: &FileId) -> Self {
        Self::new(PieceContent::Remote(file_id.clone()))
    }

    /// Only these bytes of it: `0..=99`, `100..`, or [`ByteRange::last`]. It must have all of them.
    #[must_use]
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// The customer's key that a stored file is encrypted with (SSE-C).
    #[must_use]
    pub fn encryption_key(mut self, key: &SseCustomerKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Refuses what cannot be a piece whatever the service has.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_form()?;
        let length = match &self.content {
            PieceContent::File(path) => FileSource::new(path)?.len(),
            PieceContent::Bytes(bytes) => BytesSource(bytes).len(),
            PieceContent::Remote(_) => return Ok(()),
        };
        select(self.range, length).map(|_| ())
    }

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

/// The bytes that are meant of so many; there must be all of them.
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
    /// The bytes of the source that are meant.
    range: Range<u64>,
}

pub(crate) enum PieceSource<'a> {
    File(FileSource),
    Bytes(Cow<'a, [u8]>),
    Local(&'a (dyn UploadSource + Sync)),
    Remote(Remote),
}

/// A stored file.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) file_id: FileId,
    pub(crate) length: u64,
    pub(crate) sha1: Option<Sha1Digest>,
    /// What it is encrypted with, if that is a customer's key.
    pub(crate) key: Option<SseCustomerKey>,
}

impl<'a> Opened<'a> {
    pub(crate) const fn new(source: PieceSource<'a>, range: Range<u64>) -> Self {
        Self { source, range }
    }

    /// Bytes of the source, for bytes of the piece.
    const fn absolute(&self, range: &Range<u64>) -> Range<u64> {
        self.range.start + range.start..self.range.start + range.end
    }

    /// The stored file and its bytes, for bytes of a remote piece.
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

    /// The SHA-1 of these bytes of a remote piece, if it is known.
    pub(crate) fn sha1_of(&self, range: &Range<u64>) -> Option<Sha1Digest> {
        match &self.source {
            PieceSource::Remote(remote) if self.absolute(range) == (0..remote.length) => {
                remote.sha1
            }
            _ => None,
        }
    }

    /// Reads bytes of the piece; `download` those of a stored file.
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

    pub(crate) fn placed(self, offset: u64) -> Placed<Arc<Self>> {
        Placed {
            offset,
            length: self.range.end - self.range.start,
            is_remote: matches!(self.source, PieceSource::Remote(_)),
            piece: Arc::new(self),
        }
    }
}

/// Opens pieces one after the other, and asks about each stored file once.
pub(crate) struct Opener<'a> {
    transfer: Transfer<'a>,
    known: HashMap<FileId, FileVersion>,
    /// Where the piece before ended.
    end: u64,
}

impl<'a> Opener<'a> {
    pub(crate) fn new(transfer: Transfer<'a>) -> Self {
        Self {
            transfer,
            known: HashMap::new(),
            end: 0,
        }
    }

    /// Opens a piece; its place is the offset, or after the piece before.
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
