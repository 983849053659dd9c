//! What a run does with a name: one enum for each choice, with what it costs and what it leaves.
//!
//! | choice | of what |
//! |---|---|
//! | `Compare` | whether two files are equal |
//! | `Newer`, `Existing` | whether one that differs is replaced |
//! | `Touched`, `Renames` | whether its content has to be sent |
//! | `Orphans`, `OldVersions`, `RemovalLimit` | what is removed |

use std::time::Duration;

#[cfg(doc)]
use crate::sync::error::Refused;
#[cfg(doc)]
use crate::sync::options::SyncOptions;

/// The size from which a copy within the service is preferred to an upload: below it, an upload is
/// one request as well, and is not billed.
const COPY_FROM: u64 = 5_000_000;

/// How two files of one name are compared, in [`SyncOptions::compare`]. A file that differs is
/// transferred, unless [`Existing`] or [`Newer`] say otherwise.
///
/// The time is the one of the last change: of a local file that of the file system, of a file in a
/// bucket the one that its uploader recorded (`src_last_modified_millis`), and otherwise the time
/// of its upload.
///
/// ```
/// use std::time::Duration;
/// use b2sdk::sync::{Compare, SyncOptions};
///
/// // A file system that keeps times to two seconds, such as FAT.
/// let tolerance = Duration::from_secs(2);
/// let options = SyncOptions::new().compare(Compare::SizeAndTime { tolerance });
/// assert_ne!(options.compare, Compare::SIZE_AND_TIME);
/// ```
///
/// | rule | requests | local files that are read |
/// |---|---|---|
/// | `SizeAndTime` | none | those of equal size and another time, if they are large or have no recorded time |
/// | `Time`, `Size`, `Name` | none | none |
/// | `Sha1` | none | those whose size is the same on both sides |
///
/// The SHA-1 of a file in a bucket comes with the listing, so comparing sends nothing. For a large
/// file it is what its uploader recorded, and is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compare {
    /// Compares sizes and the times of the last change. Times that differ by no more than
    /// `tolerance` count as equal.
    ///
    /// Where the sizes are equal, the times are not, and the destination is a bucket that has no
    /// recorded time of the file, the SHA-1 decides. The local file is read for that in every run.
    SizeAndTime {
        /// The largest difference between equal times. Times are compared in whole milliseconds.
        tolerance: Duration,
    },
    /// Compares the times of the last change alone. Content that changes without a new time is not
    /// noticed.
    Time {
        /// The largest difference between equal times. Times are compared in whole milliseconds.
        tolerance: Duration,
    },
    /// Compares sizes alone. Content that changes without a new size is not noticed.
    ///
    /// A change of at most `tolerance` bytes is not noticed either, so that a tolerance above 0
    /// suits few purposes.
    Size {
        /// The largest difference between equal sizes, in bytes.
        tolerance: u64,
    },
    /// Compares sizes, and then SHA-1 checksums. Local files are read where the sizes are equal, in
    /// every run.
    ///
    /// Where the service has no SHA-1 of a file, the file is compared by size and time.
    ///
    /// The run reads one file at a time on the calling thread while transfers continue. A file that
    /// cannot be read for the comparison counts as different, so that its transfer reports what is
    /// wrong.
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

/// What happens to a file that differs and is newer at the destination than at the source.
///
/// It is newer if its time is later by more than the tolerance of [`Compare`]; comparing by size,
/// by SHA-1 or not at all looks at no times. What is replaced in a bucket stays as an older
/// version; a local file is gone unless [`SyncOptions::set_aside`] keeps it. The default is to
/// report.
///
/// [`Compare::Sha1`] falls back to size and time where the service has no SHA-1, and this rule
/// applies there.
///
/// | | the run is complete | removals of other names | the file |
/// |---|---|---|---|
/// | `Report` | no | are made | stays |
/// | `Skip` | yes | are made | stays |
/// | `Replace` | yes | are made | becomes the older one of the source |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Newer {
    /// Leaves the file alone and reports a problem, so that the run is not complete.
    #[default]
    Report,
    /// Leaves the file alone and counts it
    /// ([`SyncReport::newer_skipped`](crate::sync::SyncReport)).
    Skip,
    /// Replaces the file by the older one of the source.
    Replace,
}

