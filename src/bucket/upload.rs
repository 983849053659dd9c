//! Uploading into a bucket.

use std::io::Read;
use std::path::Path;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::id::BucketId;
use crate::transfer::growing::GrowingFile;
use crate::transfer::options::UploadOptions;
use crate::transfer::source::local_file::FileSource;
use crate::transfer::source::{BytesSource, UploadSource};
use crate::transfer::upload::Upload;
use crate::transfer::upload::writer::UploadWriter;
use crate::transfer::uploaded::Uploaded;

/// # Uploading
///
/// All requests of uploads are free (class A); what is stored is billed. The service verifies the SHA-1 of
/// every upload, which is computed while the content is sent. A file has at most 10 TB
/// (10,000,000,000,000 bytes).
impl Bucket {
    /// Uploads bytes as a file with this name. A file that exists under the name is kept as an
    /// older version, and is billed until it is deleted.
    ///
    /// Content that is larger than [`part_size`](UploadOptions::part_size) is uploaded in parallel
    /// parts. A file appears in the bucket only when it is complete.
    ///
    /// Content of up to one part, 100 MB by default, takes one request, and before it one for an upload URL
    /// unless the account info has one from an earlier upload. A larger file takes one request to start it,
    /// one for each part, one to finish it, and an upload URL for each thread.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// let first = bucket.upload_bytes(b"[1]", "numbers.json")?;
    /// let second = bucket.upload_bytes(b"[1, 2]", "numbers.json")?;
    /// assert_ne!(first.version().file_id, second.version().file_id); // two versions of one file
    /// assert_eq!(bucket.download_file_by_name("numbers.json")?.read_to_vec()?, b"[1, 2]");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
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

    /// Uploads bytes with options: a MIME type, file info, encryption, a lock, a receiver of progress.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::{FileInfo, UploadOptions};
    ///
    /// let options = UploadOptions::new()
    ///     .content_type("application/json")
    ///     .file_info(FileInfo::new().with("made-by", "report 2.1"));
    /// let uploaded = bucket.upload_bytes_with(b"[1]", "numbers", &options)?;
    /// assert_eq!(uploaded.version().content_type.as_deref(), Some("application/json"));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name, or lacks `writeFileRetentions` or `writeFileLegalHolds` for a lock that the options
    /// set; [`Error::Service`](crate::Error::Service) with the code `bucket_missing_file_lock` for a lock in a
    /// bucket without object lock; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is
    /// gone; [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) also if the unfinished file that
    /// [`resume`](UploadOptions::resume) names does not match the content.
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
    /// changes during the upload, the upload fails and no version is created; for files that only grow, see
    /// [`may_grow`](UploadOptions::may_grow). A symbolic link is followed.
    ///
    /// Before a file is uploaded in parts, it is read once to compute its SHA-1, which is recorded so that
    /// downloads can be verified; [`LargeFileSha1::Omit`](crate::LargeFileSha1::Omit) saves that.
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if the local file cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if it changes during the upload;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn upload_local_file(&self, path: impl AsRef<Path>, file_name: &str) -> Result<Uploaded> {
        self.upload_local_file_with(path, file_name, &UploadOptions::default())
    }

