//! A filter of the caller's own: a closure that is given each file at the source.

use std::fmt;
use std::sync::Arc;

use crate::model::time::Timestamp;

/// A file at the source, as [`FileFilter`] is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFile<'a> {
    /// The name below the place.
    pub name: &'a str,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change.
    pub modified: Timestamp,
}

/// Decides for each file at the source whether it takes part, in
/// [`SyncOptions::file_filter`](crate::sync::SyncOptions::file_filter).
#[derive(Clone)]
pub struct FileFilter(Arc<Judge>);

type Judge = dyn Fn(&SourceFile<'_>) -> bool + Send + Sync;

impl FileFilter {
    /// A filter that lets those files take part for which `judge` is true.
    pub fn new(judge: impl Fn(&SourceFile<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    pub(super) fn judge(&self, file: &SourceFile<'_>) -> bool {
        (self.0)(file)
    }
}

impl fmt::Debug for FileFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileFilter")
    }
}
