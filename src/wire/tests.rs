//! The client held against `fixtures/wire`: what we send is exactly a request fixture, and every
//! response fixture is read, however much of it is missing, null or new (docs/protocol.md, section
//! 1.5). The simulator is held against the same files by its own tests.

mod mixtures;
mod requests;
mod responses;
mod tolerance;

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::auth::Allowed;
use crate::model::bucket::BucketDetails;
use crate::model::file::FileVersion;
use crate::model::key::KeyDetails;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::wire::auth::AuthorizeAccountResponse;
use crate::wire::bucket::ListBucketsResponse;
use crate::wire::file::{DeleteFileVersionResponse, ListFilesResponse};
use crate::wire::key::{CreateKeyResponse, ListKeysResponse};
use crate::wire::large_file::{CancelLargeFileResponse, ListPartsResponse, ListUnfinishedResponse};
use crate::wire::lock::{UpdateFileLegalHoldResponse, UpdateFileRetentionResponse};
use crate::wire::notification::NotificationRulesResponse;
use crate::wire::share::DownloadAuthorizationResponse;
use crate::wire::upload::UploadUrlResponse;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire")
}

/// The fixture of that path below `fixtures/wire`, without `.json`.
fn fixture(path: &str) -> Value {
    let text = fs::read_to_string(folder().join(format!("{path}.json")));
    let text = text.unwrap_or_else(|error| panic!("fixtures/wire/{path}.json: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("fixtures/wire/{path}.json: {error}"))
}

fn read<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_value(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every JSON body that answers a call: the path of its fixture, and which kind it is.
fn answers() -> Vec<(String, Kind)> {
    let mut found = Vec::new();
    for endpoint in fs::read_dir(folder()).unwrap() {
        let endpoint = endpoint.unwrap();
        for file in fs::read_dir(endpoint.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let endpoint = endpoint.file_name().into_string().unwrap();
            let name = file.strip_suffix(".json").unwrap();
            let is_answer = name.starts_with("response") && !name.starts_with("response_headers");
            if is_answer {
                found.push((format!("{endpoint}/{name}"), Kind::of(&endpoint, name)));
            }
        }
    }
    assert!(found.len() > 40, "the fixtures were not found");
    found
}

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Authorization,
    /// The flat answers of versions 1 and 2, which we never ask for; but a store may hold their
    /// `allowed`.
    OlderAllowed,
    Bucket,
    Buckets,
    UploadUrl,
    File,
    Files,
    Unfinished,
    Deleted,
    Cancelled,
    Part,
    Parts,
    Key,
    NewKey,
    Keys,
    DownloadAuthorization,
    NotificationRules,
    Retention,
    LegalHold,
}

impl Kind {
    fn of(endpoint: &str, name: &str) -> Self {
        match endpoint {
            "b2_authorize_account" if name.starts_with("response_v1") => Self::OlderAllowed,
            "b2_authorize_account" if name.starts_with("response_v2") => Self::OlderAllowed,
            "b2_authorize_account" => Self::Authorization,
            "b2_create_bucket" | "b2_update_bucket" | "b2_delete_bucket" => Self::Bucket,
            "b2_list_buckets" => Self::Buckets,
            "b2_get_upload_url" | "b2_get_upload_part_url" => Self::UploadUrl,
            "b2_upload_file"
            | "b2_get_file_info"
            | "b2_hide_file"
            | "b2_start_large_file"
            | "b2_finish_large_file"
            | "b2_copy_file" => Self::File,
            "b2_list_file_names" | "b2_list_file_versions" => Self::Files,
            "b2_list_unfinished_large_files" => Self::Unfinished,
            "b2_delete_file_version" => Self::Deleted,
            "b2_cancel_large_file" => Self::Cancelled,
            "b2_upload_part" | "b2_copy_part" => Self::Part,
            "b2_list_parts" => Self::Parts,
            "b2_delete_key" => Self::Key,
            "b2_create_key" => Self::NewKey,
            "b2_list_keys" => Self::Keys,
            "b2_update_file_retention" => Self::Retention,
            "b2_update_file_legal_hold" => Self::LegalHold,
            "b2_get_download_authorization" => Self::DownloadAuthorization,
            "b2_get_bucket_notification_rules" | "b2_set_bucket_notification_rules" => {
                Self::NotificationRules
            }
            _ => panic!("nothing reads fixtures/wire/{endpoint}/{name}.json"),
        }
    }

    /// Reads a body, and tells what was read as `Debug` shows it.
    fn parse(self, body: &Value) -> Result<String, serde_json::Error> {
        fn as_a<T: DeserializeOwned + Debug>(body: &Value) -> Result<String, serde_json::Error> {
            // From text, as in life: reading a `Value` is more forgiving about borrowed strings.
            serde_json::from_str::<T>(&body.to_string()).map(|read| format!("{read:?}"))
        }
        match self {
            Self::Authorization => as_a::<AuthorizeAccountResponse>(body),
            Self::OlderAllowed => as_a::<Allowed>(&body["allowed"]),
            Self::Bucket => as_a::<BucketDetails>(body),
            Self::Buckets => as_a::<ListBucketsResponse>(body),
            Self::UploadUrl => as_a::<UploadUrlResponse>(body),
            Self::File => as_a::<FileVersion>(body),
            Self::Files => as_a::<ListFilesResponse>(body),
            Self::Unfinished => as_a::<ListUnfinishedResponse>(body),
            Self::Deleted => as_a::<DeleteFileVersionResponse>(body),
            Self::Cancelled => as_a::<CancelLargeFileResponse>(body),
            Self::Part => as_a::<Part>(body),
            Self::Parts => as_a::<ListPartsResponse>(body),
            Self::Key => as_a::<KeyDetails>(body),
            Self::NewKey => as_a::<CreateKeyResponse>(body),
            Self::Keys => as_a::<ListKeysResponse>(body),
            Self::Retention => as_a::<UpdateFileRetentionResponse>(body),
            Self::LegalHold => as_a::<UpdateFileLegalHoldResponse>(body),
            Self::DownloadAuthorization => as_a::<DownloadAuthorizationResponse>(body),
            Self::NotificationRules => as_a::<NotificationRulesResponse>(body),
        }
    }
}

#[test]
fn every_endpoint_has_a_request_and_an_answer() {
    for operation in Operation::ALL {
        let files = fs::read_dir(folder().join(operation.name())).unwrap();
        let names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        for kind in ["request", "response"] {
            let has = names.iter().any(|name| name.starts_with(kind));
            assert!(has, "{operation} has no {kind}");
        }
    }
}

#[test]
fn every_response_fixture_is_read() {
    for (path, kind) in answers() {
        kind.parse(&fixture(&path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
