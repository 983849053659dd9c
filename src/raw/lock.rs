//! Retention and legal hold of files (docs/protocol.md, sections 2.28 and 2.29).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::lock::{
    UpdateFileLegalHoldRequest, UpdateFileLegalHoldResponse, UpdateFileRetentionRequest,
    UpdateFileRetentionResponse,
};

impl Raw<'_> {
    /// [`b2_update_file_retention`](crate::guide::protocol#228-b2_update_file_retention) sets or removes
    /// the retention of a version. Needs `writeFileRetentions`, and `bypassGovernance` to weaken
    /// governance; billed in class A.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) for a weakening that is not allowed, and for a key that
    /// lacks the capability: the service tells them not apart;
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); [`Error::Service`](crate::Error::Service) with
    /// the code `bucket_missing_file_lock`; otherwise [those of every call](Raw#errors).
    pub fn update_file_retention(
        &self,
        request: &UpdateFileRetentionRequest<'_>,
    ) -> Result<UpdateFileRetentionResponse> {
        self.call(
            Operation::UpdateFileRetention,
            Subject::File(request.file_name),
            request,
        )
    }

    /// [`b2_update_file_legal_hold`](crate::guide::protocol#229-b2_update_file_legal_hold) puts a version
    /// on legal hold or releases it. Needs `writeFileLegalHolds`; billed in class A.
    ///
    /// # Errors
    /// As [`update_file_retention`](Self::update_file_retention).
    pub fn update_file_legal_hold(
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
