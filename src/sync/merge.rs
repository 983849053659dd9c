//! Merging two scans by name: pure, and one item of each side in memory.
//!
//! Both scans are in the order of the bytes of their names, which is checked: a listing out of
//! order would make files look absent that are there, so it ends the merge. A marker comes before
//! what it covers, whichever side has it, because it stands at that name itself or at the
//! directory's own `/`.
//!
//! What the merge guarantees:
//!
//! - It yields each name once, in order, with what each side has under it: an outer join.
//! - A name that a marker covers is yielded with that [`Cover`], on the side that has the marker.
//!   Of markers that stand below one another, the innermost counts: a scan enters what it marks
//!   if it knows a part of it.
//! - Older versions come directly after the name that they belong to.
//! - Problems and markers come where they stand in the order, so that a report is in the order of
//!   names too.
//!
//! | source | destination | yielded |
//! |---|---|---|
//! | `a` | `b` | `a` of the source, then `b` of the destination |
//! | `a` | `a` | one pair |
//! | marker `d/` | `d/x` | the marker, then `d/x` of the destination, covered at the source |
//! | `d/x` | marker `d/` | the marker, then `d/x` of the source, covered at the destination |
//! | `b` after `c` | anything | an error, and nothing more |
//!
//! Memory holds one item of each side, its last key, and the names of its last
//! marker for a name and of the markers for directories that the last key lies in.

use std::cmp::Ordering;

use crate::sync::item::{Cover, Item, Marker, Stored};
use crate::sync::problem::Problem;

/// One side of the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Which {
    Source,
    Destination,
}

/// What the merge yields.
///
/// A marker is yielded so that its problem can be reported; its effect is in the pairs that follow.
#[derive(Debug)]
pub(super) enum Merged<E> {
    /// A name, with what each side has under it.
    Name(Pair<E>),
    /// An older version at the destination, of the name that came before.
    Older(Stored),
    /// A marker, which counts from here on.
    Marker(Marker),
    /// Something to be reported.
    Problem(Problem),
}

/// A name on both sides.
///
/// At least one side has an entry. Both covers may be set.
#[derive(Debug)]
pub(super) struct Pair<E> {
    pub(super) name: String,
    pub(super) source: Option<E>,
    pub(super) destination: Option<E>,
    /// What covers the name at the source.
    pub(super) source_cover: Option<Cover>,
    pub(super) destination_cover: Option<Cover>,
}

/// Why a merge ends early.
///
/// After one of these the merge must not be asked again.
#[derive(Debug)]
pub(super) enum MergeError<X> {
    /// A scan failed: nothing is known of what follows on that side.
    Scan(X),
    /// A name that does not come after the one before it.
    OutOfOrder(Which, String),
}

/// Two scans, merged.
///
/// It pulls from a scan only when that side has no item at hand, so that neither runs ahead of the
/// other.
#[derive(Debug)]
pub(super) struct Merge<S, D, E> {
    source: Side<S, E>,
    destination: Side<D, E>,
}

/// One scan, with its next item and what its markers cover.
#[derive(Debug)]
struct Side<I, E> {
    which: Which,
    items: I,
    /// The next item, which was taken from the scan and has not been yielded.
    head: Option<Item<E>>,
    is_ended: bool,
    /// The key of the item before.
    last: Option<String>,
    /// The name that the last marker of a single name stands for.
    covered_name: Option<(String, Cover)>,
    /// The names of directories, with the `/` at their end, and why everything below is covered.
    /// Each lies in the one before it.
    covered_below: Vec<(String, Cover)>,
}

