//! The large files that earlier runs left unfinished: listed once in a run, when the first large
//! file is uploaded, and completed by whichever upload makes the same file.
//!
//! The listing is one request of class C for each started thousand files below the folder; a
//! listing for each upload would be one for each large file. Uploads that begin while it runs wait
//! for it.
//!
//! | what happens | what follows |
//! |---|---|
//! | the listing fails | the upload that asked for it fails, and the next one asks again |
//! | the key may not list unfinished files | large files are uploaded from the beginning |
//! | more than [`MOST`] files are unfinished | each upload lists those of its own name, one request each |

use std::sync::Arc;

use parking_lot::Mutex;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::transfer::resume::Resume;

/// How many unfinished files are kept in memory. With more of them below the folder, each large
/// file is looked for by its own name.
const MOST: usize = 1000;

/// How large files are resumed in a run.
#[derive(Debug, Default)]
pub(super) struct UnfinishedFiles {
    listed: Mutex<Option<Listed>>,
}

/// What is unfinished below the folder.
#[derive(Debug, Clone)]
enum Listed {
    All(Arc<[FileVersion]>),
    TooMany,
}

impl UnfinishedFiles {
    /// Returns how an upload of this name below this prefix is resumed, and lists what is unfinished
    /// there if no other upload of this run has done so.
    ///
    /// It is always one of certain files: a file that was touched must not be completed with its
    /// old time, because the next run would find it changed.
    /// Fails if a listing does, except for a missing capability.
    pub(super) fn resume(&self, bucket: &Bucket, prefix: &str, name: &str) -> Result<Resume> {
        match self.below(bucket, prefix)? {
            Listed::All(files) => Ok(Resume::Among(files)),
            Listed::TooMany => {
                let files = bucket.list_unfinished_large_files(name)?;
                // The service lists all that begin with the name.
                let is_own = |file: &Result<FileVersion>| {
                    file.as_ref().map_or(true, |file| file.file_name == name)
                };
                let own: Result<Vec<_>> = files.filter(is_own).collect();
                Ok(Resume::Among(own?.into()))
            }
        }
    }

    /// Returns what is unfinished below the prefix, which is listed once.
    fn below(&self, bucket: &Bucket, prefix: &str) -> Result<Listed> {
        // Others wait for the one that lists.
        let mut listed = self.listed.lock();
        if let Some(listed) = &*listed {
            return Ok(listed.clone());
        }
        let found = match list(bucket, prefix) {
            // A key that may not list them starts new ones.
            Err(Error::NotAllowed(_)) => Listed::All(Vec::new().into()),
            found => found?,
        };
        Ok(listed.insert(found).clone())
    }
}

/// Lists what is below the prefix, unless it is too much.
fn list(bucket: &Bucket, prefix: &str) -> Result<Listed> {
    let mut files = Vec::new();
    for file in bucket.list_unfinished_large_files(prefix)? {
        files.push(file?);
        if files.len() > MOST {
            return Ok(Listed::TooMany);
        }
    }
    Ok(Listed::All(files.into()))
}
