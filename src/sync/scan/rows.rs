//! The rows of a page of a listing, packed: what synchronizing asks of 10,000 of them fits in 3
//! MiB, of the 9.5 MB of JSON that they take on the wire.
//!
//! Their texts stand one after the other in one piece of memory, and the type and the file info of
//! a file are kept only where a copy may have to repeat them: a copy that is to have another time
//! replaces both, and would lose them. A field that the key may not read counts as not set, so that
//! a version under an invisible retention is tried, refused, and counted as retained.
//!
//! Packing and unpacking are each other's inverse for what is kept. Texts are taken in the order in
//! which they were put: type, info, name, id.

use serde::Deserialize;
use serde_json::Value;

use crate::model::encryption::{EncryptionInfo, EncryptionMode};
use crate::model::file::FileAction;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1};
use crate::model::filtered::{self, Filtered};
use crate::model::id::FileId;
use crate::model::lenient::null_is_default;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::sha1::{ContentSha1, Sha1Digest};
use crate::model::time::Timestamp;
use crate::raw::ListedRow;
use crate::sync::item::{Details, Stored};

/// Of which files type and info are kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::sync) struct KeptDetails {
    /// Those of this size and larger ones.
    pub(in crate::sync) from: u64,
    /// Those without a recorded modification time.
    pub(in crate::sync) without_time: bool,
}

impl KeptDetails {
    /// Keeps neither type nor info of any file.
    pub(in crate::sync) const NONE: Self = Self {
        from: u64::MAX,
        without_time: false,
    };
}

/// The rows of a page that have not been taken.
///
/// It must be taken from front to back, because a row only knows how long its texts are.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: std::vec::IntoIter<Packed>,
    texts: String,
    /// Where the texts of the next row begin.
    at: usize,
}

/// A row that is taken.
///
/// `retained_until` is apart from `stored` because whether it is over is decided by the clock when
/// the row is taken.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) retained_until: Option<Timestamp>,
    pub(super) stored: Stored,
}

/// Puts the rows of a page together.
///
/// Rows are pushed in the order of the listing and come out in that order.
#[derive(Debug)]
pub(super) struct RowPacker {
    rows: Vec<Packed>,
    texts: String,
    details: KeptDetails,
}

/// A row without its texts.
///
/// `name` and `file_id` are lengths in bytes.
#[derive(Debug)]
struct Packed {
    name: u32,
    file_id: u32,
    /// How long type and info are, where they are kept: the latter as JSON.
    details: Option<(u32, u32)>,
    size: u64,
    uploaded: Timestamp,
    recorded: Option<Timestamp>,
    retained_until: Option<Timestamp>,
    sha1: Option<Sha1Digest>,
    encryption: Option<EncryptionMode>,
    is_marker: bool,
    is_on_hold: bool,
}

impl RowPacker {
    pub(super) const fn new(details: KeptDetails) -> Self {
        Self {
            rows: Vec::new(),
            texts: String::new(),
            details,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row of the answer, unless it is none of a file or a hide marker.
    ///
    /// Unfinished large files and folders are left out. Of a large file without a SHA-1, the one
    /// that its uploader recorded is kept. Fails if a text has more than 4 GiB.
    pub(super) fn push(&mut self, row: &Row) -> serde_json::Result<()> {
        if matches!(row.action, FileAction::Start | FileAction::Folder) {
            return Ok(());
        }
        let is_marker = row.action == FileAction::Hide;
        let recorded = row.file_info.src_last_modified();
        let recorded_sha1 = || row.file_info.get(LARGE_FILE_SHA1)?.parse().ok();
        let is_large = row.content_length >= self.details.from;
        let keeps = is_large || (self.details.without_time && recorded.is_none());
        let details = match keeps && !is_marker {
            true => {
                let content_type = row.content_type.as_deref().unwrap_or_default();
                let info = serde_json::to_string(&row.file_info)?;
                Some((self.text(content_type)?, self.text(&info)?))
            }
            false => None,
        };
        let packed = Packed {
            name: self.text(&row.file_name)?,
            file_id: self.text(row.file_id.as_ref().map_or("", FileId::as_str))?,
            details,
            size: row.content_length,
            uploaded: row.upload_timestamp,
            recorded,
            retained_until: row
                .file_retention
                .readable()
                .map(|retention| retention.until),
            sha1: row.content_sha1.digest().or_else(recorded_sha1),
            encryption: row
                .server_side_encryption
                .readable()
                .map(|info| info.mode.clone()),
            is_marker,
            is_on_hold: row.legal_hold.readable() == Some(&LegalHold::On),
        };
        self.rows.push(packed);
        Ok(())
    }

    /// Keeps a text, and returns how long it is.
    fn text(&mut self, text: &str) -> serde_json::Result<u32> {
        self.texts.push_str(text);
        u32::try_from(text.len()).map_err(serde::de::Error::custom)
    }

    /// Gives the rows away, in as little memory as they need.
    pub(super) fn finish(mut self) -> Rows {
        self.texts.shrink_to_fit();
        self.rows.shrink_to_fit();
        Rows {
            rows: self.rows.into_iter(),
            texts: self.texts,
            at: 0,
        }
    }
}

impl Rows {
    fn text(&mut self, length: u32) -> &str {
        let from = self.at;
        self.at += length as usize;
        self.texts.get(from..self.at).unwrap_or_default()
    }
}

impl Iterator for Rows {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        let row = self.rows.next()?;
        let details = row.details.map(|(content_type, info)| {
            Box::new(Details {
                content_type: self.text(content_type).to_owned(),
                info: serde_json::from_str(self.text(info)).unwrap_or_default(),
            })
        });
        let modified = row.recorded.unwrap_or(row.uploaded).as_millis().max(0);
        Some(Listed {
            name: self.text(row.name).to_owned(),
            retained_until: row.retained_until,
            stored: Stored {
                file_id: FileId::from(self.text(row.file_id)),
                size: row.size,
                is_marker: row.is_marker,
                modified,
                has_time: row.recorded.is_some(),
                uploaded: row.uploaded.as_millis(),
                sha1: row.sha1,
                encryption: row.encryption,
                is_held: row.is_on_hold,
                details,
            },
        })
    }
}

/// What is read of a row.
///
/// A field that is missing or `null` counts as not set, except for the name and the action, without
/// which the page is an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    action: FileAction,
    #[serde(default)]
    file_id: Option<FileId>,
    file_name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    content_length: u64,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    content_sha1: ContentSha1,
    #[serde(default, deserialize_with = "null_is_default")]
    file_info: FileInfo,
    #[serde(default, with = "filtered::plain")]
    server_side_encryption: Filtered<EncryptionInfo>,
    #[serde(default, with = "filtered::wrapped")]
    file_retention: Filtered<FileRetention>,
    #[serde(default, with = "filtered::wrapped")]
    legal_hold: Filtered<LegalHold>,
    #[serde(default, deserialize_with = "null_is_default")]
    upload_timestamp: Timestamp,
}

