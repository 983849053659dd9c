//! Changing files of a local destination: nothing outside of it, nothing behind a link, nothing
//! that is not what the scan saw.
//!
//! Every change begins with a look at the path, from the root on: each directory must be one, and
//! the file must have the size, the time, the device and the inode that the scan saw, or be absent
//! if the scan saw none. For a download this happens three times: before the request, when the
//! temporary file is there, and just before it is renamed. Only a change between the last look and
//! the rename goes unnoticed.
//!
//! | what is at the path | what happens |
//! |---|---|
//! | the file that was seen, unchanged | it is replaced, deleted, set aside, or gets its time |
//! | nothing, though a file was seen, or its directory is gone | a download is put there; a deletion has nothing to do |
//! | a file that was changed since | it stays; [`ProblemKind::Changed`] |
//! | a file, though none was seen | it stays; [`ProblemKind::Collision`] if the directory does not list it under this name, so that another name stands for it |
//! | a link, a device, a directory, or a file in the place of a directory | it stays; [`Obstacle::InTheWay`] |
//! | the disk is full, a right is missing | the old file stays; [`Obstacle::Failed`] |
//!
//! A deletion also removes the directories that it has emptied, up to the root, which stays.
//! Directories that were empty before stay.
//!
//! Order of the file operations of a download:
//!
//! 1. The directories above the file are created one by one, each after a look at whether a
//!    directory is there.
//! 2. The place is checked: before the request is sent, so that a file that cannot be saved costs
//!    none.
//! 3. The temporary file is created in the same directory, and the place is checked again.
//! 4. The content is written, verified and flushed.
//! 5. The place is checked a third time, and with `set_aside` the file that is there is linked or
//!    copied into that directory.
//! 6. The temporary file is renamed over the place.
//!
//! | killed after | what is left |
//! |---|---|
//! | 1, 2 | directories, which may be empty |
//! | 3, 4 | the old file, and a temporary one: the next run removes it on Unix, or completes it with `resume` |
//! | 5 | the old file, also under its name in the directory for files set aside; a part of it there if it was being copied |
//! | 6 | the new file |
//!
//! A deletion checks the file, deletes it or renames it into the directory for files set aside, and
//! then removes the directories above it from the innermost one on, until one is not empty. A
//! process that is killed between leaves empty directories, or an empty file set aside.

mod aside;

use std::cell::Cell;
use std::fs::{self, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::error::{Error, Result};
use crate::model::time::Timestamp;
use crate::sync::local_state::LocalState;
use crate::sync::problem::ProblemKind;
use crate::sync::stage_lock::StageLock;
use crate::transfer::download::Download;
use crate::transfer::source::regular_file;

/// Why a local file is not changed.
///
/// In each case the file at the place is as it was, or has gone by itself.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Something other than a file has its place, or something other than a directory that of one
    /// of its directories.
    InTheWay,
    /// The file is not what was seen, or cannot be: a problem of this file alone.
    Problem(ProblemKind),
    /// The system or the service refused something. The error says what, with the path.
    Failed(Error),
}

/// A directory into which files are written.
///
/// It is shared by all threads: each change walks its path from the root again. It holds no open directory
/// but the one whose lock says that files wait for their places.
#[derive(Debug)]
pub(super) struct LocalTree {
    root: PathBuf,
    /// The lock of the root, for as long as files are staged.
    staging: StageLock,
    /// The directory for files that are deleted or replaced, if they are to be kept.
    set_aside: Option<PathBuf>,
}

/// What stands in a file's place.
///
/// A link is never followed to tell.
enum Standing {
    Nothing,
    File(LocalState),
    /// A directory, a link, a device.
    Other,
}

impl LocalTree {
    /// Names a directory, which need not exist yet. Waiting for its lock ends early if the token is cancelled.
    pub(super) fn new(
        root: &Path,
        set_aside: Option<&Path>,
        clock: &Clock,
        cancel: &CancelToken,
    ) -> Self {
        Self {
            root: root.to_owned(),
            staging: StageLock::new(clock, cancel),
            set_aside: set_aside.map(Path::to_owned),
        }
    }

