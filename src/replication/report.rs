//! What the monitor has seen, counted.

use std::collections::BTreeMap;

use crate::model::replication::ReplicationStatus;

/// The state of a name in the source or the destination bucket, according to its newest version there. It is
/// part of [`PairState`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Side {
    /// The side was not listed, because no destination was given.
    NotScanned,
    /// There is no file with this name.
    Missing,
    /// The newest version is a hide marker.
    Hidden,
    /// There is a file, with this replication status; `None` if no rule applies to it.
    File(Option<ReplicationStatus>),
}

/// The state of a name in both buckets, from [`Pair::state`](crate::replication::Pair::state). A [`Report`]
/// counts names by it.
///
/// ```
/// use b2sdk::replication::{PairState, ReplicationStatus, Side};
///
/// /// Whether somebody should look at a file.
/// fn is_alarming(state: &PairState) -> bool {
///     matches!(state.source, Side::File(Some(ReplicationStatus::Failed))) || state.content_differs
/// }
/// # let _ = is_alarming;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct PairState {
    /// The state of the name in the source bucket.
    pub source: Side,
    /// The state of the name in the destination bucket.
    pub destination: Side,
    /// Whether both are files and their sizes or checksums differ: the destination does not have
    /// the source's content.
    pub content_differs: bool,
    /// Whether both are files and their content types or file info differ.
    pub metadata_differs: bool,
}

/// How many names of a replication are in one [`PairState`], and how large their files are: a value
/// of [`Report::counts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// The number of names that are in this state.
    pub files: u64,
    /// The total size of the files, measured in the source if they exist there.
    pub bytes: u64,
    /// The first and the last of the names, as examples to look at; `None` if there is no name.
    pub samples: Option<(String, String)>,
}

/// How far a replication is: the numbers of names by their state, from
/// [`Monitor::scan`](crate::replication::Monitor::scan). The methods answer the usual questions;
/// [`files`](Self::files) answers any other one.
///
/// ```no_run
/// # fn watch(east: &b2sdk::Bucket, west: &b2sdk::Bucket, rule: &b2sdk::replication::ReplicationRule) -> b2sdk::Result<()> {
/// use b2sdk::replication::{Monitor, ReplicationStatus};
///
/// let report = Monitor::new(east, rule).destination(west).scan()?;
/// println!("{} wait", report.with_status(Some(&ReplicationStatus::Pending)));
/// println!("{} failed", report.with_status(Some(&ReplicationStatus::Failed)));
/// println!("{} are missing", report.missing_on_destination());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of names in each state. A state that no name is in is missing.
    pub counts: BTreeMap<PairState, Count>,
}

impl Report {
    pub(super) fn add(&mut self, state: PairState, bytes: u64, name: &str) {
        let count = self.counts.entry(state).or_default();
        count.files += 1;
        count.bytes = count.bytes.saturating_add(bytes);
        match &mut count.samples {
            Some((_, last)) => name.clone_into(last),
            none => *none = Some((name.to_owned(), name.to_owned())),
        }
    }

    /// Returns the number of names whose state satisfies the predicate.
    pub fn files(&self, is_counted: impl Fn(&PairState) -> bool) -> u64 {
        let counted = self.counts.iter().filter(|(state, _)| is_counted(state));
        counted.map(|(_, count)| count.files).sum()
    }

    /// Returns the number of files of the source with this replication status; `None` counts those
    /// that no rule applies to.
    #[must_use]
    pub fn with_status(&self, status: Option<&ReplicationStatus>) -> u64 {
        self.files(|state| match &state.source {
            Side::File(own) => own.as_ref() == status,
            _ => false,
        })
    }

    /// Returns the number of files of the source that are missing or hidden in the destination.
    #[must_use]
    pub fn missing_on_destination(&self) -> u64 {
        self.files(|state| {
            matches!(state.source, Side::File(_))
                && matches!(state.destination, Side::Missing | Side::Hidden)
        })
    }

    /// Returns the number of files that exist only in the destination: they were deleted in the
    /// source, whose deletions are not replicated, or uploaded there directly.
    #[must_use]
    pub fn missing_on_source(&self) -> u64 {
        self.files(|state| {
            state.source == Side::Missing && matches!(state.destination, Side::File(_))
        })
    }

    /// Returns the number of files that both sides have and that differ in content, type or file
    /// info.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.files(|state| state.content_differs || state.metadata_differs)
    }

    /// Returns the number of names that are hidden in the source. Hiding is not replicated.
    #[must_use]
    pub fn hidden_on_source(&self) -> u64 {
        self.files(|state| state.source == Side::Hidden)
    }

    /// Returns whether each file of the source that a rule applies to, except replicas, exists
    /// unchanged in the destination. Only a scan of both sides can show that.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.files(|state| match (&state.source, &state.destination) {
            (Side::File(None | Some(ReplicationStatus::Replica)), _) => false,
            (Side::File(_), Side::File(_)) => state.content_differs || state.metadata_differs,
            (Side::File(_), _) => true,
            _ => false,
        }) == 0
    }
}
