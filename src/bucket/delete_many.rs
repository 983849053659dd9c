//! Deleting many versions: a listing, or versions that the caller names, and several deletions at a
//! time.
//!
//! 1. Whoever takes a result makes it go on: the calling thread reads the next versions, a page of the
//!    listing when it needs one, and starts a thread for each until as many run as the `B2Api` has
//!    workers.
//! 2. Each thread takes a permit, deletes one version by itself (`b2_delete_file_version`, which also
//!    cancels an unfinished large file), and sends its outcome back.
//! 3. The next outcome is the result that was asked for.
//!
//! So nothing is deleted ahead of results that nobody takes, and memory holds a page and as many
//! versions as there are workers.

pub(crate) mod deletions;
pub(crate) mod outcome;

use crate::bucket::Bucket;
use crate::bucket::delete_many::deletions::Deletions;
use crate::bucket::delete_many::outcome::FileIdAndName;
use crate::bucket::list::listing::Listing;
use crate::bucket::list::{LsOptions, Versions};
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::FileAction;
use crate::setters::setters;

/// How [`Bucket::delete_many`] makes files disappear: by deleting versions for good, or by hiding
/// names, which keeps what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DeleteMode {
    /// Deletes each version permanently. Where the latest version of a file is deleted, the version before
    /// it becomes the latest.
    #[default]
    Delete,
    /// Hides each file: its name is no longer found, and all versions remain stored and billed. Only for
    /// listings of the latest versions.
    Hide,
}

/// Options for deleting many versions.
///
/// ```
/// use b2sdk::delete::{DeleteManyOptions, DeleteMode};
///
/// let options = DeleteManyOptions::new().mode(DeleteMode::Hide).dry_run(true);
/// assert!(options.dry_run && !options.fail_fast);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeleteManyOptions {
    /// Whether versions are deleted or files hidden.
    pub mode: DeleteMode,
    /// Whether to report what would be deleted, and delete nothing. The listing itself is requested and
    /// billed.
    pub dry_run: bool,
    /// Whether to start no further deletion after the first failure. Deletions that run at that moment
    /// finish and are reported.
    pub fail_fast: bool,
    /// Whether to delete versions that are retained in governance mode too. This requires the capability
    /// `bypassGovernance`. Retention in compliance mode and legal holds cannot be bypassed; hiding a file
    /// is possible in any case.
    pub bypass_governance: bool,
    /// Cancels the listing and the deletions. Whether a version that was being deleted at that moment
    /// still exists is unknown.
    pub cancel: Option<CancelToken>,
}

setters! {
    new DeleteManyOptions {
        mode: DeleteMode,
        dry_run: bool,
        fail_fast: bool,
        bypass_governance: bool,
    }
    shared {
        cancel: CancelToken,
    }
}

/// An iterator over the versions of a listing, without its folders: what [`Bucket::delete_many`] deletes. It
/// only appears as the parameter of [`Deletions`].
#[derive(Debug)]
pub struct ListedVersions(Listing);

impl Iterator for ListedVersions {
    type Item = Result<FileIdAndName>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Ok(version) if version.action == FileAction::Folder => {}
                version => return Some(version.map(FileIdAndName::from)),
            }
        }
    }
}

impl std::iter::FusedIterator for ListedVersions {}

