//! Which file, and how the place is that it lies in.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::location::{Location, Named};
use super::read_only::ReadOnly;
use super::{Place, SqliteAccountInfo};
use crate::control::clock::Clock;
use crate::error::{Error, Result};

/// Opens a [`SqliteAccountInfo`]: without a setting, the one of this user, which Backblaze's tools
/// use.
///
/// ```no_run
/// use b2sdk::SqliteAccountInfo;
///
/// // What `b2 --profile work` uses, also from a container whose home directory is read-only.
/// let account_info = SqliteAccountInfo::builder()
///     .profile("work")
///     .read_only_fallback(true)
///     .open()?;
/// # Ok::<(), b2sdk::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing happens before it is opened"]
pub struct SqliteAccountInfoBuilder {
    named: Named,
    read_only_fallback: bool,
    options: Options,
}

/// What the files are opened with.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) clock: Clock,
    pub(super) network_home: bool,
    /// How large the shared file may grow: what a full disk looks like.
    #[cfg(test)]
    pub(super) max_pages: Option<u32>,
}

impl SqliteAccountInfoBuilder {
    /// This file. Its directory must exist. A leading `~` is the home directory.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.named.path = Some(path.into());
        self
    }

    /// The file of this profile, as `b2 --profile`: one for each account that is used side by side.
    /// The name has 1 to 64 of the characters `a-z A-Z 0-9 _ -`; an empty one is none, as with
    /// Backblaze's tools.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.named.profile = Some(name.into());
        self
    }

    /// What to do where account info cannot be written, such as in a container with a read-only
    /// home directory. `false`, as at first: it is an error. `true`: what is in the file is read,
    /// everything else is kept in memory and ends with the store, and one warning says so
    /// (`tracing`). What somebody else changes in the file is followed. If there is no file at all,
    /// the store begins empty.
    ///
    /// A file that cannot be read is an error in any case.
    pub fn read_only_fallback(mut self, fall_back: bool) -> Self {
        self.read_only_fallback = fall_back;
        self
    }

    /// For a directory on a network file system, where SQLite's write-ahead log does not work: then
    /// no file `-wal` or `-shm` ever exists. Taking and putting an upload URL waits for the file
    /// system twice, some milliseconds instead of some microseconds.
    ///
    /// It stays a property of the `-urls` file: who opens that later without this setting keeps to
    /// it. A log that is there from before is removed, for which no other program may have it open.
    pub fn network_home(mut self, network: bool) -> Self {
        self.options.network_home = network;
        self
    }

    /// The clock to go by (feature `test-util`).
    #[cfg(any(test, feature = "test-util"))]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.options.clock = clock.clone();
        self
    }

    #[cfg(test)]
    pub(super) fn max_pages(mut self, pages: u32) -> Self {
        self.options.max_pages = Some(pages);
        self
    }

    /// Opens the account info, and makes it if there is none. The file is, in this order:
    ///
    /// 1. the [`path`](Self::path);
    /// 2. the file named by the environment variable `B2_ACCOUNT_INFO`, if it is set;
    /// 3. `~/.b2_account_info`, if it exists and there is no [`profile`](Self::profile);
    /// 4. `$XDG_CONFIG_HOME/b2/account_info`, with a profile `$XDG_CONFIG_HOME/b2/db-<profile>.sqlite`,
    ///    where `XDG_CONFIG_HOME` is `~/.config` if it is not set, except on macOS and Windows;
    /// 5. `~/.b2_account_info`, with a profile `~/.b2db-<profile>.sqlite`.
    ///
    /// A leading `~` is the home directory. Directories are made only for 4, with mode 0700.
    ///
    /// # Errors
    /// - [`InvalidInput`](Error::InvalidInput): a profile and a path, or a profile and
    ///   `B2_ACCOUNT_INFO`; a profile's name that breaks the rule; an empty path or variable; no
    ///   home directory.
    /// - [`AccountInfoCorrupt`](Error::AccountInfoCorrupt): the file is damaged or is something
    ///   else; it is left as it is.
    /// - [`AccountInfoTooNew`](Error::AccountInfoTooNew): a newer program changed its form; it is
    ///   left as it is.
    /// - [`LocalFile`](Error::LocalFile): it is a directory, may not be read or written, the disk is
    ///   full, or another program holds it for longer than 30 seconds.
    pub fn open(self) -> Result<SqliteAccountInfo> {
        let location = Location::of_this_process(&self.named)?;
        let path = std::path::absolute(&location.file)
            .map_err(|error| Error::local_file("open", &location.file, error))?;
        let opened = location
            .make_directory()
            .and_then(|()| Files::open(&path, &self.options));
        let place = match opened {
            Ok(files) => Place::Files(Box::new(files)),
            Err(error) if self.read_only_fallback && is_refused(&error) => {
                Place::ReadOnly(Box::new(self.fall_back(&path, &error)?))
            }
            Err(error) => return Err(error),
        };
        Ok(SqliteAccountInfo { place })
    }

    fn fall_back(self, path: &Path, refusal: &Error) -> Result<ReadOnly> {
        let store = ReadOnly::open(path, self.options.clock)?;
        tracing::warn!(
            path = %path.display(),
            reason = %refusal,
            "the account info cannot be written: what changes is kept in memory only"
        );
        Ok(store)
    }
}

fn is_refused(error: &Error) -> bool {
    let Error::LocalFile { source, .. } = error else {
        return false;
    };
    matches!(
        source.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}
