//! Uploading or downloading many files: an iterator of files in, an iterator of results out.
//!
//! 1. Whoever takes a result makes it continue: the calling thread takes the next files and starts a thread for
//!    each, until as many run as the `B2Api` has workers.
//! 2. Each thread transfers one file, as the call for a single file does; a large file takes permits for its
//!    parts, so that its thread must not hold one.
//! 3. The outcome that comes first is the result that was asked for.
//!
//! No file is touched ahead of results that nobody takes.

pub(crate) mod files;

use std::fmt;
use std::iter::FusedIterator;

use self::files::{FileToDownload, FileToUpload};
use crate::bucket::Bucket;
use crate::bucket::tasks::Tasks;
use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::setters::setters;
use crate::transfer::download::file::Saved;
use crate::transfer::uploaded::Uploaded;

/// Options for transferring many files. They are about the whole; each file can have options of its own
/// ([`FileToUpload::options`], [`FileToDownload::options`]).
///
/// ```
/// use b2sdk::many::TransferManyOptions;
///
/// assert!(TransferManyOptions::new().fail_fast(true).fail_fast);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TransferManyOptions {
    /// Whether no more files are started after the first failure. Those that run already are still
    /// reported. By default a failure concerns its own file only.
    pub fail_fast: bool,
    /// Cancels all transfers, those that are running and those that are not started. Their results
    /// are [`Error::Cancelled`]; files that were transferred before remain.
    pub cancel: Option<CancelToken>,
}

setters! {
    new TransferManyOptions {
        fail_fast: bool,
    }
    shared {
        cancel: CancelToken,
    }
}

/// A file that was transferred: a result of [`Transfers`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Transferred<T> {
    /// Which of the files it is, counted from 0 in the order in which they were given. Results come in
    /// another order.
    pub number: u64,
    /// The result of this file's transfer: an [`Uploaded`] or a [`Saved`].
    pub outcome: T,
}

/// A file that was not transferred, or the end of a sequence of files that failed: a result of [`Transfers`].
///
/// Its `Display` names the file; the reason is its source, and in [`error`](Self::error).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub struct TransferFailed {
    /// Which of the files it is, counted from 0 in the order in which they were given.
    pub number: u64,
    /// The name of the file in the bucket, or its id if it was given [by its id](FileToDownload::by_id) alone.
    /// `None` if the sequence of files failed, or everything was cancelled. No other file is started then, and
    /// those that run are still reported.
    pub file: Option<String>,
    /// The reason of the failure, as the call for this file alone would return it.
    #[source]
    pub error: Error,
}

impl fmt::Display for TransferFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file:?} was not transferred"),
            None => f.write_str("the files to transfer were not read to their end"),
        }
    }
}

/// The results of transferring many files, from [`Bucket::upload_many`] and [`Bucket::download_many`], in
/// the order in which the transfers end.
///
/// **Taking results is what makes it continue**: files for which no result is asked are not started. Dropping
/// it cancels what is running, and returns when none of its threads is left. What was transferred before
/// remains.
#[must_use = "nothing is transferred before results are asked for"]
pub struct Transfers<'a, T> {
    bucket: Bucket,
    control: Control,
    fail_fast: bool,
    /// What is still to be read; none once it is at its end or was given up.
    files: Option<Files<'a, T>>,
    /// How many files were read.
    count: u64,
    tasks: Tasks<Result<Transferred<T>, TransferFailed>>,
}

type Files<'a, T> = Box<dyn Iterator<Item = Result<Job<T>>> + Send + 'a>;

type Act<T> = Box<dyn FnOnce(&Bucket, &CancelToken) -> Result<T> + Send>;

/// The transfer of one file.
struct Job<T> {
    /// What it is called in an error.
    name: String,
    act: Act<T>,
}

