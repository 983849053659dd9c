//! Making one step, on any thread: the request or the change of a local file that it stands for,
//! and what a failure of it means for the run.
//!
//! | failure | outcome |
//! |---|---|
//! | the local file changed while it was read | [`Again`](StepOutcome::Again): tried once more after all other transfers, then a problem |
//! | the local file is gone | a problem that makes the run not incomplete ([`ProblemKind::Vanished`]) |
//! | a file is in the place of a directory, or the other way round, and orphans are removed | [`Staged`](StepOutcome::Staged): downloaded beside it, and put there after the removals |
//! | the version to be deleted, or the file to be hidden, is gone already | made: the step's aim is reached |
//! | the version to be deleted is retained | a problem that makes the run not incomplete ([`ProblemKind::Retained`]) |
//! | the credentials are refused, a cap is reached, the store fails, the disk is full or read-only, the run is cancelled | [`Fatal`](StepOutcome::Fatal): no further step is made |
//! | the parts of a large file fail | a problem; the parts stay for the next run, unless the local file changed |
//! | a customer's key (SSE-C) is missing or wrong | a problem for this file alone: others may have no key or another one, so that no number of such failures says anything about them |
//! | anything else | a problem for this file alone |
//!
//! Order of one step:
//!
//! 1. A cancelled run ends here, before anything is sent.
//! 2. A step of a saved plan is compared with both sides (`saved`).
//! 3. The options of the caller are completed with what the step decides: token, progress, keys,
//!    and for a copy the metadata.
//! 4. The call is made. It repeats requests by itself, so that a failure that comes back is final
//!    for this step.
//! 5. The outcome is sorted by what it means for the others.
//!
//! Steps of different names share nothing but the actor, which does not change during a run.
//! Threads therefore need no order among themselves; the steps of one name are in one job
//! (`run/pool`).

mod outcome;

use std::path::Path;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::error::left::WhyLeft;
use crate::error::{Error, Result};
use crate::model::encryption::Encryption;
use crate::model::id::FileId;
use crate::model::secret::SseCustomerKey;
use crate::model::time::Timestamp;
use crate::sync::act::outcome::{of_obstacle, outcome};
use crate::sync::clean::Cleaner;
use crate::sync::filter::Filters;
use crate::sync::options::{Orphans, SyncOptions};
use crate::sync::place::{Direction, Links, LocalFolder};
use crate::sync::problem::ProblemKind;
use crate::sync::reporter::{Reporter, TransferWatch};
use crate::sync::staged::Staged;
use crate::sync::step::{Action, SeenVersion, SyncStep};
use crate::sync::unfinished::UnfinishedFiles;
use crate::sync::write::{LocalTree, Obstacle};
use crate::transfer::download::Download;
use crate::transfer::download::options::DownloadOptions;
use crate::transfer::options::CopyMetadata;
use crate::transfer::resume::Resume;

/// The result of making a step.
///
/// Exactly one comes back for each step that was handed out, and `run` counts by it.
#[derive(Debug)]
pub(super) enum StepOutcome {
    /// The step is made, and moved this many bytes of content.
    ///
    /// For a download and an upload these are the bytes of the file that was really moved, which
    /// may have grown since the plan.
    Made { bytes: u64 },
    /// The step is not made, for this reason.
    Problem(ProblemKind),
    /// The source changed while it was read, so the step is made again after all other transfers.
    Again,
    /// The file is downloaded, and waits for removals to free its place.
    ///
    /// Dropping it removes the temporary file.
    Staged(Staged),
    /// The step is not made, because an earlier one of the same name failed.
    ///
    /// It is no failure of its own, and is not counted.
    Skipped,
    /// The step is not made, and no other one would succeed either.
    ///
    /// The run ends early. The step is not retried, because the call has done so.
    Fatal(Error),
}

