//! Upload URLs: each in one hand at a time, and back in the pool only after an upload that went
//! well to its very end (docs/protocol.md, section 6).
//!
//! 1. The first attempt takes a URL from the pool, or asks for one if there is none.
//! 2. The upload is sent there. It went well: the URL goes into the pool. The service is busy (429):
//!    the same URL again, later. Anything else: the URL is gone.
//! 3. A further attempt always asks for a new URL: those in the pool may be as old as the one that
//!    failed.

use std::sync::Arc;

use crate::account_info::{AuthSnapshot, UploadTarget, UploadUrl};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::raw::Raw;
use crate::session::retry::{RetryLoop, Step};
use crate::session::{Session, log_store_failure};

/// How an upload ended that did not plainly fail.
pub(crate) enum UploadOutcome<T> {
    /// The service answered that it has it.
    Stored(T),
    /// The answer was lost, but the service turned out to have it.
    Found(T),
    /// The answer was lost, and nobody can tell whether the service has it.
    Unknown(Error),
}

impl Session {
    /// Uploads through an upload URL of the target; also tells how many attempts it took. The first
    /// attempt runs under `known`, if the caller has just read the authorization.
    pub(crate) fn with_upload_url<T>(
        &self,
        target: &UploadTarget,
        file_name: &str,
        mut known: Option<Arc<AuthSnapshot>>,
        control: &Control,
        mut upload: impl FnMut(&Raw<'_>, &UploadUrl) -> Result<UploadOutcome<T>>,
    ) -> Result<(T, u32)> {
        let operation = match target {
            UploadTarget::Bucket(_) => Operation::UploadFile,
            UploadTarget::LargeFile(_) => Operation::UploadPart,
        };
        let retry_loop = RetryLoop {
            bucket: match target {
                UploadTarget::Bucket(id) => Some(id),
                UploadTarget::LargeFile(_) => None,
            },
            file_name: Some(file_name),
            ..self.attempts(operation, control)
        };
        let mut held = None;
        let mut attempts = 0;
        let outcome = retry_loop.run(|step| {
            attempts += 1;
            let snapshot = match known.take() {
                Some(known) => known,
                None => self.current(control)?,
            };
            let url = match held.take() {
                Some(url) if step == Step::Again => url,
                _ => self.upload_url(target, &snapshot, step, control)?,
            };
            match upload(&Raw::new(self.http(), control, snapshot.auth()), &url) {
                Ok(UploadOutcome::Stored(value)) => {
                    log_store_failure(
                        "upload URL",
                        self.info().put_upload_url(snapshot.identity(), target, url),
                    );
                    Ok(Ok(value))
                }
                Ok(UploadOutcome::Found(value)) => Ok(Ok(value)),
                Ok(UploadOutcome::Unknown(error)) => Ok(Err(error)),
                Err(error) => {
                    if error.status() == Some(429) {
                        held = Some(url);
                    }
                    Err(self.explain(error, &operation.into(), &snapshot, step))
                }
            }
        })?;
        Ok((outcome?, attempts))
    }

    fn upload_url(
        &self,
        target: &UploadTarget,
        snapshot: &AuthSnapshot,
        step: Step,
        control: &Control,
    ) -> Result<UploadUrl> {
        if step == Step::First
            && let Some(url) = self.info().take_upload_url(snapshot.identity(), target)?
        {
            return Ok(url);
        }
        let response = match target {
            UploadTarget::Bucket(id) => self.call(Operation::GetUploadUrl, control, |raw| {
                raw.get_upload_url(id)
            })?,
            UploadTarget::LargeFile(id) => {
                self.call(Operation::GetUploadPartUrl, control, |raw| {
                    raw.get_upload_part_url(id)
                })?
            }
        };
        let received = Timestamp::from(self.clock().now());
        Ok(UploadUrl {
            url: response.upload_url,
            token: response.authorization_token,
            received,
        })
    }
}
