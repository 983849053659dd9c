//! What identifies a local file as the one that was scanned: size, time to the nanosecond, device
//! and inode. An editor that writes a new file and renames it changes the inode even if it keeps
//! size and time. A file that is written in place with its size, and gets its time back, is taken
//! for unchanged.
//!
//! | what an editor does | noticed by |
//! |---|---|
//! | it writes into the file | the time, or the size |
//! | it writes a new file and renames it | the inode, also if size and time are kept |
//! | it restores an old time after writing the same size | nothing |
//! | it replaces the file by a link or a directory | the look at its kind, which comes before this |
//!
//! Systems without inodes have no `identity`, and go by size and time. The state is a part of saved
//! plans.

use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What identifies a local file as the one that was scanned.
///
/// Two states are compared with `is`, which leaves the path out: it says where the file is found,
/// and not which one it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LocalState {
    /// In bytes.
    pub(super) size: u64,
    /// Nanoseconds since 1970.
    pub(super) modified_nanos: i64,
    /// Device and inode, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<(u64, u64)>,
    /// Its path below the directory, where that is not the name: its Unicode form is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Box<Path>>,
}

impl LocalState {
    /// Takes the state of a file. A time that the system does not tell counts as 1970, and one
    /// beyond the range of 64 bits as its end.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let nanos = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)
            }
        };
        Self {
            size: metadata.len(),
            modified_nanos: nanos,
            identity: identity(metadata),
            path: None,
        }
    }

    /// The path below the directory of the file of this name.
    pub(super) fn below<'a>(&'a self, name: &'a str) -> &'a Path {
        self.path.as_deref().unwrap_or(Path::new(name))
    }

    /// Whether this is the very file, unchanged.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.size, self.modified_nanos, self.identity)
            == (other.size, other.modified_nanos, other.identity)
    }
}

/// Device and inode, where there are such.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}
