//! Links to a directory that they lie in, where directories have no inodes.

use std::path::Path;

/// Whether a link to a directory leads to one of the directories around it, of which so many are
/// being scanned: by their paths without links, where directories have no inodes.
pub(super) fn leads_back(link: &Path, depth: usize) -> bool {
    let Ok(target) = link.canonicalize() else {
        return false;
    };
    let mut around = link.ancestors().skip(1).take(depth);
    around.any(|directory| {
        directory
            .canonicalize()
            .is_ok_and(|directory| directory == target)
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::leads_back;

    /// Also by way of a directory elsewhere that has a link back, and not if it only leads to a
    /// directory that is beside.
    #[test]
    fn a_loop_is_found_without_inodes() {
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (
            directory.path().join("root"),
            directory.path().join("other"),
        );
        for path in [&root.join("a/b"), &root.join("beside"), &elsewhere] {
            fs::create_dir_all(path).unwrap();
        }
        symlink(&root, root.join("a/b/up")).unwrap();
        symlink(&elsewhere, root.join("out")).unwrap();
        symlink(root.join("beside"), root.join("a/beside")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink(&root, elsewhere.join("back")).unwrap();
        assert!(leads_back(&root.join("a/b/up"), 3));
        assert!(leads_back(&root.join("out/back"), 2));
        // A directory above the root is none of those that are scanned.
        symlink(directory.path(), root.join("above")).unwrap();
        assert!(!leads_back(&root.join("above"), 1));
        for other in ["out", "a/beside", "dangling"] {
            assert!(!leads_back(&root.join(other), 2), "{other}");
        }
    }
}
