//! Calls that more than one room above makes in the same way.

use std::time::Duration;

use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::model::time::Timestamp;
use crate::session::Session;
use crate::wire::file::ListFilesRequest;
use crate::wire::large_file::ListPartsRequest;

impl Session {
    pub(crate) fn delete_file_version(
        &self,
        control: &Control,
        file_id: &FileId,
        file_name: &str,
    ) -> Result<()> {
        let outcome = self.call(Operation::DeleteFileVersion, control, |raw| {
            raw.delete_file_version(file_id, file_name)
        });
        match outcome {
            // An earlier attempt, whose answer was lost, had deleted it.
            Err(error) if error.is_not_found() && error.is_after_lost_answer() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    pub(crate) fn cancel_large_file(&self, control: &Control, file_id: &FileId) -> Result<()> {
        self.call(Operation::CancelLargeFile, control, |raw| {
            raw.cancel_large_file(file_id)
        })
        .map(|_| ())
    }

    /// All parts of an unfinished large file; there are at most 10,000.
    pub(crate) fn parts_of(&self, control: &Control, file_id: &FileId) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut start_part_number = None;
        loop {
            let request = ListPartsRequest {
                file_id,
                start_part_number,
                max_part_count: 1000,
            };
            let page = self.call(Operation::ListParts, control, |raw| {
                raw.list_parts(&request)
            })?;
            parts.extend(page.parts);
            if page.next_part_number <= start_part_number {
                return Ok(parts);
            }
            start_part_number = page.next_part_number;
        }
    }

    /// Whether a version was made after this moment of our clock, by the service's own clock, which its
    /// Date header tells to the second.
    pub(crate) fn is_made_since(&self, started: Duration, version: &FileVersion) -> bool {
        let began = self.http().service_time_at(started).map(Timestamp::from);
        began.is_some_and(|began| version.upload_timestamp >= began.earlier(Duration::from_secs(1)))
    }

    /// The first version of a file that is the one wanted, newest first.
    pub(crate) fn find_version(
        &self,
        control: &Control,
        bucket: &BucketId,
        file_name: &str,
        is_wanted: impl Fn(&FileVersion) -> bool,
    ) -> Result<Option<FileVersion>> {
        let mut request = ListFilesRequest {
            bucket_id: bucket.clone(),
            start_file_name: Some(file_name.to_owned()),
            start_file_id: None,
            max_file_count: 100,
            prefix: file_name.to_owned(),
            delimiter: None,
        };
        loop {
            let page = self.call(Operation::ListFileVersions, control, |raw| {
                raw.list_file_versions(&request)
            })?;
            let own = |version: &FileVersion| version.file_name == file_name;
            let others_follow = page.files.iter().any(|version| !own(version));
            if let Some(found) = page
                .files
                .into_iter()
                .find(|version| own(version) && is_wanted(version))
            {
                return Ok(Some(found));
            }
            let next = (page.next_file_name, page.next_file_id);
            let stuck = next.0 == request.start_file_name && next.1 == request.start_file_id;
            if others_follow || next.0.is_none() || stuck {
                return Ok(None);
            }
            (request.start_file_name, request.start_file_id) = next;
        }
    }
}
