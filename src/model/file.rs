//! File versions as the service describes them (docs/protocol.md, section 3.3).
//!
//! | row | `action` | has |
//! | --- | --- | --- |
//! | a file | `Upload` or `Copy` | content, type, checksums (SHA-1 and MD5 only if it was uploaded in one request) |
//! | an unfinished large file | `Start` | a type and file info, no content yet |
//! | a hide marker | `Hide` | only a name, an id and a time |
//! | a folder of a listing | `Folder` | only a name that ends in `/`; it is not stored anywhere |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::encryption::{EncryptionInfo, SSE_C_KEY_ID};
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1};
use crate::model::filtered::{self, Filtered};
use crate::model::id::{AccountId, BucketId, FileId};
use crate::model::lenient::{Row, empty, null_is_default, null_is_empty};
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::open_enum::open_enum;
use crate::model::replication::{ReplicationStatus, status_in_any_case};
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::model::time::Timestamp;

open_enum! {
    /// What a [`FileVersion`] is: a file with content, or something else that listings contain.
    FileAction {
        /// A file with content.
        Upload = "upload",
        /// A file with content that a copy within the service has made. Only the answer to the copy says so;
        /// listings show it as [`Upload`](Self::Upload).
        Copy = "copy",
        /// A large file that is not finished. It cannot be downloaded, and its parts are billed.
        Start = "start",
        /// A hide marker: from here on the file does not appear under its name. It has no content.
        Hide = "hide",
        /// A folder, which stands for all files in it. It exists in listings only.
        Folder = "folder",
    }
}

/// One version of a file, as an upload, a listing, a download or a request for its description reports it.
///
/// A name and an id together identify a version; neither ever changes. Content, type and file info cannot be
/// changed either, only retention and legal hold. Of the versions of a name, the one with the latest
/// [`upload_timestamp`](Self::upload_timestamp) is what the name stands for.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use b2sdk::{FileAction, Sha1Digest};
///
/// bucket.upload_bytes(b"hello", "hello.txt")?;
/// let version = bucket.get_file_info_by_name("hello.txt")?;
/// assert_eq!((version.action, version.content_length), (FileAction::Upload, 5));
/// assert_eq!(version.content_sha1.digest(), Some(Sha1Digest::of(b"hello")));
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
///
/// Members that this version of the crate does not know are in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FileVersion {
    /// The id of the account that owns the file; `None` where the headers of a download describe the file.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// The id of the bucket that holds the file; `None` where the headers of a download describe the file.
    #[serde(default)]
    pub bucket_id: Option<BucketId>,
    /// What this version is: a file, a hide marker, an unfinished large file, a folder. It is
    /// [`FileAction::Other`] with an empty text if the service does not say.
    #[serde(default = "empty", deserialize_with = "null_is_empty")]
    pub action: FileAction,
    /// The version's id. Folders have none: theirs is empty.
    #[serde(default = "empty", deserialize_with = "null_is_empty")]
    pub file_id: FileId,
    /// The file's name, or a folder's with a `/` at its end.
    pub file_name: String,
    /// The size in bytes; 0 for everything that is not a finished file.
    #[serde(default, deserialize_with = "null_is_default")]
    pub content_length: u64,
    /// The MIME type. `None` for folders.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The SHA-1 of the content as the service has it, which is absent for large files. [`sha1`](Self::sha1)
    /// also looks for the one that an uploader recorded.
    #[serde(default)]
    pub content_sha1: ContentSha1,
    /// The MD5 of the content in hexadecimal; `None` for large files.
    #[serde(default)]
    pub content_md5: Option<String>,
    /// The names and values stored with the file, at most 10.
    #[serde(default, deserialize_with = "null_is_default")]
    pub file_info: FileInfo,
    /// How the service encrypts the file; unset if it is not encrypted, as is usual for files from before
    /// September 2026.
    #[serde(default, with = "filtered::plain")]
    pub server_side_encryption: Filtered<EncryptionInfo>,
    /// Until when the version cannot be deleted. Reading it needs `readFileRetentions`.
    #[serde(default, with = "filtered::wrapped")]
    pub file_retention: Filtered<FileRetention>,
    /// Whether the version is on legal hold. Reading it needs `readFileLegalHolds`.
    #[serde(default, with = "filtered::wrapped")]
    pub legal_hold: Filtered<LegalHold>,
    /// When the upload began, by the service's clock, or the time that the uploader chose with
    /// [`UploadOptions::upload_timestamp`](crate::UploadOptions::upload_timestamp). It is 1970 for folders.
    #[serde(default, deserialize_with = "null_is_default")]
    pub upload_timestamp: Timestamp,
    /// The state of the version's replication; `None` where no replication rule applies.
    #[serde(
        default,
        deserialize_with = "status_in_any_case",
        skip_serializing_if = "Option::is_none"
    )]
    pub replication_status: Option<ReplicationStatus>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl FileVersion {
    /// The row that stands for a folder, as the service makes it.
    pub(crate) fn folder(name: &str) -> Self {
        Self {
            action: FileAction::Folder,
            file_name: name.to_owned(),
            ..Self::blank()
        }
    }

    /// A version of which nothing is known yet.
    pub(crate) fn blank() -> Self {
        Self {
            account_id: None,
            bucket_id: None,
            action: empty(),
            file_id: empty(),
            file_name: String::new(),
            content_length: 0,
            content_type: None,
            content_sha1: ContentSha1::default(),
            content_md5: None,
            file_info: FileInfo::default(),
            server_side_encryption: Filtered::Unset,
            file_retention: Filtered::Unset,
            legal_hold: Filtered::Unset,
            upload_timestamp: Timestamp::default(),
            replication_status: None,
            extra: Map::new(),
        }
    }

    /// Returns when the source was last changed, if the uploader recorded that as
    /// `src_last_modified_millis`, and otherwise when the upload began. A download to a path gives the file
    /// this time.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        self.file_info
            .src_last_modified()
            .unwrap_or(self.upload_timestamp)
    }

    /// Returns the id of the customer's key that the file is encrypted with, if its uploader recorded one.
    /// This crate records the [`id`](crate::encryption::SseCustomerKey::id) of the key.
    #[must_use]
    pub fn sse_c_key_id(&self) -> Option<&str> {
        self.file_info.get(SSE_C_KEY_ID)
    }

    /// Returns the SHA-1 of the whole content: that of the service, or for a large file the one that its
    /// uploader recorded as `large_file_sha1`, which the service has not verified.
    #[must_use]
    pub fn sha1(&self) -> Option<Sha1Digest> {
        self.content_sha1
            .digest()
            .or_else(|| self.file_info.get(LARGE_FILE_SHA1)?.parse().ok())
    }
}

