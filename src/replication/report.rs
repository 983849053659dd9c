//! What the monitor has seen, counted.

use std::collections::BTreeMap;

use crate::model::replication::ReplicationStatus;

/// What a name is on one side: its newest version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Side {
    /// Nobody looked: there was no destination to compare with.
    NotScanned,
    /// There is no file of that name.
    Missing,
    /// The newest version is a hide marker.
    Hidden,
    /// There is a file, and this became of its replication; none where no rule applies to it.
    File(Option<ReplicationStatus>),
}

/// What a name is on both sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct PairState {
    /// In the source bucket.
    pub source: Side,
    /// In the destination bucket.
    pub destination: Side,
    /// Both are files, and sizes or checksums differ.
    pub content_differs: bool,
    /// Both are files, and content types or file info differ.
    pub metadata_differs: bool,
}

/// The names of one state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// How many.
    pub files: u64,
    /// How many bytes they have, in the source if they are there.
    pub bytes: u64,
    /// The first of them, and the last: somewhere to look.
    pub samples: Option<(String, String)>,
}

/// What the monitor has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many names there are of each state.
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

    /// How many names are of such a state.
    pub fn files(&self, is_counted: impl Fn(&PairState) -> bool) -> u64 {
        let counted = self.counts.iter().filter(|(state, _)| is_counted(state));
        counted.map(|(_, count)| count.files).sum()
    }

    /// How many files of the source have this status; `None` for those that no rule applies to.
    #[must_use]
    pub fn with_status(&self, status: Option<&ReplicationStatus>) -> u64 {
        self.files(|state| match &state.source {
            Side::File(own) => own.as_ref() == status,
            _ => false,
        })
    }

    /// How many files of the source are not, or only hidden, in the destination.
    #[must_use]
    pub fn missing_on_destination(&self) -> u64 {
        self.files(|state| {
            matches!(state.source, Side::File(_))
                && matches!(state.destination, Side::Missing | Side::Hidden)
        })
    }

    /// How many files are in the destination only.
    #[must_use]
    pub fn missing_on_source(&self) -> u64 {
        self.files(|state| {
            state.source == Side::Missing && matches!(state.destination, Side::File(_))
        })
    }

    /// How many files differ in content or metadata.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.files(|state| state.content_differs || state.metadata_differs)
    }

    /// How many names are hidden in the source.
    #[must_use]
    pub fn hidden_on_source(&self) -> u64 {
        self.files(|state| state.source == Side::Hidden)
    }

    /// Whether each file of the source that a rule applies to, and that is no replica itself, is in
    /// the destination as it is in the source. Only a scan of both sides can tell.
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
