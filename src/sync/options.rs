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

/// How two files of one name are compared, in [`SyncOptions::compare`]. A file that differs is transferred,
/// unless [`Existing`] or [`Newer`] say otherwise.
///
/// The time is the one of the last change: of a local file that of the file system, of a file in a bucket the
/// one that its uploader recorded (`src_last_modified_millis`), and otherwise the time of its upload.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::sync::{Compare, SyncOptions};
///
/// // A file system that keeps times to two seconds, such as FAT.
/// let options = SyncOptions::new().compare(Compare::SizeAndTime { tolerance: Duration::from_secs(2) });
/// assert_ne!(options.compare, Compare::SIZE_AND_TIME);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compare {
    /// Compares sizes and the times of the last change. Times that differ by no more than `tolerance` count
    /// as equal.
    SizeAndTime {
        /// The largest difference between equal times. Times are compared in whole milliseconds.
        tolerance: Duration,
    },
    /// Compares the times of the last change alone. Content that changes without a new time is not noticed.
    Time {
        /// The largest difference between equal times. Times are compared in whole milliseconds.
        tolerance: Duration,
    },
    /// Compares sizes alone. Content that changes without a new size is not noticed.
    Size {
        /// The largest difference between equal sizes, in bytes.
        tolerance: u64,
    },
    /// Compares sizes, and then SHA-1 checksums. Local files are read where the sizes are equal, in every
    /// run. Where the service has no SHA-1 of a file, the file is compared by size and time.
    Sha1,
    /// Compares nothing: a file that exists at the destination is never transferred again.
    Name,
}

impl Compare {
    /// Compares sizes and times, with a tolerance of one millisecond. This is the default.
    pub const SIZE_AND_TIME: Self = Self::SizeAndTime {
        tolerance: Duration::from_millis(1),
    };
    /// Compares times, with a tolerance of one millisecond.
    pub const TIME: Self = Self::Time {
        tolerance: Duration::from_millis(1),
    };
    /// Compares sizes, which have to be equal.
    pub const SIZE: Self = Self::Size { tolerance: 0 };
}

impl Default for Compare {
    fn default() -> Self {
        Self::SIZE_AND_TIME
    }
}

/// What happens to a file that differs and is newer at the destination than at the source. It is newer if its
/// time is later by more than the tolerance of [`Compare`]; comparing by size, by SHA-1 or not at all looks at
/// no times. What is replaced in a bucket stays as an older version; a local file is gone unless
/// [`SyncOptions::set_aside`] keeps it. The default is to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Newer {
    /// Leaves the file alone and reports a problem, so that the run is not complete.
    #[default]
    Report,
    /// Leaves the file alone and counts it ([`SyncReport::newer_skipped`](crate::sync::SyncReport)).
    Skip,
    /// Replaces the file by the older one of the source.
    Replace,
}

/// What happens to a file that exists on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Replaces the file if it differs, by the rules of [`Compare`] and [`Newer`].
    #[default]
    Update,
    /// Leaves the file alone, and does not even compare it.
    Keep,
    /// Leaves a file that differs alone and reports a problem, so that the run is not complete. This is for
    /// archives, whose files never change.
    Immutable,
}

/// What happens to a file at the destination that the source does not have, an orphan.
///
/// A name is an orphan only if the scan of the source passed its place and had nothing to say about it.
/// What could not be read, was skipped or was filtered out is never an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Orphans {
    /// Keeps the file with all its versions.
    #[default]
    Keep,
    /// Hides the file: its versions remain, and are billed, below a hide marker. This is for buckets only.
    Hide,
    /// Deletes the file: in a bucket with all its versions, oldest first. A local file is deleted, or moved
    /// to [`SyncOptions::set_aside`].
    Delete,
}

/// What happens to older versions of files at a destination that is a bucket. The newest version of a file
/// that the source has is never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OldVersions {
    /// Keeps all versions, which are billed.
    #[default]
    Keep,
    /// Deletes a version once it was superseded longer ago than this, by the service's clock.
    ///
    /// A [`LifecycleRule`](crate::rules::LifecycleRule) of the bucket does this without any request, and
    /// without a run.
    After(Duration),
    /// Deletes all versions but the newest one, after the newest one is stored.
    Delete,
}

impl OldVersions {
    /// Deletes versions that were superseded more than this many days ago.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self::After(Duration::from_secs(days as u64 * 86_400))
    }
}

