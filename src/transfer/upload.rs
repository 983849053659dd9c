//! Uploads: checks everything that can be checked before a byte is sent, and chooses between one
//! request and a large file.
//!
//! | source | one request | large file |
//! | --- | --- | --- |
//! | can be read at any position: a file, bytes | `small` | `parted` |
//! | can be read only once: a reader, a pipe | `small`, from memory | `buffered` |
//!
//! A file that is not larger than a part takes one request. A stream of unknown length is read
//! until its first part is full or it ends, before anything is sent.
//!
//! | source | what a second attempt sends | memory |
//! | --- | --- | --- |
//! | a file | the file, read again and compared with what it was | a buffer for each part that is sent |
//! | bytes | the bytes | the caller's |
//! | a reader, in one request | what was kept of it | all of it |
//! | a reader or pipe, in parts | the part from its buffer | a part for each worker, and one more |
//!
//! What is refused here, such as
//! a part size that the account does not allow, costs no request other than a due authorization.

mod buffered;
pub(in crate::transfer) mod small;
pub(crate) mod writer;

use std::io::Read;

use crate::account_info::AuthSnapshot;
use crate::control::progress::{ProgressCounter, TransferStage};
use crate::error::Result;
use crate::model::auth::AccountAuth;
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::transfer::Transfer;
use crate::transfer::new_file::NewFile;
use crate::transfer::options::UploadOptions;
use crate::transfer::parted;
use crate::transfer::parts::{PartLimits, part_sizes};
use crate::transfer::resume::Resume;
use crate::transfer::source::reader::ReaderSource;
use crate::transfer::source::{BytesSource, UploadSource, settle};
use crate::transfer::upload::buffered::{CallersReader, Input, PartReader};
use crate::transfer::uploaded::Uploaded;

/// The usual size of a part of a stream or of a reader, in bytes. Each worker holds one such part in
/// memory.
const STREAM_PART: u64 = 16_000_000;

/// One upload: the file to create, and how to create it.
///
/// It borrows everything and has no state, so each of its methods is an upload of its own.
#[derive(Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub(crate) transfer: Transfer<'a>,
    /// The bucket that the file is created in.
    pub(crate) bucket: &'a BucketId,
    /// The name of the file, which is checked before anything is sent.
    pub(crate) file_name: &'a str,
    pub(crate) options: &'a UploadOptions,
}

impl<'a> Upload<'a> {
    /// Uploads a source that can be read at any position.
    ///
    /// A source that grows is read once before anything is sent, even if one request is enough.
    /// A file in one request is never looked for among unfinished ones.
    pub(crate) fn send(&self, source: &(dyn UploadSource + Sync)) -> Result<Uploaded> {
        let snapshot = self.transfer.authorization()?;
        let limits = PartLimits::new(snapshot.auth(), self.options.part_size)?;
        let parts = match self.options.resume {
            Resume::Never => limits.share_out(source.len(), self.transfer.workers.most())?,
            _ => limits.cut_small(source.len())?,
        };
        let file = self.new_file(&snapshot, source.modified())?;
        if source.grows() {
            let stage = TransferStage::Hashing;
            let (control, clock) = (self.transfer.control, self.transfer.session.clock());
            let total = Some(source.len());
            let tally = ProgressCounter::at(stage, control, file.name, clock, total);
            source.fix(None, control, &tally)?;
        }
        settle(self.transfer, source)?;
        if limits.fits_one_request(source.len()) {
            self.options.resume.check_for_one_request()?;
            return small::upload(self.transfer, snapshot, &file, source);
        }
        let of_large = (self.options.large_file_sha1, &self.options.resume);
        parted::upload(self.transfer, &file, of_large, source, (parts, limits))
    }

