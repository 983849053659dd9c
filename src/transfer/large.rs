//! One large file, whatever its parts are made of (docs/protocol.md, section 7).
//!
//! 1. `b2_start_large_file`: name, type, info, encryption and lock are fixed from here on, the SHA-1 of
//!    the whole too. If its answer is lost, another one is started.
//! 2. For each part, several at a time: an upload URL of its own kind, POST, its SHA-1 after it; or
//!    `b2_copy_part`. A part that fails is sent again alone; sending a part number again replaces it.
//! 3. `b2_finish_large_file` with the SHA-1s of all parts. If its answer is lost,
//!    `b2_get_file_info` tells whether the file is there.
//! 4. If anything fails for good, `b2_cancel_large_file`, so that no parts are left to be paid for;
//!    unless the file may be resumed (`resume`), or nobody can tell whether it is finished. What is left
//!    for whatever reason is named by the error ([`LargeFileLeft`]).

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::account_info::UploadTarget;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::progress::{Counted, Tally, TransferStage};
use crate::error::{Error, LargeFileLeft, Result, WhyLeft};
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::sha1::Sha1Digest;
use crate::raw::{UploadBody, UploadPartRequest};
use crate::session::remember;
use crate::session::upload_url::UploadOutcome;
use crate::transfer::Transfer;
use crate::transfer::new_file::NewFile;
use crate::transfer::source::{StoredFile, UploadSource};
use crate::transfer::uploaded::Uploaded;
use crate::wire::copy::CopyPartRequest;

/// How often starting is tried when its answers are lost.
const START_ROUNDS: u32 = 3;
/// How often finishing is tried when its answers are lost.
const FINISH_ROUNDS: u32 = 5;
/// How long cancelling what failed may take, all attempts together: the caller waits for the reason.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// The parts of a large file; they are numbered from 1.
pub(in crate::transfer) trait PartSource: Sync {
    fn count(&self) -> u64;

    /// The bytes of a part.
    fn length(&self, number: u64) -> u64;

    /// Whether what an unfinished file has there, with this SHA-1, is the part.
    fn is_made(&self, number: u64, sha1: Sha1Digest, control: &Control) -> Result<bool>;

    fn make(&self, large: &LargeFile<'_>, number: u64, control: &Control) -> Result<Sha1Digest>;
}

/// A large file at the service that is started and not finished.
pub(in crate::transfer) struct LargeFile<'a> {
    transfer: Transfer<'a>,
    file: &'a NewFile<'a>,
    id: FileId,
    target: UploadTarget,
    /// Whether a failure leaves it, to be resumed.
    is_kept: bool,
    tally: &'a Tally,
    retries: AtomicU32,
}

/// Cleans up if the caller's own code, such as a reader, panics.
struct OnPanic<'a>(&'a LargeFile<'a>);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.drop_upload_urls();
            if !self.0.is_kept {
                self.0.cancel();
            }
        }
    }
}

/// What is known of a large file that was to be cancelled.
enum Cancelled {
    Done,
    /// There is no unfinished file of that id any more: it was finished, or somebody cancelled it.
    WasGone,
    Unknown,
}

