//! What each name calls for: a transfer, a removal, a problem, or nothing.
//!
//! | source | destination | result |
//! |---|---|---|
//! | nothing, and marked as unknown or excluded | anything | nothing; a file there counts as protected or excluded |
//! | a file | marked as unknown | a problem: the name does not fit, or the file has no place |
//! | a file | marked as excluded | nothing; the file counts as excluded |
//! | a file | nothing, or hidden | a transfer, or a copy of a renamed file |
//! | a file | a file | by [`compare`]: nothing, a transfer, a new time, or a problem; older versions by [`OldVersions`] |
//! | nothing, or hidden | a file | an orphan: kept, hidden, deleted with its versions, set aside |
//! | nothing, or hidden | hidden | nothing, or the deletion of the marker and the versions below it |
//!
//! A download waits until the source has passed whatever could be below its name: `photos` cannot
//! become a local file if there is a `photos/1.jpg`, and is then a problem.
//!
//! Requests: none. Local files are read only where [`compare`] asks for the content, one at a time,
//! on the calling thread.
//!
//! | question | asked | answer |
//! |---|---|---|
//! | does the file have a place? | before it is compared | markers of the destination |
//! | can it be transferred? | if it has no place, or is to be transferred | names and keys (`unfit`) |
//! | what becomes of older versions? | with each version, as it is listed | `versions` |
//! | may its content be at the destination? | uploads of new files alone | `rename` |

use std::time::Duration;

use crate::error::Error;
use crate::model::local_name::{LocalNameRules, UnsafeName, check_local_name};
use crate::model::name::check_file_name;
use crate::sync::clean::TEMPORARY_OF_PYTHON;
use crate::sync::compare::{Decision, Equal, Facts, compare};
use crate::sync::error::SyncError;
use crate::sync::item::{Cover, Entry, Stored};
use crate::sync::merge::Pair;
use crate::sync::options::{Compare, OldVersions, SyncOptions, Touched};
use crate::sync::place::Direction;
use crate::sync::plan::Planner;
use crate::sync::problem::ProblemKind;
use crate::sync::step::{Action, Reason, SyncStep};
use crate::sync::versions::{Fold, Rule};

impl Planner {
    /// Decides about a name that the merge has yielded.
    ///
    /// It is called in the order of names. If the source has the name, downloads that wait are let
    /// go here as far as this name allows, before the name itself is decided.
    ///
    /// A cover of the source comes first: what the source does not know of is left alone, whatever
    /// the destination has. A file that it does know of under a cover is transferred like any other,
    /// but its older versions stay: they may be all that is stored of what the cover is for. What
    /// the destination does not know of makes a file of the source a problem, because something has
    /// its place; what is excluded there leaves the file out.
    pub(super) fn name(&mut self, pair: Pair<Entry>) -> Result<(), SyncError> {
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
        self.count(source.is_some(), visible.is_some());
        if source.is_some() {
            self.release_held(Some(&name))?;
        }
        if source.is_some() && self.is_temporary(&name) {
            self.problem(name, ProblemKind::Temporary);
            return Ok(());
        }
        if let Some(cover) = source_cover
            && source.is_none()
        {
            match cover {
                Cover::Unknown => self.report.protected += u64::from(visible.is_some()),
                Cover::Excluded => self.report.excluded += u64::from(visible.is_some()),
            }
            return Ok(());
        }
        if let Some(cover) = destination_cover {
            match cover {
                Cover::Unknown => {
                    if let Some(source) = &source {
                        let unfit = self.unfit(&name, source);
                        self.refuse(name, unfit.unwrap_or(ProblemKind::InTheWay));
                    }
                }
                Cover::Excluded => self.report.excluded += u64::from(source.is_some()),
            }
            return Ok(());
        }
        match source {
            Some(source) => {
                let is_known = source_cover.is_none();
                self.present((name, is_known), &source, destination.as_ref())
            }
            None => match destination {
                Some(destination) => self.orphan(name, &destination),
                None => Ok(()),
            },
        }
    }

    /// Whether a file of a bucket would be taken for a temporary one of b2sdk for Python in a local
    /// destination, where the next run would remove it. Such names are in buckets because b2sdk
    /// uploads what its killed downloads leave.
    fn is_temporary(&self, name: &str) -> bool {
        matches!(self.context.direction, Direction::Down { .. })
            && name.ends_with(TEMPORARY_OF_PYTHON)
    }

