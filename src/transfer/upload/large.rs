//! A large file (reference section 7).
//!
//! 1. `b2_start_large_file`: name, type and info are fixed from here on, the SHA-1 of the whole too.
//! 2. For each part, several at a time: an upload URL of its own kind, POST, its SHA-1 after it. A
//!    part that fails goes up again alone; sending a part number again replaces it.
//! 3. `b2_finish_large_file` with the SHA-1s of all parts. If its answer is lost,
//!    `b2_get_file_info` tells whether the file is there.
//! 4. If anything fails for good, `b2_cancel_large_file`, so that no parts are left to be paid for.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::account_info::UploadTarget;
use crate::control::Control;
use crate::control::progress::{Counted, Tally};
use crate::error::{Error, Result};
use crate::http::body::Sha1AtEnd;
use crate::model::file::FileVersion;
use crate::model::file_info::LARGE_FILE_SHA1;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::raw::UploadRequest;
use crate::session::remember;
use crate::session::upload_url::Verdict;
use crate::transfer::parallel;
use crate::transfer::parts::Parts;
use crate::transfer::source::UploadSource;
use crate::transfer::upload::small::is_answer_lost;
use crate::transfer::upload::{LargeFileSha1, Upload, Uploaded};
use crate::wire::StartLargeFileRequest;

/// How often finishing is tried when its answers are lost.
const FINISH_ATTEMPTS: u32 = 5;

/// A large file whose parts are on their way.
pub(super) struct Started<'a> {
    upload: &'a Upload<'a>,
    target: UploadTarget,
    file_id: FileId,
    tally: &'a Tally,
    retries: AtomicU32,
}

impl Upload<'_> {
    /// Uploads a source in these parts.
    pub(super) fn send_large(
        &self,
        request: &UploadRequest<'_>,
        source: &(dyn UploadSource + Sync),
        parts: &Parts,
    ) -> Result<Uploaded> {
        let sha1 = match self.options.large_file_sha1 {
            LargeFileSha1::Compute => Some(self.hash(source)?),
            LargeFileSha1::Given(sha1) => Some(sha1),
            LargeFileSha1::Omit => None,
        };
        let tally = Tally::new(
            self.control.progress.as_ref(),
            self.session.clock(),
            Some(source.len()),
        );
        self.as_large_file(request, sha1, &tally, |started| {
            parallel::run(self.workers, self.control, |_| {
                Box::new((1..).zip(parts.iter()).map(|(number, range)| {
                    Ok(move |control: &Control| started.send_part(number, source, range, control))
                }))
            })
        })
    }

    /// Starts a large file, has its parts sent and finishes it; or cancels it.
    pub(super) fn as_large_file(
        &self,
        request: &UploadRequest<'_>,
        sha1: Option<Sha1Digest>,
        tally: &Tally,
        send_parts: impl FnOnce(&Started<'_>) -> Result<Vec<Sha1Digest>>,
    ) -> Result<Uploaded> {
        let file_id = self.start(request, sha1)?;
        let target = UploadTarget::LargeFile(file_id.clone());
        let started = Started {
            upload: self,
            target,
            file_id,
            tally,
            retries: AtomicU32::new(0),
        };
        let outcome =
            send_parts(&started).and_then(|parts| Ok((started.finish(&parts)?, parts.len())));
        started.drop_upload_urls();
        match outcome {
            Ok((version, parts)) => {
                tally.finish();
                let parts = u32::try_from(parts).unwrap_or(u32::MAX);
                Ok(Uploaded {
                    version,
                    parts,
                    retries: started.retries.into_inner(),
                })
            }
            Err(error) => {
                started.cancel();
                Err(error)
            }
        }
    }

    fn start(&self, request: &UploadRequest<'_>, sha1: Option<Sha1Digest>) -> Result<FileId> {
        let UploadRequest {
            file_name,
            content_type,
            file_info,
        } = *request;
        let mut file_info = file_info.clone();
        if let (Some(sha1), None) = (sha1, file_info.get(LARGE_FILE_SHA1)) {
            file_info.insert(LARGE_FILE_SHA1, sha1.to_string());
        }
        file_info.check().map_err(|reason| {
            Error::invalid_input("file_info", format!("with {LARGE_FILE_SHA1} {reason}"))
        })?;
        let request = StartLargeFileRequest {
            bucket_id: self.bucket,
            file_name,
            content_type,
            file_info: &file_info,
        };
        let version = self
            .session
            .call(Operation::StartLargeFile, self.control, |raw| {
                raw.start_large_file(&request)
            })?;
        Ok(version.file_id)
    }

    /// The SHA-1 of a whole source.
    fn hash(&self, source: &dyn UploadSource) -> Result<Sha1Digest> {
        let mut reader = source.open(0..source.len())?;
        let mut hasher = Sha1Hasher::default();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            self.control.check()?;
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
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

impl Started<'_> {
    /// Sends one part, as often as it takes.
    pub(super) fn send_part(
        &self,
        number: u64,
        source: &dyn UploadSource,
        range: Range<u64>,
        control: &Control,
    ) -> Result<Sha1Digest> {
        let length = range.end - range.start;
        let (sha1, attempts) =
            self.upload
                .session
                .with_upload_url(&self.target, control, |raw, url| {
                    let mut content = Counted::new(source.open(range.clone())?, self.tally);
                    let mut body = Sha1AtEnd::new(&mut content, length);
                    let part = raw.upload_part(url, number, &mut body)?;
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
        Ok(sha1)
    }

    fn finish(&self, parts: &[Sha1Digest]) -> Result<FileVersion> {
        let Upload {
            session, control, ..
        } = *self.upload;
        let mut attempt = 1;
        loop {
            let outcome = session.call(Operation::FinishLargeFile, control, |raw| {
                raw.finish_large_file(&self.file_id, parts)
            });
            let lost = match outcome {
                Err(error) if is_answer_lost(&error) => error,
                outcome => return outcome,
            };
            match session.call(Operation::GetFileInfo, control, |raw| {
                raw.get_file_info(&self.file_id)
            }) {
                Ok(version) => return Ok(version),
                Err(error) if error.is_not_found() && attempt < FINISH_ATTEMPTS => attempt += 1,
                // Nobody can tell: it must not be cancelled, and the caller learns why.
                Err(_) => return Err(lost),
            }
        }
    }

    /// Leaves no parts behind. That this fails does not change why the upload failed.
    fn cancel(&self) {
        // Not under the caller's token: that may be what ended the upload.
        let control = Control {
            cancel: None,
            progress: None,
            owner: self.upload.control.owner.clone(),
        };
        let outcome = self
            .upload
            .session
            .call(Operation::CancelLargeFile, &control, |raw| {
                raw.cancel_large_file(&self.file_id)
            });
        match outcome {
            Ok(_) => {
                tracing::debug!(file_id = %self.file_id, "the unfinished large file was cancelled")
            }
            Err(_) => {
                tracing::warn!(file_id = %self.file_id, "the unfinished large file could not be cancelled")
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
