//! What a run is asked to do: how files are compared, what is removed, and within which limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::id::FileId;
use crate::model::pattern::Filter;
use crate::model::secret::SseCustomerKey;
use crate::model::time::Timestamp;
use crate::setters::setters;
use crate::sync::encryption::SyncEncryption;
use crate::sync::error::{Refused, SyncError};
use crate::sync::file_filter::{FileFilter, SourceFile};
#[cfg(feature = "regex")]
use crate::sync::regex_filters::RegexFilters;
use crate::transfer::download::DownloadOptions;
use crate::transfer::options::CopyOptions;
use crate::transfer::options::UploadOptions;

/// The size from which a copy within the service is preferred to an upload: below it, an upload is one
/// request as well, and is not billed.
const COPY_FROM: u64 = 5_000_000;

/// How two files of one name are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compare {
    /// By size and by the time of the last change. Times that differ by no more than `tolerance` count
    /// as equal.
    SizeAndTime {
        /// The largest difference between equal times.
        tolerance: Duration,
    },
    /// By the time of the last change alone. Content that changes without a new time is not noticed.
    Time {
        /// The largest difference between equal times.
        tolerance: Duration,
    },
    /// By size alone. Content that changes without a new size is not noticed.
    Size {
        /// The largest difference between equal sizes, in bytes.
        tolerance: u64,
    },
    /// By size, then by SHA-1. Local files are read where the sizes are equal. Where the service has no
    /// SHA-1 of a file, the file is compared by size and time.
    Sha1,
    /// Not at all: a file that exists at the destination is never transferred again.
    Name,
}

impl Compare {
    /// By size and time, with a tolerance of one millisecond.
    pub const SIZE_AND_TIME: Self = Self::SizeAndTime {
        tolerance: Duration::from_millis(1),
    };
    /// By time, with a tolerance of one millisecond.
    pub const TIME: Self = Self::Time {
        tolerance: Duration::from_millis(1),
    };
    /// By size.
    pub const SIZE: Self = Self::Size { tolerance: 0 };
}

impl Default for Compare {
    fn default() -> Self {
        Self::SIZE_AND_TIME
    }
}

/// What happens to a file that is newer at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Newer {
    /// It is left alone and reported as a problem, so that the run is not complete.
    #[default]
    Report,
    /// It is left alone.
    Skip,
    /// It is replaced.
    Replace,
}

/// What happens to a file that differs at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Existing {
    /// It is replaced, by the rules of [`Compare`] and [`Newer`].
    #[default]
    Update,
    /// It is left alone, and not even compared.
    Keep,
    /// It is left alone and reported as a problem, so that the run is not complete.
    Immutable,
}

/// What happens to a file at the destination that the source does not have.
///
/// A name is an orphan only if the scan of the source passed its place and had nothing to say about it.
/// What could not be read, was skipped or was filtered out is never an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Orphans {
    /// It stays, and so do all its versions.
    #[default]
    Keep,
    /// It is hidden: its versions remain, below a hide marker. Only for a bucket.
    Hide,
    /// It is deleted: in a bucket with all its versions, oldest first.
    Delete,
}

/// What happens to older versions of files at a destination that is a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OldVersions {
    /// They stay.
    #[default]
    Keep,
    /// A version is deleted once it was superseded longer ago than this, by the service's clock.
    ///
    /// A lifecycle rule of the bucket does this without any request, and without a run.
    After(Duration),
    /// All versions but the newest one are deleted, after the newest one is stored.
    Delete,
}

impl OldVersions {
    /// Deletes versions that were superseded more than this many days ago.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self::After(Duration::from_secs(days as u64 * 86_400))
    }
}

/// How many names a run may remove from the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalLimit {
    /// So many of a hundred names at the destination. It counts once the destination has 20 names.
    Percent(u8),
    /// This many names.
    Count(u64),
    /// Any number.
    None,
}

impl Default for RemovalLimit {
    fn default() -> Self {
        Self::Percent(50)
    }
}

