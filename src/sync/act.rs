//! Making one step.

use std::io;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::error::left::WhyLeft;
use crate::error::{Error, Result};
use crate::model::encryption::Encryption;
use crate::model::id::FileId;
use crate::sync::options::SyncOptions;
use crate::sync::place::Direction;
use crate::sync::problem::ProblemKind;
use crate::sync::reporter::{Reporter, TransferWatch};
use crate::sync::step::{Action, SyncStep};
use crate::sync::unfinished::UnfinishedFiles;
use crate::sync::write::{LocalTree, Obstacle};
use crate::transfer::options::CopyMetadata;
use crate::transfer::resume::Resume;

/// What making a step led to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is made, and moved so many bytes of content.
    Made { bytes: u64 },
    /// It is not made.
    Problem(ProblemKind),
    /// The source changed while it was read: it is tried again at the end.
    Again,
    /// Something stands in the place of the file, which removals may make free.
    InTheWay,
    /// An earlier step of the same name failed.
    Skipped,
    /// No other step would succeed either.
    Fatal(Error),
}

/// Makes steps, from any thread.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) direction: Direction,
    pub(super) options: Arc<SyncOptions>,
    /// The bucket of the destination, and what names begin with in it.
    pub(super) destination: Option<(Bucket, String)>,
    /// The bucket of the source, and what names begin with in it.
    pub(super) source: Option<(Bucket, String)>,
    /// The directory of the destination.
    pub(super) tree: Option<LocalTree>,
    /// Whether links in the source are no files.
    pub(super) skips_links: bool,
    pub(super) cancel: CancelToken,
    pub(super) unfinished: UnfinishedFiles,
    /// From this size on, files are uploaded in parts.
    pub(super) large_from: u64,
    /// What progress is counted in.
    pub(super) reporter: Arc<Reporter>,
    /// Whether the steps are of a plan that was made earlier, so that it is looked whether they still
    /// hold.
    pub(super) is_saved: bool,
}

impl Actor {
    pub(super) fn make(&self, step: &SyncStep) -> Outcome {
        if self.cancel.is_cancelled() {
            return Outcome::Fatal(Error::Cancelled);
        }
        if self.is_saved
            && let Err(change) = self.still_holds(step)
        {
            return match change {
                Change::Outdated(what) => Outcome::Problem(ProblemKind::Outdated(what.into())),
                Change::Failed(error) => outcome(error),
            };
        }
        match self.try_to_make(step) {
            Ok(bytes) => Outcome::Made { bytes },
            Err(Obstacle::InTheWay) => Outcome::InTheWay,
            Err(Obstacle::Problem(kind)) => Outcome::Problem(kind),
            Err(Obstacle::Failed(error)) => outcome(error),
        }
    }

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

    fn upload(&self, step: &SyncStep, is_appended: bool) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        let (Direction::Up { root }, Some(seen)) = (&self.direction, &step.seen.local) else {
            return Err(misplaced());
        };
        let path = root.join(seen.below(&step.name));
        if self.skips_links
            && path
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
        {
            return Err(Error::SourceChanged {
                path: path.into(),
                change: "a link took its place",
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
            options.resume = self.unfinished.resume(bucket, self.prefix())?;
        }
        let uploaded = match is_appended {
            true => bucket.upload_appended_file_with(&path, &name, &options),
            false => bucket.upload_local_file_with(&path, &name, &options),
        };
        let uploaded = uploaded.map_err(|error| without_outdated(bucket, error))?;
        Ok(uploaded.version().content_length)
    }

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
        if source.is_sse_c {
            let from = match &step.action {
                Action::Copy => self.source_name(step),
                Action::CopyRenamed { from } => format!("{}{from}", self.prefix()),
                _ => name.clone(),
            };
            options.source_encryption_key = self.options.read_key(&from, &source.file_id);
        }
        let copy = bucket.copy_with(&source.file_id, &name, &options)?;
        Ok(copy.content_length)
    }

