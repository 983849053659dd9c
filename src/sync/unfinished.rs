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
//! | more than [`MOST`] files are unfinished | each upload looks for its own name, one request each |

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
    listed: Mutex<Option<Resume>>,
}

impl UnfinishedFiles {
    /// Returns how an upload below this prefix is resumed, and lists what is unfinished there if no
    /// other upload of this run has done so.
    /// Fails if the listing does, except for a missing capability.
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
