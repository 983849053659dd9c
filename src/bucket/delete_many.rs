//! Deleting many versions: a listing, or versions that the caller names, and several deletions at a
//! time.
//!
//! 1. Whoever takes a result makes it go on: the calling thread reads the next versions, a page of the
//!    listing when it needs one, and starts a thread for each until as many run as the `B2Api` has
//!    workers.
//! 2. Each thread takes a permit, deletes one version by itself (`b2_delete_file_version`, which also
//!    cancels an unfinished large file), and sends its outcome back.
//! 3. The next outcome is the result that was asked for.
//!
//! So nothing is deleted ahead of results that nobody takes, and memory holds a page and as many
//! versions as there are workers.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::bucket::Bucket;
use crate::bucket::list::pages::FilePages;
use crate::bucket::list::{Entry, LsOptions, Versions};
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::id::FileId;
use crate::model::operation::Operation;

/// What becomes of each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Removal {
    /// It is deleted for good. If it was a file's latest, the version before it appears in its place.
    #[default]
    Delete,
    /// The file is hidden: its name is not found any more, and all versions remain. Only for the
    /// latest versions.
    Hide,
}

/// What may be said about deleting many versions.
///
/// ```
/// use b2sdk::{DeleteManyOptions, Removal};
///
/// let options = DeleteManyOptions::new().removal(Removal::Hide).dry_run(true);
/// assert!(options.dry_run && !options.fail_fast);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DeleteManyOptions {
    /// What becomes of each version.
    pub removal: Removal,
    /// Only tell what would be deleted.
    pub dry_run: bool,
    /// Start no more after the first failure. Those that run already are still reported.
    pub fail_fast: bool,
    /// Cancels all of it. What was being deleted at that moment may be deleted or not.
    pub cancel: Option<CancelToken>,
}

impl DeleteManyOptions {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of each version.
    #[must_use]
    pub const fn removal(mut self, removal: Removal) -> Self {
        self.removal = removal;
        self
    }

    /// Only tell what would be deleted.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Start no more after the first failure.
    #[must_use]
    pub const fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// Cancels all of it.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// Which version: its id, and the name that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileIdAndName {
    /// The version's id.
    pub file_id: FileId,
    /// The file's name.
    pub file_name: String,
}

impl FileIdAndName {
    /// The version of that id, of the file of that name.
    #[must_use]
    pub fn new(file_id: impl Into<FileId>, file_name: impl Into<String>) -> Self {
        Self {
            file_id: file_id.into(),
            file_name: file_name.into(),
        }
    }
}

impl From<FileVersion> for FileIdAndName {
    fn from(version: FileVersion) -> Self {
        Self::new(version.file_id, version.file_name)
    }
}

impl From<Entry> for FileIdAndName {
    fn from(entry: Entry) -> Self {
        Self::from(entry.version)
    }
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Which version.
    pub file: FileIdAndName,
    /// What became of it.
    pub outcome: RemovalOutcome,
}

/// How a removal that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemovalOutcome {
    /// It is deleted.
    Deleted,
    /// Its file is hidden.
    Hidden,
    /// It was deleted, or its file hidden, before: by somebody else.
    WasGone,
    /// It would be removed; this is a dry run.
    WouldBeRemoved,
}

/// A version that was not removed, or a listing that broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct RemovalFailed {
    /// Which version; none if the listing itself failed, after which nothing more comes.
    pub file: Option<FileIdAndName>,
    /// Why.
    #[source]
    pub error: Error,
}

impl fmt::Display for RemovalFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(FileIdAndName { file_id, file_name }) => {
                write!(f, "{file_name:?} ({file_id}) was not removed")
            }
            None => f.write_str("the listing of what to remove broke off"),
        }
    }
}

/// The results of removing many versions, from [`Bucket::delete_many`] and
/// [`Bucket::delete_versions`], in the order in which they come about.
///
/// **Taking results is what makes it go on**: what is not asked for is not deleted. Dropping it gives
/// up what is running and waits for that.
#[must_use = "nothing is deleted before results are asked for"]
pub struct Removals<I> {
    bucket: Bucket,
    control: Control,
    stop: CancelToken,
    options: DeleteManyOptions,
    /// What is still to be read; none once it is at its end or was given up.
    versions: Option<I>,
    running: usize,
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
}

type Outcome = (FileIdAndName, thread::Result<Result<RemovalOutcome>>);

/// The versions of a listing, without its folders.
#[derive(Debug)]
pub struct ListedVersions(FilePages);