    fn download(&self, step: &SyncStep) -> Result<u64, Obstacle> {
        let parts = (&self.source, &step.seen.source, &self.tree);
        let (Some((bucket, _)), Some(source), Some(tree)) = parts else {
            return Err(Obstacle::Failed(misplaced()));
        };
        let watch = TransferWatch::new(
            &self.reporter.moved,
            self.options.download.progress.as_ref(),
        );
        let mut options = self
            .options
            .download
            .clone()
            .cancel(&self.cancel)
            .progress(watch);
        options.range = None;
        if source.is_sse_c {
            let name = self.source_name(step);
            options.encryption_key = self.options.read_key(&name, &source.file_id);
        }
        tree.save(&step.name, step.seen.local.as_ref(), || {
            bucket.download_file_by_id_with(source.file_id.clone(), &options)
        })
    }

    fn hide(&self, step: &SyncStep) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        match bucket.hide_file(&name) {
            // Somebody else was faster.
            Err(error) if error.is_not_found() || is_hidden(&error) => Ok(0),
            outcome => outcome.map(|_| 0),
        }
    }

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

    fn prefix(&self) -> &str {
        self.destination.as_ref().map_or("", |(_, prefix)| prefix)
    }

    /// The step's name in the bucket of the source.
    pub(super) fn source_name(&self, step: &SyncStep) -> String {
        let prefix = self.source.as_ref().map_or("", |(_, prefix)| prefix);
        format!("{prefix}{}", step.name)
    }

    fn write_encryption(&self, name: &str, size: u64) -> Option<Encryption> {
        self.options.encryption.as_ref()?.write(name, size)
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

/// Cancels a large file that was left to be resumed, if its source has changed: its content is nowhere.
fn without_outdated(bucket: &Bucket, error: Error) -> Error {
    match error {
        Error::LargeFileLeft(left)
            if left.why == WhyLeft::ForResuming
                && matches!(left.failure, Error::SourceChanged { .. }) =>
        {
            let session = &bucket.client().session;
            match session.cancel_large_file(&bucket.control("sync", None, None), &left.file_id) {
                Ok(_) => left.failure,
                Err(_) => Error::LargeFileLeft(left),
            }
        }
        other => other,
    }
}

/// For a step that was made for other places.
fn misplaced() -> Error {
    Error::invalid_input("step", "it was made for other kinds of places")
}

fn is_hidden(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.as_str() == "already_hidden")
}

fn outcome(error: Error) -> Outcome {
    if concerns_all(error.failure()) {
        return Outcome::Fatal(error);
    }
    match error {
        Error::LargeFileLeft(left)
            if matches!(
                left.failure,
                Error::LocalFile { .. } | Error::SourceChanged { .. }
            ) =>
        {
            outcome(left.failure)
        }
        Error::LocalFile {
            action: "read",
            source,
            ..
        } => match source.kind() {
            io::ErrorKind::NotFound => Outcome::Problem(ProblemKind::Vanished),
            _ => Outcome::Problem(ProblemKind::Unreadable(source)),
        },
        Error::SourceChanged {
            change: "it is gone",
            ..
        } => Outcome::Problem(ProblemKind::Vanished),
        Error::SourceChanged { .. } => Outcome::Again,
        Error::Locked { .. } => Outcome::Problem(ProblemKind::Retained),
        other => Outcome::Problem(ProblemKind::Failed(other)),
    }
}

/// Whether every other file would meet the same. A key that may not do something is not among these: it
/// may be limited to some names.
fn concerns_all(error: &Error) -> bool {
    match error {
        Error::NotAuthorized
        | Error::InvalidCredentials(_)
        | Error::Credentials { .. }
        | Error::AccountChanged
        | Error::AccountInfoCorrupt { .. }
        | Error::AccountInfoTooNew { .. }
        | Error::CapExceeded(_)
        | Error::BudgetExceeded { .. }
        | Error::Store(_)
        | Error::Cancelled => true,
        Error::LocalFile { source, .. } => matches!(
            source.kind(),
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
        ),
        _ => false,
    }
}
