//! What is removed of a name: an orphan, and older versions as the listing yields them, newest
//! first. Each removal goes into the spool of the plan, from which they come out in the other
//! direction.

use crate::sync::error::SyncError;
use crate::sync::item::{Entry, Stored};
use crate::sync::options::{OldVersions, Orphans};
use crate::sync::plan::names::millis;
use crate::sync::plan::{Current, Planner};
use crate::sync::step::{Action, Reason, SyncStep};
use crate::sync::versions::{Fold, Rule};

impl Planner {
    /// Decides about a name that the source does not have.
    ///
    /// It must be neither covered at the source nor at the destination. Whether it is kept or not,
    /// it is offered to renames.
    pub(super) fn orphan(&mut self, name: String, destination: &Entry) -> Result<(), SyncError> {
        let options = &self.context.options;
        let is_visible = !destination.is_hidden();
        let orphans = options.orphans;
        if orphans != Orphans::Keep && is_visible {
            self.removed_names += 1;
        }
        // A hide marker has no SHA-1, so that it is not kept.
        if let (Some(from), Some(stored)) = (options.renames.from(), destination.stored())
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
    ///
    /// `newest` may be a hide marker, and is decided about first. The older versions come from the
    /// merge directly after it.
    pub(super) fn fold(
        &mut self,
        name: String,
        newest: Option<&Entry>,
        fold: Fold,
    ) -> Result<(), SyncError> {
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
    ///
    /// If no fold has begun for the name, its versions are of no interest. A version on hold is
    /// planned like any other, and left out when the removals come.
    pub(super) fn older(&mut self, version: &Stored) -> Result<(), SyncError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let Current { name, fold, newest } = current;
        let now = self.context.now.millis();
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
}
