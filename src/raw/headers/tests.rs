//! The headers of downloads in `fixtures/wire`, and what becomes of them when some are missing.

use std::collections::BTreeMap;

use super::file_version;
use crate::http::Response;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::model::time::Timestamp;

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

fn version(json: &str) -> FileVersion {
    let response = response(&headers(json));
    file_version(&response, response.content_length().unwrap()).unwrap()
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
fn a_download_needs_no_more_than_who_and_when() {
    let file = version(MINIMAL);
    assert_eq!(file.content_sha1, ContentSha1::Absent);
    assert_eq!(file.content_type, None);
    let minimal = headers(MINIMAL);
    for name in minimal.keys().filter(|name| *name != "Content-Length") {
        let mut less = minimal.clone();
        less.remove(name);
        assert!(file_version(&response(&less), 4).is_err(), "{name}");
    }
}

#[test]
fn a_download_without_length_is_refused() {
    let mut headers = headers(MINIMAL);
    headers.remove("Content-Length");
    assert!(response(&headers).content_length().is_err());
}
