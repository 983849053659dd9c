//! What we send is exactly a request fixture: no member more, none less.

mod files;

use std::collections::BTreeMap;

use serde::Serialize;

use super::fixture;
use crate::model::auth::Capability;
use crate::model::bucket::BucketType;
use crate::model::cors::CorsRule;
use crate::model::encryption::Encryption;
use crate::model::file_info::FileInfo;
use crate::model::id::{AccountId, ApplicationKeyId, BucketId, FileId};
use crate::model::lifecycle::LifecycleRule;
use crate::model::lock::{
    BucketRetention, DefaultRetention, FileRetention, LegalHold, RetentionPeriod,
};
use crate::model::notification::{EventNotificationRule, EventTarget, EventType};
use crate::model::range::ByteRange;
use crate::model::replication::{ReplicationConfiguration, ReplicationRule};
use crate::model::response_headers::ResponseHeaders;
use crate::model::secret::SseCustomerKey;
use crate::model::time::Timestamp;
use crate::wire::bucket::{
    CreateBucketRequest, DeleteBucketRequest, ListBucketsRequest, UpdateBucketRequest,
};
use crate::wire::copy::{CopyFileRequest, CopyPartRequest};
use crate::wire::file::{
    DeleteFileVersionRequest, FileIdRequest, HideFileRequest, ListFilesRequest,
};
use crate::wire::key::{CreateKeyRequest, DeleteKeyRequest, ListKeysRequest};
use crate::wire::large_file::{
    FinishLargeFileRequest, ListPartsRequest, ListUnfinishedRequest, StartLargeFileRequest,
};
use crate::wire::lock::{UpdateFileLegalHoldRequest, UpdateFileRetentionRequest};
use crate::wire::notification::{
    GetNotificationRulesRequest, KeptRule, NotificationRulesResponse, SetNotificationRulesRequest,
};
use crate::wire::share::DownloadAuthorizationRequest;
use crate::wire::upload::GetUploadUrlRequest;

const HIDE_MARKER: &str = "4_ze50ba23e791f80c74c619dd4_f113d7f0e29b8c465_d20261105_m091530_c003_v0301044_t0003_u01793870130000";

#[track_caller]
fn assert_sent(request: &impl Serialize, path: &str) {
    assert_eq!(
        serde_json::to_value(request).unwrap(),
        fixture(path),
        "{path}"
    );
}

fn account() -> AccountId {
    AccountId::from("5b2e9f07c1d4")
}

fn bucket() -> BucketId {
    BucketId::from("e50ba23e791f80c74c619dd4")
}

