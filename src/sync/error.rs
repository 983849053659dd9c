//! Why a synchronization is refused, or is not complete.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sync::report::SyncReport;

/// Why a synchronization did not do all that it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The run was refused before anything was changed.
    #[error("nothing was changed: {0}")]
    Refused(Refused),
    /// Something that should have happened did not. The report tells what happened and what did not.
    #[error("the synchronization is incomplete: {0}")]
    Incomplete(Box<SyncReport>),
    /// A scan failed, so that there is no plan.
    #[error("the plan cannot be made")]
    Scan(#[source] Box<Error>),
}

impl SyncError {
    /// The report of a run, as an error if the run was not complete.
    pub(super) fn judge(report: SyncReport) -> Result<SyncReport, Self> {
        match report.is_complete() {
            true => Ok(report),
            false => Err(Self::Incomplete(Box::new(report))),
        }
    }
}

/// Why a run was refused before anything was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Two options contradict each other, or do not fit the destination.
    #[error("the options contradict each other: {reason}")]
    Contradiction {
        /// Which options, and what to do.
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
    /// Both places are local directories.
    #[error("both places are local: one of them has to be in a bucket")]
    LocalToLocal,
    /// One place lies inside of the other, so that every run would copy its own copies.
    #[error("{inner} lies inside of {outer}")]
    Overlap {
        /// The place inside.
        inner: Box<str>,
        /// The place around it.
        outer: Box<str>,
    },
    /// The text names no place.
    #[error("{text:?} is no place to synchronize: {reason}")]
    Place {
        /// What was given.
        text: Box<str>,
        /// What was understood, and what was expected.
        reason: Box<str>,
    },
    /// A local directory cannot be used.
    #[error("{} cannot be synchronized: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The marker file is not in the source, which is therefore not mounted, or is another directory.
    #[error("the marker file {} is not there: is the source mounted?", path.display())]
    MarkerMissing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The source has no file that passes the filters.
    #[error(
        "the source has no file, and the destination {destination}: allow an empty source if that is right"
    )]
    SourceEmpty {
        /// How many files the destination has.
        destination: u64,
    },
    /// More names would be removed than the limit allows.
    #[error("{removals} of {names} names would be removed, and the limit is {limit}")]
    RemovalLimit {
        /// How many names would be removed.
        removals: u64,
        /// How many names the destination has.
        names: u64,
        /// How many the limit allows.
        limit: u64,
    },
    /// The application key may not do what the options ask for, or the account cannot be used.
    #[error("{0}")]
    NotAllowed(#[source] Box<Error>),
}

impl Refused {
    pub(super) fn contradiction(reason: &str) -> SyncError {
        SyncError::Refused(Self::Contradiction {
            reason: reason.into(),
        })
    }

    pub(super) fn directory(path: &Path, reason: impl Into<Box<str>>) -> SyncError {
        SyncError::Refused(Self::Directory {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }
}