impl<'a, T: Send + 'static> Transfers<'a, T> {
    fn new(
        bucket: &Bucket,
        files: impl Iterator<Item = Result<Job<T>>> + Send + 'a,
        options: &TransferManyOptions,
    ) -> Self {
        let TransferManyOptions { fail_fast, cancel } = options;
        let tasks = Tasks::new(cancel.as_ref().or(bucket.client.cancel.as_ref()));
        Self {
            bucket: bucket.clone(),
            control: bucket.control("transfer_many", None, Some(tasks.stop())),
            fail_fast: *fail_fast,
            files: Some(Box::new(files)),
            count: 0,
            tasks,
        }
    }

    /// Whether no other file can be transferred. One that was cancelled by a token of its own is no reason.
    fn concerns_all(&self, error: &Error) -> bool {
        let failure = error.failure();
        let is_its_own = matches!(failure, Error::Cancelled) && !self.control.is_cancelled();
        failure.concerns_all_files() && !is_its_own
    }

    fn start(&mut self, number: u64, job: Job<T>) {
        let (bucket, stop) = (self.bucket.clone(), self.tasks.stop().clone());
        let Job { name, act } = job;
        self.tasks.start(move || match act(&bucket, &stop) {
            Ok(outcome) => Ok(Transferred { number, outcome }),
            Err(error) => Err(TransferFailed {
                number,
                file: Some(name),
                error,
            }),
        });
    }
}

impl<T: Send + 'static> Iterator for Transfers<'_, T> {
    type Item = Result<Transferred<T>, TransferFailed>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.tasks.running() < self.bucket.client.workers.limit() {
            let Some(files) = &mut self.files else {
                break;
            };
            let file = match self.control.check() {
                Ok(()) => files.next(),
                Err(cancelled) => Some(Err(cancelled)),
            };
            let number = self.count;
            self.count += 1;
            match file {
                Some(Ok(job)) => self.start(number, job),
                Some(Err(error)) => {
                    self.files = None;
                    return Some(Err(TransferFailed {
                        number,
                        file: None,
                        error,
                    }));
                }
                None => self.files = None,
            }
        }
        if self.files.is_some() {
            self.bucket.client.workers.tuner().wanted();
        }
        let outcome = self.tasks.wait()?;
        if let Err(failed) = &outcome
            && (self.fail_fast || self.concerns_all(&failed.error))
        {
            self.files = None;
        }
        Some(outcome)
    }
}

impl<T: Send + 'static> FusedIterator for Transfers<'_, T> {}

impl<T> fmt::Debug for Transfers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers")
            .field("bucket", &self.bucket)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// A call with a token of its own ends with the others as well.
fn ended_by(own: Option<&CancelToken>, stop: &CancelToken) -> CancelToken {
    own.map_or_else(|| stop.clone(), |own| CancelToken::either(own, stop))
}

/// # Transferring many files
///
/// These calls transfer the files that the caller names. To make a directory and a folder equal, use
/// [`sync`](crate::sync), which finds out what has to be transferred.
impl Bucket {
    /// Uploads files, as many at a time as the `B2Api` has workers. A large file is uploaded in parallel
    /// parts besides.
    ///
    /// Pairs of a local path and a name in the bucket are files; [`FileToUpload`] has others, and options
    /// for each. The iterator of files is advanced only as far as results are taken, so it can be endless or
    /// slow, and never has to fit into memory.
    ///
    /// Every file is a new version, also if its content is stored already. The requests are free, and those
    /// that [`upload_local_file`](Self::upload_local_file) sends for each file; upload URLs are shared.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # std::fs::write(directory.path().join("1.jpg"), b"1").unwrap();
    /// let mut files = Vec::new();
    /// for entry in std::fs::read_dir(directory.path()).unwrap() {
    ///     let entry = entry.unwrap();
    ///     match entry.file_name().into_string() {
    ///         Ok(name) if entry.path().is_file() => {
    ///             files.push((entry.path(), format!("photos/{name}")));
    ///         }
    ///         Ok(_) => {}
    ///         // Names in a bucket are UTF-8. With replaced characters, two files could get one name.
    ///         Err(name) => eprintln!("{name:?} is not UTF-8 and is left out"),
    ///     }
    /// }
    /// for result in bucket.upload_many(files) {
    ///     match result {
    ///         Ok(file) => println!("{}", file.outcome.version().file_name),
    ///         Err(failed) => eprintln!("{failed}: {}", failed.error),
    ///     }
    /// }
    /// assert_eq!(bucket.ls("photos")?.count(), 1);
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// The call itself cannot fail. A result is [`TransferFailed`] with what the upload of that file failed
    /// with, and the others continue. After an error that is not about a file, such as refused credentials,
    /// a cap or a used-up budget, no other file is started, and files that were not started have no result.
    ///
    /// # Consequences
    /// Files that were uploaded before a failure remain. `number` in the results tells which files are
    /// missing: those that failed, and those without a result.
    pub fn upload_many<'a, F>(&self, files: F) -> Transfers<'a, Uploaded>
    where
        F: IntoIterator<Item: Into<FileToUpload>, IntoIter: Send + 'a>,
    {
        self.upload_many_with(files, &TransferManyOptions::default())
    }

