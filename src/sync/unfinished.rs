//! The large files that earlier runs left unfinished: listed once in a run, when the first large file is
//! uploaded, and completed by whichever upload makes the same file.

use parking_lot::Mutex;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::transfer::resume::Resume;

/// How many unfinished files are kept in memory. With more of them below the folder, each large file is looked
/// for by its own name.
const MOST: usize = 1000;

/// How large files are resumed in a run.
#[derive(Debug, Default)]
pub(super) struct UnfinishedFiles {
    listed: Mutex<Option<Resume>>,
}

impl UnfinishedFiles {
    /// How an upload below this prefix is resumed.
    pub(super) fn resume(&self, bucket: &Bucket, prefix: &str) -> Result<Resume> {
        // Others wait for the one that lists.
        let mut listed = self.listed.lock();
        if let Some(resume) = &*listed {
            return Ok(resume.clone());
        }
        let resume = match list(bucket, prefix) {
            Ok(Some(files)) => Resume::Among(files.into()),
            Ok(None) => Resume::Matching,
            // A key that may not list them starts new ones.
            Err(Error::NotAllowed(_)) => Resume::Among(Vec::new().into()),
            Err(error) => return Err(error),
        };
        Ok(listed.insert(resume).clone())
    }
}

/// All that are below the prefix, unless they are too many.
fn list(bucket: &Bucket, prefix: &str) -> Result<Option<Vec<FileVersion>>> {
    let mut files = Vec::new();
    for file in bucket.list_unfinished_large_files(prefix)? {
        files.push(file?);
        if files.len() > MOST {
            return Ok(None);
        }
    }
    Ok(Some(files))
}