/// What happens to a file whose size is right and whose time is not, where SHA-1 tells that the content
/// is right too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Touched {
    /// From this many bytes on, the file is read and, if its SHA-1 is the one at the destination, copied
    /// onto itself within the service with the new time.
    Refresh {
        /// The smallest size for which that is done.
        from: u64,
    },
    /// It is transferred again.
    Transfer,
}

impl Touched {
    pub(super) const fn from(self) -> Option<u64> {
        match self {
            Self::Refresh { from } => Some(from),
            Self::Transfer => None,
        }
    }
}

impl Default for Touched {
    fn default() -> Self {
        Self::Refresh { from: COPY_FROM }
    }
}

/// Whether a file that the destination has under another name is copied from there instead of being
/// uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Renames {
    /// Files are always uploaded.
    Off,
    /// From this many bytes on, a local file that the destination does not have is compared with the
    /// files there that the source does not have, by size and SHA-1. It is read where a size is the same.
    Sha1 {
        /// The smallest size for which that is done.
        from: u64,
    },
}

impl Renames {
    pub(super) const fn from(self) -> Option<u64> {
        match self {
            Self::Off => None,
            Self::Sha1 { from } => Some(from),
        }
    }
}

impl Default for Renames {
    fn default() -> Self {
        Self::Sha1 { from: COPY_FROM }
    }
}

/// Options for synchronizing.
///
/// ```
/// use b2sdk::sync::{Compare, OldVersions, Orphans, SyncOptions};
///
/// // What b2sdk for Python calls KEEP_BEFORE_DELETE with 30 days.
/// let options = SyncOptions::new()
///     .compare(Compare::TIME)
///     .orphans(Orphans::Hide)
///     .old_versions(OldVersions::days(30));
/// assert_eq!(options.orphans, Orphans::Hide);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyncOptions {
    /// How two files of one name are compared. The default is [`Compare::SIZE_AND_TIME`].
    pub compare: Compare,
    /// What happens to a file that is newer at the destination. The default is to report it.
    pub newer: Newer,
    /// What happens to a file that differs at the destination. The default is to replace it.
    pub existing: Existing,
    /// What happens to files that the source does not have. The default is to keep them.
    pub orphans: Orphans,
    /// What happens to older versions in a bucket. The default is to keep them.
    pub old_versions: OldVersions,
    /// What happens to a file of which only the time differs.
    pub touched: Touched,
    /// Whether renamed files are found, so that their content need not be sent.
    pub renames: Renames,
    /// Whether of a local file that has grown only what was appended is uploaded, where the service's SHA-1
    /// shows that the rest is the same. See
    /// [`Bucket::upload_appended_file`](crate::Bucket::upload_appended_file).
    pub appended: bool,
    /// Which names take part, on both sides: the last filter that matches decides. Patterns are those of
    /// [`LsOptions::filters`](crate::LsOptions::filters), and match the whole name below the place; `*` is
    /// any number of characters, `/` among them.
    pub filters: Vec<Filter>,
    /// Which names take part by regular expressions, with the rules of b2sdk for Python, on both sides. A name
    /// takes part if it passes these and [`filters`](Self::filters).
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    pub regex_filters: Option<RegexFilters>,
    /// The smallest size in bytes of a file at the source that takes part.
    pub min_size: Option<u64>,
    /// The largest size in bytes of a file at the source that takes part.
    pub max_size: Option<u64>,
    /// Files at the source take part that were changed at this time or later.
    pub modified_after: Option<Timestamp>,
    /// Files at the source take part that were changed at this time or earlier.
    pub modified_before: Option<Timestamp>,
    /// Decides for each file at the source whose name passes the other filters whether it takes part.
    pub file_filter: Option<FileFilter>,
    /// Whether what the filters leave out counts as absent from the source, so that it is removed from the
    /// destination as [`orphans`](Self::orphans) says. Without this, whatever is left out at the source stays as
    /// it is at the destination. What [`LocalFolder`](crate::sync::LocalFolder) leaves out stays in any case.
    pub also_remove_excluded: bool,
    /// Whether a source without any file is synchronized. Without this, such a run is refused, because an
    /// empty source is most often one that is not mounted.
    pub allow_empty_source: bool,
    /// How many names may be removed. With a limit, nothing is transferred before both sides are scanned
    /// if [`orphans`](Self::orphans) are removed.
    pub removal_limit: RemovalLimit,
    /// Whether files are removed although a transfer failed.
    pub remove_despite_failures: bool,
    /// A directory into which local files are moved that would be deleted or replaced. Only for a local
    /// destination on the same file system.
    pub set_aside: Option<PathBuf>,
    /// Whether large files are always uploaded from the beginning, and cancelled if that fails. Without this,
    /// an upload that fails or is killed leaves its parts, which are billed, and the next run completes it:
    /// see [`Resume::Matching`](crate::Resume::Matching). What is unfinished below the folder is listed once in
    /// a run, when the first large file is uploaded.
    pub restart_large_files: bool,
    /// The options of every upload: content type, file info, encryption, retention. Progress and
    /// cancelling are those of the run.
    pub upload: UploadOptions,
    /// The options of every download.
    pub download: DownloadOptions,
    /// The options of every copy within the service. The range, the metadata and the keys are those of the
    /// step.
    pub copy: CopyOptions,
    /// Says for each file how it is encrypted. Without it, the options of uploads, downloads and copies
    /// hold for all files.
    pub encryption: Option<Arc<dyn SyncEncryption>>,
}

