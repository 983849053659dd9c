//! Keeps a run from removing files that another run has downloaded and that wait for their places.
//!
//! Such a file (`staged`) is complete, has a temporary name and holds no lock of its own, because a run may
//! have 10,000 of them. To the scan of another run it looks like one that a killed run has left. So the
//! directories are locked, with the advisory locks of the system, which end with their process:
//!
//! 1. A run that downloads the first such file takes a shared lock of its destination directory and keeps
//!    it until it ends. While a scan holds the directory, the run waits for it, one second in all; without
//!    the lock, the files are downloaded nonetheless, and each of them asks once more.
//! 2. A scan that finds what may be left by a killed run takes exclusive locks of the directory that it lies
//!    in and of all directories above, removes the file, and gives the locks up. If one of them is not free
//!    within a moment, the file stays until the end of the scan's own run, which tries once more (`clean`).
//!
//! All directories above count, because the other run may be one into a directory above or below.
//!
//! | what happens | what follows |
//! |---|---|
//! | a run is killed | its lock has ended, so the next run removes what it left |
//! | another scan removes a large file just then, which takes the system a moment | the run waits for its lock |
//! | another program has locked the directory, or one above it | nothing is removed, and files are downloaded as always |
//! | a directory above may not be opened by this user | it is passed over |
//! | a directory cannot be opened for another reason, such as too many open files | nothing is removed |
//! | the file system knows no locks of directories, or is a network mount | nothing is removed |
//! | the system is no Unix | nothing is removed (`clean`) |

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;

/// How long a run waits before it asks for its lock again.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a run waits in all: for one second. A scan holds the directory for the time of one removal,
/// which takes 0.1 seconds for a file of 500 MB.
const PAUSES: u32 = 200;
/// How often a scan asks for each of its locks, which another scan may hold for so short a time.
const TRIES_OF_SCAN: u32 = 100;

/// The shared lock of a run's destination directory, once files wait for their places there.
///
/// Threads that ask for it at the same time wait for each other.
#[derive(Debug)]
pub(super) struct StageLock {
    clock: Clock,
    cancel: CancelToken,
    state: Mutex<State>,
}

/// What a run has of its lock.
#[derive(Debug)]
struct State {
    lock: Option<File>,
    /// How often the run may still wait for it. It is spent once in a run, because another program may hold
    /// the directory for as long as the run lasts.
    pauses: u32,
}

impl StageLock {
    /// Describes a lock that is not held yet. Waiting for it ends early if the token is cancelled.
    pub(super) fn new(clock: &Clock, cancel: &CancelToken) -> Self {
        Self {
            clock: clock.clone(),
            cancel: cancel.clone(),
            state: Mutex::new(State {
                lock: None,
                pauses: PAUSES,
            }),
        }
    }

    /// Locks the destination directory of the run, if it is not locked yet. If that fails, the next call
    /// tries again, and until then other runs may take files that wait for ones that nobody needs.
    pub(super) fn hold(&self, root: &Path) {
        self.hold_pausing(root, || self.clock.sleep(PAUSE, Some(&self.cancel)));
    }

