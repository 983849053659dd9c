//! A page of a listing that is decoded row by row while it arrives, so that a page of 10,000 rows
//! takes no more memory than one of 1,000. A row is decoded into the place where its caller keeps it, because moving
//! it through several layers costs as much as decoding it.
//!
//! Up to [`AHEAD`] bytes are read when the page is opened. Most pages are complete then, and their
//! connection is free before the first row is returned. The rest of a larger page is read when its
//! rows are requested. If no row is requested for [`PATIENCE`], everything that is left is read at
//! the next request, because the service does not keep a connection open on which nothing moves.

mod shape;

use std::fmt::Debug;
use std::io::{self, Read as _};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::control::clock::Clock;
use crate::error::Result;
use crate::error::service::Subject;
use crate::http::body::ResponseBody;
use crate::model::file::FileVersion;
use crate::model::id::FileId;
use crate::model::lenient;
use crate::model::operation::Operation;
use crate::raw::listed::shape::Shape;
use crate::raw::{ANSWER_LIMIT, Raw, to_json, unexpected};
use crate::wire::file::ListFilesRequest;

/// The number of bytes of a page that are read when it is opened.
const AHEAD: usize = 1 << 20;
/// The number of bytes that are read at a time later.
const PIECE: usize = 64 << 10;
/// How long a page may be left unread before the rest of it is read into memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a page starts: at a name, or at one version of it.
pub(crate) type Start = (String, Option<FileId>);

/// A row of a listing of files.
pub(crate) trait ListedRow: DeserializeOwned + Debug {
    /// What a row is expected to look like, from the one before it.
    type Shape: Default + Debug;

    /// The name of the file, and the id of the version.
    fn place(&self) -> (&str, Option<&FileId>);

    /// Reads a row in an unexpected form. Returns `None` if the listing continues without it.
    fn from_odd(value: &Value) -> Result<Option<Self>, serde_json::Error>;

    /// Reads the row that the text begins with, if it looks like the one before it, and returns where it ends. The row
    /// is put into `row`, where something else may be if this returns `None`.
    fn read_expected(
        _text: &str,
        _shape: &mut Self::Shape,
        _row: &mut Option<Self>,
    ) -> Option<usize> {
        None
    }
}

impl ListedRow for FileVersion {
    type Shape = Shape;

    fn place(&self) -> (&str, Option<&FileId>) {
        let id = Some(&self.file_id).filter(|id| !id.as_str().is_empty());
        (&self.file_name, id)
    }

    fn from_odd(value: &Value) -> Result<Option<Self>, serde_json::Error> {
        let row = lenient::row(value);
        let log =
            |error| tracing::warn!(%error, "a row of the answer cannot be read and is left out");
        Ok(row.map_err(log).ok())
    }

    fn read_expected(text: &str, shape: &mut Shape, row: &mut Option<Self>) -> Option<usize> {
        shape.read(text, row.insert(Self::blank()))
    }
}

impl Raw<'_> {
    /// Requests a page of `b2_list_file_names` or `b2_list_file_versions`, to be read row by row.
    pub(crate) fn list_rows<T: ListedRow>(
        &self,
        operation: Operation,
        request: &ListFilesRequest,
    ) -> Result<ListedPage<T>> {
        let subject = Subject::Bucket(request.bucket_id.as_str());
        let response = self.post(operation, subject, &to_json(request)?)?;
        let mut page = ListedPage {
            body: Some(response.body),
            clock: self.http.clock().clone(),
            read_at: Duration::ZERO,
            received: 0,
            operation,
            decoder: Decoder::default(),
            buffer: vec![0; PIECE].into(),
        };
        page.read(AHEAD)?;
        Ok(page)
    }
}

/// A page whose rows have not all been returned.
///
/// An error within the page leaves the rows that were returned valid; the caller may request the
/// rest again from the last row on.
#[derive(Debug)]
pub(crate) struct ListedPage<T: ListedRow> {
    operation: Operation,
    /// What is still to be read; `None` at the end.
    body: Option<ResponseBody>,
    clock: Clock,
    /// When the body was last read, by the clock's `elapsed`.
    read_at: Duration,
    /// The number of bytes that have arrived.
    received: u64,
    decoder: Decoder<T>,
    /// What the body is read into.
    buffer: Box<[u8]>,
}

impl<T: ListedRow> ListedPage<T> {
    /// Whether a part of the page has not been received.
    pub(crate) const fn is_arriving(&self) -> bool {
        self.body.is_some()
    }

