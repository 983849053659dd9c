//! How many names may be removed: pure. The number is compared when both scans have ended, before
//! the first transfer, so that a run that is refused for it has changed nothing.
//!
//! | limit | names at the destination | names that may be removed |
//! |---|---|---|
//! | 50 percent | 19 | any number |
//! | 50 percent | 21 | 10 |
//! | 3 | 1 | 3, so that there is no limit in effect |
//! | 0 | any | none |
//!
//! The planner counts a name as removed when it plans to hide or delete its file, however many
//! versions that takes.

use crate::sync::options::RemovalLimit;

/// From this number of names on, a percentage applies. Of a few names, half are soon removed on
/// purpose.
const SHARE_FROM: u64 = 20;

/// Returns how many of `names` may be removed, rounded down; `None` if any number may be. Names
/// that are hidden in a bucket count neither as names nor as removals.
pub(super) fn removal_limit(limit: RemovalLimit, names: u64) -> Option<u64> {
    match limit {
        RemovalLimit::None => None,
        RemovalLimit::Count(count) => Some(count),
        RemovalLimit::Percent(_) if names < SHARE_FROM => None,
        RemovalLimit::Percent(share) => {
            let removed = u128::from(names) * u128::from(share) / 100;
            Some(u64::try_from(removed).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::removal_limit;
    use crate::sync::options::RemovalLimit;

    #[test]
    fn a_share_counts_from_20_names_on() {
        let half = RemovalLimit::default();
        assert_eq!(removal_limit(half, 19), None);
        assert_eq!(removal_limit(half, 20), Some(10));
        assert_eq!(removal_limit(half, 21), Some(10));
        assert_eq!(removal_limit(RemovalLimit::Count(3), 1), Some(3));
        assert_eq!(removal_limit(RemovalLimit::Count(0), 1000), Some(0));
        assert_eq!(removal_limit(RemovalLimit::None, 1000), None);
    }
}
