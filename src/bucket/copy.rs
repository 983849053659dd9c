//! Copying within the service: no data goes through this machine (reference section 2.13).

use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::transfer::copy::{Copy, CopyOptions};

impl Bucket {
    /// Copies a version, of this or another bucket of the account, into this bucket under that name.
    ///
    /// Up to 5,000,000,000 bytes that is one request. A larger file is copied in parts, several at a
    /// time: a large file that keeps type and info of its source, and its SHA-1 where one is known.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName);
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::NotAllowed`](crate::Error::NotAllowed); the errors of any call.
    ///
    /// # Consequences
    /// If the answer to a copy is lost, the service is asked whether it has made it before it is asked
    /// again. Where that cannot be told (a key without `listFiles` or `readFiles`, a copy of a range
    /// that has something like it under the name) the call fails with
    /// [`Error::Connection`](crate::Error::Connection), and the copy may have been made.
    pub fn copy(&self, source: &FileId, new_name: &str) -> Result<FileVersion> {
        self.copy_with(source, new_name, &CopyOptions::default())
    }

    /// Copies with settings.
    ///
    /// # Errors
    /// As [`copy`](Self::copy); [`Error::InvalidInput`](crate::Error::InvalidInput);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable).
    pub fn copy_with(
        &self,
        source: &FileId,
        new_name: &str,
        options: &CopyOptions,
    ) -> Result<FileVersion> {
        let control = self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        self.with_id(&control, |bucket| {
            Copy {
                session: &self.client.session,
                workers: &self.client.workers,
                bucket,
                source,
                new_name,
                options,
                control: &control,
            }
            .run()
        })
    }
}
