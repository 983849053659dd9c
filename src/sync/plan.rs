//! The plan: an iterator that merges both scans and turns each name into steps (`names`).
//!
//! 1. Transfers come in the order of names, as the scans advance. If orphans are removed and their
//!    number is limited, both scans are completed first, and the transfers wait in a spool: so a
//!    run that is refused has changed nothing.
//! 2. At the end of the scans it is known whether the source is empty and how many names would be
//!    removed. Uploads that waited for that become copies of renamed files, or uploads.
//! 3. The barrier comes: from here on there are only removals.
//! 4. Removals come out of their spool, from the last name to the first one: so the oldest version
//!    of a name is the first to go, and a directory is emptied before the one that it is in.
//!
//! The plan does nothing but read: a run and a dry run take the same steps from it, in the same
//! order.
//!
//! | what happens | what the plan does |
//! |---|---|
//! | a listing fails, the root of the source cannot be read, the run is cancelled, the disk for the spool is full | it ends with an error; a run removes nothing |
//! | a side is not in the order of names | the same: files would look absent that are there |
//! | the source has no file, or too many names would be removed | it is refused ([`Refused`]), and nothing was changed: a source without files has no transfers, and with a limit they wait |
//! | an entry of a directory cannot be read | a problem, and a marker that protects its range at the other side |
//! | a file has no place at the destination, has the name of another one in NFC, or takes a key that was not given | a problem, and no removals unless `remove_despite_failures` |
//! | a version is retained | it is counted, and neither it nor what would uncover it is removed |
//!
//! What the caller may rely on:
//!
//! - Each name is decided once, by what both scans have of it at that moment. No request is made
//!   for a decision.
//! - A step that is yielded has not been made yet, and nothing in the plan depends on whether it is
//!   made.
//! - Transfers of one name come before removals of that name, and the barrier stands between all of
//!   them.
//! - Two listings that do not change yield equal steps each time, with equal options and at one
//!   time.
//!
//! | memory | at most |
//! |---|---|
//! | transfers that wait for a limit | 1 MiB, then a temporary file |
//! | removals | 1 MiB, then a temporary file |
//! | uploads that may be renames, and their candidates | 10,000 each |
//! | downloads that wait for the names below their own | one for each directory of a path |

mod names;
mod removals;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bucket::Bucket;
use crate::error::Error;
use crate::model::id::FileId;
use crate::sync::content::ContentReader;
use crate::sync::error::{Refused, SyncError};
use crate::sync::filter::Filters;
use crate::sync::guard::removal_limit;
use crate::sync::item::Entry;
use crate::sync::merge::{Merge, MergeError, Merged, Which};
use crate::sync::options::{Orphans, RemovalLimit, SyncOptions};
use crate::sync::place::Direction;
use crate::sync::problem::{Problem, ProblemKind};
use crate::sync::rename::Candidates;
use crate::sync::report::{SyncReport, Withheld, WithheldReason};
use crate::sync::reporter::Reporter;
use crate::sync::scan::Scan;
use crate::sync::scan::bucket::service_now;
use crate::sync::spool::{Reader, Spool};
use crate::sync::step::{Action, Reason, SyncStep, VersionKind};
use crate::sync::versions::Fold;

/// What the planner yields.
///
/// A run acts on each; a dry run yields the steps and reports the problems.
#[derive(Debug)]
pub(super) enum Planned {
    /// A transfer before the barrier, a removal after it.
    Step(SyncStep),
    /// A problem that a scan or a comparison has found.
    Problem(Problem),
    /// All transfers have come, and this number of removals follows. Some of them may turn out to
    /// be retained.
    Barrier(u64),
    /// Many names were scanned without a step, so that the caller can look after the threads and
    /// report progress.
    Tick,
}

