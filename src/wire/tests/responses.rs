//! The values of the response fixtures that the client works with.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{fixture, read};
use crate::model::auth::{Allowed, Capability};
use crate::model::bucket::{BucketDetails, BucketType};
use crate::model::encryption::EncryptionMode;
use crate::model::file::{FileAction, FileVersion};
use crate::model::filtered::Filtered;
use crate::model::lock::{BucketRetention, LegalHold, RetentionMode, RetentionPeriod};
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::model::time::Timestamp;
use crate::wire::auth::AuthorizeAccountResponse;
use crate::wire::bucket::ListBucketsResponse;
use crate::wire::file::{DeleteFileVersionResponse, ListFilesResponse};
use crate::wire::upload::UploadUrlResponse;

const BUCKET: &str = "e50ba23e791f80c74c619dd4";

fn allowed(path: &str) -> Allowed {
    let answer: AuthorizeAccountResponse = read(path);
    answer.api_info.storage_api.allowed().clone()
}

/// The ids and names of the buckets that a key is restricted to.
fn buckets(allowed: &Allowed) -> Option<Vec<(&str, Option<&str>)>> {
    let buckets = allowed.buckets.as_deref()?.iter();
    Some(
        buckets
            .map(|bucket| (bucket.id.as_str(), bucket.name.as_deref()))
            .collect(),
    )
}

fn only_bucket(path: &str) -> BucketDetails {
    let answer: ListBucketsResponse = read(path);
    let [bucket] = <[BucketDetails; 1]>::try_from(answer.buckets).unwrap();
    bucket
}

#[test]
fn an_authorization_says_who_where_and_how_much() {
    let answer: AuthorizeAccountResponse = read("b2_authorize_account/response_v4_master");
    assert_eq!(answer.account_id.as_str(), "5b2e9f07c1d4");
    assert!(answer.authorization_token.expose().contains("_acct_"));
    let api = answer.api_info.storage_api;
    assert_eq!(api.api_url, "https://api003.backblazeb2.com");
    assert_eq!(api.download_url, "https://f003.backblazeb2.com");
    assert_eq!(api.s3_api_url, "https://s3.eu-central-003.backblazeb2.com");
    assert_eq!(api.absolute_minimum_part_size, 5_000_000);
    assert_eq!(api.recommended_part_size, 100_000_000);
}

#[test]
fn the_master_key_may_do_everything_everywhere() {
    let allowed = allowed("b2_authorize_account/response_v4_master");
    assert_eq!((buckets(&allowed), &allowed.name_prefix), (None, &None));
    let known = |capability: &Capability| !matches!(capability, Capability::Other(_));
    assert_eq!(allowed.capabilities.len(), 26);
    assert!(allowed.capabilities.iter().all(known));
}

#[test]
fn a_restricted_key_knows_its_buckets_even_a_deleted_one() {
    let allowed = allowed("b2_authorize_account/response_v4_restricted");
    let expected = vec![
        (BUCKET, Some("lantern-photos")),
        ("15bba26e09ef30f75c81edd4", None),
    ];
    assert_eq!(buckets(&allowed), Some(expected));
    assert_eq!(allowed.name_prefix.as_deref(), Some("2026/"));
}

#[test]
fn restrictions_in_the_place_of_version_3_are_not_lost() {
    let master = allowed("b2_authorize_account/response_v3_master");
    assert_eq!((buckets(&master), &master.name_prefix), (None, &None));
    let allowed = allowed("b2_authorize_account/response_v3_restricted");
    assert_eq!(
        buckets(&allowed),
        Some(vec![(BUCKET, Some("lantern-photos"))])
    );
    assert!(allowed.has(&Capability::WriteFiles));
    assert_eq!(allowed.name_prefix.as_deref(), Some("2026/"));
}

