//! A file version out of the headers of a download (reference section 8.3).

use crate::error::Result;
use crate::http::{HeaderMap, Response};
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::FileInfo;
use crate::model::id::FileId;
use crate::model::replication::ReplicationStatus;
use crate::model::sha1::ContentSha1;
use crate::model::time::Timestamp;
use crate::raw::encoding::decode;
use crate::raw::unexpected;

const INFO_PREFIX: &str = "x-bz-info-";

/// File info that comes back as a standard header instead of `X-Bz-Info-*`.
const STANDARD: [(&str, &str); 5] = [
    ("cache-control", "b2-cache-control"),
    ("content-disposition", "b2-content-disposition"),
    ("content-encoding", "b2-content-encoding"),
    ("content-language", "b2-content-language"),
    ("expires", "b2-expires"),
];

/// The file that a download's headers describe; `total` is its whole length.
pub(super) fn file_version(response: &Response, total: u64) -> Result<FileVersion> {
    let required = |name: &str| {
        response
            .header(name)
            .ok_or_else(|| unexpected(response.operation, format!("it has no {name} header")))
    };
    let timestamp = required("x-bz-upload-timestamp")?;
    let timestamp = timestamp.parse().map_err(|_| {
        unexpected(
            response.operation,
            format!("its upload timestamp is {timestamp:?}"),
        )
    })?;
    Ok(FileVersion {
        account_id: None,
        bucket_id: None,
        action: FileAction::Upload,
        file_id: FileId::from(required("x-bz-file-id")?),
        file_name: decode(required("x-bz-file-name")?),
        content_length: total,
        content_type: response.header("content-type").map(str::to_owned),
        content_sha1: response
            .header("x-bz-content-sha1")
            .map_or(ContentSha1::Absent, ContentSha1::from),
        content_md5: None,
        file_info: file_info(&response.headers),
        upload_timestamp: Timestamp::from_millis(timestamp),
        replication_status: response
            .header("x-bz-replication-status")
            .map(ReplicationStatus::in_any_case),
        extra: serde_json::Map::new(),
    })
}

fn file_info(headers: &HeaderMap) -> FileInfo {
    let text = |value: &[u8]| decode(&String::from_utf8_lossy(value));
    let own = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(INFO_PREFIX)?;
        Some((name.to_owned(), text(value.as_bytes())))
    });
    // Standard headers travel as they are: a '+' in them is a '+'.
    let standard = STANDARD.iter().filter_map(|(header, name)| {
        let value = headers.get(*header)?;
        Some((
            (*name).to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ))
    });
    own.chain(standard).collect()
}

#[cfg(test)]
mod tests;
