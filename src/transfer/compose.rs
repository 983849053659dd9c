//! Files composed of pieces: local ones, and ranges of stored files (docs/protocol.md, sections
//! 2.13 to 2.18).
//!
//! 1. Every piece is opened: `b2_get_file_info` tells how long a stored file is (`piece`).
//! 2. The parts are planned (`plan`); of a stream of pieces, as far as they are known.
//! 3. One part: `b2_upload_file` or `b2_copy_file`, unless that cannot do what is asked for. Several: a large file (`upload::large`), whose parts
//!    are `b2_copy_part` or `b2_upload_part`, side by side. Stored bytes that are uploaded are downloaded
//!    while they are sent; nothing is kept.

pub(crate) mod assemble;
pub(crate) mod incremental;
pub(crate) mod piece;
mod plan;
mod planned;

use std::sync::Arc;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{Progress, Tally};
use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::raw::UploadRequest;
use crate::session::Session;
use crate::transfer::compose::assemble::Assembled;
use crate::transfer::compose::piece::{Opened, Opener, Piece};
use crate::transfer::compose::plan::{Limits, Part, Plan, Slice, length, plan};
use crate::transfer::compose::planned::Planned;
use crate::transfer::copy::Copy;
use crate::transfer::parallel;
use crate::transfer::source::BytesSource;
use crate::transfer::upload::large::{Started, with_sha1};
use crate::transfer::upload::parted::Parted;
use crate::transfer::upload::{LargeFileSha1, Resume, Upload, UploadOptions, Uploaded};

