//! The rule for a list of buckets that replaces a store's map: of buckets with a name or an id in
//! common the last one counts, as if they were saved one after the other.
//!
//! The stores in memory, on SQLite and on PostgreSQL share this function. The script of the store
//! on Redis saves the buckets in turn. The conformance kit checks the rule.

use std::collections::HashSet;

use crate::model::id::BucketId;

/// The buckets of the list that have neither a name nor an id in common with a later one, the last
/// one first.
///
/// A bucket that a later one replaces still replaces those before it. So the names and ids of all
/// later buckets count, not only of those that stay.
pub(super) fn last_of_each(buckets: &[(String, BucketId)]) -> Vec<(&str, &BucketId)> {
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    buckets
        .iter()
        .rev()
        .filter(|(name, id)| {
            let (is_new_name, is_new_id) = (names.insert(name), ids.insert(id));
            is_new_name && is_new_id
        })
        .map(|(name, id)| (name.as_str(), id))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::last_of_each;
    use crate::model::id::BucketId;

    proptest! {
        #[test]
        fn what_stays_is_what_saving_one_after_the_other_leaves(
            listed in proptest::collection::vec((0..5u8, 0..5u8), 0..12),
        ) {
            let listed: Vec<(String, BucketId)> = listed
                .into_iter()
                .map(|(name, id)| (name.to_string(), id.to_string().as_str().into()))
                .collect();
            let mut saved: BTreeMap<&str, &BucketId> = BTreeMap::new();
            for (name, id) in &listed {
                saved.retain(|_, known| *known != id);
                saved.insert(name, id);
            }
            let left: BTreeMap<_, _> = last_of_each(&listed).into_iter().collect();
            prop_assert_eq!(left, saved);
        }
    }
}
