//! A page of a listing that is decoded row by row while it arrives, so that a page of 10,000 rows
//! takes no more memory than one of 1,000.
//!
//! Up to [`AHEAD`] bytes are read when the page is opened. Most pages are complete then, and their
//! connection is free before the first row is returned. The rest of a larger page is read when its
//! rows are requested. If no row is requested for [`PATIENCE`], everything that is left is read at
//! the next request, because the service does not keep a connection open on which nothing moves.

use std::io::{self, Read as _};
use std::marker::PhantomData;
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
pub(crate) trait ListedRow: DeserializeOwned {
    /// The name of the file, and the id of the version.
    fn place(&self) -> (&str, Option<&FileId>);

    /// Reads a row in an unexpected form. Returns `None` if the listing continues without it.
    fn from_odd(value: &Value) -> Result<Option<Self>, serde_json::Error>;
}

impl ListedRow for FileVersion {
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
            rows: PhantomData,
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
pub(crate) struct ListedPage<T> {
    operation: Operation,
    /// What is still to be read; `None` at the end.
    body: Option<ResponseBody>,
    clock: Clock,
    /// When the body was last read, by the clock's `elapsed`.
    read_at: Duration,
    /// The number of bytes that have arrived.
    received: u64,
    decoder: Decoder,
    rows: PhantomData<fn() -> T>,
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

    /// Returns the next row, or `None` at the end of the page.
    pub(crate) fn next(&mut self) -> Result<Option<T>> {
        loop {
            match self.decoder.next() {
                Ok(Decoded::Row(row)) => return Ok(Some(row)),
                Ok(Decoded::End) => return Ok(None),
                Ok(Decoded::More) => {
                    let unread = self.clock.elapsed().saturating_sub(self.read_at);
                    self.read(if unread < PATIENCE { PIECE } else { usize::MAX })?;
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
        let window = &mut self.decoder.window;
        window.drain(..self.decoder.at);
        self.decoder.at = 0;
        let mut read = 0;
        while let Some(body) = &mut self.body
            && read < least
        {
            let filled = window.len();
            window.resize(filled + PIECE, 0);
            let outcome = body.read(window.get_mut(filled..).unwrap_or_default());
            window.truncate(filled + *outcome.as_ref().unwrap_or(&0));
            match outcome {
                Ok(0) => self.body = None,
                Ok(some) => read += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(body.failure(error)),
            }
        }
        self.received += read as u64;
        if self.received > ANSWER_LIMIT {
            let reason = format!("it has more than {ANSWER_LIMIT} bytes");
            return Err(unexpected(self.operation, reason));
        }
        self.decoder.is_complete = self.body.is_none();
        self.read_at = self.clock.elapsed();
        Ok(())
    }
}

/// The result of a step of the decoder.
#[derive(Debug)]
enum Decoded<T> {
    /// A row.
    Row(T),
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
#[derive(Debug, Default)]
struct Decoder {
    /// The bytes that have arrived and are not decoded, and some before them.
    window: Vec<u8>,
    /// The number of bytes in the window that are decoded.
    at: usize,
    /// Whether the text ends with the window.
    is_complete: bool,
    expected: Expected,
    /// Whether the rows were found.
    had_rows: bool,
    /// The other members of the object.
    others: Map<String, Value>,
}

impl Decoder {
    /// Decodes up to the next row, the end, or the end of the window.
    fn next<T: ListedRow>(&mut self) -> Result<Decoded<T>, serde_json::Error> {
        use Expected as E;
        loop {
            let Some(byte) = self.peek() else {
                return match (self.is_complete, self.expected) {
                    (false, _) => Ok(Decoded::More),
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
                (E::FirstRow | E::Row, _) => match self.row()? {
                    Some((row, end)) => {
                        self.at = end;
                        self.expected = E::AfterRow;
                        match row {
                            Some(row) => return Ok(Decoded::Row(row)),
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
        let rest = self.window.get(self.at..).unwrap_or_default();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(|byte| is_space(byte)).count();
        self.window.get(self.at).copied()
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
    fn more<T>(&self) -> Result<Option<T>, serde_json::Error> {
        match self.is_complete {
            false => Ok(None),
            true => Err(odd("it ends early")),
        }
    }

    /// Reads a row and returns where it ends; the row is `None` if the listing continues without
    /// it. Returns `None` if that needs more bytes.
    fn row<T: ListedRow>(&self) -> Result<Option<(Option<T>, usize)>, serde_json::Error> {
        match self.value() {
            Err(error) if error.is_data() => {}
            found => return Ok(found?.map(|(row, end)| (Some(row), end))),
        }
        match self.value()? {
            Some((value, end)) => Ok(Some((T::from_odd(&value)?, end))),
            None => Ok(None),
        }
    }

    /// Reads the value that begins here, and returns where it ends. Returns `None` if that needs
    /// more bytes.
    fn value<T: DeserializeOwned>(&self) -> Result<Option<(T, usize)>, serde_json::Error> {
        let rest = self.window.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
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
    fn decode(text: &[u8], cuts: &[usize]) -> Result<(Vec<FileVersion>, Decoder), String> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut decoder, mut rows, mut given) = (Decoder::default(), Vec::new(), 0);
        let mut cuts = cuts.into_iter();
        loop {
            match decoder.next().map_err(|error| error.to_string())? {
                Decoded::Row(row) => rows.push(row),
                Decoded::End => return Ok((rows, decoder)),
                Decoded::More => {
                    assert!(!decoder.is_complete, "there is no more");
                    let end = cuts.next().unwrap_or(text.len());
                    decoder.window.drain(..decoder.at);
                    decoder.at = 0;
                    decoder.window.extend_from_slice(&text[given..end]);
                    given = end;
                    decoder.is_complete = end == text.len();
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