/// Which piece is used where local and remote ones have the same bytes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
    /// How the service is to encrypt the file, whatever its pieces are encrypted with; the bucket's
    /// default if not given. The id of a customer's key is recorded in the file info.
    pub encryption: Option<Encryption>,
    /// Until when it cannot be deleted; the bucket's default if not given. Needs a bucket with object
    /// lock, and `writeFileRetentions`.
    pub retention: Option<FileRetention>,
    /// Whether it is put on legal hold. Needs a bucket with object lock, and `writeFileLegalHolds`.
    pub legal_hold: Option<LegalHold>,
    /// The upload time that it gets instead of the present, as for
    /// [`UploadOptions`](UploadOptions::upload_timestamp).
    pub upload_timestamp: Option<Timestamp>,
    /// Upload in parts of this many bytes, and copy in parts of at most so many. If not given, the
    /// service's recommendation (100 MB), and 1 GB for copies. At least 5 MB, at most 5 GB; larger than
    /// asked for where a file would have more than 10,000 parts.
    pub part_size: Option<u64>,
    /// The SHA-1 of the whole, to be recorded if the file is made in parts. It cannot be computed here
    /// without downloading the remote pieces, and is not checked.
    pub large_file_sha1: Option<Sha1Digest>,
    /// Whether a file in parts goes on with an unfinished one of the same plan, whose uploaded parts have
    /// the content of the local pieces; and leaves one if it fails. If stored pieces are copied, the plan
    /// is recorded for that, as `plan_id` in the file info. Not for streams of pieces.
    pub resume: Resume,
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

    /// How the service is to encrypt the file.
    #[must_use]
    pub fn encryption(mut self, encryption: impl Into<Encryption>) -> Self {
        self.encryption = Some(encryption.into());
        self
    }

    /// Until when it cannot be deleted.
    #[must_use]
    pub fn retention(mut self, retention: FileRetention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Whether it is put on legal hold.
    #[must_use]
    pub fn legal_hold(mut self, hold: LegalHold) -> Self {
        self.legal_hold = Some(hold);
        self
    }

    /// The upload time that it gets instead of the present.
    #[must_use]
    pub fn upload_timestamp(mut self, time: impl Into<Timestamp>) -> Self {
        self.upload_timestamp = Some(time.into());
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

    /// Whether a file in parts goes on with an unfinished one.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
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
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
            part_size,
            large_file_sha1,
            resume,
            progress: _,
            cancel: _,
        } = self;
        UploadOptions {
            content_type: content_type.clone(),
            file_info: file_info.clone(),
            encryption: encryption.clone(),
            retention: retention.clone(),
            legal_hold: legal_hold.clone(),
            upload_timestamp: *upload_timestamp,
            part_size: *part_size,
            large_file_sha1: large_file_sha1.map_or(LargeFileSha1::Omit, LargeFileSha1::Given),
            resume: resume.clone(),
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
        let snapshot = self.session.current(self.upload.control)?;
        let info = self.upload.check(&snapshot, None)?;
        let pieces: Vec<_> = pieces.collect();
        pieces.iter().try_for_each(|(_, piece)| piece.check())?;
        let mut opener = Opener::new(self.session, self.upload.control);
        let placed = pieces
            .into_iter()
            .map(|(offset, piece)| opener.place(offset, piece))
            .collect::<Result<Vec<_>>>()?;
        let parts = plan(&placed, self.limits()?, self.overlap)?;
        self.make_all(parts, &info)
    }

    /// Makes a file of pieces that become known one after the other, in the order of their offsets.
    pub(crate) fn run_stream<'p>(
        &self,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        self.upload.refuse_resuming()?;
        let snapshot = self.session.current(self.upload.control)?;
        let info = self.upload.check(&snapshot, None)?;
        let mut opener = Opener::new(self.session, self.upload.control);
        let placed = pieces.map(|(offset, piece)| opener.place(offset, piece));
        let mut parts = Plan::new(placed, self.limits()?, self.overlap);
        let first = parts.next().transpose()?;
        let second = parts.next().transpose()?;
        match (first, second) {
            (Some(first), Some(second)) => {
                let parts = [first, second].into_iter().map(Ok).chain(parts);
                self.make_stream(parts, &info)
            }
            (part, _) => self.make_all(part.into_iter().collect(), &info),
        }
    }

    fn limits(&self) -> Result<Limits> {
        let Upload {
            options, control, ..
        } = self.upload;
        Limits::new(self.session.current(control)?.auth(), options.part_size)
    }

    /// Makes the file of all its parts: in one request if there is one.
    fn make_all(&self, mut parts: Vec<Part<Sources<'_>>>, info: &FileInfo) -> Result<Uploaded> {
        let request = self.upload.request(info)?;
        if parts.len() > 1 {
            return self.make_parts(parts, &request);
        }
        self.upload.refuse_resuming_one_request()?;
        match parts.pop() {
            Some(part) => self.make_of_one(part, &request),
            None => self.upload.send_small(
                self.upload.session.current(self.upload.control)?,
                &request,
                &BytesSource(&[]),
            ),
        }
    }

    /// Makes a file of one part. A copy in one request takes no upload time, and cannot be compared
    /// before it stands there under the name: where that matters it is made in two parts.
    fn make_of_one(
        &self,
        part: Part<Sources<'_>>,
        request: &UploadRequest<'_>,
    ) -> Result<Uploaded> {
        let (slice, witness) = match part {
            Part::Upload(slices) => return self.upload_small(slices, request),
            Part::Copy { slice, witness } => (slice, witness),
        };
        let sha1 = slice.piece.sha1_of(&slice.range);
        if self.upload.options.upload_timestamp.is_none() {
            if witness.is_empty() {
                return self.copy_whole(&slice, request);
            }
            if let Some(sha1) = sha1 {
                self.compare(witness, sha1, self.upload.control)?;
                return self.copy_whole(&slice, request);
            }
        }
        match (Part::Copy { slice, witness }).halved(self.limits()?) {
            Ok(halves) => self.make_parts(halves.into(), request),
            Err(Part::Copy { slice, witness }) if !witness.is_empty() => {
                let stored = vec![slice];
                let sha1 = sha1.map_or_else(|| self.hash(stored, self.upload.control), Ok)?;
                self.compare(witness.clone(), sha1, self.upload.control)?;
                self.upload_small(witness, request)
            }
            Err(Part::Copy { slice, .. }) => self.upload_small(vec![slice], request),
            Err(Part::Upload(slices)) => self.upload_small(slices, request),
        }
    }

    fn upload_small(
        &self,
        slices: Vec<Slice<Sources<'_>>>,
        request: &UploadRequest<'_>,
    ) -> Result<Uploaded> {
        let source = Assembled::new(self, slices, self.upload.control);
        let snapshot = self.upload.session.current(self.upload.control)?;
        self.upload.send_small(snapshot, request, &source)
    }

    /// A file that is one range of a stored one.
    fn copy_whole(
        &self,
        slice: &Slice<Sources<'_>>,
        request: &UploadRequest<'_>,
    ) -> Result<Uploaded> {
        let (source, range) = slice.piece.remote(&slice.range)?;
        let options = UploadOptions {
            // With what was recorded of the source's time and key.
            file_info: request.file_info.clone(),
            // It is one part.
            part_size: None,
            ..self.upload.options.clone()
        };
        let copy = Copy {
            upload: Upload {
                options: &options,
                ..self.upload
            },
            source,
            range: Some(ByteRange::of(&range)),
            length: Some(range.end - range.start),
            keeps_metadata: false,
        };
        copy.run()
    }

    /// Makes a large file of parts that are all known.
    fn make_parts(
        &self,
        parts: Vec<Part<Sources<'_>>>,
        request: &UploadRequest<'_>,
    ) -> Result<Uploaded> {
        let parts = Planned {
            compose: self,
            parts,
        };
        let total = (1..=parts.count()).map(|number| parts.length(number)).sum();
        let mut file_info = self.with_given_sha1(request.file_info)?;
        // What is only uploaded is known again by its content.
        if parts.has_copies() {
            file_info = self.upload.with_plan(&file_info, parts.plan())?;
        }
        let request = UploadRequest {
            file_info: &file_info,
            ..*request
        };
        let tally = self.tally(Some(total));
        self.upload.make_parts(&request, &parts, &tally)
    }

    /// Makes a large file of parts as they become known.
    fn make_stream<'p>(
        &self,
        parts: impl Iterator<Item = Result<Part<Sources<'p>>>>,
        info: &FileInfo,
    ) -> Result<Uploaded> {
        let file_info = self.with_given_sha1(info)?;
        let request = self.upload.request(&file_info)?;
        let tally = self.tally(None);
        let file_id = self.upload.start(&request)?;
        self.upload.as_large_file(file_id, &tally, |started| {
            parallel::run(self.workers, self.upload.control, |_| {
                Box::new((1..).zip(parts).map(|(number, part)| {
                    let part = part?;
                    Ok(move |control: &Control| self.make_part(started, number, part, control))
                }))
            })
        })
    }

    fn tally(&self, total: Option<u64>) -> Tally {
        let Upload {
            control, file_name, ..
        } = self.upload;
        Tally::new(control, file_name, self.session.clock(), total)
    }

    fn with_given_sha1(&self, info: &FileInfo) -> Result<FileInfo> {
        let sha1 = match self.upload.options.large_file_sha1 {
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Compute | LargeFileSha1::Omit => None,
        };
        with_sha1(info, sha1)
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
        if self.hash(local, control)? == stored {
            return Ok(());
        }
        let reason = "a local and a remote one that overlap have different bytes";
        Err(Error::invalid_input("pieces", reason))
    }

    fn hash(&self, slices: Vec<Slice<Sources<'_>>>, control: &Control) -> Result<Sha1Digest> {
        let length = length(&slices);
        let source = Assembled::new(self, slices, control);
        let upload = Upload {
            control,
            ..self.upload
        };
        upload.hash(&source, 0..length)
    }
}
