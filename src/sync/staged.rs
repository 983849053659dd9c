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
//! | the process is killed before the removals | the old files, and a temporary file that the next run removes |
//! | the process is killed before step 3, and what was in the way is gone | neither; the next run downloads the file again |
//!
//! A name cannot be a directory and a file at the same time, so that there is a moment without
//! either: from the first removal below the directory until the file is in its place, or between a
//! removal and a rename where a file gives way to a directory. The source has the content then.
//!
//! With `resume`, the temporary name follows from the file's own, so that the next run completes
//! what has arrived of a large file. What it leaves beside that name is removed when the file is
//! complete.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempPath;

use crate::error::Result;
use crate::model::local_name::{TEMPORARY, TEMPORARY_END, TEMPORARY_RANDOM};
use crate::model::sha1::Sha1Digest;
use crate::sync::write::{LocalTree, Obstacle, failed};
use crate::transfer::download::Download;
use crate::transfer::download::temporary::{sync_directory, temporary_path};

/// A file that is complete, verified and not in its place. It is removed when this is dropped.
///
/// It holds no open file, so that 10,000 of them take no descriptors.
#[derive(Debug)]
pub(super) struct Staged {
    file: TempPath,
    pub(super) bytes: u64,
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
        let file = match resumes {
            true => lasting_path(beside, name),
            false => temporary_path(beside),
        };
        let file = file.map_err(|error| failed("create", &taken, error))?;
        let saved = open().and_then(|download| download.save(&file, &|| Ok(())));
        match saved {
            Ok(saved) => Ok(Staged {
                file,
                bytes: saved.bytes(),
            }),
            Err(error) => Err(Obstacle::Failed(error)),
        }
    }

    /// Puts a file into its place, now that removals have been made.
    ///
    /// An empty directory there is removed; if anything else is there, it stays and the new file is
    /// dropped. With `flushes` the directory is flushed.
    pub(super) fn place(&self, name: &str, staged: Staged, flushes: bool) -> Result<u64, Obstacle> {
        let path = self.path(name, None);
        // Fails if a link leads there, so that no directory outside is removed.
        self.make_folders(&path)?;
        // If it is not empty, it stays, and the file has no place.
        let _removed = fs::remove_dir(&path);
        self.check_place(&path, name, None)?;
        match staged.file.persist_noclobber(&path) {
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

/// Returns a temporary name for the file of this name that is the same in each run, unless something
/// has it.
fn lasting_path(directory: &Path, name: &str) -> io::Result<TempPath> {
    let mut own = Sha1Digest::of(name.as_bytes()).to_string();
    own.truncate(TEMPORARY_RANDOM);
    let path = directory.join(format!("{TEMPORARY}{own}{TEMPORARY_END}"));
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => TempPath::try_from_path(path),
        _ => temporary_path(directory),
    }
}
