//! What has to be true before anything is removed: pure.

use crate::sync::options::RemovalLimit;

/// With fewer names than these, a share of them says nothing.
const SHARE_FROM: u64 = 20;

/// How many names may be removed of so many; none if any number may be.
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
