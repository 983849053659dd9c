//! The two places of a synchronization: a local directory, a folder of a bucket.
//!
//! A place is a value: it holds no open directory and sends nothing before a plan or a run looks at
//! it. Names are those below the place, with `/` between their parts, so that the same file has the
//! same name on both sides.
//!
//! | place | name of a file | its file |
//! |---|---|---|
//! | `LocalFolder::new("/home/me")` | `photos/1.jpg` | `/home/me/photos/1.jpg` |
//! | `bucket.folder("home")` | `photos/1.jpg` | `home/photos/1.jpg` in the bucket |
//! | `bucket.folder("")` | `photos/1.jpg` | `photos/1.jpg` in the bucket |
//!
//! Two places overlap if they are folders of one bucket and one lies inside of the other. A run
//! between them is refused. Of two folders of different buckets, and of a local directory and a
//! bucket, it is not checked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::api::B2Api;
use crate::bucket::Bucket;
use crate::error::Result;
use crate::model::time::Timestamp;
use crate::setters::setters;
use crate::sync::error::{Refused, SyncError};

/// A source or a destination of a [`Synchronizer`](crate::sync::Synchronizer). A [`LocalFolder`]
/// and a [`BucketFolder`] become one with `into()`, which `Synchronizer::new` does by itself.
///
/// `Display` writes a local place as its path and a folder of a bucket as `b2://bucket/folder/`. It
/// is for people: a path that is no UTF-8 does not lead back to the directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SyncPlace {
    /// A directory of this machine.
    Local(LocalFolder),
    /// A folder of a bucket, or a whole bucket.
    Bucket(BucketFolder),
}

impl SyncPlace {
    /// The folder of a bucket, if it is one.
    pub(super) const fn folder(&self) -> Option<&BucketFolder> {
        match self {
            Self::Bucket(folder) => Some(folder),
            Self::Local(_) => None,
        }
    }
}

/// What is done with links in a local source. A local destination never follows one.
///
/// | link | `Follow` | `FilesOnly` | `Skip` |
/// |---|---|---|---|
/// | to a file | the file | the file | left out |
/// | to a directory | what is in it | left out | left out |
/// | to a directory that it lies in | a notice | left out | left out |
/// | to nothing | a problem | a problem | left out |
///
/// Whatever is left out protects what the destination has under the name of the link and below it.
/// A link that is left out by this setting is counted in
/// [`SyncReport::excluded`](crate::sync::SyncReport), and is no problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Links {
    /// Follows links to files and to directories, also out of the source. A link to a directory
    /// that it lies in is not followed, and reported.
    #[default]
    Follow,
    /// Follows links to files, and skips links to directories.
    FilesOnly,
    /// Skips all links. A skipped link is counted as excluded, and protects what the destination
    /// has under its name.
    Skip,
}

/// A local directory as a source or destination. A destination that does not exist is created for
/// the first file that is written to it.
///
/// Empty directories are not synchronized, because a bucket has none. `root`, `nfc` and
/// `exclude_if_present` concern a source and a destination; the other fields concern a source
/// alone, because no link is followed at a destination.
///
/// | what the directory has | at a source | at a destination |
/// |---|---|---|
/// | a file that cannot be looked at | a problem; its name is protected | not replaced |
/// | a pipe, a socket, a device | a notice; its name is protected | in the way of a file of that name |
/// | a link | by [`Links`] | in the way of a file of that name |
/// | a temporary file of a download | a notice; it is not uploaded | removed by a run, if nothing uses it |
///
/// ```
/// use b2sdk::sync::{Links, LocalFolder};
///
/// let home = LocalFolder::new("/home/me").links(Links::Skip).marker(".backed-up");
/// assert_eq!(home.links, Links::Skip);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LocalFolder {
    /// The path of the directory, which may be a link to one.
    /// A relative path is one below the working directory at the time of each access.
    pub root: PathBuf,
    /// What is done with links in it. The default follows them.
    pub links: Links,
    /// Whether directories on other file systems are left out, such as what is mounted below the
    /// directory.
    ///
    /// Off by default. What is left out so stays as it is at the destination. On systems without
    /// device numbers the setting has no effect.
    pub one_file_system: bool,
    /// A file that the directory must have for it to be the right one: without it nothing is even
    /// listed, and if it vanishes during the run, nothing is removed.
    ///
    /// It is synchronized like any other file. The path is relative to `root`. A link of that name
    /// counts as present, whatever it leads to.
    pub marker: Option<PathBuf>,
    /// A file whose presence leaves out the directory that it is in, with everything below: the
    /// customary one is `CACHEDIR.TAG`.
    ///
    /// What lies there stays as it is on the other side. At a destination nothing in such a directory
    /// is removed or replaced, and files that the source has for it are left out and counted in
    /// [`SyncReport::excluded`](crate::sync::SyncReport). The root itself is never left out.
    pub exclude_if_present: Option<String>,
    /// Whether names are brought into the Unicode form NFC, in which most systems type them. macOS
    /// stores some in another form.
    ///
    /// Of two entries that become the same name, the one that is in that form already takes part,
    /// and the other one is a problem. If the other one is a file, nothing is removed in the run,
    /// unless [`SyncOptions::remove_despite_failures`](crate::sync::SyncOptions) is set. If it is a
    /// directory, nothing that the bucket has below that name is removed, neither files nor older
    /// versions.
    pub nfc: bool,
}

