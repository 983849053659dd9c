//! Calls that several of the layers above make, each written once: deleting a version, changing its
//! retention, cancelling a large file, and looking a version up.
//!
//! Two of them cannot be repeated without care. If the answer to a deletion or a cancellation is
//! lost, the second request finds nothing to delete. That refusal means that the first request took
//! effect, so the call succeeds.
//!
//! All of these run under the session's retry loop, and check beforehand what the key certainly
//! lacks. None of them caches anything.
//!
//! | call | requests, class | after a lost answer |
//! | --- | --- | --- |
//! | `delete_file_version` | one, A | repeated; "not found" is then a success |
//! | `update_file_retention` | one, A | repeated: it sets the same value again |
//! | `update_file_legal_hold` | one, A | repeated: it sets the same value again |
//! | `cancel_large_file` | one, A | repeated; "bad request" is then a success |
//! | `parts_of` | one for each 1,000 parts, C | repeated |
//! | `find_version`, `find_made` | one for each 100 versions, C | repeated |
//!
//! The meaning of a repeated refusal depends on the history of the call: `is_after_lost_answer` is
//! true only if an earlier attempt of this very call may have taken effect. A first attempt that
//! finds nothing is always an error.

use std::cell::Cell;
use std::time::Duration;

use crate::control::Control;
use crate::error::{ErrorCode, Result};
use crate::http::Beginning;
use crate::model::auth::Capability;
use crate::model::file::{FileAction, FileVersion};
use crate::model::filtered::Filtered;
use crate::model::id::{BucketId, FileId};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::model::time::Timestamp;
use crate::session::Session;
use crate::session::capabilities::Requirements;
use crate::session::paging::Pages;
use crate::wire::file::ListFilesRequest;
use crate::wire::large_file::ListPartsRequest;
use crate::wire::lock::{UpdateFileLegalHoldRequest, UpdateFileRetentionRequest};

