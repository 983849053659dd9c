//! A part of a large file as the service describes it (docs/protocol.md, section 3.4).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::encryption::EncryptionInfo;
use crate::model::filtered::{self, Filtered};
use crate::model::id::FileId;
use crate::model::lenient::Row;
use crate::model::sha1::ContentSha1;
use crate::model::time::Timestamp;

/// A part of an unfinished large file, from [`B2Api::list_parts`](crate::B2Api::list_parts). Once
/// the file is finished, the service no longer tells its parts.
///
/// Parts of a large file have any order in time: they are uploaded side by side, and a part that is
/// uploaded again replaces the earlier one. The service bills the parts of a file that is never
/// finished.
///
/// Members that this version of the crate does not know are in [`extra`](Self::extra).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Part {
    /// The id of the large file that the part belongs to.
    pub file_id: FileId,
    /// The number of the part, 1 to 10,000, which is its place in the file.
    pub part_number: u32,
    /// The size of the part in bytes.
    pub content_length: u64,
    /// The SHA-1 of the part's content.
    #[serde(default)]
    pub content_sha1: ContentSha1,
    /// How the part is encrypted: as the large file, which fixes that at its start.
    #[serde(default, with = "filtered::plain")]
    pub server_side_encryption: Filtered<EncryptionInfo>,
    /// When the part was uploaded or copied, by the service's clock, if the service tells it.
    #[serde(default)]
    pub upload_timestamp: Option<Timestamp>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Row for Part {
    const REQUIRED: &'static [&'static str] = &["fileId", "partNumber", "contentLength"];

    fn extra_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.extra
    }

    fn hide(&mut self, member: &str) {
        if member == "serverSideEncryption" {
            self.server_side_encryption = Filtered::NotAuthorized;
        }
    }
}
