//! The iterator of results, and the deletions behind it.

use std::fmt;
use std::iter::FusedIterator;

use crate::bucket::Bucket;
use crate::bucket::delete_many::outcome::{DeleteFailed, DeleteOutcome, Deleted, FileIdAndName};
use crate::bucket::delete_many::{DeleteManyOptions, DeleteMode};
use crate::bucket::tasks::Tasks;
use crate::control::Control;
use crate::error::{Error, ErrorCode, Result};
use crate::model::auth::Capability;
use crate::model::operation::Operation;

/// The results of deleting many versions, from [`Bucket::delete_many`] and
/// [`Bucket::delete_versions`], in the order in which the deletions end.
///
/// **Nothing more is deleted unless the iterator is advanced.** Dropping it cancels the running
/// deletions and waits for their threads to end; whether a version that was being deleted at that moment
/// still exists is unknown. After the last result of a listing, or after an error that concerns all files,
/// it ends.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # bucket.upload_bytes(b"1", "tmp/1")?;
/// # bucket.upload_bytes(b"2", "tmp/2")?;
/// use b2sdk::LsOptions;
/// use b2sdk::delete::DeleteManyOptions;
///
/// let deletions = bucket.delete_many("tmp", &LsOptions::new(), &DeleteManyOptions::new())?;
/// let (deleted, failed): (Vec<_>, Vec<_>) = deletions.partition(Result::is_ok);
/// assert_eq!((deleted.len(), failed.len()), (2, 0));
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[must_use = "nothing is deleted before results are asked for"]
pub struct Deletions<I> {
    bucket: Bucket,
    control: Control,
    rules: DeletionRules,
    /// What is still to be read; none once it is at its end or was given up.
    versions: Option<I>,
    tasks: Tasks<Result<Deleted, DeleteFailed>>,
}

/// The options, as far as they are about single versions.
#[derive(Debug, Clone, Copy)]
struct DeletionRules {
    mode: DeleteMode,
    dry_run: bool,
    fail_fast: bool,
    bypass_governance: bool,
}

impl<I> Deletions<I> {
    pub(super) fn new(bucket: &Bucket, versions: I, options: &DeleteManyOptions) -> Result<Self> {
        let DeleteManyOptions {
            mode,
            dry_run,
            fail_fast,
            bypass_governance,
            cancel,
        } = options;
        let rules = DeletionRules {
            mode: *mode,
            dry_run: *dry_run,
            fail_fast: *fail_fast,
            bypass_governance: *bypass_governance,
        };
        let tasks = Tasks::new(cancel.as_ref().or(bucket.client.cancel.as_ref()));
        let control = bucket.control("delete_versions", None, Some(tasks.stop()));
        if !rules.dry_run {
            rules.check_key(bucket, &control)?;
        }
        Ok(Self {
            bucket: bucket.clone(),
            control,
            rules,
            versions: Some(versions),
            tasks,
        })
    }
}

impl DeletionRules {
    /// Fails if the key can do this to no file at all.
    fn check_key(self, bucket: &Bucket, control: &Control) -> Result<()> {
        let session = &bucket.client.session;
        let operation = match self.mode {
            DeleteMode::Delete => Operation::DeleteFileVersion,
            DeleteMode::Hide => Operation::HideFile,
        };
        let bypasses = self.bypass_governance && self.mode == DeleteMode::Delete;
        let needs = bucket
            .needs(operation)
            .and_if(bypasses, Capability::BypassGovernance);
        session.require(&needs, control).map(|_| ())
    }
}

impl<I: Iterator<Item = Result<FileIdAndName>>> Deletions<I> {
    /// Starts deletions until as many run as may; a result that takes no thread is returned.
    fn start(&mut self) -> Option<Result<Deleted, DeleteFailed>> {
        while self.tasks.running() < self.bucket.client.workers.limit() {
            let versions = self.versions.as_mut()?;
            let version = match self.control.check() {
                Ok(()) => versions.next(),
                Err(cancelled) => Some(Err(cancelled)),
            };
            match version {
                Some(Ok(file)) if self.rules.dry_run => {
                    let outcome = DeleteOutcome::DryRun;
                    return Some(Ok(Deleted { file, outcome }));
                }
                Some(Ok(file)) => self.spawn(file),
                Some(Err(error)) => {
                    self.versions = None;
                    return Some(Err(DeleteFailed { file: None, error }));
                }
                None => self.versions = None,
            }
        }
        None
    }

