//! Checks whether an answer is about what was asked for.
//!
//! A proxy may have kept the answer to another request, or mixed up two connections. So whatever an
//! answer says about its subject must be what the request named. What it does not say is not
//! required. Uploads and downloads carry their subject in headers, and compare it where these are
//! read.
//!
//! The comparison costs a second parse of the answer. It is made only for the answers that name
//! their subject, which are short; listings are not compared.

use serde_json::{Map, Value};

use crate::error::Result;
use crate::model::operation::Operation;
use crate::raw::unexpected;

/// The members of the request and of the answer that must be equal.
const fn members(operation: Operation) -> &'static [(&'static str, &'static str)] {
    use Operation as Op;
    const FILE: &[(&str, &str)] = &[("fileId", "fileId"), ("fileName", "fileName")];
    const BUCKET: &[(&str, &str)] = &[("bucketId", "bucketId")];
    match operation {
        Op::CancelLargeFile
        | Op::DeleteFileVersion
        | Op::FinishLargeFile
        | Op::GetFileInfo
        | Op::GetUploadPartUrl
        | Op::UpdateFileLegalHold
        | Op::UpdateFileRetention => FILE,
        Op::DeleteBucket
        | Op::GetBucketNotificationRules
        | Op::GetUploadUrl
        | Op::SetBucketNotificationRules
        | Op::UpdateBucket => BUCKET,
        Op::HideFile | Op::StartLargeFile => &[("bucketId", "bucketId"), ("fileName", "fileName")],
        Op::CopyFile => &[
            ("destinationBucketId", "bucketId"),
            ("fileName", "fileName"),
        ],
        Op::CopyPart => &[("largeFileId", "fileId"), ("partNumber", "partNumber")],
        Op::CreateBucket => &[("bucketName", "bucketName")],
        Op::CreateKey => &[("keyName", "keyName")],
        Op::DeleteKey => &[("applicationKeyId", "applicationKeyId")],
        Op::GetDownloadAuthorization => &[
            ("bucketId", "bucketId"),
            ("fileNamePrefix", "fileNamePrefix"),
        ],
        Op::AuthorizeAccount
        | Op::DownloadFileById
        | Op::DownloadFileByName
        | Op::ListBuckets
        | Op::ListFileNames
        | Op::ListFileVersions
        | Op::ListKeys
        | Op::ListParts
        | Op::ListUnfinishedLargeFiles
        | Op::UploadFile
        | Op::UploadPart => &[],
    }
}

/// Fails with `UnexpectedReply` if the answer is about something else than the request.
pub(super) fn check(operation: Operation, request: &[u8], answer: &[u8]) -> Result<()> {
    let members = members(operation);
    if members.is_empty() {
        return Ok(());
    }
    let object = |text| serde_json::from_slice::<Map<String, Value>>(text).unwrap_or_default();
    let (request, answer) = (object(request), object(answer));
    for (asked, told) in members {
        if let (Some(asked), Some(told)) = (request.get(*asked), answer.get(*told))
            && !told.is_null()
        {
            same(operation, asked, told)?;
        }
    }
    Ok(())
}

/// Fails with `UnexpectedReply` if two values differ.
pub(super) fn same<T: PartialEq + std::fmt::Display>(
    operation: Operation,
    asked: &T,
    told: &T,
) -> Result<()> {
    if asked == told {
        return Ok(());
    }
    let reason = format!("it is about {told}, and {asked} was asked for");
    Err(unexpected(operation, reason))
}