#[test]
fn a_store_may_hold_the_restrictions_of_versions_1_and_2() {
    for (path, prefix) in [("response_v1", None), ("response_v2", Some("2026/"))] {
        let stored = |key: &str| -> Allowed {
            let answer = fixture(&format!("b2_authorize_account/{path}_{key}"));
            serde_json::from_value(answer["allowed"].clone()).unwrap()
        };
        assert_eq!(buckets(&stored("master")), None, "{path}");
        let restricted = stored("restricted");
        let expected = vec![(BUCKET, Some("lantern-photos"))];
        assert_eq!(buckets(&restricted), Some(expected), "{path}");
        assert_eq!(restricted.name_prefix.as_deref(), prefix, "{path}");
    }
}

#[test]
fn a_bucket_comes_with_all_of_its_rules() {
    let bucket: BucketDetails = read("b2_create_bucket/response_full");
    assert_eq!(bucket.bucket_id.as_str(), BUCKET);
    assert_eq!(bucket.bucket_name, "lantern-photos");
    assert_eq!(bucket.bucket_type, BucketType::AllPublic);
    assert_eq!((bucket.revision, bucket.options.len()), (2, 1));
    assert_eq!(bucket.bucket_info["owner"], "Zoë");
    let [downloads, uploads] = bucket.cors_rules.as_slice() else {
        panic!("{:?}", bucket.cors_rules)
    };
    assert_eq!(downloads.allowed_headers.as_ref().unwrap().len(), 2);
    assert_eq!(uploads.allowed_headers, None);
    let [logs, uploads] = bucket.lifecycle_rules.as_slice() else {
        panic!("{:?}", bucket.lifecycle_rules)
    };
    assert_eq!(logs.days_from_hiding_to_deleting, Some(1));
    assert_eq!(logs.days_from_uploading_to_hiding, Some(30));
    let cancel = uploads.days_from_starting_to_canceling_unfinished_large_files;
    assert_eq!(cancel, Some(7));
}

#[test]
fn rules_that_were_read_are_sent_back_as_they_came() {
    let path = "b2_create_bucket/response_full";
    let bucket: BucketDetails = read(path);
    let came = fixture(path);
    for (rules, name) in [
        (serde_json::to_value(&bucket.cors_rules), "corsRules"),
        (
            serde_json::to_value(&bucket.lifecycle_rules),
            "lifecycleRules",
        ),
    ] {
        assert_eq!(rules.unwrap(), came[name], "{name}");
    }
}

#[test]
fn encryption_of_before_and_after_2026_09_is_read() {
    let default = |path: &str| {
        let bucket: BucketDetails = read(path);
        let default = bucket.default_server_side_encryption;
        default.readable().map(|setting| setting.mode.clone())
    };
    assert_eq!(
        default("b2_create_bucket/response_minimal"),
        Some(EncryptionMode::SseB2)
    );
    assert_eq!(default("b2_create_bucket/response_before_2026_09"), None);
}

#[test]
fn settings_that_a_key_may_not_read_are_not_taken_for_unset() {
    let bucket = only_bucket("b2_list_buckets/response_unreadable");
    assert!(bucket.file_lock_configuration.is_hidden());
    assert!(bucket.default_server_side_encryption.is_hidden());
}

#[test]
fn a_bucket_tells_how_its_files_are_locked() {
    let bucket = only_bucket("b2_list_buckets/response_lock_and_replication");
    let lock = bucket.file_lock_configuration.readable().unwrap();
    let week = BucketRetention::governance(RetentionPeriod::days(7));
    assert!(lock.is_file_lock_enabled);
    assert_eq!(lock.default_retention, Some(week));
    let bucket = only_bucket("b2_list_buckets/response_unknown_fields");
    let lock = bucket.file_lock_configuration.readable().unwrap();
    assert!(!lock.is_file_lock_enabled);
    assert_eq!(lock.default_retention, None);
    let bucket = only_bucket("b2_list_buckets/response_nulls");
    assert_eq!(bucket.file_lock_configuration, Filtered::Unset);
}

