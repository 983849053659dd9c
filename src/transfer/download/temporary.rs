//! Temporary files beside the paths that they will replace.
//!
//! They are in the same directory, so that renaming one is atomic. Their names begin with
//! `.b2-download-` and end with `.tmp`, so that synchronizing never takes one for a file of the
//! user, and a person recognizes what a killed process has left. On Unix such a file is locked while
//! it is written, so that synchronizing removes those that nobody has locked. Elsewhere they stay.

use std::fs::{File, Permissions};
use std::io;
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

use crate::error::Result;
use crate::model::local_name::{TEMPORARY, TEMPORARY_END, TEMPORARY_RANDOM};
use crate::transfer::download::partial::Partial;

/// Creates a file that is removed unless it is renamed. It has the permissions of the file that it
/// replaces from the beginning, or those of any new file.
///
/// A process that is killed leaves it. On Unix, synchronizing into the directory removes it then, and not
/// before its lock is gone.
pub(super) fn temporary_file(
    directory: &Path,
    replaced: Option<&Permissions>,
) -> io::Result<NamedTempFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // The owner must be able to write until the file is complete.
        options.mode(replaced.map_or(0o666, |replaced| replaced.mode() & 0o777 | 0o600));
    }
    #[cfg(not(unix))]
    let _ = replaced;
    // Opened here, because the library's own errors have the temporary name, which nobody knows.
    let temporary = temporary_in(directory, |path| options.open(path))?;
    // So that what a killed process leaves can be told from what is being written. Elsewhere a lock would
    // bar our own other handles.
    #[cfg(unix)]
    let _locked = temporary.as_file().try_lock();
    Ok(temporary)
}

/// Returns a temporary name in a directory that nothing has yet. A file that is saved under it is removed when
/// the path is dropped, unless it was given another name.
pub(crate) fn temporary_path(directory: &Path) -> io::Result<TempPath> {
    let free = temporary_in(directory, |path| match path.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    })?;
    Ok(free.into_temp_path())
}

/// Creates something under a temporary name: one that a scan for synchronizing recognizes.
fn temporary_in<R>(
    directory: &Path,
    create: impl FnMut(&Path) -> io::Result<R>,
) -> io::Result<NamedTempFile<R>> {
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .rand_bytes(TEMPORARY_RANDOM)
        .suffix(TEMPORARY_END)
        .make_in(directory, create)
}

/// Removes what a download with `resume` has left beside a path. Fails if such a download is running.
pub(crate) fn clear_unfinished(path: &Path) -> Result<()> {
    Partial::clear(path)
}

/// Flushes the entry of a directory to disk, where that is possible. A rename that is lost in a
/// power failure leaves what was there before.
pub(crate) fn sync_directory(directory: &Path) {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        // Whatever has its place by now is not waited for: opening a pipe would wait for a writer.
        let flags = OFlags::DIRECTORY.union(OFlags::NONBLOCK).bits();
        let mut options = File::options();
        options.read(true).custom_flags(flags.cast_signed());
        if let Ok(directory) = options.open(directory) {
            _ = directory.sync_all();
        }
    }
    #[cfg(not(unix))]
    let _ = directory;
}

#[cfg(test)]
mod tests {
    use super::temporary_file;

    #[test]
    fn an_error_of_creating_does_not_have_the_temporary_name() {
        let directory = tempfile::tempdir().unwrap();
        let error = temporary_file(&directory.path().join("nowhere"), None).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(!error.to_string().contains("nowhere"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_directory_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        super::sync_directory(&pipe);
    }

    #[test]
    fn temporary_files_have_names_that_are_recognized() {
        let directory = tempfile::tempdir().unwrap();
        let file = temporary_file(directory.path(), None).unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap();
        assert!(crate::model::local_name::is_temporary(name), "{name}");
        for other in ["AbCdEf", "x.part", "AbCdEf.tmp"] {
            let other = format!(".b2-download-{other}");
            assert!(!crate::model::local_name::is_temporary(&other), "{other}");
        }
    }
}
