//! Makes one large file, whatever its parts consist of (docs/protocol.md, section 7).
//!
//! 1. `b2_start_large_file` fixes the name, type, info, encryption and lock, and the SHA-1 of the
//!    whole if it is recorded. If the answer is lost, another file is started.
//! 2. Each part is sent to an upload URL of its own kind with its SHA-1 after it, or made with
//!    `b2_copy_part`; several parts at a time. A part that fails is sent again alone. That does no
//!    harm, because a part replaces an earlier one of the same number.
//! 3. `b2_finish_large_file` creates the version, or the file ends otherwise (`ending`).
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the answer to starting is lost | another file is started, at most three times; one without parts may be left |
//! | a part is cut off or refused for a while | that part alone is sent again from its source |
//! | the answer to a part is about another file | `UnexpectedReply`, because the part may be in the wrong place |
//! | the answer to a copied part is about another length | `UnexpectedReply` |
//! | an unfinished file that is to be completed is gone before a part of it was made | [`NotMade`] says so, and the caller starts another one |
//! | the source changes | the part fails with `SourceChanged`, and the file ends as after any failure |
//! | code of the caller panics | the file is cancelled, unless it is to be resumed; the panic continues |
//!
//! No version exists before the last step. A process that is killed leaves an unfinished file,
//! whose parts are billed until it is resumed, cancelled, or removed by a lifecycle rule.
//!
//! Threads: the caller's thread starts and ends the file; the parts are made by scoped threads,
//! which share the [`LargeFile`]. Each part has its own attempts and its own upload URL; only the
//! counts are shared.

mod ending;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use crate::account_info::UploadTarget;
use crate::control::Control;
use crate::control::progress::{CountingReader, ProgressCounter, TransferStage};
use crate::error::{Error, Result};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::raw::{UploadBody, UploadPartRequest};
use crate::session::upload_url::UploadOutcome;
use crate::transfer::Transfer;
use crate::transfer::new_file::NewFile;
use crate::transfer::source::{StoredFile, UploadSource};
use crate::transfer::uploaded::Uploaded;
use crate::wire::copy::CopyPartRequest;

pub(in crate::transfer) use self::ending::says_gone;

/// The number of times that starting is tried if its answers are lost.
const START_ROUNDS: u32 = 3;

/// The parts of a large file, numbered from 1. Used by several threads at a time.
///
/// An implementation must give a part the same length and content each time. Only then may a part
/// be made again after a failure, and a part of an earlier run be taken for one of this run.
pub(in crate::transfer) trait PartSource: Sync {
    /// The number of parts.
    fn count(&self) -> u64;

    /// The parts of the same content, cut as an unfinished file with these parts is. `None` if they can
    /// only be cut in one way, or if no cut agrees with them.
    fn cut_like(&self, _listed: &[Part]) -> Option<Box<dyn PartSource + '_>> {
        None
    }

    /// The length of a part in bytes.
    fn length(&self, number: u64) -> u64;

    /// Whether a part that an unfinished file has, with this SHA-1, is the one that would be made.
    /// The length was compared before.
    ///
    /// It may read the part from its source, which counts as hashed bytes in the progress, but
    /// sends nothing. An error ends the whole transfer, so content that differs is `false`.
    fn is_made(
        &self,
        number: u64,
        sha1: Sha1Digest,
        steering: (&Control, &ProgressCounter),
    ) -> Result<bool>;

    /// Makes a part at the service, and returns its SHA-1.
    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest>;
}

/// How a large file begins, and what is known about its end.
pub(in crate::transfer) struct Beginning {
    /// The unfinished file to complete; `None` to start a new one.
    pub(in crate::transfer) unfinished: Option<FileId>,
    /// Whether a failure leaves the unfinished file, so that it can be resumed.
    pub(in crate::transfer) is_kept: bool,
    /// The length of the file, if it is known beforehand.
    pub(in crate::transfer) length: Option<u64>,
    /// The number of its parts, if it is known beforehand.
    pub(in crate::transfer) parts: Option<u64>,
}

/// The reason why a large file was not made.
pub(in crate::transfer) struct NotMade {
    /// The failure, with what it leaves at the service.
    pub(in crate::transfer) error: Error,
    /// Whether an unfinished file that was to be completed no longer is one, and no part of it was
    /// made here: somebody completed or cancelled it. Nothing was done then, and nothing is left.
    pub(in crate::transfer) was_gone: bool,
}

impl From<NotMade> for Error {
    fn from(not_made: NotMade) -> Self {
        not_made.error
    }
}