impl Iterator for ListedVersions {
    type Item = Result<FileIdAndName>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Ok(version) if version.action == FileAction::Folder => {}
                version => return Some(version.map(FileIdAndName::from)),
            }
        }
    }
}

impl Bucket {
    /// Deletes what [`ls_with`](Self::ls_with) of the same folder and options lists, folders excepted:
    /// what is below them takes [`LsOptions::recursive`]. Nothing that does not begin with the folder's
    /// name, or does not match the pattern and the filters, is touched.
    ///
    /// With [`Versions::All`] all versions go, hide markers and **unfinished large files, also those that
    /// are being uploaded**; with [`Versions::Latest`] only the latest version of each file that is not
    /// hidden, and the one before it appears in its place: to make files disappear and keep their
    /// versions, use [`Removal::Hide`].
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"1", "tmp/1")?;
    /// use b2sdk::{DeleteManyOptions, LsOptions, Versions};
    ///
    /// let everything = LsOptions::new().recursive(true).versions(Versions::All);
    /// let mut failures = 0;
    /// for result in bucket.delete_many("tmp", &everything, &DeleteManyOptions::new())? {
    ///     match result {
    ///         Ok(removed) => println!("{}", removed.file.file_name),
    ///         Err(failed) => failures += 1,
    ///     }
    /// }
    /// assert_eq!((failures, bucket.ls("")?.count()), (0, 0));
    /// # }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Here: [`Error::NotAllowed`] if the key cannot do this to any file, [`Error::InvalidInput`] as
    /// `ls_with`, and for hiding all versions; nothing is sent. The results: what
    /// [`delete_file_version`](Self::delete_file_version) and [`hide_file`](Self::hide_file) fail with,
    /// each for its own file. A version that is gone already is no failure. After an error that is not
    /// about a file - of the listing, the credentials, the store, a cap, or because it was cancelled -
    /// nothing more is started.
    ///
    /// # Consequences
    /// While it runs, or when it is broken off, an older version of a file may be the one that is found.
    pub fn delete_many(
        &self,
        folder: &str,
        listing: &LsOptions,
        options: &DeleteManyOptions,
    ) -> Result<Removals<ListedVersions>> {
        if options.removal == Removal::Hide && listing.versions != Versions::Latest {
            return Err(Error::invalid_input(
                "removal",
                "hiding is for the latest versions: leave Versions::All out",
            ));
        }
        let pages = self.pages(folder, listing)?;
        self.removals(ListedVersions(pages), options)
    }

    /// Deletes these versions, of this bucket: a listing that the caller went through, or versions noted
    /// down elsewhere. They are read as they are needed.
    ///
    /// ```
    /// # fn older(bucket: &b2sdk::Bucket, limit: b2sdk::Timestamp) -> b2sdk::Result<()> {
    /// use b2sdk::{DeleteManyOptions, LsOptions, Versions};
    ///
    /// let all = LsOptions::new().recursive(true).versions(Versions::All);
    /// let old = bucket.ls_with("logs", &all)?.filter(move |entry| {
    ///     entry.as_ref().map_or(true, |entry| entry.version.upload_timestamp < limit)
    /// });
    /// for result in bucket.delete_versions(old, &DeleteManyOptions::new())? {
    ///     if let Err(failed) = result {
    ///         eprintln!("{failed}: {}", failed.error);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete_many`](Self::delete_many). An error among the versions is passed on, and ends it.
    pub fn delete_versions<I, V>(
        &self,
        versions: I,
        options: &DeleteManyOptions,
    ) -> Result<Removals<impl Iterator<Item = Result<FileIdAndName>> + use<I, V>>>
    where
        I: IntoIterator<Item = Result<V>>,
        V: Into<FileIdAndName>,
    {
        let versions = versions.into_iter().map(|version| version.map(V::into));
        self.removals(versions, options)
    }

    fn removals<I>(&self, versions: I, options: &DeleteManyOptions) -> Result<Removals<I>> {
        let stop = options
            .cancel
            .as_ref()
            .map_or_else(CancelToken::new, CancelToken::child);
        let control = self.control(Some(&stop));
        let operation = match options.removal {
            Removal::Delete => Operation::DeleteFileVersion,
            Removal::Hide => Operation::HideFile,
        };
        if !options.dry_run {
            self.client
                .session
                .require(operation, self.name(), &control)?;
        }
        Ok(Removals {
            bucket: self.clone(),
            control,
            stop,
            options: options.clone(),
            versions: Some(versions),
            running: 0,
            outcomes: channel(),
        })
    }
}

