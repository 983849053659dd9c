//! How upload URLs are taken, used and returned (docs/protocol.md, section 6).
//!
//! A URL is used by one upload at a time. It returns to the pool only after an upload that
//! succeeded completely, because after anything else the storage server may be full, busy or still
//! receiving.
//!
//! 1. The first attempt takes a URL from the pool, or asks for one if the pool is empty.
//! 2. The upload is sent there. If it succeeds, the URL goes into the pool. If the service is busy
//!    (429), the same URL is used again after a pause. After any other outcome, a lost answer
//!    included, the URL is dropped.
//! 3. Every further attempt asks for a new URL, because those in the pool may be as old as the one
//!    that failed.
//!
//! A process that is killed in between loses only the URL that it held, which expires within 24 hours.
//!
//! What happens to the URL and to the content:
//!
//! | what goes wrong | the URL | the content |
//! | --- | --- | --- |
//! | the store names a URL that must not be called, or a token that cannot be sent | dropped, and another one is asked for | nothing was sent |
//! | the service names such a URL | not kept; the upload fails | nothing was sent |
//! | 429 | kept by this upload, used after the pause | nothing is stored |
//! | no file descriptor is left for a connection | kept by this upload, used after the pause | nothing was sent |
//! | no file descriptor is left for the local file | dropped; asking for another one closes idle connections | nothing was sent |
//! | 401 | dropped; asking for another one replaces an expired account token | nothing is stored |
//! | 408, 5xx with a code of the service | dropped | nothing is stored |
//! | any status without a code, from a gateway | dropped | as after a lost answer |
//! | the connection breaks before all was sent | dropped | nothing is stored |
//! | the answer is lost after all was sent | dropped | the caller's closure looks for it, and returns `Found` or `Unknown`, or an error to send it again |
//! | any other refusal | dropped | nothing is stored; the upload fails |
//! | the upload is cancelled, or a reader panics | dropped | stored only if all of it was sent |

use std::sync::Arc;

use crate::account_info::{AuthSnapshot, UploadTarget, UploadUrl};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::model::operation::Operation;
use crate::model::realm::Realm;
use crate::model::secret::UploadToken;
use crate::model::time::Timestamp;
use crate::raw::Raw;
use crate::session::retry::{RetryLoop, Step};
use crate::session::{Session, log_store_failure};

/// How an attempt to upload ended, if it did not simply fail.
pub(crate) enum UploadOutcome<T> {
    /// The service answered that it stored the content. The URL can be used again.
    Stored(T),
    /// The answer was lost, but a look at the service showed that it stored the content. The URL
    /// must not be used again.
    Found(T),
    /// The answer was lost, and it could not be found out whether the service stored the content.
    /// The upload must not be repeated, because there could then be two versions.
    Unknown(Error),
}

impl Session {
    /// Uploads through an upload URL of `target`, and returns the number of attempts besides the
    /// result.
    ///
    /// `upload` makes one attempt with a URL that nobody else uses, and may be called several
    /// times. The first attempt runs under `known`, if the caller has just read the authorization.
    /// A failure of the store to take the URL back is logged and does not fail the upload.
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
                    let is_unused =
                        matches!(&error, Error::Connection(_)) && error.is_out_of_descriptors();
                    if error.status() == Some(429) || is_unused {
                        held = Some(url);
                    } else {
                        let status = error.status();
                        tracing::info!(%operation, file_name, status, "an upload URL is given up");
                    }
                    Err(self.explain(error, &operation.into(), &snapshot, step))
                }
            }
        })?;
        Ok((outcome?, attempts))
    }

    /// Returns a URL for this attempt: from the pool for the first one if there is one, otherwise
    /// from the service. A URL from the pool that cannot be used counts as none.
    fn upload_url(
        &self,
        target: &UploadTarget,
        snapshot: &AuthSnapshot,
        step: Step,
        control: &Control,
    ) -> Result<UploadUrl> {
        let realm = Realm::from(snapshot.auth().realm.as_str());
        let check = |url: &str, token: &UploadToken, operation| {
            self.http().check_url(&realm, url, operation)?;
            Http::check_token(token.expose(), operation)
        };
        let operation = match target {
            UploadTarget::Bucket(_) => Operation::GetUploadUrl,
            UploadTarget::LargeFile(_) => Operation::GetUploadPartUrl,
        };
        if step == Step::First
            && let Some(url) = self.info().take_upload_url(snapshot.identity(), target)?
            && check(&url.url, &url.token, operation).is_ok()
        {
            return Ok(url);
        }
        let response = self.call(operation, control, |raw| match target {
            UploadTarget::Bucket(id) => raw.get_upload_url(id),
            UploadTarget::LargeFile(id) => raw.get_upload_part_url(id),
        })?;
        check(
            &response.upload_url,
            &response.authorization_token,
            operation,
        )?;
        let received = Timestamp::from(self.clock().now());
        Ok(UploadUrl {
            url: response.upload_url,
            token: response.authorization_token,
            received,
        })
    }
}
