//! Whether a step of a plan that was made earlier still holds: what the plan saw is what is there.
//!
//! Each step costs one listing of its name in each bucket that it is about, which a run that makes
//! its own plan does without. Between this look and the step itself the world can still change;
//! what a run checks then (a local file is replaced only if it is what was seen) is checked here as
//! well.
//!
//! | step | what must be as it was |
//! |---|---|
//! | an upload, a copy of a renamed file, a new time in a bucket | the local file; the newest version at the destination, or its absence |
//! | a copy | the newest version at the source and at the destination |
//! | a download, a new time of a local file | the newest version at the source; the local file |
//! | hiding | the absence at the source; the newest version at the destination |
//! | deleting an orphan | the absence at the source; the version, or the local file |
//! | deleting an old version | its name has a newer version; a hide marker may also be the newest |
//!
//! | what is found | what follows |
//! |---|---|
//! | it is as the plan saw it | the step is made as in a run that plans itself |
//! | it is something else | `ProblemKind::Outdated`, and the step is not made |
//! | the listing fails | the failure of the step |
//! | an old version that is to be deleted is gone, and a newer one is there | the step is made, and has nothing to do |
//!
//! Each listing is one request of class C, made on the thread that makes the step. It asks for up
//! to 100 versions of one name, and takes the newest that is not an unfinished upload. Of a source
//! as it was at a time it takes the newest of that time, so that it asks for more pages if more than
//! 100 versions are later.
//!
//! If what the filters leave out at the source is to be removed, it counts as absent there.

use std::fs;

use crate::bucket::Bucket;
use crate::error::Error;
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::FileId;
use crate::model::time::Timestamp;
use crate::sync::absence::may_have;
use crate::sync::act::{Actor, Change};
use crate::sync::local_state::LocalState;
use crate::sync::place::Direction;
use crate::sync::step::{Action, Reason, SyncStep, VersionKind};

impl Actor {
    /// Fails if something is not what the plan saw.
    pub(super) fn still_holds(&self, step: &SyncStep) -> Result<(), Change> {
        match &step.action {
            Action::Upload | Action::UploadAppended => {
                self.local_source_holds(step)?;
                self.destination_holds(step)
            }
            Action::Copy => {
                self.stored_source_holds(step)?;
                self.destination_holds(step)
            }
            Action::CopyRenamed { .. } => {
                self.local_source_holds(step)?;
                self.destination_holds(step)
            }
            Action::RefreshTime if self.tree.is_none() => {
                self.local_source_holds(step)?;
                self.destination_holds(step)
            }
            // The local file itself is looked at in any case.
            Action::Download | Action::RefreshTime => self.stored_source_holds(step),
            Action::Hide => {
                self.is_still_orphan(step)?;
                self.destination_holds(step)
            }
            Action::DeleteVersion { file_id, version } => {
                self.version_holds(step, file_id, *version)
            }
            Action::DeleteLocal | Action::SetAside => {
                self.is_still_orphan(step)?;
                let tree = self.tree.as_ref();
                match tree.is_some_and(|tree| tree.is_as_seen(&step.name, step.seen.local.as_ref()))
                {
                    true => Ok(()),
                    false => Err(Change::Outdated("the local file has changed")),
                }
            }
        }
    }

    /// The local file that is uploaded, or whose content was compared, is what the plan saw. Links
    /// are followed.
    fn local_source_holds(&self, step: &SyncStep) -> Result<(), Change> {
        let (Direction::Up { root }, Some(seen)) = (&self.direction, &step.seen.local) else {
            return Err(Change::Outdated("it was made for other kinds of places"));
        };
        let found = fs::metadata(root.join(seen.below(&step.name)));
        match found.is_ok_and(|found| LocalState::of(&found).is(seen)) {
            true => Ok(()),
            false => Err(Change::Outdated("the source has changed")),
        }
    }

