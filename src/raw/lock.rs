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
    /// [`b2_update_file_retention`](crate::guide::protocol#228-b2_update_file_retention) sets or
    /// removes the retention of a version. Needs `writeFileRetentions`, and `bypassGovernance` to
    /// weaken governance; billed in class A.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if the retention must not be weakened in this way,
    /// or if the key lacks the capability, which the service does not distinguish;
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::Service`](crate::Error::Service) with the code `bucket_missing_file_lock`;
    /// otherwise [those of every call](Raw#errors).
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

    /// [`b2_update_file_legal_hold`](crate::guide::protocol#229-b2_update_file_legal_hold) places a
    /// version under legal hold or releases it. Needs `writeFileLegalHolds`; billed in class A.
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
