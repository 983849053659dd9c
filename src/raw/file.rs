//! File versions: listing, describing, hiding, deleting (reference sections 2.8 to 2.12).

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
    /// `b2_list_file_names` (reference section 2.8): a page of the latest versions, hidden files left out.
    /// Takes `listFiles`; billed in class C, once for each started 1000 rows that are asked for.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [as all](Raw#errors).
    pub fn list_file_names(&self, request: &ListFilesRequest) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileNames,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    /// `b2_list_file_versions` (reference section 2.9): a page of all versions, hide markers and unfinished
    /// large files among them. Takes `listFiles`; billed in class C, once for each started 1000 rows that
    /// are asked for.
    ///
    /// # Errors
    /// As [`list_file_names`](Self::list_file_names).
    pub fn list_file_versions(&self, request: &ListFilesRequest) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileVersions,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    /// `b2_get_file_info` (reference section 2.10) describes a version. Takes `readFiles`; billed in
    /// class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); otherwise [as all](Raw#errors).
    pub fn get_file_info(&self, file_id: &FileId) -> Result<FileVersion> {
        self.call(
            Operation::GetFileInfo,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    /// `b2_hide_file` (reference section 2.11) makes a hide marker, and describes it. Takes `writeFiles`;
    /// billed in class A.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); [`Error::Service`](crate::Error::Service) with
    /// the code `already_hidden`; [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise
    /// [as all](Raw#errors).
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

    /// `b2_delete_file_version` (reference section 2.12) deletes a version for good; an unfinished large
    /// file, too. Takes `deleteFiles`, and `bypassGovernance` if that is asked for; billed in class A.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also if an earlier request, whose answer was
    /// lost, has deleted it; [`Error::Locked`](crate::Error::Locked); otherwise [as all](Raw#errors).
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
