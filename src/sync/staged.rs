//! Downloads whose place is taken by files that the run removes later: a directory in the place of
//! a file, or a file in the place of a directory.
//!
//! The content comes first, and what stands in its place goes last:
//!
//! 1. The file is downloaded, as any other transfer, under a temporary name beside whatever is in
//!    its way.
//! 2. When all transfers have succeeded, the orphans are removed, and with them what is in the way.
//! 3. As soon as the last of what is in the way has gone, the file is renamed into its place, unless
//!    something has come there.
//!
//! | what happens | what is left |
//! |---|---|
//! | the download fails | the old files, because nothing is removed after a failed transfer |
//! | another transfer fails, the run is cancelled or stops | the old files; the temporary file is removed |
//! | a file below the directory is not removed: it is filtered, could not be read, or was changed | that file, and a problem for the new one |
//! | another run scans the directory | the temporary file: the directory is locked for as long as files wait (`stage_lock`) |
//! | another program removes or replaces the temporary file before the last removal of what is in its way | the old files that remain, because the download counts as failed; it is looked at the barrier and before each removal of what is in its way |
//! | another program does so between the last of these looks and step 3, a few system calls later | neither; the next run downloads the file again |
//! | the process is killed before the removals | the old files, and a temporary file that the next run removes |
//! | the process is killed before step 3, and what was in the way is gone | neither; the next run downloads the file again |
//!
//! A name cannot be a directory and a file at the same time, so that there is a moment without
//! either: from the first removal below the directory until the file is in its place, or between a
//! removal and a rename where a file gives way to a directory. The source has the content then.
//!
//! With `resume`, the temporary name follows from the file's own, so that the next run completes
//! what has arrived of a large file. What it leaves beside that name is removed when the file is
//! complete, also if its place has become free and it is downloaded there. Two runs may have that
//! name at the same time: neither removes a file there that it has not made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::Result;
use crate::model::local_name::{TEMPORARY, TEMPORARY_END, TEMPORARY_RANDOM};
use crate::model::sha1::Sha1Digest;
use crate::sync::local_state::identity;
use crate::sync::write::{LocalTree, Obstacle, failed};
use crate::transfer::download::Download;
use crate::transfer::download::temporary::{clear_unfinished, sync_directory, temporary_path};

/// A file that is complete, verified and not in its place. It is removed when this is dropped,
/// unless another file has its temporary name by then.
///
/// It holds no open file, so that 10,000 of them take no descriptors. Runs leave it alone because of the lock
/// of the destination; nothing keeps other programs from removing it.
#[derive(Debug)]
pub(super) struct Staged {
    /// `None` once it is in its place.
    file: Option<TempPath>,
    /// The device and the inode of the file.
    identity: Option<(u64, u64)>,
    pub(super) bytes: u64,
}

impl Staged {
    /// Notes what was saved under a temporary name.
    fn new(file: TempPath, bytes: u64) -> Self {
        let found = file.symlink_metadata().ok();
        Self {
            identity: found.as_ref().and_then(identity),
            file: Some(file),
            bytes,
        }
    }

