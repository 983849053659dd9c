//! Application keys (reference sections 2.22 to 2.24), and tokens to download with (2.25).

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
    /// `b2_create_key` (reference section 2.22) makes an application key; its secret half is in this answer
    /// and nowhere else. Takes `writeKeys`; billed in class C.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [as all](Raw#errors).
    pub fn create_key(&self, request: &CreateKeyRequest<'_>) -> Result<CreateKeyResponse> {
        self.call(Operation::CreateKey, Subject::Account, request)
    }

    /// `b2_list_keys` (reference section 2.23): a page of at most so many keys, 1 to 10,000, from this id
    /// on. The master key is not among them, and keys that have ended may be. Takes `listKeys`; billed in
    /// class C, once for each started 1000 keys that are asked for.
    ///
    /// # Errors
    /// [As all](Raw#errors).
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

    /// `b2_delete_key` (reference section 2.24) deletes a key for good, and tells what it was. Takes
    /// `deleteKeys`; billed in class A.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such key;
    /// otherwise [as all](Raw#errors).
    pub fn delete_key(&self, application_key_id: &ApplicationKeyId) -> Result<KeyDetails> {
        self.call(
            Operation::DeleteKey,
            Subject::Account,
            &DeleteKeyRequest { application_key_id },
        )
    }

    /// `b2_get_download_authorization` (reference section 2.25): a token with which others may download
    /// the files whose names start so, by name. Takes `shareFiles`; billed in class C.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [as all](Raw#errors).
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
