//! Reads a file version from the headers of a download (docs/protocol.md, section 8.3).
//!
//! Settings that the key may not read are missing from the headers, just like settings that are not
//! set. The two cases are distinguished by the header that names what is hidden, and by the key's
//! capabilities.

use crate::error::Result;
use crate::http::{HeaderMap, HeaderName, Response};
use crate::model::auth::{Allowed, Capability};
use crate::model::encryption::{EncryptionInfo, EncryptionMode};
use crate::model::file::{FileAction, FileVersion};
use crate::model::file_info::FileInfo;
use crate::model::filtered::Filtered;
use crate::model::id::FileId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::replication::ReplicationStatus;
use crate::model::sha1::ContentSha1;
use crate::model::time::Timestamp;
use crate::raw::customer_key::{CUSTOMER_ALGORITHM, CUSTOMER_KEY_MD5};
use crate::raw::encoding::decode;
use crate::raw::unexpected;

/// The prefix of headers that contain file info.
const INFO_PREFIX: &str = "x-bz-info-";

/// File info that is returned as a standard header instead of `X-Bz-Info-*`.
const STANDARD: [(&str, &str); 5] = [
    ("cache-control", "b2-cache-control"),
    ("content-disposition", "b2-content-disposition"),
    ("content-encoding", "b2-content-encoding"),
    ("content-language", "b2-content-language"),
    ("expires", "b2-expires"),
];

/// The names of headers about a file and how it is kept, in requests and in answers.
pub(super) const ENCRYPTION: HeaderName = HeaderName::from_static("x-bz-server-side-encryption");
pub(super) const RETENTION_MODE: HeaderName = HeaderName::from_static("x-bz-file-retention-mode");
pub(super) const RETAIN_UNTIL: HeaderName =
    HeaderName::from_static("x-bz-file-retention-retain-until-timestamp");
pub(super) const LEGAL_HOLD: HeaderName = HeaderName::from_static("x-bz-file-legal-hold");
pub(super) const CONTENT_SHA1: HeaderName = HeaderName::from_static("x-bz-content-sha1");
pub(super) const UPLOAD_TIMESTAMP: HeaderName =
    HeaderName::from_static("x-bz-custom-upload-timestamp");
/// Names the headers that the key may not read, although not for every file (docs/protocol.md,
/// section 8.3).
const HIDDEN: &str = "X-Bz-Client-Unauthorized-To-Read";

/// The version that a download's headers describe. `total` is the length of the whole file, and
/// `allowed` what the key may do. Fails with `UnexpectedReply` if a header that every version has
/// is missing.
pub(super) fn file_version(
    response: &Response,
    total: u64,
    allowed: &Allowed,
) -> Result<FileVersion> {
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
            .header(CONTENT_SHA1)
            .map_or(ContentSha1::Absent, ContentSha1::from),
        content_md5: None,
        file_info: file_info(&response.headers),
        server_side_encryption: encryption(response),
        file_retention: retention(response, allowed),
        legal_hold: legal_hold(response, allowed),
        upload_timestamp: Timestamp::from_millis(timestamp),
        replication_status: response
            .header("x-bz-replication-status")
            .map(ReplicationStatus::in_any_case),
        extra: serde_json::Map::new(),
    })
}

/// The encryption of the version.
fn encryption(response: &Response) -> Filtered<EncryptionInfo> {
    let of = |mode, algorithm: &str, customer_key_md5: Option<&str>| EncryptionInfo {
        mode,
        algorithm: Some(algorithm.into()),
        customer_key_md5: customer_key_md5.map(str::to_owned),
    };
    if let Some(algorithm) = response.header(CUSTOMER_ALGORITHM) {
        let md5 = response.header(CUSTOMER_KEY_MD5);
        return Filtered::Readable(of(EncryptionMode::SseC, algorithm, md5));
    }
    match response.header(ENCRYPTION) {
        Some(algorithm) => Filtered::Readable(of(EncryptionMode::SseB2, algorithm, None)),
        None if is_hidden(response, ENCRYPTION) => Filtered::NotAuthorized,
        None => Filtered::Unset,
    }
}

/// The retention of the version, if the key may read it.
fn retention(response: &Response, allowed: &Allowed) -> Filtered<FileRetention> {
    let until = response
        .header(RETAIN_UNTIL)
        .and_then(|until| until.parse().ok())
        .map(Timestamp::from_millis);
    match (response.header(RETENTION_MODE), until) {
        (Some(mode), Some(until)) => Filtered::Readable(FileRetention {
            mode: mode.into(),
            until,
        }),
        (None, None)
            if allowed.has(&Capability::ReadFileRetentions)
                && !is_hidden(response, RETENTION_MODE) =>
        {
            Filtered::Unset
        }
        _ => Filtered::NotAuthorized,
    }
}

/// The legal hold of the version, if the key may read it.
fn legal_hold(response: &Response, allowed: &Allowed) -> Filtered<LegalHold> {
    match response.header(LEGAL_HOLD) {
        Some(hold) => Filtered::Readable(hold.into()),
        None if allowed.has(&Capability::ReadFileLegalHolds)
            && !is_hidden(response, LEGAL_HOLD) =>
        {
            Filtered::Unset
        }
        None => Filtered::NotAuthorized,
    }
}

/// Whether the service says that it left this header out because the key may not read it.
fn is_hidden(response: &Response, header: HeaderName) -> bool {
    let hidden = response.header(HIDDEN).unwrap_or_default();
    hidden
        .split(',')
        .any(|name| name.trim().eq_ignore_ascii_case(header.as_str()))
}

/// The file info, from headers of both kinds.
fn file_info(headers: &HeaderMap) -> FileInfo {
    let text = |value: &[u8]| decode(&String::from_utf8_lossy(value));
    let own = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(INFO_PREFIX)?;
        Some((name.to_owned(), text(value.as_bytes())))
    });
    // Standard headers are not encoded, so a '+' in them is a '+'.
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
