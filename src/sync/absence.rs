//! Whether a local source still lacks a file, by the rules of its scan: a removal of a saved plan is
//! made only then.
//!
//! | what is at the path | the file is absent |
//! |---|---|
//! | nothing, or a file in the place of one of its directories | yes |
//! | a directory, or a link to one that is followed | yes, as a directory is no file of that name |
//! | anything else | no |
//! | a link on the way that is not followed, or leads nowhere | not known |
//! | a directory on the way that cannot be read, is left out by its tag file, or lies on another file system | not known |
//!
//! With `also_remove_excluded`, a file that the filters leave out is absent as well, and so is all
//! that is below a directory of which they leave out everything.
//!
//! What is not known counts as there. With `nfc`, each entry of a directory that has the name in
//! that form is looked at, because the name on disk may be another one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

use crate::sync::filter::Filters;
use crate::sync::local_state::{LocalState, identity};
use crate::sync::place::{Links, LocalFolder};

/// Returns whether a source has a file, or may have it.
///
/// With filters that have what they leave out removed, such a file counts as absent, as in the scan.
pub(super) fn may_have(folder: &LocalFolder, filters: &Filters, name: &str) -> bool {
    let search = Search {
        folder,
        filters,
        name,
    };
    search.may_have_below(&folder.root, 0)
}

/// The file that is looked for.
struct Search<'a> {
    folder: &'a LocalFolder,
    filters: &'a Filters,
    name: &'a str,
}

impl Search<'_> {
    /// Returns whether a directory may have the file, whose name below it begins at `from`.
    fn may_have_below(&self, directory: &Path, from: usize) -> bool {
        let rest = self.name.get(from..).unwrap_or_default();
        let (own, below) = match rest.split_once('/') {
            Some((own, _)) => (own, Some(from + own.len() + 1)),
            None => (rest, None),
        };
        let Ok(paths) = paths_of(self.folder, directory, own) else {
            return true;
        };
        paths.iter().any(|path| match below {
            None => self.may_be_file(path),
            Some(below) => self.may_lead_there(path, below),
        })
    }

    /// Returns whether what is at a path may be the file.
    fn may_be_file(&self, path: &Path) -> bool {
        let (name, filters) = (self.name, self.filters);
        // What may have been a directory is known by its name only if that is excluded itself.
        let is_unknown = || !(filters.removes_name(name) && filters.excludes(name));
        let found = match path.symlink_metadata() {
            Err(error) if is_absence(error.kind()) => return false,
            Err(_) => return is_unknown(),
            Ok(found) => found,
        };
        let links = self.folder.links;
        let is_link = found.is_symlink();
        match path.metadata() {
            Ok(_) if is_link && links == Links::Skip => is_unknown(),
            Ok(target) if target.is_dir() => is_link && links != Links::Follow && is_unknown(),
            Ok(target) if target.is_file() => {
                let state = LocalState::of(&target);
                let modified = state.modified_nanos.div_euclid(1_000_000).max(0);
                !filters.removes_file(name, state.size, modified)
            }
            Ok(_) => !filters.removes_name(name),
            Err(_) => is_unknown(),
        }
    }

    /// Returns whether the file may be below what is at a path, which would be a directory.
    fn may_lead_there(&self, path: &Path, below: usize) -> bool {
        let found = match path.symlink_metadata() {
            Err(error) => return !is_absence(error.kind()),
            Ok(found) => found,
        };
        let is_directory = match found.is_symlink() {
            false => found.is_dir(),
            true => match path.metadata() {
                Ok(target) if target.is_dir() && self.folder.links == Links::Follow => true,
                // A link to a file has nothing below it; of any other one it is not known.
                Ok(target) => return target.is_dir(),
                Err(_) => return true,
            },
        };
        let directory = self.name.get(..below).unwrap_or_default();
        // The scan does not enter it, and takes all that is below for absent.
        let is_removed =
            self.filters.removes_excluded() && self.filters.excludes_all_below(directory);
        is_directory
            && !is_removed
            && (is_left_out(self.folder, path) || self.may_have_below(path, below))
    }
}

