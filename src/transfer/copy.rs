//! Copies files within the service, whatever their size (docs/protocol.md, sections 2.13 and 2.17).
//! The content does not pass through this machine.
//!
//! 1. `b2_get_file_info` of the source is requested only if the copy depends on its length or on
//!    its file info (`metadata`).
//! 2. `b2_copy_file` copies up to 5 GB (`one_request`). If its answer is lost, the copy is looked
//!    for before anything is sent again.
//! 3. If the service finds the source too large, or the caller wants smaller parts, a large file is
//!    made (`parted`) whose parts are copied with `b2_copy_part`.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the answer to the one request is lost | the copy is looked for, and requested again if there is nothing like it |
//! | the answer to a part is lost | the part is copied again, and replaces the earlier one |
//! | a part fails for good | the large file is cancelled, or left to be resumed |
//! | the process is killed | the service may complete the one request; of a copy in parts an unfinished file is left |
//!
//! A copy is a new version with the present time. Retention, legal hold and encryption of the
//! source are not copied; what the options do not set is decided by the destination bucket.

mod metadata;
mod one_request;

use std::ops::Range;

use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::transfer::Transfer;
use crate::transfer::copy::one_request::CopyAnswer;
use crate::transfer::large::{LargeFile, PartSource};
use crate::transfer::new_file::NewFile;
use crate::transfer::parted;
use crate::transfer::parts::{COPY_PART, EqualParts, MAX_PART, PartLimits, part_sizes};
use crate::transfer::resume::{PlanEntry, Resume};
use crate::transfer::source::StoredFile;
use crate::transfer::uploaded::Uploaded;

/// One copy: the source, the file to create, and how to create it.
pub(crate) struct Copy<'a> {
    pub(crate) transfer: Transfer<'a>,
    /// The file to create. Its type and info count only if the source's are not kept.
    pub(crate) file: NewFile<'a>,
    /// Whether the copy gets the type and the file info of its source.
    pub(crate) keeps_metadata: bool,
    /// The version that is copied, and the customer's key that it is encrypted with.
    pub(crate) source: StoredFile<'a>,
    /// The bytes to copy; all if there is none.
    pub(crate) range: Option<ByteRange>,
    /// The number of bytes that are copied, if it is known.
    pub(crate) length: Option<u64>,
    /// The SHA-1 to record if the copy is made in parts. If there is none, that of the source is
    /// kept.
    pub(crate) large_file_sha1: Option<Sha1Digest>,
    /// The size of the parts that the caller chose. It makes a larger copy one in parts.
    pub(crate) part_size: Option<u64>,
    /// Whether an unfinished copy is completed, and left after a failure.
    pub(crate) resume: &'a Resume,
}

