//! What a large file that failed leaves at the service.

use std::fmt;

use crate::error::Error;
use crate::model::id::FileId;

/// A failure, and the unfinished large file that it left, whose parts cost storage.
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
    /// The unfinished file: to go on with ([`Resume::From`](crate::Resume::From)), or to be cancelled
    /// ([`B2Api::cancel_large_file`](crate::B2Api::cancel_large_file)).
    pub file_id: FileId,
    /// Why it is still there.
    pub why: WhyLeft,
    /// What went wrong.
    pub failure: Error,
}

/// Why an unfinished large file was not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhyLeft {
    /// The upload was to be resumed: the same call goes on with it.
    ForResuming,
    /// Cancelling it failed, too.
    NotCancelled,
    /// It was to be finished, and nobody could tell whether it is: look for the file before making it
    /// again.
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
