//! Notices listings that repeat themselves: pages that lead back to an earlier one, rows that come
//! again, and pages without end that bring nothing.
//!
//! A program that deletes what is listed, that compares two listings, or that waits for the end
//! would otherwise act on a false listing, or never end. What is noticed ends the listing with
//! `UnexpectedReply`, which names the row.
//!
//! | what the service does | found by |
//! | --- | --- |
//! | the next page is one that was there already | [`Turns`] |
//! | a page begins with the row that an earlier page began with | [`Turns`] |
//! | [`MOST_EMPTY`] pages in a row bring nothing | [`Turns`] |
//! | a file name comes before the one of the row before it | [`FileOrder`] |
//! | a file name comes twice (`b2_list_file_names`), or a version comes twice on one page | [`FileOrder`] |
//! | a key, an unfinished file or a part comes twice on a page, or again on the following one | [`Distinct`] |
//!
//! Where a page starts is opaque (docs/protocol.md, section 9.3), so it is only compared for
//! equality. Nothing is remembered beyond a page, so a listing takes bounded memory.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use crate::error::{Error, Result};
use crate::model::id::FileId;
use crate::model::operation::Operation;

/// The number of pages without a row that may follow each other. The service may return empty pages
/// while it passes over what is hidden.
const MOST_EMPTY: u32 = 10_000;

/// Where the pages of a listing lead, and whether they lead back.
///
/// Brent's algorithm: a cycle is noticed when a page leads to a landmark, and the landmark moves on
/// after 1, 2, 4 ... pages. A cycle of n pages is therefore found within a few times n pages, and
/// only one earlier page is remembered.
#[derive(Debug)]
pub(super) struct Turns<K> {
    /// Where the next page starts; `None` is the beginning.
    pub(super) start: Option<K>,
    /// Whether no page follows the present one.
    pub(super) is_last: bool,
    /// Where one of the earlier pages started.
    landmark: Option<K>,
    /// The first row of that page.
    landmark_row: Option<Box<str>>,
    /// The number of pages since then.
    since_landmark: u64,
    /// The number of pages after which the landmark moves on.
    next_landmark: u64,
    /// The first row of the present page.
    first_row: Option<Box<str>>,
    /// The number of pages without a row up to this one.
    empty: u32,
}

impl<K: Clone> Turns<K> {
    /// Begins at `start`, or at the beginning. The start counts as the first landmark.
    pub(super) fn from(start: Option<K>) -> Self {
        Self {
            landmark: start.clone(),
            landmark_row: None,
            start,
            is_last: false,
            since_landmark: 0,
            next_landmark: 1,
            first_row: None,
            empty: 0,
        }
    }
}

impl<K: PartialEq + Clone> Turns<K> {
    /// Notes the first row of a page by what identifies it, if anything does. Fails if an earlier
    /// page began with it.
    pub(super) fn begin_page(&mut self, operation: Operation, row: &str) -> Result<()> {
        self.empty = 0;
        if row.is_empty() {
            return Ok(());
        }
        if self.landmark_row.as_deref() == Some(row) {
            return Err(repeats(operation, &row));
        }
        self.first_row = Some(row.into());
        Ok(())
    }

    /// Notes where the next page starts, `None` for no next page. Fails if the pages form a cycle,
    /// or if too many of them had no row.
    ///
    /// It must be called once for each page, in their order. After an error the caller ends the
    /// listing.
    pub(super) fn turn(&mut self, operation: Operation, next: Option<K>) -> Result<()> {
        if next.is_none() {
            self.is_last = true;
        } else if next == self.start || next == self.landmark {
            let reason = "the pages of the listing lead back to one of them: it would never end";
            return Err(unexpected(operation, reason.to_owned()));
        }
        self.empty += 1;
        if self.empty > MOST_EMPTY {
            let reason = format!("{MOST_EMPTY} pages of the listing in a row had no rows");
            return Err(unexpected(operation, reason));
        }
        self.since_landmark += 1;
        if self.since_landmark == self.next_landmark {
            self.landmark.clone_from(&next);
            self.landmark_row.clone_from(&self.first_row);
            self.since_landmark = 0;
            self.next_landmark = self.next_landmark.saturating_mul(2);
        }
        self.start = next;
        Ok(())
    }
}

/// The order of the rows of a listing of files.
///
/// Only a step back that every order of Unicode text agrees on counts: the order of bytes, and that
/// of UTF-16, which differs for rare characters.
#[derive(Debug, Default)]
pub(super) struct FileOrder {
    /// The name of the row before this one; `None` before the first row.
    name: Option<String>,
    /// The first version of this name on the present page. Most names have no other.
    first: Option<FileId>,
    /// The versions of this name on the present page, if it has several.
    versions: HashSet<FileId>,
}

impl FileOrder {
    /// Notes a row. Returns false for a folder that comes again, which says nothing new. Fails if
    /// the row repeats an earlier one, or belongs before it.
    pub(super) fn note(
        &mut self,
        operation: Operation,
        name: &str,
        id: Option<&FileId>,
    ) -> Result<bool> {
        if self.name.as_deref() != Some(name) {
            if self
                .name
                .as_deref()
                .is_some_and(|last| is_before(name, last))
            {
                return Err(repeats(operation, &name));
            }
            self.turn();
            name.clone_into(self.name.get_or_insert_default());
            if operation != Operation::ListFileNames {
                self.first = id.cloned();
            }
            return Ok(true);
        }
        match id {
            None => Ok(false),
            Some(_) if operation == Operation::ListFileNames => Err(repeats(operation, &name)),
            Some(id) => {
                self.versions.extend(self.first.take());
                match self.versions.insert(id.clone()) {
                    true => Ok(true),
                    false => Err(repeats(operation, &name)),
                }
            }
        }
    }

