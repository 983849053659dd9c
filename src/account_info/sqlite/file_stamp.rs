//! Whether a file that is open is still the one at its path, and whether it is as it was. A user may
//! delete or replace it while a program runs; what such a program wrote into the old one, nobody would
//! ever see.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::Path;
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use crate::control::clock::Clock;

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(Id);

#[cfg(unix)]
type Id = (u64, u64);

/// Where an open file can be neither deleted nor replaced, only its being there counts.
#[cfg(not(unix))]
type Id = ();

impl FileId {
    /// The file at this path, or none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(Stamp::at(path)?.map(|stamp| stamp.file))
    }
}

/// Which file it is, and when it changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) file: FileId,
    /// Seconds and nanoseconds since 1970, which every write, and nobody's wish, sets.
    #[cfg(unix)]
    changed: (i64, i64),
}

/// A file system that tells nanoseconds takes them from a clock of the kernel that moves every 10 ms at
/// the latest.
#[cfg(unix)]
const TICKS: Duration = Duration::from_millis(30);
/// The coarsest file system tells every other second.
#[cfg(unix)]
const COARSE: Duration = Duration::from_secs(5);

impl Stamp {
    /// That of the file at this path, or none. Costs about a microsecond, and opens nothing (to close
    /// it would drop this process' locks on it).
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => Ok(Some(Self::of(&found?))),
        }
    }

    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            file: FileId((found.dev(), found.ino())),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self { file: FileId(()) }
    }

    /// Whether every write from now on will give the file another stamp: none could still fall into the
    /// same tick. The clock is the system's, which is the one that stamps files of this machine.
    #[cfg(unix)]
    pub(super) fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds))
        else {
            return false;
        };
        let margin = match nanoseconds % 1_000_000 {
            0 => COARSE,
            _ => TICKS,
        };
        let changed = std::time::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let age = Clock::default().now().duration_since(changed);
        age.is_ok_and(|age| age > margin)
    }

    /// Elsewhere it is not known when a file changed last.
    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "it has to be there")]
    pub(super) const fn is_settled(&self) -> bool {
        false
    }
}

/// Warns when others than the owner can read the file: the application key lies in it in clear.
pub(super) fn warn_if_others_can_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(found) = std::fs::metadata(path) {
        use std::os::unix::fs::MetadataExt as _;
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:03o}"),
                "others than its owner can use the account info, in which the application key lies \
                 in clear; chmod 600 the file"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
