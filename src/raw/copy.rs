//! Server-side copies (docs/protocol.md, sections 2.13 and 2.17).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::raw::Raw;
use crate::wire::copy::{CopyFileRequest, CopyPartRequest};

impl Raw<'_> {
    /// [`b2_copy_file`](crate::guide::protocol#213-b2_copy_file) copies a file, or a range of it, of less
    /// than 5 GB. The call returns when the copy is complete, which may take minutes. Needs
    /// `writeFiles`, and `readFiles` if the source's bucket is private; billed in class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # let source = bucket.upload_bytes(b"hello, world", "hello.txt")?.into_version();
    /// use b2sdk::raw::CopyFileRequest;
    /// use b2sdk::{ByteRange, Operation};
    ///
    /// let request = CopyFileRequest::new(&source.file_id, "greeting.txt").range(ByteRange::from(0..5));
    /// let copy = b2_api.call_raw(Operation::CopyFile, |raw| raw.copy_file(&request))?;
    /// assert_eq!(copy.content_length, 5);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable);
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) for the source's key;
    /// [`Error::Service`](crate::Error::Service) with the code `source_too_large`; otherwise
    /// [those of every call](Raw#errors).
    pub fn copy_file(&self, request: &CopyFileRequest<'_>) -> Result<FileVersion> {
        self.call(
            Operation::CopyFile,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }

    /// [`b2_copy_part`](crate::guide::protocol#217-b2_copy_part) copies a file, or a range of it, into a
    /// part of a large file. A part with the same number is replaced. Needs `writeFiles`, and
    /// `readFiles` if the source's bucket is private; billed in class C.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable);
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) for the source's key; otherwise [those of
    /// every call](Raw#errors).
    pub fn copy_part(&self, request: &CopyPartRequest<'_>) -> Result<Part> {
        self.call(
            Operation::CopyPart,
            Subject::File(request.source_file_id.as_str()),
            request,
        )
    }
}
