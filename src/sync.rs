//! Synchronizing a local directory and a folder of a bucket, or two folders of buckets.
//!
//! [`Synchronizer::plan`] yields what would be done, step by step, and [`Synchronizer::run`] does it.
//! Files are compared by size and time unless [`SyncOptions`] say otherwise, and nothing is removed from
//! the destination unless [`SyncOptions::orphans`] or [`SyncOptions::old_versions`] ask for that.
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
//! The guide `docs/sync.md` says what a run can remove and when, and has tables for those who come from
//! other programs.
//!
//! A run has these phases:
//!
//! 1. What can be refused is refused: contradicting options, missing capabilities, places inside of each
//!    other, a source that is not there.
//! 2. Both sides are scanned in the order of names and merged. Transfers are made as they are found, or
//!    after the scans if a limit on removals has to be checked first.
//! 3. When all transfers have ended, it is checked whether anything may be removed.
//! 4. Removals are made, from the last name to the first one.

mod act;
mod compare;
mod content;
#[cfg(test)]
mod differential;
mod encryption;
mod error;
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
mod problem;
mod rename;
mod report;
mod run;
mod saved;
mod scan;
mod source;
mod spool;
mod step;
mod steps;
mod versions;
mod write;

use std::sync::Arc;
use std::time::SystemTime;

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::error::Error;
use crate::model::operation::Operation;
use crate::session::capabilities::Needs;
use crate::sync::act::Actor;
use crate::sync::content::ContentReader;
use crate::sync::filter::Filters;
use crate::sync::place::Direction;
use crate::sync::plan::{Now, Planned, Planner, Setting};
use crate::sync::run::Run;
use crate::sync::scan::Scan;
use crate::sync::scan::bucket::{BucketScan, Manner, View};
use crate::sync::scan::local::{LocalScan, Rules};
use crate::sync::source::SourceGuard;
use crate::sync::steps::{Saved, Steps};
use crate::sync::write::LocalTree;

pub use self::encryption::{EncryptionPerSide, SyncEncryption};
pub use self::error::{Refused, SyncError};
pub use self::observe::{SyncObserver, SyncProgress, SyncRun};
pub use self::options::{
    Compare, Existing, Newer, OldVersions, Orphans, RemovalLimit, Renames, SyncOptions, Touched,
};
pub use self::place::{BucketFolder, Links, LocalFolder, PlaceName, SyncPlace};
pub use self::problem::{Problem, ProblemKind};
pub use self::report::{FileCount, SyncReport, Withheld, WithheldReason};
pub use self::step::{Action, Reason, SyncStep, VersionKind};

/// Makes one place, the destination, equal to another one, the source: a local directory and a folder of a
/// bucket in either direction, or two folders of buckets.
///
/// It can plan and run any number of times; each time both places are scanned again. A run on equal places
/// transfers nothing, and costs the listings. Clones are independent. Two runs into the same destination at
/// the same time work against each other; nothing prevents them.
///
/// # What is sent
///
/// A bucket is listed once in each run, for every started 1,000 names (or versions, if
/// [`Orphans::Delete`] or [`OldVersions`] need them) a call of class C. Uploads, hiding and deleting are free
/// (class A). Each download is at least one request of class B. Copies within the service, which save the
/// upload of files of 5 MB and more that were only renamed or touched, are billed in class C.
///
/// # Memory and threads
///
/// Memory does not grow with the number of files. The calling thread scans and plans; as many transfers run
/// at a time as the `B2Api` has workers.
#[derive(Debug, Clone)]
pub struct Synchronizer {
    source: SyncPlace,
    destination: SyncPlace,
    options: Arc<SyncOptions>,
}

/// An iterator over the steps of a plan, from [`Synchronizer::plan`]: transfers in the order of names, then
/// removals from the last name to the first one.
///
/// Steps come as both sides are scanned, so taking the first one does not wait for the whole scan unless a
/// [`RemovalLimit`] has to be checked. After an error the plan is at its end.
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
#[derive(Debug)]
pub struct SyncPlan {
    planner: Planner,
}

