//! Whether a local source is there, and is still the one that was scanned.
//!
//! A directory that is not mounted looks like an empty one, and everything at the destination like
//! an orphan. So the device and the inode of the root are taken before the scan and compared before
//! the first removal, and the marker file, if one is named, is looked for both times. On systems
//! without inodes only the marker file tells.
//!
//! | what happens to the source | at the start | before removals |
//! |---|---|---|
//! | it is missing, or is a file | the run is refused | `SourceReplaced` |
//! | another file system is mounted there | cannot be known | `SourceReplaced` |
//! | the marker file is missing | the run is refused | `MarkerMissing` |

use crate::sync::error::{Refused, SyncError};
use crate::sync::local_state::identity;
use crate::sync::place::LocalFolder;
use crate::sync::report::WithheldReason;

/// Looks at the source again before anything is removed.
///
/// For a source in a bucket it is empty, and finds no obstacle.
#[derive(Debug, Default)]
pub(super) struct SourceGuard {
    folder: Option<(LocalFolder, Option<(u64, u64)>)>,
}

impl SourceGuard {
    /// For a directory that is there, with its marker file.
    /// Otherwise fails with `Refused::Directory` or `Refused::MarkerMissing`.
    pub(super) fn new(folder: &LocalFolder) -> Result<Self, SyncError> {
        let root = &folder.root;
        let metadata = root
            .metadata()
            .map_err(|error| Refused::directory(root, error.to_string()))?;
        if !metadata.is_dir() {
            let reason =
                "it is not a directory; a single file is uploaded with Bucket::upload_local_file";
            return Err(Refused::directory(root, reason));
        }
        if let Some(path) = folder.marker_path()
            && path.symlink_metadata().is_err()
        {
            return Err(SyncError::Refused(Refused::MarkerMissing { path }));
        }
        Ok(Self {
            folder: Some((folder.clone(), identity(&metadata))),
        })
    }

    /// Why nothing may be removed any more, if the source is not what it was.
    pub(super) fn obstacle(&self) -> Option<WithheldReason> {
        let (folder, scanned) = self.folder.as_ref()?;
        let now = folder.root.metadata().ok();
        let now = now.filter(std::fs::Metadata::is_dir);
        let Some(now) = now else {
            return Some(WithheldReason::SourceReplaced);
        };
        if identity(&now) != *scanned {
            return Some(WithheldReason::SourceReplaced);
        }
        let is_missing = |path: std::path::PathBuf| path.symlink_metadata().is_err();
        folder
            .marker_path()
            .is_some_and(is_missing)
            .then_some(WithheldReason::MarkerMissing)
    }
}