#[test]
fn a_bucket_of_nulls_has_no_rules() {
    let bucket = only_bucket("b2_list_buckets/response_nulls");
    assert!(bucket.bucket_info.is_empty() && bucket.options.is_empty());
    assert!(bucket.cors_rules.is_empty() && bucket.lifecycle_rules.is_empty());
    assert_eq!(bucket.revision, 0);
}

#[test]
fn an_upload_url_comes_with_its_token() {
    let answer: UploadUrlResponse = read("b2_get_upload_url/response");
    let host = "https://pod-030-1043-07.backblaze.com/";
    assert!(answer.upload_url.starts_with(host));
    assert!(answer.authorization_token.expose().contains("_upld_"));
}

#[test]
fn an_uploaded_file_is_described_in_full() {
    let file: FileVersion = read("b2_upload_file/response_full");
    assert_eq!(file.action, FileAction::Upload);
    assert_eq!(file.file_name, "2026/März/Kätzchen 1.jpg");
    assert!(file.file_id.as_str().starts_with("4_z"));
    assert_eq!(file.bucket_id.as_ref().map(|id| id.as_str()), Some(BUCKET));
    assert_eq!(file.content_length, 4);
    assert_eq!(file.content_type.as_deref(), Some("image/jpeg"));
    let digest = Sha1Digest::of(b"meow");
    assert_eq!(file.content_sha1, ContentSha1::Verified(digest));
    assert_eq!(file.content_md5.as_ref().map(String::len), Some(32));
    assert_eq!(file.file_info.get("author"), Some("Zoë + Ada"));
    assert_eq!(file.modified(), Timestamp::from_millis(1_793_692_800_456));
    let uploaded = Timestamp::from_millis(1_793_779_200_123);
    assert_eq!(file.upload_timestamp, uploaded);
}

#[test]
fn a_checksum_that_nobody_compared_is_unverified() {
    let file: FileVersion = read("b2_upload_file/response_unverified");
    let digest = Sha1Digest::of(b"meow");
    assert_eq!(file.content_sha1, ContentSha1::Unverified(digest));
}

#[test]
fn a_file_tells_how_it_is_encrypted() {
    let mode = |path: &str| {
        let file: FileVersion = read(path);
        let encryption = file.server_side_encryption;
        encryption.readable().map(|setting| setting.mode.clone())
    };
    assert_eq!(
        mode("b2_upload_file/response_full"),
        Some(EncryptionMode::SseB2)
    );
    assert_eq!(mode("b2_upload_file/response_before_2026_09"), None);
    assert_eq!(mode("b2_upload_file/response_2021_03"), None);
    let customers = Some(EncryptionMode::SseC);
    assert_eq!(mode("b2_upload_file/response_sse_c"), customers);
}

#[test]
fn a_file_tells_how_it_is_locked() {
    let file: FileVersion = read("b2_upload_file/response_locked");
    let retention = file.file_retention.readable().unwrap();
    assert_eq!(retention.mode, RetentionMode::Governance);
    assert_eq!(file.legal_hold, Filtered::Readable(LegalHold::On));
    let file: FileVersion = read("b2_upload_file/response_full");
    assert_eq!(file.file_retention, Filtered::Unset);
    assert_eq!(file.legal_hold, Filtered::Unset);
}

#[test]
fn each_kind_of_row_is_told_apart() {
    let page: ListFilesResponse = read("b2_list_file_versions/response_all_kinds");
    let [folder, start, hide, upload] = <[FileVersion; 4]>::try_from(page.files).unwrap();
    assert_eq!(folder.action, FileAction::Folder);
    assert_eq!((folder.file_id.as_str(), folder.content_type), ("", None));
    assert_eq!(folder.file_name, "2026/");
    assert_eq!(start.action, FileAction::Start);
    assert_eq!(start.content_sha1, ContentSha1::Absent);
    assert_eq!(start.sha1(), Some(Sha1Digest::of(b"disk")));
    assert_eq!(hide.action, FileAction::Hide);
    assert_eq!(hide.sha1(), Some(Sha1Digest::of(b"")));
    assert_eq!(upload.action, FileAction::Upload);
}