/// How many names a run may remove from the destination. A run that would remove more is refused with
/// [`Refused::RemovalLimit`] before anything is changed, because the source is then more likely to be the
/// wrong one, or not mounted. The default is 50 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalLimit {
    /// Allows this percentage of the names at the destination. It applies once the destination has 20 names.
    Percent(u8),
    /// Allows removing this many names, whatever the size of the destination; 0 allows none.
    Count(u64),
    /// Allows any number of names, and lets transfers begin before the scans are complete.
    None,
}

impl Default for RemovalLimit {
    fn default() -> Self {
        Self::Percent(50)
    }
}

/// What happens to a file whose size is the same on both sides and whose time is not, where the SHA-1 shows
/// that the content is the same too. It only matters for [`Compare::SizeAndTime`]. The default refreshes files
/// from 5 MB on: below that, an upload is one free request as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Touched {
    /// Reads the file and, if its SHA-1 is the one at the destination, copies it onto itself within the
    /// service with the new time, so that its content is not sent. The copy is billed in class C.
    Refresh {
        /// The smallest size for which that is done, in bytes.
        from: u64,
    },
    /// Transfers the file again.
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

/// Whether a local file that the destination has under another name is copied from there, within the service,
/// instead of being uploaded. The default does so from 5 MB on. The file under the other name is treated by
/// [`Orphans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Renames {
    /// Uploads every file that the destination does not have under its name.
    Off,
    /// Compares a local file that the destination does not have with the files there that the source does not
    /// have, by size and SHA-1. The local file is read where a size is the same.
    Sha1 {
        /// The smallest size for which that is done, in bytes.
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

/// Options for synchronizing. With the default options a run transfers what is missing or different, by size
/// and time, and removes nothing.
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
    /// What happens to a file of which only the time differs. By default, files of 5 MB and more get the new
    /// time by a copy within the service, and smaller ones are transferred again.
    pub touched: Touched,
    /// Whether renamed files are found, so that their content need not be sent. By default, those of 5 MB and
    /// more are.
    pub renames: Renames,
    /// Whether only the end of a local file that has grown is uploaded, where the SHA-1 shows that the
    /// beginning is what the bucket has. See
    /// [`Bucket::upload_appended_file`](crate::Bucket::upload_appended_file). Off by default.
    pub appended: bool,
    /// Which names take part, on both sides: the last filter that matches decides. Patterns are those of
    /// [`LsOptions::filters`](crate::LsOptions::filters), and match the whole name below the place; `*` is
    /// any number of characters, including `/`. What is filtered out is neither transferred nor removed.
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
    /// Whether a source without any file is synchronized. Without this, such a run is refused with
    /// [`Refused::SourceEmpty`], because an empty source is most often one that is not mounted. Off by default.
    pub allow_empty_source: bool,
    /// How many names may be removed. With a limit, nothing is transferred before both sides are scanned
    /// if [`orphans`](Self::orphans) are removed. The default is half of the names.
    pub removal_limit: RemovalLimit,
    /// Whether files are removed although a transfer failed, or a file vanished before it was uploaded. Without
    /// this, removals are then withheld ([`SyncReport::withheld`](crate::sync::SyncReport)), because what would
    /// be removed may be the only copy of a file that was renamed. Off by default.
    pub remove_despite_failures: bool,
    /// A directory into which local files are moved that would be deleted or replaced. It must be on the same
    /// file system as the destination and outside of it. This is for local destinations only.
    pub set_aside: Option<PathBuf>,
    /// Whether large files are always uploaded from the beginning, and cancelled if that fails. Without this,
    /// an upload that fails or is killed leaves its parts, which are billed, and the next run completes it:
    /// see [`Resume::Matching`](crate::Resume::Matching). What is unfinished below the folder is listed once in
    /// a run, when the first large file is uploaded.
    pub restart_large_files: bool,
    /// The options for every upload: content type, file info, encryption, retention. Progress and
    /// cancelling are those of the run.
    pub upload: UploadOptions,
    /// The options for every download.
    pub download: DownloadOptions,
    /// The options for every copy within the service. The range, the metadata and the keys are those of the
    /// step.
    pub copy: CopyOptions,
    /// Chooses the encryption of each file. Without it, the options for uploads, downloads and copies apply
    /// to all files.
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