impl Row for FileVersion {
    const REQUIRED: &'static [&'static str] = &["fileName"];

    fn extra_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }

    fn hide(&mut self, member: &str) {
        match member {
            "serverSideEncryption" => self.server_side_encryption = Filtered::NotAuthorized,
            "fileRetention" => self.file_retention = Filtered::NotAuthorized,
            "legalHold" => self.legal_hold = Filtered::NotAuthorized,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileAction, FileVersion};
    use crate::model::time::Timestamp;

    #[test]
    fn folders_and_hide_markers_are_read_with_all_their_nulls() {
        let folder: FileVersion = serde_json::from_str(
            r#"{"accountId":"a","action":"folder","bucketId":"b","contentLength":0,"contentMd5":null,
                "contentSha1":null,"contentType":null,"fileId":null,"fileInfo":{},"fileName":"photos/","uploadTimestamp":0}"#,
        )
        .unwrap();
        assert_eq!(
            (folder.action, folder.file_id.as_str()),
            (FileAction::Folder, "")
        );
        let bare: FileVersion = serde_json::from_str(
            r#"{"action":"levitate","fileName":"x","uploadTimestamp":null,"new":[1]}"#,
        )
        .unwrap();
        assert_eq!(bare.action, FileAction::Other("levitate".into()));
        assert_eq!(bare.extra["new"][0], 1);
    }

    #[test]
    fn the_recorded_modification_time_wins_over_the_upload_time() {
        let version = |info: &str| -> FileVersion {
            serde_json::from_str(&format!(
                r#"{{"action":"upload","fileId":"i","fileName":"x","fileInfo":{info},"uploadTimestamp":9}}"#
            ))
            .unwrap()
        };
        assert_eq!(
            version(r#"{"src_last_modified_millis":"5"}"#).modified(),
            Timestamp::from_millis(5)
        );
        assert_eq!(
            version(r#"{"src_last_modified_millis":"soon"}"#).modified(),
            Timestamp::from_millis(9)
        );
    }
}
