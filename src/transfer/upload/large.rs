//! A large file (docs/protocol.md, section 7).
//!
//! 1. `b2_start_large_file`: name, type, info, encryption and lock are fixed from here on, the SHA-1 of
//!    the whole too. If its answer is lost, another one is started.
//! 2. For each part, several at a time: an upload URL of its own kind, POST, its SHA-1 after it. A
//!    part that fails goes up again alone; sending a part number again replaces it.
//! 3. `b2_finish_large_file` with the SHA-1s of all parts. If its answer is lost,
//!    `b2_get_file_info` tells whether the file is there.
//! 4. If anything fails for good, `b2_cancel_large_file`, so that no parts are left to be paid for;
//!    unless the upload may be resumed (`resume`), or nobody can tell whether it is finished. What is left
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
use crate::model::encryption::Encryption;
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::range::ByteRange;
use crate::model::secret::SseCustomerKey;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::{FileSettings, UploadBody, UploadPartRequest, UploadRequest};
use crate::session::remember;
use crate::session::upload_url::Verdict;
use crate::transfer::copy::Stored;
use crate::transfer::parts::Parts;
use crate::transfer::source::UploadSource;
use crate::transfer::upload::parted::SourceParts;
use crate::transfer::upload::{LargeFileSha1, Resume, Upload, Uploaded};
use crate::wire::copy::CopyPartRequest;
use crate::wire::large_file::StartLargeFileRequest;

/// How often starting is tried when its answers are lost.
const START_ROUNDS: u32 = 3;
/// How often finishing is tried when its answers are lost.
const FINISH_ROUNDS: u32 = 5;
/// How long cancelling what failed may take, all attempts together: the caller waits for the reason.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// A large file whose parts are on their way.
pub(in crate::transfer) struct Started<'a> {
    upload: &'a Upload<'a>,
    target: UploadTarget,
    file_id: FileId,
    tally: &'a Tally,
    retries: AtomicU32,
}