#[test]
fn a_page_tells_where_the_next_one_begins() {
    let next = |path: &str| {
        let page: ListFilesResponse = read(path);
        let id = page.next_file_id.map(|id| id.as_str().len());
        (page.next_file_name, id)
    };
    let (name, id) = next("b2_list_file_versions/response_all_kinds");
    assert_eq!(name.as_deref(), Some("notes.txt"));
    assert!(id.is_some_and(|length| length > 80));
    let (name, id) = next("b2_list_file_versions/response_before_folder");
    assert_eq!((name.as_deref(), id), (Some("2027/"), None));
    assert_eq!(next("b2_list_file_names/response_last_page"), (None, None));
}

#[test]
fn an_empty_page_is_not_the_end() {
    let page: ListFilesResponse = read("b2_list_file_names/response_short_page");
    assert!(page.files.is_empty());
    // Opaque: the service's trailing space is part of it (docs/protocol.md, section 9.3).
    assert_eq!(page.next_file_name.as_deref(), Some("2026/notes.txt "));
}

#[test]
fn a_large_file_has_its_uploaders_checksum_only() {
    let file: FileVersion = read("b2_get_file_info/response_large_file");
    assert_eq!(file.content_length, 12_000_000_000);
    assert_eq!(file.content_sha1, ContentSha1::Absent);
    assert_eq!(file.sha1(), Some(Sha1Digest::of(b"disk")));
}

#[test]
fn a_hide_marker_may_have_a_checksum_or_none() {
    let recorded: FileVersion = read("b2_hide_file/response");
    let documented: FileVersion = read("b2_hide_file/response_documented");
    assert_eq!(recorded.action, FileAction::Hide);
    assert_eq!(recorded.sha1(), Some(Sha1Digest::of(b"")));
    assert_eq!((documented.sha1(), documented.content_md5), (None, None));
}

#[test]
fn a_deletion_names_what_is_gone() {
    let deleted: DeleteFileVersionResponse = read("b2_delete_file_version/response");
    assert!(deleted.file_id.as_str().starts_with("4_z"));
}

#[test]
fn values_without_a_name_here_are_written_back_as_they_came() {
    fn both_ways<T: Serialize + DeserializeOwned>(text: &str) -> Value {
        let value: T = serde_json::from_value(json!(text)).unwrap();
        serde_json::to_value(&value).unwrap()
    }
    for text in ["allShielded", "", "ALLPUBLIC", "with \"quotes\" and ü"] {
        assert_eq!(both_ways::<BucketType>(text), text);
        assert_eq!(both_ways::<FileAction>(text), text);
        assert_eq!(both_ways::<Capability>(text), text);
    }
}

#[test]
fn members_without_a_name_here_are_written_back_as_they_came() {
    let path = "b2_list_buckets/response_unknown_fields";
    let bucket = serde_json::to_value(only_bucket(path)).unwrap();
    assert_eq!(bucket, fixture(path)["buckets"][0]);
    let path = "b2_upload_file/response_unknown_fields";
    let file: FileVersion = read(path);
    assert_eq!(serde_json::to_value(file).unwrap(), fixture(path));
}

#[test]
fn replication_is_told_as_it_was_configured() {
    let asked = &fixture("b2_update_bucket/request_replication")["replicationConfiguration"];
    let told: BucketDetails = read("b2_update_bucket/response_replication");
    let configuration = told.replication_configuration.readable().unwrap();
    assert_eq!(serde_json::to_value(configuration).unwrap(), *asked);
    let rule = &configuration.rules()[0];
    assert_eq!(
        (rule.replication_rule_name.as_str(), rule.priority),
        ("lantern-west", 7)
    );
    let none: BucketDetails = read("b2_update_bucket/response_minimal");
    assert_eq!(none.replication_configuration, Filtered::Unset);
    let hidden = only_bucket("b2_list_buckets/response_unreadable");
    assert_eq!(hidden.replication_configuration, Filtered::NotAuthorized);
}