    /// Forgets the versions of the page that ends here.
    pub(super) fn turn(&mut self) {
        self.first = None;
        self.versions.clear();
    }
}

/// Whether a name comes before another one by its bytes and by its UTF-16.
fn is_before(name: &str, other: &str) -> bool {
    name < other && name.encode_utf16().lt(other.encode_utf16())
}

/// The rows of two pages that follow each other, by what identifies them.
#[derive(Debug)]
pub(super) struct Distinct<I>(HashSet<I>);

impl<I> Default for Distinct<I> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<I: Eq + Hash + Debug> Distinct<I> {
    /// Notes the rows of a page. Fails if one of them comes twice, or was on the page before.
    pub(super) fn page(
        &mut self,
        operation: Operation,
        rows: impl Iterator<Item = I>,
    ) -> Result<()> {
        let mut page = HashSet::new();
        for row in rows {
            if self.0.contains(&row) || page.contains(&row) {
                return Err(repeats(operation, &row));
            }
            page.insert(row);
        }
        // An empty page must not make the one before it forgotten.
        if !page.is_empty() {
            self.0 = page;
        }
        Ok(())
    }
}

/// The error of a listing that repeats a row, or goes back to it.
fn repeats(operation: Operation, row: &dyn Debug) -> Error {
    unexpected(
        operation,
        format!("the rows of the listing go back to {row:?}, or repeat it"),
    )
}

/// The error of a listing that cannot be true.
fn unexpected(operation: Operation, reason: String) -> Error {
    Error::UnexpectedReply {
        operation,
        source: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Distinct, FileOrder, MOST_EMPTY, Turns};
    use crate::model::id::FileId;
    use crate::model::operation::Operation;

    /// What is noted of these rows, up to the error.
    fn noted(operation: Operation, rows: &[(&str, &str)]) -> Vec<Option<bool>> {
        let mut order = FileOrder::default();
        let mut noted = Vec::new();
        for (name, id) in rows {
            let id = Some(FileId::from(*id)).filter(|id| !id.as_str().is_empty());
            noted.push(order.note(operation, name, id.as_ref()).ok());
        }
        noted
    }

    #[test]
    fn names_go_on_and_versions_of_one_name_differ() {
        let (new, again, wrong) = (Some(true), Some(false), None);
        for (rows, names, versions) in [
            (&[("a", "1"), ("b", "2")][..], [new, new], [new, new]),
            (&[("b", "1"), ("a", "2")], [new, wrong], [new, wrong]),
            (&[("a", "1"), ("a", "2")], [new, wrong], [new, new]),
            (&[("a", "1"), ("a", "1")], [new, wrong], [new, wrong]),
            (&[("a/", ""), ("a/", "")], [new, again], [new, again]),
            // UTF-16 has them the other way round.
            (
                &[("\u{10000}", "1"), ("\u{ffff}", "2")],
                [new, new],
                [new, new],
            ),
            (
                &[("\u{ffff}", "1"), ("\u{10000}", "2")],
                [new, new],
                [new, new],
            ),
        ] {
            assert_eq!(noted(Operation::ListFileNames, rows), names, "{rows:?}");
            assert_eq!(
                noted(Operation::ListFileVersions, rows),
                versions,
                "{rows:?}"
            );
        }
    }

    #[test]
    fn rows_come_once_within_two_pages() {
        let mut rows = Distinct::default();
        let mut page = |numbers: &[u32]| {
            let rows = rows.page(Operation::ListParts, numbers.iter().copied());
            rows.is_ok()
        };
        assert!(page(&[1, 2]) && page(&[3]) && page(&[]));
        assert!(!page(&[3]), "an empty page in between changes nothing");
        assert!(!page(&[4, 4]));
        assert!(page(&[4]));
    }

    #[test]
    fn pages_that_bring_nothing_end_at_last() {
        let mut turns = Turns::from(None);
        let operation = Operation::ListFileNames;
        for page in 0..MOST_EMPTY {
            turns.turn(operation, Some(page)).unwrap();
        }
        turns.turn(operation, Some(MOST_EMPTY)).unwrap_err();
        let mut turns = Turns::from(None);
        for page in 0..2 * MOST_EMPTY {
            turns.begin_page(operation, &page.to_string()).unwrap();
            turns.turn(operation, Some(page)).unwrap();
        }
    }

    #[test]
    fn pages_that_begin_with_the_row_of_an_earlier_one_end() {
        let operation = Operation::ListFileNames;
        for circle in [1, 2, 7, 1000] {
            let mut turns = Turns::from(None);
            let repeated = (0_u32..)
                .find(|page| {
                    let row = (page % circle).to_string();
                    let begun = turns.begin_page(operation, &row);
                    begun.is_err() || turns.turn(operation, Some(*page)).is_err()
                })
                .unwrap();
            assert!(
                (1..=4 * circle + 4).contains(&repeated),
                "{circle}: {repeated}"
            );
        }
    }
}
