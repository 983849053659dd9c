//! Whether a file that is open is still the one at its path. A user may delete or replace it while a
//! program runs; what such a program wrote into the old one, nobody would ever see.

use std::io::{self, ErrorKind};
use std::path::Path;

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(Id);

#[cfg(unix)]
type Id = (u64, u64);

/// Where an open file can be neither deleted nor replaced, only its being there counts.
#[cfg(not(unix))]
type Id = ();

impl FileId {
    /// The file at this path, or none. Costs about a microsecond, and opens nothing (to close it
    /// would drop this process' locks on it).
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        let found = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Ok(Some(Self((found.dev(), found.ino()))))
        }
        #[cfg(not(unix))]
        {
            let _ = found;
            Ok(Some(Self(())))
        }
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
