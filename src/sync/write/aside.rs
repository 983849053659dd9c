//! Keeping a local file in the directory for files set aside, before it is deleted or replaced.
//!
//! | what happens | what follows |
//! |---|---|
//! | the name is taken there | `.~1~`, `.~2~` and so on is added |
//! | the file cannot have a second name there | a file that is to be replaced is copied; one that is to be removed is not, and stays |
//! | the process is killed before a file is moved | an empty file may be left there |

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::sync::write::LocalTree;
use crate::transfer::source::regular_file;

impl LocalTree {
    /// Keeps a file in the directory for files set aside. With `stays` it also stays where it is,
    /// until another one takes its place, so that its name is never without a file.
    ///
    /// A name is taken by creating it, which fails if it is there already: so neither another thread
    /// nor another run replaces what was set aside. A copy, which is made where links cannot be, has
    /// a new time. If the process is killed before a file is moved, an empty one may be left there.
    pub(super) fn put_aside(&self, path: &Path, name: &str, stays: bool) -> Result<()> {
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
        let mut number = 0_u64;
        loop {
            let kept = match stays {
                true => link_or_copy(path, &target),
                false => move_to(path, &target),
            };
            match kept {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    target = aside.join(format!("{name}.~{number}~"));
                }
                kept => return kept.map_err(|error| Error::local_file("set aside", path, error)),
            }
        }
    }
}

/// Gives a file a second name, or copies it where it cannot have one. Fails with `AlreadyExists`
/// if the name is taken.
fn link_or_copy(path: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(path, target) {
        // A copy of it would replace what is there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => copy_new(path, target),
        linked => linked,
    }
}

/// Copies a file and its permissions to a name that must be free. On failure the name is free
/// again.
fn copy_new(path: &Path, target: &Path) -> io::Result<()> {
    let mut source = regular_file::open(path)?;
    let permissions = source.metadata()?.permissions();
    let mut file = File::create_new(target)?;
    // The permissions come first, so that nobody reads the content who may not read the source.
    let copied = file
        .set_permissions(permissions)
        .and_then(|()| io::copy(&mut source, &mut file).map(drop));
    drop(file);
    freeing(target, copied)
}

/// Moves a file to a name that must be free. An empty file takes the name first, and the move
/// replaces that one alone.
fn move_to(path: &Path, target: &Path) -> io::Result<()> {
    File::create_new(target)?;
    freeing(target, fs::rename(path, target))
}

/// Removes what was created under a name if it has not become the file that it was for.
fn freeing(target: &Path, outcome: io::Result<()>) -> io::Result<()> {
    if outcome.is_err() {
        // If it stays, the next file takes another name.
        let _removed = fs::remove_file(target);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io;
    use std::sync::Barrier;

    use super::copy_new;
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;
    use crate::sync::write::LocalTree;

    /// Several runs may set files of one name aside at the same time, and each file is kept.
    #[test]
    fn files_of_one_name_are_all_kept_whoever_sets_them_aside() {
        const THREADS: usize = 8;
        for stays in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let aside = directory.path().join("aside");
            for round in 0..50 {
                let name = format!("{round}/a");
                let barrier = Barrier::new(THREADS);
                std::thread::scope(|scope| {
                    for thread in 0..THREADS {
                        let (aside, name, barrier) = (&aside, &name, &barrier);
                        let root = directory.path().join(thread.to_string());
                        scope.spawn(move || {
                            let tree = LocalTree::new(
                                &root,
                                Some(aside),
                                &Clock::manual(),
                                &CancelToken::new(),
                            );
                            let path = root.join(name);
                            fs::create_dir_all(path.parent().unwrap()).unwrap();
                            fs::write(&path, thread.to_string()).unwrap();
                            barrier.wait();
                            tree.put_aside(&path, name, stays).unwrap();
                            assert_eq!(path.exists(), stays);
                        });
                    }
                });
                let kept = fs::read_dir(aside.join(round.to_string())).unwrap();
                let kept: BTreeSet<String> = kept
                    .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
                    .collect();
                assert_eq!(kept.len(), THREADS, "{round} {stays}");
            }
        }
    }

    #[test]
    fn a_copy_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        fs::write(&from, "new").unwrap();
        copy_new(&from, &to).unwrap();
        fs::write(&from, "other").unwrap();
        let error = copy_new(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
    }
}