    /// Uploads exactly `length` bytes of a reader. What follows them is not read.
    ///
    /// In one request, all of it is kept in memory that is borrowed from the limit, so that a
    /// second attempt can send it. A reader that ends early fails with `SourceChanged`.
    pub(crate) fn send_reader(&self, reader: impl Read, length: u64) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        self.options.resume.check_for_stream()?;
        let memory = workers.memory();
        let snapshot = self.transfer.authorization()?;
        let recommended = part_sizes(snapshot.auth()).1;
        // A file in parts has one of them in memory for each worker, so they are as small as a stream's.
        let usual = if length > recommended {
            recommended.min(STREAM_PART)
        } else {
            recommended
        };
        let limits = self.limits_in_memory(snapshot.auth(), usual)?;
        let parts = limits.cut(length)?;
        let first = parts.range(0);
        memory.check(first.end - first.start)?;
        let file = self.new_file(&snapshot, None)?;
        if limits.fits_one_request(length) {
            let _loan = memory.borrow(length, control)?;
            let source = ReaderSource::new(reader, length, control);
            small::upload(self.transfer, snapshot, &file, &source)
        } else {
            let mut input = CallersReader(reader);
            let parts = PartReader::of_length(&mut input, parts, memory);
            self.send_buffered(&file, parts)
        }
    }

    /// Uploads a reader to its end. The first part is read completely before anything is sent, to
    /// find out whether one request is enough.
    pub(crate) fn send_stream(&self, reader: impl Read) -> Result<Uploaded> {
        self.send_input(&mut CallersReader(reader))
    }

    /// Uploads an input to its end.
    fn send_input(&self, input: &mut dyn Input) -> Result<Uploaded> {
        let Transfer {
            workers, control, ..
        } = self.transfer;
        self.options.resume.check_for_stream()?;
        let snapshot = self.transfer.authorization()?;
        let limits = self.limits_in_memory(snapshot.auth(), STREAM_PART)?;
        let memory = workers.memory();
        // If not even one byte may be borrowed, every stream would seem to be empty.
        memory.check(1)?;
        let file = self.new_file(&snapshot, None)?;
        let mut parts = PartReader::of_stream(input, limits, memory);
        let Some(first) = parts.next_part(control)? else {
            return small::upload(self.transfer, snapshot, &file, &BytesSource(&[]));
        };
        if parts.goes_on(control)? {
            // The service would refuse smaller parts, but only after all of them were sent.
            memory.check(limits.wanted())?;
            parts.put_back(first);
            self.send_buffered(&file, parts)
        } else {
            small::upload(self.transfer, snapshot, &file, &BytesSource(&first.bytes))
        }
    }

    /// Uploads an input in parts that are held in memory.
    fn send_buffered(&self, file: &NewFile<'_>, parts: PartReader<'_>) -> Result<Uploaded> {
        let file = file.with_sha1(self.options.large_file_sha1.given())?;
        buffered::upload(self.transfer, &file, parts)
    }

    /// The limits of parts that are held in memory. If the caller does not choose a size, it is
    /// reduced to fit the memory limit, as far as the service allows.
    fn limits_in_memory(&self, auth: &AccountAuth, usual: u64) -> Result<PartLimits> {
        let memory = self.transfer.workers.memory();
        let usual = memory.limit().map_or(usual, |limit| usual.min(limit));
        let (least, _) = part_sizes(auth);
        let part_size = self.options.part_size.unwrap_or(usual.max(least));
        if self.options.part_size.is_some() {
            memory.check(part_size)?;
        }
        Ok(PartLimits::new(auth, Some(part_size))?.in_memory(memory.limit()))
    }

    /// The file to create from a source that was last changed at this time, after checking
    /// everything that can be checked before a byte is sent.
    pub(in crate::transfer) fn new_file(
        &self,
        snapshot: &AuthSnapshot,
        source_modified: Option<Timestamp>,
    ) -> Result<NewFile<'a>> {
        // A time before 1970 does not prevent the upload of a file.
        let not_before_1970 = |time: Timestamp| time.max(Timestamp::from_millis(0));
        let asked = self.options.src_last_modified;
        let mut file = self
            .options
            .new_file(self.bucket, self.file_name)
            .modified(asked.or_else(|| source_modified.map(not_before_1970)));
        file.has_file_time = file.has_own_time && asked.is_none();
        file.checked(Operation::UploadFile, &snapshot.auth().allowed)
    }
}
