//! Listing a bucket page by page. At most about 1 MiB of a page is in memory, nothing is requested before the
//! first item is taken, and a listing ends only when the service says so (`session::listed_files`).

pub(super) mod listing;
pub(super) mod pages;

use crate::bucket::Bucket;
use crate::bucket::list::listing::Listing;
use crate::bucket::list::pages::{FilePages, Selection};
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::pattern::{Filter, Filters, Pattern};
use crate::session::listed_files::LARGEST_PAGE;
use crate::setters::setters;

/// Which versions a listing yields, in [`LsOptions::versions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Versions {
    /// The latest version of each file that is not hidden.
    #[default]
    Latest,
    /// All versions of each file, newest first, including hidden versions, hide markers and unfinished large
    /// files.
    All,
}

/// Options for a listing.
///
/// By default, a listing yields the latest versions of the files in one folder, and the folders in it.
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
    /// Whether to list the files in the folders below, of any depth, instead of the folders themselves. Off
    /// by default.
    pub recursive: bool,
    /// Which versions to list: the latest ones by default.
    pub versions: Versions,
    /// Whether the folder argument is a pattern that is matched against whole file names: `*` stands for
    /// any number of characters including `/`, `?` for one character, `[a-z]` for one of these, `[!a-z]`
    /// for one that is not among these. A pattern without any of them is the name of one file. This
    /// requires `recursive`.
    pub with_wildcard: bool,
    /// Which files to list, by patterns of their whole names. The last filter that matches a name decides. A
    /// name that none matches is listed, unless all filters include: then only what they include is listed. A
    /// folder is listed if a file in it passes.
    ///
    /// Filters are applied to what the service returns, so entries that they leave out are requested and
    /// billed.
    pub filters: Vec<Filter>,
    /// How many entries to request at a time: 1 to 10,000. The service bills every 1,000 entries that it
    /// returns, or part of them, as one call ([section 9.4](crate::guide::protocol#94-limits-and-billing)).
    ///
    /// By default the first page has 1,000 entries, and each page twice as many as the one before it, up to
    /// 10,000: a listing that is stopped early costs at most about twice what was taken of it.
    pub page_size: Option<u32>,
    /// Whether the next page is requested while the entries of one are taken, instead of when they are used up.
    /// Off by default.
    ///
    /// This hides the time that the service takes for a page behind the time that the caller takes for the
    /// entries. A listing that is stopped early has requested at most one page beyond the one that it stopped in,
    /// which is billed like any other. Up to 2,000 entries more are in memory, and the listing has a thread of its
    /// own. Dropping the iterator cancels what the thread is doing and returns at once; a thread that is just
    /// connecting ends when that has succeeded or failed, and requests nothing more; until then it keeps the
    /// account-info store open.
    pub read_ahead: bool,
    /// Cancels the listing.
    pub cancel: Option<CancelToken>,
}

setters! {
    new LsOptions {
        recursive: bool,
        versions: Versions,
        with_wildcard: bool,
        page_size: u32,
        read_ahead: bool,
    }
    list {
        filters: Filter,
    }
    shared {
        cancel: CancelToken,
    }
}

/// An entry of a listing: a file version or a folder.
///
/// ```no_run
/// # fn show(bucket: &b2sdk::Bucket) -> b2sdk::Result<()> {
/// for entry in bucket.ls("")? {
///     let entry = entry?;
///     match &entry.folder {
///         Some(folder) => println!("{folder} is a folder"),
///         None => println!("{} has {} bytes", entry.version.file_name, entry.version.content_length),
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The version. For a folder, its name ends with `/`, its
    /// [`action`](FileVersion::action) is [`FileAction::Folder`], and the other values are empty.
    pub version: FileVersion,
    /// The full name of the folder with the `/` at its end, or `None` for a file.
    pub folder: Option<String>,
}

/// An iterator over the entries of a folder, from [`Bucket::ls`] and [`Bucket::ls_with`].
///
/// Entries come in the order of their names, compared byte by byte, so `Z` comes before `a`. Files that are
/// uploaded or deleted while the listing runs may be missing or still be listed.
///
/// The iterator requests a page of entries when it needs one, and decodes the entries while they arrive: about
/// 1 MiB of a page is in memory, whatever its size, unless no entry is taken for five seconds. Then the next one
/// reads the rest of the page into memory, up to about 10 MB. If the connection breaks in the middle of a large
/// page, the rest of the page is requested again, which is billed. After an error the iterator ends.
///
/// With [`LsOptions::read_ahead`], the next page is requested earlier. Dropping the iterator cancels that request and
/// does not wait for its end.
#[derive(Debug)]
pub struct Ls(Listing);

/// An iterator over the versions of one file, newest first, from [`Bucket::list_file_versions`].
///
/// It requests a page of up to 100 versions when it needs one, each a call of class C, and keeps no other in
/// memory. After an error it ends.
#[derive(Debug)]
pub struct FileVersions(FilePages);

