//! A filter of the caller's own: a closure that is given each file at the source.
//!
//! It is called for files of the source whose names pass the patterns, and never for hide markers,
//! older versions or the destination.

use std::fmt;
use std::sync::Arc;

use crate::model::time::Timestamp;

/// A file at the source, as [`FileFilter`] is given it.
///
/// It has what the scan knows without opening the file or sending a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFile<'a> {
    /// The name below the place.
    pub name: &'a str,
    /// The size in bytes.
    /// For a file in a bucket it is that of the newest version.
    pub size: u64,
    /// The time of the last change. For a file in a bucket without a recorded time it is that of
    /// the upload.
    ///
    /// It is never before 1970.
    pub modified: Timestamp,
}

/// Decides for each file at the source whether it takes part, in
/// [`SyncOptions::file_filter`](crate::sync::SyncOptions::file_filter).
///
/// The closure is called on the thread that runs the synchronization, once for each file. It should
/// be quick and must not depend on earlier calls: a plan and the run that follows ask it
/// separately. A panic in it reaches the caller of the run.
#[derive(Clone)]
pub struct FileFilter(Arc<Judge>);

/// Shared, so that options with a filter can be cloned.
type Judge = dyn Fn(&SourceFile<'_>) -> bool + Send + Sync;

impl FileFilter {
    /// A filter that lets those files take part for which `judge` is true.
    ///
    /// [`SyncOptions::file_filter`](crate::sync::SyncOptions::file_filter) makes one from a closure
    /// by itself.
    pub fn new(judge: impl Fn(&SourceFile<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    /// Whether the file takes part.
    pub(super) fn judge(&self, file: &SourceFile<'_>) -> bool {
        (self.0)(file)
    }
}

impl fmt::Debug for FileFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileFilter")
    }
}