impl<I: Iterator<Item = Result<FileIdAndName>>> Removals<I> {
    /// Starts deletions until as many run as may; a result that takes no thread is returned.
    fn start(&mut self) -> Option<Result<Removed, RemovalFailed>> {
        while self.running < self.bucket.client.workers.limit() {
            let versions = self.versions.as_mut()?;
            let version = match self.control.check() {
                Ok(()) => versions.next(),
                Err(cancelled) => Some(Err(cancelled)),
            };
            match version {
                Some(Ok(file)) if self.options.dry_run => {
                    let outcome = RemovalOutcome::WouldBeRemoved;
                    return Some(Ok(Removed { file, outcome }));
                }
                Some(Ok(file)) => self.spawn(file),
                Some(Err(error)) => {
                    self.versions = None;
                    return Some(Err(RemovalFailed { file: None, error }));
                }
                None => self.versions = None,
            }
        }
        None
    }

    fn spawn(&mut self, file: FileIdAndName) {
        let task = Task {
            bucket: self.bucket.clone(),
            control: self.control.clone(),
            removal: self.options.removal,
            file,
            outcomes: self.outcomes.0.clone(),
        };
        let own = task.clone();
        self.running += 1;
        // If the system has no thread for it, it is done here.
        if thread::Builder::new().spawn(move || task.run()).is_err() {
            own.run();
        }
    }

    fn finished(&mut self, (file, outcome): Outcome) -> Result<Removed, RemovalFailed> {
        match outcome.unwrap_or_else(|panic| resume_unwind(panic)) {
            Ok(outcome) => Ok(Removed { file, outcome }),
            Err(error) => {
                if self.options.fail_fast || concerns_all(&error) {
                    self.versions = None;
                }
                let file = Some(file);
                Err(RemovalFailed { file, error })
            }
        }
    }
}

impl<I: Iterator<Item = Result<FileIdAndName>>> Iterator for Removals<I> {
    type Item = Result<Removed, RemovalFailed>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(result) = self.start() {
            return Some(result);
        }
        if self.running == 0 {
            return None;
        }
        // Never fails: this side holds a sender too.
        let outcome = self.outcomes.1.recv().ok()?;
        self.running -= 1;
        Some(self.finished(outcome))
    }
}

impl<I> Drop for Removals<I> {
    fn drop(&mut self) {
        if self.running > 0 {
            self.stop.cancel();
        }
        for _ in 0..self.running {
            let _outcome = self.outcomes.1.recv();
        }
    }
}

impl<I> fmt::Debug for Removals<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removals")
            .field("bucket", &self.bucket)
            .field("options", &self.options)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

/// Whether every other file would meet the same: going on would only ask again and again.
const fn concerns_all(error: &Error) -> bool {
    matches!(
        error,
        Error::NotAuthorized
            | Error::InvalidCredentials(_)
            | Error::Credentials { .. }
            | Error::AccountChanged
            | Error::CapExceeded(_)
            | Error::Store(_)
            | Error::Cancelled
    )
}

/// One removal.
#[derive(Clone)]
struct Task {
    bucket: Bucket,
    control: Control,
    removal: Removal,
    file: FileIdAndName,
    outcomes: Sender<Outcome>,
}

impl Task {
    fn run(self) {
        let outcome: Result<_, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| self.act()));
        // Whoever waited may be gone.
        let _sent = self.outcomes.send((self.file, outcome));
    }

    fn act(&self) -> Result<RemovalOutcome> {
        let session = &self.bucket.client.session;
        let _permit = self.bucket.client.workers.take(&self.control)?;
        let FileIdAndName { file_id, file_name } = &self.file;
        match self.removal {
            Removal::Delete => {
                match session.delete_file_version(&self.control, file_id, file_name, false) {
                    Err(error) if error.is_not_found() => Ok(RemovalOutcome::WasGone),
                    outcome => outcome.map(|()| RemovalOutcome::Deleted),
                }
            }
            Removal::Hide => match self.bucket.hide_file_under(&self.control, file_name) {
                Err(error) if error.is_not_found() || is_hidden(&error) => {
                    Ok(RemovalOutcome::WasGone)
                }
                outcome => outcome.map(|_| RemovalOutcome::Hidden),
            },
        }
    }
}

fn is_hidden(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.as_str() == "already_hidden")
}
