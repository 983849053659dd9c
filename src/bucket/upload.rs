//! Uploading into a bucket.

use std::io::Read;
use std::path::Path;

use crate::bucket::Bucket;
use crate::error::Result;
use crate::transfer::source::{BytesSource, FileSource, ReaderSource, UploadSource};
use crate::transfer::upload::{Upload, UploadOptions, Uploaded};

impl Bucket {
    /// Uploads bytes as a file of that name. An existing file is kept as an older version.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) before anything is sent;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed),
    /// [`Error::CapExceeded`](crate::Error::CapExceeded),
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound);
    /// [`Error::Busy`](crate::Error::Busy) and [`Error::Connection`](crate::Error::Connection) when
    /// all attempts failed; [`Error::Cancelled`](crate::Error::Cancelled); the errors of the store.
    ///
    /// # Consequences
    /// If the answer to an upload is lost, the service is asked whether it has the file before
    /// anything is sent again. A key without `listFiles` cannot ask: there a second, equal version
    /// may remain.
    pub fn upload_bytes(&self, data: &[u8], file_name: &str) -> Result<Uploaded> {
        self.upload_bytes_with(data, file_name, &UploadOptions::default())
    }

    /// Uploads bytes with settings.
    ///
    /// # Errors
    /// As [`upload_bytes`](Self::upload_bytes).
    pub fn upload_bytes_with(
        &self,
        data: &[u8],
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.upload(&mut BytesSource(data), file_name, options)
    }

    /// Uploads a local file, with the time of its last change as `src_last_modified_millis`.
    ///
    /// At most 5,000,000,000 bytes. A file that changes meanwhile makes no file.
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if it cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged); otherwise as
    /// [`upload_bytes`](Self::upload_bytes).
    pub fn upload_local_file(&self, path: impl AsRef<Path>, file_name: &str) -> Result<Uploaded> {
        self.upload_local_file_with(path, file_name, &UploadOptions::default())
    }

    /// Uploads a local file with settings.
    ///
    /// # Errors
    /// As [`upload_local_file`](Self::upload_local_file).
    pub fn upload_local_file_with(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.upload(&mut FileSource::new(path.as_ref())?, file_name, options)
    }

    /// Uploads exactly `length` bytes of a reader, and reads not one more.
    ///
    /// At most 5,000,000,000 bytes. What was read is kept in memory for another attempt, up to the
    /// part size that the service recommends (100 MB); an upload that fails beyond that cannot be
    /// repeated.
    ///
    /// # Errors
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if the reader ends early;
    /// [`Error::Stream`](crate::Error::Stream) if it fails, or would have to be read again;
    /// otherwise as [`upload_bytes`](Self::upload_bytes).
    pub fn upload_reader(
        &self,
        reader: impl Read,
        length: u64,
        file_name: &str,
    ) -> Result<Uploaded> {
        self.upload_reader_with(reader, length, file_name, &UploadOptions::default())
    }

    /// Uploads from a reader with settings.
    ///
    /// # Errors
    /// As [`upload_reader`](Self::upload_reader).
    pub fn upload_reader_with(
        &self,
        reader: impl Read,
        length: u64,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let part = self
            .session
            .current(&self.control(None))?
            .auth()
            .recommended_part_size;
        let kept = usize::try_from(part).unwrap_or(usize::MAX);
        self.upload(
            &mut ReaderSource::new(reader, length, kept),
            file_name,
            options,
        )
    }

    fn upload(
        &self,
        source: &mut dyn UploadSource,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let control = &self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        self.with_id(control, |bucket| {
            Upload {
                session: &self.session,
                bucket,
                file_name,
                options,
                control,
            }
            .send(source)
        })
    }
}
