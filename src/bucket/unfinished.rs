//! Large files that were started and neither finished nor cancelled: their parts are stored, and paid
//! for, until somebody does one of the two.

use std::time::Duration;
use std::vec;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::operation::Operation;
use crate::model::time::Timestamp;
use crate::wire::large_file::ListUnfinishedRequest;

/// The unfinished large files of a bucket, oldest first, from
/// [`Bucket::list_unfinished_large_files`]. After an error it ends.
#[derive(Debug)]
pub struct UnfinishedLargeFiles {
    bucket: Bucket,
    control: Control,
    request: ListUnfinishedRequest,
    page: vec::IntoIter<FileVersion>,
    is_last: bool,
}

impl Bucket {
    /// Lists the unfinished large files whose names start so; all for `""`.
    ///
    /// # Errors
    /// None here: nothing is sent before the first one is asked for. The items are
    /// [`Error::NotAllowed`](crate::Error::NotAllowed), or the errors of any call.
    pub fn list_unfinished_large_files(&self, name_prefix: &str) -> Result<UnfinishedLargeFiles> {
        let request = ListUnfinishedRequest {
            bucket_id: self.id(),
            name_prefix: (!name_prefix.is_empty()).then(|| name_prefix.to_owned()),
            start_file_id: None,
            max_file_count: 100,
        };
        let (bucket, control) = (self.clone(), self.control(None));
        Ok(UnfinishedLargeFiles {
            bucket,
            control,
            request,
            page: Vec::new().into_iter(),
            is_last: false,
        })
    }

    /// Cancels the unfinished large files that were started longer ago than that, and tells which.
    /// Younger ones may be somebody's uploads that are still running.
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

impl UnfinishedLargeFiles {
    fn fetch(&mut self) -> Result<()> {
        let Self {
            bucket,
            control,
            request,
            ..
        } = self;
        let answer =
            bucket
                .client
                .session
                .call(Operation::ListUnfinishedLargeFiles, control, |raw| {
                    raw.list_unfinished_large_files(request)
                })?;
        self.is_last =
            answer.next_file_id.is_none() || answer.next_file_id == self.request.start_file_id;
        self.request.start_file_id = answer.next_file_id;
        self.page = answer.files.into_iter();
        Ok(())
    }
}

impl Iterator for UnfinishedLargeFiles {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(file) = self.page.next() {
                return Some(Ok(file));
            }
            if self.is_last {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.is_last = true;
                return Some(Err(error));
            }
        }
    }
}
