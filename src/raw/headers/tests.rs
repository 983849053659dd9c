//! The headers of downloads in `fixtures/wire`, and what becomes of them when some are missing.

use std::collections::BTreeMap;

use super::{HIDDEN, file_version};
use crate::http::Response;
use crate::model::auth::{Allowed, Capability};
use crate::model::encryption::EncryptionMode;
use crate::model::file::FileVersion;
use crate::model::filtered::Filtered;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::model::time::Timestamp;

const BOTH: [Capability; 2] = [
    Capability::ReadFileRetentions,
    Capability::ReadFileLegalHolds,
];

type Headers = BTreeMap<String, String>;

const FULL: &str =
    include_str!("../../../fixtures/wire/b2_download_file_by_name/response_headers_full.json");
const STANDARD: &str =
    include_str!("../../../fixtures/wire/b2_download_file_by_name/response_headers_standard.json");
const LOCKED: &str =
    include_str!("../../../fixtures/wire/b2_download_file_by_name/response_headers_locked.json");
const LARGE_FILE: &str =
    include_str!("../../../fixtures/wire/b2_download_file_by_id/response_headers_large_file.json");
const MINIMAL: &str =
    include_str!("../../../fixtures/wire/b2_download_file_by_id/response_headers_minimal.json");

fn headers(json: &str) -> Headers {
    serde_json::from_str(json).unwrap()
}

fn response(headers: &Headers) -> Response {
    let pairs = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    Response::of_headers(Operation::DownloadFileByName, 200, pairs)
}

/// What a key with these capabilities reads.
fn read(headers: &Headers, capabilities: &[Capability]) -> crate::error::Result<FileVersion> {
    let response = response(headers);
    let mut allowed: Allowed = serde_json::from_str("{}").unwrap();
    allowed.capabilities = capabilities.to_vec();
    file_version(&response, response.content_length().unwrap(), &allowed)
}

fn version(json: &str) -> FileVersion {
    read(&headers(json), &BOTH).unwrap()
}

#[test]
fn a_download_describes_its_file() {
    let file = version(FULL);
    assert_eq!(file.file_name, "2026/März/Kätzchen 1.jpg");
    assert!(file.file_id.as_str().starts_with("4_z"));
    assert_eq!(file.content_length, 4);
    assert_eq!(file.content_type.as_deref(), Some("image/jpeg"));
    let digest = Sha1Digest::of(b"meow");
    assert_eq!(file.content_sha1, ContentSha1::Verified(digest));
    let uploaded = Timestamp::from_millis(1_793_779_200_123);
    assert_eq!(file.upload_timestamp, uploaded);
}

#[test]
fn file_info_is_the_one_that_the_upload_answered() {
    let uploaded = include_str!("../../../fixtures/wire/b2_upload_file/response_full.json");
    let uploaded: FileVersion = serde_json::from_str(uploaded).unwrap();
    assert_eq!(version(FULL).file_info, uploaded.file_info);
}

#[test]
fn standard_headers_are_file_info_and_keep_their_plus() {
    let file = version(STANDARD);
    assert_eq!(file.file_name, "a+b.txt");
    let info: Vec<(&str, &str)> = file
        .file_info
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("b2-cache-control", "public, max-age=60"),
        ("b2-content-disposition", "attachment; filename=\"a+b.txt\""),
        ("b2-content-encoding", "gzip"),
        ("b2-content-language", "de-CH"),
        ("b2-expires", "Thu, 05 Nov 2026 09:15:30 GMT"),
    ];
    assert_eq!(info, expected);
}

#[test]
fn a_large_file_has_no_checksum_but_its_uploaders() {
    let file = version(LARGE_FILE);
    assert_eq!(file.content_length, 12_000_000_000);
    assert_eq!(file.content_sha1, ContentSha1::Absent);
    assert_eq!(file.sha1(), Some(Sha1Digest::of(b"disk")));
}

#[test]
fn headers_about_locks_and_keys_are_no_file_info() {
    assert!(version(LOCKED).file_info.is_empty());
}

#[test]
fn encryption_and_locks_are_read_from_headers() {
    let file = version(LOCKED);
    let encryption = file.server_side_encryption.readable().unwrap();
    assert_eq!(encryption.mode, EncryptionMode::SseC);
    let md5 = encryption.customer_key_md5.as_deref();
    assert_eq!(md5, Some("1B2M2Y8AsgTpgAmY7PhCfg=="));
    let until = Timestamp::from_millis(1_796_371_200_000);
    let retention = FileRetention::governance(until);
    assert_eq!(file.file_retention, Filtered::Readable(retention));
    assert_eq!(file.legal_hold, Filtered::Readable(LegalHold::On));
    let file = version(FULL);
    let encryption = file.server_side_encryption.readable().unwrap();
    assert_eq!(encryption.mode, EncryptionMode::SseB2);
    assert_eq!(file.file_retention, Filtered::Unset);
    assert_eq!(file.legal_hold, Filtered::Unset);
}

#[test]
fn a_lock_that_the_key_may_not_read_is_not_taken_for_none() {
    let hidden = |headers: &Headers, capabilities: &[Capability]| {
        let file = read(headers, capabilities).unwrap();
        (file.file_retention.is_hidden(), file.legal_hold.is_hidden())
    };
    let mut headers = headers(FULL);
    assert_eq!(hidden(&headers, &[]), (true, true));
    assert_eq!(hidden(&headers, &BOTH), (false, false));
    let names = "X-Bz-File-Retention-Mode,x-bz-file-legal-hold";
    headers.insert(HIDDEN.to_owned(), names.to_owned());
    assert_eq!(hidden(&headers, &BOTH), (true, true));
}

#[test]
fn a_download_needs_no_more_than_who_and_when() {
    let file = version(MINIMAL);
    assert_eq!(file.content_sha1, ContentSha1::Absent);
    assert_eq!(file.content_type, None);
    let minimal = headers(MINIMAL);
    for name in minimal.keys().filter(|name| *name != "Content-Length") {
        let mut less = minimal.clone();
        less.remove(name);
        assert!(read(&less, &BOTH).is_err(), "{name}");
    }
}

#[test]
fn a_download_without_length_is_refused() {
    let mut headers = headers(MINIMAL);
    headers.remove("Content-Length");
    assert!(response(&headers).content_length().is_err());
}

#[test]
fn headers_that_are_new_missing_or_unknown_in_value_are_no_obstacle() {
    let required = headers(MINIMAL);
    for json in [FULL, STANDARD, LOCKED, LARGE_FILE] {
        let mut all = headers(json);
        all.insert("X-Bz-Not-Yet-Invented".to_owned(), "x".to_owned());
        let optional: Vec<_> = all
            .keys()
            .filter(|name| !required.contains_key(*name))
            .collect();
        assert!(optional.len() > 3, "{json}");
        for name in optional {
            let mut changed = all.clone();
            changed.insert(name.clone(), "levitated, =;\"+%".to_owned());
            assert!(read(&changed, &BOTH).is_ok(), "{name} changed");
            changed.remove(name);
            assert!(read(&changed, &BOTH).is_ok(), "{name} missing");
        }
    }
}