    /// Reads what is left of the page into memory.
    pub(crate) fn read_rest(&mut self) -> Result<()> {
        match self.is_arriving() {
            true => self.read(usize::MAX),
            false => Ok(()),
        }
    }

    /// Puts the next row into `row`. Returns false at the end of the page.
    pub(crate) fn next(&mut self, row: &mut Option<T>) -> Result<bool> {
        loop {
            match self.decoder.next(row) {
                Ok(Decoded::Row) => return Ok(true),
                Ok(Decoded::End) => return Ok(false),
                Ok(Decoded::More) => {
                    let unread = self.clock.elapsed().saturating_sub(self.read_at);
                    self.read(if unread < PATIENCE { PIECE } else { usize::MAX })?;
                }
                Err(error) if self.decoder.is_invalid && error.is_eof() => {
                    return Err(unexpected(self.operation, "it is not UTF-8"));
                }
                Err(error) => return Err(unexpected(self.operation, error)),
            }
        }
    }

    /// Returns where the next page starts, or `None` if this was the last page. It is known once
    /// all rows were read.
    pub(crate) fn next_start(&mut self) -> Result<Option<Start>> {
        let mut text = |name| match self.decoder.others.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(unexpected(self.operation, format!("{name} is not text"))),
        };
        let (name, id) = (text("nextFileName")?, text("nextFileId")?);
        Ok(name.map(|name| (name, id.map(FileId::from))))
    }

    /// Reads at least `least` bytes, or to the end.
    fn read(&mut self, least: usize) -> Result<()> {
        let mut read = 0;
        self.decoder.forget_decoded();
        while let Some(body) = &mut self.body
            && read < least
            && self.received <= ANSWER_LIMIT
        {
            match body.read(&mut self.buffer) {
                Ok(0) => self.body = None,
                Ok(some) => {
                    read += some;
                    self.received += some as u64;
                    self.decoder
                        .push(self.buffer.get(..some).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(body.failure(error)),
            }
        }
        if self.received > ANSWER_LIMIT {
            let reason = format!("it has more than {ANSWER_LIMIT} bytes");
            return Err(unexpected(self.operation, reason));
        }
        if self.body.is_none() {
            self.decoder.complete();
        }
        self.read_at = self.clock.elapsed();
        Ok(())
    }
}

/// The result of a step of the decoder.
#[derive(Debug)]
enum Decoded {
    /// A row.
    Row,
    /// It needs more bytes.
    More,
    End,
}

/// What comes next in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expected {
    #[default]
    Page,
    /// The first member, or the end of the page.
    FirstMember,
    Member,
    /// A comma before another member, or the end of the page.
    AfterMember,
    /// The first row, or the end of the rows.
    FirstRow,
    Row,
    /// A comma before another row, or the end of the rows.
    AfterRow,
    /// Nothing more.
    End,
}

/// Decodes the text of a page: an object with the rows in its member `files`. Single values are
/// decoded by `serde_json`.
#[derive(Debug)]
struct Decoder<T: ListedRow> {
    /// The text that has arrived and is not decoded, and some before it.
    window: String,
    /// The number of bytes in the window that are decoded.
    at: usize,
    /// The first bytes of a character that has not arrived as a whole.
    cut: Vec<u8>,
    /// Whether what follows the window is not UTF-8.
    is_invalid: bool,
    /// Whether the text ends with the window.
    is_complete: bool,
    expected: Expected,
    /// What the next row is expected to look like.
    shape: T::Shape,
    /// Whether the rows were found.
    had_rows: bool,
    /// The other members of the object.
    others: Map<String, Value>,
}

impl<T: ListedRow> Default for Decoder<T> {
    fn default() -> Self {
        Self {
            window: String::new(),
            at: 0,
            cut: Vec::new(),
            is_invalid: false,
            is_complete: false,
            expected: Expected::default(),
            shape: T::Shape::default(),
            had_rows: false,
            others: Map::new(),
        }
    }
}

impl<T: ListedRow> Decoder<T> {
    /// Frees the memory of what was decoded.
    fn forget_decoded(&mut self) {
        self.window.drain(..self.at);
        self.at = 0;
    }

    /// Adds what has arrived. What follows bytes that are not UTF-8 is dropped.
    fn push(&mut self, bytes: &[u8]) {
        if self.is_invalid {
            return;
        }
        let joined = match self.cut.is_empty() {
            true => None,
            false => Some([&std::mem::take(&mut self.cut), bytes].concat()),
        };
        let bytes = joined.as_deref().unwrap_or(bytes);
        match str::from_utf8(bytes) {
            Ok(text) => self.window.push_str(text),
            Err(error) => {
                let (valid, cut) = bytes.split_at(error.valid_up_to());
                self.window
                    .push_str(str::from_utf8(valid).unwrap_or_default());
                match error.error_len() {
                    None => self.cut = cut.to_vec(),
                    Some(_) => (self.is_invalid, self.is_complete) = (true, true),
                }
            }
        }
    }

