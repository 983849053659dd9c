//! What goes wrong with one name, or is worth saying about it.
//!
//! A problem belongs to one name and never ends a run. What ends one is an error in the report.
//!
//! | kinds | found by | removals are withheld |
//! |---|---|---|
//! | `Unreadable` of a directory, `UnfitName`, `DanglingLink`, `Collision` of a directory's name in NFC | the scan of the source | no: the names are protected instead |
//! | `Collision` of a file's name in NFC | the scan of the source | yes |
//! | `DestinationNewer`, `Immutable`, `UnsafeName` | the plan | no |
//! | `NoKey`, and what has no place at the destination | the plan | yes |
//! | `Failed`, `Changed`, `Unreadable` of a file, `Collision`, `InTheWay` | a transfer | yes |
//! | `Vanished` of an upload | a transfer | those of orphans |
//! | `NotRegular`, `Temporary`, `LinkLoop`, `Retained` | a scan, or a removal | no |

use std::fmt;
use std::io;

use crate::error::Error;
use crate::model::local_name::UnsafeName;
use crate::model::time::Timestamp;

/// Something that went wrong with one name in a synchronization, or was worth saying about it.
/// [`SyncReport::problems`](crate::sync::SyncReport::problems) keeps them, and
/// [`SyncObserver::problem`](crate::sync::SyncObserver::problem) receives each at once.
///
/// `Display` is one line: the name, with control characters escaped, and the reason.
///
/// Names are those of the scan. A name that is not UTF-8 has a replacement character for each part
/// that is no text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The name below the place; with `/` at its end it stands for everything below.
    pub name: String,
    /// The kind of the problem, which says whether it makes the run incomplete.
    pub kind: ProblemKind,
}

/// The kind of a [`Problem`]. All make the run incomplete, except for
/// [`NotRegular`](Self::NotRegular), [`Temporary`](Self::Temporary), [`LinkLoop`](Self::LinkLoop),
/// [`Vanished`](Self::Vanished) and [`Retained`](Self::Retained): [`is_failure`](Self::is_failure)
/// tells.
///
/// Each says which file stays as it is. Nothing at the destination is removed or replaced because
/// of a problem.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A local file or directory could not be read. Nothing that the destination has under its name
    /// is changed.
    ///
    /// If it is a directory, its name ends with `/`, and all that the destination has below it is
    /// protected.
    Unreadable(io::Error),
    /// A pipe, a socket or a device, which is not synchronized.
    ///
    /// Nothing that the destination has under its name is changed. This does not make the run
    /// incomplete.
    NotRegular,
    /// A file of a local source whose name begins with `.b2-download-` or ends with `.b2.sync.tmp`,
    /// as those of unfinished downloads do; or a file in a bucket whose name ends with
    /// `.b2.sync.tmp`, which would be removed from a local destination as unfinished.
    ///
    /// It is not synchronized. This does not make the run incomplete.
    Temporary,
    /// A link in the source whose target does not exist.
    ///
    /// Nothing that the destination has under its name, or below a directory of that name, is
    /// changed.
    DanglingLink,
    /// A link leads to a directory that it lies in, and is not followed. This does not make the run
    /// incomplete.
    LinkLoop,
    /// The name of a local file cannot be used in a bucket, for the reason given.
    ///
    /// The file is not uploaded. B2 refuses control characters, backslashes, parts between slashes
    /// of more than 250 bytes, and names of more than 1,024 bytes with the folder's.
    UnfitName(Box<str>),
    /// The name in the bucket cannot become a local path.
    ///
    /// The file is not downloaded. The rules are those of the system on which the program runs.
    UnsafeName(UnsafeName),
    /// The file vanished after it was scanned. This does not make the run incomplete.
    ///
    /// What the destination has under its name stays. If the file was gone when it was to be
    /// uploaded, orphans are withheld in this run.
    Vanished,
    /// A local file changed during the run. At the destination it was left alone, and the next run
    /// compares it again.
    ///
    /// At the source it was tried twice, and changed while it was read each time.
    Changed,
    /// The destination has a newer file, which was left alone
    /// ([`Newer::Report`](crate::sync::Newer::Report)).
    DestinationNewer {
        /// When the file at the source was changed, in milliseconds since 1970.
        source: i64,
        /// When the file at the destination was changed, in milliseconds since 1970.
        destination: i64,
    },
    /// The destination has another file, and existing files may not be changed
    /// ([`Existing::Immutable`](crate::sync::Existing::Immutable)).
    Immutable,
    /// On this file system the name is the same as another one, or a file and a directory want the
    /// same place; or two entries of a source have one name in NFC
    /// ([`LocalFolder::nfc`](crate::sync::LocalFolder::nfc)).
    ///
    /// The second file is not transferred. Removals are withheld, because what would be removed may
    /// be all that the destination has of it. Of a second directory, only what the destination has
    /// below that name is protected.
    Collision,
    /// Something stands in the place of the file or of one of its directories, and may not be
    /// removed.
    /// It may be a directory, a link, a device, or what the scan of the destination could not look
    /// at.
    InTheWay,
    /// The file is encrypted with a customer's key that was not given.
    ///
    /// It is not transferred. No request was made for it. Removals are withheld, because it may be
    /// what another file was renamed to.
    NoKey,
    /// A version is retained or on legal hold and could not be deleted. This does not make the run
    /// incomplete.
    Retained,
    /// The step is of a saved plan, and what it was made for has changed since.
    ///
    /// The step is not made. Plan again to see what is to be done now.
    Outdated(Box<str>),
    /// The step failed with this error, after the usual repetitions.
    /// An error that every other file would meet as well is not a problem of one name; it ends the
    /// run.
    Failed(Error),
}

