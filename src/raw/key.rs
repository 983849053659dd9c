//! Application keys (docs/protocol.md, sections 2.22 to 2.24), and tokens for downloads (section
//! 2.25).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::id::ApplicationKeyId;
use crate::model::key::KeyDetails;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::key::{
    CreateKeyRequest, CreateKeyResponse, DeleteKeyRequest, ListKeysRequest, ListKeysResponse,
};
use crate::wire::share::{DownloadAuthorizationRequest, DownloadAuthorizationResponse};

impl Raw<'_> {
    /// [`b2_create_key`](crate::guide::protocol#222-b2_create_key) creates an application key. Its
    /// secret appears only in this answer: if the answer is lost, the key exists but nobody can use
    /// it, and it should be deleted. Needs `writeKeys`; billed in class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::raw::CreateKeyRequest;
    /// use b2sdk::Operation;
    /// use b2sdk::keys::Capability;
    ///
    /// let created = b2_api.call_raw(Operation::CreateKey, |raw| {
    ///     let capabilities = [Capability::ListBuckets, Capability::ReadFiles];
    ///     let request = CreateKeyRequest::new(raw.account_id(), "reader", &capabilities)
    ///         .valid_duration_in_seconds(3600);
    ///     raw.create_key(&request)
    /// })?;
    /// assert_eq!(created.details.key_name, "reader");
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every
    /// call](Raw#errors).
    pub fn create_key(&self, request: &CreateKeyRequest<'_>) -> Result<CreateKeyResponse> {
        self.call(Operation::CreateKey, Subject::Account, request)
    }

    /// [`b2_list_keys`](crate::guide::protocol#223-b2_list_keys) returns a page of at most
    /// `max_key_count` keys (1 to 10,000), starting with the given id. The master key is never listed; keys that have
    /// expired may be. Needs `listKeys`; billed in class C, once for each started 1,000 keys that
    /// are returned.
    ///
    /// # Errors
    /// [The errors of every call](Raw#errors).
    pub fn list_keys(
        &self,
        start: Option<&ApplicationKeyId>,
        max_key_count: u32,
    ) -> Result<ListKeysResponse> {
        let account_id = &self.auth.account_id;
        let request = ListKeysRequest {
            account_id,
            start_application_key_id: start,
            max_key_count,
        };
        self.call(Operation::ListKeys, Subject::Account, &request)
    }

    /// [`b2_delete_key`](crate::guide::protocol#224-b2_delete_key) permanently deletes a key and returns
    /// what it was. Needs `deleteKeys`; billed in class A.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such key;
    /// otherwise [those of every call](Raw#errors).
    pub fn delete_key(&self, application_key_id: &ApplicationKeyId) -> Result<KeyDetails> {
        self.call(
            Operation::DeleteKey,
            Subject::Account,
            &DeleteKeyRequest { application_key_id },
        )
    }

    /// [`b2_get_download_authorization`](crate::guide::protocol#225-b2_get_download_authorization) returns
    /// a token with which others can download, by name, the files whose names start with the
    /// prefix. Needs `shareFiles`; billed in class C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::Operation;
    /// use b2sdk::raw::DownloadAuthorizationRequest;
    ///
    /// let bucket_id = bucket.id();
    /// let request = DownloadAuthorizationRequest::new(&bucket_id, "public/", 3600);
    /// let answer = b2_api.call_raw(Operation::GetDownloadAuthorization, |raw| {
    ///     raw.get_download_authorization(&request)
    /// })?;
    /// assert_eq!(answer.file_name_prefix.as_deref(), Some("public/"));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every call](Raw#errors).
    pub fn get_download_authorization(
        &self,
        request: &DownloadAuthorizationRequest<'_>,
    ) -> Result<DownloadAuthorizationResponse> {
        self.call(
            Operation::GetDownloadAuthorization,
            Subject::File(request.file_name_prefix),
            request,
        )
    }
}
