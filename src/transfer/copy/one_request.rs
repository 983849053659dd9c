//! A copy in one request.
//!
//! 1. `b2_copy_file` is sent.
//! 2. If its answer is lost, `b2_get_file_info` of the source tells what the copy must look like,
//!    and `b2_list_file_versions` whether it exists.
//!
//! | what the list shows | what follows |
//! | --- | --- |
//! | the copy | it is the result |
//! | nothing like it | the request is sent again after a pause |
//! | a version that cannot be distinguished from it | the call fails with the lost answer, because repeating the request could create a second copy |
//! | nothing, because the request fails | the call fails with the lost answer |
//!
//! A call that fails with a lost answer may have created the copy: look for it before you copy
//! again. A copy of more than 5 GB is refused, and leaves nothing.
//!
//! Each request for the copy is billed in class C, whether its answer arrives or not, and so is each
//! list; the description of the source in class B. Describing the source needs `readFiles`, and the
//! list `listFiles`: a key without them cannot look, so its call fails after the first lost answer.
//!
//! A copy that the service is still making when it is looked for is not in the list. The request that
//! is then sent again makes a second version, which is why there are at most three rounds.

use crate::error::{Error, ErrorCode, Result};
use crate::http::Beginning;
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::transfer::Transfer;
use crate::transfer::copy::Copy;
use crate::transfer::new_file::NewFile;
use crate::transfer::new_file::compare::Comparison;

/// The number of times that a copy is requested if its answers are lost. It is small, because each
/// round may have made a version that is not in the list yet.
const ROUNDS: u32 = 3;

/// The result of requesting a copy.
pub(super) enum CopyAnswer {
    /// The copy, and the number of attempts that failed.
    Done(Box<FileVersion>, u32),
    /// The source is too large for one request; the refusal says so.
    TooLarge(Error),
}

/// The result of a search for a copy whose answer was lost.
enum CopySearch {
    /// This is the copy.
    Found(Box<FileVersion>),
    /// There is no such copy.
    Nothing,
    /// There is a version like it, but the service does not tell enough to be sure.
    Doubtful,
}

impl Copy<'_> {
    /// Requests the copy. After a lost answer, the copy is looked for before it is requested again.
    ///
    /// `source` is the description of the source, if it was needed before. The answer is compared
    /// with what is known of the source: an answer about other bytes counts as a lost one.
    ///
    /// A refusal that is certain, such as one for a missing source, is returned at once, without a
    /// search. The progress reports one part, and the bytes of the file as if they had been moved.
    pub(super) fn copy_small(&self, source: Option<&FileVersion>) -> Result<CopyAnswer> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        let replacement = self.replacement(source)?;
        let replacement = replacement.as_ref();
        let file = replacement.unwrap_or(&self.file);
        let mut request = file.copy_request(self.source, replacement.is_none());
        request.range = self.range;
        let described = source.and_then(|source| self.selected_length(source));
        let total = self.length.or(described);
        let counter = self.transfer.counter(file.name, total);
        let beginning = session.http().begin();
        let policy = session.retry_policy();
        let (mut round, mut again) = (0, false);
        loop {
            let outcome = session.call(Operation::CopyFile, control, |raw| {
                counter.attempt(&mut again);
                let version = raw.copy_file(&request)?;
                self.check_copy(&version, total, source)?;
                Ok(version)
            });
            let version = match outcome {
                Ok(version) => version,
                Err(error) if error.code() == Some(&ErrorCode::from("source_too_large")) => {
                    return Ok(CopyAnswer::TooLarge(error));
                }
                Err(error) if !error.is_answer_lost() => return Err(error),
                Err(error) => match self.find_copy(&beginning, replacement) {
                    Ok(CopySearch::Found(version)) => *version,
                    Ok(CopySearch::Nothing) => {
                        round += 1;
                        if round >= ROUNDS.min(policy.max_attempts) || !error.may_pass() {
                            return Err(error);
                        }
                        control.sleep(session.clock(), policy.delay(round - 1))?;
                        continue;
                    }
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Ok(CopySearch::Doubtful) | Err(_) => return Err(error),
                },
            };
            counter.part_arrived();
            counter.add(version.content_length);
            counter.finish();
            return Ok(CopyAnswer::Done(Box::new(version), counter.retries()));
        }
    }

    /// Fails if the answer is about other bytes than those of the source, as far as these are
    /// known. Without a description of the source, only a length that the caller knows is compared.
    fn check_copy(
        &self,
        version: &FileVersion,
        length: Option<u64>,
        source: Option<&FileVersion>,
    ) -> Result<()> {
        let sha1 = source.and_then(|source| self.whole_sha1(source));
        let has_length = length.is_none_or(|length| version.content_length == length);
        let has_sha1 = match (sha1, version.content_sha1.digest()) {
            (Some(wanted), Some(told)) => wanted == told,
            _ => true,
        };
        if has_length && has_sha1 {
            return Ok(());
        }
        Err(Error::UnexpectedReply {
            operation: Operation::CopyFile,
            source: "it is about other bytes than those of the source".into(),
        })
    }

    /// Looks whether the service has made the requested copy since `beginning`.
    ///
    /// A version is the copy if it has the name, the length, the settings and the SHA-1 of what was
    /// asked for. Of a range nobody knows the SHA-1, so a version like it is only doubtful.
    fn find_copy(
        &self,
        beginning: &Beginning,
        replacement: Option<&NewFile<'_>>,
    ) -> Result<CopySearch> {
        let Transfer {
            session, control, ..
        } = self.transfer;
        let source = self.describe_source()?;
        let range = self.selected(&source).unwrap_or_default();
        let whole = self.whole_sha1(&source);
        let file = replacement.cloned().unwrap_or_else(|| {
            let content_type = source.content_type.as_deref();
            self.file
                .with_metadata(content_type, source.file_info.clone())
        });
        let is_like_it = |version: &FileVersion| {
            version.action == FileAction::Upload
                && version.content_length == range.end - range.start
                && (whole.is_none() || version.sha1().is_none_or(|sha1| Some(sha1) == whole))
                && !matches!(file.compare(version), Comparison::Different(_))
        };
        let found = session.find_made(control, file.bucket, file.name, beginning, is_like_it)?;
        let Some(version) = found else {
            return Ok(CopySearch::Nothing);
        };
        // The service may tell no SHA-1 of a copy (docs/protocol.md, section 12, 28), and not every
        // key how it is kept.
        let is_certain = whole.is_some() && version.sha1() == whole;
        Ok(
            if is_certain && file.compare(&version) == Comparison::Equal {
                CopySearch::Found(Box::new(version))
            } else {
                CopySearch::Doubtful
            },
        )
    }
}