/// The paths at which a directory may have an entry of that name.
fn paths_of(folder: &LocalFolder, directory: &Path, own: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![directory.join(own)];
    if folder.nfc {
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let is_other = |name: &str| name != own && name.nfc().eq(own.chars());
            if name.to_str().is_some_and(is_other) {
                paths.push(directory.join(name));
            }
        }
    }
    Ok(paths)
}

/// Whether the scan would leave a directory out, so that it is not known what is below it.
fn is_left_out(folder: &LocalFolder, path: &Path) -> bool {
    let device = |path: &Path| Some(identity(&path.metadata().ok()?)?.0);
    let has_tag = |tag: &String| path.join(tag).symlink_metadata().is_ok();
    folder.exclude_if_present.as_ref().is_some_and(has_tag)
        || (folder.one_file_system && device(path) != device(&folder.root))
}

/// Whether an error says that nothing is at the path.
fn is_absence(error: io::ErrorKind) -> bool {
    matches!(
        error,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::may_have;
    use crate::model::pattern::Filter;
    use crate::sync::filter::Filters;
    use crate::sync::options::SyncOptions;
    use crate::sync::place::{Links, LocalFolder};

    #[test]
    fn what_the_scan_would_not_know_of_is_not_absent() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let outside = directory.path().join("outside");
        fs::create_dir_all(root.join("dir/tagged")).unwrap();
        fs::create_dir_all(root.join("e\u{301}")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        for path in ["file", "dir/f", "dir/tagged/TAG", "e\u{301}/e\u{301}"] {
            fs::write(root.join(path), "1").unwrap();
        }
        fs::write(outside.join("f"), "1").unwrap();
        symlink(&outside, root.join("link")).unwrap();
        symlink("file", root.join("file-link")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let filters = Filters::new(&SyncOptions::new(), false).unwrap();
        let folder = LocalFolder::new(&root);
        let skips = LocalFolder::new(&root).links(Links::Skip);
        let tagged = LocalFolder::new(&root).exclude_if_present("TAG");
        let nfc = LocalFolder::new(&root).nfc(true);
        for (folder, name, expected) in [
            (&folder, "file", true),
            (&folder, "dir/f", true),
            (&folder, "dir/g", false),
            // A directory is no file.
            (&folder, "dir", false),
            (&folder, "link", false),
            (&skips, "link", true),
            (&folder, "file/below", false),
            (&folder, "link/f", true),
            (&folder, "link/g", false),
            (&skips, "link/g", true),
            (&folder, "file-link", true),
            (&folder, "file-link/below", false),
            (&folder, "dangling", true),
            (&folder, "dangling/below", true),
            (&folder, "dir/tagged/gone", false),
            (&tagged, "dir/tagged/gone", true),
            (&tagged, "dir/gone", false),
            (&folder, "é/é", false),
            (&nfc, "é/é", true),
            (&nfc, "é/a", false),
            (&nfc, "dir/f", true),
        ] {
            assert_eq!(
                may_have(folder, &filters, name),
                expected,
                "{name} {folder:?}"
            );
        }
    }

    #[test]
    fn what_the_filters_leave_out_is_absent_if_it_is_to_be_removed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("cache")).unwrap();
        for path in ["a.tmp", "small", "large", "cache/TAG", "cache/f"] {
            let content = if path == "large" { "12345" } else { "1" };
            fs::write(root.join(path), content).unwrap();
        }
        symlink("nowhere", root.join("link.tmp")).unwrap();
        symlink("nowhere", root.join("link")).unwrap();
        let folder = LocalFolder::new(root).exclude_if_present("TAG");
        let options = SyncOptions::new()
            .max_size(3)
            .filters([Filter::exclude("*.tmp"), Filter::exclude("cache/*")]);
        let kept = Filters::new(&options, false).unwrap();
        let removed = Filters::new(&options.also_remove_excluded(true), false).unwrap();
        for (name, expected) in [
            ("a.tmp", false),
            ("small", true),
            ("large", false),
            ("cache/f", false),
            ("link.tmp", false),
            ("link", true),
            // It may have been a directory at the last run.
            ("link/f.tmp", true),
            ("link.tmp/f", true),
        ] {
            assert_eq!(may_have(&folder, &removed, name), expected, "{name}");
            assert!(may_have(&folder, &kept, name), "{name}");
        }
    }
}