/// A large file at the service that was started and not finished. All its threads share it.
///
/// It exists only within [`LargeFile::make`], which ends the file in every case. Parts may be made
/// in any order and more than once; it is finished only after every part has a SHA-1.
pub(in crate::transfer) struct LargeFile<'a> {
    transfer: Transfer<'a>,
    file: &'a NewFile<'a>,
    id: FileId,
    /// The pool of upload URLs for its parts.
    target: UploadTarget,
    beginning: Beginning,
    counter: &'a ProgressCounter,
    /// The number of attempts that were repeated, of all parts together.
    retries: AtomicU32,
    /// The number of bytes in the parts that were made here.
    made: AtomicU64,
    /// Whether the service has said, after a failure, that there is no such unfinished file.
    is_gone: AtomicBool,
}

/// Cleans up if code of the caller, such as a reader, panics.
///
/// The upload URLs are dropped as after any other end. Without this, the parts would be billed
/// although nobody can use them.
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

/// Starts a large file and returns its id.
///
/// If the answer is lost, nobody knows the id, so another file is started. The one that may be left
/// has no parts and costs nothing. It cannot be distinguished from a file that somebody else has
/// just started, so it is not cancelled.
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

/// The number of a part as the service expects it. Only numbers that do not fit into 32 bits are
/// refused here; the limit of 10,000 parts is kept where the file is cut.
fn part_number(number: u64) -> Result<u32> {
    u32::try_from(number)
        .map_err(|_| Error::invalid_input("part number", "a large file has at most 10,000 parts"))
}

impl<'a> LargeFile<'a> {
    /// Makes a large file: starts it, or continues an unfinished one, has `make_parts` make its
    /// parts, and finishes it.
    ///
    /// `make_parts` returns the SHA-1s of all parts in order. On failure the large file is
    /// cancelled, unless `beginning` says to keep it. If it is left for any reason, the error is
    /// `LargeFileLeft`. The upload URLs of its parts are dropped in any case. A caller that passes no
    /// unfinished file needs nothing of [`NotMade`] but the error.
    pub(in crate::transfer) fn make(
        transfer: Transfer<'a>,
        file: &'a NewFile<'a>,
        mut beginning: Beginning,
        counter: &'a ProgressCounter,
        make_parts: impl FnOnce(&LargeFile<'_>) -> Result<Vec<Sha1Digest>>,
    ) -> std::result::Result<Uploaded, NotMade> {
        let unfinished = beginning.unfinished.take();
        let is_resumed = unfinished.is_some();
        let started = |error| NotMade {
            error,
            was_gone: false,
        };
        let id = unfinished.map_or_else(|| start(transfer, file), Ok);
        let id = id.map_err(started)?;
        counter.enter(TransferStage::Transferring);
        let large = Self {
            transfer,
            file,
            target: UploadTarget::LargeFile(id.clone()),
            id,
            beginning,
            counter,
            retries: AtomicU32::new(0),
            made: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
        };
        let guard = OnPanic(&large);
        let made = make_parts(&large);
        let parts = made
            .as_ref()
            .map_or(large.beginning.parts, |parts| Some(parts.len() as u64));
        let outcome = match made {
            Ok(parts) => {
                counter.enter(TransferStage::Finishing);
                large.finish(&parts)
            }
            Err(error) => large.give_up(error),
        };
        drop(guard);
        large.drop_upload_urls();
        let version = outcome.map_err(|error| NotMade {
            was_gone: is_resumed
                && large.is_gone.load(Ordering::Relaxed)
                && large.made.load(Ordering::Relaxed) == 0
                && says_gone(error.failure()),
            error,
        })?;
        counter.finish();
        Ok(Uploaded {
            version,
            parts: parts
                .and_then(|parts| u32::try_from(parts).ok())
                .unwrap_or(u32::MAX),
            resumed_parts: 0,
            retries: large.retries.into_inner(),
            bytes_sent: counter.moved(),
            is_unchanged: false,
            passed_over: Vec::new(),
        })
    }

    /// Uploads one part, `range` of a source, and returns the SHA-1 that the service computed.
    ///
    /// `known` is the SHA-1 of these bytes; without it, it is computed while they are sent. The
    /// service compares it with what it receives in either case. The source is opened again for each
    /// attempt. An answer about another file is an error,
    /// because the part may be in the wrong place.
    pub(in crate::transfer) fn send_part(
        &self,
        number: u64,
        (source, range): (&dyn UploadSource, Range<u64>),
        known: Option<Sha1Digest>,
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
                self.counter.attempt(&mut again);
                let mut content = CountingReader::new(source.open(range.clone())?, self.counter);
                let mut body = match known {
                    Some(sha1) => UploadBody::with_sha1(&mut content, length, sha1),
                    None => UploadBody::new(&mut content, length),
                };
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
        self.counter.part_arrived();
        Ok(sha1)
    }

    /// Makes the service copy one part from a stored file, and returns the SHA-1 that it computed.
    /// A repeated request replaces the part. An answer about another number of bytes is an error.
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
                self.counter.attempt(&mut again);
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
        self.counter.part_arrived();
        self.counter.add(length);
        Ok(sha1)
    }
}