    /// Makes the directory itself.
    /// Those above it are made too, and one that is there is no failure.
    pub(super) fn make_root(&self) -> Result<()> {
        fs::create_dir_all(&self.root)
            .map_err(|error| Error::local_file("create", &self.root, error))
    }

    /// Has other runs leave files alone that wait for their places below this directory, until they are
    /// released or this is dropped.
    pub(super) fn hold_staged(&self) {
        self.staging.hold(&self.root);
    }

    /// Lets other runs, and the cleaner of this one, remove whatever looks as if it waited for its place. No
    /// file of this run may wait any more.
    pub(super) fn release_staged(&self) {
        self.staging.release();
    }

    /// The directory itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file stands that was seen, or is to be if none was.
    pub(super) fn path(&self, name: &str, seen: Option<&LocalState>) -> PathBuf {
        match seen {
            Some(seen) => self.root.join(seen.below(name)),
            None => self.root.join(name),
        }
    }

    /// Saves a download under a name, in the place of the file that was seen there, or of none.
    ///
    /// Returns the number of bytes. `open` sends the request; it is called once the directories are
    /// there and the place is free. `resumes` says whether the download completes an earlier one.
    ///
    /// On failure the place is as it was. Directories that were created for the file stay.
    pub(super) fn save(
        &self,
        name: &str,
        seen: Option<&LocalState>,
        resumes: bool,
        open: impl FnOnce() -> Result<Download>,
    ) -> Result<u64, Obstacle> {
        let path = self.path(name, seen);
        self.make_folders(&path)?;
        self.check_place(&path, name, seen)?;
        // It is asked twice: when the temporary file is there, and before it is renamed.
        let obstacle = Cell::new(None);
        let is_last = Cell::new(false);
        let check = || {
            let outcome =
                self.check_place(&path, name, seen)
                    .and_then(|()| match is_last.replace(true) {
                        true => self.put_aside(&path, name, true).map_err(Obstacle::Failed),
                        false => Ok(()),
                    });
            outcome.map_err(|found| {
                obstacle.set(Some(found));
                Error::Cancelled
            })
        };
        let saved = open().and_then(|download| download.save(&path, &check));
        match (saved, obstacle.take()) {
            (_, Some(obstacle)) => Err(obstacle),
            (Ok(saved), None) => {
                if resumes {
                    self.clear_staged(name, &path);
                }
                Ok(saved.bytes())
            }
            (Err(error), None) => Err(Obstacle::Failed(error)),
        }
    }

    /// Gives the file that was seen another time, in milliseconds since 1970. Half a millisecond is
    /// added, so that programs that read times as floating-point numbers do not round them down to
    /// the millisecond before.
    ///
    /// The file is opened for reading, which the system may refuse; its content stays as it is. An
    /// access time stays too.
    pub(super) fn set_time(
        &self,
        name: &str,
        seen: Option<&LocalState>,
        time: i64,
    ) -> Result<(), Obstacle> {
        let path = self.path(name, seen);
        self.check(&path, name, seen)?;
        let time = SystemTime::from(Timestamp::from_millis(time)) + Duration::from_micros(500);
        let set = regular_file::open(&path)
            .and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
        set.map_err(|error| failed("set the time of", &path, error))
    }

