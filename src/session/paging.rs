//! Reads listings page by page.
//!
//! One page is in memory at a time. A listing ends only when the service names no next page,
//! because a page in the middle may be empty (docs/protocol.md, section 9.3). A listing that repeats
//! itself ends with an error (`row_order`).
//!
//! A page that is refused, cut or not answered is repeated by the retry loop like any other call.
//! After a final error the listing is over: it yields the error once and then nothing.
//!
//! | listing | largest page | page that is asked for |
//! | --- | --- | --- |
//! | files and versions | 10,000 rows, billed as ten calls | `listed_files` |
//! | application keys | 10,000 | 1,000 |
//! | unfinished large files | 100 | 100 |
//! | parts | 1,000 | 1,000 |
//! | buckets | no pages | |
//!
//! The order of requests is that of the pages: the next page is asked for when a row beyond the
//! present one is wanted, never before. A caller that stops early therefore pays for no page that
//! it did not begin.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | a page is empty and names a next one | the next one is asked for at once |
//! | a page names itself, or an earlier one, as the next; a row comes again | `UnexpectedReply`; nothing further is asked for |
//! | the call is cancelled | `Cancelled`, once, and the listing is over |
//! | rows are added or removed while the pages are read | the listing shows what each page had when it was asked for |

use std::fmt::Debug;
use std::hash::Hash;
use std::vec;

use crate::control::Control;
use crate::error::Result;
use crate::model::file::FileVersion;
use crate::model::id::{ApplicationKeyId, BucketId, FileId};
use crate::model::key::KeyDetails;
use crate::model::operation::Operation;
use crate::model::part::Part;
use crate::session::Session;
use crate::session::capabilities::Requirements;
use crate::session::row_order::{Distinct, Turns};
use crate::wire::large_file::ListUnfinishedRequest;

/// A listing of rows `T` whose pages begin at a `K` and are read as a whole. The owner passes the
/// call that fetches a page to [`Pages::next`], so a listing borrows nothing between rows.
#[derive(Debug)]
pub(crate) struct Pages<K, T: Identified> {
    /// The rows of the current page that were not yielded yet.
    page: vec::IntoIter<T>,
    /// What identifies the rows of the current page.
    distinct: Distinct<T::Id>,
    /// Where the pages lead.
    turns: Turns<K>,
}

/// A row that differs from all others of its listing in one member.
pub(crate) trait Identified {
    /// That member.
    type Id: Eq + Hash + Debug + ToString;

    /// Returns that member; `None` if the row lacks it.
    fn id(&self) -> Option<Self::Id>;
}

impl Identified for KeyDetails {
    type Id = ApplicationKeyId;

    fn id(&self) -> Option<ApplicationKeyId> {
        Some(self.application_key_id.clone()).filter(|id| !id.as_str().is_empty())
    }
}

impl Identified for FileVersion {
    type Id = FileId;

    fn id(&self) -> Option<FileId> {
        Some(self.file_id.clone()).filter(|id| !id.as_str().is_empty())
    }
}

impl Identified for Part {
    type Id = u32;

    fn id(&self) -> Option<u32> {
        Some(self.part_number)
    }
}

impl<K: Clone, T: Identified> Default for Pages<K, T> {
    fn default() -> Self {
        Self {
            page: Vec::new().into_iter(),
            distinct: Distinct::default(),
            turns: Turns::from(None),
        }
    }
}

impl<K: PartialEq + Clone, T: Identified> Pages<K, T> {
    /// Creates a listing that begins in the middle.
    pub(crate) fn from(start: K) -> Self {
        Self {
            turns: Turns::from(Some(start)),
            ..Self::default()
        }
    }

    /// Returns the next row, or `None` at the end.
    ///
    /// `fetch` is given the start of a page, `None` for the first one, and returns the rows and the
    /// start of the following page. After an error the listing is at its end.
    pub(crate) fn next(
        &mut self,
        operation: Operation,
        mut fetch: impl FnMut(Option<&K>) -> Result<(Vec<T>, Option<K>)>,
    ) -> Option<Result<T>> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(row));
            }
            if self.turns.is_last {
                return None;
            }
            let fetched = fetch(self.turns.start.as_ref()).and_then(|(rows, next)| {
                let ids = rows.iter().filter_map(Identified::id);
                self.distinct.page(operation, ids)?;
                if let Some(first) = rows.first() {
                    let id = first.id().map(|id| id.to_string());
                    self.turns.begin_page(operation, &id.unwrap_or_default())?;
                }
                self.page = rows.into_iter();
                self.turns.turn(operation, next)
            });
            if let Err(error) = fetched {
                self.turns.is_last = true;
                self.page = Vec::new().into_iter();
                return Some(Err(error));
            }
        }
    }
}

