//! Which version a deletion is about, and how it ended.

use std::fmt;

use crate::bucket::list::Entry;
use crate::error::Error;
use crate::model::file::FileVersion;
use crate::model::id::FileId;

/// Which version: its id, and the name that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileIdAndName {
    /// The version's id.
    pub file_id: FileId,
    /// The file's name.
    pub file_name: String,
}

impl FileIdAndName {
    /// The version of that id, of the file of that name.
    #[must_use]
    pub fn new(file_id: impl Into<FileId>, file_name: impl Into<String>) -> Self {
        Self {
            file_id: file_id.into(),
            file_name: file_name.into(),
        }
    }
}

impl From<FileVersion> for FileIdAndName {
    fn from(version: FileVersion) -> Self {
        Self::new(version.file_id, version.file_name)
    }
}

impl From<Entry> for FileIdAndName {
    fn from(entry: Entry) -> Self {
        Self::from(entry.version)
    }
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Which version.
    pub file: FileIdAndName,
    /// What became of it.
    pub outcome: DeleteOutcome,
}

/// How the deletion of one version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// It is deleted.
    Deleted,
    /// Its file is hidden.
    Hidden,
    /// There is no such version of that name, or its file is hidden already: somebody else was faster,
    /// or the name does not belong to the id.
    WasGone,
    /// Nothing was done, because this is a dry run.
    DryRun,
}

/// A version that was not deleted, or a listing that broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct DeleteFailed {
    /// Which version; none if the listing failed or all was cancelled. Nothing more is started then;
    /// what ran already is still reported.
    pub file: Option<FileIdAndName>,
    /// Why.
    #[source]
    pub error: Error,
}

impl fmt::Display for DeleteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(FileIdAndName { file_id, file_name }) => {
                write!(f, "{file_name:?} ({file_id}) was not deleted")
            }
            None => f.write_str("the versions to delete were not listed to the end"),
        }
    }
}
