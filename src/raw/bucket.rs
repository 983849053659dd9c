//! Buckets (reference sections 2.2 to 2.5).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::bucket::BucketDetails;
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::bucket::{
    CreateBucketRequest, DeleteBucketRequest, ListBucketsRequest, ListBucketsResponse,
    UpdateBucketRequest,
};

impl Raw<'_> {
    pub(crate) fn create_bucket(&self, request: &CreateBucketRequest<'_>) -> Result<BucketDetails> {
        self.call(
            Operation::CreateBucket,
            Subject::Bucket(request.bucket_name),
            request,
        )
    }

    pub(crate) fn update_bucket(&self, request: &UpdateBucketRequest<'_>) -> Result<BucketDetails> {
        self.call(
            Operation::UpdateBucket,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    pub(crate) fn delete_bucket(&self, bucket_id: &BucketId) -> Result<BucketDetails> {
        let request = DeleteBucketRequest {
            account_id: &self.auth.account_id,
            bucket_id,
        };
        self.call(
            Operation::DeleteBucket,
            Subject::Bucket(bucket_id.as_str()),
            &request,
        )
    }

    /// The buckets that this key may list: all, or the one of that name or id.
    pub(crate) fn list_buckets(
        &self,
        name: Option<&str>,
        id: Option<&BucketId>,
    ) -> Result<Vec<BucketDetails>> {
        let subject = name
            .or(id.map(BucketId::as_str))
            .map_or(Subject::Account, Subject::Bucket);
        let request = ListBucketsRequest {
            account_id: &self.auth.account_id,
            bucket_id: id,
            bucket_name: name,
            bucket_types: ["all"],
        };
        let response: ListBucketsResponse = self.call(Operation::ListBuckets, subject, &request)?;
        Ok(response.buckets)
    }
}