impl Copy<'_> {
    /// Makes the copy. Fails without a version, except for what `LargeFileLeft` names, and after a
    /// lost answer that could not be looked into.
    ///
    /// The second call makes a second version, unless `resume` completes an unfinished one.
    pub(crate) fn run(mut self) -> Result<Uploaded> {
        self.check_range()?;
        let snapshot = self.transfer.authorization()?;
        self.file = self
            .file
            .checked(Operation::CopyFile, &snapshot.auth().allowed)?;
        let mut source = None;
        if self.range.is_some_and(|range| !range.is_bounded()) {
            // The service takes a beginning and an end.
            let found = self.describe_source()?;
            self.range = self.range.map(|range| range.bounded(found.content_length));
            source = Some(found);
        }
        if self.part_size.is_some() || *self.resume != Resume::Never {
            let limits = self.limits(self.part_size.unwrap_or(COPY_PART))?;
            let found = source.take().map_or_else(|| self.describe_source(), Ok)?;
            let found = source.insert(found);
            let most = self.part_size.unwrap_or(MAX_PART);
            // The service says what is wrong with a range that selects nothing.
            if self
                .selected_length(found)
                .is_some_and(|length| length > most)
            {
                return self.copy_large(found, &limits);
            }
            self.resume.check_for_one_request()?;
        } else if source.is_none() && self.depends_on_source() {
            source = Some(self.describe_source()?);
        }
        match self.copy_small(source.as_ref())? {
            CopyAnswer::Done(version, retries) => Ok(Uploaded::copied(*version, retries)),
            CopyAnswer::TooLarge(refusal) => {
                let source = source.map_or_else(|| self.describe_source(), Ok)?;
                self.copy_too_large(&source, refusal)
            }
        }
    }

    fn check_range(&self) -> Result<()> {
        if self.range.is_some_and(ByteRange::is_empty) {
            return Err(Error::invalid_input("range", "there is no byte in it"));
        }
        Ok(())
    }

    fn limits(&self, part_size: u64) -> Result<PartLimits> {
        PartLimits::new(self.transfer.authorization()?.auth(), Some(part_size))
    }

    /// Asks for the version of the source. Fails if its customer's key is missing or another one.
    fn describe_source(&self) -> Result<FileVersion> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        let version = session.call(Operation::GetFileInfo, control, |raw| {
            raw.get_file_info(self.source.file_id)
        })?;
        self.source.check_key(&version)?;
        Ok(version)
    }

    /// The bytes of the source to copy; `None` if the range selects nothing.
    fn selected(&self, source: &FileVersion) -> Option<Range<u64>> {
        match self.range {
            None => Some(0..source.content_length),
            Some(range) => range.within(source.content_length),
        }
    }

    /// The number of bytes to copy.
    fn selected_length(&self, source: &FileVersion) -> Option<u64> {
        self.selected(source).map(|range| range.end - range.start)
    }

    /// Whether all bytes of the source are copied.
    fn is_whole(&self, source: &FileVersion) -> bool {
        self.selected(source) == Some(0..source.content_length)
    }

    /// Copies in parts after the service found the source too large for one request. The service's
    /// limit is not assumed to be 5 GB.
    fn copy_too_large(&self, source: &FileVersion, refusal: Error) -> Result<Uploaded> {
        let Some(length) = self.selected_length(source) else {
            return Err(refusal);
        };
        let snapshot = self.transfer.authorization()?;
        let (minimum, _) = part_sizes(snapshot.auth());
        let part_size = self.part_size.unwrap_or(COPY_PART);
        let limits = self.limits(part_size.min(length.div_ceil(2).max(minimum)))?;
        if limits.fits_one_request(length) {
            return Err(refusal);
        }
        self.copy_large(source, &limits)
    }

    /// Makes a large file whose parts are copied at the same time.
    fn copy_large(&self, source: &FileVersion, limits: &PartLimits) -> Result<Uploaded> {
        let range = self.selected(source).unwrap_or_default();
        let length = range.end - range.start;
        let parts = CopiedParts {
            source: self.source,
            parts: limits.cut(length)?,
            offset: range.start,
        };
        let file = self.large_file(source)?;
        let file = file.with_plan(self.resume, parts.plan())?;
        file.check_room()?;
        let counter = self.transfer.counter(file.name, Some(length));
        parted::make(self.transfer, &file, self.resume, &parts, &counter)
    }
}

/// The parts of a copy: equal ranges of the source.
struct CopiedParts<'s> {
    source: StoredFile<'s>,
    parts: EqualParts,
    /// Where in the source the first part begins.
    offset: u64,
}

impl CopiedParts<'_> {
    /// The bytes of the source that make the part of this number.
    fn range(&self, number: u64) -> Range<u64> {
        let range = self.parts.range(number.saturating_sub(1));
        self.offset + range.start..self.offset + range.end
    }

    /// What the parts are made of, to recognize an unfinished copy by.
    fn plan(&self) -> impl Iterator<Item = PlanEntry<'_>> {
        (1..=self.parts.count()).map(|number| PlanEntry::Copied {
            source: self.source.file_id,
            range: self.range(number),
        })
    }
}

impl PartSource for CopiedParts<'_> {
    fn count(&self) -> u64 {
        self.parts.count()
    }

    fn length(&self, number: u64) -> u64 {
        self.parts.length_of(number)
    }

    /// An unfinished file was found by its plan, and the service computed the SHA-1, so the part is
    /// right.
    fn is_made(&self, _: u64, _: Sha1Digest, _: (&Control, &ProgressCounter)) -> Result<bool> {
        Ok(true)
    }

    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest> {
        large.copy_part(number, self.source, self.range(number), control)
    }
}
