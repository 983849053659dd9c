//! File versions: listing, describing, hiding and deleting them (docs/protocol.md, sections 2.8 to
//! 2.12).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::file::{
    DeleteFileVersionRequest, DeleteFileVersionResponse, FileIdRequest, HideFileRequest,
    ListFilesRequest, ListFilesResponse,
};

impl Raw<'_> {
    /// [`b2_list_file_names`](crate::guide::protocol#28-b2_list_file_names) returns a page of the latest
    /// versions, without hidden files. Needs `listFiles`; billed in class C, once for each started
    /// 1,000 rows that are returned.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every call](Raw#errors).
    pub fn list_file_names(&self, request: &ListFilesRequest) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileNames,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    /// [`b2_list_file_versions`](crate::guide::protocol#29-b2_list_file_versions) returns a page of all
    /// versions, including hide markers and unfinished large files. Needs `listFiles`; billed in
    /// class C, once for each started 1,000 rows that are returned.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # for name in ["a.txt", "b.txt", "c.txt"] { bucket.upload_bytes(name.as_bytes(), name)?; }
    /// use b2sdk::Operation;
    /// use b2sdk::raw::ListFilesRequest;
    ///
    /// let mut request = ListFilesRequest::new(bucket.id()).max_file_count(2);
    /// let mut names = Vec::new();
    /// loop {
    ///     let page = b2_api.call_raw(Operation::ListFileVersions, |raw| raw.list_file_versions(&request))?;
    ///     names.extend(page.files.into_iter().map(|version| version.file_name));
    ///     if page.next_file_name.is_none() {
    ///         break;
    ///     }
    ///     (request.start_file_name, request.start_file_id) = (page.next_file_name, page.next_file_id);
    /// }
    /// assert_eq!(names, ["a.txt", "b.txt", "c.txt"]);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every
    /// call](Raw#errors).
    pub fn list_file_versions(&self, request: &ListFilesRequest) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileVersions,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    /// [`b2_get_file_info`](crate::guide::protocol#210-b2_get_file_info) describes a version. Needs
    /// `readFiles`; billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); otherwise [those of every call](Raw#errors).
    pub fn get_file_info(&self, file_id: &FileId) -> Result<FileVersion> {
        self.call(
            Operation::GetFileInfo,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    /// [`b2_hide_file`](crate::guide::protocol#211-b2_hide_file) hides a file by creating a hide
    /// marker, and returns the marker. The versions of the file stay and are billed. Needs
    /// `writeFiles`; billed in class A.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// use b2sdk::{FileAction, Operation};
    ///
    /// let marker = b2_api.call_raw(Operation::HideFile, |raw| raw.hide_file(&bucket.id(), "hello.txt"))?;
    /// assert_eq!(marker.action, FileAction::Hide);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::Service`](crate::Error::Service) with the code `already_hidden`;
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every
    /// call](Raw#errors).
    pub fn hide_file(&self, bucket_id: &BucketId, file_name: &str) -> Result<FileVersion> {
        self.call(
            Operation::HideFile,
            Subject::File(file_name),
            &HideFileRequest {
                bucket_id,
                file_name,
            },
        )
    }

    /// [`b2_delete_file_version`](crate::guide::protocol#212-b2_delete_file_version) permanently
    /// deletes a version, or an unfinished large file. Needs `deleteFiles`, and `bypassGovernance`
    /// to bypass governance; billed in class A.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), including the case that an earlier
    /// request whose answer was lost has deleted the version;
    /// [`Error::Locked`](crate::Error::Locked) if it is under retention or legal hold; otherwise
    /// [those of every call](Raw#errors).
    pub fn delete_file_version(
        &self,
        file_id: &FileId,
        file_name: &str,
        bypass_governance: bool,
    ) -> Result<DeleteFileVersionResponse> {
        let request = DeleteFileVersionRequest {
            file_name,
            file_id,
            bypass_governance,
        };
        self.call(
            Operation::DeleteFileVersion,
            Subject::File(file_name),
            &request,
        )
    }
}
