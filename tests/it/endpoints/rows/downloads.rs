//! Downloads, and letting others download.

use std::io::Read;

use b2sdk::raw::{DownloadAuthorizationRequest, DownloadParameters};
use b2sdk::{ByteRange, Error, Operation, ResponseHeaders};

use super::super::raw_calls::{HELLO, RawCalls};
use super::super::{FILE, LOCKABLE, Lost, Row};
use super::{DAY, bucket, deleted, without_file};
use crate::support::noise;

fn content(download: b2sdk::Download) -> Result<(), Error> {
    assert_eq!(download.read_to_vec()?, noise(2500));
    Ok(())
}

fn pdf() -> ResponseHeaders {
    ResponseHeaders::new()
        .content_type("application/pdf")
        .attachment("a b.pdf")
}

/// There was one request for headers, and it was about the whole file.
#[track_caller]
fn assert_whole_head(calls: &RawCalls<'_>) {
    let log = calls.scene.world.service.log().entries();
    let heads = log.iter().filter(|entry| entry.method == "HEAD");
    assert!(heads.clone().all(|entry| entry.range.is_none()) && heads.count() == 1);
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::DownloadFileById,
        needs: &["readFiles"],
        call: |scene, api| content(api.download_file_by_id(&scene.file)?),
        absent: Some((
            |scene, api| {
                without_file(scene);
                content(api.download_file_by_id(&scene.file)?)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let file = calls.upload();
            let headers = pdf();
            let parameters = DownloadParameters::new()
                .response_headers(&headers)
                .range(ByteRange::last(2));
            let mut response = calls.call(Operation::DownloadFileById, |raw| {
                raw.download_file_by_id(&file.file_id, &parameters)
            });
            let mut text = String::new();
            response.read_to_string(&mut text).unwrap();
            assert_eq!(text, "lo");
            let head = calls.call(Operation::DownloadFileById, |raw| {
                raw.head_file_by_id(&file.file_id, &parameters)
            });
            assert_eq!(
                (head.content_length, head.content_type.as_deref()),
                (5, Some("application/pdf"))
            );
            assert_whole_head(calls);
        },
    },
    Row {
        operation: Operation::DownloadFileByName,
        needs: &["readFiles"],
        call: |scene, api| content(bucket(scene, api)?.download_file_by_name(FILE)?),
        absent: Some((
            |scene, api| content(bucket(scene, api)?.download_file_by_name("no/such")?),
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let file = calls.upload();
            let headers = pdf();
            let parameters = DownloadParameters::new()
                .range(ByteRange::from(1..=3))
                .response_headers(&headers);
            let mut response = calls.call(Operation::DownloadFileByName, |raw| {
                raw.download_file_by_name(LOCKABLE, HELLO.0, &parameters)
            });
            let mut text = String::new();
            response.read_to_string(&mut text).unwrap();
            assert_eq!(
                (&*text, response.range.clone(), response.left()),
                ("ell", 1..4, 0)
            );
            let version = &response.version;
            assert_eq!(
                (version.content_length, version.content_type.as_deref()),
                (5, Some("application/pdf"))
            );
            let disposition = version.file_info.get("b2-content-disposition");
            assert_eq!(disposition, Some("attachment; filename=\"a b.pdf\""));
            let head = calls.call(Operation::DownloadFileByName, |raw| {
                raw.head_file_by_name(LOCKABLE, HELLO.0, &DownloadParameters::new())
            });
            assert_eq!((&head.file_id, head.content_length), (&file.file_id, 5));
            assert_eq!(head.content_type.as_deref(), Some("text/plain"));
            assert_whole_head(calls);
        },
    },
    Row {
        operation: Operation::GetDownloadAuthorization,
        needs: &["shareFiles"],
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            bucket.get_download_authorization("mine/", DAY).map(|_| ())
        },
        absent: Some((
            |scene, api| {
                let bucket = deleted(scene, api);
                bucket.get_download_authorization("mine/", DAY).map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let headers = ResponseHeaders::new().content_type("a/b");
            let shared = calls.call(Operation::GetDownloadAuthorization, |raw| {
                let id = calls.scene.bucket.id();
                let request = DownloadAuthorizationRequest::new(&id, "a/", 60);
                raw.get_download_authorization(&request.overrides(&headers))
            });
            assert_eq!(shared.file_name_prefix.as_deref(), Some("a/"));
        },
    },
];
