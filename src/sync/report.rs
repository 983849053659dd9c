//! What a run did, what it left alone, and what went wrong.
//!
//! The report of a run is made by the calling thread alone: the planner counts what the scans find,
//! and the run what the threads bring back. Each step that is made is counted once, when its
//! outcome arrives, so that the report of a run that ended early is true too.
//!
//! | the run | `is_complete` |
//! |---|---|
//! | made every step | yes |
//! | has notices, declined steps, skipped newer files, kept orphans | yes |
//! | has a problem that is a failure | no |
//! | withheld removals | no |
//! | ended early or stopped at a limit | no |

use std::fmt;

use crate::error::Error;
use crate::sync::problem::{Problem, ProblemKind, WithCauses};
use crate::sync::step::{Action, SyncStep};

/// How many problems a report keeps in full.
const KEPT_PROBLEMS: usize = 1000;

/// What a run did, what it left alone, and what went wrong, from
/// [`Synchronizer::run`](crate::sync::Synchronizer::run) and inside
/// [`SyncError::Incomplete`](crate::sync::SyncError::Incomplete).
///
/// `Display` is one line for a person. A report stays small: it keeps at most 1,000 problems in
/// full, and counts all of them.
///
/// ```no_run
/// # fn nightly(sync: &b2sdk::sync::Synchronizer) -> Result<(), b2sdk::sync::SyncError> {
/// let report = sync.run()?;
/// println!("{} files, {} bytes uploaded", report.uploaded.files, report.uploaded.bytes);
/// for name in &report.unused_filters {
///     eprintln!("the filter {name} left nothing out");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// The files that were uploaded, including those of which only the end was sent.
    /// The bytes are those of the whole files.
    pub uploaded: FileCount,
    /// The files that were downloaded.
    pub downloaded: FileCount,
    /// The files that were copied within the service, including renamed ones.
    pub copied: FileCount,
    /// The files that got another time: by a copy within the service, or in a local destination by
    /// setting it.
    pub refreshed: FileCount,
    /// The number of files that were hidden.
    pub hidden: u64,
    /// The number of versions that were deleted from the bucket, including hide markers.
    pub deleted_versions: u64,
    /// The number of local files that were deleted.
    pub deleted_local: u64,
    /// The number of orphans that were moved into
    /// [`SyncOptions::set_aside`](crate::sync::SyncOptions). Files that a download replaced are
    /// kept there too, and are counted as downloaded.
    pub set_aside: u64,
    /// The number of files that the source has, after filtering.
    /// If the run ended early, these are the files that were found until then.
    pub source_files: u64,
    /// The number of files that the destination has, after filtering. Hidden files do not count.
    pub destination_files: u64,
    /// The number of files that were equal on both sides.
    /// Files that [`Existing::Keep`](crate::sync::Existing::Keep) did not compare are among them.
    pub unchanged: u64,
    /// The number of files at the destination that the source does not have, and that
    /// [`Orphans::Keep`](crate::sync::Orphans::Keep) keeps.
    pub kept_orphans: u64,
    /// The number of names that the filters left out, of both sides, and of links that
    /// [`Links`](crate::sync::Links) leaves out.
    /// A local directory that is left out as a whole counts once.
    pub excluded: u64,
    /// The number of files at the destination that stayed because the source could not be read at
    /// their place, or has something there that is not synchronized.
    pub protected: u64,
    /// The number of files that are newer at the destination and were left alone by
    /// [`Newer::Skip`](crate::sync::Newer::Skip).
    pub newer_skipped: u64,
    /// The number of files that vanished from the source after they were scanned.
    pub vanished: u64,
    /// The number of versions that were kept because they are retained or on legal hold.
    pub retained: u64,
    /// The number of steps that [`SyncObserver::approve`](crate::sync::SyncObserver::approve)
    /// declined.
    /// Removals under a name whose transfer was declined are not made, and are not counted here.
    pub declined: u64,
    /// What went wrong with single names, or was worth saying; the first 1,000 of them.
    /// They are in the order in which they were found.
    pub problems: Vec<Problem>,
    /// The number of all problems that make the run incomplete.
    pub failures: u64,
    /// The number of all problems that do not make the run incomplete.
    pub notices: u64,
    /// The removals that were not made because something else went wrong; `None` if none were held
    /// back.
    pub withheld: Option<Withheld>,
    /// The filters that matched no name on either side, or left out no file, which is often a
    /// mistake. It is empty if the scans did not come to their end.
    pub unused_filters: Vec<String>,
    /// The error that ended the run early: a listing failed, nothing is authorized, a cap is
    /// reached, the run was cancelled. `None` if the run came to its end.
    pub fatal: Option<Error>,
    /// Whether the run stopped at a limit of [`SyncRun`](crate::sync::SyncRun) before everything
    /// was transferred.
    pub stopped: bool,
}

