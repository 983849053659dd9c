//! Buckets (docs/protocol.md, sections 2.2 to 2.5).

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
    /// [`b2_create_bucket`](crate::guide::protocol#22-b2_create_bucket) creates a bucket. Needs
    /// `writeBuckets`, and for encryption, object lock or replication also `writeBucketEncryption`,
    /// `writeBucketRetentions` or `writeBucketReplications`; billed in class C.
    ///
    /// # Errors
    /// [`Error::BucketNameTaken`](crate::Error::BucketNameTaken) if the name is taken by any
    /// account, including the case that an earlier request whose answer was lost has created the
    /// bucket; otherwise [those of every call](Raw#errors).
    pub fn create_bucket(&self, request: &CreateBucketRequest<'_>) -> Result<BucketDetails> {
        self.call(
            Operation::CreateBucket,
            Subject::Bucket(request.bucket_name),
            request,
        )
    }

    /// [`b2_update_bucket`](crate::guide::protocol#25-b2_update_bucket) changes a bucket. Each
    /// field that is given replaces the stored value as a whole, and the others stay as they are.
    /// Needs `writeBuckets`, and for encryption, object lock or replication the capabilities that
    /// [`create_bucket`](Self::create_bucket) needs; billed in class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::raw::UpdateBucketRequest;
    /// use b2sdk::{BucketType, Operation};
    ///
    /// let (bucket_id, revision) = (bucket.id(), bucket.details()?.revision);
    /// let updated = b2_api.call_raw(Operation::UpdateBucket, |raw| {
    ///     let request = UpdateBucketRequest::new(raw.account_id(), &bucket_id)
    ///         .bucket_type(&BucketType::AllPublic)
    ///         .if_revision_is(revision);
    ///     raw.update_bucket(&request)
    /// })?;
    /// assert!(updated.revision > revision);
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) if the bucket's revision is not the requested
    /// one; [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every
    /// call](Raw#errors).
    pub fn update_bucket(&self, request: &UpdateBucketRequest<'_>) -> Result<BucketDetails> {
        self.call(
            Operation::UpdateBucket,
            Subject::Bucket(request.bucket_id.as_str()),
            request,
        )
    }

    /// [`b2_delete_bucket`](crate::guide::protocol#23-b2_delete_bucket) deletes an empty bucket and
    /// returns what it was. Needs `deleteBuckets`; billed in class A.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound), including the case that an earlier
    /// request whose answer was lost has deleted it; [`Error::Service`](crate::Error::Service) with
    /// the code `cannot_delete_non_empty_bucket`; otherwise [those of every call](Raw#errors).
    pub fn delete_bucket(&self, bucket_id: &BucketId) -> Result<BucketDetails> {
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

    /// [`b2_list_buckets`](crate::guide::protocol#24-b2_list_buckets) lists the buckets that this
    /// key may see, all in one answer. If no bucket has the requested id or name, the list is
    /// empty. Needs `listBuckets`; billed in class C.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) also if the key is restricted to buckets and
    /// the request does not name one of them; otherwise [those of every call](Raw#errors).
    pub fn list_buckets(&self, request: &ListBucketsRequest<'_>) -> Result<ListBucketsResponse> {
        let subject = request
            .bucket_name
            .or(request.bucket_id.map(BucketId::as_str))
            .map_or(Subject::Account, Subject::Bucket);
        self.call(Operation::ListBuckets, subject, request)
    }

    /// Lists the buckets that this key may see: all, or the one with this name or id.
    pub(crate) fn find_buckets(
        &self,
        bucket_name: Option<&str>,
        bucket_id: Option<&BucketId>,
    ) -> Result<Vec<BucketDetails>> {
        let request = ListBucketsRequest {
            bucket_name,
            bucket_id,
            ..ListBucketsRequest::new(&self.auth.account_id)
        };
        Ok(self.list_buckets(&request)?.buckets)
    }
}
