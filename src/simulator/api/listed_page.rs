//! The answer with a page of a listing of files.
//!
//! A page of 10,000 rows is 8 MB of JSON. If such pages were written as a whole, each thread that
//! answered one would leave a buffer of that size in the memory of the process. So a long page is
//! written twice, a few rows at a time: to count its bytes, and while it is sent. The text is the one
//! that [`reply::ok`] would write.

use std::io::{self, Read};
use std::sync::Arc;

use serde::Serialize as _;
use serde_json::Serializer;
use serde_json::ser::{Formatter as _, PrettyFormatter};

use crate::simulator::api::auth::Caller;
use crate::simulator::api::page::{Page, Row};
use crate::simulator::api::render::{self, RowAnswer};
use crate::simulator::api::view::View;
use crate::simulator::protocol::message::{Reply, ReplyBody};
use crate::simulator::protocol::reply;

/// Pages up to this many rows are written as a whole.
const FEW_ROWS: usize = 1000;
/// At least so many bytes of rows are written at once.
const PIECE: usize = 32 * 1024;

/// A page, and for whom it is.
#[derive(Debug)]
pub(crate) struct ListedPage {
    pub(crate) page: Page,
    pub(crate) account_id: String,
    pub(crate) bucket_id: String,
    pub(crate) caller: Caller,
    pub(crate) version: u8,
    /// Whether the answer has a place for the file id of the next row, as listings of versions do.
    pub(crate) has_next_id: bool,
}

impl ListedPage {
    pub(crate) fn into_reply(self) -> io::Result<Reply> {
        let is_short = self.page.rows.len() <= FEW_ROWS;
        let page = Arc::new(self);
        let mut text = PageText::of(&page);
        let body = if is_short {
            let mut bytes = Vec::new();
            text.read_to_end(&mut bytes)?;
            ReplyBody::Bytes(bytes)
        } else {
            let length = io::copy(&mut text, &mut io::sink())?;
            ReplyBody::Json(Box::new(PageText::of(&page)), length)
        };
        Ok(reply::with_json(body))
    }

    fn view(&self) -> View<'_> {
        View {
            account_id: &self.account_id,
            caller: &self.caller,
            version: self.version,
        }
    }

    fn write_row(&self, row: &Row, text: &mut Vec<u8>) -> io::Result<()> {
        let answer = match row {
            Row::File(version) => RowAnswer::of_file(self.view(), version),
            Row::Folder(name) => {
                RowAnswer::Folder(render::folder(self.view(), &self.bucket_id, name))
            }
        };
        // Indented as in an array in an object.
        let mut formatter = PrettyFormatter::new();
        formatter.begin_object(&mut io::sink())?;
        formatter.begin_array(&mut io::sink())?;
        answer.serialize(&mut Serializer::with_formatter(text, formatter))?;
        Ok(())
    }

    /// What stands behind the rows.
    fn write_end(&self, text: &mut Vec<u8>) -> io::Result<()> {
        let (name, id) = match &self.page.next {
            Some((name, id)) => (Some(name), id.as_ref()),
            None => (None, None),
        };
        text.extend_from_slice(b"]");
        if self.has_next_id {
            text.extend_from_slice(b",\n  \"nextFileId\": ");
            serde_json::to_writer(&mut *text, &id)?;
        }
        text.extend_from_slice(b",\n  \"nextFileName\": ");
        serde_json::to_writer(&mut *text, &name)?;
        text.extend_from_slice(b"\n}\n");
        Ok(())
    }
}

/// Reads the JSON of a page, which is written as it is read.
struct PageText {
    page: Arc<ListedPage>,
    /// How many rows are written; `None` when the end is written, too.
    rows: Option<usize>,
    written: Vec<u8>,
    /// How much of what is written has been read.
    read: usize,
}

impl PageText {
    fn of(page: &Arc<ListedPage>) -> Self {
        Self {
            page: Arc::clone(page),
            rows: Some(0),
            written: b"{\n  \"files\": [".to_vec(),
            read: 0,
        }
    }

    /// Writes the next rows, or the end behind the last one.
    fn write_more(&mut self, written: usize) -> io::Result<()> {
        let rows = &self.page.page.rows;
        let mut next = written;
        while let Some(row) = rows.get(next).filter(|_| self.written.len() < PIECE) {
            let separator: &[u8] = if next == 0 { b"\n    " } else { b",\n    " };
            self.written.extend_from_slice(separator);
            self.page.write_row(row, &mut self.written)?;
            next += 1;
        }
        self.rows = Some(next);
        if next == rows.len() {
            if !rows.is_empty() {
                self.written.extend_from_slice(b"\n  ");
            }
            self.page.write_end(&mut self.written)?;
            self.rows = None;
        }
        Ok(())
    }
}

impl Read for PageText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.written.len()
            && let Some(rows) = self.rows
        {
            self.written.clear();
            self.read = 0;
            self.write_more(rows)?;
        }
        let count = (&self.written[self.read..]).read(buffer)?;
        self.read += count;
        Ok(count)
    }
}
