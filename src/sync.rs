//! Synchronizing a local directory and a folder of a bucket, or two folders of buckets.
//!
//! [`Synchronizer::plan`] yields what would be done, step by step, and [`Synchronizer::run`] does
//! it. Files are compared by size and time unless [`SyncOptions`] say otherwise, and nothing is
//! removed from the destination unless [`SyncOptions::orphans`] or [`SyncOptions::old_versions`]
//! ask for that.
//!
//! ```
//! # #[cfg(feature = "simulator")] {
//! # let service = b2sdk::simulator::Simulator::start().unwrap();
//! # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
//! # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key()).unwrap();
//! # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate).unwrap();
//! # let home = tempfile::tempdir().unwrap();
//! # let home = home.path();
//! # std::fs::write(home.join("notes.txt"), "hello").unwrap();
//! use b2sdk::sync::{LocalFolder, Synchronizer};
//!
//! let sync = Synchronizer::new(LocalFolder::new(home), bucket.folder("home"));
//! for step in sync.plan()? {
//!     println!("{}", step?);
//! }
//! let report = sync.run()?;
//! assert_eq!(report.uploaded.files, 1);
//! # }
//! # Ok::<_, b2sdk::sync::SyncError>(())
//! ```
//!
//! The guide `docs/sync.md` says what a run can remove and when, and has tables for those who come
//! from other programs.
//!
//! A run has these phases:
//!
//! 1. What can be refused is refused: contradicting options, missing capabilities, places inside of
//!    each other, a source that is not there.
//! 2. Both sides are scanned in the order of names and merged. Transfers are made as they are
//!    found, or after the scans if a limit on removals has to be checked first.
//! 3. When all transfers have ended, it is checked whether anything may be removed.
//! 4. Removals are made, from the last name to the first one.
//!
//! # What a run leaves behind
//!
//! | what happens | what follows |
//! |---|---|
//! | one file cannot be transferred | the others are; nothing is removed; the run is incomplete |
//! | a part of the source cannot be read | nothing is removed below it; the rest is synchronized |
//! | the run is cancelled | what is complete remains; running transfers end; nothing more is removed |
//! | the process is killed | every name has its old or its new content; the next run continues |
//! | the disk of a local destination is full | the old files remain, and the run ends early |
//! | the answer to an upload, a copy or a removal is lost | the call settles it, as outside of a run |
//! | no connection can be made | the run ends early once more files in a row failed than there are workers |
//! | a listing fails | the run ends early, and nothing is removed |
//!
//! # Which request a step sends
//!
//! | step | requests | class |
//! |---|---|---|
//! | upload of a small file | one upload, and now and then a new upload URL | A |
//! | upload of a large file | start, one for each part, finish; it may list what is unfinished | A, lists C |
//! | download | one, or one for each range of a large file | B |
//! | copy, renamed file, new time in a bucket | one, or one for each part above 5 GB | C |
//! | hiding a name, deleting a version | one | A |
//! | deleting, setting aside, or giving a time to a local file | none | |

mod absence;
mod act;
mod clean;
mod compare;
mod content;
#[cfg(test)]
mod differential;
mod encryption;
mod error;
mod file_filter;
mod filter;
mod guard;
mod item;
mod local_state;
mod merge;
mod observe;
mod options;
mod order;
mod place;
mod plan;
mod prepare;
mod problem;
#[cfg(feature = "regex")]
mod regex_filters;
mod rename;
mod report;
mod reporter;
mod run;
mod saved;
mod scan;
mod source;
mod spool;
mod stage_lock;
mod staged;
mod step;
mod steps;
mod unfinished;
mod versions;
mod write;

use std::sync::Arc;

use crate::sync::plan::{Planned, Planner};
use crate::sync::prepare::Prepared;
use crate::sync::run::Run;
use crate::sync::steps::{Saved, Steps};