/// # Listing
///
/// Listings need the capability `listFiles`. A key that is restricted to a prefix can list only folders that
/// begin with it. Requests are billed in class C, for every started 1,000 entries that the service returns.
impl Bucket {
    /// Lists the files of a folder, and the folders in it. `""` is the root of the bucket; `"photos"` and
    /// `"photos/"` name one folder. Hidden files and older versions are not listed.
    ///
    /// A folder that does not exist is empty, which is no error.
    ///
    /// ```no_run
    /// # fn list(bucket: &b2sdk::Bucket) -> b2sdk::Result<()> {
    /// for entry in bucket.ls("photos")? {
    ///     let entry = entry?;
    ///     match entry.folder {
    ///         Some(folder) => println!("{folder}"),
    ///         None => println!("{} ({} bytes)", entry.version.file_name, entry.version.content_length),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// This call sends nothing. The entries can be [`Error::NotAllowed`] if the key lacks `listFiles` or is
    /// restricted to other names, [`Error::BucketNotFound`], or the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn ls(&self, folder: &str) -> Result<Ls> {
        self.ls_with(folder, &LsOptions::default())
    }

    /// Lists a folder, or the files that match a pattern, with options.
    ///
    /// Of a pattern, the part before the first `*`, `?` or `[` is sent to the service, which lists only
    /// names that begin with it. The rest of the pattern and the filters are applied to what the service
    /// returns, so entries that they leave out are billed.
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
    /// [`Error::InvalidInput`] for a page size outside 1 to 10,000 and for a pattern without `recursive`;
    /// nothing is sent. The entries can be [`Error::NotAllowed`] if the key lacks `listFiles` or is restricted
    /// to other names, [`Error::BucketNotFound`], or the [errors of any call](crate::Error#errors-of-any-call).
    pub fn ls_with(&self, folder: &str, options: &LsOptions) -> Result<Ls> {
        Ok(Ls(self.pages(folder, options)?))
    }

    pub(super) fn pages(&self, folder: &str, options: &LsOptions) -> Result<Listing> {
        let LsOptions {
            recursive,
            versions,
            with_wildcard,
            filters,
            page_size,
            read_ahead,
            cancel,
        } = options;
        if let Some(size) = page_size
            && !(1..=LARGEST_PAGE).contains(size)
        {
            return Err(Error::invalid_input(
                "page_size",
                format!("it is 1 to {LARGEST_PAGE}, not {size}"),
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
        let pages = |cancel: Option<&CancelToken>| {
            let control = self.control("ls", None, cancel);
            FilePages::new(self, control, *versions, selection, *page_size)
        };
        Ok(if *read_ahead {
            let cancel = cancel.as_ref().map(CancelToken::child).unwrap_or_default();
            Listing::ahead(pages(Some(&cancel)), cancel)
        } else {
            Listing::OnDemand(Box::new(pages(cancel.as_ref())))
        })
    }

    /// Lists all versions of one file, newest first, including hide markers and unfinished large files. A
    /// name that does not exist has none.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::FileAction;
    ///
    /// bucket.upload_bytes(b"hello", "hello.txt")?;
    /// bucket.hide_file("hello.txt")?;
    /// let versions = bucket.list_file_versions("hello.txt")?.collect::<b2sdk::Result<Vec<_>>>()?;
    /// assert_eq!(versions.len(), 2);
    /// assert_eq!(versions[0].action, FileAction::Hide);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// This call sends nothing. The versions can be [`Error::NotAllowed`] if the key lacks `listFiles` or is
    /// restricted to other names, [`Error::BucketNotFound`], or the [errors of any
    /// call](crate::Error#errors-of-any-call).
    pub fn list_file_versions(&self, file_name: &str) -> Result<FileVersions> {
        Ok(FileVersions(self.versions_of(file_name, 100)))
    }

    /// Returns whether there is a file of this name that is not hidden. This is one request, which is
    /// billed in class C. [`get_file_info_by_name`](Self::get_file_info_by_name) tells more, in class B.
    ///
    /// The answer is true also for a file that is encrypted with a key of the customer, and for one that
    /// this key may list and not read.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// assert!(!bucket.exists("hello.txt")?);
    /// bucket.upload_bytes(b"hello", "hello.txt")?;
    /// assert!(bucket.exists("hello.txt")?);
    /// bucket.hide_file("hello.txt")?;
    /// assert!(!bucket.exists("hello.txt")?);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the key may not list files of this name; [`Error::BucketNotFound`]; the [errors
    /// of any call](crate::Error#errors-of-any-call).
    pub fn exists(&self, file_name: &str) -> Result<bool> {
        let mut latest = FilePages::latest_of_one_file(self, file_name);
        Ok(latest.next().transpose()?.is_some())
    }

    /// All versions of the files whose names begin with this prefix, in the order of names, newest first.
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
        let (control, all) = (
            self.control("list_file_versions", None, cancel),
            Versions::All,
        );
        FileVersions(FilePages::new(self, control, all, selection, None))
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
