//! Server-side copies (reference sections 2.13 and 2.17).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::raw::Raw;
use crate::wire::copy::{CopyFileRequest, CopyPartRequest};

impl Raw<'_> {
    /// `b2_copy_file` (reference section 2.13) makes a file of another one, or of a range of it, of less
    /// than 5 GB; it answers when that is done, which may take minutes. Takes `writeFiles`, and
    /// `readFiles` if the source's bucket is private; billed in class C.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable);
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) for the source's key;
    /// [`Error::Service`](crate::Error::Service) with the code `source_too_large`; otherwise
    /// [as all](Raw#errors).
    pub fn copy_file(&self, request: &CopyFileRequest<'_>) -> Result<FileVersion> {
        self.call(
            Operation::CopyFile,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }

    /// `b2_copy_part` (reference section 2.17) makes a part of a large file of another file, or of a range
    /// of it. A part of that number is replaced. Takes `writeFiles`, and `readFiles` if the source's
    /// bucket is private; billed in class C.
    ///
    /// # Errors
    /// As [`copy_file`](Self::copy_file).
    pub fn copy_part(&self, request: &CopyPartRequest<'_>) -> Result<Part> {
        self.call(
            Operation::CopyPart,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }
}
