//! The plan: an iterator that merges both scans and turns each name into steps.
//!
//! 1. Transfers come in the order of names, as the scans go on. If orphans are removed and their number
//!    is limited, both scans are gone through first, and the transfers wait in a spool: so a run that is
//!    refused has changed nothing.
//! 2. Removals wait in a spool in any case, and come after all transfers, from the last name to the
//!    first one: so the oldest version of a name is the first to go, and a directory is emptied before
//!    whatever it is in.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::error::Error;
use crate::model::id::FileId;
use crate::model::local_name::{LocalNameRules, UnsafeName, check_local_name};
use crate::model::name::check_file_name;
use crate::sync::compare::{Decision, Equal, Facts, compare};
use crate::sync::content::ContentReader;
use crate::sync::error::{Refused, SyncError};
use crate::sync::filter::Filters;
use crate::sync::guard::removal_limit;
use crate::sync::item::{Cover, Entry, Stored};
use crate::sync::merge::{Merge, MergeError, Merged, Pair, Which};
use crate::sync::options::{Compare, OldVersions, Orphans, RemovalLimit, SyncOptions};
use crate::sync::place::Direction;
use crate::sync::problem::{Problem, ProblemKind};
use crate::sync::rename::Candidates;
use crate::sync::report::SyncReport;
use crate::sync::scan::Scan;
use crate::sync::scan::bucket::service_now;
use crate::sync::spool::{Reader, Spool};
use crate::sync::step::{Action, Reason, SyncStep, VersionKind};
use crate::sync::versions::{Fold, Rule};

/// What the planner yields.
#[derive(Debug)]
pub(super) enum Planned {
    Step(SyncStep),
    Problem(Problem),
    /// All transfers have come, and removals follow: so many steps.
    Barrier(u64),
    /// Many files were scanned.
    Tick,
}

/// What the plan is made of, apart from the scans.
#[derive(Debug)]
pub(super) struct Setting {
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
}

/// What time it is.
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
    fn millis(&self) -> i64 {
        match self {
            Self::At(bucket) => service_now(bucket).as_millis(),
            Self::Never => 0,
            #[cfg(test)]
            Self::Fixed(millis) => *millis,
        }
    }
}

/// Makes the steps.
#[derive(Debug)]
pub(super) struct Planner {
    merge: Merge<Scan, Scan, Entry>,
    setting: Setting,
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
    /// Files that one side alone has.
    renames: Candidates,
    phase: Phase,
    pub(super) report: SyncReport,
}

/// A name whose versions are being listed.
#[derive(Debug)]
struct Current {
    name: String,
    fold: Fold,
    newest: Option<FileId>,
}

/// After how many names of a scan the caller has its turn.
const TICK: u32 = 256;

#[derive(Debug)]
enum Phase {
    Scanning,
    Waiting(Reader),
    AtBarrier,
    Removing {
        reader: Reader,
        /// A name of which an older version is retained.
        held: Option<String>,
    },
    Ended,
}

