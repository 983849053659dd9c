//! Large files that were started and neither finished nor cancelled: their parts are stored, and paid
//! for, until somebody does one of the two.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::time::Timestamp;
use crate::session::paging::UnfinishedPages;

/// An iterator over the unfinished large files of a bucket, oldest first, from
/// [`Bucket::list_unfinished_large_files`]. It requests pages of 100 as it needs them, and ends
/// after an error.
#[derive(Debug)]
pub struct UnfinishedLargeFiles {
    bucket: Bucket,
    control: Control,
    pages: UnfinishedPages,
}

/// # Unfinished large files
impl Bucket {
    /// Lists the unfinished large files whose names start with this prefix; `""` lists all. Their
    /// parts are stored and billed until they are finished or cancelled.
    ///
    /// # Errors
    /// This call sends nothing. The items can be [`Error::NotAllowed`](crate::Error::NotAllowed),
    /// or the errors of any call.
    pub fn list_unfinished_large_files(&self, name_prefix: &str) -> Result<UnfinishedLargeFiles> {
        Ok(UnfinishedLargeFiles {
            bucket: self.clone(),
            control: self.control(None),
            pages: UnfinishedPages::new(self.id(), name_prefix),
        })
    }

    /// Cancels the unfinished large files that were started longer ago than `older_than`, deletes
    /// their parts, and returns them. Choose a duration that is longer than any upload takes,
    /// because an upload whose file is cancelled fails.
    ///
    /// # Errors
    /// As the items of [`list_unfinished_large_files`](Self::list_unfinished_large_files).
    pub fn cancel_unfinished_large_files(&self, older_than: Duration) -> Result<Vec<FileVersion>> {
        let session = &self.client.session;
        let limit = Timestamp::from(session.clock().now()).earlier(older_than);
        let mut cancelled = Vec::new();
        for file in self.list_unfinished_large_files("")? {
            let file = file?;
            if file.upload_timestamp < limit {
                session.cancel_large_file(&self.control(None), &file.file_id)?;
                cancelled.push(file);
            }
        }
        Ok(cancelled)
    }
}

impl Iterator for UnfinishedLargeFiles {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self {
            bucket,
            control,
            pages,
        } = self;
        pages.next(&bucket.client.session, control)
    }
}

impl std::iter::FusedIterator for UnfinishedLargeFiles {}