    /// Whether the file is still there, and is the one that was saved.
    pub(super) fn is_there(&self) -> bool {
        let found = self.file.as_ref().map(|file| file.symlink_metadata());
        found.is_some_and(|found| {
            found.is_ok_and(|found| found.is_file() && identity(&found) == self.identity)
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_there()
            && let Some(file) = self.file.take()
        {
            // Whatever has the name belongs to another run.
            let _kept = file.keep();
        }
    }
}

impl LocalTree {
    /// Downloads a file whose place is taken, to be put there by [`place`](Self::place). Fails with
    /// [`Obstacle::InTheWay`] if no removal of files can free the place: a link or a device has it.
    ///
    /// `resumes` says whether the download is completed by the next one if it fails.
    pub(super) fn stage(
        &self,
        name: &str,
        resumes: bool,
        open: impl FnOnce() -> Result<Download>,
    ) -> Result<Staged, Obstacle> {
        let path = self.path(name, None);
        let mut taken = None;
        for folder in self.folders(&path) {
            let found = folder
                .symlink_metadata()
                .map_err(|error| failed("use", &folder, error))?;
            if found.is_file() {
                taken = Some(folder);
                break;
            }
            if !found.is_dir() {
                return Err(Obstacle::InTheWay);
            }
        }
        let taken = match taken {
            Some(file) => file,
            None if path.symlink_metadata().is_ok_and(|found| found.is_dir()) => path,
            None => return Err(Obstacle::InTheWay),
        };
        let beside = taken.parent().ok_or(Obstacle::InTheWay)?;
        self.hold_staged();
        let file = match resumes {
            true => lasting_path(beside, name),
            false => temporary_path(beside),
        };
        let file = file.map_err(|error| failed("create", &taken, error))?;
        let saved = open().and_then(|download| download.save(&file, &|| Ok(())));
        match saved {
            Ok(saved) => Ok(Staged::new(file, saved.bytes())),
            Err(error) => {
                // A download that fails puts nothing there: what has the name is of the run that
                // held the lock.
                let _kept = file.keep();
                Err(Obstacle::Failed(error))
            }
        }
    }

    /// Removes what downloads of a file have left beside whatever was in its way, now that it is in
    /// its place. What another download has locked stays, and so does what cannot be removed.
    pub(super) fn clear_staged(&self, name: &str, path: &Path) {
        for folder in path.ancestors().skip(1) {
            let _cleared = clear_unfinished(&lasting_name(folder, name));
            if folder == self.root() {
                break;
            }
        }
    }

    /// Puts a file into its place, now that removals have been made.
    ///
    /// An empty directory there is removed; if anything else is there, it stays and the new file is
    /// dropped. With `flushes` the directory is flushed. If the file is not there any more, it fails
    /// and changes nothing.
    pub(super) fn place(
        &self,
        name: &str,
        mut staged: Staged,
        flushes: bool,
    ) -> Result<u64, Obstacle> {
        let path = self.path(name, None);
        if !staged.is_there() {
            return Err(lost(&path));
        }
        // Fails if a link leads there, so that no directory outside is removed.
        self.make_folders(&path)?;
        // If it is not empty, it stays, and the file has no place.
        let _removed = fs::remove_dir(&path);
        self.check_place(&path, name, None)?;
        let file = staged.file.take().ok_or_else(|| lost(&path))?;
        match file.persist_noclobber(&path) {
            Ok(()) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                self.check_place(&path, name, None)?;
                return Err(failed("replace", &path, error.error));
            }
            Err(error) => return Err(failed("replace", &path, error.error)),
        }
        if let Some(directory) = path.parent().filter(|_| flushes) {
            sync_directory(directory);
        }
        Ok(staged.bytes)
    }
}

/// The failure of a download whose temporary file has gone.
fn lost(path: &Path) -> Obstacle {
    let reason = "another program has removed its temporary file";
    failed(
        "replace",
        path,
        io::Error::new(io::ErrorKind::NotFound, reason),
    )
}

/// Returns the temporary name for the file of this name that is the same in each run.
fn lasting_name(directory: &Path, name: &str) -> PathBuf {
    let mut own = Sha1Digest::of(name.as_bytes()).to_string();
    own.truncate(TEMPORARY_RANDOM);
    directory.join(format!("{TEMPORARY}{own}{TEMPORARY_END}"))
}

/// Returns the temporary name that is the same in each run, or another one if something has it.
fn lasting_path(directory: &Path, name: &str) -> io::Result<TempPath> {
    let path = lasting_name(directory, name);
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => TempPath::try_from_path(path),
        _ => temporary_path(directory),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::lasting_path;
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;
    use crate::error::Error;
    use crate::sync::write::LocalTree;

    /// Another run, which had the lock, has put its complete file there in between.
    #[test]
    fn a_download_that_fails_removes_no_file_that_it_did_not_make() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("p")).unwrap();
        let path = lasting_path(directory.path(), "p").unwrap().to_path_buf();
        let staged = LocalTree::new(
            directory.path(),
            None,
            &Clock::manual(),
            &CancelToken::new(),
        )
        .stage("p", true, || {
            fs::write(&path, "of the other run").unwrap();
            Err(Error::Cancelled)
        });
        assert!(staged.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"of the other run");
    }
}