/// Cleans up if the caller's own code, such as a reader, panics.
struct OnPanic<'a>(&'a Started<'a>);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.drop_upload_urls();
            if self.0.upload.options.resume == Resume::Never {
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

impl Upload<'_> {
    /// Uploads a source in these parts.
    pub(super) fn send_large(
        &self,
        request: &UploadRequest<'_>,
        source: &(dyn UploadSource + Sync),
        parts: &Parts,
    ) -> Result<Uploaded> {
        let stage = match self.options.large_file_sha1 {
            LargeFileSha1::Compute => TransferStage::Hashing,
            LargeFileSha1::Given(_) | LargeFileSha1::Omit => TransferStage::Transferring,
        };
        let tally = Tally::at(
            stage,
            self.control,
            self.file_name,
            self.session.clock(),
            Some(source.len()),
        );
        let sha1 = match self.options.large_file_sha1 {
            LargeFileSha1::Compute => Some(self.hash(source, 0..source.len())?),
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Omit => None,
        };
        let file_info = with_sha1(request.file_info, sha1)?;
        let request = UploadRequest {
            file_info: &file_info,
            ..*request
        };
        let parts = SourceParts {
            upload: self,
            source,
            parts,
        };
        self.make_parts(&request, &parts, &tally)
    }

    /// Has the parts of a large file sent and finishes it; or cancels it, unless it may be resumed.
    pub(in crate::transfer) fn as_large_file(
        &self,
        file_id: FileId,
        tally: &Tally,
        send_parts: impl FnOnce(&Started<'_>) -> Result<Vec<Sha1Digest>>,
    ) -> Result<Uploaded> {
        let target = UploadTarget::LargeFile(file_id.clone());
        let started = Started {
            upload: self,
            target,
            file_id,
            tally,
            retries: AtomicU32::new(0),
        };
        let guard = OnPanic(&started);
        let mut is_finishing = false;
        let outcome = send_parts(&started).and_then(|parts| {
            tally.enter(TransferStage::Finishing);
            is_finishing = true;
            Ok((started.finish(&parts)?, parts.len()))
        });
        drop(guard);
        started.drop_upload_urls();
        match outcome {
            Ok((Finish::Done(version), parts)) => {
                tally.finish();
                Ok(Uploaded {
                    version: *version,
                    parts: u32::try_from(parts).unwrap_or(u32::MAX),
                    resumed_parts: 0,
                    retries: started.retries.into_inner(),
                    bytes_sent: tally.moved(),
                })
            }
            // Cancelling what may be finished, or about to be, would lose it.
            Ok((Finish::Unknown(error), _)) => Err(started.left(WhyLeft::MayBeFinished, error)),
            Err(error) if self.options.resume != Resume::Never => {
                Err(started.left(WhyLeft::ForResuming, error))
            }
            Err(error) => Err(match (started.cancel(), is_finishing) {
                (Cancelled::Done, _) | (Cancelled::WasGone, false) => error,
                (Cancelled::WasGone, true) => started.left(WhyLeft::MayBeFinished, error),
                (Cancelled::Unknown, _) => started.left(WhyLeft::NotCancelled, error),
            }),
        }
    }

    /// Starts a large file. If its answer is lost nobody knows its id, and another one is started: what
    /// may be left has no parts, and costs nothing. It cannot be told from one that somebody else has just
    /// begun, so it is not cancelled.
    pub(in crate::transfer) fn start(&self, request: &UploadRequest<'_>) -> Result<FileId> {
        let UploadRequest {
            file_name,
            content_type,
            file_info,
        } = *request;
        let FileSettings {
            encryption,
            retention,
            legal_hold,
            upload_timestamp,
        } = self.settings();
        let request = StartLargeFileRequest {
            server_side_encryption: encryption.map(Into::into),
            file_retention: retention,
            legal_hold,
            custom_upload_timestamp: upload_timestamp,
            ..StartLargeFileRequest::new(self.bucket, file_name, content_type, file_info)
        };
        let (session, policy) = (self.session, self.session.retry_policy());
        let mut round = 0;
        loop {
            let outcome = session.call(Operation::StartLargeFile, self.control, |raw| {
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
                    self.control
                        .sleep(session.clock(), policy.delay(round - 1))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The SHA-1 of these bytes of a source.
    pub(in crate::transfer) fn hash(
        &self,
        source: &dyn UploadSource,
        range: Range<u64>,
    ) -> Result<Sha1Digest> {
        let mut hasher = Sha1Hasher::default();
        self.feed(&mut hasher, source, range)?;
        Ok(hasher.finish())
    }

    /// Hashes these bytes of a source.
    pub(in crate::transfer) fn feed(
        &self,
        hasher: &mut Sha1Hasher,
        source: &dyn UploadSource,
        range: Range<u64>,
    ) -> Result<()> {
        let mut reader = source.open(range)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            self.control.check()?;
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(
                        Error::from_io(error).unwrap_or_else(|source| Error::Stream {
                            action: "read",
                            source,
                        }),
                    );
                }
            }
        }
    }
}

fn part_number(number: u64) -> Result<u32> {
    u32::try_from(number)
        .map_err(|_| Error::invalid_input("part number", "a large file has at most 10,000 parts"))
}

/// The info of a large file whose whole has this SHA-1, unless the caller recorded one.
pub(in crate::transfer) fn with_sha1(
    info: &FileInfo,
    sha1: Option<Sha1Digest>,
) -> Result<FileInfo> {
    let mut info = info.clone();
    if let (Some(sha1), None) = (sha1, info.get(LARGE_FILE_SHA1)) {
        info.insert(LARGE_FILE_SHA1, sha1.to_string());
    }
    info.check().map_err(|reason| {
        Error::invalid_input("file_info", format!("with {LARGE_FILE_SHA1} {reason}"))
    })?;
    Ok(info)
}

impl Started<'_> {
    /// The customer's key that every part is to carry.
    fn key(&self) -> Option<&SseCustomerKey> {
        let encryption = self.upload.options.encryption.as_ref();
        encryption.and_then(Encryption::customer_key)
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
            customer_key: self.key(),
            ..UploadPartRequest::new(part_number(number)?)
        };
        let (sha1, attempts) =
            self.upload
                .session
                .with_upload_url(&self.target, None, control, |raw, url| {
                    self.tally.attempt(&mut again);
                    let mut content = Counted::new(source.open(range.clone())?, self.tally);
                    let mut body = UploadBody::new(&mut content, length);
                    let part = raw.upload_part(&url.url, &url.token, &request, &mut body)?;
                    content.keep();
                    part.content_sha1
                        .digest()
                        .map(Verdict::Done)
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
        source: Stored<'_>,
        range: Range<u64>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        let length = range.end - range.start;
        let number = part_number(number)?;
        let request = CopyPartRequest {
            range: Some(ByteRange::of(&range)),
            source_server_side_encryption: source.key.map(Into::into),
            destination_server_side_encryption: self.key().map(Into::into),
            ..CopyPartRequest::new(source.file_id, &self.file_id, number)
        };
        let (mut attempts, mut again) = (0, false);
        let part = self
            .upload
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
        let Upload {
            session, control, ..
        } = *self.upload;
        let mut lost = None;
        for round in 0..FINISH_ROUNDS {
            if round > 0 {
                control.sleep(session.clock(), session.retry_policy().delay(round - 1))?;
            }
            let outcome = session.call(Operation::FinishLargeFile, control, |raw| {
                raw.finish_large_file(&self.file_id, parts)
            });
            let error = match outcome {
                Ok(version) => return Ok(Finish::Done(Box::new(version))),
                Err(error) => error,
            };
            // After another attempt, "no active upload" may mean that the first one finished it.
            if !error.is_answer_lost() && error.attempts() <= 1 && lost.is_none() {
                return Err(error);
            }
            match self.look() {
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
    fn look(&self) -> Result<Option<FileVersion>> {
        let Upload {
            session,
            control,
            bucket,
            file_name,
            ..
        } = *self.upload;
        match session.call(Operation::GetFileInfo, control, |raw| {
            raw.get_file_info(&self.file_id)
        }) {
            Ok(version) => return Ok((version.action == FileAction::Upload).then_some(version)),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(Error::NotAllowed(_)) => {}
            Err(error) => return Err(error),
        }
        let is_ours = |version: &FileVersion| {
            version.file_id == self.file_id && version.action == FileAction::Upload
        };
        session.find_version(control, bucket, file_name, (is_ours, |_| false))
    }

    /// The failure, with what it leaves at the service.
    fn left(&self, why: WhyLeft, failure: Error) -> Error {
        Error::LargeFileLeft(Box::new(LargeFileLeft {
            file_id: self.file_id.clone(),
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
            ..self.upload.control.clone()
        };
        let session = self.upload.session;
        let outcome = thread::scope(|scope| {
            let watching = thread::Builder::new().spawn_scoped(scope, || {
                done.wait(CLEAN_UP);
                limit.cancel();
            });
            if watching.is_err() {
                limit.cancel();
            }
            let outcome = session.cancel_large_file(&control, &self.file_id);
            done.cancel();
            outcome
        });
        let file_id = &self.file_id;
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
        let session = self.upload.session;
        if let Ok(snapshot) = session.current(self.upload.control) {
            remember(
                "upload URLs of parts",
                session
                    .info()
                    .drop_upload_urls(snapshot.identity(), &self.target),
            );
        }
    }
}
