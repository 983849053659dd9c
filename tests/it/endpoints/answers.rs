//! Answers that are about something else than the request: which members of which answer must agree with
//! it, and what becomes of a call whose answer does not.

use b2sdk::simulator::Fault;
use b2sdk::{Error, Operation};
use serde_json::Value;

use super::{Row, Scene, rows, variant};

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It fails.
    Fails,
    /// The service is asked what it has, or the request is sent again; the call succeeds.
    Succeeds,
}

/// The members of an answer that must agree, or the headers of a download.
const AGREE: &[(Operation, &[&str], Then)] = &[
    (Operation::CancelLargeFile, &["fileId"], Then::Fails),
    (
        Operation::CopyFile,
        &["bucketId", "fileName"],
        Then::Succeeds,
    ),
    (
        Operation::CopyPart,
        &["fileId", "partNumber", "contentLength"],
        Then::Succeeds,
    ),
    (Operation::CreateBucket, &["bucketName"], Then::Fails),
    (Operation::CreateKey, &["keyName"], Then::Fails),
    (Operation::DeleteBucket, &["bucketId"], Then::Fails),
    (
        Operation::DeleteFileVersion,
        &["fileId", "fileName"],
        Then::Fails,
    ),
    (Operation::DeleteKey, &["applicationKeyId"], Then::Fails),
    (Operation::DownloadFileById, &["X-Bz-File-Id"], Then::Fails),
    (
        Operation::DownloadFileByName,
        &["X-Bz-File-Name"],
        Then::Fails,
    ),
    (
        Operation::FinishLargeFile,
        &["fileId", "fileName", "contentLength"],
        Then::Succeeds,
    ),
    (
        Operation::GetBucketNotificationRules,
        &["bucketId"],
        Then::Fails,
    ),
    (
        Operation::GetDownloadAuthorization,
        &["bucketId", "fileNamePrefix"],
        Then::Fails,
    ),
    (Operation::GetFileInfo, &["fileId"], Then::Fails),
    (Operation::GetUploadPartUrl, &["fileId"], Then::Fails),
    (Operation::GetUploadUrl, &["bucketId"], Then::Fails),
    (
        Operation::HideFile,
        &["bucketId", "fileName"],
        Then::Succeeds,
    ),
    (
        Operation::SetBucketNotificationRules,
        &["bucketId"],
        Then::Fails,
    ),
    (
        Operation::StartLargeFile,
        &["bucketId", "fileName"],
        Then::Succeeds,
    ),
    (Operation::UpdateBucket, &["bucketId"], Then::Fails),
    (
        Operation::UpdateFileLegalHold,
        &["fileId", "fileName"],
        Then::Fails,
    ),
    (
        Operation::UpdateFileRetention,
        &["fileId", "fileName"],
        Then::Fails,
    ),
    (
        Operation::UploadFile,
        &["bucketId", "fileName", "contentLength", "contentSha1"],
        Then::Succeeds,
    ),
    (
        Operation::UploadPart,
        &["fileId", "partNumber", "contentLength", "contentSha1"],
        Then::Succeeds,
    ),
];

/// Answers that do not tell what they are about.
const SILENT: &[Operation] = &[
    Operation::AuthorizeAccount,
    Operation::ListBuckets,
    Operation::ListFileNames,
    Operation::ListFileVersions,
    Operation::ListKeys,
    Operation::ListParts,
    Operation::ListUnfinishedLargeFiles,
];

/// Changes a member that the answer must have.
fn other(member: &'static str) -> impl Fn(&mut Value) {
    move |answer| {
        let value = answer.get_mut(member).filter(|value| !value.is_null());
        let value = value.unwrap_or_else(|| panic!("the answer has no {member}"));
        *value = match value {
            Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            _ => "0000000000000000000000000000000000000000".into(),
        };
    }
}

fn outcome(row: &Row, member: &'static str) -> (Result<(), Error>, usize) {
    let scene = Scene::new();
    let fault = Fault::on(row.operation);
    scene.world.inject(if member.starts_with("X-Bz-") {
        fault.header(member, "other")
    } else {
        fault.edit_json(other(member))
    });
    let outcome = (row.call)(&scene, &scene.world.api);
    assert_eq!(scene.world.service.faults().remaining(), 0, "{member}");
    (outcome, scene.world.total())
}

#[test]
fn an_answer_about_something_else_is_not_taken() {
    for (operation, members, then) in AGREE {
        let row = rows().find(|row| row.operation == *operation).unwrap();
        let usual = {
            let scene = Scene::new();
            (row.call)(&scene, &scene.world.api).unwrap();
            scene.world.total()
        };
        for member in *members {
            let (outcome, requests) = outcome(row, member);
            match (then, outcome) {
                (Then::Fails, Err(error)) => {
                    let failure = variant(error.failure());
                    assert_eq!(failure, "UnexpectedReply", "{operation} {member}: {error}");
                }
                (Then::Succeeds, Ok(())) => assert!(
                    requests > usual,
                    "{operation} {member}: it was taken as it was"
                ),
                (_, outcome) => panic!("{operation} {member}: {outcome:?}"),
            }
        }
    }
}

#[test]
fn every_answer_is_compared_or_tells_nothing_to_compare() {
    for operation in Operation::ALL {
        let rows = AGREE.iter().filter(|(row, ..)| row == operation).count();
        let silent = usize::from(SILENT.contains(operation));
        assert_eq!(rows + silent, 1, "{operation}");
    }
}