pub use self::encryption::{EncryptionPerSide, SyncEncryption};
pub use self::error::{Refused, SyncError};
pub use self::file_filter::{FileFilter, SourceFile};
pub use self::observe::{SyncObserver, SyncProgress, SyncRun};
pub use self::options::{
    Compare, Existing, Newer, OldVersions, Orphans, RemovalLimit, Renames, SyncOptions, Touched,
};
pub use self::place::{BucketFolder, Links, LocalFolder, PlaceName, SyncPlace};
pub use self::problem::{Problem, ProblemKind};
#[cfg(feature = "regex")]
#[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
pub use self::regex_filters::RegexFilters;
pub use self::report::{FileCount, SyncReport, Withheld, WithheldReason};
pub use self::step::{Action, Reason, SyncStep, VersionKind};

/// Makes one place, the destination, equal to another one, the source: a local directory and a
/// folder of a bucket in either direction, or two folders of buckets.
///
/// It can plan and run any number of times; each time both places are scanned again. A run on equal
/// places transfers nothing, and costs the listings. Clones are independent. Two runs into the same
/// destination at the same time work against each other; nothing prevents them.
///
/// # What is sent
///
/// A bucket is listed once in each run, for every started 1,000 names (or versions, if
/// [`Orphans::Delete`] or [`OldVersions`] need them) a call of class C. Uploads, hiding and
/// deleting are free (class A). Each download is at least one request of class B. Copies within the
/// service, which save the upload of files of 5 MB and more that were only renamed or touched, are
/// billed in class C.
///
/// # Memory and threads
///
/// Memory does not grow with the number of files. The calling thread scans and plans; as many
/// transfers run at a time as the `B2Api` has workers.
///
/// # Example
///
/// ```
/// use b2sdk::sync::{LocalFolder, Orphans, RemovalLimit, SyncOptions, Synchronizer};
///
/// # fn mirror(bucket: &b2sdk::Bucket) -> Synchronizer {
/// // A mirror whose removed files can be restored, and that removes at most 100 names in a run.
/// let options = SyncOptions::new()
///     .orphans(Orphans::Hide)
///     .removal_limit(RemovalLimit::Count(100));
/// Synchronizer::new(LocalFolder::new("/home/me"), bucket.folder("home")).options(options)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Synchronizer {
    source: SyncPlace,
    destination: SyncPlace,
    options: Arc<SyncOptions>,
}

/// An iterator over the steps of a plan, from [`Synchronizer::plan`]: transfers in the order of
/// names, then removals from the last name to the first one.
///
/// Steps come as both sides are scanned, so taking the first one does not wait for the whole scan
/// unless a [`RemovalLimit`] has to be checked. After an error the plan is at its end.
///
/// ```no_run
/// # fn show(sync: &b2sdk::sync::Synchronizer) -> Result<(), b2sdk::sync::SyncError> {
/// let mut plan = sync.plan()?;
/// for step in plan.by_ref() {
///     let step = step?;
///     println!("{step}: {} bytes", step.bytes);
/// }
/// println!("{} files are equal", plan.report().unchanged);
/// # Ok(()) }
/// ```
///
/// The plan reports problems in [`report`](Self::report) and not as items, because a file that
/// cannot be read does not end it. An item that is an error does. Dropping a plan early ends its
/// listings; nothing has to be undone.
#[derive(Debug)]
pub struct SyncPlan {
    planner: Planner,
    is_ended: bool,
}