    /// Counts a name for the report, the limit on removals and progress. Hidden files are not
    /// counted.
    fn count(&mut self, at_source: bool, at_destination: bool) {
        let reporter = &self.context.reporter;
        if at_source {
            self.report.source_files += 1;
            reporter.source_files.add(1);
        }
        if at_destination {
            self.report.destination_files += 1;
            reporter.destination_files.add(1);
        }
    }

    /// Decides about a name that the source has.
    ///
    /// The versions of the destination that follow are judged by whether the file is transferred:
    /// then the newest one is superseded as well, and may be deleted after the transfer.
    ///
    /// If it is not known of all that the source has under the name (`is_known`), they stay.
    fn present(
        &mut self,
        (name, is_known): (String, bool),
        source: &Entry,
        destination: Option<&Entry>,
    ) -> Result<(), SyncError> {
        let visible = destination.filter(|entry| !entry.is_hidden());
        let decision = match visible {
            None => Decision::Transfer(Reason::Absent),
            Some(destination) => self.compare(&name, source, destination)?,
        };
        let rule = match self.context.options.old_versions {
            OldVersions::Keep => Rule::Keep,
            OldVersions::Delete => Rule::Superseded,
            OldVersions::After(age) => Rule::SupersededFor(millis(age)),
        };
        let prunes = is_known && destination.is_some() && !matches!(rule, Rule::Keep);
        let pruned = prunes.then(|| name.clone());
        let transfers = self.decided(name, source, destination, decision)?;
        match (pruned, transfers) {
            (Some(name), Some(transfers)) => {
                self.fold(name, destination, Fold::new(rule, transfers))
            }
            _ => Ok(()),
        }
    }