setters! {
    new SyncOptions {
        compare: Compare,
        newer: Newer,
        existing: Existing,
        orphans: Orphans,
        old_versions: OldVersions,
        touched: Touched,
        renames: Renames,
        appended: bool,
        min_size: u64,
        max_size: u64,
        also_remove_excluded: bool,
        allow_empty_source: bool,
        removal_limit: RemovalLimit,
        remove_despite_failures: bool,
        restart_large_files: bool,
        upload: UploadOptions,
        download: DownloadOptions,
        copy: CopyOptions,
    }
    into {
        modified_after: Timestamp,
        modified_before: Timestamp,
        set_aside: PathBuf,
    }
    list {
        filters: Filter,
    }
}

impl SyncOptions {
    /// Sets [`encryption`](#structfield.encryption).
    #[must_use]
    pub fn encryption(mut self, encryption: impl SyncEncryption + 'static) -> Self {
        self.encryption = Some(Arc::new(encryption));
        self
    }

    /// Sets [`file_filter`](#structfield.file_filter).
    ///
    /// ```
    /// use b2sdk::sync::SyncOptions;
    ///
    /// let options = SyncOptions::new().file_filter(|file| !file.name.ends_with(".iso") || file.size < 1 << 30);
    /// assert!(options.file_filter.is_some());
    /// ```
    #[must_use]
    pub fn file_filter(
        mut self,
        judge: impl Fn(&SourceFile<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.file_filter = Some(FileFilter::new(judge));
        self
    }

    /// Sets [`regex_filters`](#structfield.regex_filters).
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    #[must_use]
    pub fn regex_filters(mut self, filters: RegexFilters) -> Self {
        self.regex_filters = Some(filters);
        self
    }

    /// The customer's key of a version that is encrypted with one.
    pub(super) fn read_key(&self, name: &str, file_id: &FileId) -> Option<SseCustomerKey> {
        match &self.encryption {
            Some(encryption) => encryption.read(name, file_id),
            None => {
                let copies = self.copy.source_encryption_key.as_ref();
                self.download.encryption_key.as_ref().or(copies).cloned()
            }
        }
    }

    /// Refuses what contradicts itself, or the kind of the destination.
    pub(super) fn check(&self, to_bucket: bool) -> Result<(), SyncError> {
        let reason = if self.orphans == Orphans::Hide && self.old_versions == OldVersions::Delete {
            "hiding orphans keeps their versions, and deleting old versions does not: delete the orphans as well, or keep old versions"
        } else if !to_bucket && self.orphans == Orphans::Hide {
            "local files cannot be hidden: keep or delete orphans, or set them aside"
        } else if !to_bucket && self.old_versions != OldVersions::Keep {
            "a local destination has no old versions"
        } else if to_bucket && self.set_aside.is_some() {
            "only local files can be set aside; a bucket keeps old versions"
        } else {
            return Ok(());
        };
        Err(Refused::contradiction(reason))
    }
}