    fn spawn(&mut self, file: FileIdAndName) {
        let deletion = Deletion {
            bucket: self.bucket.clone(),
            control: self.control.clone(),
            rules: self.rules,
            file,
        };
        self.tasks.start(move || deletion.run());
    }
}

impl<I: Iterator<Item = Result<FileIdAndName>>> Iterator for Deletions<I> {
    type Item = Result<Deleted, DeleteFailed>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(result) = self.start() {
            return Some(result);
        }
        let outcome = self.tasks.wait()?;
        if let Err(failed) = &outcome
            && (self.rules.fail_fast || failed.error.concerns_all_files())
        {
            self.versions = None;
        }
        Some(outcome)
    }
}

impl<I: Iterator<Item = Result<FileIdAndName>>> FusedIterator for Deletions<I> {}

impl<I> fmt::Debug for Deletions<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deletions")
            .field("bucket", &self.bucket)
            .field("rules", &self.rules)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// The deletion of one version.
struct Deletion {
    bucket: Bucket,
    control: Control,
    rules: DeletionRules,
    file: FileIdAndName,
}

impl Deletion {
    fn run(self) -> Result<Deleted, DeleteFailed> {
        let outcome = self.act();
        let file = self.file;
        match outcome {
            Ok(outcome) => Ok(Deleted { file, outcome }),
            Err(error) => Err(DeleteFailed {
                file: Some(file),
                error,
            }),
        }
    }

    fn act(&self) -> Result<DeleteOutcome> {
        self.bucket.check_is_here(&self.control, &self.file)?;
        let _permit = self.bucket.client.workers.take(&self.control)?;
        match self.rules.mode {
            DeleteMode::Delete => self.delete(),
            DeleteMode::Hide => self.hide(),
        }
    }

    fn delete(&self) -> Result<DeleteOutcome> {
        let FileIdAndName {
            file_id, file_name, ..
        } = &self.file;
        let (session, bypass) = (&self.bucket.client.session, self.rules.bypass_governance);
        match session.delete_file_version(&self.control, file_id, file_name, bypass) {
            Err(error) if error.is_not_found() => self.check_is_gone(),
            outcome => outcome.map(|()| DeleteOutcome::Deleted),
        }
    }

    /// The service says that there is no such version also if the name does not belong to the id, as where
    /// its Unicode form was changed. So it is asked for the id alone.
    fn check_is_gone(&self) -> Result<DeleteOutcome> {
        let FileIdAndName {
            file_id, file_name, ..
        } = &self.file;
        let session = &self.bucket.client.session;
        let found = session.call(Operation::GetFileInfo, &self.control, |raw| {
            raw.get_file_info(file_id)
        });
        match found {
            Ok(version) if version.file_name != *file_name => Err(Error::invalid_input(
                "file_name",
                format!(
                    "the version {file_id} is one of {:?}, not of {file_name:?}; it was not deleted",
                    version.file_name
                ),
            )),
            // Somebody else was faster, or this key may not look.
            Ok(_) | Err(Error::NotAllowed(_)) => Ok(DeleteOutcome::WasGone),
            Err(error) if is_no_version(&error) => Ok(DeleteOutcome::WasGone),
            Err(error) => Err(error),
        }
    }

    fn hide(&self) -> Result<DeleteOutcome> {
        let file_name = &self.file.file_name;
        match self.bucket.hide_file_under(&self.control, file_name) {
            Err(error) if error.is_not_found() || is_hidden(&error) => Ok(DeleteOutcome::WasGone),
            outcome => outcome.map(|_| DeleteOutcome::Hidden),
        }
    }
}

/// Whether there is no version of this id; an id that the service never gave is a bad request.
fn is_no_version(error: &Error) -> bool {
    error.is_not_found() || error.code() == Some(&ErrorCode::BadRequest)
}

fn is_hidden(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.as_str() == "already_hidden")
}
