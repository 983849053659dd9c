//! Why a synchronization is refused, or is not complete.
//!
//! | stage | error | what was changed |
//! |---|---|---|
//! | before the scans | `Refused` | nothing |
//! | scans of a plan | `Scan` | nothing |
//! | end of the scans | `Refused`: an empty source, too many removals | nothing |
//! | a run from its first step on | `Incomplete`, with the report | what the report says |
//!
//! A run never ends with `Scan`: a listing that fails after the first transfers is an early end
//! with a report.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sync::report::SyncReport;

/// The error of a synchronization that did not do all that it was asked to do.
///
/// ```no_run
/// # fn backup(sync: &b2sdk::sync::Synchronizer) {
/// use b2sdk::sync::SyncError;
///
/// match sync.run() {
///     Ok(report) => println!("{report}"),
///     Err(SyncError::Incomplete(report)) => {
///         for problem in report.problems.iter().filter(|problem| problem.kind.is_failure()) {
///             eprintln!("{problem}");
///         }
///     }
///     Err(error) => eprintln!("{error}"),
/// }
/// # }
/// ```
///
/// | variant | the next thing to do |
/// |---|---|
/// | `Refused` | change the options, the key or the places; then run again |
/// | `Incomplete` | read the problems; running again continues from there |
/// | `Scan` | plan again, after the cause inside is gone |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The run or plan was refused before anything was changed. Running it again does not help
    /// before the reason is gone.
    #[error("nothing was changed: {0}")]
    Refused(Refused),
    /// Something that should have happened did not. The report says what happened and what did not.
    ///
    /// What was transferred remains, and the next run continues from there. [`SyncReport::fatal`]
    /// has the error if one ended the run, and [`SyncReport::problems`] those of single names.
    #[error("the synchronization is incomplete: {0}")]
    Incomplete(Box<SyncReport>),
    /// One side could not be scanned to its end, so that there is no plan.
    ///
    /// Only plans end with this; a run reports such a failure in [`SyncReport::fatal`]. A token
    /// that cancels a plan, a listing that is out of order, and a full disk for temporary files also
    /// end it this way.
    #[error("the plan cannot be made")]
    Scan(#[source] Box<Error>),
}

impl SyncError {
    /// The report of a run, as an error if the run was not complete.
    ///
    /// Every run and every plan that came to a report ends here, so that `Ok` has one meaning.
    pub(super) fn judge(report: SyncReport) -> Result<SyncReport, Self> {
        match report.is_complete() {
            true => Ok(report),
            false => Err(Self::Incomplete(Box::new(report))),
        }
    }
}

/// The reason why a run was refused before anything was changed, in [`SyncError::Refused`].
///
/// A run that is refused has sent no content and removed nothing. The first four and `Place` depend
/// on the program alone; the others on what is found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Two options contradict each other, or do not fit the destination.
    /// Examples are hiding local files, and setting files aside inside of the destination.
    #[error("the options contradict each other: {reason}")]
    Contradiction {
        /// Which options contradict each other, and what to do.
        reason: Box<str>,
    },
    /// A filter is no regular expression, or is one that the crate `regex` does not know.
    #[error("{expression:?} is no regular expression: {reason}")]
    Regex {
        /// The filter.
        expression: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// Both places are local directories. One of them has to be in a bucket.
    #[error("both places are local: one of them has to be in a bucket")]
    LocalToLocal,
    /// One place lies inside of the other, so that every run would copy its own copies.
    #[error("{inner} lies inside of {outer}")]
    Overlap {
        /// The place that lies inside, as `b2://bucket/folder/`.
        inner: Box<str>,
        /// The place around it, as `b2://bucket/folder/`.
        outer: Box<str>,
    },
    /// A text that was parsed as a [`PlaceName`](crate::sync::PlaceName) names no place.
    #[error("{text:?} is no place to synchronize: {reason}")]
    Place {
        /// The text that was given.
        text: Box<str>,
        /// What is wrong with the text, and what was expected.
        reason: Box<str>,
    },
    /// A local directory cannot be used, for example because it does not exist or may not be read.
    #[error("{} cannot be synchronized: {reason}", path.display())]
    Directory {
        /// The path of the directory.
        path: PathBuf,
        /// What is wrong with the directory.
        reason: Box<str>,
    },
    /// The file that [`LocalFolder::marker`](crate::sync::LocalFolder::marker) names is not in the
    /// source, which is therefore not mounted, or is another directory.
    #[error("the marker file {} is not there: is the source mounted?", path.display())]
    MarkerMissing {
        /// The path at which the file was expected.
        path: PathBuf,
    },
    /// The source has no file that passes the filters.
    ///
    /// [`SyncOptions::allow_empty_source`](crate::sync::SyncOptions::allow_empty_source) allows
    /// that. Hidden files and directories do not count as files.
    #[error(
        "the source has no files, and the destination has {destination}: check the names of both, and allow an empty source if that is right"
    )]
    SourceEmpty {
        /// The number of files that the destination has.
        destination: u64,
    },
    /// More names would be removed than [`RemovalLimit`](crate::sync::RemovalLimit) allows.
    /// Both sides were scanned for this, which costs the listings.
    #[error("{removals} of {names} names would be removed, and the limit is {limit}")]
    RemovalLimit {
        /// The number of names that would be removed.
        removals: u64,
        /// The number of names that the destination has.
        names: u64,
        /// The number of names that the limit allows to remove.
        limit: u64,
    },
    /// The application key may not do what the options ask for, or nothing is authorized.
    ///
    /// The error inside says what is missing. It is found before anything is listed, by the
    /// capabilities, the bucket and the name prefix of the key. An expired token is renewed for
    /// that; if the renewal fails, its error is inside.
    #[error("{0}")]
    NotAllowed(#[source] Box<Error>),
}

impl Refused {
    /// Refuses options. The reason must say what contradicts what, and what to choose instead.
    pub(super) fn contradiction(reason: &str) -> SyncError {
        SyncError::Refused(Self::Contradiction {
            reason: reason.into(),
        })
    }

    /// Refuses a local directory, for the reason of the system or one of this module.
    pub(super) fn directory(path: &Path, reason: impl Into<Box<str>>) -> SyncError {
        SyncError::Refused(Self::Directory {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }
}