/// What happens to a file that exists on both sides.
///
/// It applies before [`Compare`], and to visible files: a name that is hidden in the bucket counts
/// as absent, and is transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Replaces the file if it differs, by the rules of [`Compare`] and [`Newer`].
    #[default]
    Update,
    /// Leaves the file alone, and does not even compare it.
    ///
    /// The file counts as unchanged in the report. Its older versions are still subject to
    /// [`OldVersions`].
    Keep,
    /// Leaves a file that differs alone and reports a problem, so that the run is not complete.
    /// This is for archives, whose files never change.
    Immutable,
}

/// What happens to a file at the destination that the source does not have, an orphan.
///
/// A name is an orphan only if the scan of the source passed its place and had nothing to say about
/// it. What could not be read, was skipped or was filtered out is never an orphan.
///
/// Removals come after all transfers, from the last name to the first one, and only if the
/// transfers have succeeded. How many names may be removed is limited by [`RemovalLimit`].
///
/// | | requests for each name | what remains in a bucket |
/// |---|---|---|
/// | `Keep` | none | everything |
/// | `Hide` | one of class A | all versions, and a hide marker, which has no content |
/// | `Delete` | one of class A for each version | nothing |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Orphans {
    /// Keeps the file with all its versions.
    ///
    /// Kept orphans are counted in [`SyncReport::kept_orphans`](crate::sync::SyncReport).
    #[default]
    Keep,
    /// Hides the file: its versions remain, and are billed, below a hide marker. This is for
    /// buckets only.
    ///
    /// With [`OldVersions::After`], versions of the name that were superseded long enough ago are
    /// deleted as well.
    Hide,
    /// Deletes the file: in a bucket with all its versions, oldest first. A local file is deleted,
    /// or moved to [`SyncOptions::set_aside`].
    ///
    /// A version that is retained or on legal hold stays, with all newer ones of its name, and is
    /// counted as retained.
    Delete,
}

/// What happens to older versions of files at a destination that is a bucket. The newest version of
/// a file that the source has is never deleted.
///
/// Versions are deleted after all transfers have succeeded, oldest first, with one request of class
/// A each. A version that is retained or on legal hold is kept and counted, which is no failure. To
/// find older versions, all versions are listed instead of the newest ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OldVersions {
    /// Keeps all versions, which are billed.
    #[default]
    Keep,
    /// Deletes a version once it was superseded longer ago than this, by the service's clock.
    ///
    /// A [`LifecycleRule`](crate::rules::LifecycleRule) of the bucket does this without any
    /// request, and without a run.
    ///
    /// A version counts as superseded when the service made the next newer one, which may be a hide
    /// marker. A hide marker is deleted once it is itself older than this; everything below it is
    /// then deleted first.
    After(Duration),
    /// Deletes all versions but the newest one, after the newest one is stored.
    ///
    /// With [`Orphans::Hide`] this is refused, because hiding keeps versions that this deletes.
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
///
/// A run that would remove more is refused with [`Refused::RemovalLimit`] before anything is
/// changed, because the source is then more likely to be the wrong one, or not mounted. The default
/// is 50 percent.
///
/// Hidden names count neither as names nor as removals, and a name counts once, however many
/// versions it has. Older versions of files that the source has are not limited. The limit applies
/// to orphans alone.
///
/// To know the number of removals, both scans are completed first, so that the first transfer
/// begins later. Transfers wait in memory up to 1 MiB and then in a temporary file, with some 200
/// bytes for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalLimit {
    /// Allows this percentage of the names at the destination. It applies once the destination has
    /// 20 names.
    ///
    /// The number is rounded down: of 21 names, 50 percent allow 10. With fewer than 20 names at
    /// the destination there is no limit.
    Percent(u8),
    /// Allows removing this many names, whatever the size of the destination; 0 allows none.
    ///
    /// It applies to a destination of any size, so 0 refuses each run that finds an orphan to be
    /// removed.
    Count(u64),
    /// Allows any number of names, and lets transfers begin before the scans are complete.
    None,
}

