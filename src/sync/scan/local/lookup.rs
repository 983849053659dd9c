//! Looking at one file of the directory that is being scanned: its size, its time, and which file
//! it is.
//!
//! On Linux the directory is kept open while it is scanned, and a file is looked up by its own
//! name: the system then does not walk the whole path again for each file, which is a fifth of what
//! a scan costs. Elsewhere, and below [`OPEN`] levels, files are looked up by their paths.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use std::os::fd::OwnedFd;

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::sync::local_state::LocalState;

/// The most directories that are kept open, one of each level. The descriptors of a process are
/// limited, and transfers need some.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const OPEN: usize = 32;

/// How the files of one directory are looked up.
///
/// Without a descriptor it holds nothing, and each look takes the whole path.
#[derive(Debug)]
pub(super) struct Lookup {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    directory: Option<OwnedFd>,
}

impl Lookup {
    /// Prepares looking up the files of the directory at a path, which is so many levels below the
    /// root.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    pub(super) fn new(path: &Path, depth: usize) -> Self {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Without a descriptor, paths do.
        let open = || open(path, flags, Mode::empty()).ok();
        Self {
            directory: if depth < OPEN { open() } else { None },
        }
    }

    /// Prepares looking up the files of the directory at a path, which is so many levels below the
    /// root.
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    pub(super) const fn new(_: &Path, _: usize) -> Self {
        Self {}
    }

    /// Returns what identifies a file of the directory, which is at this path; `None` if it is no
    /// regular file. A link counts as what it leads to if links are followed.
    pub(super) fn file(
        &self,
        directory: &Path,
        name: &OsStr,
        follows: bool,
    ) -> io::Result<Option<LocalState>> {
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        if let Some(open) = &self.directory {
            return relative(open, name, follows);
        }
        let path = directory.join(name);
        let metadata = match follows {
            true => path.metadata(),
            false => path.symlink_metadata(),
        }?;
        Ok(metadata.is_file().then(|| LocalState::of(&metadata)))
    }
}

/// Looks a name up in an open directory. The state must equal the one that `LocalState::of` makes
/// of the metadata.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn relative(directory: &OwnedFd, name: &OsStr, follows: bool) -> io::Result<Option<LocalState>> {
    use rustix::fs::{AtFlags, FileType, statat};
    let flags = match follows {
        true => AtFlags::empty(),
        false => AtFlags::SYMLINK_NOFOLLOW,
    };
    let found = statat(directory, name, flags)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let nanos = i64::try_from(found.st_mtime_nsec).unwrap_or_default();
    Ok(is_file.then(|| LocalState {
        size: u64::try_from(found.st_size).unwrap_or_default(),
        modified_nanos: found
            .st_mtime
            .saturating_mul(1_000_000_000)
            .saturating_add(nanos),
        identity: Some((found.st_dev, found.st_ino)),
        path: None,
    }))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::time::{Duration, UNIX_EPOCH};

    use super::Lookup;
    use crate::sync::local_state::LocalState;

    /// However a file is looked up, it is identified as it is before it is changed.
    #[test]
    fn a_file_is_identified_as_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let before = UNIX_EPOCH - Duration::new(5, 250);
        let after = UNIX_EPOCH + Duration::new(1_700_000_000, 999_999_999);
        for (name, time) in [("before 1970", before), ("é", after)] {
            fs::write(path.join(name), name).unwrap();
            let file = File::options().write(true).open(path.join(name));
            file.unwrap().set_modified(time).unwrap();
            let expected = LocalState::of(&path.join(name).metadata().unwrap());
            for depth in [0, 1000] {
                let lookup = Lookup::new(path, depth);
                let found = lookup.file(path, OsStr::new(name), true).unwrap();
                assert_eq!(found.as_ref(), Some(&expected), "{name} {depth}");
            }
        }
        for depth in [0, 1000] {
            let lookup = Lookup::new(path, depth);
            assert!(lookup.file(path, OsStr::new("nothing"), true).is_err());
            assert_eq!(lookup.file(path, OsStr::new("."), true).unwrap(), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to_if_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("file"), "1").unwrap();
        std::os::unix::fs::symlink("file", path.join("link")).unwrap();
        for depth in [0, 1000] {
            let lookup = Lookup::new(path, depth);
            let look = |name: &str, follows| lookup.file(path, OsStr::new(name), follows).unwrap();
            assert_eq!(look("link", true), look("file", false));
            assert_eq!(look("link", false), None);
        }
    }
}
