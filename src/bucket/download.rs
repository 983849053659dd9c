//! Downloading from a bucket.

use crate::bucket::Bucket;
use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;
use crate::raw::DownloadRequest;
use crate::transfer::download::{Download, DownloadOptions};

/// # Downloading
impl Bucket {
    /// Requests the latest version of a file and reads its headers. The content is read by the
    /// methods of the returned [`Download`], which save it to a path, write it to a writer, or
    /// provide a reader. The request is billed in class B.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also if the file is hidden;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key
    /// (SSE-C) that was not given, or is another one;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed); the errors of any call.
    pub fn download_file_by_name(&self, file_name: &str) -> Result<Download> {
        self.download_file_by_name_with(file_name, &DownloadOptions::default())
    }

    /// Requests the latest version of a file, or a range of it, with options.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable).
    pub fn download_file_by_name_with(
        &self,
        file_name: &str,
        options: &DownloadOptions,
    ) -> Result<Download> {
        self.download(self.by_name(file_name), options)
    }

    /// Requests a version by its id and reads its headers. The content is read by the methods of
    /// the returned [`Download`].
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name).
    pub fn download_file_by_id(&self, file_id: impl Into<FileId>) -> Result<Download> {
        self.download_file_by_id_with(file_id, &DownloadOptions::default())
    }

    /// Requests a version, or a range of it, by its id and with options.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable).
    pub fn download_file_by_id_with(
        &self,
        file_id: impl Into<FileId>,
        options: &DownloadOptions,
    ) -> Result<Download> {
        self.download(DownloadRequest::by_id(file_id.into()), options)
    }

    /// Describes the latest version of a file, without its content. This is one HEAD request,
    /// billed in class B.
    ///
    /// The service describes a file that is encrypted with a customer's key only if the key is
    /// sent: use [`get_file_info_by_name_with`](Self::get_file_info_by_name_with), or
    /// [`B2Api::get_file_info`](crate::B2Api::get_file_info), which takes an id and needs no key.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name).
    pub fn get_file_info_by_name(&self, file_name: &str) -> Result<FileVersion> {
        self.describe(&self.by_name(file_name))
    }

    /// Describes the latest version of a file that is encrypted with this key.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name).
    pub fn get_file_info_by_name_with(
        &self,
        file_name: &str,
        key: &SseCustomerKey,
    ) -> Result<FileVersion> {
        self.describe(&self.by_name(file_name).with_key(Some(key)))
    }

    fn describe(&self, request: &DownloadRequest) -> Result<FileVersion> {
        self.describe_under(&self.control(None), request)
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
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        Download::open(self.client.transfer(&control), request, options)
    }

    pub(super) fn by_name(&self, file_name: &str) -> DownloadRequest {
        DownloadRequest::by_name(self.name.to_string(), file_name.to_owned())
    }
}
