//! What a large file that failed leaves at the service.

use std::fmt;

use crate::error::Error;
use crate::model::id::FileId;

/// A failure that left an unfinished large file behind, in [`Error::LargeFileLeft`]. The parts of the file
/// are stored and billed until it is finished or cancelled.
///
/// A call that is made again with [`Resume::Matching`](crate::Resume::Matching) finds the file by itself;
/// [`Bucket::cancel_unfinished_large_files`](crate::Bucket::cancel_unfinished_large_files) removes files
/// that nobody resumes.
///
/// ```no_run
/// use b2sdk::error::WhyLeft;
/// use b2sdk::{Error, Resume, UploadOptions};
///
/// # fn backup(bucket: &b2sdk::Bucket) -> b2sdk::Result<()> {
/// let options = UploadOptions::new().resume(Resume::Matching);
/// match bucket.upload_local_file_with("disk.img", "disk.img", &options) {
///     Err(Error::LargeFileLeft(left)) if left.why == WhyLeft::ForResuming => {
///         println!("{}; going on with {} tomorrow", left.failure, left.file_id);
///     }
///     other => drop(other?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct LargeFileLeft {
    /// The id of the unfinished file, with which it can be resumed
    /// ([`Resume::From`](crate::Resume::From)) or cancelled
    /// ([`B2Api::cancel_large_file`](crate::B2Api::cancel_large_file)).
    pub file_id: FileId,
    /// The reason why the file was not cancelled, which says whether it can be resumed.
    pub why: WhyLeft,
    /// The failure of the call. [`Error::failure`] returns it too.
    pub failure: Error,
}

/// The reason why an unfinished large file was not cancelled after a failure, in [`LargeFileLeft`].
/// Its parts are stored and billed until it is finished or cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhyLeft {
    /// The options ask for resuming. Making the same call again continues the file.
    ForResuming,
    /// Cancelling it failed as well, for example because the network is down. Cancel it later with
    /// [`B2Api::cancel_large_file`](crate::B2Api::cancel_large_file).
    NotCancelled,
    /// The answer to finishing it was lost, and it could not be found out whether the file is
    /// complete. Look for the file before you create it again.
    MayBeFinished,
}

impl fmt::Display for LargeFileLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failure, file_id) = (&self.failure, &self.file_id);
        let why = match self.why {
            WhyLeft::ForResuming => "is left to be resumed",
            WhyLeft::NotCancelled => "could not be cancelled, and is left",
            WhyLeft::MayBeFinished => "may be finished, or be left unfinished",
        };
        write!(f, "{failure}; the large file {file_id} {why}")
    }
}

impl std::error::Error for LargeFileLeft {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.failure)
    }
}
