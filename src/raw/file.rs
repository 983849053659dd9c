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
    pub(crate) fn list_file_names(&self, request: &ListFilesRequest) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileNames,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    pub(crate) fn list_file_versions(
        &self,
        request: &ListFilesRequest,
    ) -> Result<ListFilesResponse> {
        self.call(
            Operation::ListFileVersions,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    pub(crate) fn get_file_info(&self, file_id: &FileId) -> Result<FileVersion> {
        self.call(
            Operation::GetFileInfo,
            Subject::File(file_id.as_str()),
            &FileIdRequest { file_id },
        )
    }

    pub(crate) fn hide_file(&self, bucket_id: &BucketId, file_name: &str) -> Result<FileVersion> {
        self.call(
            Operation::HideFile,
            Subject::File(file_name),
            &HideFileRequest {
                bucket_id,
                file_name,
            },
        )
    }

    pub(crate) fn delete_file_version(
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
