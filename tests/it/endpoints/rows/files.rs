//! Small files: uploading, listing, copying, locking, deleting.

use b2sdk::encryption::Encryption;
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::raw::{
    CopyFileRequest, ListFilesRequest, UpdateFileLegalHoldRequest, UpdateFileRetentionRequest,
};
use b2sdk::{B2Api, ByteRange, CopyOptions, Error, FileAction, FileInfo, Filtered, Operation};

use super::super::raw_calls::HELLO;
use super::super::{FILE, Lost, Row, Scene};
use super::{bucket, copy, deleted, retention, upload, without_file};

fn no_bucket_for_small(scene: &Scene, api: &B2Api) -> Result<(), Error> {
    upload(&deleted(scene, api), "x", 9)
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::GetUploadUrl,
        needs: &["writeFiles"],
        call: |scene, api| upload(&bucket(scene, api)?, &scene.name(), 9),
        absent: Some((no_bucket_for_small, "BucketNotFound")),
        lost: Lost::Again,
        raw: |calls| assert_eq!(calls.upload().action, FileAction::Upload),
    },
    Row {
        operation: Operation::UploadFile,
        needs: &["writeFiles"],
        call: |scene, api| upload(&bucket(scene, api)?, &scene.name(), 9),
        absent: Some((no_bucket_for_small, "BucketNotFound")),
        lost: Lost::Found,
        raw: |calls| {
            let file = calls.upload();
            assert_eq!(
                (file.action, &*file.file_name),
                (FileAction::Upload, HELLO.0)
            );
            assert_eq!(file.file_info.get("colour"), Some("blue green"));
        },
    },
    Row {
        operation: Operation::ListFileNames,
        needs: &["listFiles"],
        call: |scene, api| {
            let entry = bucket(scene, api)?.ls("mine")?.next().unwrap()?;
            assert_eq!(entry.version.file_name, FILE);
            Ok(())
        },
        absent: Some((
            |scene, api| deleted(scene, api).ls("")?.next().unwrap().map(|_| ()),
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let file = calls.upload();
            let request = ListFilesRequest::new(calls.scene.bucket.id())
                .prefix("a/")
                .max_file_count(1);
            let page = calls.call(Operation::ListFileNames, |raw| {
                raw.list_file_names(&request)
            });
            assert_eq!(
                (&page.files[0].file_id, page.next_file_name),
                (&file.file_id, None)
            );
        },
    },
    Row {
        operation: Operation::ListFileVersions,
        needs: &["listFiles"],
        call: |scene, api| {
            let bucket = bucket(scene, api)?;
            let version = bucket.list_file_versions(FILE)?.next().unwrap()?;
            assert_eq!(version.file_id, scene.file);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let mut versions = deleted(scene, api).list_file_versions("x")?;
                versions.next().unwrap().map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let file = calls.upload();
            let request = ListFilesRequest::new(calls.scene.bucket.id())
                .prefix("a/")
                .max_file_count(1)
                .start_file_name(HELLO.0)
                .start_file_id(file.file_id.clone());
            let page = calls.call(Operation::ListFileVersions, |raw| {
                raw.list_file_versions(&request)
            });
            assert_eq!(page.files.len(), 1);
            assert_eq!(page.files[0].file_id, file.file_id);
        },
    },
    Row {
        operation: Operation::GetFileInfo,
        needs: &["readFiles"],
        call: |scene, api| {
            let version = api.get_file_info(&scene.file)?;
            assert_eq!(version.file_name, FILE);
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.get_file_info(&scene.file).map(|_| ())
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let file = calls.upload();
            let version = calls.call(Operation::GetFileInfo, |raw| {
                raw.get_file_info(&file.file_id)
            });
            let listed = calls.scene.bucket.list_file_versions(HELLO.0).unwrap();
            assert_eq!(
                listed.map(Result::unwrap).collect::<Vec<_>>(),
                std::slice::from_ref(&version)
            );
            assert_eq!(version.legal_hold, Filtered::Readable(LegalHold::Off));
        },
    },
    Row {
        operation: Operation::HideFile,
        needs: &["writeFiles"],
        call: |scene, api| {
            let marker = bucket(scene, api)?.hide_file(FILE)?;
            assert_eq!(marker.action, b2sdk::FileAction::Hide);
            Ok(())
        },
        absent: Some((
            |scene, api| bucket(scene, api)?.hide_file("no/such").map(|_| ()),
            "FileNotFound",
        )),
        lost: Lost::Found,
        raw: |calls| {
            let marker = calls.call(Operation::HideFile, |raw| {
                raw.hide_file(&calls.scene.bucket.id(), FILE)
            });
            assert_eq!(marker.action, b2sdk::FileAction::Hide);
        },
    },
    Row {
        operation: Operation::DeleteFileVersion,
        needs: &["deleteFiles"],
        call: |scene, api| api.delete_file_version(&scene.file, FILE),
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.delete_file_version(&scene.file, FILE)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let marker = calls.scene.bucket.hide_file(FILE).unwrap();
            for id in [&marker.file_id, &calls.scene.file] {
                let gone = calls.call(Operation::DeleteFileVersion, |raw| {
                    raw.delete_file_version(id, FILE, false)
                });
                assert_eq!(&gone.file_id, id);
            }
        },
    },
    Row {
        operation: Operation::CopyFile,
        needs: &["writeFiles", "readFiles"],
        call: |scene, api| copy(scene, api, &CopyOptions::new()),
        absent: Some((
            |scene, api| {
                without_file(scene);
                copy(scene, api, &CopyOptions::new())
            },
            "FileNotFound",
        )),
        lost: Lost::Found,
        raw: |calls| {
            let info = FileInfo::new();
            let copy = calls.call(Operation::CopyFile, |raw| {
                let request = CopyFileRequest::new(&calls.scene.file, "copy")
                    .range(ByteRange::from(0..=1))
                    .metadata_directive("REPLACE")
                    .content_type("a/b")
                    .file_info(&info)
                    .destination_server_side_encryption(&Encryption::SseB2);
                raw.copy_file(&request)
            });
            assert_eq!(
                (copy.content_length, copy.content_type.as_deref()),
                (2, Some("a/b"))
            );
        },
    },
    Row {
        operation: Operation::UpdateFileRetention,
        needs: &["writeFileRetentions"],
        call: |scene, api| {
            let wanted = retention(&scene.world);
            let stored = api.update_file_retention(&scene.file, FILE, Some(&wanted))?;
            assert_eq!(stored, Some(wanted));
            Ok(())
        },
        absent: Some((
            |scene, api| {
                without_file(scene);
                let wanted = retention(&scene.world);
                let stored = api.update_file_retention(&scene.file, FILE, Some(&wanted));
                stored.map(|_| ())
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            let retention = retention(&calls.scene.world);
            let retain = |wanted: Option<&FileRetention>| {
                calls.call(Operation::UpdateFileRetention, |raw| {
                    let request = UpdateFileRetentionRequest::new(&calls.scene.file, FILE, wanted);
                    raw.update_file_retention(&request.bypass_governance(wanted.is_none()))
                })
            };
            let set = retain(Some(&retention)).file_retention.unwrap();
            assert_eq!(set.readable(), Some(&retention));
            assert_eq!(retain(None).file_retention, Some(Filtered::Unset));
        },
    },
    Row {
        operation: Operation::UpdateFileLegalHold,
        needs: &["writeFileLegalHolds"],
        call: |scene, api| api.update_file_legal_hold(&scene.file, FILE, &LegalHold::On),
        absent: Some((
            |scene, api| {
                without_file(scene);
                api.update_file_legal_hold(&scene.file, FILE, &LegalHold::On)
            },
            "FileNotFound",
        )),
        lost: Lost::Again,
        raw: |calls| {
            for hold in [LegalHold::On, LegalHold::Off] {
                let answer = calls.call(Operation::UpdateFileLegalHold, |raw| {
                    let id = &calls.scene.file;
                    raw.update_file_legal_hold(&UpdateFileLegalHoldRequest::new(id, FILE, &hold))
                });
                assert_eq!(answer.legal_hold, Some(hold));
            }
        },
    },
];
