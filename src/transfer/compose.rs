//! Files composed of pieces: local ones, and ranges of stored files (docs/protocol.md, sections
//! 2.13 to 2.18).
//!
//! 1. Every piece is opened: `b2_get_file_info` tells how long a stored file is (`piece`).
//! 2. The parts are planned (`plan`); of a stream of pieces, as far as they are known.
//! 3. One part: `b2_upload_file` or `b2_copy_file`, unless that cannot do what is asked for. Several: a
//!    large file (`large`), whose parts are `b2_copy_part` or `b2_upload_part`, side by side. Stored bytes
//!    that are uploaded are downloaded while they are sent; nothing is kept.

pub(crate) mod assemble;
pub(crate) mod incremental;
pub(crate) mod piece;
mod plan;
mod planned;

use std::sync::Arc;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::compose::assemble::Assembled;
use crate::transfer::compose::piece::{Opened, Opener, Piece};
use crate::transfer::compose::plan::{Limits, PartPlan, PlannedPart, Slice, length, plan};
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

type Sources<'p> = Arc<Opened<'p>>;

/// One file that is composed: where to, as what, how.
#[derive(Clone)]
pub(crate) struct Compose<'a> {
    pub(crate) transfer: Transfer<'a>,
    pub(crate) file: NewFile<'a>,
    pub(crate) overlap: Overlap,
    pub(crate) part_size: Option<u64>,
    /// The SHA-1 to record if the file is made in parts.
    pub(crate) large_file_sha1: Option<Sha1Digest>,
    pub(crate) resume: &'a Resume,
}

impl Compose<'_> {
    /// Makes a file of pieces that are all known, each at its offset or else after the one before.
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

    /// Makes a file of pieces that become known one after the other, in the order of their offsets.
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

    /// Checks what can be checked of the file before anything is sent.
    fn checked(mut self) -> Result<Self> {
        let snapshot = self.transfer.authorization()?;
        let allowed = &snapshot.auth().allowed;
        self.file = self.file.checked(Operation::UploadFile, allowed)?;
        Ok(self)
    }

    fn limits(&self) -> Result<Limits> {
        Limits::new(self.transfer.authorization()?.auth(), self.part_size)
    }

    /// Makes the file of all its parts: in one request if there is one.
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

    /// Makes a file of one part. A copy in one request takes no upload time, and cannot be compared
    /// before it stands there under the name: where that matters it is made in two parts.
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
                let sha1 = sha1.map_or_else(|| self.hash(stored, control), Ok)?;
                self.compare(witness.clone(), sha1, control)?;
                self.upload_small(witness)
            }
            Err(PlannedPart::Copy { slice, .. }) => self.upload_small(vec![slice]),
            Err(PlannedPart::Upload(slices)) => self.upload_small(slices),
        }
    }

    fn upload_small(&self, slices: Vec<Slice<Sources<'_>>>) -> Result<Uploaded> {
        let source = Assembled::new(self.transfer, slices);
        let snapshot = self.transfer.authorization()?;
        small::upload(self.transfer, snapshot, &self.file, &source)
    }

    /// A file that is one range of a stored one.
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

    /// Makes a large file of parts that are all known.
    fn make_parts(&self, parts: Vec<PlannedPart<Sources<'_>>>) -> Result<Uploaded> {
        let parts = Planned {
            compose: self,
            parts,
        };
        let total = (1..=parts.count()).map(|number| parts.length(number)).sum();
        let mut file = self.file.with_sha1(self.large_file_sha1)?;
        // What is only uploaded is known again by its content.
        if parts.has_copies() {
            file = file.with_plan(self.resume, parts.plan())?;
        }
        let tally = self.transfer.tally(file.name, Some(total));
        parted::make(self.transfer, &file, self.resume, &parts, &tally)
    }

    /// Makes a large file of parts as they become known.
    fn make_stream<'p>(
        &self,
        parts: impl Iterator<Item = Result<PlannedPart<Sources<'p>>>>,
    ) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        let file = self.file.with_sha1(self.large_file_sha1)?;
        let tally = self.transfer.tally(file.name, None);
        let beginning = Beginning {
            unfinished: None,
            is_kept: false,
            length: None,
            parts: None,
        };
        LargeFile::make(self.transfer, &file, beginning, &tally, |large| {
            parallel::run(workers, control, |_| {
                Box::new((1..).zip(parts).map(|(number, part)| {
                    let part = part?;
                    Ok(move |control: &Control| self.make_part(large, number, part, control))
                }))
            })
        })
    }

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
                large.send_part(number, &source, 0..length, control)
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
        let source = Assembled::new(self.transfer.under(control), slices);
        hash(&source, 0..length, control)
    }
}