    /// Uploads a local file with options, for example so that an upload that fails can be resumed.
    ///
    /// ```no_run
    /// # fn backup(bucket: &b2sdk::Bucket) -> b2sdk::Result<()> {
    /// use b2sdk::{Resume, UploadOptions};
    ///
    /// // Continues what an earlier run of this program has left unfinished, if there is anything.
    /// let options = UploadOptions::new().resume(Resume::Matching).progress(
    ///     |report: &b2sdk::progress::TransferProgress| println!("{} bytes", report.bytes),
    /// );
    /// let uploaded = bucket.upload_local_file_with("disk.img", "disk.img", &options)?;
    /// println!("{} of {} parts were there", uploaded.resumed_parts(), uploaded.parts());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::LocalFile`](crate::Error::LocalFile) if the local file cannot be read;
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if it changes during the upload, beyond what
    /// [`may_grow`](UploadOptions::may_grow) allows; [`Error::InvalidFileName`](crate::Error::InvalidFileName)
    /// and [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an
    /// option that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not
    /// write files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) also if the unfinished file that
    /// [`resume`](UploadOptions::resume) names does not match the content.
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
    /// Where the length is not known, [`upload_stream`](Self::upload_stream) reads to the end.
    ///
    /// A reader cannot be read twice, so its content is kept in memory until the service has it.
    /// Content of up to 100 MB, the part size that the service recommends, is kept whole and uploaded
    /// in one request. Longer content is uploaded in parts of 16 MB, or of a ten-thousandth of its
    /// length if that is more, of which one for each worker and one more are in memory: 176 MB with
    /// 10 workers, and at most 17 parts with an adaptive number. A [`part_size`](UploadOptions::part_size) takes the place of both sizes, and
    /// [`memory_limit`](crate::B2ApiBuilder::memory_limit) limits all uploads together.
    ///
    /// # Errors
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if the reader ends early;
    /// [`Error::Stream`](crate::Error::Stream) if it fails;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
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
    /// [`Error::SourceChanged`](crate::Error::SourceChanged) if the reader ends early;
    /// [`Error::Stream`](crate::Error::Stream) if it fails;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse, and for [`UploadOptions::resume`], because a reader cannot be compared
    /// with what is stored, and for a part size beyond the memory limit;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write files of this name;
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). If an unfinished large file is left, the error is inside
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
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
    /// up to there becomes the file. An empty reader creates an empty file.
    ///
    /// Where that must not happen, copy the output into an [`upload_writer`](Self::upload_writer), and
    /// finish it once the program has succeeded. Until then, nothing is stored:
    ///
    /// ```no_run
    /// # fn dump(bucket: &b2sdk::Bucket) -> anyhow::Result<()> {
    /// use std::process::{Command, Stdio};
    ///
    /// let mut dump = Command::new("pg_dump").arg("shop").stdout(Stdio::piped()).spawn()?;
    /// let mut output = dump.stdout.take().expect("its output is piped");
    /// let mut file = bucket.upload_writer("shop.sql")?;
    /// std::io::copy(&mut output, &mut file)?;
    /// if dump.wait()?.success() {
    ///     file.finish()?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if the reader fails;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write
    /// files of this name; [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). [`Error::InvalidInput`](crate::Error::InvalidInput) also ends a
    /// stream with more bytes than fit into 10,000 parts. If an unfinished large file is left, the error is
    /// inside [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn upload_stream(&self, reader: impl Read, file_name: &str) -> Result<Uploaded> {
        self.upload_stream_with(reader, file_name, &UploadOptions::default())
    }

    /// Uploads a stream with options. A larger [`part_size`](UploadOptions::part_size) needs fewer requests
    /// and more memory.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if the reader fails;
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for a name or an option
    /// that the service would refuse, and for [`UploadOptions::resume`], because a reader cannot be compared
    /// with what is stored, and for a part size beyond the memory limit;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write files of this name;
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound) if the bucket is gone;
    /// [`Error::CapExceeded`](crate::Error::CapExceeded); the [errors of any
    /// call](crate::Error#errors-of-any-call). [`Error::InvalidInput`](crate::Error::InvalidInput) also ends a
    /// stream with more bytes than fit into 10,000 parts. If an unfinished large file is left, the error is
    /// inside [`Error::LargeFileLeft`](crate::Error::LargeFileLeft).
    pub fn upload_stream_with(
        &self,
        mut reader: impl Read,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.upload_once(file_name, options, |upload| upload.send_stream(&mut reader))
    }

    /// Starts a file that is written piece by piece; it is stored by
    /// [`UploadWriter::finish`]. No request is made before a part is full. A writer that is dropped without
    /// `finish` stores nothing.
    ///
    /// An open writer holds one part in memory (16 MB, or less under a
    /// [`memory_limit`](crate::B2ApiBuilder::memory_limit)), and as many again as there are parts being uploaded.
    /// Under a limit without room for another part, a thread that has a writer open must not upload another
    /// stream before it has finished that one.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a name or an option that the service would
    /// refuse; [`Error::InvalidInput`](crate::Error::InvalidInput) also if the writers that are open
    /// leave too little of the memory limit for another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write files of this name;
    /// [`Error::Stream`](crate::Error::Stream) if no thread can be started; the errors of the store.
    /// Failures of the upload itself are returned by `write` and [`UploadWriter::finish`].
    pub fn upload_writer(&self, file_name: &str) -> Result<UploadWriter> {
        self.upload_writer_with(file_name, &UploadOptions::default())
    }

    /// Starts a file that is written piece by piece, with options.
    ///
    /// # Errors
    /// [`Error::InvalidFileName`](crate::Error::InvalidFileName) and
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a name or an option that the service would
    /// refuse, for [`UploadOptions::resume`], because what is written once cannot be compared with what
    /// is stored, and if the writers that are open leave too little of the memory limit for another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key may not write files of this name or set
    /// the lock that the options ask for; [`Error::Stream`](crate::Error::Stream) if no thread can be
    /// started; the errors of the store. Failures of the upload itself are returned by `write` and
    /// [`UploadWriter::finish`].
    pub fn upload_writer_with(
        &self,
        file_name: &str,
        options: &UploadOptions,
    ) -> Result<UploadWriter> {
        let control = self.control("upload", Some(file_name), options.cancel.as_ref());
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
            .control("upload", Some(file_name), options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        control.in_span(|| {
            self.with_id(&control, |bucket| {
                self.to_bucket(bucket, file_name, options, &control)
                    .send(source)
            })
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
            .control("upload", Some(file_name), options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        control.in_span(|| send(&self.to_bucket(&self.id(), file_name, options, &control)))
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