/// Makes steps, from any thread.
///
/// Every thread has a reference to the one of its run. `destination`, `source` and `tree` are set
/// by the kinds of the places: of the destination exactly one of `destination` and `tree`.
#[derive(Debug)]
pub(super) struct Actor {
    /// Its root is where an upload reads from.
    pub(super) direction: Direction,
    pub(super) options: Arc<SyncOptions>,
    /// The bucket of the destination, and what names begin with in it.
    pub(super) destination: Option<(Bucket, String)>,
    /// The bucket of the source, and what names begin with in it.
    pub(super) source: Option<(Bucket, String)>,
    /// Versions that the service made later do not count at the source.
    pub(super) as_of: Option<Timestamp>,
    /// What of the source takes part. It matters if what is left out there is to be removed.
    pub(super) filters: Arc<Filters>,
    /// The directory of the destination.
    pub(super) tree: Option<LocalTree>,
    /// The directory of the source, and what of it takes part.
    pub(super) local_source: Option<LocalFolder>,
    /// The run's own token, a child of the caller's.
    pub(super) cancel: CancelToken,
    /// What large uploads look for before they begin. It is listed at most once, unless the listing
    /// fails.
    pub(super) unfinished: UnfinishedFiles,
    /// From this size on, files are uploaded in parts.
    pub(super) large_from: u64,
    /// What progress is counted in.
    pub(super) reporter: Arc<Reporter>,
    /// What removes the rests of killed downloads, if the scan of the destination does so.
    pub(super) cleaner: Option<Arc<Cleaner>>,
    /// Whether the steps are of a plan that was made earlier, so that it is looked whether they
    /// still hold.
    pub(super) is_saved: bool,
}

impl Actor {
    /// Makes a step and returns its outcome, which says what it means for the run.
    ///
    /// A download whose place is taken is made beside it if removals may free the place. All other
    /// obstacles are outcomes.
    pub(super) fn make(&self, step: &SyncStep) -> StepOutcome {
        if self.cancel.is_cancelled() {
            return StepOutcome::Fatal(Error::Cancelled);
        }
        if self.is_saved
            && let Err(change) = self.still_holds(step)
        {
            return match change {
                Change::Outdated(what) => StepOutcome::Problem(ProblemKind::Outdated(what.into())),
                Change::Failed(error) => outcome(error),
            };
        }
        match self.try_to_make(step) {
            Ok(bytes) => StepOutcome::Made { bytes },
            Err(Obstacle::InTheWay) if self.may_stage(step) => match self.stage(step) {
                Ok(staged) => StepOutcome::Staged(staged),
                Err(obstacle) => of_obstacle(obstacle),
            },
            Err(obstacle) => of_obstacle(obstacle),
        }
    }