    /// Deletes the file that was seen, or moves it aside, and then the directories that it was the
    /// last file of.
    ///
    /// A file that is gone already is no failure. A directory that is not empty, or may not be
    /// removed, stays without a word.
    pub(super) fn delete(&self, name: &str, seen: Option<&LocalState>) -> Result<(), Obstacle> {
        let path = self.path(name, seen);
        match self.check(&path, name, seen) {
            Err(Obstacle::Problem(ProblemKind::Vanished)) => return Ok(()),
            other => other?,
        }
        if self.set_aside.is_some() {
            self.put_aside(&path, name, false)
                .map_err(Obstacle::Failed)?;
        } else {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|error| failed("delete", &path, error))?,
            }
        }
        let folders = path.ancestors().skip(1);
        for folder in folders.take_while(|folder| *folder != self.root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether a file is what was seen, or still absent if none was.
    pub(super) fn is_as_seen(&self, name: &str, seen: Option<&LocalState>) -> bool {
        self.check(&self.path(name, seen), name, seen).is_ok()
    }

    /// Fails unless a file may be put at a path: if the one that was seen has gone, nothing is
    /// lost.
    ///
    /// Use it before something is put at the path, and `check` before something there is changed.
    pub(super) fn check_place(
        &self,
        path: &Path,
        name: &str,
        seen: Option<&LocalState>,
    ) -> Result<(), Obstacle> {
        match self.check(path, name, seen) {
            Err(Obstacle::Problem(ProblemKind::Vanished)) => Ok(()),
            other => other,
        }
    }

    /// Fails unless what was seen stands at a path, and nothing but directories leads there.
    ///
    /// It changes nothing, and what it finds can change right after it. Each change is therefore
    /// made directly after a check.
    fn check(&self, path: &Path, name: &str, seen: Option<&LocalState>) -> Result<(), Obstacle> {
        for folder in self.folders(path) {
            match folder.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(Obstacle::InTheWay),
                // The file has gone with its directory.
                Err(error) if error.kind() == io::ErrorKind::NotFound && seen.is_some() => {
                    return Err(Obstacle::Problem(ProblemKind::Vanished));
                }
                Err(error) => return Err(failed("use", &folder, error)),
            }
        }
        match (standing(path)?, seen) {
            (Standing::Nothing, None) => Ok(()),
            (Standing::Nothing, Some(_)) => Err(Obstacle::Problem(ProblemKind::Vanished)),
            (Standing::File(now), Some(seen)) if now.is(seen) => Ok(()),
            (Standing::File(_), Some(_)) => Err(Obstacle::Problem(ProblemKind::Changed)),
            (Standing::File(_), None) => Err(Obstacle::Problem(newcomer(path, name))),
            (Standing::Other, _) => Err(Obstacle::InTheWay),
        }
    }

    /// The directories between the root and a path, from the outermost on.
    pub(super) fn folders(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().skip(1);
        let mut folders: Vec<_> = above
            .take_while(|folder| *folder != self.root)
            .map(Path::to_owned)
            .collect();
        folders.reverse();
        folders
    }

    /// Makes the directories of a path, each after a look at the one that it is in.
    ///
    /// The root itself must be there. What stands in the way of a directory, a link to one
    /// included, stays.
    pub(super) fn make_folders(&self, path: &Path) -> Result<(), Obstacle> {
        for folder in self.folders(path) {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let found = folder.symlink_metadata();
                    if !found.is_ok_and(|found| found.is_dir()) {
                        return Err(Obstacle::InTheWay);
                    }
                }
                made => made.map_err(|error| failed("create", &folder, error))?,
            }
        }
        Ok(())
    }
}

/// What a file is that the scan did not see: the name of another one on this file system, or new.
fn newcomer(path: &Path, name: &str) -> ProblemKind {
    let own = name.rsplit('/').next();
    let entries = path.parent().and_then(|parent| fs::read_dir(parent).ok());
    let mut entries = entries.into_iter().flatten().flatten();
    match entries.any(|entry| entry.file_name().to_str() == own) {
        true => ProblemKind::Changed,
        false => ProblemKind::Collision,
    }
}

/// Looks at what stands at a path, without following a link at its end.
fn standing(path: &Path) -> Result<Standing, Obstacle> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(Standing::File(LocalState::of(&found))),
        Ok(_) => Ok(Standing::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        // A part of the path is a file.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Obstacle::InTheWay),
        Err(error) => Err(failed("look at", path, error)),
    }
}

/// A failure of the system at a path. The action completes the sentence "cannot ...".
pub(super) fn failed(action: &'static str, path: &Path, error: io::Error) -> Obstacle {
    Obstacle::Failed(Error::local_file(action, path, error))
}

#[cfg(test)]
mod tests {
    use super::newcomer;
    use crate::sync::problem::ProblemKind;

    /// The file that another name stands for is listed under that name alone.
    #[test]
    fn a_file_that_is_not_listed_under_a_name_is_there_under_another_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("A"), "1").unwrap();
        let kind = |name: &str| newcomer(&directory.path().join(name), &format!("x/{name}"));
        assert!(matches!(kind("a"), ProblemKind::Collision));
        assert!(matches!(kind("A"), ProblemKind::Changed));
    }
}
