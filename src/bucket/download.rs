//! Downloading from a bucket.

use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::raw::DownloadRequest;
use crate::transfer::download::{Download, DownloadOptions};

impl Bucket {
    /// Begins to download the latest version of a file: its headers are read, its content waits in
    /// the [`Download`].
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also if the file is hidden;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed); the errors of any call.
    pub fn download_file_by_name(&self, file_name: &str) -> Result<Download> {
        self.download_file_by_name_with(file_name, &DownloadOptions::default())
    }

    /// Begins to download the latest version of a file, or a range of it.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name);
    /// [`Error::RangeNotSatisfiable`](crate::Error::RangeNotSatisfiable).
    pub fn download_file_by_name_with(
        &self,
        file_name: &str,
        options: &DownloadOptions,
    ) -> Result<Download> {
        self.download(&self.by_name(file_name), options)
    }

    /// Begins to download a version.
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name).
    pub fn download_file_by_id(&self, file_id: impl Into<FileId>) -> Result<Download> {
        self.download(
            &DownloadRequest::ById(file_id.into()),
            &DownloadOptions::default(),
        )
    }

    /// Describes the latest version of a file without its content (one HEAD request).
    ///
    /// # Errors
    /// As [`download_file_by_name`](Self::download_file_by_name).
    pub fn get_file_info_by_name(&self, file_name: &str) -> Result<FileVersion> {
        let request = self.by_name(file_name);
        let mut version = self.client.session.call(
            Operation::DownloadFileByName,
            &self.control(None),
            |raw| raw.head(&request),
        )?;
        version.account_id = Some(self.owner.account_id.clone());
        version.bucket_id = Some(self.id());
        Ok(version)
    }

    fn download(&self, request: &DownloadRequest, options: &DownloadOptions) -> Result<Download> {
        let control = self
            .control(options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        Download::open(
            (&self.client.session, &self.client.workers),
            request,
            options,
            control,
        )
    }

    fn by_name(&self, file_name: &str) -> DownloadRequest {
        DownloadRequest::ByName {
            bucket_name: self.name.to_string(),
            file_name: file_name.to_owned(),
        }
    }
}
