//! What a run is asked to do: how files are compared, what is removed, and within which limits.
//!
//! With the defaults, nothing is removed. What contradicts itself, or does not fit the destination,
//! is refused before anything is listed (`SyncOptions::check`).
//!
//! | part | what it decides | read by |
//! |---|---|---|
//! | `Compare`, `Existing`, `Newer`, `Touched` | whether a file that both sides have is transferred | `compare`, `plan/names` |
//! | `Orphans`, `OldVersions`, `RemovalLimit` | what is removed, and how much of it | `plan`, `versions`, `guard` |
//! | `Renames`, `appended` | how the content of an upload gets there | `rename`, `act` |
//! | filters, sizes and times | which files take part | `filter`, both scans |
//! | `upload`, `download`, `copy`, `encryption` | the requests of each step | `act` |

mod rules;

use std::path::PathBuf;
use std::sync::Arc;

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
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::options::CopyOptions;
use crate::transfer::options::UploadOptions;

pub use self::rules::{
    Compare, Existing, Newer, OldVersions, Orphans, RemovalLimit, Renames, Touched,
};

/// Options for synchronizing. With the default options a run transfers what is missing or
/// different, by size and time, and removes nothing.
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
///
/// The options that transfer less (`touched`, `renames`, `appended`) make the same files as a plain
/// upload does. Where one of them does not apply to a file, the file is uploaded.
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
    /// What happens to a file of which only the time differs. By default, files of 5 MB and more
    /// get the new time by a copy within the service, and smaller ones are transferred again.
    pub touched: Touched,
    /// Whether renamed files are found, so that their content need not be sent. By default, those
    /// of 5 MB and more are.
    pub renames: Renames,
    /// Whether only the end of a local file that has grown is uploaded, where the SHA-1 shows that
    /// the beginning is what the bucket has.
    ///
    /// See [`Bucket::upload_appended_file`](crate::Bucket::upload_appended_file). Off by default.
    /// It applies to a file that has grown and that the destination shows. The local file is read
    /// to compare its beginning, and the beginning is copied in class C. If it is not what the
    /// bucket has, the whole file is uploaded.
    pub appended: bool,
    /// Which names take part, on both sides: the last filter that matches decides.
    ///
    /// Patterns are those of [`LsOptions::filters`](crate::LsOptions::filters), and match the whole
    /// name below the place; `*` is any number of characters, including `/`. What is filtered out
    /// is neither transferred nor removed. If no pattern matches a name, the name takes part,
    /// unless all patterns are includes.
    pub filters: Vec<Filter>,
    /// Which names take part by regular expressions, with the rules of b2sdk for Python, on both
    /// sides. A name takes part if it passes these and [`filters`](Self::filters).
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    pub regex_filters: Option<RegexFilters>,
    /// The smallest size in bytes of a file at the source that takes part.
    /// A file of exactly this size takes part.
    pub min_size: Option<u64>,
    /// The largest size in bytes of a file at the source that takes part.
    /// A file of exactly this size takes part.
    pub max_size: Option<u64>,
    /// Files at the source take part that were changed at this time or later.
    pub modified_after: Option<Timestamp>,
    /// Files at the source take part that were changed at this time or earlier.
    pub modified_before: Option<Timestamp>,
    /// Decides for each file at the source whose name passes the other filters whether it takes
    /// part.
    /// It is also called for files that the sizes and times leave out, so that the report can name
    /// filters that left nothing out.
    pub file_filter: Option<FileFilter>,
    /// Whether what the filters leave out counts as absent from the source, so that it is removed
    /// from the destination as [`orphans`](Self::orphans) says.
    ///
    /// Without this, whatever is left out at the source stays as it is at the destination. What
    /// [`LocalFolder`](crate::sync::LocalFolder) leaves out stays in any case. With this set, the
    /// names at the destination are not filtered.
    pub also_remove_excluded: bool,
    /// Whether a source without any file is synchronized.
    ///
    /// Without this, such a run is refused with [`Refused::SourceEmpty`], because an empty source
    /// is most often one that is not mounted. Off by default. Hidden files do not make a source
    /// non-empty, and neither do empty directories.
    pub allow_empty_source: bool,
    /// How many names may be removed. With a limit, nothing is transferred before both sides are
    /// scanned if [`orphans`](Self::orphans) are removed.
    ///
    /// The default is half of the names.
    pub removal_limit: RemovalLimit,
    /// Whether files are removed although a transfer failed, or a file vanished before it was
    /// uploaded.
    ///
    /// Without this, removals are then withheld
    /// ([`SyncReport::withheld`](crate::sync::SyncReport)), because what would be removed may be
    /// the only copy of a file that was renamed. Off by default. Even with this set, nothing is
    /// removed under a name whose own transfer failed, after an early end, or if the source
    /// directory was replaced, and no local file is removed that is in the place of a file that was
    /// not downloaded.
    pub remove_despite_failures: bool,
    /// A directory into which local files are moved that would be deleted or replaced.
    ///
    /// It must be on the same file system as the destination. Neither may lie in the other, whatever
    /// links lead to them. Several runs may share it, since no file there is replaced. This is for local
    /// destinations only. A file keeps its name below the directory; if that name is taken there,
    /// `.~1~`, `.~2~` and so on is added. A file that a download replaces is linked there (or
    /// copied, if it cannot be linked) just before the new one takes its place, so its name is
    /// never without a file.
    pub set_aside: Option<PathBuf>,
    /// Whether large files are always uploaded from the beginning, and cancelled if that fails.
    ///
    /// Without this, an upload that fails or is killed leaves its parts, which are billed, and the
    /// next run completes it: see [`Resume::Matching`](crate::Resume::Matching). What is unfinished
    /// below the folder is listed once in a run, when the first large file is uploaded.
    pub restart_large_files: bool,
    /// The options for every upload: content type, file info, encryption, retention. Progress and
    /// cancelling are those of the run.
    pub upload: UploadOptions,
    /// The options for every download. A range that is set here is ignored, and a key is sent only
    /// for files that are encrypted with a customer's key.
    ///
    /// `resume` lets the next run complete a large download.
    pub download: DownloadOptions,
    /// The options for every copy within the service. The range, the metadata and the keys are
    /// those of the step.
    pub copy: CopyOptions,
    /// Chooses the encryption of each file. Without it, the options for uploads, downloads and
    /// copies apply to all files.
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
    /// let options = SyncOptions::new()
    ///     .file_filter(|file| !file.name.ends_with(".iso") || file.size < 1 << 30);
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
