//! Changing files of a local destination: nothing outside of it, nothing behind a link, nothing that is
//! not what the scan saw.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::model::local_name::is_temporary;
use crate::model::time::Timestamp;
use crate::sync::local_state::LocalState;
use crate::sync::problem::ProblemKind;
use crate::transfer::download::Download;

/// How b2sdk for Python ends the name of a file that it downloads into.
pub(super) const TEMPORARY_OF_PYTHON: &str = ".b2.sync.tmp";
/// How long such a file is left alone: b2sdk does not lock it.
const IN_USE: Duration = Duration::from_secs(86_400);

/// Removes a temporary file of a download that no process writes any more.
pub(super) fn remove_stale(path: &Path, now: SystemTime) {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // What a download with `resume` leaves has another name, and is for the next one.
    let is_stale = if is_temporary(name) {
        let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
        cfg!(unix) && is_file && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    } else if name.ends_with(TEMPORARY_OF_PYTHON) {
        let modified = path.symlink_metadata().and_then(|found| found.modified());
        let age = modified.map(|modified| now.duration_since(modified));
        matches!(age, Ok(Ok(age)) if age > IN_USE)
    } else {
        false
    };
    if is_stale {
        // If it cannot be removed, it is only in nobody's way.
        let _removed = fs::remove_file(path);
    }
}

/// Why a local file is not changed.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A directory, a link or something else stands there, or in the place of a directory.
    InTheWay,
    Problem(ProblemKind),
    Failed(Error),
}

/// A directory into which files are written.
#[derive(Debug, Clone)]
pub(super) struct LocalTree {
    root: PathBuf,
    set_aside: Option<PathBuf>,
}

/// What stands in a file's place.
enum Standing {
    Nothing,
    File(LocalState),
    /// A directory, a link, a device.
    Other,
}

impl LocalTree {
    pub(super) fn new(root: &Path, set_aside: Option<&Path>) -> Self {
        Self {
            root: root.to_owned(),
            set_aside: set_aside.map(Path::to_owned),
        }
    }

    /// Makes the directory itself.
    pub(super) fn make_root(&self) -> Result<()> {
        fs::create_dir_all(&self.root)
            .map_err(|error| Error::local_file("create", &self.root, error))
    }

    fn path(&self, name: &str, seen: Option<&LocalState>) -> PathBuf {
        match seen {
            Some(seen) => self.root.join(seen.below(name)),
            None => self.root.join(name),
        }
    }

    /// Saves a download under a name, in the place of the file that was seen there, or of none.
    pub(super) fn save(
        &self,
        name: &str,
        seen: Option<&LocalState>,
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
            (Ok(saved), None) => Ok(saved.bytes()),
            (Err(error), None) => Err(Obstacle::Failed(error)),
        }
    }

    /// Gives the file that was seen another time.
    pub(super) fn set_time(
        &self,
        name: &str,
        seen: Option<&LocalState>,
        time: i64,
    ) -> Result<(), Obstacle> {
        let path = self.path(name, seen);
        self.check(&path, name, seen)?;
        let time = SystemTime::from(Timestamp::from_millis(time)) + Duration::from_micros(500);
        let set =
            File::open(&path).and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
        set.map_err(|error| failed("set the time of", &path, error))
    }

    /// Deletes the file that was seen, or moves it aside, and then the directories that it was the last
    /// file of.
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
            fs::remove_file(&path).map_err(|error| failed("delete", &path, error))?;
        }
        let folders = path.ancestors().skip(1);
        for folder in folders.take_while(|folder| *folder != self.root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes an empty directory that stands in the place of a file.
    pub(super) fn clear(&self, name: &str) {
        // If it is not empty, it stays, and the file has no place.
        let _removed = fs::remove_dir(self.root.join(name));
    }

    /// Whether a file is what was seen, or still absent.
    pub(super) fn is_as_seen(&self, name: &str, seen: Option<&LocalState>) -> bool {
        self.check(&self.path(name, seen), name, seen).is_ok()
    }

    /// Fails unless a file may be put there: if the one that was seen has gone, nothing is lost.
    fn check_place(
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
    fn check(&self, path: &Path, name: &str, seen: Option<&LocalState>) -> Result<(), Obstacle> {
        for folder in self.folders(path) {
            let found = folder
                .symlink_metadata()
                .map_err(|error| failed("use", &folder, error))?;
            if !found.is_dir() {
                return Err(Obstacle::InTheWay);
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
    fn folders(&self, path: &Path) -> Vec<PathBuf> {
        let above = path.ancestors().skip(1);
        let mut folders: Vec<_> = above
            .take_while(|folder| *folder != self.root)
            .map(Path::to_owned)
            .collect();
        folders.reverse();
        folders
    }

    /// Makes the directories of a path, each after a look at the one that it is in.
    fn make_folders(&self, path: &Path) -> Result<(), Obstacle> {
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

    /// Keeps a file in the directory for files set aside. With `stays` it also stays where it is, until
    /// another one takes its place, so that its name is never without a file.
    fn put_aside(&self, path: &Path, name: &str, stays: bool) -> Result<()> {
        let Some(aside) = &self.set_aside else {
            return Ok(());
        };
        if stays && path.symlink_metadata().is_err() {
            return Ok(());
        }
        let mut target = aside.join(name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| Error::local_file("create", folder, error))?;
        }
        let mut number = 0;
        while target.symlink_metadata().is_ok() {
            number += 1;
            target = aside.join(format!("{name}.~{number}~"));
        }
        let moved = match stays {
            true => fs::hard_link(path, &target).or_else(|_| fs::copy(path, &target).map(drop)),
            false => fs::rename(path, &target),
        };
        moved.map_err(|error| Error::local_file("set aside", path, error))
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

fn failed(action: &'static str, path: &Path, error: io::Error) -> Obstacle {
    Obstacle::Failed(Error::local_file(action, path, error))
}