/// What the plan is made of, apart from the scans.
///
/// It does not change while the plan is made.
#[derive(Debug)]
pub(super) struct PlanContext {
    pub(super) direction: Direction,
    pub(super) options: Arc<SyncOptions>,
    pub(super) filters: Arc<Filters>,
    /// What names begin with in the bucket of the destination.
    pub(super) prefix: Option<String>,
    /// By which the age of versions is judged.
    pub(super) now: Now,
    /// What names begin with in the bucket of the source.
    pub(super) source_prefix: Option<String>,
    pub(super) content: ContentReader,
    pub(super) reporter: Arc<Reporter>,
}

/// The time by which the age of versions is judged.
///
/// It is asked for each version, since a long run would otherwise judge by the time at which it
/// began.
#[derive(Debug)]
pub(super) enum Now {
    /// By the service's clock.
    At(Bucket),
    /// Versions have no age: the destination is local.
    Never,
    #[cfg(test)]
    Fixed(i64),
}

impl Now {
    /// The time in milliseconds since 1970.
    fn millis(&self) -> i64 {
        match self {
            Self::At(bucket) => service_now(bucket).as_millis(),
            Self::Never => 0,
            #[cfg(test)]
            Self::Fixed(millis) => *millis,
        }
    }
}

/// The plan of one run. Its memory holds one item of each scan, the downloads that wait for the
/// names below their own, at most one for each directory of a path, and the candidates for renames.
///
/// It belongs to the calling thread. Dropping it ends the listings and removes its temporary files.
#[derive(Debug)]
pub(super) struct Planner {
    merge: Merge<Scan, Scan, Entry>,
    context: PlanContext,
    ready: VecDeque<Planned>,
    /// Transfers that wait for the end of the scans.
    waiting: Option<Spool>,
    removals: Spool,
    removed_names: u64,
    /// Downloads that wait until it is clear that the source has nothing below their name.
    held: Vec<SyncStep>,
    /// The versions of the name that is being listed at the destination.
    current: Option<Current>,
    since_tick: u32,
    /// Files of the source that have no place at the destination, have the name of another one, or
    /// take a key that was not given.
    blocked: u64,
    /// Files that one side alone has.
    renames: Candidates,
    phase: Phase,
    pub(super) report: SyncReport,
}

/// A name whose versions are being listed.
///
/// `newest` is what a saved step must find at the destination, whichever version it deletes.
#[derive(Debug)]
struct Current {
    name: String,
    fold: Fold,
    newest: Option<FileId>,
}

/// The number of names after which the caller has its turn, if there was no step.
const TICK: u32 = 256;

/// How far the plan is. It only moves on, in this order; an error leads to `Ended` from each.
#[derive(Debug)]
enum Phase {
    /// Nothing has been listed.
    Starting,
    /// Both scans are under way.
    Scanning,
    /// The scans have ended, and the transfers that waited come out.
    Waiting(Reader),
    /// All transfers have come.
    AtBarrier,
    Removing {
        reader: Reader,
        /// A name of which an older version is retained.
        held: Option<String>,
    },
    /// Nothing more comes.
    Ended,
}

impl Planner {
    /// Creates a plan. Nothing is listed before the first call of `next`.
    pub(super) fn new(source: Scan, destination: Scan, context: PlanContext) -> Self {
        let options = &context.options;
        let waits = options.orphans != Orphans::Keep
            && !matches!(options.removal_limit, RemovalLimit::None);
        Self {
            merge: Merge::new(source, destination),
            ready: VecDeque::new(),
            waiting: waits.then(Spool::default),
            removals: Spool::default(),
            removed_names: 0,
            held: Vec::new(),
            current: None,
            since_tick: 0,
            blocked: 0,
            renames: Candidates::default(),
            phase: Phase::Starting,
            report: SyncReport::default(),
            context,
        }
    }

