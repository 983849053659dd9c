//! Uploading into a bucket.

use std::io::Read;
use std::path::Path;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::id::BucketId;
use crate::transfer::growing::GrowingFile;
use crate::transfer::options::UploadOptions;
use crate::transfer::source::{BytesSource, FileSource, UploadSource};
use crate::transfer::upload::Upload;
use crate::transfer::upload::writer::UploadWriter;
use crate::transfer::uploaded::Uploaded;

/// # Uploading
impl Bucket {
    /// Uploads bytes as a file with this name. A file that exists under the name is kept as an
    /// older version, and is billed until it is deleted.
    ///
    /// Content that is larger than [`part_size`](UploadOptions::part_size) is uploaded in parallel
    /// parts. A file appears in the bucket only when it is complete.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) before anything is sent;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed),
    /// [`Error::CapExceeded`](crate::Error::CapExceeded),
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); [`Error::Busy`](crate::Error::Busy)
    /// and [`Error::Connection`](crate::Error::Connection) when all attempts failed;
    /// [`Error::Cancelled`](crate::Error::Cancelled); the errors of the store. If an unfinished
    /// large file is left, for example to be resumed, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    ///
    /// # Consequences
    /// If the answer to an upload is lost, the service is asked whether it has the file before
    /// anything is sent again. A key without `listFiles` cannot ask, so a second, identical version
    /// may be created. If the service's answer does not settle it (the key may not see whether the
    /// file has the requested lock, or asking fails), the call fails with
    /// [`Error::Connection`](crate::Error::Connection), and the file may exist.
    pub fn upload_bytes(&self, data: &[u8], file_name: &str) -> Result<Uploaded> {
        self.upload_bytes_with(data, file_name, &UploadOptions::default())
    }

    /// Uploads bytes with options.
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

    /// Uploads a local file. The time of its last change is stored as `src_last_modified_millis`,
    /// and a download to a path restores it.
    ///
    /// A file larger than [`part_size`](UploadOptions::part_size) is uploaded in parallel parts,
    /// which are read directly from disk, so that memory does not grow with the file. If the file
    /// changes during the upload, the upload fails and no version is created.
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if it cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged); otherwise as
    /// [`upload_bytes`](Self::upload_bytes).
    pub fn upload_local_file(&self, path: impl AsRef<Path>, file_name: &str) -> Result<Uploaded> {
        self.upload_local_file_with(path, file_name, &UploadOptions::default())
    }

    /// Uploads a local file with options.
    ///
    /// # Errors
    /// As [`upload_local_file`](Self::upload_local_file).
    pub fn upload_local_file_with(
        &self,
        path: impl AsRef<Path>,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let path = path.as_ref();
        if options.may_grow {
            self.upload(&GrowingFile::new(path)?, file_name, options)
        } else {
            self.upload(&FileSource::new(path)?, file_name, options)
        }
    }

    /// Uploads exactly `length` bytes from a reader, and reads no further.
    ///
    /// A reader cannot be read twice, so its content is kept in memory until the service has it:
    /// everything, if it is not larger than [`part_size`](UploadOptions::part_size); otherwise one
    /// part for each worker, and one more. With the defaults of 10 workers and parts of 100 MB that
    /// is up to 1.1 GB; [`memory_limit`](crate::B2ApiBuilder::memory_limit) limits it for all
    /// uploads together.
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

    /// Uploads from a reader with options.
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

    /// Uploads a reader to its end, whatever its length, such as a pipe, a socket or the output of
    /// a program.
    ///
    /// Content that fits into one part (16 MB, or [`part_size`](UploadOptions::part_size)) is
    /// uploaded in one request. For longer content, one part for each worker and one more are in
    /// memory at a time, 176 MB with the defaults; parts double in size every thousand parts. If
    /// the reader ends early without an error, as the output of a killed program does, the content
    /// up to there becomes the file.
    ///
    /// # Errors
    /// As [`upload_reader`](Self::upload_reader).
    pub fn upload_stream(&self, reader: impl Read, file_name: &str) -> Result<Uploaded> {
        self.upload_stream_with(reader, file_name, &UploadOptions::default())
    }

    /// Uploads a stream with options.
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

    /// Starts a file that is written piece by piece; it is stored by
    /// [`UploadWriter::finish`]. No request is made before a part is full.
    ///
    /// An open writer holds one part in memory (16 MB, or less under a
    /// [`memory_limit`](crate::B2ApiBuilder::memory_limit)), and as many again as there are parts being uploaded.
    /// Under a limit without room for another part, a thread that has a writer open must not upload another
    /// stream before it has finished that one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), also if the writers that are open leave too little
    /// of the memory limit for another one; otherwise as [`upload_bytes`](Self::upload_bytes).
    pub fn upload_writer(&self, file_name: &str) -> Result<UploadWriter> {
        self.upload_writer_with(file_name, &UploadOptions::default())
    }

    /// Starts a file that is written piece by piece, with settings.
    ///
    /// # Errors
    /// As [`upload_writer`](Self::upload_writer).
    pub fn upload_writer_with(
        &self,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<UploadWriter> {
        let control = self.control(options.cancel.as_ref());
        let memory = self
            .to_bucket(&self.id(), file_name, options, &control)
            .prepare_writer()?;
        let (bucket, file_name) = (self.clone(), file_name.to_owned());
        let options = options.clone();
        UploadWriter::start(control.cancel.as_ref(), memory, move |pipe, stop| {
            let options = options.cancel(stop);
            bucket.upload_once(&file_name, &options, |upload| upload.send_pipe(pipe))
        })
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

    /// Uploads content that can be read only once. If the bucket was deleted and created again, the
    /// upload cannot be repeated with the new id.
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