    /// Returns whether removals have freed the place of a staged download.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let tree = self.tree.as_ref();
        tree.is_some_and(|tree| tree.path(name, None).symlink_metadata().is_err())
    }

    /// Puts a staged download into its place, which removals have freed.
    pub(super) fn place(&self, step: &SyncStep, staged: Staged) -> StepOutcome {
        let Some(tree) = &self.tree else {
            return outcome(misplaced());
        };
        match tree.place(&step.name, staged, !self.options.download.skip_flush) {
            Ok(bytes) => StepOutcome::Made { bytes },
            Err(obstacle) => of_obstacle(obstacle),
        }
    }

    /// Removes what killed downloads have left and a lock has kept from the scan of the destination. No
    /// download may wait for its place any more.
    pub(super) fn clean(&self) {
        if let (Some(tree), Some(cleaner)) = (&self.tree, &self.cleaner) {
            tree.release_staged();
            cleaner.remove_noted(&self.cancel, &self.reporter);
        }
    }

    /// Makes the request or the change of the action, and returns the bytes of content that it
    /// moved.
    fn try_to_make(&self, step: &SyncStep) -> Result<u64, Obstacle> {
        let made = match &step.action {
            Action::Upload => self.upload(step, false),
            Action::UploadAppended => self.upload(step, true),
            Action::Copy | Action::CopyRenamed { .. } => self.copy(step),
            Action::RefreshTime => match &self.tree {
                Some(tree) => return refresh_local(tree, step),
                None => self.copy(step),
            },
            Action::Download => return self.download(step),
            Action::Hide => self.hide(step),
            Action::DeleteVersion { file_id, .. } => self.delete_version(step, file_id),
            Action::DeleteLocal | Action::SetAside => {
                let tree = self.tree.as_ref().ok_or_else(misplaced);
                return tree
                    .map_err(Obstacle::Failed)?
                    .delete(&step.name, step.seen.local.as_ref())
                    .map(|()| 0);
            }
        };
        made.map_err(Obstacle::Failed)
    }

    /// Uploads a local file under the name of the step, from the path at which the scan saw it.
    ///
    /// If links are skipped, a link that has taken the place of the file or of one of its
    /// directories is refused, because its target may lie anywhere. A large file continues what an earlier run left, unless the options
    /// have a rule of their own for that.
    fn upload(&self, step: &SyncStep, is_appended: bool) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        let (Direction::Up { root }, Some(seen)) = (&self.direction, &step.seen.local) else {
            return Err(misplaced());
        };
        let path = root.join(seen.below(&step.name));
        let links = self.local_source.as_ref().map(|folder| folder.links);
        if links.is_some_and(|links| is_behind_link(root, &path, links)) {
            return Err(Error::SourceChanged {
                path: path.into(),
                change: "a link took its place, or that of a directory that it is in",
            });
        }
        let watch = TransferWatch::new(&self.reporter.moved, self.options.upload.progress.as_ref());
        let mut options = self
            .options
            .upload
            .clone()
            .cancel(&self.cancel)
            .progress(watch);
        if let Some(encryption) = self.write_encryption(&name, step.bytes) {
            options = options.encryption(encryption);
        }
        let resumes = !self.options.restart_large_files && options.resume == Resume::Never;
        if resumes && step.bytes > self.large_from {
            options.resume = self.unfinished.resume(bucket, self.prefix(), &name)?;
        }
        let uploaded = match is_appended {
            true => bucket.upload_appended_file_with(&path, &name, &options),
            false => bucket.upload_local_file_with(&path, &name, &options),
        };
        let uploaded = uploaded.map_err(|error| without_outdated(bucket, error))?;
        if uploaded.is_unchanged()
            && step.seen.destination.as_ref() == Some(&uploaded.version().file_id)
        {
            // What is to be removed after this step may be that very version.
            return Err(Error::SourceChanged {
                path: path.into(),
                change: "it is what it was before it grew",
            });
        }
        Ok(uploaded.version().content_length)
    }

    /// Copies the version that the step names to the name of the step. It serves copies between
    /// buckets, renamed files and new times.
    ///
    /// The version is named by its id, so that a newer version of the same name is never copied in
    /// its place. With details, type and info are replaced by those of the source and the time of
    /// the step; without, the service keeps them.
    fn copy(&self, step: &SyncStep) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        let source = step.seen.source.as_ref().ok_or_else(misplaced)?;
        let watch = TransferWatch::new(&self.reporter.moved, self.options.copy.progress.as_ref());
        let mut options = self
            .options
            .copy
            .clone()
            .cancel(&self.cancel)
            .progress(watch);
        options.range = None;
        options.metadata = match &source.details {
            None => CopyMetadata::Keep,
            Some(details) => CopyMetadata::Replace {
                content_type: details.content_type.clone(),
                file_info: details.info_at(source.modified),
            },
        };
        if let Some(encryption) = self.write_encryption(&name, step.bytes) {
            options = options.encryption(encryption);
        }
        let from = match &step.action {
            Action::Copy => self.source_name(step),
            Action::CopyRenamed { from } => format!("{}{from}", self.prefix()),
            _ => name.clone(),
        };
        options.source_encryption_key = self.read_key(&from, source);
        let copy = bucket.copy_with(&source.file_id, &name, &options)?;
        Ok(copy.content_length)
    }

    /// Downloads the version that the step names to the place of the file that the scan saw there,
    /// or of none.
    fn download(&self, step: &SyncStep) -> Result<u64, Obstacle> {
        let (tree, options) = self.to_download(step).map_err(Obstacle::Failed)?;
        let seen = step.seen.local.as_ref();
        tree.save(&step.name, seen, options.resume, || {
            self.open_download(step, &options)
        })
    }

    /// Whether removals may free the place of a file: orphans are removed, and no file was seen
    /// there.
    fn may_stage(&self, step: &SyncStep) -> bool {
        step.action == Action::Download
            && step.seen.local.is_none()
            && self.options.orphans != Orphans::Keep
    }

    /// Downloads a file beside its place.
    fn stage(&self, step: &SyncStep) -> Result<Staged, Obstacle> {
        let (tree, options) = self.to_download(step).map_err(Obstacle::Failed)?;
        tree.stage(&step.name, options.resume, || {
            self.open_download(step, &options)
        })
    }

    /// Where a step's file is downloaded to, and how.
    fn to_download(&self, step: &SyncStep) -> Result<(&LocalTree, DownloadOptions)> {
        let tree = self.tree.as_ref().ok_or_else(misplaced)?;
        let source = step.seen.source.as_ref().ok_or_else(misplaced)?;
        let also = self.options.download.progress.as_ref();
        let watch = TransferWatch::new(&self.reporter.moved, also);
        let mut options = self
            .options
            .download
            .clone()
            .cancel(&self.cancel)
            .progress(watch);
        options.range = None;
        options.encryption_key = self.read_key(&self.source_name(step), source);
        Ok((tree, options))
    }

    /// Sends the request for a version, by its id. The content has not been read when this returns.
    fn open_download(&self, step: &SyncStep, options: &DownloadOptions) -> Result<Download> {
        let (bucket, _) = self.source.as_ref().ok_or_else(misplaced)?;
        let source = step.seen.source.as_ref().ok_or_else(misplaced)?;
        bucket.download_file_by_id_with(source.file_id.clone(), options)
    }

    /// Hides the name of the step. That it is hidden or gone already is what was wanted.
    fn hide(&self, step: &SyncStep) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        match bucket.hide_file(&name) {
            // Somebody else was faster.
            Err(error) if error.is_not_found() || is_hidden(&error) => Ok(0),
            outcome => outcome.map(|_| 0),
        }
    }

    /// Deletes one version. That it is gone already is what was wanted.
    ///
    /// It never asks for a retained version to be deleted nonetheless.
    fn delete_version(&self, step: &SyncStep, file_id: &FileId) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        match bucket.delete_file_version(file_id, &name) {
            Err(error) if error.is_not_found() => Ok(0),
            outcome => outcome.map(|()| 0),
        }
    }

    /// The bucket of the destination, and the step's name in it.
    pub(super) fn stored(&self, step: &SyncStep) -> Result<(&Bucket, String)> {
        let (bucket, prefix) = self.destination.as_ref().ok_or_else(misplaced)?;
        Ok((bucket, format!("{prefix}{}", step.name)))
    }

    /// What names begin with in the bucket of the destination; empty for a local one.
    fn prefix(&self) -> &str {
        self.destination.as_ref().map_or("", |(_, prefix)| prefix)
    }

    /// The step's name in the bucket of the source.
    pub(super) fn source_name(&self, step: &SyncStep) -> String {
        let prefix = self.source.as_ref().map_or("", |(_, prefix)| prefix);
        format!("{prefix}{}", step.name)
    }

    /// The customer's key of a version that is encrypted with one. The service refuses a key for any
    /// other version.
    fn read_key(&self, name: &str, version: &SeenVersion) -> Option<SseCustomerKey> {
        match version.is_sse_c {
            true => self.options.read_key(name, &version.file_id),
            false => None,
        }
    }

    /// The encryption that the caller's chooser wants for a file; `None` leaves the options as they
    /// are.
    fn write_encryption(&self, name: &str, size: u64) -> Option<Encryption> {
        self.options.encryption.as_ref()?.write(name, size)
    }
}

