//! A file in one request (reference sections 2.7 and 6).
//!
//! 1. Take or ask for an upload URL (`session::upload_url`).
//! 2. POST the content, its SHA-1 after it.
//! 3. If all of it was sent and the answer is lost, look whether the service has it before anything
//!    is sent again: `b2_list_file_versions` from the name on. Found: that version is the answer.
//!    Not found: another URL, another attempt. May not look (no `listFiles`): another attempt, which
//!    can leave two equal versions.

use std::time::Duration;

use crate::account_info::UploadTarget;
use crate::control::progress::{Counted, Tally};
use crate::error::{Error, Result, Sent};
use crate::http::body::Sha1AtEnd;
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::model::sha1::Sha1Digest;
use crate::model::time::Timestamp;
use crate::raw::UploadRequest;
use crate::session::upload_url::Verdict;
use crate::transfer::source::UploadSource;
use crate::transfer::upload::{Upload, Uploaded};
use crate::wire::ListFilesRequest;

impl Upload<'_> {
    /// Uploads a source that fits into one request.
    pub(super) fn send_small(
        &self,
        request: &UploadRequest<'_>,
        source: &dyn UploadSource,
    ) -> Result<Uploaded> {
        let length = source.len();
        let clock = self.session.clock();
        let tally = Tally::new(self.control.progress.as_ref(), clock, Some(length));
        let target = UploadTarget::Bucket(self.bucket.clone());
        let (version, attempts) =
            self.session
                .with_upload_url(&target, self.control, |raw, url| {
                    let started = clock.elapsed();
                    let mut content = Counted::new(source.open(0..length)?, &tally);
                    let mut body = Sha1AtEnd::new(&mut content, length);
                    let outcome = raw.upload_file(url, request, &mut body);
                    let outcome = match (outcome, body.digest()) {
                        (Ok(version), _) => Ok(Verdict::Done(version)),
                        (Err(error), Some(sha1)) if is_answer_lost(&error) => {
                            self.look(length, sha1, started, error)
                        }
                        (Err(error), _) => Err(error),
                    };
                    if outcome.is_ok() {
                        content.keep();
                    }
                    outcome
                })?;
        tally.finish();
        Ok(Uploaded {
            version,
            parts: 1,
            resumed_parts: 0,
            retries: attempts - 1,
        })
    }

    /// Looks whether the service has what was sent from `started` on.
    fn look(
        &self,
        length: u64,
        sha1: Sha1Digest,
        started: Duration,
        lost: Error,
    ) -> Result<Verdict<FileVersion>> {
        let request = ListFilesRequest {
            bucket_id: self.bucket.clone(),
            start_file_name: Some(self.file_name.to_owned()),
            start_file_id: None,
            max_file_count: 100,
            prefix: self.file_name.to_owned(),
            delimiter: None,
        };
        let answer = self
            .session
            .call(Operation::ListFileVersions, self.control, |raw| {
                raw.list_file_versions(&request)
            });
        let files = match answer {
            Ok(answer) => answer.files,
            Err(Error::NotAllowed(_)) => return Err(lost),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => return Ok(Verdict::Unknown(lost)),
        };
        // By the service's own clock, which its Date header tells to the second.
        let Some(began) = self.session.http().service_time_at(started) else {
            return Err(lost);
        };
        let began = Timestamp::from(began).earlier(Duration::from_secs(1));
        let is_ours = |version: &FileVersion| {
            version.file_name == self.file_name
                && version.action == FileAction::Upload
                && version.content_length == length
                && version.content_sha1.digest() == Some(sha1)
                && version.upload_timestamp >= began
        };
        files
            .into_iter()
            .find(is_ours)
            .map_or(Err(lost), |version| Ok(Verdict::Found(version)))
    }
}

pub(super) fn is_answer_lost(error: &Error) -> bool {
    match error {
        Error::Connection(transport) => transport.sent == Sent::All,
        Error::UnexpectedReply { .. } => true,
        _ => false,
    }
}
