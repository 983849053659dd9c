//! A listing of files, page by page and row by row.
//!
//! 1. `b2_list_file_names` or `b2_list_file_versions` from where the last page led;
//! 2. the rows as they arrive (`raw::listed`);
//! 3. where a connection breaks amid a page: the page again from the last row that was handed out, which is
//!    then passed over.
//!
//! Unless the caller chose a size, pages grow: the service bills the rows that it returns, so a caller who
//! stops early pays for at most about as many rows again as it took.
//!
//! | what goes wrong | what follows |
//! | --- | --- |
//! | a page is refused or not answered | the retry loop repeats it |
//! | the connection breaks after some rows | the page is asked for again from the last row, which is passed over |
//! | it breaks before any row | the error of the connection |
//! | the pages lead back to an earlier one, or rows come again (`row_order`) | an error, or the listing would never end, or be wrong |
//! | a row cannot be read | it is left out with a warning |
//!
//! Pages begin with 1,000 rows and double up to 10,000, which the service bills as ten calls. A
//! page that is asked for again after it broke off is a request of its own and is billed as one; it
//! has the size that the broken one had.
//!
//! A listing borrows nothing between rows. It may be kept for as long as its owner likes, but a
//! page that is still arriving holds a connection; `read_ahead` frees it.

use crate::error::{Error, Result};
use crate::model::id::FileId;
use crate::model::operation::Operation;
use crate::raw::{ListFilesRequest, ListedPage, ListedRow, Start};
use crate::session::Session;
use crate::session::row_order::{FileOrder, Turns};

/// The most rows of a page.
pub(crate) const LARGEST_PAGE: u32 = 10_000;
/// How many rows the first page has if the caller does not say.
const FIRST_PAGE: u32 = 1000;

/// The rows of a listing.
#[derive(Debug)]
pub(crate) struct ListedFiles<T: ListedRow> {
    /// What is asked for; the start is set for each page.
    pub(crate) request: ListFilesRequest,
    /// Where the pages lead, and whether there are more.
    turns: Turns<Start>,
    /// The page that rows are taken from; `None` before the first one and at the end.
    page: Option<ListedPage<T>>,
    /// The present row, until it is taken.
    row: Option<T>,
    /// The order of the rows.
    order: FileOrder,
    /// Whether a row of the present page was noted.
    has_begun: bool,
    /// Whether each page is larger than the one before.
    grows: bool,
    /// The next page starts here at the earliest.
    floor: Option<Start>,
    /// The last row, if its page was not all there.
    last: Option<Start>,
    /// Whether the present page repeats the last row.
    is_repeated: bool,
    /// Whether the present page brought a row.
    has_progressed: bool,
}

impl<T: ListedRow> ListedFiles<T> {
    /// A listing of these files; the size of the pages is the request's, or grows.
    pub(crate) fn new(mut request: ListFilesRequest, page_size: Option<u32>) -> Self {
        request.max_file_count = page_size.unwrap_or(FIRST_PAGE);
        Self {
            request,
            turns: Turns::from(None),
            page: None,
            row: None,
            order: FileOrder::default(),
            has_begun: false,
            grows: page_size.is_none(),
            floor: None,
            last: None,
            is_repeated: false,
            has_progressed: true,
        }
    }

    /// This listing from there on.
    ///
    /// The row at `start` is the first one, if it exists.
    pub(crate) fn starting_at(mut self, start: Start) -> Self {
        self.turns = Turns::from(Some(start));
        self
    }

    /// Ends the listing here.
    ///
    /// Rows that were received and not taken are dropped, and a page that is still arriving loses
    /// its connection.
    pub(crate) fn end(&mut self) {
        self.turns.is_last = true;
        (self.page, self.row) = (None, None);
    }

    /// Reads what is left of the present page into memory, so that its connection is free while nobody takes
    /// rows.
    ///
    /// A page that breaks off is asked for again when the next row is wanted, as in `next`; rows
    /// that were read and not taken come again with it.
    pub(crate) fn read_ahead(&mut self, session: &Session) -> Result<()> {
        let read = self.page.as_mut().map_or(Ok(()), ListedPage::read_rest);
        read.or_else(|error| self.resume(session, error))
    }

    /// Lets the next page start here at the earliest.
    ///
    /// It has an effect on the next page only, and only if that would start earlier: rows of the
    /// present page that come before it are still handed out. This saves a listing of folders from
    /// paying for what is inside them.
    pub(crate) fn skip_to(&mut self, floor: Start) {
        self.floor = Some(floor);
    }

    /// The next row; `fetch` asks for a page. After an error the listing is at its end.
    pub(crate) fn next(
        &mut self,
        session: &Session,
        operation: Operation,
        mut fetch: impl FnMut(&mut ListFilesRequest) -> Result<ListedPage<T>>,
    ) -> Option<Result<T>> {
        loop {
            if let Some(advanced) = self.advance(session, operation) {
                return advanced.map(|()| self.take()).transpose();
            }
            if let Err(error) = self.open_page(&mut fetch)? {
                return Some(Err(error));
            }
        }
    }

