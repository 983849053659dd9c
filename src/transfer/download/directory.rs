//! Saves files in a directory under the names that they have in their bucket, whoever chose these.
//!
//! 1. The name is checked by itself (`model/local_name`), and against the names that came before
//!    it.
//! 2. Its folders are created one by one. One that is a symbolic link leads elsewhere, and ends the
//!    download.
//! 3. When the temporary file exists, and again before it is renamed, the folders are checked once
//!    more, because another program may have replaced them.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the name leads out of the directory, or is not possible on every system | `UnsafeName`, and nothing is written; [`LocalNameRules`] say which names these are |
//! | an earlier name needs the path, or a folder of it, as something else | `UnsafeName` with that name |
//! | a folder of the path is a symbolic link | `UnsafeName`; the folders before it may have been created |
//! | a folder of the path is a file | `LocalFile` |
//! | a link is in the file's own place | `UnsafeName`; neither the link nor what it leads to changes |
//! | the file exists already | it is replaced when the new one is complete |
//! | a program replaces a folder by a link after the last check | not noticed: no one else should be able to write below the directory |
//!
//! Folders that were created stay, also if the download fails.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::model::local_name::{
    LocalNameRules, UnsafeName, UnsafeNameReason, check_local_name, collision_key,
};

/// A local directory in which files of a bucket are saved under their own names.
///
/// Anybody who can write to the bucket can choose these names, and some names are harmful:
/// `../../.ssh/config`, `C:x`, `CON`. A name is refused if it would lead out of the directory, if
/// some operating system would change it, or if some operating system would confuse it with an
/// earlier name. Nothing is written then, and the error is
/// [`Error::UnsafeName`](crate::Error::UnsafeName).
///
/// ```
/// use b2sdk::local::{LocalDirectory, UnsafeNameReason};
///
/// let directory = LocalDirectory::new("/backup");
/// assert_eq!(directory.path_for("photos/photo.jpg")?, std::path::Path::new("/backup/photos/photo.jpg"));
/// let refused = directory.path_for("../photo.jpg").unwrap_err();
/// assert_eq!(refused.reason, UnsafeNameReason::DotSegment);
/// assert!(directory.path_for("Photos/Photo.jpg").is_err());
/// # Ok::<(), b2sdk::local::UnsafeName>(())
/// ```
#[derive(Debug)]
pub struct LocalDirectory {
    /// The directory, as the caller gave it. It is trusted, and may itself be reached through links.
    root: PathBuf,
    /// Which names are refused.
    rules: LocalNameRules,
    /// What was given out so far, by paths in the form in which some system would confuse them. It grows
    /// with each name and is freed with the value, so one value is meant for one set of files.
    taken: Mutex<BTreeMap<String, Taken>>,
}

/// What a path is used for, and the first name that needed it.
#[derive(Debug)]
struct Taken {
    /// The name in the bucket, for the error of a later name.
    name: Box<str>,
    /// Whether the path is that of the file itself, and not of a folder above it.
    is_file: bool,
}