/// What a plan or a run is made of.
struct Prepared {
    planner: Planner,
    actor: Actor,
    guard: SourceGuard,
    workers: usize,
    clock: Clock,
}

impl Synchronizer {
    /// Synchronizes from `source` to `destination`, with the default options. Nothing is read or sent
    /// before [`plan`](Self::plan) or [`run`](Self::run).
    #[must_use]
    pub fn new(source: impl Into<SyncPlace>, destination: impl Into<SyncPlace>) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            options: Arc::default(),
        }
    }

    /// Sets the options, in place of all earlier ones.
    #[must_use]
    pub fn options(mut self, options: SyncOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Plans what a run would do. Nothing is changed on either side: a bucket is listed, a local directory
    /// is read. This is a dry run.
    ///
    /// As long as nothing changes on either side, [`run`](Self::run) makes these steps, and starts them in this
    /// order.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the options contradict each other, the places overlap, the source is not there
    /// or a key lacks a capability, before anything is listed. The items are [`SyncError::Scan`] if a side cannot be listed, and
    /// [`SyncError::Refused`] if what was found forbids the run: an empty source, too many removals.
    pub fn plan(&self) -> Result<SyncPlan, SyncError> {
        self.plan_with(&SyncRun::default())
    }

    /// Plans what a run would do, with settings: a token that cancels the scans. The observer and the limits of
    /// `settings` concern runs only.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn plan_with(&self, settings: &SyncRun) -> Result<SyncPlan, SyncError> {
        let Prepared { planner, .. } = self.prepare(settings, false)?;
        Ok(SyncPlan { planner })
    }

    /// Makes the destination equal to the source: scans both, transfers what is missing or different, and then
    /// removes what the options ask to remove. With the default options nothing is removed.
    ///
    /// A file that fails does not end the run; the others are synchronized, and the failure is in the report.
    /// Removals are made only if every transfer has succeeded.
    ///
    /// # Errors
    /// [`SyncError::Refused`] if the run was not allowed to begin, or to go beyond scanning: nothing was
    /// changed; [`SyncError::Incomplete`] with the report if something that should have happened did not. `Ok`
    /// means that everything did.
    ///
    /// # Consequences
    /// What was transferred before a failure, a cancellation or the death of the process remains, and the next
    /// run continues from there. No local file is ever half written.
    pub fn run(&self) -> Result<SyncReport, SyncError> {
        self.run_with(&SyncRun::default())
    }

    /// Makes the destination equal to the source, with settings: an observer of steps, problems and progress, a
    /// token that cancels, a limit of time or bytes.
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
    /// let report = sync.run_with(&SyncRun::new().observer(Console).stop_after(Duration::from_secs(4 * 3600)))?;
    /// println!("{report}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
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
    /// Each step is checked before it is made: the file at the source, and the newest version or the local file
    /// at the destination, must still be what the plan saw. A step for which that is not so is a problem
    /// ([`ProblemKind::Outdated`]), and is not made. The check costs one list request for each step and each
    /// bucket. Nothing is scanned, so a [`RemovalLimit`] does not apply.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Refused::Contradiction`] for a transfer that comes after a removal.
    pub fn execute(
        &self,
        steps: impl IntoIterator<Item = SyncStep>,
    ) -> Result<SyncReport, SyncError> {
        self.execute_with(steps, &SyncRun::default())
    }

    /// Makes the steps of a plan that was made earlier, with settings: an observer, a token that cancels, a
    /// limit of time or bytes.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
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
            steps: Steps::Saved(Box::new(Saved::new(&mut steps))),
            actor: &actor,
            source: &guard,
            settings,
            workers,
            clock,
        };
        run.go()
    }

    /// Looks at everything that can be refused, and begins both scans. `cleans` also removes what killed
    /// downloads left at a local destination.
    fn prepare(&self, settings: &SyncRun, cleans: bool) -> Result<Prepared, SyncError> {
        let options = &self.options;
        let direction = self.direction()?;
        let to_bucket = !matches!(direction, Direction::Down { .. });
        options.check(to_bucket)?;
        if let (Direction::Down { root }, Some(aside)) = (&direction, &options.set_aside)
            && aside.starts_with(root)
        {
            return Err(Refused::contradiction(
                "the directory for files set aside lies in the destination, where it would be synchronized",
            ));
        }
        self.check_keys()?;
        let cancel = settings
            .cancel
            .as_ref()
            .map_or_else(CancelToken::new, CancelToken::child);
        let guard = match &self.source {
            SyncPlace::Local(folder) => SourceGuard::new(folder)?,
            SyncPlace::Bucket(_) => SourceGuard::default(),
        };
        let filters = Arc::new(Filters::new(&options.filters));
        let client = self.a_bucket().map(Bucket::client);
        let clock = client
            .map(|client| client.session.clock().clone())
            .unwrap_or_default();
        let workers = client.map_or(1, |client| client.workers.limit());
        let cleans_at = cleans.then(|| clock.now());
        let (source, destination) = self.scans(&filters, &cancel, cleans_at)?;
        let at_bucket = |place: &SyncPlace| match place {
            SyncPlace::Local(_) => None,
            SyncPlace::Bucket(folder) => {
                Some((folder.bucket.with_cancel(&cancel), folder.prefix.clone()))
            }
        };
        let destination_bucket = at_bucket(&self.destination);
        let source_bucket = at_bucket(&self.source);
        let root = match &direction {
            Direction::Up { root } | Direction::Down { root } => Some(root.clone()),
            Direction::Copy => None,
        };
        let setting = Setting {
            direction: direction.clone(),
            options: Arc::clone(options),
            filters,
            prefix: destination_bucket
                .as_ref()
                .map(|(_, prefix)| prefix.clone()),
            now: match &destination_bucket {
                Some((bucket, _)) => Now::At(bucket.clone()),
                None => Now::Never,
            },
            source_prefix: source_bucket.as_ref().map(|(_, prefix)| prefix.clone()),
            content: ContentReader {
                root,
                cancel: cancel.clone(),
            },
        };
        Ok(Prepared {
            planner: Planner::new(source, destination, setting),
            actor: Actor {
                direction,
                options: Arc::clone(options),
                destination: destination_bucket,
                source: source_bucket,
                tree: match &self.destination {
                    SyncPlace::Local(folder) => {
                        Some(LocalTree::new(&folder.root, options.set_aside.as_deref()))
                    }
                    SyncPlace::Bucket(_) => None,
                },
                skips_links: matches!(
                    &self.source,
                    SyncPlace::Local(folder) if folder.links == Links::Skip
                ),
                cancel,
                moved: Arc::default(),
                is_saved: false,
            },
            guard,
            workers,
            clock,
        })
    }

    /// The bucket of the destination, or of the source: one of them is in a bucket.
    fn a_bucket(&self) -> Option<&Bucket> {
        [&self.destination, &self.source]
            .into_iter()
            .find_map(|place| match place {
                SyncPlace::Bucket(folder) => Some(&folder.bucket),
                SyncPlace::Local(_) => None,
            })
    }

    fn direction(&self) -> Result<Direction, SyncError> {
        match (&self.source, &self.destination) {
            (SyncPlace::Local(_), SyncPlace::Local(_)) => {
                Err(SyncError::Refused(Refused::LocalToLocal))
            }
            (SyncPlace::Local(folder), SyncPlace::Bucket(_)) => Ok(Direction::Up {
                root: folder.root.clone(),
            }),
            (SyncPlace::Bucket(_), SyncPlace::Local(folder)) => Ok(Direction::Down {
                root: folder.root.clone(),
            }),
            (SyncPlace::Bucket(source), SyncPlace::Bucket(destination)) => {
                let is_same = source.bucket.id() == destination.bucket.id();
                let is_inside = |one: &BucketFolder, other: &BucketFolder| {
                    is_same && one.prefix.starts_with(&other.prefix)
                };
                let overlap = |inner: &BucketFolder, outer: &BucketFolder| {
                    Err(SyncError::Refused(Refused::Overlap {
                        inner: inner.to_string().into(),
                        outer: outer.to_string().into(),
                    }))
                };
                if is_inside(source, destination) {
                    overlap(source, destination)
                } else if is_inside(destination, source) {
                    overlap(destination, source)
                } else {
                    Ok(Direction::Copy)
                }
            }
        }
    }

    /// Refuses what the application keys may certainly not do.
    fn check_keys(&self) -> Result<(), SyncError> {
        if let SyncPlace::Bucket(folder) = &self.source {
            require(folder, Operation::ListFileNames)?;
        }
        let SyncPlace::Bucket(folder) = &self.destination else {
            return Ok(());
        };
        if folder.as_of.is_some() {
            return Err(Refused::contradiction(
                "a destination is synchronized as it is now",
            ));
        }
        require(folder, Operation::ListFileNames)?;
        require(folder, Operation::UploadFile)?;
        let options = &self.options;
        if options.orphans == Orphans::Delete || options.old_versions != OldVersions::Keep {
            require(folder, Operation::DeleteFileVersion)?;
        }
        Ok(())
    }

    fn scans(
        &self,
        filters: &Arc<Filters>,
        cancel: &CancelToken,
        cleans_at: Option<SystemTime>,
    ) -> Result<(Scan, Scan), SyncError> {
        let options = &self.options;
        let prefix = match &self.destination {
            SyncPlace::Bucket(folder) => folder.prefix.as_str(),
            SyncPlace::Local(_) => "",
        };
        let local = |folder: &LocalFolder, rules| {
            LocalScan::new(&folder.root, rules, filters, cancel)
                .map(|scan| Scan::Local(Box::new(scan)))
        };
        let bucket = |folder: &BucketFolder, manner| {
            let control = folder.bucket.control(Some(cancel));
            Scan::Bucket(Box::new(BucketScan::new(folder, control, manner, filters)))
        };
        let newest = Manner {
            view: View::Newest,
            details_from: u64::MAX,
        };
        let source = match &self.source {
            SyncPlace::Bucket(folder) => bucket(folder, newest),
            SyncPlace::Local(folder) => local(folder, Rules::of_source(folder, prefix))
                .map_err(|error| Refused::directory(&folder.root, error.to_string()))?,
        };
        let lists_all =
            options.orphans == Orphans::Delete || options.old_versions != OldVersions::Keep;
        let destination = match &self.destination {
            SyncPlace::Bucket(folder) => bucket(
                folder,
                Manner {
                    view: if lists_all { View::All } else { View::Newest },
                    details_from: [options.touched.from(), options.renames.from()]
                        .into_iter()
                        .flatten()
                        .min()
                        .unwrap_or(u64::MAX),
                },
            ),
            SyncPlace::Local(folder) => {
                match local(folder, Rules::of_destination(folder, cleans_at)) {
                    Ok(scan) => scan,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Scan::Nothing,
                    Err(error) => {
                        return Err(Refused::directory(&folder.root, error.to_string()));
                    }
                }
            }
        };
        Ok((source, destination))
    }
}

/// Refuses what the key may certainly not do with the files of a folder.
fn require(folder: &BucketFolder, operation: Operation) -> Result<(), SyncError> {
    let bucket: &Bucket = &folder.bucket;
    let id = bucket.id();
    let needs = Needs::from(operation)
        .about(bucket.name())
        .bucket(&id)
        .named(&folder.prefix);
    let control = bucket.control(None);
    let session = &bucket.client().session;
    let refused = |error: Error| SyncError::Refused(Refused::NotAllowed(Box::new(error)));
    session.require(&needs, &control).map_err(refused)?;
    Ok(())
}

impl SyncPlan {
    /// Returns what the scans have found so far: problems, and what is left alone. Its counts of transfers and
    /// removals are 0, because a plan does nothing.
    #[must_use]
    pub const fn report(&self) -> &SyncReport {
        &self.planner.report
    }

    /// Returns what the scans have found in all. Take all steps first.
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
        loop {
            match self.planner.next() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some(Planned::Step(step))) => return Some(Ok(step)),
                Ok(Some(Planned::Problem(problem))) => self.planner.report.note(problem),
                Ok(Some(Planned::Barrier(_) | Planned::Tick)) => {}
            }
        }
    }
}

impl std::iter::FusedIterator for SyncPlan {}