    /// Takes note that nothing more arrives.
    fn complete(&mut self) {
        self.is_complete = true;
        self.is_invalid |= !self.cut.is_empty();
    }

    /// Decodes up to the next row, which it puts into `row`, the end, or the end of the window.
    fn next(&mut self, row: &mut Option<T>) -> Result<Decoded, serde_json::Error> {
        use Expected as E;
        loop {
            let Some(byte) = self.peek() else {
                return match (self.is_complete, self.expected) {
                    (false, _) => Ok(Decoded::More),
                    (true, _) if self.is_invalid => Err(odd("it is not UTF-8")),
                    (true, E::End) if self.had_rows => Ok(Decoded::End),
                    (true, E::End) => Err(odd("it has no rows")),
                    (true, _) => Err(odd("it ends early")),
                };
            };
            self.expected = match (self.expected, byte) {
                (E::Page, b'{') => self.pass(E::FirstMember),
                (E::FirstMember | E::AfterMember, b'}') => self.pass(E::End),
                (E::AfterMember, b',') => self.pass(E::Member),
                (E::FirstRow | E::AfterRow, b']') => self.pass(E::AfterMember),
                (E::AfterRow, b',') => self.pass(E::Row),
                (E::FirstMember | E::Member, b'"') => match self.member()? {
                    Some(expected) => expected,
                    None => return Ok(Decoded::More),
                },
                (E::FirstRow | E::Row, _) => match self.row(row)? {
                    Some(end) => {
                        self.at = end;
                        self.expected = E::AfterRow;
                        match row {
                            Some(_) => return Ok(Decoded::Row),
                            None => E::AfterRow,
                        }
                    }
                    None => return Ok(Decoded::More),
                },
                _ => return Err(odd("it is not a page of a listing")),
            };
        }
    }

