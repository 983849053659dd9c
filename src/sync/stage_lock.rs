//! Keeps a run from removing files that another run has downloaded and that wait for their places.
//!
//! Such a file (`staged`) is complete, has a temporary name and holds no lock of its own, because a run may
//! have 10,000 of them. To the scan of another run it looks like one that a killed run has left. So the
//! directories are locked, with the advisory locks of the system, which end with their process:
//!
//! 1. A run that downloads the first such file takes a shared lock of its destination directory and keeps
//!    it until it ends.
//! 2. A scan that finds what may be left by a killed run takes exclusive locks of the directory that it lies
//!    in and of all directories above, removes the file, and gives the locks up. If one of them is not free
//!    within a moment, the file stays for the next run.
//!
//! All directories above count, because the other run may be one into a directory above or below.
//!
//! | what happens | what follows |
//! |---|---|
//! | a run is killed | its lock has ended, so the next run removes what it left |
//! | another program has locked the directory, or one above it | nothing is removed, and files are downloaded as always |
//! | the file system knows no locks of directories, or is a network mount | nothing is removed |
//! | the system is no Unix | nothing is removed (`write`) |

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;

/// How often a run asks for its lock. A scan holds the directory for the time of one removal.
const TRIES_OF_RUN: u32 = 100;
/// How often a scan asks for each of its locks, which another scan may hold for so short a time.
const TRIES_OF_SCAN: u32 = 10;

/// Locks a destination directory for a run whose files wait for their places there. `None` if that is not
/// possible; another program that holds the directory then keeps scans from removing anything, too.
pub(super) fn hold(root: &Path) -> Option<File> {
    locked(root, TRIES_OF_RUN, File::try_lock_shared)
        .ok()
        .flatten()
}

/// Locks a directory and all that are above it, if no run has files there that wait for their places. The
/// locks end when they are dropped.
///
/// Directories that this user may not open are passed over.
pub(super) fn exclude(directory: &Path) -> Option<Vec<File>> {
    let path = directory.canonicalize().ok()?;
    let locks = path.ancestors();
    let locks: Result<Vec<_>, _> = locks
        .map(|above| locked(above, TRIES_OF_SCAN, File::try_lock))
        .collect();
    Some(locks.ok()?.into_iter().flatten().collect())
}

/// Locks a directory. `None` if it cannot be opened.
fn locked(
    path: &Path,
    tries: u32,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>, TryLockError> {
    let Some(directory) = directory(path) else {
        return Ok(None);
    };
    for _ in 0..tries {
        match lock(&directory) {
            Ok(()) => return Ok(Some(directory)),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    Err(TryLockError::WouldBlock)
}

/// Opens a directory, without waiting if something else has come there.
fn directory(path: &Path) -> Option<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let mut options = File::options();
        options.read(true).custom_flags(flags).open(path).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}
