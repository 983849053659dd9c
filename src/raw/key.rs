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
    pub(crate) fn create_key(&self, request: &CreateKeyRequest<'_>) -> Result<CreateKeyResponse> {
        self.call(Operation::CreateKey, Subject::Account, request)
    }

    pub(crate) fn list_keys(
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

    pub(crate) fn delete_key(&self, application_key_id: &ApplicationKeyId) -> Result<KeyDetails> {
        self.call(
            Operation::DeleteKey,
            Subject::Account,
            &DeleteKeyRequest { application_key_id },
        )
    }

    pub(crate) fn get_download_authorization(
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