    /// Does the work of [`hold`](Self::hold) with another way to wait.
    fn hold_pausing(&self, root: &Path, mut pause: impl FnMut()) {
        let mut state = self.state.lock();
        if state.lock.is_some() {
            return;
        }
        let locked = directory(root).and_then(|directory| {
            loop {
                match directory.try_lock_shared() {
                    Ok(()) => return Ok(directory),
                    Err(TryLockError::WouldBlock)
                        if state.pauses > 0 && !self.cancel.is_cancelled() =>
                    {
                        state.pauses -= 1;
                        pause();
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        });
        match locked {
            Ok(directory) => state.lock = Some(directory),
            Err(error) => {
                tracing::debug!(
                    directory = %root.display(), %error,
                    "other runs may remove downloads that wait for their places: the destination cannot be locked"
                );
            }
        }
    }

    /// Gives the lock up. No file of the run may wait for its place any more.
    pub(super) fn release(&self) {
        self.state.lock().lock = None;
    }
}

/// Locks a directory and all that are above it, if no run has files there that wait for their places. The
/// locks end when they are dropped.
///
/// Directories that this user may not open are passed over. Fails if one of the others cannot be opened, or
/// is locked by somebody else.
pub(super) fn exclude(path: &Path) -> io::Result<Vec<File>> {
    exclude_opening(path, directory)
}

/// Does the work of [`exclude`] with another way to open a directory.
fn exclude_opening(path: &Path, open: impl Fn(&Path) -> io::Result<File>) -> io::Result<Vec<File>> {
    let path = path.canonicalize()?;
    let mut locks = Vec::new();
    for above in path.ancestors() {
        match open(above) {
            Ok(directory) => {
                lock_alone(&directory)?;
                locks.push(directory);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(locks)
}

/// Locks a directory exclusively.
fn lock_alone(directory: &File) -> io::Result<()> {
    for _ in 1..TRIES_OF_SCAN {
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => thread::yield_now(),
            locked => return Ok(locked?),
        }
    }
    Ok(directory.try_lock()?)
}

/// Opens a directory, without waiting if something else has come there.
fn directory(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::DIRECTORY.union(OFlags::NONBLOCK).bits();
        let mut options = File::options();
        options.read(true).custom_flags(flags.cast_signed());
        options.open(path)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::cell::Cell;
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use super::{PAUSES, StageLock, directory, exclude_opening};
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;

    /// Excludes runs below a temporary directory. The directories above are those of other tests too.
    fn exclude(root: &Path) -> io::Result<Vec<File>> {
        let below = root.canonicalize().unwrap();
        exclude_opening(root, |path| match path.starts_with(&below) {
            true => directory(path),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        })
    }

    /// The removal of a large file takes longer than any number of tries without a pause.
    #[test]
    fn a_run_waits_for_a_scan_that_holds_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let scan = Cell::new(Some(exclude(root.path()).unwrap()));
        let run = StageLock::new(&Clock::manual(), &CancelToken::new());
        let pauses = Cell::new(0);
        run.hold_pausing(root.path(), || {
            pauses.set(pauses.get() + 1);
            if pauses.get() == PAUSES - 1 {
                scan.take();
            }
        });
        assert_eq!(pauses.get(), PAUSES - 1);
        let refused = exclude(root.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        run.release();
        exclude(root.path()).unwrap();
    }

    /// A program may hold the directory for as long as the run lasts, which may have 10,000 such files.
    #[test]
    fn a_run_waits_once_for_its_lock_and_asks_again_for_each_file() {
        let root = tempfile::tempdir().unwrap();
        let program = exclude(root.path()).unwrap();
        let clock = Clock::manual();
        let run = StageLock::new(&clock, &CancelToken::new());
        for _ in 0..3 {
            run.hold(root.path());
            assert_eq!(clock.sleeps().len(), PAUSES as usize);
        }
        drop(program);
        run.hold(root.path());
        assert!(exclude(root.path()).is_err());
    }

    #[test]
    fn a_run_that_is_cancelled_does_not_wait_for_its_lock() {
        let root = tempfile::tempdir().unwrap();
        let _scan = exclude(root.path()).unwrap();
        let (clock, cancel) = (Clock::manual(), CancelToken::new());
        cancel.cancel();
        StageLock::new(&clock, &cancel).hold(root.path());
        assert!(clock.sleeps().is_empty());
    }

    /// The lock of a directory that could not be opened may be held by another run.
    #[test]
    fn only_directories_that_the_user_may_not_open_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(exclude(root.path()).unwrap().len(), 1);
        // What a program short of descriptors gets.
        let short = rustix::io::Errno::MFILE;
        let own = root.path().canonicalize().unwrap();
        let refused = exclude_opening(root.path(), |path| match path == own {
            true => directory(path),
            false => Err(short.into()),
        });
        let refused = refused.unwrap_err().raw_os_error();
        assert_eq!(refused, Some(short.raw_os_error()));
    }
}