/// The application keys of the account, 1,000 to a page, which is the largest page that is billed
/// as one request.
#[derive(Debug, Default)]
pub(crate) struct KeyPages(Pages<ApplicationKeyId, KeyDetails>);

impl KeyPages {
    /// Each page of 1,000 keys is one request of class C, and needs `listKeys`.
    pub(crate) fn next(
        &mut self,
        session: &Session,
        control: &Control,
    ) -> Option<Result<KeyDetails>> {
        self.0.next(Operation::ListKeys, |start| {
            let page = session.call(Operation::ListKeys, control, |raw| {
                raw.list_keys(start, 1000)
            })?;
            Ok((page.keys, page.next_application_key_id))
        })
    }

    /// Looks one key up by its id with a single request. Listings begin at an id, so the key is the
    /// first row if it exists.
    ///
    /// Class C. Returns `None` if there is no such key, also if the service lists a later one
    /// instead.
    pub(crate) fn find(
        session: &Session,
        control: &Control,
        id: &ApplicationKeyId,
    ) -> Result<Option<KeyDetails>> {
        let page = session.call(Operation::ListKeys, control, |raw| {
            raw.list_keys(Some(id), 1)
        })?;
        let mut keys = page.keys.into_iter();
        Ok(keys.find(|key| key.application_key_id == *id))
    }
}

/// The unfinished large files of a bucket.
#[derive(Debug)]
pub(crate) struct UnfinishedPages {
    /// What is asked for; the start is set for each page.
    request: ListUnfinishedRequest,
    /// The rows, and where the next page starts.
    pages: Pages<FileId, FileVersion>,
}

impl UnfinishedPages {
    /// Lists the unfinished large files whose names begin with `name_prefix`, or all if it is
    /// empty.
    pub(crate) fn new(bucket_id: BucketId, name_prefix: &str) -> Self {
        Self {
            request: ListUnfinishedRequest {
                name_prefix: (!name_prefix.is_empty()).then(|| name_prefix.to_owned()),
                ..ListUnfinishedRequest::new(bucket_id)
            },
            pages: Pages::default(),
        }
    }

    /// Each page of 100 files is one request of class C, and needs `listFiles`.
    pub(crate) fn next(
        &mut self,
        session: &Session,
        control: &Control,
    ) -> Option<Result<FileVersion>> {
        let operation = Operation::ListUnfinishedLargeFiles;
        let Self { request, pages } = self;
        pages.next(operation, |start| {
            request.start_file_id = start.cloned();
            let prefix = request.name_prefix.as_deref().unwrap_or_default();
            let needs = Requirements::from(operation)
                .bucket(&request.bucket_id)
                .named(prefix);
            let answer = session.call(needs, control, |raw| {
                raw.list_unfinished_large_files(request)
            })?;
            Ok((answer.files, answer.next_file_id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Identified, Pages};
    use crate::error::Error;
    use crate::model::operation::Operation;

    /// Follows pages of one row each; where they lead, says `next`.
    /// No row comes twice.
    #[derive(Debug)]
    struct Unlike(u32);

    impl Identified for Unlike {
        type Id = u32;

        fn id(&self) -> Option<u32> {
            None
        }
    }

    fn follow(next: impl Fn(u32) -> Option<u32>) -> (Vec<u32>, Option<Error>) {
        let mut pages = Pages::default();
        let mut rows = Vec::new();
        loop {
            let row = pages.next(Operation::ListFileNames, |start: Option<&u32>| {
                let start = start.copied().unwrap_or(0);
                Ok((vec![Unlike(start)], next(start)))
            });
            match row {
                Some(Ok(row)) => rows.push(row.0),
                Some(Err(error)) => return (rows, Some(error)),
                None => return (rows, None),
            }
        }
    }

    #[test]
    fn pages_that_lead_on_are_followed_to_the_end() {
        let (rows, error) = follow(|page| (page < 1000).then_some(page + 1));
        assert!(rows.into_iter().eq(0..=1000) && error.is_none());
    }

    #[test]
    fn pages_that_go_round_in_circles_end_with_an_error() {
        for (lead, circle) in [(0, 1), (1, 1), (5, 1), (1, 2), (7, 3), (100, 50), (3, 999)] {
            let (rows, error) = follow(|page| {
                Some(if page + 1 == lead + circle {
                    lead
                } else {
                    page + 1
                })
            });
            assert!(matches!(error, Some(Error::UnexpectedReply { .. })));
            assert!(
                rows.len() <= (4 * (lead + circle) + 4) as usize,
                "{lead} {circle}: {}",
                rows.len()
            );
        }
    }
}
