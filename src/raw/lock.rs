//! Retention and legal hold of files (reference sections 2.28 and 2.29).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::lock::{
    UpdateFileLegalHoldRequest, UpdateFileLegalHoldResponse, UpdateFileRetentionRequest,
    UpdateFileRetentionResponse,
};

impl Raw<'_> {
    pub(crate) fn update_file_retention(
        &self,
        request: &UpdateFileRetentionRequest<'_>,
    ) -> Result<UpdateFileRetentionResponse> {
        self.call(
            Operation::UpdateFileRetention,
            Subject::File(request.file_name),
            request,
        )
    }

    pub(crate) fn update_file_legal_hold(
        &self,
        request: &UpdateFileLegalHoldRequest<'_>,
    ) -> Result<UpdateFileLegalHoldResponse> {
        self.call(
            Operation::UpdateFileLegalHold,
            Subject::File(request.file_name),
            request,
        )
    }
}
