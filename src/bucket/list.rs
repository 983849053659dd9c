//! Listing a bucket, page by page: one page in memory, no request before the first item is asked
//! for, and no end before the service says so (`session::paging`).

pub(super) mod pages;

use crate::bucket::Bucket;
use crate::bucket::list::pages::{FilePages, Selection};
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::pattern::{Filter, Filters, Pattern};
use crate::setters::setters;

/// Which versions a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Versions {
    /// The latest version of each file that is not hidden.
    #[default]
    Latest,
    /// All versions, newest first: hidden ones, hide markers and unfinished large files too.
    All,
}

/// What may be said about a listing.
///
/// ```
/// use b2sdk::{LsOptions, Versions};
///
/// let options = LsOptions::new().recursive(true).versions(Versions::All);
/// assert!(options.recursive);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LsOptions {
    /// Also what is in the folders below, instead of the folders.
    pub recursive: bool,
    /// Which versions.
    pub versions: Versions,
    /// The folder is no folder but a pattern of whole file names: `*` is any number of characters,
    /// `/` among them, `?` one, `[a-z]` one of these, `[!a-z]` one that is none of these. Without any
    /// of them it is the name of one file. Only together with `recursive`.
    pub with_wildcard: bool,
    /// Which files, by patterns of their whole names; the last one that matches decides. A folder is
    /// shown if there is a file in it that passes.
    pub filters: Vec<Filter>,
    /// How many entries to ask for at a time: 1 to 10,000, 1000 by default. The service bills each
    /// started 1000 as one call.
    pub page_size: Option<u32>,
    /// Cancels the listing.
    pub cancel: Option<CancelToken>,
}

setters! {
    new LsOptions {
        recursive: bool,
        versions: Versions,
        with_wildcard: bool,
        page_size: u32,
    }
    list {
        filters: Filter,
    }
    shared {
        cancel: CancelToken,
    }
}

/// One entry of a listing: a file version, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The version; for a folder a row that has a name and nothing else.
    pub version: FileVersion,
    /// The folder's full name with the `/` at its end, if this is one.
    pub folder: Option<String>,
}

/// The entries of a folder, from [`Bucket::ls`]. After an error it ends.
#[derive(Debug)]
pub struct Ls(FilePages);

/// The versions of one file, newest first, from [`Bucket::list_file_versions`]. After an error it
/// ends.
#[derive(Debug)]
pub struct FileVersions(FilePages);

impl Bucket {
    /// Lists a folder: its files, and the folders in it. `""` is the root of the bucket; `"photos"`
    /// and `"photos/"` are the same.
    ///
    /// # Errors
    /// None here: nothing is sent before the first entry is asked for. The entries are
    /// [`Error::NotAllowed`], [`Error::BucketNotFound`], or the errors of any call.
    pub fn ls(&self, folder: &str) -> Result<Ls> {
        self.ls_with(folder, &LsOptions::default())
    }

    /// Lists a folder, or the files of a pattern, with settings.
    ///
    /// Of a pattern, what stands before the first `*`, `?` or `[` is sent to the service, which lists
    /// only the names that begin so; the rest, and the filters, are applied here: what they leave out
    /// was listed and is billed all the same.
    ///
    /// ```no_run
    /// # fn list(bucket: &b2sdk::Bucket) -> b2sdk::Result<()> {
    /// use b2sdk::listing::Filter;
    /// use b2sdk::LsOptions;
    ///
    /// let options = LsOptions::new().recursive(true).with_wildcard(true);
    /// let options = options.filters([Filter::exclude("*/thumbnails/*")]);
    /// for entry in bucket.ls_with("photos/*.jpg", &options)? {
    ///     println!("{}", entry?.version.file_name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a page size that the service does not have, and for a pattern
    /// without `recursive`; otherwise as [`ls`](Self::ls).
    pub fn ls_with(&self, folder: &str, options: &LsOptions) -> Result<Ls> {
        Ok(Ls(self.pages(folder, options)?))
    }

    pub(super) fn pages(&self, folder: &str, options: &LsOptions) -> Result<FilePages> {
        let LsOptions {
            recursive,
            versions,
            with_wildcard,
            filters,
            page_size,
            cancel,
        } = options;
        let max_file_count = page_size.unwrap_or(1000);
        if !(1..=10_000).contains(&max_file_count) {
            return Err(Error::invalid_input(
                "page_size",
                format!("it is 1 to 10000, not {max_file_count}"),
            ));
        }
        if *with_wildcard && !recursive {
            return Err(Error::invalid_input(
                "with_wildcard",
                "a pattern matches in all folders below: set recursive as well",
            ));
        }
        let pattern = with_wildcard.then(|| Pattern::new(folder));
        let prefix = match &pattern {
            Some(pattern) => pattern.fixed_prefix().to_owned(),
            None if folder.is_empty() || folder.ends_with('/') => folder.to_owned(),
            None => format!("{folder}/"),
        };
        let selection = Selection {
            prefix,
            pattern,
            filters: Filters::new(filters),
            is_recursive: *recursive,
        };
        let control = self.control(cancel.as_ref());
        Ok(FilePages::new(
            self,
            control,
            *versions,
            selection,
            max_file_count,
        ))
    }

    /// Lists all versions of one file, newest first: hide markers and unfinished large files too.
    ///
    /// # Errors
    /// As [`ls`](Self::ls).
    pub fn list_file_versions(&self, file_name: &str) -> Result<FileVersions> {
        Ok(FileVersions(self.versions_of(file_name, 100)))
    }

    /// All versions of the files whose names begin so: in the order of names, newest first.
    pub(crate) fn versions_with_prefix(
        &self,
        prefix: &str,
        cancel: Option<&CancelToken>,
    ) -> FileVersions {
        let selection = Selection {
            prefix: prefix.to_owned(),
            pattern: None,
            filters: Filters::new(&[]),
            is_recursive: true,
        };
        let (control, all) = (self.control(cancel), Versions::All);
        FileVersions(FilePages::new(self, control, all, selection, 1000))
    }

    pub(super) fn versions_of(&self, file_name: &str, max_file_count: u32) -> FilePages {
        FilePages::of_one_file(self, file_name, max_file_count)
    }
}

impl Iterator for Ls {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|version| {
            let folder = (version.action == FileAction::Folder).then(|| version.file_name.clone());
            Entry { version, folder }
        }))
    }
}

impl std::iter::FusedIterator for Ls {}

impl Iterator for FileVersions {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl std::iter::FusedIterator for FileVersions {}
