//! One large file, whatever its parts are made of (docs/protocol.md, section 7).
//!
//! 1. `b2_start_large_file`: name, type, info, encryption and lock are fixed from here on, the SHA-1 of
//!    the whole too. If its answer is lost, another one is started.
//! 2. For each part, several at a time: an upload URL of its own kind, POST, its SHA-1 after it; or
//!    `b2_copy_part`. A part that fails is sent again alone; sending a part number again replaces it.
//! 3. `b2_finish_large_file`, or whatever else ends it (`ending`).

mod ending;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use crate::account_info::UploadTarget;
use crate::control::Control;
use crate::control::progress::{CountingReader, ProgressCounter, TransferStage};
use crate::error::{Error, Result};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::raw::{UploadBody, UploadPartRequest};
use crate::session::upload_url::UploadOutcome;
use crate::transfer::Transfer;
use crate::transfer::new_file::NewFile;
use crate::transfer::source::{StoredFile, UploadSource};
use crate::transfer::uploaded::Uploaded;
use crate::wire::copy::CopyPartRequest;

/// How often starting is tried when its answers are lost.
const START_ROUNDS: u32 = 3;

/// The parts of a large file; they are numbered from 1.
pub(in crate::transfer) trait PartSource: Sync {
    fn count(&self) -> u64;

    /// The bytes of a part.
    fn length(&self, number: u64) -> u64;

    /// Whether what an unfinished file has there, with this SHA-1, is the part.
    fn is_made(&self, number: u64, sha1: Sha1Digest, control: &Control) -> Result<bool>;

    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest>;
}

/// How a large file begins, and what it will have in the end.
pub(in crate::transfer) struct Beginning {
    /// The unfinished file that is completed; another one is started if there is none.
    pub(in crate::transfer) unfinished: Option<FileId>,
    /// Whether a failure leaves it, to be resumed.
    pub(in crate::transfer) is_kept: bool,
    /// Its bytes and the number of its parts, if they are known beforehand.
    pub(in crate::transfer) length: Option<u64>,
    pub(in crate::transfer) parts: Option<u64>,
}

/// A large file at the service that is started and not finished.
pub(in crate::transfer) struct LargeFile<'a> {
    transfer: Transfer<'a>,
    file: &'a NewFile<'a>,
    id: FileId,
    target: UploadTarget,
    beginning: Beginning,
    tally: &'a ProgressCounter,
    retries: AtomicU32,
    /// The bytes of the parts that were made here.
    made: AtomicU64,
}

/// Cleans up if the caller's own code, such as a reader, panics.
struct OnPanic<'a>(&'a LargeFile<'a>);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.drop_upload_urls();
            if !self.0.beginning.is_kept {
                self.0.cancel();
            }
        }
    }
}

