//! A file in one request (docs/protocol.md, sections 2.7 and 6).
//!
//! 1. Take or ask for an upload URL (`session::upload_url`).
//! 2. POST the content, its SHA-1 after it.
//! 3. If all of it was sent and the answer is lost, look whether the service has it before anything
//!    is sent again: `b2_list_file_versions` from the name on. Found: that version is the answer.
//!    Not found: another URL, another attempt. Found, but the key may not see whether it is locked as was
//!    asked for: the failure is reported. May not look (no `listFiles`): another attempt, which can leave
//!    two equal versions.

use std::sync::Arc;
use std::time::Duration;

use crate::account_info::{AuthSnapshot, UploadTarget};
use crate::control::progress::{Counted, Tally};
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::sha1::Sha1Digest;
use crate::raw::{UploadBody, UploadFileRequest, UploadRequest};
use crate::session::upload_url::Verdict;
use crate::transfer::source::UploadSource;
use crate::transfer::upload::settings::is_kept_so;
use crate::transfer::upload::{CONTENT_TYPE_AUTO, Upload, Uploaded};

impl Upload<'_> {
    /// Uploads a source that fits into one request, under the authorization that was read for it.
    pub(in crate::transfer) fn send_small(
        &self,
        snapshot: Arc<AuthSnapshot>,
        request: &UploadRequest<'_>,
        source: &dyn UploadSource,
    ) -> Result<Uploaded> {
        let length = source.len();
        let clock = self.session.clock();
        let tally = Tally::new(self.control, self.file_name, clock, Some(length));
        let target = UploadTarget::Bucket(self.bucket.clone());
        let (started, mut again) = (clock.elapsed(), false);
        let settings = self.settings();
        let (version, attempts) =
            self.session
                .with_upload_url(&target, Some(snapshot), self.control, |raw, url| {
                    tally.attempt(&mut again);
                    let mut content = Counted::new(source.open(0..length)?, &tally);
                    let mut body = UploadBody::new(&mut content, length);
                    let file = UploadFileRequest::of(request, &settings);
                    let outcome = raw.upload_file(&url.url, &url.token, &file, &mut body);
                    let outcome = match (outcome, body.sha1()) {
                        (Ok(version), _) => Ok(Verdict::Done(version)),
                        (Err(error), Some(sha1)) if error.is_answer_lost() => {
                            self.look(request, (length, sha1), started, error)
                        }
                        (Err(error), _) => Err(error),
                    };
                    if outcome.is_ok() {
                        content.keep();
                    }
                    outcome
                })?;
        tally.part_arrived();
        tally.finish();
        Ok(Uploaded {
            version,
            parts: 1,
            resumed_parts: 0,
            retries: attempts - 1,
            bytes_sent: tally.moved(),
        })
    }

    /// Looks whether the service has what was sent from `started` on.
    fn look(
        &self,
        request: &UploadRequest<'_>,
        (length, sha1): (u64, Sha1Digest),
        started: Duration,
        lost: Error,
    ) -> Result<Verdict<FileVersion>> {
        let settings = self.settings();
        // A custom time is told as it was given; otherwise it must be one of after the attempt.
        let is_of_its_time = |version: &FileVersion| match settings.upload_timestamp {
            Some(time) => version.upload_timestamp == time,
            None => self.session.is_made_since(started, version),
        };
        let is_too_old = |version: &FileVersion| match settings.upload_timestamp {
            Some(time) => version.upload_timestamp < time,
            None => !is_of_its_time(version),
        };
        let is_ours = |version: &FileVersion| {
            version.action == FileAction::Upload
                && version.content_length == length
                && version.content_sha1.digest() == Some(sha1)
                && version.file_info == *request.file_info
                && (request.content_type == CONTENT_TYPE_AUTO
                    || version.content_type.as_deref() == Some(request.content_type))
                && is_kept_so(version, &settings) != Some(false)
                && is_of_its_time(version)
        };
        match self.session.find_version(
            self.control,
            self.bucket,
            self.file_name,
            (is_ours, is_too_old),
        ) {
            Ok(Some(version)) if is_kept_so(&version, &settings).is_some() => {
                Ok(Verdict::Found(version))
            }
            // Not every key may see how it is kept. Another one beside it would be a second version.
            Ok(Some(_)) => Ok(Verdict::Unknown(lost)),
            Ok(None) | Err(Error::NotAllowed(_)) => Err(lost),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(_) => Ok(Verdict::Unknown(lost)),
        }
    }
}