impl Default for RemovalLimit {
    fn default() -> Self {
        Self::Percent(50)
    }
}

/// What happens to a file whose size is the same on both sides and whose time is not, where the
/// SHA-1 shows that the content is the same too.
///
/// It only matters for [`Compare::SizeAndTime`]. The default refreshes files from 5 MB on: below
/// that, an upload is one free request as well.
///
/// | destination | what a touched file costs |
/// |---|---|
/// | a bucket | reading the local file, and a copy in class C, which makes a new version |
/// | a local directory | reading the local file; its time is set, and nothing is sent |
/// | a bucket, from another bucket | a copy, as for any other difference |
///
/// The version that had the old time remains as an older version, and is billed until something
/// deletes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Touched {
    /// Reads the file and, if its SHA-1 is the one at the destination, copies it onto itself within
    /// the service with the new time, so that its content is not sent. The copy is billed in class
    /// C.
    ///
    /// In a local destination, the file gets the new time in place. The file in the bucket must
    /// have a known SHA-1. One that is encrypted with a customer's key must be readable with the
    /// keys of the options; otherwise the file is uploaded again.
    Refresh {
        /// The smallest size for which that is done, in bytes.
        from: u64,
    },
    /// Transfers the file again.
    Transfer,
}

impl Touched {
    pub(in crate::sync) const fn from(self) -> Option<u64> {
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

/// Whether an upload is replaced by a copy within the service, where the destination has the same
/// content under another name. By default that is so for files of 5 MB and more.
///
/// B2 cannot rename a file. Without this, a local file that was renamed or moved looks like a new
/// file and is uploaded in full. With it, the run looks for its content among the files of the
/// destination folder that the source no longer has, and copies it from there to the new name.
///
/// **Nothing is removed by this.** The file under the old name is an orphan like any other: it
/// stays with [`Orphans::Keep`], which is the default, and is hidden or deleted with the other two,
/// after the copy has succeeded. If the copy fails, the file under the old name stays.
///
/// - It applies only to uploads, from a local directory to a bucket. A download of a renamed file
///   is a download, and between two buckets every transfer is a copy anyway.
/// - Candidates are visible files of the destination folder whose name the source does not have.
///   Files outside of the folder, hidden files, older versions, and names that the filters leave
///   out or that the source could not read are none.
/// - A candidate must have a known SHA-1 and the size of the local file. A candidate that is
///   encrypted with a customer's key must be readable with the keys of the options.
/// - The copy has the content type and the file info of the candidate, and the modification time of
///   the local file. Encryption and object lock are those of [`SyncOptions::copy`], or of
///   [`SyncOptions::encryption`]; the metadata of [`SyncOptions::upload`] is not used.
/// - One candidate may be copied to several names. Of equal candidates, one with the same last part
///   of the name is preferred.
///
/// | what it costs | how much |
/// |---|---|
/// | a request of class C | one for each renamed file, or for each part of one that is larger than 5 GB |
/// | reading local files | each new file for whose size there is a candidate, once, after the scans |
/// | waiting | new files from that size on, which wait for the end of the scans |
/// | memory | at most 10,000 waiting files and as many candidates; what exceeds them is uploaded |
///
/// ```
/// use b2sdk::sync::{Orphans, Renames, SyncOptions};
///
/// // Renamed files of 100 MB and more are copied, and their old names are hidden.
/// let options = SyncOptions::new()
///     .renames(Renames::Sha1 { from: 100_000_000 })
///     .orphans(Orphans::Hide);
/// assert_ne!(options.renames, Renames::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Renames {
    /// Uploads every file that the destination does not have under its name. No local file is read
    /// to find renamed ones.
    Off,
    /// Copies a file whose size and SHA-1 are those of a file under another name, as described for
    /// [`Renames`].
    Sha1 {
        /// The smallest size of a local file for which a copy is looked for, in bytes.
        ///
        /// Smaller files are uploaded. The default is 5,000,000: a smaller upload is one free
        /// request, while a copy is billed.
        from: u64,
    },
}

impl Renames {
    pub(in crate::sync) const fn from(self) -> Option<u64> {
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
