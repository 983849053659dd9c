//! The envelopes of requests and answers, exactly as they travel (reference section 2). Nothing is
//! computed here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::auth::{Allowed, Capability};
use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::cors::CorsRule;
use crate::model::file::FileVersion;
use crate::model::file_info::FileInfo;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId, FileId};
use crate::model::key::KeyDetails;
use crate::model::lenient::null_is_default;
use crate::model::lifecycle::LifecycleRule;
use crate::model::part::Part;
use crate::model::secret::{ApplicationKey, AuthToken, DownloadToken, UploadToken};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizeResponse {
    pub(crate) account_id: AccountId,
    pub(crate) authorization_token: AuthToken,
    pub(crate) api_info: ApiInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiInfo {
    pub(crate) storage_api: StorageApi,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StorageApi {
    pub(crate) absolute_minimum_part_size: u64,
    pub(crate) recommended_part_size: u64,
    pub(crate) api_url: String,
    pub(crate) download_url: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) s3_api_url: String,
    #[serde(flatten)]
    pub(crate) restrictions: Restrictions,
}

/// What the key may do, where version 4 writes it or where version 3 did (reference section 1.2).
#[derive(Deserialize)]
pub(crate) struct Restrictions {
    #[serde(default)]
    allowed: Option<Allowed>,
    #[serde(flatten)]
    flattened: Allowed,
}

impl Restrictions {
    /// The restrictions, wherever they stand: overlooking them would make a restricted key look
    /// like one for everything.
    pub(crate) fn into_allowed(self) -> Allowed {
        self.allowed.unwrap_or(self.flattened)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_name: &'a str,
    pub(crate) bucket_type: &'a BucketType,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bucket_info: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) cors_rules: &'a [CorsRule],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) lifecycle_rules: &'a [LifecycleRule],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_id: &'a BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_type: Option<&'a BucketType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_info: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cors_rules: Option<&'a [CorsRule]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle_rules: Option<&'a [LifecycleRule]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) if_revision_is: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteBucketRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) bucket_id: &'a BucketId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListBucketsRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_id: Option<&'a BucketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_name: Option<&'a str>,
    pub(crate) bucket_types: [&'static str; 1],
}

#[derive(Deserialize)]
pub(crate) struct ListBucketsResponse {
    pub(crate) buckets: Vec<BucketDetails>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUploadUrlRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadUrlResponse {
    pub(crate) upload_url: String,
    pub(crate) authorization_token: UploadToken,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListFilesRequest {
    pub(crate) bucket_id: BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_name: Option<String>,
    /// Only for versions, and only together with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_id: Option<FileId>,
    pub(crate) max_file_count: u32,
    pub(crate) prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListFilesResponse {
    pub(crate) files: Vec<FileVersion>,
    #[serde(default)]
    pub(crate) next_file_name: Option<String>,
    #[serde(default)]
    pub(crate) next_file_id: Option<FileId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileIdRequest<'a> {
    pub(crate) file_id: &'a FileId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HideFileRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteFileVersionRequest<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_id: &'a FileId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteFileVersionResponse {
    #[serde(rename = "fileId")]
    pub(crate) _file_id: FileId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartLargeFileRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) file_info: &'a FileInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FinishLargeFileRequest<'a> {
    pub(crate) file_id: &'a FileId,
    pub(crate) part_sha1_array: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelLargeFileResponse {
    #[serde(rename = "fileId")]
    pub(crate) _file_id: FileId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPartsRequest<'a> {
    pub(crate) file_id: &'a FileId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_part_number: Option<u32>,
    pub(crate) max_part_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPartsResponse {
    pub(crate) parts: Vec<Part>,
    #[serde(default)]
    pub(crate) next_part_number: Option<u32>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListUnfinishedRequest {
    pub(crate) bucket_id: BucketId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_file_id: Option<FileId>,
    pub(crate) max_file_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListUnfinishedResponse {
    pub(crate) files: Vec<FileVersion>,
    #[serde(default)]
    pub(crate) next_file_id: Option<FileId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateKeyRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    pub(crate) capabilities: &'a [Capability],
    pub(crate) key_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_duration_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_ids: Option<&'a [BucketId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_prefix: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateKeyResponse {
    pub(crate) application_key: ApplicationKey,
    #[serde(flatten)]
    pub(crate) details: KeyDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysRequest<'a> {
    pub(crate) account_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_application_key_id: Option<&'a ApplicationKeyId>,
    pub(crate) max_key_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListKeysResponse {
    pub(crate) keys: Vec<KeyDetails>,
    #[serde(default)]
    pub(crate) next_application_key_id: Option<ApplicationKeyId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteKeyRequest<'a> {
    pub(crate) application_key_id: &'a ApplicationKeyId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadAuthorizationRequest<'a> {
    pub(crate) bucket_id: &'a BucketId,
    pub(crate) file_name_prefix: &'a str,
    pub(crate) valid_duration_in_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadAuthorizationResponse {
    pub(crate) authorization_token: DownloadToken,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyFileRequest<'a> {
    pub(crate) source_file_id: &'a FileId,
    pub(crate) file_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination_bucket_id: Option<&'a BucketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    pub(crate) metadata_directive: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_info: Option<&'a FileInfo>,
}

#[cfg(test)]
mod tests;
