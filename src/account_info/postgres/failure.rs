//! What the failures of a PostgreSQL server mean to the user.
//!
//! PostgreSQL's five-character codes fall into four kinds, each with another consequence:
//!
//! | kind | codes | what follows |
//! | --- | --- | --- |
//! | refused | `28P01`, `28000`, `3D000`, `42501`, `42P01`, `42703`, all others | a lasting error that says what an administrator has to do |
//! | busy | `25006`, `53300`, `53100`, `57014`, `55P03`, `40001`, `58...`, `XX...`; whatever happens on a connection that was idle | `unavailable`; the next call asks again |
//! | away | on a new connection `57P...`, `08...`, no answer at all | `unavailable`, and a pause of a second for all calls |
//! | superseded | none: a check that found no row | `superseded` |
//!
//! What a kind means to a session: a refused store fails the reading of the authorization, because
//! its owner has to do something; a store that is busy or away is survived
//! (`session::store_policy`). Only `away` begins a pause, because a server that answers at all
//! costs no time-out, and a connection that was idle may have been closed by something in between.
//!
//! Of the texts of the server and the driver only two reach an error: that of an I/O error, which
//! is what the operating system reports, and the driver's name for the step that failed. Codes are
//! five characters and quote nothing.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::SqlState;

use crate::error::StoreError;

/// Why there is no answer.
pub(super) enum Failure {
    /// The store holds another identity.
    Superseded,
    /// The deadline passed.
    ///
    /// The time for waiting, connecting and the request together is over. The request may have
    /// taken effect.
    TimedOut,
    /// All connections were in use until the deadline passed. Nothing was sent.
    AllInUse,
    /// A connection that had been idle failed in this way, which tells nothing about the server: a
    /// proxy may have closed it.
    Idle(Box<Self>),
    /// The function that returns the password failed.
    Password(Box<dyn StdError + Send + Sync>),
    /// The driver failed, or the server answered with an error.
    Server(tokio_postgres::Error),
    /// The thread that keeps the connections ended.
    ///
    /// The request was not carried out, or its answer is lost with the thread.
    NoThread,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

/// A failure as the user meets it.
///
/// Each kind becomes one kind of `StoreError` in `server.rs`.
pub(super) enum Explained {
    /// Somebody else's account is in the store, or nobody's.
    Superseded,
    /// Something of the caller's failed, such as the function that returns the password.
    Broken(StoreError),
    /// It stays so until somebody does something.
    Refused(String),
    /// It passes by itself.
    Busy(String),
    /// The server cannot be reached, and is left alone for a moment.
    Away(String),
}

impl Failure {
    /// Whether the connection is of no use any more.
    ///
    /// Codes of class 25 count, because a server that turned read-only is one to leave: a new
    /// connection goes to a host that can be written, if the URL names several.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::Superseded | Self::Password(_) | Self::AllInUse => false,
            Self::TimedOut | Self::NoThread | Self::Idle(_) => true,
            Self::Server(error) => match error.code() {
                // The server is going down, or does not want this connection.
                Some(code) => ["08", "57P", "25"]
                    .iter()
                    .any(|class| code.code().starts_with(class)),
                None => true,
            },
        }
    }

    /// Whether the tables do not exist.
    pub(super) fn is_without_tables(&self) -> bool {
        matches!(self, Self::Server(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE))
    }

    /// The driver's and the server's own words may quote a password or a token, so only what is known to
    /// be without is passed on.
    ///
    /// `name` is hosts and ports, as the URL has them, without the login.
    pub(super) fn explain(self, name: &str) -> Explained {
        let server = format!("the PostgreSQL server {name}");
        match self {
            Self::Superseded => Explained::Superseded,
            Self::Password(error) => Explained::Broken(
                StoreError::new(error).context(format!("asking for the password of {server}")),
            ),
            Self::TimedOut => Explained::Away(format!(
                "{server} does not answer in time; check that it runs, its load and the address"
            )),
            Self::AllInUse => Explained::Busy(format!(
                "all connections to {server} were in use for the whole time-out; allow more with \
                 connections, or check its load"
            )),
            Self::Idle(failure) => match failure.explain(name) {
                Explained::Away(text) => Explained::Busy(text),
                explained => explained,
            },
            Self::NoThread => {
                Explained::Busy("the thread of the connections to PostgreSQL ended".to_owned())
            }
            Self::Server(error) => match error.code() {
                Some(code) => explain_code(&server, code),
                None => explain_driver(&server, &error),
            },
        }
    }
}