setters! {
    LocalFolder {
        links: Links,
        one_file_system: bool,
        nfc: bool,
    }
    into {
        marker: PathBuf,
        exclude_if_present: String,
    }
}

impl LocalFolder {
    /// Names a directory, with the default settings. It is not looked at before a plan or run.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            ..Self::default()
        }
    }

    /// Where the marker file has to be.
    pub(super) fn marker_path(&self) -> Option<PathBuf> {
        self.marker.as_ref().map(|marker| self.root.join(marker))
    }
}

/// A folder of a bucket as a source or destination, from [`Bucket::folder`].
///
/// It holds the files whose names begin with the folder's name and a `/`. `Display` writes it as
/// `b2://bucket/folder/`, which [`PlaceName`] reads.
///
/// A file whose name is the folder's own name, without a `/` at its end, is not in the folder.
/// Clones share the bucket's connections.
#[derive(Debug, Clone)]
pub struct BucketFolder {
    pub(super) bucket: Bucket,
    /// Empty, or ending with `/`.
    pub(super) prefix: String,
    pub(super) as_of: Option<Timestamp>,
}

/// # Synchronizing
impl Bucket {
    /// Names a folder of this bucket as a place to synchronize: `"photos"` and `"photos/"` are the
    /// same folder, and `""` is the whole bucket. Nothing is sent.
    ///
    /// ```no_run
    /// # fn restore(bucket: b2sdk::Bucket) -> Result<(), b2sdk::sync::SyncError> {
    /// use b2sdk::sync::{LocalFolder, Synchronizer};
    ///
    /// let restored = LocalFolder::new("/restored");
    /// let report = Synchronizer::new(bucket.folder("photos"), restored).run()?;
    /// println!("{report}");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn folder(&self, prefix: &str) -> BucketFolder {
        let prefix = prefix.trim_end_matches('/');
        BucketFolder {
            bucket: self.clone(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            as_of: None,
        }
    }
}

impl BucketFolder {
    /// Selects the folder as it was at that time, by the times at which versions and hide markers
    /// were created.
    ///
    /// Versions that were deleted since are missing. This is for a source only: a run into such a
    /// folder is refused. All versions are listed for it, which costs more requests than the latest
    /// ones.
    ///
    /// ```no_run
    /// # fn restore(bucket: b2sdk::Bucket) -> Result<(), anyhow::Error> {
    /// use b2sdk::Timestamp;
    /// use b2sdk::sync::{LocalFolder, Synchronizer};
    ///
    /// let before: Timestamp = "2026-11-27T12:00:00Z".parse()?;
    /// let source = bucket.folder("home").as_of(before);
    /// Synchronizer::new(source, LocalFolder::new("/restored")).run()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn as_of(mut self, time: impl Into<Timestamp>) -> Self {
        self.as_of = Some(time.into());
        self
    }

    /// Returns the bucket that the folder is in.
    /// It is a clone of the handle that [`Bucket::folder`] was called on.
    #[must_use]
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Returns what the names of the folder's files begin with: `""` for the whole bucket, and
    /// otherwise a text that ends with `/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for BucketFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b2://{}/{}", self.bucket.name(), self.prefix)
    }
}

