//! A copy in one request.
//!
//! 1. `b2_copy_file`.
//! 2. If its answer is lost: `b2_get_file_info` of the source tells what the copy must look like,
//!    `b2_list_file_versions` whether it is there. Found: that is the answer. Not found: once more.
//!    Something that cannot be told from it: the failure is reported.

use std::time::Duration;

use crate::control::progress::Tally;
use crate::error::{Error, ErrorCode, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::FileInfo;
use crate::model::operation::Operation;
use crate::raw::{FileSettings, UploadRequest};
use crate::transfer::copy::Copy;
use crate::transfer::upload::settings::is_kept_so;
use crate::transfer::upload::{CONTENT_TYPE_AUTO, Upload};
use crate::wire::copy::CopyFileRequest;

/// How often a copy is asked for whose answers are lost.
const ROUNDS: u32 = 3;

/// What became of asking for a copy in one request.
pub(super) enum Small {
    Done(Box<FileVersion>),
    TooLarge(Error),
}

/// What a look for a copy found whose answer was lost.
enum Looked {
    Found(Box<FileVersion>),
    Nothing,
    /// Something like it, of which not enough is told to say whether it is.
    Doubtful,
}

impl Copy<'_> {
    /// Asks for the copy in one request, and looks before asking again.
    pub(super) fn copy_small(
        &self,
        source: Option<&FileVersion>,
        given: &FileInfo,
    ) -> Result<Small> {
        let Upload {
            session,
            control,
            file_name,
            ..
        } = self.upload;
        let replacement = self.replacement(source, given)?;
        let replacement = replacement.as_ref();
        let replacement = replacement
            .map(|metadata| metadata.request(&self.upload))
            .transpose()?;
        let request = self.request(replacement.as_ref());
        let clock = session.clock();
        let described = source.and_then(|source| self.selected_length(source));
        let total = self.length.or(described);
        let tally = Tally::new(control, file_name, clock, total);
        let started = clock.elapsed();
        let policy = session.retry_policy();
        let (mut round, mut again) = (0, false);
        loop {
            let outcome = session.call(Operation::CopyFile, control, |raw| {
                tally.attempt(&mut again);
                raw.copy_file(&request)
            });
            let version = match outcome {
                Ok(version) => version,
                Err(error) if error.code() == Some(&ErrorCode::from("source_too_large")) => {
                    return Ok(Small::TooLarge(error));
                }
                Err(error) if !error.is_answer_lost() => return Err(error),
                Err(error) => match self.look(started, replacement.as_ref()) {
                    Ok(Looked::Found(version)) => *version,
                    Ok(Looked::Nothing) => {
                        round += 1;
                        if round >= ROUNDS.min(policy.max_attempts) {
                            return Err(error);
                        }
                        control.sleep(clock, policy.delay(round - 1))?;
                        continue;
                    }
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Ok(Looked::Doubtful) | Err(_) => return Err(error),
                },
            };
            tally.part_arrived();
            tally.add(version.content_length);
            tally.finish();
            return Ok(Small::Done(Box::new(version)));
        }
    }

    fn request<'r>(&'r self, replacement: Option<&UploadRequest<'r>>) -> CopyFileRequest<'r> {
        let FileSettings {
            encryption,
            retention,
            legal_hold,
            // Whoever asks for a time makes a large file of it.
            upload_timestamp: _,
        } = self.upload.settings();
        CopyFileRequest {
            destination_bucket_id: Some(self.upload.bucket),
            range: self.range,
            metadata_directive: if replacement.is_some() {
                "REPLACE"
            } else {
                "COPY"
            },
            content_type: replacement.map(|request| request.content_type),
            file_info: replacement.map(|request| request.file_info),
            file_retention: retention,
            legal_hold,
            source_server_side_encryption: self.source.key.map(Into::into),
            destination_server_side_encryption: encryption.map(Into::into),
            ..CopyFileRequest::new(self.source.file_id, self.upload.file_name)
        }
    }

    /// Looks whether the service has made the copy that was asked for from `started` on.
    fn look(&self, started: Duration, replacement: Option<&UploadRequest<'_>>) -> Result<Looked> {
        let source = self.describe_source()?;
        let range = self.selected(&source).unwrap_or_default();
        let whole = self.whole_sha1(&source);
        let content_type = match replacement {
            Some(request) => Some(request.content_type),
            None => source.content_type.as_deref(),
        };
        let file_info = replacement.map_or(&source.file_info, |request| request.file_info);
        let settings = self.upload.settings();
        let Upload {
            session,
            control,
            bucket,
            file_name,
            ..
        } = self.upload;
        let is_too_old = |version: &FileVersion| !session.is_made_since(started, version);
        let like_it = |version: &FileVersion| {
            version.action == FileAction::Upload
                && version.content_length == range.end - range.start
                && !is_too_old(version)
                && (whole.is_none() || version.sha1().is_none_or(|sha1| Some(sha1) == whole))
                && version.file_info == *file_info
                && (content_type == Some(CONTENT_TYPE_AUTO)
                    || version.content_type.as_deref() == content_type)
                && is_kept_so(version, &settings) != Some(false)
        };
        let found = session.find_version(control, bucket, file_name, (like_it, is_too_old))?;
        let Some(version) = found else {
            return Ok(Looked::Nothing);
        };
        // The service may tell no SHA-1 of a copy (docs/protocol.md, section 12, 28), and not every
        // key how it is kept.
        let is_certain = whole.is_some() && version.sha1() == whole;
        Ok(if is_certain && is_kept_so(&version, &settings).is_some() {
            Looked::Found(Box::new(version))
        } else {
            Looked::Doubtful
        })
    }
}