/// What an error code of the server means, and what can be done about it.
///
/// What is not listed is `Refused` with its code: an unknown error that were survived in silence
/// would never be found.
fn explain_code(server: &str, code: &SqlState) -> Explained {
    use Explained::{Away, Busy, Refused};
    match code.code() {
        "28P01" | "28000" => Refused(format!(
            "{server} refused the login; check the user, the password and pg_hba.conf"
        )),
        "3D000" => Refused(format!("{server} has no such database; check the URL")),
        "42501" => Refused(format!(
            "{server} refused a statement; the user needs SELECT, INSERT, UPDATE and DELETE on b2_account, \
             b2_bucket and b2_upload_url"
        )),
        "42P01" | "3F000" => Refused(format!(
            "{server} has no tables for the account info; create them with migrate(true) or as its \
             documentation says"
        )),
        "42703" | "42804" => Refused(format!(
            "the tables b2_account, b2_bucket and b2_upload_url on {server} are of another version"
        )),
        "25006" | "0A000" => Busy(format!(
            "{server} is a replica or read-only and cannot be written; name the primary, or several hosts"
        )),
        "53300" => Busy(format!(
            "{server} has no free connection; raise max_connections, or use a pooler such as PgBouncer"
        )),
        "53100" | "53200" | "53000" => Busy(format!("{server} is full; free disk space or memory")),
        "57014" | "55P03" | "40001" | "40P01" | "25P03" => Busy(format!(
            "{server} is too slow; check its load and its locks ({})",
            code.code()
        )),
        known if known.starts_with("57P") || known.starts_with("08") => Away(format!(
            "{server} is not ready ({known}); it starts, stops or fails over"
        )),
        // Such as an I/O error of its disk.
        known if known.starts_with("58") || known.starts_with("XX") => {
            Busy(format!("{server} failed ({known}); see the server's log"))
        }
        known => Refused(format!("{server} answered with an error ({known})")),
    }
}

/// What a failure of the driver means: it reports no code where there was no answer.
///
/// A certificate that is not accepted and a server without TLS are refused for good; an
/// authentication that the driver could not carry out as well. Everything else is taken for a
/// server that cannot be reached.
fn explain_driver(server: &str, error: &tokio_postgres::Error) -> Explained {
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    match (error.to_string().as_str(), io) {
        // The TLS library's words about a certificate.
        ("error performing TLS handshake", Some(io)) if io.kind() == io::ErrorKind::InvalidData => {
            Explained::Refused(format!(
                "{server} has a certificate that is not accepted ({io}); name its authority with tls_roots, \
                 or add sslmode=disable to the URL"
            ))
        }
        ("error performing TLS handshake", None) => Explained::Refused(format!(
            "TLS to {server} is not possible; the server has to support it, or the URL needs sslmode=disable"
        )),
        ("authentication error" | "invalid configuration", _) => Explained::Refused(format!(
            "the login to {server} failed; check the user, the password and how the server asks for it"
        )),
        (_, Some(io)) => Explained::Away(format!(
            "{server} cannot be reached ({io}); check that it runs and the address"
        )),
        (what, None) => Explained::Away(format!(
            "{server} cannot be reached ({what}); check that it runs and the address"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Explained, explain_code};
    use tokio_postgres::error::SqlState;

    #[test]
    fn a_code_says_whether_the_server_is_away_and_what_to_do() {
        for (code, is_away, words) in [
            ("28P01", false, "pg_hba.conf"),
            ("42501", false, "UPDATE"),
            ("42P01", false, "migrate(true)"),
            ("42703", false, "another version"),
            ("25006", true, "name the primary"),
            ("53100", true, "free disk space"),
            ("53300", true, "max_connections"),
            ("55P03", true, "locks"),
            ("57P01", true, "not ready"),
            ("08006", true, "not ready"),
            ("58030", true, "the server's log"),
            ("22021", false, "22021"),
        ] {
            let (text, seems_away) = match explain_code("the server", &SqlState::from_code(code)) {
                Explained::Refused(text) => (text, false),
                Explained::Busy(text) | Explained::Away(text) => (text, true),
                Explained::Superseded | Explained::Broken(_) => panic!("{code}"),
            };
            assert_eq!(seems_away, is_away, "{code}");
            assert!(
                text.contains("the server") && text.contains(words),
                "{text}"
            );
        }
    }
}
