//! Which version a deletion is about, and how it ended.

use std::fmt;

#[cfg(doc)]
use crate::bucket::Bucket;
use crate::bucket::list::Entry;
use crate::error::Error;
use crate::model::file::FileVersion;
use crate::model::id::{BucketId, FileId};

/// A file version to delete: its id, its name, and the bucket that it was listed in.
///
/// An [`Entry`] of a listing and a [`FileVersion`] become one with `into()`, so that
/// [`Bucket::delete_versions`] takes listings as they are.
///
/// ```
/// use b2sdk::BucketId;
/// use b2sdk::delete::FileIdAndName;
///
/// let mut version = FileIdAndName::new("4_z27c88f1d182b150646ff0b16_f1004ba650fe24e6b", "hello.txt");
/// version.bucket_id = Some(BucketId::from("27c88f1d182b150646ff0b16"));
/// assert_eq!(version.file_name, "hello.txt");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileIdAndName {
    /// The version's id, which decides what is deleted.
    pub file_id: FileId,
    /// The file's name. If the version has another one, the service refuses to delete it.
    pub file_name: String,
    /// The bucket that the version is in, if it is known. [`Bucket::delete_versions`] refuses versions of
    /// another bucket. If it is not known and the id looks like one of another bucket, the service is asked.
    pub bucket_id: Option<BucketId>,
}

impl FileIdAndName {
    /// Names a version by its id and its file name. The service deletes a version by these two, whichever
    /// bucket of the account it is in; [`bucket_id`](Self::bucket_id) lets the bucket be checked without a
    /// request.
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

/// A version that was deleted, or whose file was hidden, as [`DeleteMode`](crate::delete::DeleteMode) asks
/// for: a result of [`Deletions`](crate::delete::Deletions).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The version as the listing or the caller named it.
    pub file: FileIdAndName,
    /// What was done, which may be nothing: in a dry run, and if the version was gone already.
    pub outcome: DeleteOutcome,
}

/// How the deletion of one version ended, in [`Deleted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// The version was deleted permanently by this call.
    Deleted,
    /// The file was hidden by this call.
    Hidden,
    /// There is no such version, because it was deleted before, or the file is hidden already. A version
    /// that exists under another name is an error instead; a key without `readFiles` cannot find out, and
    /// gets this outcome.
    WasGone,
    /// Nothing was done, because [`DeleteManyOptions::dry_run`](crate::delete::DeleteManyOptions) is set.
    DryRun,
}

/// A version that was not deleted, or a listing that failed: a result of
/// [`Deletions`](crate::delete::Deletions).
///
/// Its `Display` names the file; the reason is its source, and in [`error`](Self::error).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct DeleteFailed {
    /// The version, or `None` if the listing failed or the whole call was cancelled. No further deletion
    /// starts then; those that are running are still reported.
    pub file: Option<FileIdAndName>,
    /// The reason of the failure, mostly [`Error::Locked`].
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