    /// Makes what was decided about a name a step, a problem, or a count. Returns whether the file
    /// is transferred, and `None` if it cannot be, so that its older versions stay.
    ///
    /// | decision | result |
    /// |---|---|
    /// | equal | counted as unchanged |
    /// | newer at the destination | a problem, or counted as skipped |
    /// | may not be changed | a problem |
    /// | only the time is wrong | a step that copies the version onto itself, or sets the local time |
    /// | to be transferred | a step, an upload that waits for renames, or a problem if it cannot be |
    fn decided(
        &mut self,
        name: String,
        source: &Entry,
        destination: Option<&Entry>,
        decision: Decision,
    ) -> Result<Option<bool>, SyncError> {
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
                self.problem(name, kind);
            }
            Decision::Immutable(_) => self.problem(name, ProblemKind::Immutable),
            Decision::RefreshTime(reason) => {
                let step = SyncStep::new(name, Action::RefreshTime, reason, source.size);
                let step = step.seeing(Some(source), destination);
                let step = match destination.and_then(Entry::stored) {
                    Some(stored) => step.reading(stored, source.modified),
                    None => step,
                };
                self.transfer(step)?;
                return Ok(Some(true));
            }
            Decision::Transfer(reason) => match self.unfit(&name, source) {
                Some(kind) => {
                    self.refuse(name, kind);
                    return Ok(None);
                }
                None => {
                    let visible = destination.filter(|entry| !entry.is_hidden());
                    let action = self.action(source, visible);
                    let step = SyncStep::new(name, action, reason, source.size);
                    let step = step.seeing(Some(source), destination);
                    match self.may_be_renamed(source, visible) {
                        true => self.renames.wait(step),
                        false => self.transfer(step)?,
                    }
                    return Ok(Some(true));
                }
            },
        }
        Ok(Some(false))
    }

    /// Returns whether a version at the destination can be copied: it is not encrypted with a
    /// customer's key, or the key was given.
    ///
    /// Otherwise a copy from it would be planned and refused, and the upload not be made.
    pub(super) fn can_read(&self, name: &str, stored: &Stored) -> bool {
        let Some(prefix) = &self.context.prefix else {
            return false;
        };
        let name = || format!("{prefix}{name}");
        !stored.is_sse_c()
            || self
                .context
                .options
                .read_key(&name(), &stored.file_id)
                .is_some()
    }

    /// How a file is transferred: by the direction, and appended to if it has grown and the options
    /// ask for that.
    fn action(&self, source: &Entry, destination: Option<&Entry>) -> Action {
        match &self.context.direction {
            Direction::Up { .. } => match destination.and_then(Entry::stored) {
                Some(stored) if self.context.options.appended && stored.size < source.size => {
                    Action::UploadAppended
                }
                _ => Action::Upload,
            },
            Direction::Down { .. } => Action::Download,
            Direction::Copy => Action::Copy,
        }
    }

    /// Returns whether the content of a local file may be at the destination under another name,
    /// one that is not listed yet or is an orphan. Its upload then waits for the end of the scans.
    ///
    /// Only a name that the destination does not show is looked for: content that replaces other
    /// content is uploaded.
    fn may_be_renamed(&self, source: &Entry, destination: Option<&Entry>) -> bool {
        let Some(from) = self.context.options.renames.from() else {
            return false;
        };
        let is_up = matches!(self.context.direction, Direction::Up { .. });
        is_up
            && destination.is_none()
            && source.size >= from
            && self
                .renames
                .may_match(source.size, self.merge.destination_has_ended())
    }

    /// Returns why the file cannot be transferred under that name, if it cannot.
    ///
    /// No request has been made for it. A missing key withholds removals; a name that does not fit
    /// withholds none.
    fn unfit(&self, name: &str, source: &Entry) -> Option<ProblemKind> {
        if let (Some(stored), Some(prefix)) = (source.stored(), &self.context.source_prefix)
            && stored.is_sse_c()
        {
            let name = format!("{prefix}{name}");
            if self
                .context
                .options
                .read_key(&name, &stored.file_id)
                .is_none()
            {
                return Some(ProblemKind::NoKey);
            }
        }
        if matches!(self.context.direction, Direction::Up { .. }) {
            // The scan has checked the whole name.
            return None;
        }
        if let Some(prefix) = &self.context.prefix {
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

    /// Reports a file that cannot be transferred. A name that does not fit withholds no removals.
    fn refuse(&mut self, name: String, kind: ProblemKind) {
        match kind {
            ProblemKind::NoKey | ProblemKind::InTheWay => self.blocked(name, kind),
            _ => self.problem(name, kind),
        }
    }

    /// Whether a file at the destination can get another time without being transferred. From
    /// bucket to bucket that would be a copy as well.
    ///
    /// In a bucket, the copy replaces type and info, which the listing keeps of files of that size.
    fn can_refresh(&self, name: &str, destination: &Entry) -> bool {
        match &self.context.direction {
            Direction::Up { .. } => destination
                .stored()
                .is_some_and(|stored| self.can_read(name, stored)),
            Direction::Down { .. } => true,
            Direction::Copy => false,
        }
    }

    /// Compares a file that both sides have. Where sizes and times do not tell, the SHA-1s are
    /// taken: that of a local file is computed, which reads it; that of a version is the one that
    /// the listing has.
    ///
    /// Only if both are known is any content read. Fails if the run is cancelled while a file is
    /// read.
    ///
    /// | checksums | result |
    /// |---|---|
    /// | equal | the same, or a new time |
    /// | different | what size and time say, or a transfer for `Compare::Sha1` |
    /// | one side has none, and `Compare::Sha1` | what size and time say, with all times believed |
    /// | one side has none otherwise | what size and time say |
    /// | the local file cannot be read | what size and time say, or a transfer for `Compare::Sha1` |
    fn compare(
        &self,
        name: &str,
        source: &Entry,
        destination: &Entry,
    ) -> Result<Decision, SyncError> {
        let options = &self.context.options;
        let decision = compare(facts(source), facts(destination), options);
        let Decision::Content { otherwise, equal } = decision else {
            return Ok(decision);
        };
        let content = &self.context.content;
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
            (Err(_), _) | (_, Err(_)) => *otherwise,
            _ if options.compare == Compare::Sha1 => {
                let options = SyncOptions {
                    compare: Compare::SIZE_AND_TIME,
                    touched: Touched::Transfer,
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

/// What is compared of a file. A local file always has a time.
fn facts(entry: &Entry) -> Facts {
    Facts {
        size: entry.size,
        modified: entry.modified,
        has_time: entry.stored().is_none_or(|stored| stored.has_time),
    }
}

/// An age in milliseconds, the largest one if it does not fit.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