    /// Asks for a page by `fetch` if there is none. Returns `None` if the listing is at its end, where it is
    /// also after an error.
    pub(crate) fn open_page(
        &mut self,
        fetch: impl FnOnce(&mut ListFilesRequest) -> Result<ListedPage<T>>,
    ) -> Option<Result<()>> {
        if self.page.is_some() {
            return Some(Ok(()));
        }
        if self.turns.is_last {
            return None;
        }
        let (name, id) = self.turns.start.clone().unzip();
        self.request.start_file_name = name;
        self.request.start_file_id = id.flatten();
        match fetch(&mut self.request) {
            Ok(page) => self.page = Some(page),
            Err(error) => {
                self.end();
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }

    /// The present row: the one that [`advance`](Self::advance) went on to, unless it was taken.
    pub(crate) fn row(&self) -> Option<&T> {
        self.row.as_ref()
    }

    /// Takes the present row.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.row.take()
    }

    /// Goes on to the next row of the present page. Returns `None` if there is no page, or no further row in it, or
    /// if the rest of it has to be asked for again. After an error the listing is at its end.
    pub(crate) fn advance(
        &mut self,
        session: &Session,
        operation: Operation,
    ) -> Option<Result<()>> {
        loop {
            let outcome = match self.page.as_mut()?.next(&mut self.row) {
                Ok(true) => match self.note(operation) {
                    Ok(true) => return Some(Ok(())),
                    Ok(false) => continue,
                    Err(error) => Err(error),
                },
                Ok(false) => self.turn(operation),
                Err(error) => self.resume(session, error),
            };
            if let Err(error) = outcome {
                self.end();
                return Some(Err(error));
            }
        }
    }

    /// Notes the present row. Returns false if it was handed out before.
    ///
    /// Fails with `UnexpectedReply` if the listing repeats itself.
    fn note(&mut self, operation: Operation) -> Result<bool> {
        let Some(row) = &self.row else {
            return Ok(false);
        };
        let (name, id) = row.place();
        let listed_id = id.filter(|_| operation == Operation::ListFileVersions);
        let is_arriving = self.page.as_ref().is_some_and(ListedPage::is_arriving);
        if !is_arriving && !self.is_repeated {
            self.last = None;
        } else {
            let (last_name, last_id) = self.last.get_or_insert_default();
            let is_last = last_name == name && last_id.as_ref() == listed_id;
            if std::mem::take(&mut self.is_repeated) && is_last {
                return Ok(false);
            }
            // Nearly each row of a large page comes here: the text is kept in the same memory.
            name.clone_into(last_name);
            last_id.clone_from(&listed_id.cloned());
            self.has_progressed = true;
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            let first = listed_id.map_or(name, FileId::as_str);
            self.turns.begin_page(operation, first)?;
        }
        self.order.note(operation, name, id)
    }

    /// Turns the page.
    ///
    /// Fails with `UnexpectedReply` if the next page is one that was there already.
    fn turn(&mut self, operation: Operation) -> Result<()> {
        let next = match self.page.take() {
            Some(mut page) => page.next_start()?,
            None => None,
        };
        self.turns.turn(operation, next)?;
        self.raise_to_floor();
        self.order.turn();
        self.has_begun = false;
        (self.last, self.is_repeated) = (None, false);
        // What breaks off next is another page.
        self.has_progressed = true;
        if self.grows {
            let size = self.request.max_file_count;
            self.request.max_file_count = size.saturating_mul(2).min(LARGEST_PAGE);
        }
        Ok(())
    }

    /// Moves the start of the next page up to where the caller wants to go on.
    fn raise_to_floor(&mut self) {
        let floor = self.floor.take();
        if self.turns.start.is_some() && floor > self.turns.start {
            self.turns.start = floor;
        }
    }

    /// Asks for the rest of a page that broke off, if that one brought anything.
    ///
    /// A page is not asked for again if the retry policy allows a single attempt, if no row of it
    /// was handed out, or if the page that was repeated broke off without a new row. So a
    /// connection that always breaks at one place ends the listing.
    fn resume(&mut self, session: &Session, error: Error) -> Result<()> {
        let may_repeat = session.retry_policy().max_attempts > 1 && self.has_progressed;
        match (&error, self.last.clone()) {
            (Error::Connection(_), Some(last)) if may_repeat => {
                tracing::warn!(%error, "a page of a listing broke off; continuing it");
                self.page = None;
                self.turns.start = Some(last);
                self.raise_to_floor();
                // A version that is deleted in between may make others come again.
                self.order.turn();
                (self.is_repeated, self.has_progressed) = (true, false);
                Ok(())
            }
            _ => Err(error),
        }
    }
}