impl Synchronizer {
    /// Creates a synchronizer that makes `destination` equal to `source`, with the default options.
    /// Nothing is read or sent before [`plan`](Self::plan) or [`run`](Self::run).
    #[must_use]
    pub fn new(source: impl Into<SyncPlace>, destination: impl Into<SyncPlace>) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            options: Arc::default(),
        }
    }

    /// Sets the options, in place of all earlier ones.
    ///
    /// Contradictions are found by [`plan`](Self::plan) and [`run`](Self::run), not here, because
    /// some depend on the kind of the destination. Clones that were made before keep their own
    /// options.
    #[must_use]
    pub fn options(mut self, options: SyncOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Plans what a run would do. Nothing is changed on either side: a bucket is listed, a local
    /// directory is read.
    ///
    /// This is a dry run.
    ///
    /// As long as nothing changes on either side, [`run`](Self::run) makes these steps, and starts
    /// them in this order.
    ///
    /// A plan costs the listings, which are billed as one call of class C for every started 1,000
    /// rows of each bucket. Local files are read only where their content has to be compared, as a
    /// run would read them. A run also removes temporary files that killed downloads left at a
    /// local destination; a plan leaves them.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the options contradict each other, the places overlap, the source
    /// is not there or a key lacks a capability, before anything is listed. The items are
    /// [`SyncError::Scan`] if a side cannot be listed, and [`SyncError::Refused`] if what was found
    /// forbids the run: an empty source, too many removals.
    pub fn plan(&self) -> Result<SyncPlan, SyncError> {
        self.plan_with(&SyncRun::default())
    }

    /// Plans what a run would do, with settings: a token that cancels the scans, and an observer of
    /// problems and progress.
    ///
    /// The observer's methods for steps are not called, because no step is made, and the limits on
    /// time and bytes are not applied.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the options contradict each other, the places overlap, the source is not
    /// there or a key lacks a capability, before anything is listed. The items are [`SyncError::Scan`] if
    /// a side cannot be listed, with [`Error::Cancelled`](crate::Error::Cancelled) inside after a
    /// cancellation, and [`SyncError::Refused`] if what was found forbids the run: an empty source, too
    /// many removals.
    pub fn plan_with(&self, settings: &SyncRun) -> Result<SyncPlan, SyncError> {
        let Prepared { planner, .. } = self.prepare(settings, false)?;
        Ok(SyncPlan {
            planner,
            is_ended: false,
        })
    }

    /// Makes the destination equal to the source: scans both, transfers what is missing or
    /// different, and then removes what the options ask to remove. With the default options nothing
    /// is removed.
    ///
    /// A file that fails does not end the run; the others are synchronized, and the failure is in
    /// the report. Removals are made only if every transfer has succeeded.
    ///
    /// The call returns when the last transfer has ended, also after a failure or a cancellation:
    /// no thread outlives it.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the run was not allowed to begin, or to go beyond scanning:
    /// nothing was changed; [`SyncError::Incomplete`] with the report if something that should have
    /// happened did not. `Ok` means that everything did.
    ///
    /// # Consequences
    /// What was transferred before a failure, a cancellation or the death of the process remains,
    /// and the next run continues from there. No local file is ever half written.
    pub fn run(&self) -> Result<SyncReport, SyncError> {
        self.run_with(&SyncRun::default())
    }

    /// Makes the destination equal to the source, with settings: an observer of steps, problems and
    /// progress, a token that cancels, a limit of time or bytes.
    ///
    /// ```no_run
    /// # fn nightly(sync: &b2sdk::sync::Synchronizer) -> Result<(), b2sdk::sync::SyncError> {
    /// use std::time::Duration;
    /// use b2sdk::sync::{SyncObserver, SyncProgress, SyncRun};
    ///
    /// struct Console;
    /// impl SyncObserver for Console {
    ///     fn progress(&self, progress: &SyncProgress) {
    ///         println!("{} of {} bytes", progress.bytes_moved, progress.bytes_planned);
    ///     }
    /// }
    /// let settings = SyncRun::new()
    ///     .observer(Console)
    ///     .stop_after(Duration::from_secs(4 * 3600));
    /// let report = sync.run_with(&settings)?;
    /// println!("{report}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the run was not allowed to begin, or to go beyond scanning: nothing was
    /// changed; [`SyncError::Incomplete`] with the report if something that should have happened did not,
    /// also because the run was cancelled or reached a limit. `Ok` means that everything did.
    pub fn run_with(&self, settings: &SyncRun) -> Result<SyncReport, SyncError> {
        let Prepared {
            planner,
            actor,
            guard,
            workers,
            clock,
        } = self.prepare(settings, true)?;
        let run = Run {
            steps: Steps::Plan(Box::new(planner)),
            actor: &actor,
            source: &guard,
            settings,
            workers,
            clock,
        };
        run.go()
    }

    /// Makes the steps of a plan that was made earlier, in its order: transfers, then removals.
    ///
    /// Each step is checked before it is made: the file at the source, and the newest version or
    /// the local file at the destination, must still be what the plan saw. A step for which that is
    /// not so is a problem ([`ProblemKind::Outdated`]), and is not made. What counts as absent at the
    /// source when the plan is made counts as absent here: versions that were made after the time of
    /// [`BucketFolder::as_of`], and, with
    /// [`also_remove_excluded`](SyncOptions::also_remove_excluded), what the filters leave out. The
    /// check costs one list request for each step and each bucket. Nothing is scanned, so a
    /// [`RemovalLimit`] does not apply.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the run was not allowed to begin: nothing was changed;
    /// [`SyncError::Incomplete`] with the report if a step failed or was outdated. A transfer that comes
    /// after a removal ends the run there: the steps before it are made, and the error is
    /// [`SyncError::Incomplete`] with the reason in [`SyncReport::fatal`].
    pub fn execute(
        &self,
        steps: impl IntoIterator<Item = SyncStep>,
    ) -> Result<SyncReport, SyncError> {
        self.execute_with(steps, &SyncRun::default())
    }

    /// Makes the steps of a plan that was made earlier, with settings: an observer, a token that
    /// cancels, a limit of time or bytes.
    ///
    /// The iterator is read one step at a time and on the calling thread, so the steps may come
    /// from a file of any length. What was not read when the run ends early is read to its end, to
    /// count the removals that are left.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the run was not allowed to begin: nothing was changed;
    /// [`SyncError::Incomplete`] with the report if a step failed or was outdated, a transfer came after
    /// a removal, or the run was cancelled or reached a limit.
    pub fn execute_with(
        &self,
        steps: impl IntoIterator<Item = SyncStep>,
        settings: &SyncRun,
    ) -> Result<SyncReport, SyncError> {
        let Prepared {
            mut actor,
            guard,
            workers,
            clock,
            planner: _,
        } = self.prepare(settings, false)?;
        actor.is_saved = true;
        let mut steps = steps.into_iter();
        let run = Run {
            steps: Steps::Saved(Box::new(Saved::new(&mut steps, &actor.reporter))),
            actor: &actor,
            source: &guard,
            settings,
            workers,
            clock,
        };
        run.go()
    }
}

