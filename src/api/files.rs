//! What can be done with a file whose id is known, whatever bucket it is in.

use crate::api::B2Api;
use crate::bucket::delete::DeleteFileVersionOptions;
use crate::bucket::lock::UpdateFileRetentionOptions;
use crate::bucket::share::download_url;
use crate::client::Client;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::lock::{FileRetention, LegalHold};
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::raw::DownloadRequest;
use crate::raw::encoding::encode_query;
use crate::session::shared_calls::PartPages;
use crate::transfer::download::Download;
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::download::remote_file::{OpenFileOptions, RemoteFile};

/// An iterator over the parts of an unfinished large file, in order of their numbers, from
/// [`B2Api::list_parts`].
///
/// It requests a page of up to 1,000 parts when it needs one, and keeps no more than that in memory. Each
/// page is one request of class C. After an error it ends.
#[derive(Debug)]
pub struct Parts {
    client: Client,
    pages: PartPages,
}

/// # Files by id
///
/// An id names one version of a file in whichever bucket it is, so these calls need no
/// [`Bucket`](crate::Bucket).
impl B2Api {
    /// Requests a version by its id and reads its headers. The content is read by the methods of
    /// the returned [`Download`](crate::Download). The request is billed in class B.
    ///
    /// A version is found by its id also if it is not the latest one, or hidden.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound);
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is private and the key may not read the
    /// file; the [errors of any call](crate::Error#errors-of-any-call).
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
        let control = self
            .client
            .control("download", options.cancel.as_ref())
            .watched_by(options.progress.as_ref());
        let request = DownloadRequest::by_id(file_id.into());
        control.in_span(|| Download::open(self.client.transfer(&control), request, options))
    }

    /// Opens a version for reading at any position, whatever bucket it is in. One HEAD request is sent, billed
    /// in class B; each read that the cache cannot serve is at least one more.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// let uploaded = bucket.upload_bytes(b"hello, world", "hello.txt")?;
    /// let file = b2_api.open_file_by_id(&uploaded.version().file_id, &Default::default())?;
    /// let mut word = [0; 5];
    /// file.read_exact_at(&mut word, 7)?;
    /// assert_eq!(&word, b"world");
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version;
    /// [`Error::EncryptionKey`](crate::Error::EncryptionKey) if it is encrypted with a customer's key (SSE-C)
    /// that was not given, or is another one; [`Error::NotAllowed`](crate::Error::NotAllowed) if the bucket is
    /// private and the key may not read the file; the [errors of any call](crate::Error#errors-of-any-call).
    pub fn open_file_by_id(
        &self,
        file_id: impl Into<FileId>,
        options: &OpenFileOptions,
    ) -> Result<RemoteFile> {
        let request = DownloadRequest::by_id(file_id.into());
        let request = request.with_key(options.encryption_key.as_ref());
        let control = self.client.control("open_file", options.cancel.as_ref());
        let session = &self.client.session;
        let version = session.call(&request, &control, |raw| raw.head(&request))?;
        RemoteFile::new(self.client.transfer(&control), &request, version, options)
    }

    /// Describes a version, without its content. The request is billed in class B.
    ///
    /// This also works for hide markers, and for files that are encrypted with a customer's key, without
    /// the key. Retention and legal hold are [hidden](crate::Filtered::NotAuthorized) from a key without
    /// `readFileRetentions` or `readFileLegalHolds`.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// let version = bucket.upload_bytes(b"hello", "hello.txt")?.into_version();
    /// let described = b2_api.get_file_info(&version.file_id)?;
    /// assert_eq!((described.file_name.as_str(), described.content_length), ("hello.txt", 5));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also for an unfinished large file;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key lacks `readFiles`; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn get_file_info(&self, file_id: impl Into<FileId>) -> Result<FileVersion> {
        let file_id = file_id.into();
        self.client.session.call(
            Operation::GetFileInfo,
            &self.client.control("get_file_info", None),
            |raw| raw.get_file_info(&file_id),
        )
    }

    /// Permanently deletes a version. If it was the latest version of its file, the version before
    /// it becomes the latest. `file_name` must be the name of the version, as a protection against
    /// mistakes. The request is free (class A), and the version is no longer billed.
    ///
    /// The second call for the same version fails with `FileNotFound`. An unfinished large file is
    /// cancelled.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// let version = bucket.upload_bytes(b"hello", "hello.txt")?.into_version();
    /// b2_api.delete_file_version(&version.file_id, &version.file_name)?;
    /// // A second call finds nothing to delete.
    /// let again = b2_api.delete_file_version(&version.file_id, &version.file_name);
    /// assert!(again.unwrap_err().is_not_found());
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound), also if the id belongs to another name;
    /// [`Error::Locked`](crate::Error::Locked) if a retention has not ended or a legal hold is on;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key lacks `deleteFiles`; the [errors of any
    /// call](crate::Error#errors-of-any-call). If the answer is lost, the call is repeated, and a version that
    /// is then gone counts as deleted.
    pub fn delete_file_version(&self, file_id: &FileId, file_name: &str) -> Result<()> {
        self.delete_file_version_with(file_id, file_name, &DeleteFileVersionOptions::default())
    }

    /// Permanently deletes a version, with options: one that is retained in governance mode as well.
    ///
    /// # Errors
    /// [`Error::FileNotFound`](crate::Error::FileNotFound) if there is no such version, or the id belongs to
    /// another name; [`Error::Locked`](crate::Error::Locked) if a retention has not ended or is not bypassed,
    /// or a legal hold is on; [`Error::NotAllowed`](crate::Error::NotAllowed) if the key lacks `deleteFiles`,
    /// or `bypassGovernance` where the options ask for that; the [errors of any
    /// call](crate::Error#errors-of-any-call). If the answer is lost, the call is repeated, and a version that
    /// is then gone counts as deleted.
    pub fn delete_file_version_with(
        &self,
        file_id: &FileId,
        file_name: &str,
        options: &DeleteFileVersionOptions,
    ) -> Result<()> {
        let DeleteFileVersionOptions { bypass_governance } = *options;
        self.client.session.delete_file_version(
            &self.client.control("delete_file_version", None),
            file_id,
            file_name,
            bypass_governance,
        )
    }

    /// Sets the retention of a version, or removes it with `None`. It returns the retention that the service
    /// has stored. A retention can always be extended, and shortened or removed only in the mode
    /// `governance`, with [`bypass_governance`](UpdateFileRetentionOptions::bypass_governance). The request
    /// is free (class A).
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if the present retention forbids the change;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed), before anything is sent, if the key lacks
    /// `writeFileRetentions`; [`Error::Service`](crate::Error::Service) with the code
    /// `bucket_missing_file_lock` or `retain_until_timestamp_must_be_in_future`;
    /// [`Error::FileNotFound`](crate::Error::FileNotFound); the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn update_file_retention(
        &self,
        file_id: &FileId,
        file_name: &str,
        retention: Option<&FileRetention>,
    ) -> Result<Option<FileRetention>> {
        let options = UpdateFileRetentionOptions::default();
        self.update_file_retention_with(file_id, file_name, retention, &options)
    }

    /// Sets or removes the retention of a version, with options.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if the present retention forbids the change;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed), before anything is sent, if the key lacks
    /// `writeFileRetentions`, or `bypassGovernance` where the options ask for that;
    /// [`Error::Service`](crate::Error::Service) with the code `bucket_missing_file_lock` or
    /// `retain_until_timestamp_must_be_in_future`; [`Error::FileNotFound`](crate::Error::FileNotFound); the
    /// [errors of any call](crate::Error#errors-of-any-call).
    pub fn update_file_retention_with(
        &self,
        file_id: &FileId,
        file_name: &str,
        retention: Option<&FileRetention>,
        options: &UpdateFileRetentionOptions,
    ) -> Result<Option<FileRetention>> {
        let UpdateFileRetentionOptions { bypass_governance } = *options;
        self.client.session.update_file_retention(
            &self.client.control("update_file_retention", None),
            file_id,
            file_name,
            retention,
            bypass_governance,
        )
    }

    /// Puts a version on legal hold, or releases it. While the hold is on, nobody can delete the
    /// version.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed), before anything is sent, if the key lacks
    /// `writeFileLegalHolds`; [`Error::Service`](crate::Error::Service) with the code
    /// `bucket_missing_file_lock`; [`Error::FileNotFound`](crate::Error::FileNotFound); the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn update_file_legal_hold(
        &self,
        file_id: &FileId,
        file_name: &str,
        hold: &LegalHold,
    ) -> Result<()> {
        self.client.session.update_file_legal_hold(
            &self.client.control("update_file_legal_hold", None),
            file_id,
            file_name,
            hold,
        )
    }

    /// Cancels an unfinished large file and permanently deletes its parts, which are then no longer billed.
    /// An upload of this file that is still running fails. The request is free (class A).
    ///
    /// [`Error::LargeFileLeft`](crate::Error::LargeFileLeft) and
    /// [`Bucket::list_unfinished_large_files`](crate::Bucket::list_unfinished_large_files) name the ids of
    /// such files.
    ///
    /// # Errors
    /// [`Error::Service`](crate::Error::Service) with the code `bad_request` if there is no such unfinished
    /// file, for example because it is finished or was cancelled before;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) if the key lacks `writeFiles`; the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn cancel_large_file(&self, file_id: &FileId) -> Result<()> {
        self.client
            .session
            .cancel_large_file(&self.client.control("cancel_large_file", None), file_id)
    }

    /// Lists the parts of an unfinished large file that have been uploaded or copied, in order of
    /// their numbers. Parts that are missing or still on their way leave gaps in the numbers.
    ///
    /// # Errors
    /// This call sends nothing. The items can be [`Error::Service`](crate::Error::Service) with the code
    /// `bad_request` if the file is not unfinished, [`Error::NotAllowed`](crate::Error::NotAllowed), or the
    /// [errors of any call](crate::Error#errors-of-any-call).
    pub fn list_parts(&self, file_id: &FileId) -> Result<Parts> {
        Ok(Parts {
            client: self.client.clone(),
            pages: PartPages::new(file_id.clone()),
        })
    }

    /// Returns the URL of a file from the name of its bucket and its own. Neither has to exist.
    /// Anybody can download it if the bucket is public; otherwise a token is needed.
    ///
    /// The URL leads to the latest version at the time of each download, and to an error while the file is
    /// hidden. It contains no token. [`Bucket::get_download_url`](crate::Bucket::get_download_url) does the
    /// same where a bucket is at hand.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized), the errors of the store; nothing is sent.
    pub fn get_download_url_by_name(&self, bucket_name: &str, file_name: &str) -> Result<String> {
        let snapshot = self
            .client
            .session
            .current(&self.client.control("get_download_url_by_name", None))?;
        Ok(download_url(snapshot.auth(), bucket_name, file_name))
    }

    /// Returns the URL of a version from its id. Anybody can download it if the bucket is public;
    /// otherwise the authorization of an account is needed, because download tokens work for names only.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPublic)?;
    /// let uploaded = bucket.upload_bytes(b"<h1>Hello</h1>", "index.html")?;
    /// let url = b2_api.get_download_url_by_id(&uploaded.version().file_id)?;
    /// assert!(url.contains("/b2api/v4/b2_download_file_by_id?fileId="));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAuthorized`](crate::Error::NotAuthorized), the errors of the store; nothing is sent.
    pub fn get_download_url_by_id(&self, file_id: &FileId) -> Result<String> {
        let snapshot = self
            .client
            .session
            .current(&self.client.control("get_download_url_by_id", None))?;
        let base = snapshot.auth().download_url.trim_end_matches('/');
        Ok(format!(
            "{base}/b2api/v4/b2_download_file_by_id?fileId={}",
            encode_query(file_id.as_str())
        ))
    }
}

impl Iterator for Parts {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pages.next(
            &self.client.session,
            &self.client.control("list_parts", None),
        )
    }
}

impl std::iter::FusedIterator for Parts {}
