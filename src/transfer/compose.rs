//! Files composed of pieces: local ones, and ranges of stored files (reference sections 2.13 to 2.18).
//!
//! 1. Every piece is opened: `b2_get_file_info` tells how long a stored file is (`piece`).
//! 2. The parts are planned (`plan`); of a stream of pieces, as far as they are known.
//! 3. One part: `b2_upload_file` or `b2_copy_file`. Several: a large file (`upload::large`), whose parts
//!    are `b2_copy_part` or `b2_upload_part`, side by side. Stored bytes that are uploaded are downloaded
//!    while they are sent; nothing is kept.

pub(crate) mod assemble;
pub(crate) mod incremental;
pub(crate) mod piece;
mod plan;

use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, Tally};
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::file_info::FileInfo;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadRequest;
use crate::session::Session;
use crate::transfer::compose::assemble::Assembled;
use crate::transfer::compose::piece::{Opened, Opener, Piece};
use crate::transfer::compose::plan::{Limits, Part, Plan, Slice, length, plan};
use crate::transfer::copy::{Copy, CopyMetadata, CopyOptions};
use crate::transfer::parallel;
use crate::transfer::source::BytesSource;
use crate::transfer::upload::large::{Started, with_sha1};
use crate::transfer::upload::{LargeFileSha1, Upload, UploadOptions, Uploaded};

/// Which piece is used where local and remote ones have the same bytes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// The remote one, so that as little as possible is uploaded. A remote piece that has not enough left
    /// for a part of its own (5 MB) yields to a local one.
    #[default]
    Remote,
    /// The local one: remote pieces fill what is missing.
    Local,
    /// The remote one, if it has the SHA-1 of the local one: otherwise there is an error, and no file.
    /// Parts end where local pieces do, so that they can be compared; not compared is what is too small
    /// for a part of its own.
    Verify,
}

/// What may be said about a file that is composed of pieces.
///
/// ```
/// use b2sdk::{ComposeOptions, FileInfo, Overlap};
///
/// let options = ComposeOptions::new()
///     .content_type("application/x-tar")
///     .file_info(FileInfo::new().with("author", "Åsa"))
///     .overlap(Overlap::Local);
/// assert_eq!(options.overlap, Overlap::Local);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ComposeOptions {
    /// The MIME type; the service derives it from the name's extension if there is none. Nothing is taken
    /// over from remote pieces.
    pub content_type: Option<String>,
    /// Names and values to store with the file.
    pub file_info: FileInfo,
    /// Which piece is used where local and remote ones overlap.
    pub overlap: Overlap,
    /// Upload in parts of this many bytes, and copy in parts of at most so many. If not given, the
    /// service's recommendation (100 MB), and 1 GB for copies. At least 5 MB, at most 5 GB; larger than
    /// asked for where a file would have more than 10,000 parts.
    pub part_size: Option<u64>,
    /// The SHA-1 of the whole, to be recorded if the file is made in parts. It cannot be computed here
    /// without downloading the remote pieces, and is not checked.
    pub large_file_sha1: Option<Sha1Digest>,
    /// Who is told how far it is: copied parts count when they are made.
    pub progress: Option<Arc<dyn Progress>>,
    /// Cancels it.
    pub cancel: Option<CancelToken>,
}

impl ComposeOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The MIME type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Names and values to store with the file.
    #[must_use]
    pub fn file_info(mut self, info: FileInfo) -> Self {
        self.file_info = info;
        self
    }

    /// Which piece is used where local and remote ones overlap.
    #[must_use]
    pub const fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Make parts of this many bytes.
    #[must_use]
    pub const fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// The SHA-1 of the whole, to be recorded if the file is made in parts.
    #[must_use]
    pub const fn large_file_sha1(mut self, sha1: Sha1Digest) -> Self {
        self.large_file_sha1 = Some(sha1);
        self
    }

    /// Who is told how far it is.
    #[must_use]
    pub fn progress(mut self, receiver: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(receiver));
        self
    }

    /// Cancels it.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// The same for the upload that makes the file.
    pub(crate) fn as_upload(&self) -> UploadOptions {
        let Self {
            content_type,
            file_info,
            overlap: _,
            part_size,
            large_file_sha1,
            progress: _,
            cancel: _,
        } = self;
        UploadOptions {
            content_type: content_type.clone(),
            file_info: file_info.clone(),
            part_size: *part_size,
            large_file_sha1: large_file_sha1.map_or(LargeFileSha1::Omit, LargeFileSha1::Given),
            ..UploadOptions::default()
        }
    }
}

type Sources<'p> = Arc<Opened<'p>>;

/// One file that is composed: where to, as what, how.
pub(crate) struct Compose<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) workers: &'a Arc<Workers>,
    pub(crate) upload: Upload<'a>,
    pub(crate) overlap: Overlap,
}

