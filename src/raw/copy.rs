//! Server-side copies (reference sections 2.13 and 2.17).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::raw::Raw;
use crate::wire::copy::{CopyFileRequest, CopyPartRequest};

impl Raw<'_> {
    pub(crate) fn copy_file(&self, request: &CopyFileRequest<'_>) -> Result<FileVersion> {
        self.call(
            Operation::CopyFile,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }

    pub(crate) fn copy_part(&self, request: &CopyPartRequest<'_>) -> Result<Part> {
        self.call(
            Operation::CopyPart,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }
}
