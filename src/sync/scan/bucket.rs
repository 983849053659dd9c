//! Scanning a folder of a bucket: the service lists in the order of names, and of a name the newest
//! version first.
//!
//! Pages have 10,000 rows, which cost as much as ten pages of 1000 and need one round trip. Of each row
//! only what synchronizing asks for stays in memory.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Error;
use crate::model::encryption::EncryptionInfo;
use crate::model::file::FileAction;
use crate::model::file_info::{FileInfo, LARGE_FILE_SHA1};
use crate::model::filtered::{self, Filtered};
use crate::model::id::FileId;
use crate::model::lenient::null_is_default;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::sha1::ContentSha1;
use crate::model::time::Timestamp;
use crate::raw::{ListFilesRequest, ListedRow};
use crate::session::capabilities::Needs;
use crate::session::listed_files::{LARGEST_PAGE, ListedFiles};
use crate::sync::filter::Filters;
use crate::sync::item::{At, Details, Entry, Item, Stored};
use crate::sync::place::BucketFolder;

/// A scan of a folder.
#[derive(Debug)]
pub(in crate::sync) struct BucketScan {
    bucket: Bucket,
    control: Control,
    rows: ListedFiles<Row>,
    view: View,
    as_of: Option<Timestamp>,
    filters: Arc<Filters>,
    /// From this size on, type and info of a file are kept.
    details_from: u64,
    /// The name whose versions are being listed.
    current: Option<String>,
    /// Whether a version of it was yielded.
    is_selected: bool,
    pub(in crate::sync) excluded: u64,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum View {
    /// The newest version of each file that is not hidden.
    Newest,
    /// The newest version, and then the older ones, hide markers among them.
    All,
}

/// How a folder is scanned.
#[derive(Debug, Clone, Copy)]
pub(in crate::sync) struct Manner {
    pub(in crate::sync) view: View,
    pub(in crate::sync) details_from: u64,
}

impl BucketScan {
    pub(in crate::sync) fn new(
        folder: &BucketFolder,
        control: Control,
        manner: Manner,
        filters: &Arc<Filters>,
    ) -> Self {
        let bucket = folder.bucket.clone();
        let request = ListFilesRequest::new(bucket.id()).prefix(folder.prefix.as_str());
        Self {
            bucket,
            control,
            rows: ListedFiles::new(request, Some(LARGEST_PAGE)),
            view: manner.view,
            as_of: folder.as_of,
            filters: Arc::clone(filters),
            details_from: manner.details_from,
            current: None,
            is_selected: false,
            excluded: 0,
        }
    }

    fn next_row(&mut self) -> Option<Result<Row, Error>> {
        let operation = match (self.view, self.as_of) {
            (View::Newest, None) => Operation::ListFileNames,
            _ => Operation::ListFileVersions,
        };
        let Self {
            bucket,
            control,
            rows,
            ..
        } = self;
        let session = &bucket.client().session;
        rows.next(session, operation, |request| {
            let needs = Needs::from(operation)
                .about(bucket.name())
                .bucket(&request.bucket_id)
                .named(&request.prefix);
            session.call(needs, control, |raw| raw.list_rows(operation, request))
        })
    }

    fn item(&mut self, mut row: Row) -> Option<Item<Entry>> {
        if matches!(row.action, FileAction::Start | FileAction::Folder) {
            return None;
        }
        let prefix = self.rows.request.prefix.len();
        // Whoever removes what is listed relies on it; and the folder itself is no file in it.
        if !row.file_name.starts_with(&self.rows.request.prefix) || row.file_name.len() == prefix {
            return None;
        }
        let name = row.file_name.split_off(prefix);
        let is_same = self.current.as_ref() == Some(&name);
        if !self.filters.includes(&name) {
            self.excluded += u64::from(!is_same);
            self.current = Some(name);
            self.is_selected = true;
            return None;
        }
        if !is_same {
            self.is_selected = false;
            self.current = Some(name.clone());
        }
        let is_older = self.is_selected;
        let is_later = self.as_of.is_some_and(|time| row.upload_timestamp > time);
        if is_later || (is_older && (self.view == View::Newest || self.as_of.is_some())) {
            return None;
        }
        self.is_selected = true;
        let stored = self.stored(row);
        Some(match is_older {
            true => Item::Older(stored),
            false => Item::File(
                name,
                Entry {
                    size: stored.size,
                    modified: stored.modified,
                    at: At::Stored(Box::new(stored)),
                },
            ),
        })
    }

    fn stored(&self, row: Row) -> Stored {
        let recorded = row.file_info.src_last_modified();
        let modified = recorded.unwrap_or(row.upload_timestamp).as_millis().max(0);
        let is_marker = row.action == FileAction::Hide;
        let recorded_sha1 = || row.file_info.get(LARGE_FILE_SHA1)?.parse().ok();
        let now = || service_now(&self.bucket);
        let is_retained = |retention: &FileRetention| retention.until > now();
        let keeps_details = row.content_length >= self.details_from || recorded.is_none();
        Stored {
            size: row.content_length,
            is_marker,
            modified,
            has_time: recorded.is_some(),
            uploaded: row.upload_timestamp.as_millis(),
            sha1: row.content_sha1.digest().or_else(recorded_sha1),
            encryption: row
                .server_side_encryption
                .readable()
                .map(|info| info.mode.clone()),
            is_held: row.file_retention.readable().is_some_and(is_retained)
                || row.legal_hold.readable() == Some(&LegalHold::On),
            details: (keeps_details && !is_marker).then(|| {
                Box::new(Details {
                    content_type: row.content_type.unwrap_or_default(),
                    info: row.file_info,
                })
            }),
            file_id: row.file_id.unwrap_or_else(|| FileId::from("")),
        }
    }
}

/// What time it is at the service, and no later than by our own clock: whichever of the two is wrong,
/// nothing counts as older than it is.
pub(in crate::sync) fn service_now(bucket: &Bucket) -> Timestamp {
    let session = &bucket.client().session;
    let clock = session.clock();
    let own = Timestamp::from(clock.now());
    let service = session.http().service_time_of(&session.http().begin());
    service.map_or(own, |service| own.min(Timestamp::from(service)))
}

impl Iterator for BucketScan {
    type Item = Result<Item<Entry>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Err(cancelled) = self.control.check() {
                self.rows.end();
                return Some(Err(cancelled));
            }
            match self.next_row()? {
                Err(error) => return Some(Err(error)),
                Ok(row) => {
                    if let Some(item) = self.item(row) {
                        return Some(Ok(item));
                    }
                }
            }
        }
    }
}

/// What is read of a row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
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
    fn place(&self) -> (&str, Option<&FileId>) {
        (&self.file_name, self.file_id.as_ref())
    }

    /// A file that cannot be read must not look as if it were not there.
    fn from_odd(value: &Value) -> Result<Option<Self>, serde_json::Error> {
        Self::deserialize(value).map(Some)
    }
}