impl Planner {
    pub(super) fn new(source: Scan, destination: Scan, setting: Setting) -> Self {
        let options = &setting.options;
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
            renames: Candidates::default(),
            phase: Phase::Scanning,
            report: SyncReport::default(),
            setting,
        }
    }

    /// Whether both sides are scanned.
    pub(super) const fn has_scanned(&self) -> bool {
        !matches!(self.phase, Phase::Scanning)
    }

    /// How many removals wait for the barrier.
    pub(super) const fn waiting_removals(&self) -> u64 {
        self.removals.len()
    }

    pub(super) fn next(&mut self) -> Result<Option<Planned>, SyncError> {
        let planned = self.advance();
        if planned.is_err() {
            self.phase = Phase::Ended;
            self.ready.clear();
        }
        planned
    }

    fn advance(&mut self) -> Result<Option<Planned>, SyncError> {
        loop {
            if let Some(planned) = self.ready.pop_front() {
                return Ok(Some(planned));
            }
            match &mut self.phase {
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

    fn scan_on(&mut self) -> Result<(), SyncError> {
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

    fn end_of_scan(&mut self) -> Result<(), SyncError> {
        self.release_held(None)?;
        for step in std::mem::take(&mut self.renames).matched(&self.setting.content)? {
            self.put(step)?;
        }
        let options = &self.setting.options;
        self.report.excluded +=
            self.merge.source().excluded() + self.merge.destination().excluded();
        self.report.unused_filters = self.setting.filters.unused();
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
        self.phase = match self.waiting.take() {
            Some(spool) => Phase::Waiting(spool.forward().map_err(spooling)?),
            None => Phase::AtBarrier,
        };
        Ok(())
    }

    fn name(&mut self, pair: Pair<Entry>) -> Result<(), SyncError> {
        self.current = None;
        let Pair {
            name,
            source,
            destination,
            source_cover,
            destination_cover,
        } = pair;
        let source = source.filter(|entry| !entry.is_hidden());
        let visible = destination.as_ref().filter(|entry| !entry.is_hidden());
        self.report.source_files += u64::from(source.is_some());
        self.report.destination_files += u64::from(visible.is_some());
        if source.is_some() {
            self.release_held(Some(&name))?;
        }
        if let Some(cover) = source_cover {
            match cover {
                Cover::Unknown => self.report.protected += u64::from(visible.is_some()),
                Cover::Excluded => self.report.excluded += u64::from(visible.is_some()),
            }
            return Ok(());
        }
        if destination_cover.is_some() {
            if source.is_some() {
                self.problem(name, ProblemKind::InTheWay);
            }
            return Ok(());
        }
        match source {
            Some(source) => self.present(name, &source, destination.as_ref()),
            None => match destination {
                Some(destination) => self.orphan(name, &destination),
                None => Ok(()),
            },
        }
    }

    /// A name that the source has.
    fn present(
        &mut self,
        name: String,
        source: &Entry,
        destination: Option<&Entry>,
    ) -> Result<(), SyncError> {
        let visible = destination.filter(|entry| !entry.is_hidden());
        let decision = match visible {
            None => Decision::Transfer(Reason::Absent),
            Some(destination) => self.compare(&name, source, destination)?,
        };
        let mut transfers = false;
        match decision {
            Decision::Same | Decision::Content { .. } => self.report.unchanged += 1,
            Decision::Skip => self.report.newer_skipped += 1,
            Decision::ReportNewer {
                source,
                destination,
            } => {
                let kind = ProblemKind::DestinationNewer {
                    source,
                    destination,
                };
                self.problem(name.clone(), kind);
            }
            Decision::Immutable(_) => self.problem(name.clone(), ProblemKind::Immutable),
            Decision::RefreshTime(reason) => {
                transfers = true;
                let step = SyncStep::new(name.clone(), Action::RefreshTime, reason, source.size);
                let step = step.seeing(Some(source), destination);
                let step = match destination.and_then(Entry::stored) {
                    Some(stored) => step.reading(stored, source.modified),
                    None => step,
                };
                self.transfer(step)?;
            }
            Decision::Transfer(reason) => match self.unfit(&name, source) {
                Some(kind) => self.problem(name.clone(), kind),
                None => {
                    transfers = true;
                    let action = self.action(source, visible);
                    let step = SyncStep::new(name.clone(), action, reason, source.size);
                    let step = step.seeing(Some(source), destination);
                    match self.may_be_renamed(source, visible) {
                        true => self.renames.wait(step),
                        false => self.transfer(step)?,
                    }
                }
            },
        }
        let rule = match self.setting.options.old_versions {
            OldVersions::Keep => Rule::Keep,
            OldVersions::Delete => Rule::Superseded,
            OldVersions::After(age) => Rule::SupersededFor(millis(age)),
        };
        self.fold(name, destination, Fold::new(rule, transfers))
    }

    /// Whether a version at the destination can be copied.
    fn can_read(&self, name: &str, stored: &Stored) -> bool {
        let Some(prefix) = &self.setting.prefix else {
            return false;
        };
        let name = || format!("{prefix}{name}");
        !stored.is_sse_c()
            || self
                .setting
                .options
                .read_key(&name(), &stored.file_id)
                .is_some()
    }

    fn action(&self, source: &Entry, destination: Option<&Entry>) -> Action {
        match &self.setting.direction {
            Direction::Up { .. } => match destination.and_then(Entry::stored) {
                Some(stored) if self.setting.options.appended && stored.size < source.size => {
                    Action::UploadAppended
                }
                _ => Action::Upload,
            },
            Direction::Down { .. } => Action::Download,
            Direction::Copy => Action::Copy,
        }
    }

    /// Whether the file may be at the destination under a name that is not listed yet, or is an orphan.
    fn may_be_renamed(&self, source: &Entry, destination: Option<&Entry>) -> bool {
        let Some(from) = self.setting.options.renames.from() else {
            return false;
        };
        let is_up = matches!(self.setting.direction, Direction::Up { .. });
        is_up
            && destination.is_none()
            && source.size >= from
            && self
                .renames
                .may_match(source.size, self.merge.destination_has_ended())
    }

    /// Why the file cannot be at the destination under that name, if it cannot.
    fn unfit(&self, name: &str, source: &Entry) -> Option<ProblemKind> {
        if let (Some(stored), Some(prefix)) = (source.stored(), &self.setting.source_prefix)
            && stored.is_sse_c()
        {
            let name = format!("{prefix}{name}");
            if self
                .setting
                .options
                .read_key(&name, &stored.file_id)
                .is_none()
            {
                return Some(ProblemKind::NoKey);
            }
        }
        if let Some(prefix) = &self.setting.prefix {
            let checked = check_file_name(&format!("{prefix}{name}"));
            return checked
                .err()
                .map(|rule| ProblemKind::UnfitName(rule.to_string().into()));
        }
        let checked = check_local_name(name, LocalNameRules::Native);
        checked.err().map(|reason| {
            ProblemKind::UnsafeName(UnsafeName {
                name: name.into(),
                reason,
            })
        })
    }

    /// A name that the source does not have.
    fn orphan(&mut self, name: String, destination: &Entry) -> Result<(), SyncError> {
        let options = &self.setting.options;
        let is_visible = !destination.is_hidden();
        let orphans = options.orphans;
        if orphans != Orphans::Keep && is_visible {
            self.removed_names += 1;
        }
        if let (Some(from), Some(stored)) = (options.renames.from(), destination.stored())
            && is_visible
            && stored.size >= from
            && self.can_read(&name, stored)
        {
            self.renames.offer(&name, stored);
        }
        match orphans {
            Orphans::Keep => {
                self.report.kept_orphans += u64::from(is_visible);
                Ok(())
            }
            Orphans::Delete if destination.local().is_some() => {
                let action = match options.set_aside {
                    Some(_) => Action::SetAside,
                    None => Action::DeleteLocal,
                };
                let step = SyncStep::new(name, action, Reason::Orphan, 0);
                self.removal(&step.seeing(None, Some(destination)))
            }
            Orphans::Delete => {
                self.fold(name, Some(destination), Fold::new(Rule::Everything, false))
            }
            Orphans::Hide => {
                let rule = match options.old_versions {
                    OldVersions::After(age) => Rule::SupersededFor(millis(age)),
                    OldVersions::Keep | OldVersions::Delete => Rule::Keep,
                };
                if is_visible {
                    let step = SyncStep::new(name.clone(), Action::Hide, Reason::Orphan, 0);
                    self.removal(&step.seeing(None, Some(destination)))?;
                }
                self.fold(name, Some(destination), Fold::new(rule, false))
            }
        }
    }

    /// Begins to decide about the versions of a name with the newest one.
    fn fold(&mut self, name: String, newest: Option<&Entry>, fold: Fold) -> Result<(), SyncError> {
        self.current = Some(Current {
            name,
            fold,
            newest: newest
                .and_then(Entry::stored)
                .map(|stored| stored.file_id.clone()),
        });
        match newest.and_then(Entry::stored) {
            Some(stored) => self.older(stored),
            None => Ok(()),
        }
    }

    /// A version of the name that is being listed, the next one after those that came before.
    fn older(&mut self, version: &Stored) -> Result<(), SyncError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let Current { name, fold, newest } = current;
        let now = self.setting.now.millis();
        let Some(pruned) = fold.next(version.is_marker, version.uploaded, now) else {
            return Ok(());
        };
        let action = Action::DeleteVersion {
            file_id: version.file_id.clone(),
            version: pruned.kind,
        };
        let mut step = SyncStep::new(name.clone(), action, pruned.reason, 0);
        step.seen.destination = newest.clone();
        step.seen.after_transfer = fold.is_replaced();
        step.seen.is_held = version.is_held;
        self.removal(&step)
    }

    fn transfer(&mut self, step: SyncStep) -> Result<(), SyncError> {
        if matches!(self.setting.direction, Direction::Down { .. }) {
            self.held.push(step);
            return Ok(());
        }
        self.put(step)
    }

    fn put(&mut self, step: SyncStep) -> Result<(), SyncError> {
        match &mut self.waiting {
            Some(spool) => spool.push(&step).map_err(spooling),
            None => {
                self.ready.push_back(Planned::Step(step));
                Ok(())
            }
        }
    }

    fn removal(&mut self, step: &SyncStep) -> Result<(), SyncError> {
        self.removals.push(step).map_err(spooling)
    }

    /// Lets go of downloads, now that the source has come to this name: whatever has files below its own
    /// name cannot be a file here.
    fn release_held(&mut self, next: Option<&str>) -> Result<(), SyncError> {
        let held = std::mem::take(&mut self.held);
        for step in held {
            let below = format!("{}/", step.name);
            match next {
                Some(next) if next.starts_with(&below) => {
                    self.problem(step.name, ProblemKind::Collision);
                }
                Some(next) if next.as_bytes() < below.as_bytes() => self.held.push(step),
                _ => self.put(step)?,
            }
        }
        Ok(())
    }

    fn problem(&mut self, name: String, kind: ProblemKind) {
        self.ready
            .push_back(Planned::Problem(Problem { name, kind }));
    }

    /// Whether a file at the destination can get another time without being transferred. From bucket to
    /// bucket that would be a copy as well.
    fn can_refresh(&self, name: &str, destination: &Entry) -> bool {
        match &self.setting.direction {
            Direction::Up { .. } => destination
                .stored()
                .is_some_and(|stored| stored.details.is_some() && self.can_read(name, stored)),
            Direction::Down { .. } => true,
            Direction::Copy => false,
        }
    }

    fn compare(
        &self,
        name: &str,
        source: &Entry,
        destination: &Entry,
    ) -> Result<Decision, SyncError> {
        let options = &self.setting.options;
        let decision = compare(facts(source), facts(destination), options);
        let Decision::Content { otherwise, equal } = decision else {
            return Ok(decision);
        };
        let content = &self.setting.content;
        let is_unknown = |entry: &Entry| entry.stored().is_some_and(|stored| stored.sha1.is_none());
        let checksums = match is_unknown(source) || is_unknown(destination) {
            true => (Ok(None), Ok(None)),
            false => (content.sha1(name, source), content.sha1(name, destination)),
        };
        Ok(match checksums {
            (Ok(Some(one)), Ok(Some(other))) if one == other => match equal {
                Equal::Nothing => Decision::Same,
                Equal::RefreshTime => match *otherwise {
                    Decision::Transfer(reason) if self.can_refresh(name, destination) => {
                        Decision::RefreshTime(reason)
                    }
                    other => other,
                },
            },
            (Ok(Some(_)), Ok(Some(_))) => *otherwise,
            (Err(Error::Cancelled), _) | (_, Err(Error::Cancelled)) => {
                return Err(SyncError::Scan(Box::new(Error::Cancelled)));
            }
            // Reading the file again for the transfer will tell what is wrong with it.
            _ if options.compare == Compare::Sha1 => {
                let options = SyncOptions {
                    compare: Compare::SIZE_AND_TIME,
                    touched: crate::sync::options::Touched::Transfer,
                    ..(**options).clone()
                };
                let has_time = |facts: Facts| Facts {
                    has_time: true,
                    ..facts
                };
                compare(
                    has_time(facts(source)),
                    has_time(facts(destination)),
                    &options,
                )
            }
            _ => *otherwise,
        })
    }
}

fn facts(entry: &Entry) -> Facts {
    Facts {
        size: entry.size,
        modified: entry.modified,
        has_time: entry.stored().is_none_or(|stored| stored.has_time),
    }
}

/// Whether a removal is left out because an older version of its name is retained, or is itself: what is
/// newer than content that stays must not uncover it.
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

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

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

fn spooling(error: io::Error) -> SyncError {
    let path = std::env::temp_dir();
    SyncError::Scan(Box::new(Error::local_file(
        "keep the plan in",
        &path,
        error,
    )))
}