/// A number of files, and their bytes, in a [`SyncReport`].
///
/// The bytes are the sizes of the files, whether or not all of them went over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct FileCount {
    /// The number of files.
    pub files: u64,
    /// The number of bytes that these files have together.
    pub bytes: u64,
}

/// Removals that were not made, in [`SyncReport::withheld`]. The next run that is complete makes
/// them.
///
/// The number is that of the steps, so a name with ten versions counts ten times. Where it cannot
/// be known it is smaller than the real one: after an early end, what was handed to a thread and
/// not made is not among them, and neither is what the scans had not found yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Withheld {
    /// The number of removals that were not made.
    pub removals: u64,
    /// The reason why they were not made.
    pub reason: WithheldReason,
}

/// The reason why removals were not made, in [`Withheld`].
///
/// | reason | what is withheld | what allows it the next time |
/// |---|---|---|
/// | `TransferFailed` | every removal | transfers that succeed |
/// | `SourceVanished` | orphans | a run in which no file vanishes |
/// | `TooManyNotMade` | what was not made yet | a run in which fewer steps are declined or fail |
/// | `EndedEarly`, `Stopped` | what was not made yet | a run that comes to its end |
/// | `SourceReplaced`, `MarkerMissing` | every removal | the right directory in its place |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WithheldReason {
    /// A transfer failed, or could not be tried, and
    /// [`SyncOptions::remove_despite_failures`](crate::sync::SyncOptions) is off. What would be
    /// removed may be the only copy of that file, under the name that it had before.
    TransferFailed,
    /// A file of the source was gone when it was to be uploaded. Only files that the source does
    /// not have are kept for that reason, because one of them may be its only copy.
    SourceVanished,
    /// More than 10,000 steps were declined, failed, or met a file that had vanished. The names of
    /// those beyond that number are not remembered, so any removal may depend on one of them.
    TooManyNotMade,
    /// The run ended early: a listing failed, or it was cancelled.
    EndedEarly,
    /// The run stopped at a limit of [`SyncRun`](crate::sync::SyncRun) before everything was
    /// transferred.
    Stopped,
    /// The directory of the source is no longer the one that was scanned, for example because it
    /// was unmounted.
    ///
    /// It is recognized by the device and the inode of the root. Where there are none, only a root
    /// that is gone is noticed.
    SourceReplaced,
    /// The marker file of the source ([`LocalFolder::marker`](crate::sync::LocalFolder)) has
    /// vanished.
    MarkerMissing,
}

impl SyncReport {
    /// Returns whether everything happened that was asked for: no failure, no early end, no removal
    /// withheld. Notices, declined steps and files that were skipped as asked do not count.
    ///
    /// [`Synchronizer::run`](crate::sync::Synchronizer::run) returns `Ok` exactly if this holds.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failures == 0 && self.fatal.is_none() && self.withheld.is_none() && !self.stopped
    }

    /// Notes a problem, which the caller has been told of.
    ///
    /// It is counted in any case, and kept in full if fewer than 1,000 problems are. Each problem
    /// is noted once.
    pub(super) fn note(&mut self, problem: Problem) {
        match problem.kind.is_failure() {
            true => self.failures += 1,
            false => self.notices += 1,
        }
        if matches!(problem.kind, ProblemKind::Vanished) {
            self.vanished += 1;
        }
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Counts a step that was made.
    ///
    /// `bytes` of the step must be what was really transferred, which may differ from the plan if a
    /// file has grown since.
    pub(super) fn count(&mut self, step: &SyncStep) {
        match &step.action {
            Action::Upload | Action::UploadAppended => self.uploaded.add(step.bytes),
            Action::Download => self.downloaded.add(step.bytes),
            Action::Copy | Action::CopyRenamed { .. } => self.copied.add(step.bytes),
            Action::RefreshTime => self.refreshed.add(step.bytes),
            Action::Hide => self.hidden += 1,
            Action::DeleteVersion { .. } => self.deleted_versions += 1,
            Action::DeleteLocal => self.deleted_local += 1,
            Action::SetAside => self.set_aside += 1,
        }
    }
}

