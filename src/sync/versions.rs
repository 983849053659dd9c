//! Which versions of a name are deleted: pure. Versions come newest first, one at a time, so that
//! their number does not matter; those that are deleted are deleted in the other direction.
//!
//! A version is superseded at the time at which the next newer one was made, hide markers included.
//! A hide marker has no content, and counts from when it was made itself: once it is old enough,
//! everything below it was superseded earlier still.
//!
//! | rule | versions, newest first | deleted |
//! |---|---|---|
//! | `Keep` | any | none |
//! | `Everything` | `c`, `b`, `a` | all |
//! | `Superseded` | `c`, `b`, `a` | `b`, `a`; `c` too if the run replaces it |
//! | `SupersededFor` 10 days | made 5, 15 and 25 days ago | the oldest: it was superseded 15 days ago |
//! | `SupersededFor` 10 days | marker of 12 days ago, version of 14 days ago | both |

use crate::sync::step::{Reason, VersionKind};

/// Which versions of a name are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// None of them.
    Keep,
    /// All of them: the name is an orphan.
    Everything,
    /// All but the newest one, which is deleted as well if the run replaces it.
    Superseded,
    /// Those that were superseded longer ago than this number of milliseconds, and hide markers
    /// that are older than that. The newest upload stays.
    SupersededFor(i64),
}

/// Decides about one version of a name after the other, newest first, with the time of the version
/// before as its only memory: a name with a million versions takes no more room than one with two.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    rule: Rule,
    /// Whether a new version is about to be stored.
    is_replaced: bool,
    /// When the next newer version was made.
    newer: Option<i64>,
}

/// A version that is deleted: what it is, and why.
///
/// `Everything` makes each an orphan; the other rules give the time since which it was superseded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pruned {
    pub(super) kind: VersionKind,
    pub(super) reason: Reason,
}

impl Fold {
    /// Begins with a name of which no version has been seen.
    pub(super) const fn new(rule: Rule, is_replaced: bool) -> Self {
        Self {
            rule,
            is_replaced,
            newer: None,
        }
    }

    /// Returns whether the run replaces the newest version, so that versions are deleted only after
    /// that transfer.
    pub(super) const fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// Takes the next older version, which was made at this time, and decides about it.
    ///
    /// `made` and `now` are in milliseconds since 1970 by the service's clock. A version of exactly
    /// the age is kept.
    pub(super) fn next(&mut self, is_marker: bool, made: i64, now: i64) -> Option<Pruned> {
        let newer = self.newer.replace(made);
        let kind = match newer {
            _ if is_marker => VersionKind::HideMarker,
            None if !self.is_replaced => VersionKind::Newest,
            _ => VersionKind::Old,
        };
        let since = if is_marker { Some(made) } else { newer };
        let is_newest = newer.is_none();
        let goes = match self.rule {
            Rule::Keep => false,
            Rule::Everything => true,
            Rule::Superseded => !is_newest || self.is_replaced,
            Rule::SupersededFor(age) => since.is_some_and(|since| now.saturating_sub(since) > age),
        };
        let reason = match self.rule {
            Rule::Everything => Reason::Orphan,
            _ => Reason::OldVersion {
                since: since.filter(|_| !is_newest || is_marker),
            },
        };
        goes.then_some(Pruned { kind, reason })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fold, Rule};

    const DAY: i64 = 86_400_000;

    /// Which of these versions go, newest first: whether it is a marker, and its age in days.
    fn goes(rule: Rule, is_replaced: bool, versions: &[(bool, f64)]) -> Vec<bool> {
        let now = 1_000 * DAY;
        let mut fold = Fold::new(rule, is_replaced);
        let made = |age: &f64| now - (age * DAY as f64) as i64;
        let mut decide = |(is_marker, age): &(bool, f64)| fold.next(*is_marker, made(age), now);
        versions
            .iter()
            .map(|version| decide(version).is_some())
            .collect()
    }

    /// The rows that b2sdk for Python decided about, with 10 days.
    #[test]
    fn versions_that_have_their_upload_time_go_when_they_go_in_python() {
        let rule = Rule::SupersededFor(10 * DAY);
        for (versions, expected) in [
            (
                &[(false, 5.0), (false, 15.0), (false, 25.0)][..],
                &[false, false, true][..],
            ),
            (
                &[(true, 2.0), (false, 4.0), (false, 6.0)],
                &[false, false, false],
            ),
            (&[(true, 12.0), (false, 14.0)], &[true, true]),
            (&[(false, 10.0), (false, 11.0)], &[false, false]),
            (&[(false, 10.0001), (false, 11.0)], &[false, true]),
        ] {
            assert_eq!(goes(rule, false, versions), expected, "{versions:?}");
        }
    }

    #[test]
    fn the_newest_version_goes_only_with_an_orphan_or_after_its_successor() {
        let versions = [(false, 50.0), (false, 60.0)];
        assert_eq!(goes(Rule::Keep, true, &versions), [false, false]);
        assert_eq!(goes(Rule::Everything, false, &versions), [true, true]);
        assert_eq!(goes(Rule::Superseded, false, &versions), [false, true]);
        assert_eq!(goes(Rule::Superseded, true, &versions), [true, true]);
        assert_eq!(
            goes(Rule::SupersededFor(DAY), true, &versions),
            [false, true]
        );
    }

    proptest! {
        /// What is left never shows content that was superseded: all that is below a marker that goes has
        /// gone before it.
        #[test]
        fn a_marker_goes_only_with_everything_below_it(
            steps in proptest::collection::vec((any::<bool>(), 0.0..20.0_f64), 1..8), days in 0..30_i64,
        ) {
            let mut age = 0.0;
            let versions: Vec<_> = steps.iter().map(|(is_marker, later)| {
                age += later;
                (*is_marker, age)
            }).collect();
            let goes = goes(Rule::SupersededFor(days * DAY), false, &versions);
            for (at, (is_marker, _)) in versions.iter().enumerate() {
                if *is_marker && goes[at] {
                    prop_assert!(goes[at..].iter().all(|goes| *goes));
                }
            }
        }
    }
}