    /// The version that is read is still the newest one of its name, and not hidden. This costs a
    /// listing.
    fn stored_source_holds(&self, step: &SyncStep) -> Result<(), Change> {
        let Some((bucket, _)) = &self.source else {
            return Err(Change::Outdated("it was made for other kinds of places"));
        };
        let seen = step.seen.source.as_ref().map(|source| &source.file_id);
        match self.stored_source(bucket, step)? {
            Some(newest) if Some(&newest.file_id) == seen => Ok(()),
            _ => Err(Change::Outdated("the source has changed")),
        }
    }

    /// The version that the source in a bucket has of the step's name, unless it is hidden.
    fn stored_source(
        &self,
        bucket: &Bucket,
        step: &SyncStep,
    ) -> Result<Option<FileVersion>, Error> {
        let newest = newest(bucket, &self.source_name(step), self.as_of)?;
        Ok(newest.filter(|newest| newest.action != FileAction::Hide))
    }

    /// The newest version at the destination is the one that the plan saw.
    ///
    /// If it saw none, a hide marker may have come. This costs a listing.
    fn destination_holds(&self, step: &SyncStep) -> Result<(), Change> {
        let (bucket, name) = self.stored(step)?;
        let newest = newest(bucket, &name, None)?;
        let is_as_seen = match (&newest, &step.seen.destination) {
            (Some(newest), Some(seen)) => newest.file_id == *seen,
            (Some(newest), None) => newest.action == FileAction::Hide,
            (None, seen) => seen.is_none(),
        };
        match is_as_seen {
            true => Ok(()),
            false => Err(Change::Outdated("the destination has changed")),
        }
    }

    /// A version may be deleted if its name is still an orphan, or if a newer one is there.
    fn version_holds(
        &self,
        step: &SyncStep,
        file_id: &FileId,
        kind: VersionKind,
    ) -> Result<(), Change> {
        if step.reason == Reason::Orphan {
            self.is_still_orphan(step)?;
            return self.destination_holds(step);
        }
        let (bucket, name) = self.stored(step)?;
        let newest = newest(bucket, &name, None)?;
        let is_newest = newest.is_none_or(|newest| newest.file_id == *file_id);
        match is_newest && kind != VersionKind::HideMarker {
            true => Err(Change::Outdated("it is the newest version")),
            false => Ok(()),
        }
    }

    /// The source still does not have the file. Of a local source the path is looked at, and what
    /// the scan would not know of counts as there (`absence`); of a bucket a listing is requested
    /// unless the filters leave the name out, and a hidden file is absent.
    fn is_still_orphan(&self, step: &SyncStep) -> Result<(), Change> {
        let (name, filters) = (step.name.as_str(), &self.filters);
        let is_there = match (&self.local_source, &self.source) {
            (Some(folder), _) => may_have(folder, filters, name),
            (_, Some(_)) if filters.removes_name(name) => false,
            (_, Some((bucket, _))) => self.stored_source(bucket, step)?.is_some_and(|newest| {
                let modified = newest.modified().as_millis().max(0);
                !filters.removes_file(name, newest.content_length, modified)
            }),
            (_, None) => true,
        };
        match is_there {
            true => Err(Change::Outdated("the source has the file, or may have it")),
            false => Ok(()),
        }
    }
}

/// The newest version of a name, or the newest that the service had made at a time. A hide marker
/// is one, an unfinished upload is none.
fn newest(
    bucket: &Bucket,
    name: &str,
    as_of: Option<Timestamp>,
) -> Result<Option<FileVersion>, Error> {
    let mut versions = bucket.list_file_versions(name)?;
    let counts = |version: &Result<FileVersion, Error>| {
        version.as_ref().map_or(true, |version| {
            let made = version.upload_timestamp.as_millis();
            version.action != FileAction::Start && as_of.is_none_or(|time| made <= time.as_millis())
        })
    };
    versions.find(counts).transpose()
}
