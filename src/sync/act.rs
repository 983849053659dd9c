//! Making one step.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::sync::options::SyncOptions;
use crate::sync::plan::Direction;
use crate::sync::report::ProblemKind;
use crate::sync::step::{Action, SyncStep};

/// What making a step led to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is made, and moved so many bytes of content.
    Made { bytes: u64 },
    /// It is not made.
    Problem(ProblemKind),
    /// The source changed while it was read: it is tried again at the end.
    Again,
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
    /// The bucket of the source.
    pub(super) source: Option<Bucket>,
    pub(super) cancel: CancelToken,
}

impl Actor {
    pub(super) fn make(&self, step: &SyncStep) -> Outcome {
        if self.cancel.is_cancelled() {
            return Outcome::Fatal(Error::Cancelled);
        }
        match self.try_to_make(step) {
            Ok(bytes) => Outcome::Made { bytes },
            Err(error) => outcome(error),
        }
    }

    fn try_to_make(&self, step: &SyncStep) -> Result<u64> {
        match &step.action {
            Action::Upload => self.upload(step, false),
            Action::UploadAppended => self.upload(step, true),
            Action::Hide => {
                let (bucket, name) = self.stored(step)?;
                match bucket.hide_file(&name) {
                    // Somebody else was faster.
                    Err(error) if error.is_not_found() || is_hidden(&error) => Ok(0),
                    outcome => outcome.map(|_| 0),
                }
            }
            Action::DeleteVersion { file_id, .. } => {
                let (bucket, name) = self.stored(step)?;
                match bucket.delete_file_version(file_id, &name) {
                    Err(error) if error.is_not_found() => Ok(0),
                    outcome => outcome.map(|()| 0),
                }
            }
            _ => Err(Error::invalid_input("step", "it does not fit the places")),
        }
    }

    fn upload(&self, step: &SyncStep, is_appended: bool) -> Result<u64> {
        let (bucket, name) = self.stored(step)?;
        let Direction::Up { root } = &self.direction else {
            return Err(Error::invalid_input("step", "the source is not local"));
        };
        let path: PathBuf = root.join(&step.name);
        let options = self.options.upload.clone().cancel(&self.cancel);
        let uploaded = match is_appended {
            true => bucket.upload_appended_file_with(&path, &name, &options)?,
            false => bucket.upload_local_file_with(&path, &name, &options)?,
        };
        Ok(uploaded.version().content_length)
    }

    /// The bucket of the destination, and the step's name in it.
    fn stored(&self, step: &SyncStep) -> Result<(&Bucket, String)> {
        let (bucket, prefix) = self
            .destination
            .as_ref()
            .ok_or_else(|| Error::invalid_input("step", "the destination is no bucket"))?;
        Ok((bucket, format!("{prefix}{}", step.name)))
    }
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
        Error::LocalFile { action, source, .. } if action == "read" => match source.kind() {
            io::ErrorKind::NotFound => Outcome::Problem(ProblemKind::Vanished),
            _ => Outcome::Problem(ProblemKind::Unreadable(source)),
        },
        Error::SourceChanged { change, .. } if change == "it is gone" => {
            Outcome::Problem(ProblemKind::Vanished)
        }
        Error::SourceChanged { .. } => Outcome::Again,
        Error::Locked(_) => Outcome::Problem(ProblemKind::Retained),
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
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        ),
        _ => false,
    }
}