impl<S, D, E, X> Merge<S, D, E>
where
    S: Iterator<Item = Result<Item<E>, X>>,
    D: Iterator<Item = Result<Item<E>, X>>,
{
    /// Merges two scans, neither of which has begun.
    pub(super) const fn new(source: S, destination: D) -> Self {
        Self {
            source: Side::new(Which::Source, source),
            destination: Side::new(Which::Destination, destination),
        }
    }

    /// The scan of the source.
    pub(super) const fn source(&mut self) -> &mut S {
        &mut self.source.items
    }

    /// The scan of the destination.
    pub(super) const fn destination(&mut self) -> &mut D {
        &mut self.destination.items
    }

    /// Whether the destination has nothing more.
    pub(super) const fn destination_has_ended(&self) -> bool {
        self.destination.is_ended && self.destination.head.is_none()
    }

    /// Returns what comes next; `None` when both scans are at their end. Fails if a scan fails or
    /// is out of order.
    ///
    /// Older versions and problems of the destination come first, because they belong before the
    /// next name.
    pub(super) fn next(&mut self) -> Result<Option<Merged<E>>, MergeError<X>> {
        loop {
            // Older versions belong to the name that was yielded last.
            self.destination.fill()?;
            match self.destination.take_unordered() {
                Some(Item::Older(version)) => return Ok(Some(Merged::Older(version))),
                Some(Item::Problem(problem)) => return Ok(Some(Merged::Problem(problem))),
                _ => {}
            }
            self.source.fill()?;
            match self.source.take_unordered() {
                Some(Item::Problem(problem)) => return Ok(Some(Merged::Problem(problem))),
                Some(_) => {}
                None => return Ok(self.step()),
            }
        }
    }

    /// Yields the smaller head, or both if they have one name. Neither head may be without a key.
    fn step(&mut self) -> Option<Merged<E>> {
        let order = match (self.source.key(), self.destination.key()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(source), Some(destination)) => source.as_bytes().cmp(destination.as_bytes()),
        };
        if order.is_le()
            && let Some(marker) = self.source.take_marker()
        {
            return Some(Merged::Marker(marker));
        }
        if order.is_ge()
            && let Some(marker) = self.destination.take_marker()
        {
            return Some(Merged::Marker(marker));
        }
        let source = if order.is_le() {
            self.source.take_file()
        } else {
            None
        };
        let destination = if order.is_ge() {
            self.destination.take_file()
        } else {
            None
        };
        let (name, source, destination) = match (source, destination) {
            (Some((name, source)), Some((_, destination))) => {
                (name, Some(source), Some(destination))
            }
            (Some((name, source)), None) => (name, Some(source), None),
            (None, Some((name, destination))) => (name, None, Some(destination)),
            (None, None) => return None,
        };
        Some(Merged::Name(Pair {
            source_cover: self.source.cover(&name),
            destination_cover: self.destination.cover(&name),
            name,
            source,
            destination,
        }))
    }
}

impl<I, E> Side<I, E> {
    const fn new(which: Which, items: I) -> Self {
        Self {
            which,
            items,
            head: None,
            is_ended: false,
            last: None,
            covered_name: None,
            covered_below: Vec::new(),
        }
    }

    /// Where the head stands; `None` if there is none.
    fn key(&self) -> Option<&str> {
        self.head.as_ref().and_then(Item::key)
    }

    /// Takes the next item from the scan if there is none at hand, and checks its order.
    fn fill<X>(&mut self) -> Result<(), MergeError<X>>
    where
        I: Iterator<Item = Result<Item<E>, X>>,
    {
        if self.head.is_some() || self.is_ended {
            return Ok(());
        }
        match self.items.next() {
            None => self.is_ended = true,
            Some(Err(error)) => {
                self.is_ended = true;
                return Err(MergeError::Scan(error));
            }
            Some(Ok(item)) => {
                self.check_order(&item)?;
                self.head = Some(item);
            }
        }
        Ok(())
    }

    /// Fails unless the item comes after the one before it. An equal key fails too: a name must
    /// come once.
    fn check_order<X>(&mut self, item: &Item<E>) -> Result<(), MergeError<X>> {
        let Some(key) = item.key() else {
            return Ok(());
        };
        match &mut self.last {
            Some(last) if last.as_bytes() >= key.as_bytes() => {
                self.is_ended = true;
                return Err(MergeError::OutOfOrder(self.which, key.to_owned()));
            }
            Some(last) => key.clone_into(last),
            none => *none = Some(key.to_owned()),
        }
        Ok(())
    }

    /// The head, if it stands nowhere in the order.
    fn take_unordered(&mut self) -> Option<Item<E>> {
        self.head.take_if(|item| item.key().is_none())
    }

    /// Takes the head, which must be a file.
    fn take_file(&mut self) -> Option<(String, E)> {
        match self.head.take()? {
            Item::File(name, entry) => Some((name, entry)),
            _ => None,
        }
    }

    /// Takes the head if it is a marker, and notes what it covers. A marker of the same kind before
    /// it no longer counts, unless this one lies below.
    fn take_marker(&mut self) -> Option<Marker> {
        let item = self.head.take_if(|item| matches!(item, Item::Marker(_)))?;
        let Item::Marker(marker) = item else {
            return None;
        };
        let covered = (marker.name.clone(), marker.cover);
        if marker.name.ends_with('/') {
            self.covered_below
                .retain(|(outer, _)| marker.name.starts_with(outer));
            self.covered_below.push(covered);
        } else {
            self.covered_name = Some(covered);
        }
        Some(marker)
    }

