//! A copy in one request.
//!
//! 1. `b2_copy_file`.
//! 2. If its answer is lost: `b2_get_file_info` of the source tells what the copy must look like,
//!    `b2_list_file_versions` whether it is there. Found: that is the answer. Not found: once more.
//!    Something that cannot be told from it: the failure is reported.

use crate::error::{Error, ErrorCode, Result};
use crate::http::Beginning;
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::transfer::Transfer;
use crate::transfer::copy::Copy;
use crate::transfer::new_file::{Comparison, NewFile};

/// How often a copy is asked for whose answers are lost.
const ROUNDS: u32 = 3;

/// The result of asking for a copy in one request.
pub(super) enum Small {
    /// The copy, and how many attempts had failed.
    Done(Box<FileVersion>, u32),
    TooLarge(Error),
}

/// What a search for a copy found whose answer was lost.
enum Search {
    Found(Box<FileVersion>),
    Nothing,
    /// Something like it, of which not enough is told to say whether it is.
    Doubtful,
}

impl Copy<'_> {
    /// Asks for the copy in one request, and looks before asking again.
    pub(super) fn copy_small(&self, source: Option<&FileVersion>) -> Result<Small> {
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
        let tally = self.transfer.tally(file.name, total);
        let beginning = session.http().begin();
        let policy = session.retry_policy();
        let (mut round, mut again) = (0, false);
        loop {
            let outcome = session.call(Operation::CopyFile, control, |raw| {
                tally.attempt(&mut again);
                let version = raw.copy_file(&request)?;
                self.check_copy(&version, total, source)?;
                Ok(version)
            });
            let version = match outcome {
                Ok(version) => version,
                Err(error) if error.code() == Some(&ErrorCode::from("source_too_large")) => {
                    return Ok(Small::TooLarge(error));
                }
                Err(error) if !error.is_answer_lost() => return Err(error),
                Err(error) => match self.find_copy(&beginning, replacement) {
                    Ok(Search::Found(version)) => *version,
                    Ok(Search::Nothing) => {
                        round += 1;
                        if round >= ROUNDS.min(policy.max_attempts) || !error.may_pass() {
                            return Err(error);
                        }
                        control.sleep(session.clock(), policy.delay(round - 1))?;
                        continue;
                    }
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Ok(Search::Doubtful) | Err(_) => return Err(error),
                },
            };
            tally.part_arrived();
            tally.add(version.content_length);
            tally.finish();
            return Ok(Small::Done(Box::new(version), tally.retries()));
        }
    }

    /// Fails if the service tells of other bytes than those of the source, as far as they are known.
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

    /// Looks whether the service has made the copy that was asked for since the beginning.
    fn find_copy(
        &self,
        beginning: &Beginning,
        replacement: Option<&NewFile<'_>>,
    ) -> Result<Search> {
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
            return Ok(Search::Nothing);
        };
        // The service may tell no SHA-1 of a copy (docs/protocol.md, section 12, 28), and not every
        // key how it is kept.
        let is_certain = whole.is_some() && version.sha1() == whole;
        Ok(
            if is_certain && file.compare(&version) == Comparison::Equal {
                Search::Found(Box::new(version))
            } else {
                Search::Doubtful
            },
        )
    }
}
