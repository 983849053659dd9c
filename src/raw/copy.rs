//! Server-side copies (reference section 2.13).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::copy::CopyFileRequest;

impl Raw<'_> {
    pub(crate) fn copy_file(&self, request: &CopyFileRequest<'_>) -> Result<FileVersion> {
        self.call(
            Operation::CopyFile,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }
}
