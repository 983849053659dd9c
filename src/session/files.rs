//! Calls that more than one room above makes in the same way.

use crate::control::Control;
use crate::error::Result;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::session::Session;
use crate::wire::ListPartsRequest;

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
            Err(error) if error.is_not_found() && error.attempts() > 1 => Ok(()),
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
}
