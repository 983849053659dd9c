//! Removing what killed downloads have left at a local destination.
//!
//! | file | removed if |
//! |---|---|
//! | of a download of this crate | it is a regular file that no process has locked, no run has files that wait for their places there (`stage_lock`), and the system is a Unix |
//! | of b2sdk for Python | it was last changed more than a day ago |
//! | of a download with `resume` | never |
//!
//! 1. The scan of the destination removes each such file when it comes to it.
//! 2. A file whose directories are locked by then is noted. The lock may be the run's own, if it has begun to
//!    download before its scan has ended.
//! 3. At its end, when nothing of it waits any more and its lock is given up, the run tries once more.
//!
//! A failure is ignored: the file stays, is in nobody's way, is not synchronized, and the next run tries again.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::control::cancel::CancelToken;
use crate::model::local_name::is_temporary;
use crate::sync::reporter::Reporter;
use crate::sync::stage_lock;
use crate::transfer::source::regular_file;

/// How b2sdk for Python ends the name of a file that it downloads into.
pub(super) const TEMPORARY_OF_PYTHON: &str = ".b2.sync.tmp";
/// How long such a file is left alone: b2sdk does not lock it.
const IN_USE: Duration = Duration::from_secs(86_400);
/// How many files are noted for the end of a run. Any more stay for the next one.
const MOST_NOTED: usize = 10_000;

/// Removes what killed downloads have left, for one run.
#[derive(Debug)]
pub(super) struct Cleaner {
    root: PathBuf,
    /// The time by which files of b2sdk for Python are old or not.
    now: SystemTime,
    /// The files whose directories were locked.
    noted: Mutex<Vec<PathBuf>>,
}

/// What was done with a file.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is removed, or no other attempt of this run would remove it.
    Settled,
    /// The directories cannot be locked now.
    Locked,
}

impl Cleaner {
    /// Cleans below this directory, at this time.
    pub(super) const fn new(root: PathBuf, now: SystemTime) -> Self {
        Self {
            root,
            now,
            noted: Mutex::new(Vec::new()),
        }
    }

    /// Removes a file if a killed download has left it, or notes it for the end of the run.
    pub(super) fn remove(&self, path: &Path) {
        if remove_stale(path, self.now) == Outcome::Locked {
            let mut noted = self.noted.lock();
            if noted.len() < MOST_NOTED {
                noted.push(path.to_owned());
            }
        }
    }

    /// Tries again to remove what was noted. Files that are behind a link by now stay. Ends early if the token is
    /// cancelled.
    pub(super) fn remove_noted(&self, cancel: &CancelToken, reporter: &Reporter) {
        let noted = std::mem::take(&mut *self.noted.lock());
        for path in noted {
            if cancel.is_cancelled() {
                return;
            }
            reporter.tick();
            let mut folders = path
                .ancestors()
                .skip(1)
                .take_while(|folder| *folder != self.root);
            let is_directory = |folder: &Path| {
                let found = folder.symlink_metadata();
                found.is_ok_and(|found| found.is_dir())
            };
            if folders.all(is_directory) {
                self.remove(&path);
            }
        }
    }
}

/// Removes a temporary file of a download that no process writes any more.
fn remove_stale(path: &Path, now: SystemTime) -> Outcome {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // What a download with `resume` leaves has another name, and is for the next one.
    if is_temporary(name) {
        let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
        if cfg!(unix) && is_file {
            return remove_unlocked(path);
        }
    } else if name.ends_with(TEMPORARY_OF_PYTHON) {
        let modified = path.symlink_metadata().and_then(|found| found.modified());
        let age = modified.map(|modified| now.duration_since(modified));
        if matches!(age, Ok(Ok(age)) if age > IN_USE) {
            let _removed = fs::remove_file(path);
        }
    }
    Outcome::Settled
}

/// Removes a file that no process has locked, with all directories locked in which a run may have files that
/// wait for their places.
fn remove_unlocked(path: &Path) -> Outcome {
    let Some(directory) = path.parent() else {
        return Outcome::Settled;
    };
    match stage_lock::exclude(directory) {
        // The locks are held until the file is removed.
        Ok(_alone) => {
            if regular_file::open(path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _removed = fs::remove_file(path);
            }
            Outcome::Settled
        }
        Err(error) => {
            tracing::debug!(
                file = %path.display(), %error,
                "what a killed download has left stays for now: its directories cannot be locked"
            );
            Outcome::Locked
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    use super::Cleaner;
    use crate::control::cancel::CancelToken;
    use crate::sync::reporter::Reporter;

    /// The file is noted because its directory is locked. Then one of its directories may be replaced by a link
    /// to one outside of the destination, where a file of that name is somebody else's.
    #[test]
    fn what_was_noted_is_removed_unless_it_is_behind_a_link_by_then() {
        for is_moved in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path().join("root");
            fs::create_dir_all(root.join("d")).unwrap();
            let name = format!(".b2-download-{}.tmp", "a".repeat(24));
            fs::write(root.join("d").join(&name), "half").unwrap();
            let cleaner = Cleaner::new(root.clone(), SystemTime::UNIX_EPOCH);
            let locked = File::open(&root).unwrap();
            locked.try_lock_shared().unwrap();
            cleaner.remove(&root.join("d").join(&name));
            assert!(root.join("d").join(&name).exists());
            drop(locked);
            if is_moved {
                let outside = directory.path().join("outside");
                fs::rename(root.join("d"), &outside).unwrap();
                symlink(&outside, root.join("d")).unwrap();
            }
            // Other tests lock the directories above for a moment.
            while !cleaner.noted.lock().is_empty() {
                cleaner.remove_noted(&CancelToken::new(), &Reporter::default());
            }
            assert_eq!(root.join("d").join(&name).exists(), is_moved);
        }
    }

    #[test]
    fn a_run_that_is_cancelled_removes_nothing_of_what_was_noted() {
        let root = tempfile::tempdir().unwrap();
        let path = root
            .path()
            .join(format!(".b2-download-{}.tmp", "a".repeat(24)));
        fs::write(&path, "half").unwrap();
        let cleaner = Cleaner::new(root.path().to_owned(), SystemTime::UNIX_EPOCH);
        let locked = File::open(root.path()).unwrap();
        locked.try_lock_shared().unwrap();
        cleaner.remove(&path);
        drop(locked);
        let cancel = CancelToken::new();
        cancel.cancel();
        cleaner.remove_noted(&cancel, &Reporter::default());
        assert!(path.exists());
    }
}