impl Session {
    /// Deletes one version. Deleting a version that does not exist fails, unless an earlier attempt
    /// of this call whose answer was lost has deleted it.
    ///
    /// Needs `deleteFiles`, and `bypassGovernance` if retention is to be ignored; a key that lacks
    /// one fails with `NotAllowed` before anything is sent. A version that is deleted cannot be
    /// brought back.
    pub(crate) fn delete_file_version(
        &self,
        control: &Control,
        file_id: &FileId,
        file_name: &str,
        bypass_governance: bool,
    ) -> Result<()> {
        let needs = Requirements::from(Operation::DeleteFileVersion)
            .named(file_name)
            .and_if(bypass_governance, Capability::BypassGovernance);
        let outcome = self.call(needs, control, |raw| {
            raw.delete_file_version(file_id, file_name, bypass_governance)
        });
        match outcome {
            // An earlier attempt, whose answer was lost, had deleted it.
            Err(error) if error.is_not_found() && error.is_after_lost_answer() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// Sets the retention of a version, or clears it with `None`, and returns what the service
    /// stored.
    ///
    /// `None` is returned if the version has no retention afterwards. If the answer does not say,
    /// or the key may not read it, what was asked for is returned.
    pub(crate) fn update_file_retention(
        &self,
        control: &Control,
        file_id: &FileId,
        file_name: &str,
        retention: Option<&FileRetention>,
        bypass_governance: bool,
    ) -> Result<Option<FileRetention>> {
        let needs = Requirements::from(Operation::UpdateFileRetention)
            .named(file_name)
            .and_if(bypass_governance, Capability::BypassGovernance);
        let answer = self.call(needs, control, |raw| {
            let request = UpdateFileRetentionRequest::new(file_id, file_name, retention)
                .bypass_governance(bypass_governance);
            raw.update_file_retention(&request)
        })?;
        Ok(match answer.file_retention {
            Some(Filtered::Readable(stored)) => Some(stored),
            Some(Filtered::Unset) => None,
            // The key may not read it. The service did not refuse the change, so it holds.
            Some(Filtered::NotAuthorized) | None => retention.cloned(),
        })
    }

    /// Places a version under legal hold, or releases it.
    ///
    /// The answer repeats the setting and is not compared with it: the service has accepted the
    /// request.
    pub(crate) fn update_file_legal_hold(
        &self,
        control: &Control,
        file_id: &FileId,
        file_name: &str,
        legal_hold: &LegalHold,
    ) -> Result<()> {
        let needs = Requirements::from(Operation::UpdateFileLegalHold).named(file_name);
        self.call(needs, control, |raw| {
            let request = UpdateFileLegalHoldRequest::new(file_id, file_name, legal_hold);
            raw.update_file_legal_hold(&request)
        })
        .map(|_| ())
    }

    /// Cancels an unfinished large file, whose parts are then deleted. Succeeds if an earlier
    /// attempt of this call whose answer was lost has cancelled it.
    ///
    /// A refusal of a first attempt is an error, such as for a file that was finished already.
    pub(crate) fn cancel_large_file(&self, control: &Control, file_id: &FileId) -> Result<()> {
        let outcome = self.call(Operation::CancelLargeFile, control, |raw| {
            raw.cancel_large_file(file_id)
        });
        match outcome {
            // An earlier attempt, whose answer was lost, had cancelled it: there is none any more.
            Err(error)
                if error.is_after_lost_answer() && error.code() == Some(&ErrorCode::BadRequest) =>
            {
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Returns all parts of an unfinished large file, of which there are at most 10,000. Each 1,000
    /// parts cost one request.
    ///
    /// All of them are in memory together. A page that fails ends the call with its error, and what
    /// was read before is dropped.
    pub(crate) fn parts_of(&self, control: &Control, file_id: &FileId) -> Result<Vec<Part>> {
        let mut pages = PartPages::new(file_id.clone());
        std::iter::from_fn(|| pages.next(self, control)).collect()
    }

    /// Whether a version was created after `beginning`, as far as the service's own clock tells.
    /// Its `Date` header has a resolution of one second, so a version from the second before counts
    /// as well. Returns false if no answer has told the service's time yet.
    ///
    /// It is meant to be wrong in one direction only: a version from shortly before `beginning` may
    /// count, and one from after it does if the service's time is known.
    fn is_made_since(&self, beginning: &Beginning, version: &FileVersion) -> bool {
        let began = self.http().service_time_of(beginning).map(Timestamp::from);
        began.is_some_and(|began| version.upload_timestamp >= began.earlier(Duration::from_secs(1)))
    }

    /// Whether a version was created after `beginning` beyond doubt, however the `Date` header is rounded and
    /// whichever of our clocks is right.
    ///
    /// It is meant to be wrong in the other direction only: a version from shortly after
    /// `beginning` may not count.
    fn is_surely_made_since(&self, beginning: &Beginning, version: &FileVersion) -> bool {
        let began = self.http().latest_service_time_of(beginning);
        let second = Duration::from_secs(1);
        let surely_after = began.and_then(|began| began.checked_add(second));
        surely_after.is_some_and(|after| version.upload_timestamp > Timestamp::from(after))
    }

    /// Returns the version of a file that was created after `beginning` and for which `is_like_it` returns
    /// true.
    ///
    /// The service's time is known to the second only, so an equal version from just before may be found.
    /// As the latest version it does no harm, because the file has the content that was asked for. Below
    /// another version it counts only if its time leaves no doubt. Otherwise the caller would be told that
    /// the file has a content that was replaced already.
    ///
    /// The caller must have called `begin` before its first attempt, and must pass that moment.
    /// Versions that are too old are not read further, so a file with many versions costs one
    /// request as a rule.
    pub(crate) fn find_made(
        &self,
        control: &Control,
        bucket: &BucketId,
        file_name: &str,
        beginning: &Beginning,
        is_like_it: impl Fn(&FileVersion) -> bool,
    ) -> Result<Option<FileVersion>> {
        let is_latest = Cell::new(true);
        let is_wanted = |version: &FileVersion| {
            let is_latest = match version.action {
                // A file that is not finished replaces nothing.
                FileAction::Start => is_latest.get(),
                _ => is_latest.replace(false),
            };
            is_like_it(version)
                && self.is_made_since(beginning, version)
                && (is_latest || self.is_surely_made_since(beginning, version))
        };
        let is_too_old = |version: &FileVersion| !self.is_made_since(beginning, version);
        self.find_version(control, bucket, file_name, is_wanted, is_too_old)
    }

    /// Returns the newest version of a file for which `is_wanted` returns true.
    ///
    /// Versions are listed newest first, so the search ends at the first one that `is_too_old`.
    /// Each 100 versions cost one request.
    ///
    /// The newest one is first, large files that are not finished and hide markers included;
    /// `is_wanted` has to exclude what it does not mean. An error of a page is returned even if a
    /// later page would have had the version.
    pub(crate) fn find_version(
        &self,
        control: &Control,
        bucket: &BucketId,
        file_name: &str,
        is_wanted: impl Fn(&FileVersion) -> bool,
        is_too_old: impl Fn(&FileVersion) -> bool,
    ) -> Result<Option<FileVersion>> {
        let mut request = ListFilesRequest::new(bucket.clone())
            .max_file_count(100)
            .prefix(file_name);
        let operation = Operation::ListFileVersions;
        let mut pages = Pages::from((file_name.to_owned(), None));
        let mut versions = std::iter::from_fn(|| {
            pages.next(operation, |start| {
                if let Some((name, id)) = start {
                    request.start_file_name = Some(name.clone());
                    request.start_file_id.clone_from(id);
                }
                let needs = Requirements::from(operation)
                    .bucket(bucket)
                    .named(file_name);
                let page = self.call(needs, control, |raw| raw.list_file_versions(&request))?;
                Ok((
                    page.files,
                    page.next_file_name.map(|name| (name, page.next_file_id)),
                ))
            })
        });
        // The versions of the next file name follow those of this one.
        let is_beyond =
            |version: &FileVersion| version.file_name != file_name || is_too_old(version);
        let found = versions.find(|version| {
            let version = version.as_ref();
            version.map_or(true, |version| is_wanted(version) || is_beyond(version))
        });
        Ok(found.transpose()?.filter(|version| !is_beyond(version)))
    }
}

/// The parts of an unfinished large file, in the order of their numbers, 1,000 to a page.
///
/// Each page is one request of class C.
#[derive(Debug)]
pub(crate) struct PartPages {
    /// The large file whose parts are listed.
    file_id: FileId,
    /// The rows, and the number of the part at which the next page starts.
    pages: Pages<u32, Part>,
}

impl PartPages {
    /// Creates a listing from the first part on. Nothing is sent.
    pub(crate) fn new(file_id: FileId) -> Self {
        Self {
            file_id,
            pages: Pages::default(),
        }
    }

    /// The next part, or `None` after the last one. After an error it is at its end.
    pub(crate) fn next(&mut self, session: &Session, control: &Control) -> Option<Result<Part>> {
        let Self { file_id, pages } = self;
        pages.next(Operation::ListParts, |start| {
            let request = ListPartsRequest {
                file_id,
                start_part_number: start.copied(),
                max_part_count: 1000,
            };
            let page = session.call(Operation::ListParts, control, |raw| {
                raw.list_parts(&request)
            })?;
            Ok((page.parts, page.next_part_number))
        })
    }
}