/// # Deleting many
impl Bucket {
    /// Deletes the files that [`ls_with`](Self::ls_with) lists for this folder and these options.
    /// Files in folders below need [`LsOptions::recursive`]. A name that does not start with the
    /// folder's name, or does not match the pattern and the filters, is never deleted.
    ///
    /// Several versions are deleted at a time, at most as many as the `B2Api` has workers, one free request
    /// each (class A); the listing is billed in class C. **Nothing is deleted before results are taken** from
    /// the iterator that is returned.
    ///
    /// With [`Versions::All`], all versions are deleted, including hide markers and **unfinished
    /// large files, even while they are being uploaded**. With [`Versions::Latest`], only the
    /// latest version of each file that is not hidden is deleted, and the version before it becomes
    /// the latest. To make files disappear and keep their versions, use [`DeleteMode::Hide`].
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"1", "tmp/1")?;
    /// use b2sdk::delete::DeleteManyOptions;
    /// use b2sdk::{LsOptions, Versions};
    ///
    /// let everything = LsOptions::new().recursive(true).versions(Versions::All);
    /// let mut failures = 0;
    /// for result in bucket.delete_many("tmp", &everything, &DeleteManyOptions::new())? {
    ///     match result {
    ///         Ok(removed) => println!("{}", removed.file.file_name),
    ///         Err(failed) => failures += 1,
    ///     }
    /// }
    /// assert_eq!((failures, bucket.ls("")?.count()), (0, 0));
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// This call sends nothing. It fails with [`Error::NotAllowed`] if the key cannot delete or
    /// hide any file, or lacks a requested `bypassGovernance`, and with [`Error::InvalidInput`] as
    /// `ls_with`, or for hiding all versions. The results are the errors of
    /// [`delete_file_version`](Self::delete_file_version) and [`hide_file`](Self::hide_file),
    /// mostly [`Error::Locked`], each for its own file. A version that is already gone is not a
    /// failure. After an error that is not about a single file (of the listing, the credentials,
    /// the store, a cap, the budget, or because it was cancelled) no further deletion is started.
    ///
    /// # Consequences
    /// While it runs, or after it was interrupted, an older version of a file may be the latest.
    pub fn delete_many(
        &self,
        folder: &str,
        listing: &LsOptions,
        options: &DeleteManyOptions,
    ) -> Result<Deletions<ListedVersions>> {
        if options.mode == DeleteMode::Hide && listing.versions != Versions::Latest {
            return Err(Error::invalid_input(
                "mode",
                "hiding is for the latest versions: leave Versions::All out",
            ));
        }
        let pages = self.pages(folder, listing)?;
        Deletions::new(self, ListedVersions(pages), options)
    }

    /// Deletes these versions of this bucket, for example from a listing that the caller has
    /// filtered. The iterator is advanced only as far as it is needed.
    ///
    /// ```
    /// # fn older(bucket: &b2sdk::Bucket, limit: b2sdk::Timestamp) -> b2sdk::Result<()> {
    /// use b2sdk::delete::DeleteManyOptions;
    /// use b2sdk::{LsOptions, Versions};
    ///
    /// let all = LsOptions::new().recursive(true).versions(Versions::All);
    /// let old = bucket.ls_with("logs", &all)?.filter(move |entry| {
    ///     entry.as_ref().map_or(true, |entry| entry.version.upload_timestamp < limit)
    /// });
    /// for result in bucket.delete_versions(old, &DeleteManyOptions::new())? {
    ///     if let Err(failed) = result {
    ///         eprintln!("{failed}: {}", failed.error);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// This call sends nothing. It fails with [`Error::NotAllowed`] if the key cannot delete or hide any
    /// file, or lacks a requested `bypassGovernance`. The results are errors each for its own file,
    /// mostly [`Error::Locked`], and [`Error::InvalidInput`] for a version that is in another bucket or
    /// has another name. A version that is already gone is not a failure. An error from the iterator is
    /// returned as a result and ends the deletion, as does an error that is not about a single file (of
    /// the credentials, the store, a cap, the budget, or because it was cancelled).
    pub fn delete_versions<I, V>(
        &self,
        versions: I,
        options: &DeleteManyOptions,
    ) -> Result<Deletions<impl Iterator<Item = Result<FileIdAndName>> + use<I, V>>>
    where
        I: IntoIterator<Item = Result<V>>,
        V: Into<FileIdAndName>,
    {
        let versions = versions.into_iter().map(|version| version.map(V::into));
        Deletions::new(self, versions, options)
    }
}
