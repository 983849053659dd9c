//! The rows of a listing, and which of them are yielded.
//!
//! Folders come from the service (`delimiter`), which returns each as one row. With filters they are made
//! on this side, because a folder is then listed only if a file in it passes: all files are listed, and the
//! listing continues behind a folder as soon as the folder was yielded (docs/protocol.md, section 9.3).

use crate::bucket::Bucket;
use crate::bucket::list::Versions;
use crate::control::Control;
use crate::error::Result;
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::model::pattern::{Filters, Pattern};
use crate::session::listed_files::ListedFiles;
use crate::wire::file::ListFilesRequest;

/// Which rows a listing yields.
#[derive(Debug)]
pub(in crate::bucket) struct Selection {
    /// The service lists only names that begin with this.
    pub(in crate::bucket) prefix: String,
    pub(in crate::bucket) pattern: Option<Pattern>,
    pub(in crate::bucket) filters: Filters,
    pub(in crate::bucket) is_recursive: bool,
}

impl Selection {
    fn includes(&self, name: &str) -> bool {
        // The prefix is checked again, because callers delete what is listed.
        name.starts_with(&self.prefix)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.matches(name))
            && self.filters.includes(name)
    }

    /// Whether folders are made on this side.
    fn folds(&self) -> bool {
        !self.is_recursive && !self.filters.is_empty()
    }

    /// The folder, with its `/`, that a name is in, if it is in one below the prefix.
    fn folder_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let below = name.get(self.prefix.len()..)?;
        let slash = below.find('/')?;
        name.get(..=self.prefix.len() + slash)
    }
}

/// A listing of file versions.
#[derive(Debug)]
pub(in crate::bucket) struct FilePages {
    bucket: Bucket,
    control: Control,
    versions: Versions,
    selection: Selection,
    /// The listing ends at the first other name.
    only: Option<String>,
    /// The folder that was yielded last, if folders are made on this side.
    shown: Option<String>,
    rows: ListedFiles<FileVersion>,
}

impl FilePages {
    pub(super) fn new(
        bucket: &Bucket,
        control: Control,
        versions: Versions,
        selection: Selection,
        page_size: Option<u32>,
    ) -> Self {
        let by_service = !selection.is_recursive && !selection.folds();
        let request = ListFilesRequest {
            delimiter: by_service.then(|| "/".to_owned()),
            ..ListFilesRequest::new(bucket.id()).prefix(selection.prefix.as_str())
        };
        Self {
            bucket: bucket.clone(),
            control,
            versions,
            selection,
            only: None,
            shown: None,
            rows: ListedFiles::new(request, page_size),
        }
    }

    /// All versions of one file.
    pub(super) fn of_one_file(bucket: &Bucket, file_name: &str, max_file_count: u32) -> Self {
        let selection = Selection {
            prefix: file_name.to_owned(),
            pattern: None,
            filters: Filters::new(&[]),
            is_recursive: true,
        };
        let (control, all) = (
            bucket.control("list_file_versions", Some(file_name), None),
            Versions::All,
        );
        let mut pages = Self::new(bucket, control, all, selection, Some(max_file_count));
        pages.rows = pages.rows.starting_at((file_name.to_owned(), None));
        pages.only = Some(file_name.to_owned());
        pages
    }

    /// The latest version of one file, if it is not hidden.
    pub(super) fn latest_of_one_file(bucket: &Bucket, file_name: &str) -> Self {
        Self {
            versions: Versions::Latest,
            ..Self::of_one_file(bucket, file_name, 1)
        }
    }

    /// The call that lists.
    const fn operation(&self) -> Operation {
        match self.versions {
            Versions::Latest => Operation::ListFileNames,
            Versions::All => Operation::ListFileVersions,
        }
    }

    /// Requests a page if there is none. Returns `None` at the end of the listing.
    pub(super) fn open_page(&mut self) -> Option<Result<()>> {
        let operation = self.operation();
        let Self {
            bucket,
            control,
            rows,
            ..
        } = self;
        let session = &bucket.client.session;
        rows.open_page(|request| {
            bucket.with_id(control, |id| {
                request.bucket_id = id.clone();
                let needs = bucket.needs(operation).bucket(id).named(&request.prefix);
                session.call(needs, control, |raw| raw.list_rows(operation, request))
            })
        })
    }

    /// Makes the row of a folder, behind which the listing continues.
    fn fold(&mut self, folder: &str) -> FileVersion {
        // `0` is the character after `/`.
        let behind = format!("{}0", folder.strip_suffix('/').unwrap_or(folder));
        self.rows.skip_to((behind, None));
        FileVersion::folder(folder)
    }

    /// The next version of the present page that is yielded. Returns `None` if another page has to be requested
    /// first, or at the end of the listing.
    pub(super) fn next_of_page(&mut self) -> Option<Result<FileVersion>> {
        let operation = self.operation();
        loop {
            let session = &self.bucket.client.session;
            if let Err(error) = self.rows.advance(session, operation)? {
                return Some(Err(error));
            }
            let version = self.rows.row()?;
            let name = version.file_name.as_str();
            if self.only.as_ref().is_some_and(|only| only != name) {
                self.rows.end();
                return None;
            }
            if !self.selection.includes(name) {
                continue;
            }
            if self.selection.folds()
                && version.action != FileAction::Folder
                && let Some(folder) = self.selection.folder_of(name)
            {
                if self.shown.as_deref() == Some(folder) {
                    continue;
                }
                let folder = self.shown.insert(folder.to_owned()).clone();
                return Some(Ok(self.fold(&folder)));
            }
            return self.rows.take().map(Ok);
        }
    }
}

impl Iterator for FilePages {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(version) = self.next_of_page() {
                return Some(version);
            }
            if let Err(error) = self.open_page()? {
                return Some(Err(error));
            }
        }
    }
}
