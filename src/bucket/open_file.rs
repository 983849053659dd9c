//! Opening stored files that are read like local ones.

use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::raw::DownloadRequest;
use crate::transfer::download::remote_file::{OpenFileOptions, RemoteFile};

/// # Reading files in pieces
///
/// To get a whole file, [`download_file_by_name`](Bucket::download_file_by_name) is simpler and needs fewer
/// requests.
impl Bucket {
    /// Opens the latest version of a file for reading at any position.
    ///
    /// One HEAD request describes the file, billed in class B, and nothing else is downloaded before
    /// something is read. Each read that the cache cannot serve is at least one more request of class B. The
    /// handle stays with this version, whatever is uploaded under the name later.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"first line\nsecond line\n", "notes.txt")?;
    /// let file = bucket.open_file("notes.txt")?;
    /// let mut word = [0; 6];
    /// file.read_exact_at(&mut word, 11).unwrap();
    /// assert_eq!(&word, b"second");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if the bucket has no file of this name, or it is
    /// hidden; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key
    /// (SSE-C); [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not
    /// read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn open_file(&self, file_name: &str) -> Result<RemoteFile> {
        self.open_file_with(file_name, &OpenFileOptions::default())
    }

    /// Opens the latest version of a file with options: another size of the cache, no reading ahead, the
    /// customer's key that the file is encrypted with. One HEAD request is sent, billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if the bucket has no file of this name, or it is
    /// hidden; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key
    /// (SSE-C) that was not given, or is another one; [`Error::NotAllowed`](crate::Error::NotAllowed) if the
    /// bucket is private and the key may not read the file; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn open_file_with(&self, file_name: &str, options: &OpenFileOptions) -> Result<RemoteFile> {
        self.open(&self.by_name(file_name), options)
    }

    /// Opens a version for reading at any position. It need not be the latest one. One HEAD request is sent,
    /// billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C);
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not read the
    /// file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn open_file_by_id(&self, file_id: impl Into<FileId>) -> Result<RemoteFile> {
        self.open_file_by_id_with(file_id, &OpenFileOptions::default())
    }

    /// Opens a version with options, such as the customer's key that it is encrypted with. One HEAD request
    /// is sent, billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C)
    /// that was not given, or is another one; [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is
    /// private and the key may not read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn open_file_by_id_with(
        &self,
        file_id: impl Into<FileId>,
        options: &OpenFileOptions,
    ) -> Result<RemoteFile> {
        self.open(&DownloadRequest::by_id(file_id.into()), options)
    }

    /// Opens a version that a listing or an upload described, without a request.
    ///
    /// Whether the key may read it, and whether it is still there, shows when something is read.
    ///
    /// ```
    /// # fn lines(bucket: &b2sdk::Bucket) -> anyhow::Result<()> {
    /// use std::io::{BufRead, BufReader};
    ///
    /// for entry in bucket.ls("logs")? {
    ///     let file = bucket.open_version(&entry?.version, &Default::default())?;
    ///     if let Some(first) = BufReader::new(file).lines().next() {
    ///         println!("{}", first?);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if the version is a folder, a hide marker or an
    /// unfinished large file.
    pub fn open_version(
        &self,
        version: &FileVersion,
        options: &OpenFileOptions,
    ) -> Result<RemoteFile> {
        let request = DownloadRequest::by_id(version.file_id.clone());
        let control = self.control(
            "open_file",
            Some(&version.file_name),
            options.cancel.as_ref(),
        );
        let transfer = self.client.transfer(&control);
        RemoteFile::new(transfer, &request, version.clone(), options)
    }

    fn open(&self, request: &DownloadRequest, options: &OpenFileOptions) -> Result<RemoteFile> {
        let request = request.clone().with_key(options.encryption_key.as_ref());
        let control = self.control("open_file", request.file_name(), options.cancel.as_ref());
        let version = self.describe_under(&control, &request)?;
        let transfer = self.client.transfer(&control);
        RemoteFile::new(transfer, &request, version, options)
    }
}
