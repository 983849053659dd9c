//! Uploading into a bucket.

use std::io::Read;
use std::path::Path;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::id::BucketId;
use crate::transfer::options::UploadOptions;
use crate::transfer::source::{BytesSource, FileSource, UploadSource};
use crate::transfer::upload::Upload;
use crate::transfer::uploaded::Uploaded;

/// # Uploading
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
    /// all attempts failed; [`Error::Cancelled`](crate::Error::Cancelled); the errors of the store. Each of
    /// them inside of [`Error::LargeFileLeft`](crate::Error::LargeFileLeft) if a file in parts was begun and
    /// is left at the service, to be resumed for instance.
    ///
    /// # Consequences
    /// If the answer to an upload is lost, the service is asked whether it has the file before
    /// anything is sent again. A key without `listFiles` cannot ask: there a second, equal version
    /// may remain. Where it cannot be told (the key may not see whether the file is locked as was asked
    /// for, or asking fails), the call fails with
    /// [`Error::Connection`](crate::Error::Connection), and the file may be there.
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
        self.upload(&BytesSource(data), file_name, options)
    }

    /// Uploads a local file, with the time of its last change as `src_last_modified_millis`.
    ///
    /// A file larger than [`part_size`](UploadOptions::part_size) goes up in parts, several at a time,
    /// each straight from disk. A file that changes meanwhile makes no file.
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
        self.upload(&FileSource::new(path.as_ref())?, file_name, options)
    }

    /// Uploads exactly `length` bytes of a reader, and reads not one more.
    ///
    /// What is read is kept in memory until it has arrived: all of it in one request, up to
    /// [`part_size`](UploadOptions::part_size); otherwise as many parts as there are workers, and one
    /// more.
    ///
    /// # Errors
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if the reader ends early;
    /// [`Error::Stream`](crate::Error::Stream) if it fails; otherwise as
    /// [`upload_bytes`](Self::upload_bytes).
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
        mut reader: impl Read,
        length: u64,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.upload_once(file_name, options, |upload| {
            upload.send_reader(&mut reader, length)
        })
    }

    /// Uploads a reader to its end, whatever its length: a pipe, a socket, the output of a program.
    ///
    /// What fits into one part (16 MB unless [`part_size`](UploadOptions::part_size) says otherwise)
    /// goes up in one request. Of more, as many parts as there are workers, and one more, are in
    /// memory at a time; parts double in size every thousand parts.
    ///
    /// # Errors
    /// As [`upload_reader`](Self::upload_reader).
    pub fn upload_stream(&self, reader: impl Read, file_name: &str) -> Result<Uploaded> {
        self.upload_stream_with(reader, file_name, &UploadOptions::default())
    }

    /// Uploads a stream with settings.
    ///
    /// # Errors
    /// As [`upload_reader`](Self::upload_reader).
    pub fn upload_stream_with(
        &self,
        mut reader: impl Read,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.upload_once(file_name, options, |upload| upload.send_stream(&mut reader))
    }

    fn upload(
        &self,
        source: &(dyn UploadSource + Sync),
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let control = self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        self.with_id(&control, |bucket| {
            self.to_bucket(bucket, file_name, options, &control)
                .send(source)
        })
    }

    /// Uploads what can be read only once, so that a bucket that was made anew cannot be found by
    /// trying.
    fn upload_once(
        &self,
        file_name: &str,
        options: &UploadOptions,
        send: impl FnOnce(&Upload<'_>) -> Result<Uploaded>,
    ) -> Result<Uploaded> {
        let control = self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        send(&self.to_bucket(&self.id(), file_name, options, &control))
    }

    pub(super) fn to_bucket<'a>(
        &'a self,
        bucket: &'a BucketId,
        file_name: &'a str,
        options: &'a UploadOptions,
        control: &'a Control,
    ) -> Upload<'a> {
        Upload {
            transfer: self.client.transfer(control),
            bucket,
            file_name,
            options,
        }
    }
}