    /// Uploads files with options: ending at the first failure, cancelling.
    ///
    /// # Errors
    /// The call itself cannot fail. A result is [`TransferFailed`] with what the upload of that file
    /// failed with, and the others continue unless [`fail_fast`](TransferManyOptions::fail_fast) is set.
    /// After that, after a cancellation, and after an error that is not about a file, such as refused
    /// credentials or a cap, no other file is started, and files that were not started have no result.
    pub fn upload_many_with<'a, F>(
        &self,
        files: F,
        options: &TransferManyOptions,
    ) -> Transfers<'a, Uploaded>
    where
        F: IntoIterator<Item: Into<FileToUpload>, IntoIter: Send + 'a>,
    {
        let jobs = files.into_iter().map(|file| Ok(file.into().into_job()));
        Transfers::new(self, jobs, options)
    }

    /// Downloads files to local paths, as many at a time as the `B2Api` has workers. A large file is
    /// downloaded in parallel ranges besides.
    ///
    /// The files are results, as listings yield them; an error among them is passed on as a result, and no
    /// other file is started. Pairs of a name in the bucket and a local path are files; [`FileToDownload`]
    /// has others, and options for each.
    ///
    /// Each file is saved as [`Download::save_to`](crate::Download::save_to) does: a path never holds an
    /// incomplete file. Every file takes at least one request of class B, also if the path has its content
    /// already.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let bucket = b2_api.create_bucket("example-mybucket-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # bucket.upload_bytes(b"1", "photos/1.jpg")?;
    /// # let temporary = tempfile::tempdir().unwrap();
    /// # let path = temporary.path();
    /// use std::sync::Arc;
    ///
    /// use b2sdk::many::FileToDownload;
    /// use b2sdk::LsOptions;
    /// use b2sdk::local::LocalDirectory;
    ///
    /// let directory = Arc::new(LocalDirectory::new(path));
    /// let recursive = LsOptions::new().recursive(true);
    /// let files = bucket.ls_with("photos", &recursive)?.map(|entry| {
    ///     let version = entry?.version;
    ///     Ok(FileToDownload::under(&version, &directory))
    /// });
    /// for result in bucket.download_many(files) {
    ///     if let Err(failed) = result {
    ///         eprintln!("{failed}: {}", failed.error);
    ///     }
    /// }
    /// assert_eq!(std::fs::read(path.join("photos/1.jpg")).unwrap(), b"1");
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// The call itself cannot fail. A result is [`TransferFailed`] with what the download of that file failed
    /// with, and the others continue. After an error that is not about a file, such as refused credentials,
    /// a cap or a used-up budget, no other file is started.
    pub fn download_many<'a, F, V>(&self, files: F) -> Transfers<'a, Saved>
    where
        F: IntoIterator<Item = Result<V>, IntoIter: Send + 'a>,
        V: Into<FileToDownload>,
    {
        self.download_many_with(files, &TransferManyOptions::default())
    }

    /// Downloads files with options: ending at the first failure, cancelling.
    ///
    /// # Errors
    /// The call itself cannot fail. A result is [`TransferFailed`] with what the download of that file
    /// failed with, and the others continue unless [`fail_fast`](TransferManyOptions::fail_fast) is set.
    /// After that, after a cancellation, after an error among the files, and after one that is not about
    /// a file, such as refused credentials or a cap, no other file is started.
    pub fn download_many_with<'a, F, V>(
        &self,
        files: F,
        options: &TransferManyOptions,
    ) -> Transfers<'a, Saved>
    where
        F: IntoIterator<Item = Result<V>, IntoIter: Send + 'a>,
        V: Into<FileToDownload>,
    {
        let jobs = files.into_iter().map(|file| Ok(file?.into().into_job()));
        Transfers::new(self, jobs, options)
    }
}
