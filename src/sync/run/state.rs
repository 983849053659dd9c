//! What the calling thread remembers of a run, within bounds that do not depend on the number of
//! files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::sync::staged::Staged;
use crate::sync::step::{Action, SyncStep};

/// How many names are remembered of each kind. If more transfers than these did not succeed, nothing
/// is removed; if more files changed while they were read, they
/// are not tried again; if more files wait for their place, they are problems.
pub(super) const REMEMBERED: usize = 10_000;

/// What is known of the earlier steps of a name.
pub(super) enum Lacks {
    /// Each was made, or there was none.
    Made,
    /// One was not made.
    NotMade,
    /// More steps were not made than are remembered, and one of this name may be among them.
    Unknown,
}

/// It belongs to the calling thread.
#[derive(Default)]
pub(super) struct State {
    /// The number of transfers that did not succeed.
    pub(super) failed_transfers: u64,
    /// The number of uploads whose file was gone when its turn came. It may have been moved to a
    /// name that was scanned before, so that an orphan may be its only copy.
    pub(super) vanished: u64,
    /// The number of removals that were left out because of that, or because too many steps were
    /// not made.
    pub(super) left_out: u64,
    /// Those of them that were left out because too many steps were not made.
    pub(super) unknown: u64,
    /// How many steps in a row failed because no connection could be made.
    pub(super) unreachable: usize,
    /// The names of transfers that were not made, whatever the reason.
    not_made: BTreeSet<String>,
    /// Whether there were too many of them, so that any name may be one.
    forgets: bool,
    /// Uploads whose source changed while it was read.
    pub(super) again: Vec<SyncStep>,
    /// Whether files that changed are being tried again, so that the next change is a problem.
    pub(super) is_second_round: bool,
    /// The removals of one name that are gathered.
    pub(super) batch: Vec<SyncStep>,
    /// Downloads that wait for removals to free their places, by name.
    pub(super) staged: BTreeMap<String, (SyncStep, Staged)>,
    /// Whether the directory of a local destination is there: it is made for the first file.
    pub(super) has_root: bool,
    /// Whether the barrier is behind.
    pub(super) is_removing: bool,
    /// The number of removals that the plan has not yielded yet. For a saved plan it is not known,
    /// and 0.
    pub(super) removals_left: u64,
    /// When the run began, on the clock that never goes back.
    pub(super) began: Duration,
    /// The bytes of the transfers that were handed out.
    pub(super) handed_out: u64,
}

impl State {
    /// Creates the state of a run that begins now.
    pub(super) fn new(began: Duration) -> Self {
        Self {
            began,
            ..Self::default()
        }
    }

    /// Notes that a step was not made, so that nothing is removed that depends on it.
    pub(super) fn note_not_made(&mut self, step: &SyncStep) {
        if self.not_made.len() >= REMEMBERED {
            self.forgets = true;
            return;
        }
        if let Action::CopyRenamed { from } = &step.action {
            self.not_made.insert(from.clone());
        }
        self.not_made.insert(step.name.clone());
    }

    /// The names of the downloads whose place the removal of this name may have freed: those of the
    /// directories that it was in, and those below it.
    pub(super) fn waiting_for(&self, removed: &str) -> Vec<String> {
        let slashes = removed.match_indices('/');
        let above = slashes.filter_map(|(at, _)| removed.get(..at));
        let above = above.filter(|name| self.staged.contains_key(*name));
        let start = format!("{removed}/");
        let from = self.staged.range(start.clone()..);
        let below = from
            .map(|(name, _)| name.as_str())
            .take_while(|name| name.starts_with(&start));
        above.chain(below).map(str::to_owned).collect()
    }

    /// Whether a name lies below one whose step was not made, or the other way round: of local
    /// files, one is in the way of the other.
    fn is_in_the_way(&self, name: &str) -> bool {
        let mut above = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
        let start = format!("{name}/");
        let below = self.not_made.range(start.clone()..).next();
        above.any(|name| self.not_made.contains(name))
            || below.is_some_and(|name| name.starts_with(&start))
    }

    /// What is known of the earlier steps that a removal depends on.
    pub(super) fn lacks(&self, removal: &SyncStep) -> Lacks {
        let is_local = matches!(removal.action, Action::DeleteLocal | Action::SetAside);
        if self.not_made.contains(&removal.name) || (is_local && self.is_in_the_way(&removal.name))
        {
            Lacks::NotMade
        } else if self.forgets {
            Lacks::Unknown
        } else {
            Lacks::Made
        }
    }
}