fn info() -> BTreeMap<String, String> {
    [("Cache-Control", "max-age=3600"), ("owner", "Zoë")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn cors_rules() -> Vec<CorsRule> {
    let origins = ["https://*.lantern.example"];
    let downloads = ["b2_download_file_by_name", "s3_get"];
    vec![
        CorsRule::new("site-downloads", origins, downloads, 3600)
            .allowed_headers(["range", "x-bz-info-*"])
            .expose_headers(["x-bz-content-sha1"]),
        CorsRule::new("any-upload", ["https"], ["b2_upload_file"], 60),
    ]
}

fn lifecycle_rules() -> Vec<LifecycleRule> {
    vec![
        LifecycleRule::new("logs/")
            .hide_after_days(30)
            .delete_hidden_after_days(1),
        LifecycleRule::new("uploads/").cancel_unfinished_after_days(7),
    ]
}

#[test]
fn a_new_bucket_is_asked_for_with_what_is_set_only() {
    let request = CreateBucketRequest {
        account_id: &account(),
        bucket_name: "lantern-photos",
        bucket_type: &BucketType::AllPrivate,
        bucket_info: None,
        cors_rules: &[],
        lifecycle_rules: &[],
        default_server_side_encryption: None,
        file_lock_enabled: false,
        replication_configuration: None,
    };
    assert_sent(&request, "b2_create_bucket/request_minimal");
}

#[test]
fn a_new_bucket_is_asked_for_with_everything() {
    let request = CreateBucketRequest {
        account_id: &account(),
        bucket_name: "lantern-photos",
        bucket_type: &BucketType::AllPublic,
        bucket_info: Some(&info()),
        cors_rules: &cors_rules(),
        lifecycle_rules: &lifecycle_rules(),
        default_server_side_encryption: None,
        file_lock_enabled: false,
        replication_configuration: None,
    };
    assert_sent(&request, "b2_create_bucket/request_full");
}

fn no_update<'a>(account_id: &'a AccountId, bucket_id: &'a BucketId) -> UpdateBucketRequest<'a> {
    UpdateBucketRequest {
        account_id,
        bucket_id,
        bucket_type: None,
        bucket_info: None,
        cors_rules: None,
        lifecycle_rules: None,
        default_server_side_encryption: None,
        file_lock_enabled: false,
        default_retention: None,
        replication_configuration: None,
        if_revision_is: None,
    }
}

#[test]
fn an_update_leaves_out_what_is_to_stay() {
    let (account, bucket) = (account(), bucket());
    let request = UpdateBucketRequest {
        bucket_type: Some(&BucketType::AllPublic),
        ..no_update(&account, &bucket)
    };
    assert_sent(&request, "b2_update_bucket/request_minimal");
}

#[test]
fn an_update_changes_everything_at_once() {
    let (account, bucket) = (account(), bucket());
    let request = UpdateBucketRequest {
        bucket_type: Some(&BucketType::AllPublic),
        bucket_info: Some(&info()),
        cors_rules: Some(&cors_rules()),
        lifecycle_rules: Some(&lifecycle_rules()),
        if_revision_is: Some(3),
        ..no_update(&account, &bucket)
    };
    assert_sent(&request, "b2_update_bucket/request_full");
}

#[test]
fn an_update_clears_with_what_is_empty() {
    let (account, bucket) = (account(), bucket());
    let request = UpdateBucketRequest {
        bucket_info: Some(&BTreeMap::new()),
        cors_rules: Some(&[]),
        lifecycle_rules: Some(&[]),
        ..no_update(&account, &bucket)
    };
    assert_sent(&request, "b2_update_bucket/request_cleared");
}

#[test]
fn a_bucket_is_protected_from_its_first_moment_or_later() {
    let (account, bucket) = (account(), bucket());
    let request = CreateBucketRequest {
        account_id: &account,
        bucket_name: "lantern-photos",
        bucket_type: &BucketType::AllPrivate,
        bucket_info: None,
        cors_rules: &[],
        lifecycle_rules: &[],
        default_server_side_encryption: Some((&Encryption::SseB2).into()),
        file_lock_enabled: true,
        replication_configuration: None,
    };
    assert_sent(&request, "b2_create_bucket/request_protected");
    let week = DefaultRetention::Set(BucketRetention::governance(RetentionPeriod::days(7)));
    let request = UpdateBucketRequest {
        default_server_side_encryption: Some((&Encryption::SseB2).into()),
        file_lock_enabled: true,
        default_retention: Some((&week).into()),
        ..no_update(&account, &bucket)
    };
    assert_sent(&request, "b2_update_bucket/request_protected");
    let request = UpdateBucketRequest {
        default_server_side_encryption: Some((&Encryption::None).into()),
        default_retention: Some((&DefaultRetention::Cleared).into()),
        ..no_update(&account, &bucket)
    };
    assert_sent(&request, "b2_update_bucket/request_unprotected");
}

/// When the retentions of the fixtures end.
const UNTIL: Timestamp = Timestamp::from_millis(1_796_371_200_000);
const LOCKED: &str = "4_ze50ba23e791f80c74c619dd4_f12c9d04a7e6b3f58_d20261104_m080000_c003_v0301043_t0021_u01793779200123";

#[test]
fn locks_are_changed_by_name_and_id() {
    let file_id = &FileId::from(LOCKED);
    let file_name = "2026/notes.txt";
    let retention = FileRetention::governance(UNTIL);
    let request = UpdateFileRetentionRequest {
        file_name,
        file_id,
        file_retention: Some(&retention),
        bypass_governance: true,
    };
    assert_sent(&request, "b2_update_file_retention/request");
    let request = UpdateFileRetentionRequest {
        file_retention: None,
        bypass_governance: false,
        ..request
    };
    assert_sent(&request, "b2_update_file_retention/request_cleared");
    let request = UpdateFileLegalHoldRequest {
        file_name,
        file_id,
        legal_hold: &LegalHold::On,
    };
    assert_sent(&request, "b2_update_file_legal_hold/request");
}

#[test]
fn a_bucket_is_deleted_by_its_id() {
    let request = DeleteBucketRequest {
        account_id: &account(),
        bucket_id: &bucket(),
    };
    assert_sent(&request, "b2_delete_bucket/request");
}

#[test]
fn buckets_of_all_types_are_listed() {
    let all = ListBucketsRequest {
        account_id: &account(),
        bucket_id: None,
        bucket_name: None,
        bucket_types: &["all"],
    };
    assert_sent(&all, "b2_list_buckets/request_all");
}

#[test]
fn one_bucket_is_listed_by_name_or_id() {
    let (account, bucket) = (account(), bucket());
    let ask = |bucket_id, bucket_name| ListBucketsRequest {
        account_id: &account,
        bucket_id,
        bucket_name,
        bucket_types: &["all"],
    };
    assert_sent(
        &ask(None, Some("lantern-photos")),
        "b2_list_buckets/request_by_name",
    );
    assert_sent(&ask(Some(&bucket), None), "b2_list_buckets/request_by_id");
}

#[test]
fn an_upload_url_is_asked_for_by_bucket() {
    let request = GetUploadUrlRequest {
        bucket_id: &bucket(),
    };
    assert_sent(&request, "b2_get_upload_url/request");
}

#[test]
fn keys_are_made_listed_and_deleted_and_downloads_authorized() {
    let account_id = &account();
    let request = CreateKeyRequest {
        account_id,
        capabilities: &[Capability::ListFiles, Capability::ReadFiles],
        key_name: "backup-reader",
        valid_duration_in_seconds: Some(86_400),
        bucket_ids: Some(&[bucket()]),
        name_prefix: Some("2026/"),
    };
    assert_sent(&request, "b2_create_key/request");
    let request = ListKeysRequest {
        account_id,
        start_application_key_id: None,
        max_key_count: 100,
    };
    assert_sent(&request, "b2_list_keys/request");
    let application_key_id = &ApplicationKeyId::from("0035b2e9f07c1d4000000000a");
    assert_sent(
        &DeleteKeyRequest { application_key_id },
        "b2_delete_key/request",
    );
    let request = DownloadAuthorizationRequest {
        bucket_id: &bucket(),
        file_name_prefix: "2026/",
        valid_duration_in_seconds: 3600,
        overrides: BTreeMap::new(),
    };
    assert_sent(&request, "b2_get_download_authorization/request");
    let headers = ResponseHeaders::new()
        .content_disposition("attachment; filename=\"07.pdf\"")
        .content_language("de")
        .expires("Wed, 21 Oct 2026 07:28:00 GMT")
        .cache_control("max-age=60")
        .content_encoding("gzip")
        .content_type("application/pdf");
    let request = DownloadAuthorizationRequest {
        overrides: headers.parameters().collect(),
        ..request
    };
    assert_sent(&request, "b2_get_download_authorization/request_full");
}

fn sent_rules<'a>(
    bucket_id: &'a BucketId,
    rules: &'a [EventNotificationRule],
) -> SetNotificationRulesRequest<'a> {
    SetNotificationRulesRequest {
        bucket_id,
        event_notification_rules: rules.iter().map(KeptRule::from).collect(),
    }
}