    /// The next byte that is not white space, if it has arrived.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest().as_bytes();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(|byte| is_space(byte)).count();
        self.rest().bytes().next()
    }

    /// What has arrived and is not decoded.
    fn rest(&self) -> &str {
        self.window.get(self.at..).unwrap_or_default()
    }

    /// Passes one byte, after which `then` is expected.
    const fn pass(&mut self, then: Expected) -> Expected {
        self.at += 1;
        then
    }

    /// Reads the name of a member, and its value unless it is the rows. Returns `None` if that
    /// needs more bytes.
    fn member(&mut self) -> Result<Option<Expected>, serde_json::Error> {
        let start = self.at;
        let Some((name, end)) = self.value::<String>()? else {
            return Ok(None);
        };
        self.at = end;
        let found = self.after_colon(name);
        if !matches!(found, Ok(Some(_))) {
            self.at = start;
        }
        found
    }

    /// Reads what follows the name of a member.
    fn after_colon(&mut self, name: String) -> Result<Option<Expected>, serde_json::Error> {
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(odd("a member has no value")),
            None => return self.more(),
        }
        match self.peek() {
            None => self.more(),
            Some(b'[') if name == "files" => {
                self.had_rows = true;
                Ok(Some(self.pass(Expected::FirstRow)))
            }
            Some(_) if name == "files" => Err(odd("its rows are not a list")),
            Some(_) => Ok(self.value()?.map(|(value, end)| {
                self.at = end;
                self.others.insert(name, value);
                Expected::AfterMember
            })),
        }
    }

    /// Asks for more bytes, or fails if there are none.
    fn more<V>(&self) -> Result<Option<V>, serde_json::Error> {
        match self.is_complete {
            false => Ok(None),
            true => Err(odd("it ends early")),
        }
    }

    /// Reads a row and returns where it ends; `row` is `None` then if the listing continues without it. Returns `None`
    /// if that needs more bytes.
    fn row(&mut self, row: &mut Option<T>) -> Result<Option<usize>, serde_json::Error> {
        let text = self.window.get(self.at..).unwrap_or_default();
        if let Some(length) = T::read_expected(text, &mut self.shape, row) {
            return Ok(Some(self.at + length));
        }
        *row = None;
        match self.value() {
            Err(error) if error.is_data() => {}
            found => {
                return Ok(found?.map(|(found, end)| {
                    *row = Some(found);
                    end
                }));
            }
        }
        match self.value()? {
            Some((value, end)) => {
                *row = T::from_odd(&value)?;
                Ok(Some(end))
            }
            None => Ok(None),
        }
    }

    /// Reads the value that begins here, and returns where it ends. Returns `None` if that needs
    /// more bytes.
    fn value<V: DeserializeOwned>(&self) -> Result<Option<(V, usize)>, serde_json::Error> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter();
        let found = values.next().unwrap_or_else(|| Err(odd("it ends early")));
        let end = self.at + values.byte_offset();
        match found {
            // A number may continue in the next bytes.
            Ok(_) if end == self.window.len() && !self.is_complete => Ok(None),
            Ok(value) => Ok(Some((value, end))),
            Err(error) if error.is_eof() && !self.is_complete => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The error of a text that is not a page of a listing.
fn odd(reason: &str) -> serde_json::Error {
    serde::de::Error::custom(reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use super::{Decoded, Decoder};
    use crate::model::file::FileVersion;
    use crate::wire::file::ListFilesResponse;

    /// What the decoder makes of a text that arrives in pieces that end at these places.
    fn decode(
        text: &[u8],
        cuts: &[usize],
    ) -> Result<(Vec<FileVersion>, Decoder<FileVersion>), String> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut decoder, mut rows, mut given) = (Decoder::default(), Vec::new(), 0);
        let (mut cuts, mut row) = (cuts.into_iter(), None);
        loop {
            match decoder.next(&mut row).map_err(|error| error.to_string())? {
                Decoded::Row => rows.extend(row.take()),
                Decoded::End => return Ok((rows, decoder)),
                Decoded::More => {
                    assert!(!decoder.is_complete, "there is no more");
                    let end = cuts.next().unwrap_or(text.len());
                    decoder.forget_decoded();
                    decoder.push(&text[given..end]);
                    given = end;
                    if end == text.len() {
                        decoder.complete();
                    }
                }
            }
        }
    }

    fn row() -> impl Strategy<Value = Value> {
        (".{0,9}", any::<u64>(), any::<bool>(), 0..9).prop_map(|(name, length, is_flat, kind)| {
            let info = json!({"a": name, "{\"b\\": "]}"});
            match kind {
                0 => json!({"fileName": name, "contentLength": "odd", "new": [1, {"x": null}]}),
                1 => json!({"contentLength": length}),
                2 => json!(["no row", length]),
                3 => json!(length),
                _ if is_flat => json!({"fileName": name, "action": "hide", "fileId": null}),
                _ => json!({"fileName": name, "fileInfo": info, "contentLength": length}),
            }
        })
    }

    proptest! {
        /// The oracle reads the whole text at once.
        #[test]
        fn rows_are_those_of_the_whole_text_however_it_is_cut(
            rows in prop::collection::vec(row(), 0..9),
            next in prop::option::of(".{0,9}"),
            (is_pretty, rows_last) in any::<(bool, bool)>(),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let mut page = json!({"nextFileName": next, "nextFileId": 7, "zzz": 1.5});
            page["files"] = rows.into();
            if rows_last {
                page = json!({"files": page["files"]});
            }
            let text = match is_pretty {
                true => serde_json::to_vec_pretty(&page).unwrap(),
                false => serde_json::to_vec(&page).unwrap(),
            };
            page["nextFileId"] = Value::Null;
            let whole: ListFilesResponse = serde_json::from_value(page.clone()).unwrap();
            let (rows, decoder) = decode(&text, &cuts).unwrap();
            prop_assert_eq!(rows, whole.files);
            let next = decoder.others.get("nextFileName").and_then(Value::as_str);
            prop_assert_eq!(next, whole.next_file_name.as_deref());
        }

        #[test]
        fn what_ends_early_is_no_page(end in any::<usize>()) {
            let text = br#"{"files": [{"fileName": "x"}, {"fileName": "y"}], "nextFileName": "z"}"#;
            let end = end % text.len();
            prop_assert!(decode(&text[..end], &[]).is_err());
        }
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for text in [
            "[]",
            "7",
            "{}",
            r#"{"nextFileName": null}"#,
            r#"{"files": null}"#,
            r#"{"files": {}}"#,
            r#"{"files": [,]}"#,
            r#"{"files": [{"fileName": "x"},]}"#,
            r#"{"files": [{"fileName": "x"} {"fileName": "y"}]}"#,
            r#"{"files": [],}"#,
            r#"{"files" []}"#,
            r#"{"files": []} {}"#,
            r#"{"files": [{"fileName": "x"]}"#,
        ] {
            assert!(decode(text.as_bytes(), &[]).is_err(), "{text}");
        }
    }
}
