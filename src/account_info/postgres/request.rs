//! What is asked of the server, as data that can be sent to another thread and sent again.
//!
//! A method of the store builds a request, the thread of the connections carries it out
//! (`worker.rs`), and the rows of its last statement come back. A request owns everything in it,
//! because the caller may have given up when the thread reads it.
//!
//! | the request has | how it is sent | what is undone when it fails |
//! | --- | --- | --- |
//! | one statement | by itself, in one round trip | the statement, by the server |
//! | several statements | `BEGIN`, each in turn, `COMMIT` | all of them, by `ROLLBACK` |
//! | a check that finds no row | the rest is not sent | all of it, as above |
//!
//! Values travel as arguments with their types and never as part of the SQL, so no text in them can
//! be taken for SQL.

use tokio_postgres::types::{ToSql, Type};

/// Whether a request may be sent again although it may have taken effect.
///
/// It matters only on a connection that was idle and turned out to be closed: that is the one case
/// in which a request that may have taken effect is sent a second time. A request that may not be
/// repeated is sent only on a connection that is known to be open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second time it has no further effect, or finds its own.
    Yes,
    /// A second time would do harm, so a broken connection is an error.
    No,
}

/// One statement, or several in one transaction.
pub(super) struct Request {
    /// Whether it may be sent again after its answer was lost.
    pub(super) repeat: Repeat,
    /// The statements in their order. The rows of the last one are returned.
    pub(super) statements: Vec<Statement>,
}

/// A statement with its arguments.
pub(super) struct Statement {
    /// The SQL, which is never put together from values.
    pub(super) sql: &'static str,
    /// The values of `$1`, `$2` and so on.
    pub(super) arguments: Vec<Argument>,
    /// Whether the store holds another identity if this finds no row: then nothing is done.
    pub(super) is_check: bool,
}

/// A value with its type in SQL.
pub(super) enum Argument {
    /// `text`.
    Text(String),
    /// `text`, or null.
    MaybeText(Option<String>),
    /// `bytea`, or null: generations and hashes.
    Bytes(Option<Vec<u8>>),
    /// `bigint`: milliseconds, and numbers that are drawn at random.
    Number(i64),
    /// `boolean`.
    Flag(bool),
    /// `text[]`: names or ids of buckets.
    Texts(Vec<String>),
}

impl Argument {
    /// The value as the driver takes it. Types are sent along, so that the server need not be asked
    /// for them in a round trip of its own.
    pub(super) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::MaybeText(text) => (text, Type::TEXT),
            Self::Bytes(bytes) => (bytes, Type::BYTEA),
            Self::Number(number) => (number, Type::INT8),
            Self::Flag(flag) => (flag, Type::BOOL),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<String>> for Argument {
    fn from(text: Option<String>) -> Self {
        Self::MaybeText(text)
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<u8>> for Argument {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Option<Vec<u8>>> for Argument {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<String>> for Argument {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl Statement {
    /// A statement that may find any number of rows.
    ///
    /// A method that reads decides by the rows what they mean.
    pub(super) fn new<const N: usize>(sql: &'static str, arguments: [Argument; N]) -> Self {
        Self {
            sql,
            arguments: arguments.into(),
            is_check: false,
        }
    }

    /// A statement that finds a row unless the store holds another identity.
    ///
    /// A caller that sends it alone can rely on a first row in what it gets back.
    pub(super) fn check<const N: usize>(sql: &'static str, arguments: [Argument; N]) -> Self {
        Self {
            is_check: true,
            ..Self::new(sql, arguments)
        }
    }
}

/// A statement alone may be repeated. The one that may not is made into a request by hand.
impl From<Statement> for Request {
    fn from(statement: Statement) -> Self {
        Self {
            repeat: Repeat::Yes,
            statements: vec![statement],
        }
    }
}

/// A transaction may be repeated: either it was committed, and its second run writes what is there,
/// or it was not.
impl From<Vec<Statement>> for Request {
    fn from(statements: Vec<Statement>) -> Self {
        Self {
            repeat: Repeat::Yes,
            statements,
        }
    }
}