    /// Where progress and problems of the plan are reported.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.context.reporter
    }

    /// Whether a file of the source cannot be transferred, so that nothing may be removed: what is
    /// removed may be its only copy, under another name.
    pub(super) fn withholds(&self) -> bool {
        self.blocked > 0 && !self.context.options.remove_despite_failures
    }

    /// Notes that so many removals are not made.
    pub(super) const fn withhold(&mut self, removals: u64, reason: WithheldReason) {
        if removals > 0 {
            self.report.withheld = Some(Withheld { removals, reason });
        }
    }

    /// How many removals wait for the barrier.
    pub(super) const fn waiting_removals(&self) -> u64 {
        self.removals.len()
    }

    /// Returns what comes next; `None` at the end. After an error the plan is at its end.
    pub(super) fn next(&mut self) -> Result<Option<Planned>, SyncError> {
        let planned = self.advance();
        if planned.is_err() {
            self.phase = Phase::Ended;
            self.ready.clear();
        }
        planned
    }

    /// Goes through the phases until there is something to yield.
    fn advance(&mut self) -> Result<Option<Planned>, SyncError> {
        loop {
            if let Some(planned) = self.ready.pop_front() {
                return Ok(Some(planned));
            }
            match &mut self.phase {
                Phase::Starting => {
                    self.merge.source().start();
                    self.merge.destination().start();
                    self.phase = Phase::Scanning;
                }
                Phase::Scanning => {
                    self.scan_on()?;
                    self.since_tick += 1;
                    if self.since_tick >= TICK && self.ready.is_empty() {
                        self.since_tick = 0;
                        return Ok(Some(Planned::Tick));
                    }
                }
                Phase::Waiting(reader) => match reader.next().map_err(spooling)? {
                    Some(step) => return Ok(Some(Planned::Step(step))),
                    None => self.phase = Phase::AtBarrier,
                },
                Phase::AtBarrier => {
                    let spool = std::mem::take(&mut self.removals);
                    let barrier = Planned::Barrier(spool.len());
                    self.phase = Phase::Removing {
                        reader: spool.backward().map_err(spooling)?,
                        held: None,
                    };
                    return Ok(Some(barrier));
                }
                Phase::Removing { reader, held } => {
                    match reader.next::<SyncStep>().map_err(spooling)? {
                        None => self.phase = Phase::Ended,
                        Some(step) if is_kept(&step, held) => self.report.retained += 1,
                        Some(step) => return Ok(Some(Planned::Step(step))),
                    }
                }
                Phase::Ended => return Ok(None),
            }
        }
    }

    /// Takes one item of the merge and decides about it. What it calls for is in `ready` or in a
    /// spool afterwards.
    fn scan_on(&mut self) -> Result<(), SyncError> {
        self.context.reporter.tick();
        let merged = self.merge.next().map_err(scanning)?;
        match merged {
            None => self.end_of_scan(),
            Some(Merged::Problem(problem)) => {
                self.problem(problem.name, problem.kind);
                Ok(())
            }
            Some(Merged::Marker(marker)) => {
                if let Some(kind) = marker.problem {
                    self.problem(marker.name, kind);
                }
                Ok(())
            }
            Some(Merged::Older(version)) => self.older(&version),
            Some(Merged::Name(pair)) => self.name(pair),
        }
    }

    /// Decides what only the whole scans can tell: renames, an empty source, the limit on removals.
    ///
    /// A refusal means that nothing was transferred: with a limit and removals, the transfers have
    /// waited for this, and an empty source has none.
    fn end_of_scan(&mut self) -> Result<(), SyncError> {
        self.release_held(None)?;
        for step in std::mem::take(&mut self.renames).matched(&self.context.content)? {
            self.put(step)?;
        }
        let options = &self.context.options;
        self.blocked += self.merge.source().nameless();
        self.report.excluded +=
            self.merge.source().excluded() + self.merge.destination().excluded();
        self.report.unused_filters = self.context.filters.unused();
        let names = self.report.destination_files;
        if self.report.source_files == 0 && !options.allow_empty_source {
            return Err(SyncError::Refused(Refused::SourceEmpty {
                destination: names,
            }));
        }
        let limit = removal_limit(options.removal_limit, names);
        if let Some(limit) = limit.filter(|limit| self.removed_names > *limit) {
            return Err(SyncError::Refused(Refused::RemovalLimit {
                removals: self.removed_names,
                names,
                limit,
            }));
        }
        self.context
            .reporter
            .scan_ended
            .store(true, Ordering::Relaxed);
        self.phase = match self.waiting.take() {
            Some(spool) => Phase::Waiting(spool.forward().map_err(spooling)?),
            None => Phase::AtBarrier,
        };
        Ok(())
    }

    /// Plans a transfer. A download is held until the source has passed everything below its name.
    fn transfer(&mut self, step: SyncStep) -> Result<(), SyncError> {
        if matches!(self.context.direction, Direction::Down { .. }) {
            self.held.push(step);
            return Ok(());
        }
        self.put(step)
    }

    /// Yields a transfer, or has it wait for the end of the scans. Fails if the spool cannot be
    /// written.
    fn put(&mut self, step: SyncStep) -> Result<(), SyncError> {
        let reporter = &self.context.reporter;
        reporter.steps_planned.add(1);
        reporter.bytes_planned.add(step.bytes);
        match &mut self.waiting {
            Some(spool) => spool.push(&step).map_err(spooling),
            None => {
                self.ready.push_back(Planned::Step(step));
                Ok(())
            }
        }
    }

    /// Keeps a removal for after the barrier. One of a retained version is kept too, because it
    /// decides about those above it.
    fn removal(&mut self, step: &SyncStep) -> Result<(), SyncError> {
        let is_made = u64::from(!step.seen.is_held);
        self.context.reporter.steps_planned.add(is_made);
        self.removals.push(step).map_err(spooling)
    }

    /// Lets go of downloads, now that the source has come to this name: whatever has files below
    /// its own name cannot be a file here.
    fn release_held(&mut self, next: Option<&str>) -> Result<(), SyncError> {
        let held = std::mem::take(&mut self.held);
        for step in held {
            let below = format!("{}/", step.name);
            match next {
                Some(next) if next.starts_with(&below) => {
                    self.blocked(step.name, ProblemKind::Collision);
                }
                Some(next) if next.as_bytes() < below.as_bytes() => self.held.push(step),
                _ => self.put(step)?,
            }
        }
        Ok(())
    }

    /// Reports a file of the source that cannot be transferred.
    fn blocked(&mut self, name: String, kind: ProblemKind) {
        self.blocked += 1;
        self.problem(name, kind);
    }

    /// Yields a problem that withholds nothing.
    fn problem(&mut self, name: String, kind: ProblemKind) {
        self.ready
            .push_back(Planned::Problem(Problem { name, kind }));
    }
}

/// Whether a removal is left out because an older version of its name is retained, or is itself:
/// what is newer than content that stays must not uncover it.
fn is_kept(step: &SyncStep, held: &mut Option<String>) -> bool {
    if step.seen.is_held {
        *held = Some(step.name.clone());
        return true;
    }
    let uncovers = matches!(
        &step.action,
        Action::DeleteVersion { version, .. }
            if step.reason == Reason::Orphan || *version == VersionKind::HideMarker
    );
    uncovers && held.as_ref() == Some(&step.name)
}

/// The error of a scan. A listing out of order names the side and the name.
fn scanning(error: MergeError<Error>) -> SyncError {
    SyncError::Scan(Box::new(match error {
        MergeError::Scan(error) => error,
        MergeError::OutOfOrder(which, name) => {
            let side = match which {
                Which::Source => "source",
                Which::Destination => "destination",
            };
            Error::invalid_input(
                "order",
                format!("the {side} lists {name:?} after a name that comes later"),
            )
        }
    }))
}

/// The error of a temporary file, with the directory that it is in.
fn spooling(error: io::Error) -> SyncError {
    let path = std::env::temp_dir();
    SyncError::Scan(Box::new(Error::local_file(
        "keep the plan in",
        &path,
        error,
    )))
}