impl ListedRow for Row {
    type Shape = ();

    fn place(&self) -> (&str, Option<&FileId>) {
        (&self.file_name, self.file_id.as_ref())
    }

    /// A file that cannot be read must not look as if it were not there.
    fn from_odd(value: &Value) -> Result<Option<Self>, serde_json::Error> {
        Self::deserialize(value).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{KeptDetails, RowPacker};
    use crate::model::sha1::Sha1Digest;

    fn packed(details: KeptDetails, rows: &[serde_json::Value]) -> Vec<super::Listed> {
        let mut packer = RowPacker::new(details);
        for row in rows {
            let row = serde_json::from_value(row.clone()).unwrap();
            packer.push(&row).unwrap();
        }
        packer.finish().collect()
    }

    #[test]
    fn a_row_is_what_the_service_listed() {
        let sha1 = Sha1Digest::of(b"x");
        let details = KeptDetails {
            from: 5,
            without_time: true,
        };
        let rows = packed(
            details,
            &[
                json!({"action": "start", "fileId": "unfinished", "fileName": "a"}),
                json!({
                    "action": "upload", "fileId": "one", "fileName": "a\"\u{e9}\\",
                    "contentLength": 4, "contentSha1": sha1.to_string(), "contentType": "text/plain",
                    "fileInfo": {"src_last_modified_millis": "7", "color": "blue"},
                    "serverSideEncryption": {"mode": "SSE-C", "algorithm": "AES256"},
                    "legalHold": {"isClientAuthorizedToRead": true, "value": "on"},
                    "uploadTimestamp": 9,
                }),
                json!({
                    "action": "upload", "fileId": "two", "fileName": "b",
                    "contentLength": 5, "contentSha1": null, "contentType": "text/plain",
                    "fileInfo": {"color": "\"", "large_file_sha1": sha1.to_string(), "src_last_modified_millis": "-5"},
                    "fileRetention": {"isClientAuthorizedToRead": true,
                        "value": {"mode": "governance", "retainUntilTimestamp": 12}},
                    "uploadTimestamp": 8,
                }),
                json!({"action": "hide", "fileId": "three", "fileName": "c", "fileInfo": null,
                    "contentType": null, "contentLength": null, "uploadTimestamp": 3}),
            ],
        );
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a\"é\\", "b", "c"]);
        let [one, two, three] = [0, 1, 2].map(|at: usize| &rows[at].stored);
        assert_eq!((one.modified, one.uploaded, one.has_time), (7, 9, true));
        assert!(one.is_sse_c() && one.is_held && one.details.is_none());
        assert_eq!(
            (one.sha1, two.sha1, three.sha1),
            (Some(sha1), Some(sha1), None)
        );
        // Never before 1970, as local times.
        assert_eq!((two.modified, two.size), (0, 5));
        let details = two.details.as_ref().unwrap();
        assert_eq!(details.content_type, "text/plain");
        assert_eq!(details.info.get("color"), Some("\""));
        assert_eq!(details.info.len(), 3);
        assert_eq!(rows[1].retained_until.unwrap().as_millis(), 12);
        assert!(three.is_marker && three.details.is_none() && !three.has_time);
        assert_eq!(three.file_id.as_str(), "three");
    }
}
