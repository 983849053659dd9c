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
/// [`Bucket::list_unfinished_large_files`].
///
/// It requests a page of up to 100 files when it needs one, and keeps no more than that in memory. Each page
/// is one request of class C. After an error it ends.
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
    /// Uploads that are running are among them. [`upload_timestamp`](FileVersion::upload_timestamp) is the
    /// time when a file was started, and [`B2Api::list_parts`](crate::B2Api::list_parts) tells what of it is
    /// there.
    ///
    /// # Errors
    /// This call sends nothing. The items can be [`Error::NotAllowed`](crate::Error::NotAllowed) if the key
    /// lacks `listFiles` or is restricted to other names, or the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn list_unfinished_large_files(&self, name_prefix: &str) -> Result<UnfinishedLargeFiles> {
        Ok(UnfinishedLargeFiles {
            bucket: self.clone(),
            control: self.control("list_unfinished_large_files", None, None),
            pages: UnfinishedPages::new(self.id(), name_prefix),
        })
    }

    /// Cancels the unfinished large files that were started longer ago than `older_than`, deletes
    /// their parts, and returns them. Choose a duration that is longer than any upload takes,
    /// because an upload whose file is cancelled fails.
    ///
    /// Each started 100 unfinished files take one request of class C; cancelling is free. A
    /// [`LifecycleRule`](crate::rules::LifecycleRule) lets the service do this by itself, in whole days.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use std::time::Duration;
    ///
    /// let week = Duration::from_secs(7 * 24 * 3600);
    /// for file in bucket.cancel_unfinished_large_files(week)? {
    ///     println!("cancelled {}, started {}", file.file_name, file.upload_timestamp);
    /// }
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key lacks `listFiles` or `writeFiles`; the
    /// [errors of any call](crate::Error#errors-of-any-call). Files that were cancelled before the error remain
    /// cancelled, and the call can be repeated.
    pub fn cancel_unfinished_large_files(&self, older_than: Duration) -> Result<Vec<FileVersion>> {
        let session = &self.client.session;
        let limit = Timestamp::from(session.clock().now()).earlier(older_than);
        let mut cancelled = Vec::new();
        for file in self.list_unfinished_large_files("")? {
            let file = file?;
            if file.upload_timestamp < limit {
                session.cancel_large_file(
                    &self.control("cancel_unfinished_large_files", Some(&file.file_name), None),
                    &file.file_id,
                )?;
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
