//! Composes a file of pieces: local ones, and ranges of stored files (docs/protocol.md, sections
//! 2.13 to 2.18).
//!
//! 1. Every piece is opened. `b2_get_file_info` tells the length of a stored file (`piece`). A
//!    piece that cannot be opened fails the call, and nothing was started.
//! 2. The parts are planned (`plan`): of a stream of pieces, as far as they are known.
//! 3. A single part is made with `b2_upload_file` or `b2_copy_file`, unless that request cannot do
//!    what is asked for. Several parts make a large file (`large`); each is copied with
//!    `b2_copy_part` or uploaded with `b2_upload_part`, several at a time. Stored bytes that have
//!    to be uploaded are downloaded while they are sent, and are not kept.
//!
//! Billed are the descriptions of stored files (class B, one for each file), copied parts (class C), and
//! downloads of stored bytes that are too few for a copied part (class B, once more for each attempt).
//! Uploads are free. The result is billed with its whole length, also what was copied.
//!
//! A composition that fails cancels its large file, or leaves it to be resumed, as [`Resume`] says.
//! One of a stream of pieces always cancels it, because its parts are not known beforehand.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a local file changes | `SourceChanged` when a part of it is read |
//! | a stored file is deleted after it was opened | the part that needs it fails |
//! | the answer to a part is lost | the part is made again, and replaces the earlier one |
//! | the iterator of pieces fails or panics | the parts that run are stopped, and the large file is cancelled |
//! | the process is killed | an unfinished large file is left, unless one request was enough |

pub(crate) mod assemble;
pub(crate) mod incremental;
pub(crate) mod piece;
mod plan;
mod planned;

use std::sync::Arc;

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::compose::assemble::Assembled;
use crate::transfer::compose::piece::{Opened, Opener, Piece};
use crate::transfer::compose::plan::limits::Limits;
use crate::transfer::compose::plan::slices::{PlannedPart, Slice, length};
use crate::transfer::compose::plan::{PartPlan, plan};
use crate::transfer::compose::planned::Planned;
use crate::transfer::copy::Copy;
use crate::transfer::large::{Beginning, LargeFile, PartSource};
use crate::transfer::new_file::NewFile;
use crate::transfer::options::Overlap;
use crate::transfer::resume::Resume;
use crate::transfer::source::{BytesSource, hash};
use crate::transfer::upload::small;
use crate::transfer::uploaded::Uploaded;
use crate::transfer::{parallel, parted};

/// A stored or local piece that was opened, shared by the parts that use it.
type Sources<'p> = Arc<Opened<'p>>;

/// One composition: the file to create, and how to create it.
#[derive(Clone)]
pub(crate) struct Compose<'a> {
    pub(crate) transfer: Transfer<'a>,
    /// The file to create, before or after it was checked.
    pub(crate) file: NewFile<'a>,
    /// Which piece is taken where several have the same bytes.
    pub(crate) overlap: Overlap,
    /// The size of the parts that the caller chose.
    pub(crate) part_size: Option<u64>,
    /// The SHA-1 to record if the file is made in parts.
    pub(crate) large_file_sha1: Option<Sha1Digest>,
    /// Whether an unfinished file is completed, and left after a failure.
    pub(crate) resume: &'a Resume,
}