/// Starts a large file. If its answer is lost nobody knows its id, and another one is started: what
/// may be left has no parts, and costs nothing. It cannot be told from one that somebody else has just
/// begun, so it is not cancelled.
fn start(transfer: Transfer<'_>, file: &NewFile<'_>) -> Result<FileId> {
    let Transfer {
        session, control, ..
    } = transfer;
    let request = file.start_request();
    let policy = session.retry_policy();
    let mut round = 0;
    loop {
        let outcome = session.call(Operation::StartLargeFile, control, |raw| {
            raw.start_large_file(&request)
        });
        round += 1;
        match outcome {
            Ok(version) => return Ok(version.file_id),
            Err(error)
                if error.is_answer_lost()
                    && error.may_pass()
                    && round < START_ROUNDS.min(policy.max_attempts) =>
            {
                tracing::warn!(
                    "the answer to starting a large file is lost; an unfinished file without parts may be left"
                );
                control.sleep(session.clock(), policy.delay(round - 1))?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn part_number(number: u64) -> Result<u32> {
    u32::try_from(number)
        .map_err(|_| Error::invalid_input("part number", "a large file has at most 10,000 parts"))
}

impl<'a> LargeFile<'a> {
    /// Makes a file of parts. A failure cancels the large file, unless it is kept to be resumed.
    pub(in crate::transfer) fn make(
        transfer: Transfer<'a>,
        file: &'a NewFile<'a>,
        mut beginning: Beginning,
        tally: &'a ProgressCounter,
        make_parts: impl FnOnce(&LargeFile<'_>) -> Result<Vec<Sha1Digest>>,
    ) -> Result<Uploaded> {
        let unfinished = beginning.unfinished.take();
        let id = unfinished.map_or_else(|| start(transfer, file), Ok)?;
        tally.enter(TransferStage::Transferring);
        let large = Self {
            transfer,
            file,
            target: UploadTarget::LargeFile(id.clone()),
            id,
            beginning,
            tally,
            retries: AtomicU32::new(0),
            made: AtomicU64::new(0),
        };
        let guard = OnPanic(&large);
        let made = make_parts(&large);
        let parts = made
            .as_ref()
            .map_or(large.beginning.parts, |parts| Some(parts.len() as u64));
        let outcome = match made {
            Ok(parts) => {
                tally.enter(TransferStage::Finishing);
                large.finish(&parts)
            }
            Err(error) => large.give_up(error),
        };
        drop(guard);
        large.drop_upload_urls();
        let version = outcome?;
        tally.finish();
        Ok(Uploaded {
            version,
            parts: parts
                .and_then(|parts| u32::try_from(parts).ok())
                .unwrap_or(u32::MAX),
            resumed_parts: 0,
            retries: large.retries.into_inner(),
            bytes_sent: tally.moved(),
            is_unchanged: false,
        })
    }

    /// Sends one part, as often as it takes.
    pub(in crate::transfer) fn send_part(
        &self,
        number: u64,
        source: &dyn UploadSource,
        range: Range<u64>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        let (length, mut again) = (range.end - range.start, false);
        let request = UploadPartRequest {
            customer_key: self.file.customer_key(),
            ..UploadPartRequest::new(part_number(number)?)
        };
        let (sha1, attempts) = self.transfer.session.with_upload_url(
            &self.target,
            self.file.name,
            None,
            control,
            |raw, url| {
                self.tally.attempt(&mut again);
                let mut content = CountingReader::new(source.open(range.clone())?, self.tally);
                let mut body = UploadBody::new(&mut content, length);
                let part = raw.upload_part(&url.url, &url.token, &request, &mut body)?;
                let unexpected = |source: &str| Error::UnexpectedReply {
                    operation: Operation::UploadPart,
                    source: source.into(),
                };
                if part.file_id != self.id {
                    return Err(unexpected("it is about a part of another file"));
                }
                let sha1 = part.content_sha1.digest();
                let sha1 = sha1.ok_or_else(|| unexpected("it has no SHA-1"))?;
                content.keep();
                Ok(UploadOutcome::Stored(sha1))
            },
        )?;
        self.retries.fetch_add(attempts - 1, Ordering::Relaxed);
        self.made.fetch_add(length, Ordering::Relaxed);
        self.tally.part_arrived();
        Ok(sha1)
    }

    /// Has the service copy one part from a file that it has; repeating that replaces the part.
    pub(in crate::transfer) fn copy_part(
        &self,
        number: u64,
        source: StoredFile<'_>,
        range: Range<u64>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        let length = range.end - range.start;
        let number = part_number(number)?;
        let request = CopyPartRequest {
            range: Some(ByteRange::from(range.clone())),
            source_server_side_encryption: source.key.map(Into::into),
            destination_server_side_encryption: self.file.customer_key().map(Into::into),
            ..CopyPartRequest::new(source.file_id, &self.id, number)
        };
        let (mut attempts, mut again) = (0, false);
        let sha1 = self
            .transfer
            .session
            .call(Operation::CopyPart, control, |raw| {
                attempts += 1;
                self.tally.attempt(&mut again);
                let part = raw.copy_part(&request)?;
                let sha1 = part.content_sha1.digest();
                sha1.filter(|_| part.content_length == length)
                    .ok_or_else(|| Error::UnexpectedReply {
                        operation: Operation::CopyPart,
                        source: "it is about other bytes than were asked for".into(),
                    })
            })?;
        self.retries.fetch_add(attempts - 1, Ordering::Relaxed);
        self.made.fetch_add(length, Ordering::Relaxed);
        self.tally.part_arrived();
        self.tally.add(length);
        Ok(sha1)
    }
}