impl SyncPlan {
    /// Returns what the scans have found so far: problems, and what is left alone. Its counts of
    /// transfers and removals are 0, because a plan does nothing.
    #[must_use]
    pub const fn report(&self) -> &SyncReport {
        &self.planner.report
    }

    /// Returns what the scans have found in all. Take all steps first.
    ///
    /// If the plan withholds its removals, because a file of the source has no place or no key,
    /// their number is in [`SyncReport::withheld`].
    ///
    /// # Errors
    /// [`SyncError::Incomplete`] with the report if a run would be incomplete.
    pub fn into_report(self) -> Result<SyncReport, SyncError> {
        SyncError::judge(self.planner.report)
    }
}

impl Iterator for SyncPlan {
    type Item = Result<SyncStep, SyncError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_ended {
            match self.planner.next() {
                Err(error) => return Some(Err(error)),
                Ok(None) => {
                    self.is_ended = true;
                    self.planner.reporter().report();
                }
                Ok(Some(Planned::Step(step))) => return Some(Ok(step)),
                Ok(Some(Planned::Problem(problem))) => {
                    self.planner.reporter().problem(&problem);
                    self.planner.report.note(problem);
                }
                Ok(Some(Planned::Barrier(removals))) if self.planner.withholds() => {
                    self.is_ended = true;
                    self.planner
                        .withhold(removals, WithheldReason::TransferFailed);
                    self.planner.reporter().report();
                }
                Ok(Some(Planned::Barrier(_) | Planned::Tick)) => {}
            }
        }
        None
    }
}

impl std::iter::FusedIterator for SyncPlan {}
