//! Large files and their parts.

use b2sdk::encryption::{Encryption, SseCustomerKey};
use b2sdk::raw::{
    CopyPartRequest, ListPartsRequest, ListUnfinishedRequest, UploadBody, UploadPartRequest,
};
use b2sdk::{B2Api, CopyOptions, Error, FileAction, Operation, Sha1Digest};

use super::super::raw_calls::RawCalls;
use super::super::{Lost, Row, Scene};
use super::{bucket, copy, deleted, upload, without_file};
use crate::support::noise;

fn large(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&bucket(scene, api)?, &scene.name(), 2500)
}

fn no_bucket_for_large(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&deleted(scene, api), "x", 2500)
}

/// A large file that was cancelled, the id of which is still known.
fn without_unfinished(scene: &Scene) {
    scene
        .world
        .api
        .cancel_large_file(&scene.unfinished)
        .unwrap();
}

/// A large file under a customer's key, made of one uploaded part and one that is copied.
fn raw_large(calls: &RawCalls<'_>) {
    let customers = SseCustomerKey::new([7; 32]);
    let small = calls.upload();
    let large = calls.start(&customers.clone().into());
    let url = calls.call(Operation::GetUploadPartUrl, |raw| {
        raw.get_upload_part_url(&large)
    });
    assert_eq!(url.file_id.as_ref(), Some(&large));
    let content = noise(100);
    let sha1 = Sha1Digest::of(&content);
    let part = calls.call(Operation::UploadPart, |raw| {
        let mut reader = &*content;
        let mut body = UploadBody::with_sha1(&mut reader, 100, sha1);
        let request = UploadPartRequest::new(1).customer_key(&customers);
        raw.upload_part(
            &url.upload_url,
            &url.authorization_token,
            &request,
            &mut body,
        )
    });
    assert_eq!(
        (part.part_number, part.content_sha1.digest()),
        (1, Some(sha1))
    );
    let copied = calls.call(Operation::CopyPart, |raw| {
        let request = CopyPartRequest::new(&small.file_id, &large, 2);
        raw.copy_part(&request.destination_server_side_encryption(&customers))
    });
    assert_eq!(copied.content_length, 5);
    let page = calls.call(Operation::ListParts, |raw| {
        raw.list_parts(&ListPartsRequest::new(&large).start_part_number(2))
    });
    assert_eq!((page.parts.len(), page.next_part_number), (1, None));
    let sha1s = [sha1, copied.content_sha1.digest().unwrap()];
    let made = calls.call(Operation::FinishLargeFile, |raw| {
        raw.finish_large_file(&large, &sha1s)
    });
    assert_eq!(
        (made.action, made.content_length),
        (FileAction::Upload, 105)
    );
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::StartLargeFile,
        needs: &["writeFiles"],
        call: large,
        absent: Some((no_bucket_for_large, "BucketNotFound")),
        lost: Lost::Again,
        raw: raw_large,
    },
    Row {
        operation: Operation::GetUploadPartUrl,
        needs: &["writeFiles"],
        call: large,
        absent: None,
        lost: Lost::Again,
        raw: raw_large,
    },
    Row {
        operation: Operation::UploadPart,
        needs: &["writeFiles"],
        call: large,
        absent: None,
        lost: Lost::Again,
        raw: raw_large,
    },
    Row {
        operation: Operation::CopyPart,
        needs: &["writeFiles", "readFiles"],
        call: |scene, api| copy(scene, api, &CopyOptions::new().part_size(1000)),
        absent: Some((
            |scene, api| {
                without_file(scene);
                copy(scene, api, &CopyOptions::new().part_size(1000))
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: raw_large,
    },
    Row {
        operation: Operation::FinishLargeFile,
        needs: &["writeFiles"],
        call: large,
        absent: None,
        lost: Lost::Found,
        raw: raw_large,
    },
    Row {
        operation: Operation::CancelLargeFile,
        needs: &["writeFiles"],
        call: |scene, api| api.cancel_large_file(&scene.unfinished),
        absent: Some((
            |scene, api| {
                without_unfinished(scene);
                api.cancel_large_file(&scene.unfinished)
            },
            "Service",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let other = calls.start(&Encryption::SseB2);
            let cancelled = calls.call(Operation::CancelLargeFile, |raw| {
                raw.cancel_large_file(&other)
            });
            assert_eq!(cancelled.file_name.as_deref(), Some("large"));
        },
    },
    Row {
        operation: Operation::ListUnfinishedLargeFiles,
        needs: &["listFiles"],
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            let mut files = bucket.list_unfinished_large_files("mine/")?;
            assert_eq!(files.next().unwrap()?.file_id, scene.unfinished);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let mut files = deleted(scene, api).list_unfinished_large_files("")?;
                files.next().unwrap().map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            for _ in 0..2 {
                calls.start(&Encryption::SseB2);
            }
            let page = calls.call(Operation::ListUnfinishedLargeFiles, |raw| {
                let request = ListUnfinishedRequest::new(calls.scene.bucket.id());
                raw.list_unfinished_large_files(&request.name_prefix("la"))
            });
            assert_eq!(page.files.len(), 2);
        },
    },
    Row {
        operation: Operation::ListParts,
        needs: &["writeFiles"],
        call: |scene, api| {
            let parts = api.list_parts(&scene.unfinished)?;
            let parts: Result<Vec<_>, _> = parts.collect();
            let numbers = parts?.into_iter().map(|part| part.part_number);
            assert!(numbers.eq(1..=3));
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_unfinished(scene);
                let mut parts = api.list_parts(&scene.unfinished)?;
                parts.next().unwrap().map(|_| ())
            },
            "Service",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let page = calls.call(Operation::ListParts, |raw| {
                raw.list_parts(&ListPartsRequest::new(&calls.scene.unfinished).start_part_number(3))
            });
            assert_eq!((page.parts.len(), page.next_part_number), (1, None));
        },
    },
];