impl Compose<'_> {
    /// Makes a file of pieces that are all known, each at its offset or else after the one before.
    pub(crate) fn run<'p>(
        &self,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        let info = self.upload.check(None)?;
        let mut opener = Opener::new(self.session, self.upload.control);
        let placed = pieces
            .map(|(offset, piece)| opener.place(offset, piece))
            .collect::<Result<Vec<_>>>()?;
        let parts = plan(&placed, self.limits()?, self.overlap)?;
        let total = placed.iter().map(plan::Placed::end).max().unwrap_or(0);
        self.make(parts.into_iter().map(Ok), &info, Some(total))
    }

    /// Makes a file of pieces that become known one after the other, in the order of their offsets.
    pub(crate) fn run_stream<'p>(
        &self,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        let info = self.upload.check(None)?;
        let mut opener = Opener::new(self.session, self.upload.control);
        let placed = pieces.map(|(offset, piece)| opener.place(offset, piece));
        let parts = Plan::new(placed, self.limits()?, self.overlap);
        self.make(parts, &info, None)
    }

    fn limits(&self) -> Result<Limits> {
        let Upload {
            options, control, ..
        } = self.upload;
        Limits::new(self.session.current(control)?.auth(), options.part_size)
    }

    /// Makes the file: in one request if it has one part.
    fn make<'p>(
        &self,
        mut parts: impl Iterator<Item = Result<Part<Sources<'p>>>>,
        info: &FileInfo,
        total: Option<u64>,
    ) -> Result<Uploaded> {
        let request = self.upload.request(info)?;
        let first = parts.next().transpose()?;
        let second = parts.next().transpose()?;
        match (first, second) {
            (Some(first), Some(second)) => {
                let parts = [first, second].into_iter().map(Ok).chain(parts);
                self.make_large(parts, &request, total)
            }
            (Some(part), None) => self.make_small(part, &request),
            (None, _) => self.upload.send_small(&request, &BytesSource(&[])),
        }
    }

    fn make_small(&self, part: Part<Sources<'_>>, request: &UploadRequest<'_>) -> Result<Uploaded> {
        let slices = match part {
            Part::Upload(slices) => slices,
            Part::Copy { slice, witness } if witness.is_empty() => {
                return self.copy_whole(&slice, request);
            }
            // A copy that turns out to be another one would stand there under the name.
            Part::Copy { slice, witness } => match slice.piece.sha1_of(&slice.range) {
                None => witness,
                Some(expected) => {
                    self.compare(witness, expected, self.upload.control)?;
                    return self.copy_whole(&slice, request);
                }
            },
        };
        let source = Assembled::new(self, slices, self.upload.control);
        self.upload.send_small(request, &source)
    }

    /// A file that is one range of a stored one.
    fn copy_whole(
        &self,
        slice: &Slice<Sources<'_>>,
        request: &UploadRequest<'_>,
    ) -> Result<Uploaded> {
        let (source, range) = slice.piece.remote(&slice.range)?;
        let options =
            CopyOptions::new()
                .range(ByteRange::of(&range))
                .metadata(CopyMetadata::Replace {
                    content_type: request.content_type.to_owned(),
                    file_info: request.file_info.clone(),
                });
        let Upload {
            session,
            workers,
            bucket,
            file_name,
            options: _,
            control,
        } = self.upload;
        let copy = Copy {
            session,
            workers,
            bucket,
            source,
            new_name: file_name,
            options: &options,
            control,
        };
        copy.run().map(Uploaded::in_one_request)
    }

    fn make_large<'p>(
        &self,
        parts: impl Iterator<Item = Result<Part<Sources<'p>>>>,
        request: &UploadRequest<'_>,
        total: Option<u64>,
    ) -> Result<Uploaded> {
        let sha1 = match self.upload.options.large_file_sha1 {
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Compute | LargeFileSha1::Omit => None,
        };
        let file_info = with_sha1(request.file_info, sha1)?;
        let control = self.upload.control;
        let tally = Tally::new(control, self.upload.file_name, self.session.clock(), total);
        let file_id = self.upload.start(&UploadRequest {
            file_info: &file_info,
            ..*request
        })?;
        self.upload.as_large_file(file_id, &tally, |started| {
            parallel::run(self.workers, control, |_| {
                Box::new((1..).zip(parts).map(|(number, part)| {
                    let part = part?;
                    Ok(move |control: &Control| self.make_part(started, number, part, control))
                }))
            })
        })
    }

    fn make_part(
        &self,
        started: &Started<'_>,
        number: u64,
        part: Part<Sources<'_>>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        match part {
            Part::Upload(slices) => {
                let length = length(&slices);
                let source = Assembled::new(self, slices, control);
                started.send_part(number, &source, 0..length, control)
            }
            Part::Copy { slice, witness } => {
                let (source, range) = slice.piece.remote(&slice.range)?;
                let sha1 = started.copy_part(number, source, range, control)?;
                if !witness.is_empty() {
                    self.compare(witness, sha1, control)?;
                }
                Ok(sha1)
            }
        }
    }

    /// Whether local bytes are what the service has in their place.
    fn compare(
        &self,
        local: Vec<Slice<Sources<'_>>>,
        stored: Sha1Digest,
        control: &Control,
    ) -> Result<()> {
        let length = length(&local);
        let source = Assembled::new(self, local, control);
        let upload = Upload {
            control,
            ..self.upload
        };
        if upload.hash(&source, 0..length)? == stored {
            return Ok(());
        }
        let reason = "a local and a remote one that overlap have different bytes";
        Err(Error::invalid_input("pieces", reason))
    }
}