impl fmt::Display for SyncPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => write!(f, "{}", folder.root.display()),
            Self::Bucket(folder) => write!(f, "{folder}"),
        }
    }
}

impl From<LocalFolder> for SyncPlace {
    fn from(folder: LocalFolder) -> Self {
        Self::Local(folder)
    }
}

impl From<BucketFolder> for SyncPlace {
    fn from(folder: BucketFolder) -> Self {
        Self::Bucket(folder)
    }
}

/// Which way files go.
///
/// At least one place is in a bucket, so that these are all. The paths are the roots as the caller
/// gave them.
#[derive(Debug, Clone)]
pub(super) enum Direction {
    /// From this directory into a bucket.
    Up { root: PathBuf },
    /// From a bucket into this directory.
    Down { root: PathBuf },
    /// From one folder of buckets to another.
    Copy,
}

/// A place in words, as a command line has it: `b2://bucket/folder`, or the path of a directory.
///
/// ```
/// use b2sdk::sync::PlaceName;
///
/// let place: PlaceName = "b2://photos-2026/summer/".parse()?;
/// let expected = PlaceName::Bucket { bucket: "photos-2026".into(), prefix: "summer".into() };
/// assert_eq!(place, expected);
/// assert!("bs://photos-2026".parse::<PlaceName>().is_err());
/// # Ok::<_, b2sdk::sync::SyncError>(())
/// ```
///
/// | text | place |
/// |---|---|
/// | `b2://photos` or `b2://photos/` | the whole bucket `photos` |
/// | `b2://photos/summer` or `b2://photos/summer/` | the folder `summer/` of it |
/// | `home`, `./home`, `/home/me`, `C:\home` | a directory |
/// | `s3://photos`, `b2:photos`, an empty text, `b2://photos//x` | refused |
///
/// Parsing fails with [`SyncError::Refused`], whose [`Refused::Place`] has the reason. A path that
/// looks like a place elsewhere is written with `./` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceName {
    /// The path of a directory.
    Local(PathBuf),
    /// A folder of a bucket.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The folder, without a `/` at its end; empty for the whole bucket.
        prefix: String,
    },
}

impl PlaceName {
    /// Returns the place. The id of a bucket is looked up, which takes one request of class C
    /// unless the account info has it.
    ///
    /// A local path is not looked at, so that this fails for buckets only.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); [`Error::NotAllowed`](crate::Error::NotAllowed)
    /// if the key is restricted to other buckets, or lacks `listBuckets` and the name is not known; the [errors
    /// of any call](crate::Error#errors-of-any-call). None for a local path.
    pub fn open(&self, api: &B2Api) -> Result<SyncPlace> {
        Ok(match self {
            Self::Local(path) => LocalFolder::new(path).into(),
            Self::Bucket { bucket, prefix } => {
                api.get_bucket_by_name(bucket)?.folder(prefix).into()
            }
        })
    }
}

impl FromStr for PlaceName {
    type Err = SyncError;

    fn from_str(text: &str) -> Result<Self, SyncError> {
        let refused = |reason: &str| {
            Err(SyncError::Refused(Refused::Place {
                text: text.into(),
                reason: reason.into(),
            }))
        };
        if text.is_empty() {
            return refused("it is empty");
        }
        if let Some(rest) = text.strip_prefix("b2://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            if bucket.is_empty() {
                return refused("the name of the bucket is missing after b2://");
            }
            if prefix.split('/').any(str::is_empty) && !prefix.is_empty() {
                return refused("the folder has an empty part between slashes");
            }
            return Ok(Self::Bucket {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            });
        }
        let scheme = text.split(':').next().unwrap_or_default();
        let is_scheme = scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_b2 = ["b2", "b2id"].contains(&scheme.to_ascii_lowercase().as_str());
        if scheme.len() < text.len() && is_scheme && (is_b2 || text.contains("://")) {
            return refused(
                "a folder of a bucket is b2://bucket/folder; write ./ before a path that looks like one",
            );
        }
        Ok(Self::Local(Path::new(text).to_owned()))
    }
}