/// What is known of a large file that was to be finished.
enum Finish {
    Done(Box<FileVersion>),
    /// The answer is lost, and nobody can tell.
    Unknown(Error),
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
                if error.is_answer_lost() && round < START_ROUNDS.min(policy.max_attempts) =>
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
    /// Makes a file of parts: of the unfinished one, or of one that is started for it. A failure cancels
    /// the large file, unless it is kept to be resumed.
    pub(in crate::transfer) fn make(
        transfer: Transfer<'a>,
        file: &'a NewFile<'a>,
        (unfinished, is_kept): (Option<FileId>, bool),
        tally: &'a Tally,
        make_parts: impl FnOnce(&LargeFile<'_>) -> Result<Vec<Sha1Digest>>,
    ) -> Result<Uploaded> {
        let id = unfinished.map_or_else(|| start(transfer, file), Ok)?;
        tally.enter(TransferStage::Transferring);
        let large = Self {
            transfer,
            file,
            target: UploadTarget::LargeFile(id.clone()),
            id,
            is_kept,
            tally,
            retries: AtomicU32::new(0),
        };
        let guard = OnPanic(&large);
        let mut is_finishing = false;
        let outcome = make_parts(&large).and_then(|parts| {
            tally.enter(TransferStage::Finishing);
            is_finishing = true;
            Ok((large.finish(&parts)?, parts.len()))
        });
        drop(guard);
        large.drop_upload_urls();
        match outcome {
            Ok((Finish::Done(version), parts)) => {
                tally.finish();
                Ok(Uploaded {
                    version: *version,
                    parts: u32::try_from(parts).unwrap_or(u32::MAX),
                    resumed_parts: 0,
                    retries: large.retries.into_inner(),
                    bytes_sent: tally.moved(),
                })
            }
            // Cancelling what may be finished, or about to be, would lose it.
            Ok((Finish::Unknown(error), _)) => Err(large.left(WhyLeft::MayBeFinished, error)),
            Err(error) if large.is_kept => Err(large.left(WhyLeft::ForResuming, error)),
            Err(error) => Err(match (large.cancel(), is_finishing) {
                (Cancelled::Done, _) | (Cancelled::WasGone, false) => error,
                (Cancelled::WasGone, true) => large.left(WhyLeft::MayBeFinished, error),
                (Cancelled::Unknown, _) => large.left(WhyLeft::NotCancelled, error),
            }),
        }
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
        let (sha1, attempts) =
            self.transfer
                .session
                .with_upload_url(&self.target, None, control, |raw, url| {
                    self.tally.attempt(&mut again);
                    let mut content = Counted::new(source.open(range.clone())?, self.tally);
                    let mut body = UploadBody::new(&mut content, length);
                    let part = raw.upload_part(&url.url, &url.token, &request, &mut body)?;
                    content.keep();
                    part.content_sha1
                        .digest()
                        .map(UploadOutcome::Stored)
                        .ok_or_else(|| Error::UnexpectedReply {
                            operation: Operation::UploadPart,
                            source: "it has no SHA-1".into(),
                        })
                })?;
        self.retries.fetch_add(attempts - 1, Ordering::Relaxed);
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
        let part = self
            .transfer
            .session
            .call(Operation::CopyPart, control, |raw| {
                attempts += 1;
                self.tally.attempt(&mut again);
                raw.copy_part(&request)
            })?;
        self.retries.fetch_add(attempts - 1, Ordering::Relaxed);
        match part.content_sha1.digest() {
            Some(sha1) if part.content_length == length => {
                self.tally.part_arrived();
                self.tally.add(length);
                Ok(sha1)
            }
            _ => Err(Error::UnexpectedReply {
                operation: Operation::CopyPart,
                source: "it is about other bytes than were asked for".into(),
            }),
        }
    }

    fn finish(&self, parts: &[Sha1Digest]) -> Result<Finish> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        let mut lost = None;
        for round in 0..FINISH_ROUNDS {
            if round > 0 {
                control.sleep(session.clock(), session.retry_policy().delay(round - 1))?;
            }
            let outcome = session.call(Operation::FinishLargeFile, control, |raw| {
                raw.finish_large_file(&self.id, parts)
            });
            let error = match outcome {
                Ok(version) => return Ok(Finish::Done(Box::new(version))),
                Err(error) => error,
            };
            // After another attempt, "no active upload" may mean that the first one finished it.
            if !error.is_answer_lost() && error.attempts() <= 1 && lost.is_none() {
                return Err(error);
            }
            match self.find_finished() {
                Ok(Some(version)) => return Ok(Finish::Done(Box::new(version))),
                Ok(None) if error.is_answer_lost() => lost = Some(error),
                // While an earlier attempt may still be at work, its refusal proves nothing.
                Ok(None) => return lost.map_or(Err(error), |lost| Ok(Finish::Unknown(lost))),
                Err(Error::Cancelled) => return Ok(Finish::Unknown(Error::Cancelled)),
                Err(_) => return Ok(Finish::Unknown(lost.unwrap_or(error))),
            }
        }
        Ok(Finish::Unknown(lost.unwrap_or(Error::Cancelled)))
    }

    /// The finished file, if it is finished; by its id, or for a key that may not read by listing.
    fn find_finished(&self) -> Result<Option<FileVersion>> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        match session.call(Operation::GetFileInfo, control, |raw| {
            raw.get_file_info(&self.id)
        }) {
            Ok(version) => return Ok((version.action == FileAction::Upload).then_some(version)),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(Error::NotAllowed(_)) => {}
            Err(error) => return Err(error),
        }
        let is_ours = |version: &FileVersion| {
            version.file_id == self.id && version.action == FileAction::Upload
        };
        let NewFile { bucket, name, .. } = self.file;
        session.find_version(control, bucket, name, (is_ours, |_| false))
    }

    /// The failure, with what it leaves at the service.
    fn left(&self, why: WhyLeft, failure: Error) -> Error {
        Error::LargeFileLeft(Box::new(LargeFileLeft {
            file_id: self.id.clone(),
            why,
            failure,
        }))
    }

    /// Leaves no parts behind. That this fails does not change why the upload failed.
    fn cancel(&self) -> Cancelled {
        // Not under the caller's token, which may be what ended the upload; but not for long either.
        let (limit, done) = (CancelToken::new(), CancelToken::new());
        let control = Control {
            cancel: Some(limit.clone()),
            progress: None,
            ..self.transfer.control.clone()
        };
        let session = self.transfer.session;
        let outcome = thread::scope(|scope| {
            let watching = thread::Builder::new().spawn_scoped(scope, || {
                done.wait(CLEAN_UP);
                limit.cancel();
            });
            if watching.is_err() {
                limit.cancel();
            }
            let outcome = session.cancel_large_file(&control, &self.id);
            done.cancel();
            outcome
        });
        let file_id = &self.id;
        match outcome {
            Ok(()) => {
                tracing::debug!(%file_id, "the unfinished large file was cancelled");
                Cancelled::Done
            }
            Err(error) if error.is_not_found() || error.status() == Some(400) => {
                tracing::debug!(%file_id, "there is no unfinished large file to cancel any more");
                Cancelled::WasGone
            }
            Err(_) => {
                tracing::warn!(%file_id, "the unfinished large file could not be cancelled");
                Cancelled::Unknown
            }
        }
    }

    fn drop_upload_urls(&self) {
        let session = self.transfer.session;
        if let Ok(snapshot) = session.current(self.transfer.control) {
            remember(
                "upload URLs of parts",
                session
                    .info()
                    .drop_upload_urls(snapshot.identity(), &self.target),
            );
        }
    }
}
