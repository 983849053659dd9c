//! Uploads a file in one request (docs/protocol.md, sections 2.7 and 6).
//!
//! 1. An upload URL is taken from the pool or requested (`session::upload_url`).
//! 2. The content is sent, with its SHA-1 after it.
//! 3. If all of it was sent and the answer is lost, `b2_list_file_versions` shows whether the
//!    service has it, before anything is sent again.
//!
//! | what the list shows | what follows |
//! | --- | --- |
//! | the version | it is the result |
//! | no such version | the content is sent again, to another URL |
//! | the version, but not whether it is locked or encrypted as requested | the upload fails with the lost answer, because repeating it could create a second version |
//! | nothing, because the key may not list versions | the content is sent again, which can leave two equal versions |
//! | nothing, because the request fails | the upload fails with the lost answer, and the version may exist |
//! | nothing, because the caller cancels | the upload fails with `Cancelled`, and the version may exist |
//!
//! | what else happens | what follows |
//! | --- | --- |
//! | the answer is about another bucket | `UnexpectedReply`; the version in the answer is not used |
//! | the answer lacks file info that was sent | a warning in the log; without the id of a customer's key `UnexpectedReply`, and nothing is sent again |
//!
//! How the version is recognized: it has the name, the length and the SHA-1 of what was sent, it
//! was created after the attempt by the service's own clock, or has the requested upload time, and
//! nothing that the key may see of its settings differs.

use std::sync::Arc;

use crate::account_info::{AuthSnapshot, UploadTarget};
use crate::control::progress::CountingReader;
use crate::error::{Error, Result};
use crate::http::Beginning;
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::model::sha1::Sha1Digest;
use crate::raw::UploadBody;
use crate::session::upload_url::UploadOutcome;
use crate::transfer::Transfer;
use crate::transfer::new_file::NewFile;
use crate::transfer::new_file::compare::Comparison;
use crate::transfer::source::UploadSource;
use crate::transfer::uploaded::Uploaded;

/// Uploads a source that fits into one request, under an authorization that was just read.
///
/// The source is opened for each attempt, so each sends the same bytes or fails. Nothing is billed but the
/// stored bytes and, after a lost answer, the list in class C.
pub(in crate::transfer) fn upload(
    transfer: Transfer<'_>,
    snapshot: Arc<AuthSnapshot>,
    file: &NewFile<'_>,
    source: &dyn UploadSource,
) -> Result<Uploaded> {
    let Transfer {
        session, control, ..
    } = transfer;
    let length = source.len();
    let tally = transfer.counter(file.name, Some(length));
    let target = UploadTarget::Bucket(file.bucket.clone());
    let (beginning, mut again) = (session.http().begin(), false);
    let request = file.upload_request();
    let (version, attempts) =
        session.with_upload_url(&target, file.name, Some(snapshot), control, |raw, url| {
            tally.attempt(&mut again);
            let mut content = CountingReader::new(source.open(0..length)?, &tally);
            let mut body = UploadBody::new(&mut content, length);
            let outcome = raw
                .upload_file(&url.url, &url.token, &request, &mut body)
                .and_then(|version| check_bucket(file, version));
            let outcome = match (outcome, body.sha1()) {
                (Ok(version), _) => match file.check_info(Operation::UploadFile, &version) {
                    Ok(()) => Ok(UploadOutcome::Stored(version)),
                    // It is stored. Sending it again would make another version.
                    Err(error) => Ok(UploadOutcome::Unknown(error)),
                },
                (Err(error), Some(sha1)) if error.is_answer_lost() => {
                    let content = SentContent { length, sha1 };
                    find_uploaded(transfer, file, content, &beginning, error)
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
        is_unchanged: false,
        passed_over: Vec::new(),
    })
}

/// Fails if the answer is about a file of another bucket.
fn check_bucket(file: &NewFile<'_>, version: FileVersion) -> Result<FileVersion> {
    match &version.bucket_id {
        Some(bucket) if bucket != file.bucket => Err(Error::UnexpectedReply {
            operation: Operation::UploadFile,
            source: "it is about a file of another bucket".into(),
        }),
        _ => Ok(version),
    }
}

/// The content of an upload whose answer was lost.
///
/// It exists only if all content was sent: the SHA-1 comes after the last byte, so an attempt that
/// was cut earlier has none, and cannot have created a version.
#[derive(Clone, Copy)]
struct SentContent {
    length: u64,
    sha1: Sha1Digest,
}

/// Looks whether the service has what was sent after `beginning`, and decides how the attempt
/// ended.
fn find_uploaded(
    transfer: Transfer<'_>,
    file: &NewFile<'_>,
    content: SentContent,
    beginning: &Beginning,
    lost: Error,
) -> Result<UploadOutcome<FileVersion>> {
    let Transfer {
        session, control, ..
    } = transfer;
    let is_like_it = |version: &FileVersion| {
        version.action == FileAction::Upload
            && version.content_length == content.length
            && version.content_sha1.digest() == Some(content.sha1)
            && !matches!(file.compare(version), Comparison::Different(_))
    };
    let found = match file.upload_timestamp {
        None => session.find_made(control, file.bucket, file.name, beginning, is_like_it),
        // The service returns a custom time as it was given.
        Some(time) => {
            let is_too_old = |version: &FileVersion| version.upload_timestamp < time;
            let is_ours = |version: &FileVersion| is_like_it(version) && !is_too_old(version);
            session.find_version(control, file.bucket, file.name, is_ours, is_too_old)
        }
    };
    match found {
        Ok(Some(version)) if file.compare(&version) == Comparison::Equal => {
            Ok(UploadOutcome::Found(version))
        }
        // Not every key may see how it is kept. Another one beside it would be a second version.
        Ok(Some(_)) => Ok(UploadOutcome::Unknown(lost)),
        Ok(None) => Err(lost),
        // A key that may not list versions sends it again. A proxy, however, does not know what the
        // key may do.
        Err(error @ Error::NotAllowed(_)) if !error.is_answer_lost() => Err(lost),
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Err(_) => Ok(UploadOutcome::Unknown(lost)),
    }
}