impl LocalDirectory {
    /// Uses this directory, which is created when the first file is saved. The directory itself may
    /// be a symbolic link; nothing below it may be one.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            rules: LocalNameRules::default(),
            taken: Mutex::default(),
        }
    }

    /// Sets which names are accepted. The default is [`LocalNameRules::Portable`].
    ///
    /// ```
    /// use b2sdk::local::{LocalDirectory, LocalNameRules};
    ///
    /// let directory = LocalDirectory::new("/backup").rules(LocalNameRules::default());
    /// assert!(directory.path_for("CON").is_err(), "a device on Windows");
    /// ```
    #[must_use]
    pub fn rules(mut self, rules: LocalNameRules) -> Self {
        self.rules = rules;
        self
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the local path for a file of the bucket and reserves it: later names that some
    /// operating system would confuse with it are refused. The disk is not accessed.
    ///
    /// A second call with the same name returns the path again. A name is reserved for as long as the
    /// `LocalDirectory` exists, also if its download fails; a name that is refused reserves nothing.
    ///
    /// # Errors
    /// [`UnsafeName`], which contains the reason.
    pub fn path_for(&self, file_name: &str) -> Result<PathBuf, UnsafeName> {
        let refused = |reason| UnsafeName {
            name: file_name.into(),
            reason,
        };
        check_local_name(file_name, self.rules).map_err(refused)?;
        self.take(file_name)
            .map_err(|with| refused(UnsafeNameReason::Collision { with }))?;
        let mut path = self.root.clone();
        path.extend(file_name.split('/'));
        Ok(path)
    }

    /// Reserves the path of a name. Fails with the earlier name that is in its way.
    fn take(&self, file_name: &str) -> Result<(), Box<str>> {
        let key = collision_key(file_name, self.rules);
        let mut taken = self.taken.lock();
        let folders = || key.match_indices('/').filter_map(|(end, _)| key.get(..end));
        let blocking = folders().find_map(|folder| taken.get(folder).filter(|t| t.is_file));
        if let Some(blocking) = blocking {
            return Err(blocking.name.clone());
        }
        match taken.get(&key) {
            Some(own) if own.is_file && *own.name == *file_name => return Ok(()),
            Some(other) => return Err(other.name.clone()),
            None => {}
        }
        for folder in folders() {
            if let Entry::Vacant(vacant) = taken.entry(folder.to_owned()) {
                vacant.insert(Taken {
                    name: file_name.into(),
                    is_file: false,
                });
            }
        }
        let own = Taken {
            name: file_name.into(),
            is_file: true,
        };
        taken.insert(key, own);
        Ok(())
    }

    /// Creates the folders of a file, each after its parent was checked. Folders that exist are used as
    /// they are, with the permissions that they have.
    pub(super) fn make_folders(&self, file_name: &str) -> Result<()> {
        fs::create_dir_all(&self.root)
            .map_err(|error| Error::local_file("create", &self.root, error))?;
        for folder in self.folders(file_name) {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::local_file("create", &folder, error));
                }
                _ => check_folder(file_name, &folder)?,
            }
        }
        Ok(())
    }

    /// Fails if a folder of the file is no folder, or if anything but a regular file is in the
    /// file's own place.
    pub(super) fn check(&self, file_name: &str, path: &Path) -> Result<()> {
        for folder in self.folders(file_name) {
            check_folder(file_name, &folder)?;
        }
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => Err(is_link(file_name)),
            Ok(found) if !found.is_file() => {
                let reason = io::Error::other("something that is not a file is in its place");
                Err(Error::local_file("replace", path, reason))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::local_file("replace", path, error))
            }
            _ => Ok(()),
        }
    }

    /// The folders of a file, the outermost first.
    fn folders<'a>(&'a self, file_name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        let ends = file_name.match_indices('/').map(|(end, _)| end);
        ends.filter_map(|end| file_name.get(..end)).map(|folder| {
            let mut path = self.root.clone();
            path.extend(folder.split('/'));
            path
        })
    }
}

/// Fails if this is not a folder, or is a symbolic link.
fn check_folder(file_name: &str, folder: &Path) -> Result<()> {
    let failed = |error| Error::local_file("use", folder, error);
    let found = folder.symlink_metadata().map_err(failed)?;
    if found.is_dir() {
        return Ok(());
    }
    if found.is_symlink() {
        return Err(is_link(file_name));
    }
    Err(failed(io::ErrorKind::NotADirectory.into()))
}

/// The error of a name whose path contains a symbolic link.
fn is_link(file_name: &str) -> Error {
    Error::UnsafeName(Box::new(UnsafeName {
        name: file_name.into(),
        reason: UnsafeNameReason::Link,
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    use super::LocalDirectory;
    use crate::model::local_name::{LocalNameRules, UnsafeNameReason};

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just("/".to_owned()),
            Just("\\".to_owned()),
            Just("C:".to_owned()),
            Just("\0".to_owned()),
            Just("a".to_owned()),
            Just(" ".to_owned()),
            any::<String>(),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_the_name_the_path_is_inside(name in hostile(), native in any::<bool>()) {
            let rules = if native { LocalNameRules::Native } else { LocalNameRules::Portable };
            let directory = LocalDirectory::new("/some/root").rules(rules);
            if let Ok(path) = directory.path_for(&name) {
                let below = path.strip_prefix("/some/root").unwrap();
                assert!(below.components().count() > 0);
                assert!(below.components().all(|part| matches!(part, Component::Normal(_))));
                // Nothing was dropped, so that no other name means the same path.
                assert_eq!(below.to_str().unwrap().replace('\\', "/"), name.replace('\\', "/"));
            }
        }
    }

    #[test]
    fn a_name_that_some_system_takes_for_an_earlier_one_is_refused() {
        let directory = LocalDirectory::new("x");
        directory.path_for("Photos/é.jpg").unwrap();
        directory.path_for("Photos/é.jpg").unwrap();
        directory.path_for("photos/other.jpg").unwrap();
        for name in [
            "photos/É.JPG",
            "Photos/e\u{301}.jpg",
            "PHOTOS",
            "photos/é.jpg/inside",
        ] {
            let refused = directory.path_for(name).unwrap_err();
            let with = "Photos/é.jpg".into();
            assert_eq!(
                refused.reason,
                UnsafeNameReason::Collision { with },
                "{name}"
            );
        }
        // What was refused takes nothing.
        directory.path_for("photos/e").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn native_rules_keep_apart_what_unix_keeps_apart() {
        let directory = LocalDirectory::new("x").rules(LocalNameRules::Native);
        for name in ["a", "A", "é", "e\u{301}", "12:00", r"a\b"] {
            directory.path_for(name).unwrap();
        }
        assert!(directory.path_for("a/b").is_err());
    }
}
