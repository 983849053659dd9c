//! What a failure of SQLite means to the user: the error with its file, its action and a hint what can be
//! done. No text quotes anything of a file's content.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, StoreError};

/// What the user can do about a failure, by its kind. Every message about a file ends in such a
/// hint, because the account info of Backblaze's tools is often a file that the user has never
/// heard of.
///
/// The words for a full disk say that nothing was changed, because a transaction was rolled back.
pub(super) fn hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull => "make room on the disk; nothing was changed",
        io::ErrorKind::ResourceBusy => {
            "another program holds the file for long; end it, or name another file"
        }
        io::ErrorKind::Other => {
            "the file system failed; is this a network drive that is away, or has no locks?"
        }
        _ => {
            "check the permissions of the file and of its directory, or name another file \
             (B2_ACCOUNT_INFO for the default one)"
        }
    }
}

/// The hint about a file that the failed call has created, and that is still empty.
///
/// The file is not removed: nothing tells whether another program has opened it since, which would then
/// store its login in a file that no longer has a name. The next program to open it creates the tables.
pub(super) fn hint_of_new_file(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull => {
            "make room on the disk; an empty file was created, which is used next time"
        }
        other => hint(other),
    }
}

/// A failure before it is known which file and which action it belongs to.
///
/// It travels up to where both are known, and becomes an `Error` there.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite refused something, which does not say which file it was about.
    Sqlite(rusqlite::Error),
    /// An error that is complete, with its file and its action. It is passed on as it is.
    Explained(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Explained(error)
    }
}

impl Failure {
    /// Whether the file itself is the reason: it is not a database, or its tables, columns or
    /// values are not the expected ones. The shared file is then left alone; the file of upload
    /// URLs is replaced.
    ///
    /// A name that SQLite does not know counts, because the statements are fixed; the caller with
    /// tables of a newer program has to look at that first.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Sqlite(error) = self else {
            return false;
        };
        match error {
            error if unknown_name(error).is_some() => true,
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => true,
            other => matches!(
                other.sqlite_error_code(),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
            ),
        }
    }

    /// Whether SQLite noticed that the file is no longer at its path, and therefore wrote nothing.
    ///
    /// The caller opens the file that is there now, and runs its work again.
    pub(super) fn is_moved(&self) -> bool {
        matches!(
            self,
            Self::Sqlite(rusqlite::Error::SqliteFailure(cause, _))
                if cause.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED
        )
    }

    /// The error as the user meets it, with the file, the action and what can be done. SQLite's own
    /// text is kept, because it names what it did not like; it quotes no values of columns.
    ///
    /// `action` is a word such as `read` or `write`, for the beginning of the message.
    pub(super) fn explain(self, action: &'static str, path: &Path) -> Error {
        self.explain_with(hint, action, path)
    }

    /// The error as the user meets it, with other words for what can be done.
    pub(super) fn explain_with(
        self,
        hint: fn(io::ErrorKind) -> &'static str,
        action: &'static str,
        path: &Path,
    ) -> Error {
        let damaged = self.is_damage();
        let error = match self {
            Self::Explained(error) => return error,
            Self::Sqlite(error) => error,
        };
        if damaged {
            return corrupt(path, &damage(&error));
        }
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                io::ErrorKind::PermissionDenied
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                io::ErrorKind::ResourceBusy
            }
            Some(ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
                io::ErrorKind::Other
            }
            _ => return Error::Store(StoreError::new(error)),
        };
        let source = io::Error::new(kind, format!("{error}; {}", hint(kind)));
        Error::local_file(action, path, source)
    }
}

/// SQLite's message, if it refused a statement because it does not know a name. The statements of
/// this crate are fixed, so a table or a column is missing. A statement that was prepared earlier
/// fails when it is executed.
pub(super) fn unknown_name(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => Some(msg),
        rusqlite::Error::SqliteFailure(cause, Some(message))
            if cause.extended_code == rusqlite::ffi::SQLITE_ERROR =>
        {
            Some(message)
        }
        _ => None,
    }
}

/// What is wrong with a file. The text quotes nothing of the content.
fn damage(error: &rusqlite::Error) -> String {
    if let Some(message) = unknown_name(error) {
        return format!("its tables are not as expected ({message})");
    }
    match error {
        rusqlite::Error::InvalidColumnType(_, column, found) => {
            format!("the column {column} holds a value of type {found}")
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => {
            "a value in it cannot be understood".to_owned()
        }
        other if other.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            "it is not an SQLite database".to_owned()
        }
        _ => "the database in it is damaged".to_owned(),
    }
}

/// The error of a file that cannot be used and is left as it is.
///
/// It tells the user that nothing was changed and what to do: move the file away, or name another
/// one.
pub(super) fn corrupt(path: &Path, what: &str) -> Error {
    Error::AccountInfoCorrupt {
        path: path.into(),
        reason: format!(
            "{what}; nothing was changed, move it away and authorize again, or name another file"
        )
        .into(),
    }
}