    /// Why the name is covered on this side, if it is.
    fn cover(&self, name: &str) -> Option<Cover> {
        let by_name = self.covered_name.as_ref().filter(|(own, _)| own == name);
        let mut inner_first = self.covered_below.iter().rev();
        let below = inner_first.find(|(directory, _)| name.starts_with(directory));
        by_name.or(below).map(|(_, cover)| *cover)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::{Cover, Item, Marker, Merge, MergeError, Merged};

    const NAMES: [&str; 12] = [
        "a",
        "a b",
        "a-",
        "a.",
        "a/b",
        "a/c/d",
        "a0",
        "b",
        "b/x",
        "b!",
        "\u{fffd}",
        "\u{1f600}",
    ];

    type Scanned = Vec<Result<Item<u32>, Infallible>>;

    /// A scan of these files, with these names and directories passed over.
    fn scan(files: &BTreeSet<&'static str>, covered: &BTreeSet<&'static str>) -> Scanned {
        let mut items: BTreeMap<String, Item<u32>> = BTreeMap::new();
        let is_covered = |name: &str| covered.iter().any(|by| covers(by, name));
        for name in files.iter().filter(|name| !is_covered(name)) {
            items.insert((*name).to_owned(), Item::File((*name).to_owned(), 0));
        }
        // Of what is unknown it is not known whether it is a file or a directory.
        for name in covered
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}/")])
        {
            let marker = Marker {
                name: name.clone(),
                cover: Cover::Unknown,
                problem: None,
            };
            items.insert(name, Item::Marker(marker));
        }
        items.into_values().map(Ok).collect()
    }

    fn covers(by: &str, name: &str) -> bool {
        name.strip_prefix(by)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Each name with whether the source, and the destination, has it, and whether either is covered.
    fn merged(source: Scanned, destination: Scanned) -> BTreeMap<String, (bool, bool, bool)> {
        let mut merge = Merge::new(source.into_iter(), destination.into_iter());
        let mut found = BTreeMap::new();
        while let Some(merged) = merge.next().unwrap() {
            if let Merged::Name(pair) = merged {
                let is_covered = pair.source_cover.is_some() || pair.destination_cover.is_some();
                let sides = (
                    pair.source.is_some(),
                    pair.destination.is_some(),
                    is_covered,
                );
                assert!(found.insert(pair.name, sides).is_none());
            }
        }
        found
    }

    fn names() -> impl Strategy<Value = BTreeSet<&'static str>> {
        proptest::collection::btree_set(proptest::sample::select(&NAMES[..]), 0..9)
    }

    proptest! {
        #[test]
        fn a_merge_is_an_outer_join(source in names(), destination in names()) {
            let nothing = BTreeSet::new();
            let found = merged(scan(&source, &nothing), scan(&destination, &nothing));
            let all: BTreeSet<_> = source.union(&destination).collect();
            let expected: BTreeMap<_, _> = all
                .into_iter()
                .map(|name| {
                    let sides = (source.contains(name), destination.contains(name), false);
                    ((*name).to_owned(), sides)
                })
                .collect();
            prop_assert_eq!(found, expected);
        }

        /// What is passed over protects its name and everything below it, and nothing else, also if one
        /// lies inside of another.
        #[test]
        fn what_is_unknown_is_no_orphan(source in names(), destination in names(), unknown in names()) {
            let nothing = BTreeSet::new();
            let orphans = |source: Scanned| -> BTreeSet<String> {
                let found = merged(source, scan(&destination, &nothing));
                let is_orphan = |(_, sides): &(String, (bool, bool, bool))| *sides == (false, true, false);
                found.into_iter().filter(is_orphan).map(|(name, _)| name).collect()
            };
            let without = orphans(scan(&source, &nothing));
            let with = orphans(scan(&source, &unknown));
            let is_known = |name: &String| !unknown.iter().any(|by| covers(by, name));
            prop_assert_eq!(with, without.into_iter().filter(is_known).collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn a_scan_out_of_order_ends_the_merge() {
        let file = |name: &str| Ok::<_, Infallible>(Item::File(name.to_owned(), 0));
        for (first, second) in [("b", "a"), ("a", "a"), ("a/b", "a b")] {
            let source = vec![file(first), file(second)];
            let mut merge = Merge::new(source.into_iter(), std::iter::empty());
            assert!(merge.next().is_ok());
            assert!(
                matches!(merge.next(), Err(MergeError::OutOfOrder(..))),
                "{first} {second}"
            );
        }
    }
}
