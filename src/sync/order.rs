//! The order of the entries of one directory that makes a walk visit all files in the order of the
//! bytes of their whole names: pure.
//!
//! | entries of one directory | order | because of |
//! |---|---|---|
//! | file `a`, directory `a-b` | `a`, `a-b/` | `a` is the beginning of the other |
//! | directory `a`, file `a.txt` | `a.txt`, `a/` | `.` comes before `/` |
//! | directory `a`, file `a0` | `a/`, `a0` | `/` comes before `0` |

use std::cmp::Ordering;

/// Compares two entries of one directory by name, and whether they are directories: a directory
/// counts as if its name ended with `/`. Equal names of a file and a directory cannot occur; the
/// file comes first.
///
/// Only the first byte behind the common beginning decides, so that no name is copied to append the
/// `/`.
pub(super) fn compare(
    (one, one_is_directory): (&[u8], bool),
    (other, other_is_directory): (&[u8], bool),
) -> Ordering {
    let common = one.len().min(other.len());
    let (one_head, one_tail) = one.split_at(common);
    let (other_head, other_tail) = other.split_at(common);
    let next = |tail: &[u8], is_directory: bool| match tail.first() {
        Some(byte) => Some(*byte),
        None if is_directory => Some(b'/'),
        None => None,
    };
    one_head
        .cmp(other_head)
        .then_with(|| next(one_tail, one_is_directory).cmp(&next(other_tail, other_is_directory)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::compare;

    /// The paths below a directory, in the order of the walk.
    fn walk(paths: &BTreeSet<Vec<String>>, depth: usize, found: &mut Vec<String>) {
        let mut entries: BTreeMap<&str, BTreeSet<Vec<String>>> = BTreeMap::new();
        for path in paths {
            entries
                .entry(&path[depth])
                .or_default()
                .insert(path.clone());
        }
        let is_directory =
            |below: &BTreeSet<Vec<String>>| below.iter().any(|path| path.len() > depth + 1);
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(one, below), (other, below_other)| {
            let one = (one.as_bytes(), is_directory(below));
            compare(one, (other.as_bytes(), is_directory(below_other)))
        });
        for (_, below) in entries {
            if is_directory(&below) {
                walk(&below, depth + 1, found);
            } else {
                found.extend(below.iter().map(|path| path.join("/")));
            }
        }
    }

    proptest! {
        #[test]
        fn the_walk_visits_files_in_the_order_of_their_whole_names(
            paths in proptest::collection::btree_set(
                proptest::collection::vec("[a !.0~é\u{fffd}\u{1f600}-]{1,3}", 1..4), 0..40),
        ) {
            // A file and a directory cannot have one name.
            let is_file = |path: &Vec<String>| {
                !paths.iter().any(|other| other.len() > path.len() && other.starts_with(path))
            };
            let paths: BTreeSet<_> = paths.iter().filter(|path| is_file(path)).cloned().collect();
            let mut found = Vec::new();
            walk(&paths, 0, &mut found);
            let mut sorted = found.clone();
            sorted.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
            prop_assert_eq!(found, sorted);
        }
    }
}