/// Whether a link that is not to be followed leads to a file below a root.
fn is_behind_link(root: &Path, path: &Path, links: Links) -> bool {
    let is_link = |path: &Path| {
        let found = path.symlink_metadata();
        found.is_ok_and(|found| found.is_symlink())
    };
    let mut folders = path
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != root);
    match links {
        Links::Follow => false,
        Links::FilesOnly => folders.any(is_link),
        Links::Skip => is_link(path) || folders.any(is_link),
    }
}

/// Gives a local file the time of its source.
fn refresh_local(tree: &LocalTree, step: &SyncStep) -> Result<u64, Obstacle> {
    let source = step.seen.source.as_ref().ok_or_else(misplaced);
    let time = source.map_err(Obstacle::Failed)?.modified;
    tree.set_time(&step.name, step.seen.local.as_ref(), time)
        .map(|()| step.bytes)
}

/// Why a step of a saved plan does not hold.
///
/// The text is a part of `ProblemKind::Outdated`, and says which side has changed.
#[derive(Debug)]
pub(super) enum Change {
    Outdated(&'static str),
    /// It could not be found out.
    Failed(Error),
}

impl From<Error> for Change {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Cancels a large file that was left to be resumed, if its source has changed: its content is
/// nowhere.
///
/// If cancelling fails too, its parts stay, as they do after a run that was killed.
fn without_outdated(bucket: &Bucket, error: Error) -> Error {
    match error {
        Error::LargeFileLeft(left)
            if left.why == WhyLeft::ForResuming
                && matches!(left.failure, Error::SourceChanged { .. }) =>
        {
            let session = &bucket.client().session;
            match session.cancel_large_file(&bucket.control("sync", None, None), &left.file_id) {
                Ok(_) => left.failure,
                Err(_) => {
                    let file_id = &left.file_id;
                    tracing::warn!(%file_id, "the parts of a file that changed could not be cancelled");
                    Error::LargeFileLeft(left)
                }
            }
        }
        other => other,
    }
}

/// For a step that was made for other places.
fn misplaced() -> Error {
    Error::invalid_input("step", "it was made for other kinds of places")
}

/// The answer of the service to hiding a name whose newest version is a hide marker.
fn is_hidden(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.as_str() == "already_hidden")
}
