//! Listing a bucket, page by page: one page in memory, no request before the first item is asked
//! for, and no end before the service says so - a page may be empty in the middle (reference
//! section 9.3).

use std::vec;

use crate::bucket::Bucket;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::wire::file::ListFilesRequest;

/// Which versions a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// How many entries to ask for at a time: 1 to 10,000, 1000 by default. The service bills each
    /// started 1000 as one call.
    pub page_size: Option<u32>,
    /// Cancels the listing.
    pub cancel: Option<CancelToken>,
}

impl LsOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also what is in the folders below, instead of the folders.
    #[must_use]
    pub const fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Which versions.
    #[must_use]
    pub const fn versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// How many entries to ask for at a time.
    #[must_use]
    pub const fn page_size(mut self, entries: u32) -> Self {
        self.page_size = Some(entries);
        self
    }

    /// Cancels the listing.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// One entry of a listing: a file version, or a folder.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The version; for a folder a row that has a name and nothing else.
    pub version: FileVersion,
    /// The folder's full name with the `/` at its end, if this is one.
    pub folder: Option<String>,
}

/// The entries of a folder, from [`Bucket::ls`]. After an error it ends.
#[derive(Debug)]
pub struct Ls(Pages);

/// The versions of one file, newest first, from [`Bucket::list_file_versions`]. After an error it
/// ends.
#[derive(Debug)]
pub struct FileVersions(Pages);

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

    /// Lists a folder with settings.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a page size that the service does not have; otherwise as
    /// [`ls`](Self::ls).
    pub fn ls_with(&self, folder: &str, options: &LsOptions) -> Result<Ls> {
        let LsOptions {
            recursive,
            versions,
            page_size,
            cancel,
        } = options;
        let prefix = if folder.is_empty() || folder.ends_with('/') {
            folder.to_owned()
        } else {
            format!("{folder}/")
        };
        let max_file_count = page_size.unwrap_or(1000);
        if !(1..=10_000).contains(&max_file_count) {
            return Err(Error::invalid_input(
                "page_size",
                format!("it is 1 to 10000, not {max_file_count}"),
            ));
        }
        let request = ListFilesRequest {
            bucket_id: self.id(),
            start_file_name: None,
            start_file_id: None,
            max_file_count,
            prefix,
            delimiter: (!recursive).then_some("/"),
        };
        Ok(Ls(Pages::new(self, request, *versions, cancel.as_ref())))
    }

    /// Lists all versions of one file, newest first: hide markers and unfinished large files too.
    ///
    /// # Errors
    /// As [`ls`](Self::ls).
    pub fn list_file_versions(&self, file_name: &str) -> Result<FileVersions> {
        Ok(FileVersions(self.versions_of(file_name, 100)))
    }

    pub(super) fn versions_of(&self, file_name: &str, max_file_count: u32) -> Pages {
        let request = ListFilesRequest {
            bucket_id: self.id(),
            start_file_name: Some(file_name.to_owned()),
            start_file_id: None,
            max_file_count,
            prefix: file_name.to_owned(),
            delimiter: None,
        };
        let mut pages = Pages::new(self, request, Versions::All, None);
        pages.only = Some(file_name.to_owned());
        pages
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

impl Iterator for FileVersions {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// A listing and its cursor.
#[derive(Debug)]
pub(super) struct Pages {
    bucket: Bucket,
    control: Control,
    request: ListFilesRequest,
    versions: Versions,
    /// End at the first other name.
    only: Option<String>,
    page: vec::IntoIter<FileVersion>,
    is_last: bool,
}

impl Pages {
    fn new(
        bucket: &Bucket,
        request: ListFilesRequest,
        versions: Versions,
        cancel: Option<&CancelToken>,
    ) -> Self {
        let control = bucket.control(cancel);
        let page = Vec::new().into_iter();
        Self {
            bucket: bucket.clone(),
            control,
            request,
            versions,
            only: None,
            page,
            is_last: false,
        }
    }

    fn fetch(&mut self) -> Result<()> {
        let Self {
            bucket,
            control,
            request,
            versions,
            ..
        } = self;
        let answer = bucket.with_id(control, |id| {
            request.bucket_id = id.clone();
            match versions {
                Versions::Latest => {
                    bucket
                        .client
                        .session
                        .call(Operation::ListFileNames, control, |raw| {
                            raw.list_file_names(request)
                        })
                }
                Versions::All => {
                    bucket
                        .client
                        .session
                        .call(Operation::ListFileVersions, control, |raw| {
                            raw.list_file_versions(request)
                        })
                }
            }
        })?;
        self.is_last = answer.next_file_name.is_none();
        let next = (answer.next_file_name, answer.next_file_id);
        let stuck = next.0 == self.request.start_file_name && next.1 == self.request.start_file_id;
        if stuck && !self.is_last {
            let operation = match self.versions {
                Versions::Latest => Operation::ListFileNames,
                Versions::All => Operation::ListFileVersions,
            };
            return Err(Error::UnexpectedReply {
                operation,
                source: "the next page is this page again".into(),
            });
        }
        (self.request.start_file_name, self.request.start_file_id) = next;
        self.page = answer.files.into_iter();
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(version) = self.page.next() {
                if self
                    .only
                    .as_ref()
                    .is_some_and(|name| *name != version.file_name)
                {
                    self.is_last = true;
                    self.page = Vec::new().into_iter();
                    return None;
                }
                return Some(Ok(version));
            }
            if self.is_last {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.is_last = true;
                return Some(Err(error));
            }
        }
    }
}