impl ProblemKind {
    /// Returns whether a problem of this kind makes the run incomplete.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        !matches!(
            self,
            Self::NotRegular | Self::Temporary | Self::LinkLoop | Self::Vanished | Self::Retained
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Printable(&self.name))?;
        match &self.kind {
            ProblemKind::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            ProblemKind::NotRegular => {
                f.write_str("it is a pipe, a socket or a device, which is not synchronized")
            }
            ProblemKind::Temporary => f.write_str(
                "it has the name of a temporary file of downloads, and is not synchronized",
            ),
            ProblemKind::DanglingLink => f.write_str("the link leads nowhere"),
            ProblemKind::LinkLoop => f.write_str("the link leads to a directory that it lies in"),
            ProblemKind::UnfitName(reason) => write!(f, "{reason}"),
            ProblemKind::UnsafeName(unsafe_name) => write!(f, "{}", unsafe_name.reason),
            ProblemKind::Vanished => f.write_str("it vanished"),
            ProblemKind::Changed => f.write_str("the local file changed after it was scanned"),
            ProblemKind::DestinationNewer {
                source,
                destination,
            } => write!(
                f,
                "the destination is newer: it was changed at {}, and the source at {}",
                Timestamp::from_millis(*destination),
                Timestamp::from_millis(*source)
            ),
            ProblemKind::Immutable => f.write_str(
                "it differs at the destination, where existing files may not be changed",
            ),
            ProblemKind::Collision => f.write_str("another file or directory has its place"),
            ProblemKind::InTheWay => {
                f.write_str("something that may not be removed stands in its place")
            }
            ProblemKind::NoKey => {
                f.write_str("it is encrypted with a customer's key that was not given")
            }
            ProblemKind::Retained => f.write_str("a version is retained and was kept"),
            ProblemKind::Outdated(change) => write!(f, "the plan no longer holds: {change}"),
            ProblemKind::Failed(error) => write!(f, "{}", WithCauses(error)),
        }
    }
}

/// An error with all its causes, on one line.
///
/// The causes are joined by colons. `Display` of an error alone has only its own part.
pub(super) struct WithCauses<'a>(pub(super) &'a Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}

/// A name on one line of a terminal: control characters are escaped, and backslashes, so that two
/// names never look the same.
///
/// Marks that change the direction of text are escaped too, so that a name cannot display as
/// another one.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c == '\\'
                || c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
