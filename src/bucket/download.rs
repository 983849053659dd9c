//! Downloading from a bucket.

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;
use crate::raw::DownloadRequest;
use crate::transfer::download::Download;
use crate::transfer::download::options::DownloadOptions;

/// # Downloading
///
/// Requests of downloads are billed in class B, and the bytes count towards the download cap of the account.
/// A public bucket needs no capability; for a private one the key needs `readFiles`.
impl Bucket {
    /// Requests the latest version of a file and reads its headers. The content is read by the
    /// methods of the returned [`Download`], which save it to a path, write it to a writer, or
    /// provide a reader. The request is billed in class B.
    ///
    /// A large file that is saved to a path, or read into memory, takes one request for each range. A
    /// connection that breaks is replaced, and the download continues with the version that was opened,
    /// whatever is uploaded under the name in between. At the end the SHA-1 is verified.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// use b2sdk::Error;
    ///
    /// match bucket.download_file_by_name("helo.txt") {
    ///     Ok(download) => println!("{} bytes", download.length()),
    ///     Err(Error::FileNotFound { file, .. }) => println!("there is no {file}"),
    ///     Err(error) => return Err(error),
    /// }
    /// let content = bucket.download_file_by_name("hello.txt")?.read_to_vec()?;
    /// assert_eq!(content, b"hello");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also if the file is hidden;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C)
    /// that was not given, or is another one; [`Error::NotAllowed`](crate::Error::NotAllowed); the [errors of
    /// any call](crate::Error#errors-of-any-call).
    pub fn download_file_by_name(&self, file_name: &str) -> Result<Download> {
        self.download_file_by_name_with(file_name, &DownloadOptions::default())
    }

    /// Requests the latest version of a file, or a range of it, with options.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"hello", "hello.txt")?;
    /// use b2sdk::DownloadOptions;
    ///
    /// let options = DownloadOptions::new().range(1..=3);
    /// let download = bucket.download_file_by_name_with("hello.txt", &options)?;
    /// assert_eq!(download.read_to_vec()?, b"ell");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if the bucket has no file of this name, or it is
    /// hidden; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key
    /// (SSE-C) that was not given, or is another one;
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable) if the range begins behind the end of
    /// the file; [`Error::InvalidInput`](crate::Error::InvalidInput), before anything is sent, for an empty
    /// range, a part size of 0, and a range together with [`resume`](DownloadOptions::resume), and before any
    /// content is read if there is more than [`max_length`](DownloadOptions::max_length);
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not read the
    /// file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn download_file_by_name_with(
        &self,
        file_name: &str,
        options: &DownloadOptions,
    ) -> Result<Download> {
        self.download(self.by_name(file_name), options)
    }

    /// Requests a version by its id and reads its headers. The content is read by the methods of
    /// the returned [`Download`]. The version need not be the latest one, and may be hidden; the service
    /// does not check that it is in this bucket. The request is billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C)
    /// that was not given, or is another one; [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is
    /// private and the key may not read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn download_file_by_id(&self, file_id: impl Into<FileId>) -> Result<Download> {
        self.download_file_by_id_with(file_id, &DownloadOptions::default())
    }

    /// Requests a version, or a range of it, by its id and with options.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C)
    /// that was not given, or is another one; [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable)
    /// if the range begins behind the end of the file; [`Error::InvalidInput`](crate::Error::InvalidInput),
    /// before anything is sent, for an empty range, a part size of 0, and a range together with
    /// [`resume`](DownloadOptions::resume), and before any content is read if there is more than
    /// [`max_length`](DownloadOptions::max_length); [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is
    /// private and the key may not read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn download_file_by_id_with(
        &self,
        file_id: impl Into<FileId>,
        options: &DownloadOptions,
    ) -> Result<Download> {
        self.download(DownloadRequest::by_id(file_id.into()), options)
    }

    /// Describes the latest version of a file, without its content. This is one HEAD request,
    /// billed in class B. Whether a file exists at all, [`exists`](Self::exists) tells.
    ///
    /// The service describes a file that is encrypted with a customer's key only if the key is
    /// sent: use [`get_file_info_by_name_with`](Self::get_file_info_by_name_with), or
    /// [`B2Api::get_file_info`](crate::B2Api::get_file_info), which takes an id and needs no key.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if the bucket has no file of this name, or it is
    /// hidden; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key
    /// (SSE-C); [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not
    /// read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_file_info_by_name(&self, file_name: &str) -> Result<FileVersion> {
        self.describe(&self.by_name(file_name))
    }

    /// Describes the latest version of a file that is encrypted with this key (SSE-C). This is one HEAD
    /// request, billed in class B.
    ///
    /// Other methods whose name ends in `_with` take options. This one takes the key alone, which is the only
    /// thing that can be chosen here.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if the bucket has no file of this name, or it is
    /// hidden; [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with another key;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not read the
    /// file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn get_file_info_by_name_with(
        &self,
        file_name: &str,
        key: &SseCustomerKey,
    ) -> Result<FileVersion> {
        self.describe(&self.by_name(file_name).with_key(Some(key)))
    }

    fn describe(&self, request: &DownloadRequest) -> Result<FileVersion> {
        let control = self.control("get_file_info_by_name", request.file_name(), None);
        self.describe_under(&control, request)
    }

    pub(super) fn describe_under(
        &self,
        control: &Control,
        request: &DownloadRequest,
    ) -> Result<FileVersion> {
        let session = &self.client.session;
        let mut version = session.call(request, control, |raw| raw.head(request))?;
        version.account_id = Some(self.owner.account_id.clone());
        version.bucket_id = Some(self.id());
        Ok(version)
    }

    fn download(&self, request: DownloadRequest, options: &DownloadOptions) -> Result<Download> {
        let control = self
            .control("download", request.file_name(), options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        control.in_span(|| Download::open(self.client.transfer(&control), request, options))
    }

    pub(super) fn by_name(&self, file_name: &str) -> DownloadRequest {
        DownloadRequest::by_name(self.name.to_string(), file_name.to_owned())
    }
}
