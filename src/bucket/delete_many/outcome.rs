//! Which version a deletion is about, and how it ended.

use std::fmt;

#[cfg(doc)]
use crate::bucket::Bucket;
use crate::bucket::list::Entry;
use crate::error::Error;
use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};

/// A file version to delete: its id, its name, and the bucket that it was listed in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileIdAndName {
    /// The version's id.
    pub file_id: FileId,
    /// The file's name.
    pub file_name: String,
    /// The bucket that the version is in, if it is known. [`Bucket::delete_versions`] refuses versions of
    /// another bucket.
    pub bucket_id: Option<BucketId>,
}

impl FileIdAndName {
    /// Names a version by its id and its file name. The service deletes a version by these two, whichever
    /// bucket of the account it is in; use [`bucket_id`](Self::bucket_id) to have the bucket checked.
    #[must_use]
    pub fn new(file_id: impl Into<FileId>, file_name: impl Into<String>) -> Self {
        Self {
            file_id: file_id.into(),
            file_name: file_name.into(),
            bucket_id: None,
        }
    }
}

impl From<FileVersion> for FileIdAndName {
    fn from(version: FileVersion) -> Self {
        Self {
            file_id: version.file_id,
            file_name: version.file_name,
            bucket_id: version.bucket_id,
        }
    }
}

impl From<Entry> for FileIdAndName {
    fn from(entry: Entry) -> Self {
        Self::from(entry.version)
    }
}

/// A version that was deleted, or hidden, as the options ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The version.
    pub file: FileIdAndName,
    /// How the deletion ended.
    pub outcome: DeleteOutcome,
}

/// How the deletion of one version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// The version is deleted.
    Deleted,
    /// The file is hidden.
    Hidden,
    /// There is no such version, because it was deleted before, or the file is hidden already. A version
    /// that exists under another name is an error instead; a key without `readFiles` cannot find out, and
    /// gets this outcome.
    WasGone,
    /// Nothing was done, because this is a dry run.
    DryRun,
}

/// A version that was not deleted, or a listing that broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct DeleteFailed {
    /// The version, or `None` if the listing failed or the whole call was cancelled. No further deletion
    /// starts then; those that are running are still reported.
    pub file: Option<FileIdAndName>,
    /// Why it failed.
    #[source]
    pub error: Error,
}

impl fmt::Display for DeleteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(FileIdAndName {
                file_id, file_name, ..
            }) => {
                write!(f, "{file_name:?} ({file_id}) was not deleted")
            }
            None => f.write_str("the versions to delete were not listed to the end"),
        }
    }
}