#[test]
fn notification_rules_are_asked_for_by_bucket() {
    let request = GetNotificationRulesRequest {
        bucket_id: &bucket(),
    };
    assert_sent(&request, "b2_get_bucket_notification_rules/request");
}

#[test]
fn notification_rules_are_sent_with_what_is_set_only() {
    let target = EventTarget::webhook("https://hooks.lantern.example/b2")
        .custom_header("X-Lantern", "on é")
        .signing_secret("LanternLanternLanternLantern0123");
    let types = [
        EventType::ObjectCreatedAny,
        EventType::HideMarkerCreatedHide,
    ];
    let index = EventNotificationRule::new("lantern-index", types, target)
        .object_name_prefix("photos/")
        .max_events_per_batch(20);
    let trash = EventNotificationRule::new(
        "lantern-trash",
        [EventType::ObjectDeletedLifecycleRule],
        EventTarget::webhook("https://hooks.lantern.example/trash"),
    )
    .enabled(false);
    assert_sent(
        &sent_rules(&bucket(), &[index, trash]),
        "b2_set_bucket_notification_rules/request_full",
    );
    assert_sent(
        &sent_rules(&bucket(), &[]),
        "b2_set_bucket_notification_rules/request_cleared",
    );
}

/// Except what the service only tells: whether it has suspended a rule.
#[test]
fn notification_rules_that_were_read_are_sent_as_they_were() {
    let path = "b2_get_bucket_notification_rules/response_unknown_fields";
    let answer = fixture(path);
    let read: NotificationRulesResponse = serde_json::from_value(answer.clone()).unwrap();
    let mut wanted = answer["eventNotificationRules"].clone();
    for told in ["isSuspended", "suspensionReason"] {
        assert!(wanted[0].as_object_mut().unwrap().remove(told).is_some());
    }
    let bucket = bucket();
    let request = sent_rules(&bucket, &read.event_notification_rules);
    let sent = serde_json::to_value(&request).unwrap();
    assert_eq!(sent["eventNotificationRules"], wanted);
}

#[test]
fn replication_is_configured_and_cleared_as_a_whole() {
    let (account, bucket) = (account(), bucket());
    let rule = ReplicationRule::new("lantern-west", "57ac14714fc0397d43bb2e68")
        .file_name_prefix("photos/")
        .include_existing_files(true)
        .priority(7);
    let both = ReplicationConfiguration::new()
        .source("0035b2e9f07c1d40000000006", [rule])
        .accept("0035b2e9f07c1d40000000017", "0035b2e9f07c1d40000000009");
    for (configuration, path) in [
        (both, "b2_update_bucket/request_replication"),
        (
            ReplicationConfiguration::new(),
            "b2_update_bucket/request_replication_cleared",
        ),
    ] {
        let request = UpdateBucketRequest {
            replication_configuration: Some(&configuration),
            ..no_update(&account, &bucket)
        };
        assert_sent(&request, path);
    }
}
