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
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::lock::LegalHold;
    /// use b2sdk::raw::UpdateFileLegalHoldRequest;
    /// use b2sdk::{BucketType, CreateBucketOptions, Operation};
    ///
    /// let options = CreateBucketOptions::new().file_lock(true);
    /// let bucket = b2_api.create_bucket_with("example-mybucket-b2-1", BucketType::AllPrivate, &options)?;
    /// let version = bucket.upload_bytes(b"evidence", "evidence.txt")?.into_version();
    /// let request = UpdateFileLegalHoldRequest::new(&version.file_id, "evidence.txt", &LegalHold::On);
    /// let answer = b2_api.call_raw(Operation::UpdateFileLegalHold, |raw| {
    ///     raw.update_file_legal_hold(&request)
    /// })?;
    /// assert_eq!(answer.legal_hold, Some(LegalHold::On));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); [`Error::Service`](crate::Error::Service)
    /// with the code `bucket_missing_file_lock`; otherwise [those of every call](Raw#errors).
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
