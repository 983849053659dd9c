//! Opens the store: finds the file, opens or creates it, and decides what to do if it cannot be
//! written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connection::Options;
use super::files::Files;
use super::location::{Location, Named, VARIABLE};
use super::read_only::ReadOnly;
use super::{Backend, SqliteAccountInfo};
use crate::account_info::Cached;
#[cfg(any(test, feature = "test-util"))]
use crate::control::clock::Clock;
use crate::error::{Error, Result};

/// A builder for [`SqliteAccountInfo`]. Without a setting it opens the current user's account info,
/// which Backblaze's own tools use too.
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

impl SqliteAccountInfoBuilder {
    /// Opens this file. Its directory must exist. A leading `~` stands for the home directory.
    ///
    /// It cannot be combined with [`profile`](Self::profile). The environment variable
    /// `B2_ACCOUNT_INFO` is then not looked at.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.named.path = Some(path.into());
        self
    }

    /// Opens the file of this profile, which `b2 --profile` uses too. Each account that is used side by
    /// side needs a profile of its own.
    ///
    /// A name has 1 to 64 of the characters `a-z A-Z 0-9 _ -`. An empty name means no profile, as with
    /// Backblaze's tools.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.named.profile = Some(name.into());
        self
    }

    /// Opens account info that cannot be written, such as in a container with a read-only home
    /// directory. By default that is an error.
    ///
    /// With `true` the store reads the file, keeps changes in memory until it is dropped, and logs one
    /// warning (`tracing`). Changes that another program makes to the file take effect at the next call.
    /// If the file does not exist, the store starts empty. A file that cannot be read remains an error.
    pub fn read_only_fallback(mut self, fall_back: bool) -> Self {
        self.read_only_fallback = fall_back;
        self
    }

    /// Opens account info in a directory on a network file system, where SQLite's write-ahead log does
    /// not work. No file `-wal` or `-shm` is created. Taking and putting an upload URL then waits for
    /// the file system twice, for some milliseconds instead of some microseconds.
    ///
    /// The `-urls` file remembers the setting, so one program that uses it is enough. A log that exists
    /// already is removed, which fails while another program has it open.
    ///
    /// All programs that use the file on one machine share its locks, but many network file systems
    /// do not pass locks on to other machines. Two machines that use one file there at the same
    /// time can damage it; a fleet of machines needs a store on a server.
    pub fn network_home(mut self, network: bool) -> Self {
        self.options.network_home = network;
        self
    }

    /// Reads the time from this clock (feature `test-util`).
    #[cfg(any(test, feature = "test-util"))]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.options.clock = clock.clone();
        self
    }

    /// Sets how long to wait for the lock of the URLs' file, for tests.
    #[cfg(test)]
    pub(super) fn urls_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.options.urls_timeout = Some(timeout);
        self
    }

    /// Sets how large the shared file may grow, for tests of a full disk.
    #[cfg(test)]
    pub(super) fn max_pages(mut self, pages: u32) -> Self {
        self.options.max_pages = Some(pages);
        self
    }

    /// Opens the account info, and creates it if it does not exist. The file is the first of:
    ///
    /// 1. the [`path`](Self::path);
    /// 2. the file named by the environment variable `B2_ACCOUNT_INFO`, if it is set;
    /// 3. `~/.b2_account_info`, if it exists and there is no [`profile`](Self::profile);
    /// 4. `$XDG_CONFIG_HOME/b2/account_info`, with a profile `$XDG_CONFIG_HOME/b2/db-<profile>.sqlite`,
    ///    where `XDG_CONFIG_HOME` is `~/.config` if it is not set, except on macOS and Windows;
    /// 5. `~/.b2_account_info`, with a profile `~/.b2db-<profile>.sqlite`.
    ///
    /// A leading `~` stands for the home directory. Only step 4 creates directories, with mode 0700.
    ///
    /// Opening reads the tables and upgrades those of an older tool; it sends no request and does
    /// not tell whether the login in the file still works.
    ///
    /// # Errors
    /// - [`InvalidInput`](Error::InvalidInput): both a profile and a path, or a profile and
    ///   `B2_ACCOUNT_INFO`; a profile name with other characters; an empty path or variable; no home
    ///   directory.
    /// - [`AccountInfoCorrupt`](Error::AccountInfoCorrupt): the file is damaged or is not account info.
    ///   It is not changed.
    /// - [`AccountInfoTooNew`](Error::AccountInfoTooNew): a newer program changed the format. The file
    ///   is not changed.
    /// - [`LocalFile`](Error::LocalFile): the path is a directory, the file may not be read or written,
    ///   the disk is full, or another program holds the file for longer than 30 seconds.
    pub fn open(mut self) -> Result<SqliteAccountInfo> {
        self.options.is_default = self.named.is_nothing() && std::env::var_os(VARIABLE).is_none();
        let location = Location::of_this_process(&self.named)?;
        let path = std::path::absolute(&location.file)
            .map_err(|error| Error::local_file("open", &location.file, error))?;
        let opened = location
            .make_directory()
            .and_then(|()| Files::open(&path, &self.options));
        let backend = match opened {
            Ok(files) => {
                let clock = self.options.clock.clone();
                let files = Cached::reading(files, Duration::ZERO, clock);
                Backend::Files(Box::new(files.guarded_by_owner()))
            }
            Err(error) if self.read_only_fallback && is_refused(&error) => {
                Backend::ReadOnly(Box::new(self.fall_back(&path, &error)?))
            }
            Err(error) => return Err(error),
        };
        Ok(SqliteAccountInfo {
            backend,
            process: std::process::id(),
        })
    }

    /// Opens the file for reading only, after writing it was refused, and logs a warning.
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

/// Whether the system refused to let this program write.
fn is_refused(error: &Error) -> bool {
    let Error::LocalFile { source, .. } = error else {
        return false;
    };
    matches!(
        source.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}