impl Compose<'_> {
    /// Creates a file of pieces that are all known. Each piece is placed at its offset, or after
    /// the one before it.
    ///
    /// Everything that can be wrong with the pieces is found before a file is started. Asking about
    /// the stored ones costs one request in class B for each stored file.
    pub(crate) fn run<'p>(
        self,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        let compose = self.checked()?;
        let pieces: Vec<_> = pieces.collect();
        pieces.iter().try_for_each(|(_, piece)| piece.check())?;
        let mut opener = Opener::new(compose.transfer);
        let placed = pieces
            .into_iter()
            .map(|(offset, piece)| opener.place(offset, piece))
            .collect::<Result<Vec<_>>>()?;
        let parts = plan(&placed, compose.limits()?, compose.overlap)?;
        compose.make_all(parts)
    }

    /// Creates a file of pieces that become known one after the other, in the order of their
    /// offsets. At most two parts are planned before anything is sent.
    ///
    /// A piece that turns out to be wrong later fails the call after parts were made: its large file
    /// is cancelled, and the copies that were made are billed.
    pub(crate) fn run_stream<'p>(
        self,
        pieces: impl Iterator<Item = (Option<u64>, Piece<'p>)>,
    ) -> Result<Uploaded> {
        self.resume.check_for_stream()?;
        let compose = self.checked()?;
        let mut opener = Opener::new(compose.transfer);
        let placed = pieces.map(|(offset, piece)| opener.place(offset, piece));
        let mut parts = PartPlan::new(placed, compose.limits()?, compose.overlap);
        let first = parts.next().transpose()?;
        let second = parts.next().transpose()?;
        match (first, second) {
            (Some(first), Some(second)) => {
                let parts = [first, second].into_iter().map(Ok).chain(parts);
                compose.make_stream(parts)
            }
            (part, _) => compose.make_all(part.into_iter().collect()),
        }
    }

    /// Checks everything about the file that can be checked before anything is sent.
    fn checked(mut self) -> Result<Self> {
        let snapshot = self.transfer.authorization()?;
        let allowed = &snapshot.auth().allowed;
        self.file = self.file.checked(Operation::UploadFile, allowed)?;
        Ok(self)
    }

    /// The limits of parts for this account.
    fn limits(&self) -> Result<Limits> {
        Limits::new(self.transfer.authorization()?.auth(), self.part_size)
    }

    /// Creates the file of all its parts: with a single request if there is one part. Without any part,
    /// the file is empty.
    fn make_all(&self, mut parts: Vec<PlannedPart<Sources<'_>>>) -> Result<Uploaded> {
        if parts.len() > 1 {
            return self.make_parts(parts);
        }
        self.resume.check_for_one_request()?;
        match parts.pop() {
            Some(part) => self.make_of_one(part),
            None => {
                let snapshot = self.transfer.authorization()?;
                small::upload(self.transfer, snapshot, &self.file, &BytesSource(&[]))
            }
        }
    }

    /// Creates a file of one part.
    ///
    /// `b2_copy_file` takes no upload time, and its result cannot be compared with local bytes
    /// before it exists under its name. Where either matters, the part is made as two parts of a
    /// large file, or, if it is too small for that, uploaded.
    fn make_of_one(&self, part: PlannedPart<Sources<'_>>) -> Result<Uploaded> {
        let control = self.transfer.control;
        let (slice, witness) = match part {
            PlannedPart::Upload(slices) => return self.upload_small(slices),
            PlannedPart::Copy { slice, witness } => (slice, witness),
        };
        let sha1 = slice.piece.sha1_of(&slice.range);
        if self.file.upload_timestamp.is_none() {
            if witness.is_empty() {
                return self.copy_whole(&slice);
            }
            if let Some(sha1) = sha1 {
                self.compare(witness, sha1, control)?;
                return self.copy_whole(&slice);
            }
        }
        match (PlannedPart::Copy { slice, witness }).halved(self.limits()?) {
            Ok(halves) => self.make_parts(halves.into()),
            Err(PlannedPart::Copy { slice, witness }) if !witness.is_empty() => {
                let stored = vec![slice];
                let sha1 = sha1.map_or_else(|| self.hash(stored, control, None), Ok)?;
                self.compare(witness.clone(), sha1, control)?;
                self.upload_small(witness)
            }
            Err(PlannedPart::Copy { slice, .. }) => self.upload_small(vec![slice]),
            Err(PlannedPart::Upload(slices)) => self.upload_small(slices),
        }
    }

    /// Uploads the bytes of these pieces with one request.
    fn upload_small(&self, slices: Vec<Slice<Sources<'_>>>) -> Result<Uploaded> {
        let source = Assembled::new(self.transfer, slices);
        let snapshot = self.transfer.authorization()?;
        small::upload(self.transfer, snapshot, &self.file, &source)
    }

    /// Copies a file that consists of one range of a stored file. Its type and info are those of the
    /// composition, never of the stored file.
    fn copy_whole(&self, slice: &Slice<Sources<'_>>) -> Result<Uploaded> {
        let (source, range) = slice.piece.remote(&slice.range)?;
        let copy = Copy {
            transfer: self.transfer,
            file: self.file.clone(),
            keeps_metadata: false,
            source,
            range: Some(ByteRange::from(range.clone())),
            length: Some(range.end - range.start),
            large_file_sha1: self.large_file_sha1,
            // It is one part.
            part_size: None,
            resume: self.resume,
        };
        copy.run()
    }

    /// Creates a large file of parts that are all known.
    fn make_parts(&self, parts: Vec<PlannedPart<Sources<'_>>>) -> Result<Uploaded> {
        let parts = Planned {
            compose: self,
            parts,
        };
        let total = (1..=parts.count()).map(|number| parts.length(number)).sum();
        let mut file = self.file.with_sha1(self.large_file_sha1)?;
        // The content of uploaded parts can be compared when resuming, so these need no recorded
        // plan.
        if parts.has_copies() {
            file = file.with_plan(self.resume, parts.plan())?;
        }
        let counter = self.transfer.counter(file.name, Some(total));
        parted::make(self.transfer, &file, self.resume, &parts, &counter)
    }

    /// Creates a large file of parts while they become known. It cannot be resumed, because nobody
    /// could tell whether the next call has the same parts.
    fn make_stream<'p>(
        &self,
        parts: impl Iterator<Item = Result<PlannedPart<Sources<'p>>>>,
    ) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        let file = self.file.with_sha1(self.large_file_sha1)?;
        let counter = self.transfer.counter(file.name, None);
        let beginning = Beginning {
            unfinished: None,
            is_kept: false,
            length: None,
            parts: None,
        };
        let made = LargeFile::make(self.transfer, &file, beginning, &counter, |large| {
            parallel::run(workers, control, |_| {
                Box::new((1..).zip(parts).map(|(number, part)| {
                    let part = part?;
                    Ok(move |control: &Control| self.make_part(large, number, part, control))
                }))
            })
        });
        Ok(made?)
    }

    /// Makes one part, on one of the transfer's threads. A copied part is compared with the local
    /// bytes that overlap it, if that was asked for.
    fn make_part(
        &self,
        large: &LargeFile<'_>,
        number: u64,
        part: PlannedPart<Sources<'_>>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        match part {
            PlannedPart::Upload(slices) => {
                let length = length(&slices);
                let source = Assembled::new(self.transfer.under(control), slices);
                large.send_part(number, (&source, 0..length), None, control)
            }
            PlannedPart::Copy { slice, witness } => {
                let (source, range) = slice.piece.remote(&slice.range)?;
                let sha1 = large.copy_part(number, source, range, control)?;
                if !witness.is_empty() {
                    self.compare(witness, sha1, control)?;
                }
                Ok(sha1)
            }
        }
    }

    /// Fails if local bytes are not those that the service has in the same place. The local bytes are
    /// read for it, and the stored ones are compared by their SHA-1, without a download.
    fn compare(
        &self,
        local: Vec<Slice<Sources<'_>>>,
        stored: Sha1Digest,
        control: &Control,
    ) -> Result<()> {
        if self.hash(local, control, None)? == stored {
            return Ok(());
        }
        let reason = "a local and a remote one that overlap have different bytes";
        Err(Error::invalid_input("pieces", reason))
    }

    /// The SHA-1 of these pieces. Stored ones are downloaded for it, and billed as downloads; local ones
    /// are read once more.
    fn hash(
        &self,
        slices: Vec<Slice<Sources<'_>>>,
        control: &Control,
        counter: Option<&ProgressCounter>,
    ) -> Result<Sha1Digest> {
        let length = length(&slices);
        let source = Assembled::new(self.transfer.under(control), slices);
        hash(&source, 0..length, control, counter)
    }
}
