//! Listings whose rows are handed on one at a time, as they arrive: a page of 10,000 files is about 9 MB of
//! JSON, of which no more than one row is in memory.

use std::io::Read as _;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::raw::{ANSWER_LIMIT, Raw, to_json, unexpected};

/// How much of an answer is read at a time.
const PIECE: usize = 1 << 16;
/// The most that one row may have.
const ROW_LIMIT: usize = 1 << 20;

impl Raw<'_> {
    /// A call that takes JSON and answers an object with rows in its array `files`. Each row is given to
    /// `row` as JSON, and all other members are read as a `T`, to which `files` is empty. If the answer
    /// breaks off, rows have been given that the next attempt gives again.
    pub(crate) fn call_rows<T: DeserializeOwned>(
        &self,
        operation: Operation,
        request: &impl Serialize,
        mut row: impl FnMut(&[u8]) -> serde_json::Result<()>,
    ) -> Result<T> {
        let request = to_json(request)?;
        let mut body = self.post(operation, Subject::Account, &request)?.body;
        let mut splitter = Splitter::default();
        let mut piece = vec![0; PIECE];
        let mut left = ANSWER_LIMIT;
        // To the end, so that the connection can be used again.
        loop {
            let read = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(body.failure(error)),
            };
            left = left
                .checked_sub(read as u64)
                .ok_or_else(|| unexpected(operation, "it is too long"))?;
            let piece = piece.get(..read).unwrap_or_default();
            splitter
                .take(piece, &mut row)
                .map_err(|error| unreadable(operation, &error))?;
            if splitter.row.len() > ROW_LIMIT || splitter.rest.len() > ROW_LIMIT {
                return Err(unexpected(operation, "one of its rows is too long"));
            }
        }
        serde_json::from_slice(&splitter.rest).map_err(|error| unreadable(operation, &error))
    }
}

/// Without the parser's own text, which may quote what it did not expect.
fn unreadable(operation: Operation, error: &serde_json::Error) -> Error {
    let place = format!("line {}, column {}", error.line(), error.column());
    unexpected(
        operation,
        format!("a row or the rest of it is not what was expected at {place}"),
    )
}

/// Cuts the rows out of an answer that comes in pieces.
#[derive(Debug, Default)]
struct Splitter {
    /// How many objects and arrays are open.
    depth: u32,
    is_in_text: bool,
    is_escaped: bool,
    /// The last text of the outermost object: before an array, the name of that member.
    member: Vec<u8>,
    is_in_rows: bool,
    /// The row so far.
    row: Vec<u8>,
    /// The answer without its rows.
    rest: Vec<u8>,
}

/// How deep the answer's members are, and its rows.
const MEMBERS: u32 = 1;
const ROWS: u32 = 2;

impl Splitter {
    fn take<E>(
        &mut self,
        piece: &[u8],
        row: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // What was not put anywhere yet begins here.
        let mut from = 0;
        for (at, byte) in piece.iter().enumerate() {
            if self.is_in_text {
                self.in_text(*byte);
                continue;
            }
            match byte {
                b'"' => {
                    self.is_in_text = true;
                    if self.depth == MEMBERS {
                        self.member.clear();
                    }
                }
                b'{' | b'[' => {
                    if self.depth == ROWS && self.is_in_rows {
                        self.keep(piece.get(from..at));
                        from = at;
                    }
                    self.is_in_rows |=
                        self.depth == MEMBERS && *byte == b'[' && self.member == b"files";
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == ROWS && self.is_in_rows {
                        self.row
                            .extend_from_slice(piece.get(from..=at).unwrap_or_default());
                        from = at + 1;
                        row(&self.row)?;
                        self.row.clear();
                    } else if self.depth == MEMBERS && self.is_in_rows {
                        self.keep(piece.get(from..at));
                        from = at;
                        self.is_in_rows = false;
                    }
                }
                // Between the rows.
                b',' if self.depth == ROWS && self.is_in_rows => {
                    self.keep(piece.get(from..at));
                    from = at + 1;
                }
                _ => {}
            }
        }
        match self.depth > ROWS && self.is_in_rows {
            true => self
                .row
                .extend_from_slice(piece.get(from..).unwrap_or_default()),
            false => self.keep(piece.get(from..)),
        }
        Ok(())
    }

    fn in_text(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => {
                self.is_in_text = false;
                return;
            }
            _ => {}
        }
        if self.depth == MEMBERS {
            self.member.push(byte);
        }
    }

    fn keep(&mut self, piece: Option<&[u8]>) {
        self.rest.extend_from_slice(piece.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Splitter;

    /// The rows of an answer that comes in pieces of this length, and the rest of it.
    fn split(answer: &str, length: usize) -> Result<(Vec<Value>, Value), serde_json::Error> {
        let (mut splitter, mut rows) = (Splitter::default(), Vec::new());
        for piece in answer.as_bytes().chunks(length) {
            splitter.take(piece, &mut |row: &[u8]| {
                rows.push(serde_json::from_slice(row)?);
                Ok::<_, serde_json::Error>(())
            })?;
        }
        Ok((rows, serde_json::from_slice(&splitter.rest)?))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            r#"[a"\\{}\[\],: é]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let name = r#"[a"\\{}\[\]]{0,3}|files"#;
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn rows_and_rest_are_those_of_the_whole_answer(
            rows in proptest::collection::vec(proptest::collection::btree_map("[a-c\"{]{1,2}", value(), 0..3), 0..4),
            before in value(), after in value(), is_pretty in any::<bool>(), length in 1..40_usize,
        ) {
            let rows: Vec<Value> =
                rows.into_iter().map(|row| Value::Object(row.into_iter().collect())).collect();
            let answer = json!({"before": before, "files": rows, "next": after});
            let text = match is_pretty {
                true => serde_json::to_string_pretty(&answer).unwrap(),
                false => answer.to_string(),
            };
            let (split_rows, rest) = split(&text, length).unwrap();
            prop_assert_eq!(&split_rows, answer["files"].as_array().unwrap());
            prop_assert_eq!(rest, json!({"before": before, "files": [], "next": after}));
        }
    }

    #[test]
    fn rows_that_are_no_objects_stay_and_what_breaks_off_is_no_answer() {
        let (rows, rest) = split(r#"{"files":[{"a":1},"b"]}"#, 3).unwrap();
        assert_eq!(
            (rows, rest),
            (vec![json!({"a": 1})], json!({"files": ["b"]}))
        );
        for broken in [
            "",
            "{",
            r#"{"files":["#,
            r#"{"files":[{"a":1}"#,
            r#"{"files":[{"a":1}]"#,
        ] {
            assert!(split(broken, 4).is_err(), "{broken}");
        }
    }
}