impl FileCount {
    const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl fmt::Display for SyncReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = [
            ("uploaded", self.uploaded),
            ("downloaded", self.downloaded),
            ("copied", self.copied),
            ("touched", self.refreshed),
        ];
        let numbers = [
            ("hidden", "hidden", self.hidden),
            ("version deleted", "versions deleted", self.deleted_versions),
            (
                "local file deleted",
                "local files deleted",
                self.deleted_local,
            ),
            ("set aside", "set aside", self.set_aside),
        ];
        write!(f, "{} unchanged", self.unchanged)?;
        for (what, count) in files.into_iter().filter(|(_, count)| count.files > 0) {
            write!(f, ", {} {what} ({})", count.files, Bytes(count.bytes))?;
        }
        let kept = [
            ("orphan kept", "orphans kept", self.kept_orphans),
            ("excluded", "excluded", self.excluded),
            ("protected", "protected", self.protected),
            ("newer and skipped", "newer and skipped", self.newer_skipped),
            ("vanished", "vanished", self.vanished),
            ("retained", "retained", self.retained),
            ("declined", "declined", self.declined),
            ("notice", "notices", self.notices),
            ("failed", "failed", self.failures),
        ];
        for (one, many, number) in numbers.into_iter().chain(kept) {
            if number > 0 {
                write!(f, ", {}", Counted(one, many, number))?;
            }
        }
        if let Some(withheld) = &self.withheld {
            write!(
                f,
                ", {} withheld ({})",
                Counted("removal", "removals", withheld.removals),
                withheld.reason
            )?;
        }
        if let Some(fatal) = &self.fatal {
            write!(f, "; ended early: {}", WithCauses(fatal))?;
        }
        if self.stopped {
            f.write_str("; stopped at a limit")?;
        }
        Ok(())
    }
}

/// A number with its noun: for one, and for any other number.
struct Counted(&'static str, &'static str, u64);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(one, many, number) = *self;
        write!(f, "{number} {}", if number == 1 { one } else { many })
    }
}

/// A number of bytes, rounded to hundredths of the largest decimal unit of which there is one.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("kB", 1_000_u64),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
        ];
        match units.into_iter().rev().find(|(_, size)| self.0 >= *size) {
            Some((unit, size)) => {
                let hundredths =
                    (u128::from(self.0) + u128::from(size / 200)) / u128::from(size / 100);
                write!(f, "{}.{:02} {unit}", hundredths / 100, hundredths % 100)
            }
            None => Counted("byte", "bytes", self.0).fmt(f),
        }
    }
}

impl fmt::Display for WithheldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TransferFailed => "a transfer failed",
            Self::SourceVanished => "a file of the source vanished",
            Self::TooManyNotMade => "more than 10,000 steps were not made",
            Self::EndedEarly => "the run ended early",
            Self::Stopped => "the run stopped at a limit",
            Self::SourceReplaced => "the directory of the source was replaced",
            Self::MarkerMissing => "the marker file of the source has vanished",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::SyncReport;
    use crate::error::Error;

    #[test]
    fn what_ended_a_run_is_told_with_its_causes() {
        let full = io::Error::new(io::ErrorKind::StorageFull, "No space left on device");
        let report = SyncReport {
            fatal: Some(Error::local_file("write", Path::new("tiny/x"), full)),
            deleted_versions: 1,
            notices: 2,
            ..SyncReport::default()
        };
        assert_eq!(
            report.to_string(),
            "0 unchanged, 1 version deleted, 2 notices; ended early: cannot write tiny/x: No space left on device"
        );
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.00 kB"),
            (999_994, "999.99 kB"),
            (77_849_972, "77.85 MB"),
            (1_050_000_000, "1.05 GB"),
            (u64::MAX, "18446744.07 TB"),
        ] {
            assert_eq!(super::Bytes(bytes).to_string(), expected);
        }
    }
}
