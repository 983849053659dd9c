//! Many files, on disk and in a bucket.

use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use b2sdk::simulator::Simulator;
use serde_json::json;

/// How many files a directory has.
const DIRECTORY: usize = 200;
/// When all files were changed last, in seconds since 1970.
const MODIFIED: u64 = 1_700_000_000;

fn name(at: usize) -> String {
    format!("directory {:05}/file {at:07}", at / DIRECTORY)
}

/// Makes a tree of files with this content. Those that are there already stay.
pub(crate) fn make(tree: &Path, files: usize, content: &[u8]) -> Result<()> {
    let time = UNIX_EPOCH + Duration::from_secs(MODIFIED);
    let times = FileTimes::new().set_modified(time);
    for at in 0..files {
        let path = tree.join(name(at));
        if at % DIRECTORY == 0
            && let Some(directory) = path.parent()
        {
            fs::create_dir_all(directory)?;
        }
        let mut file = File::create(path)?;
        file.write_all(content)?;
        file.set_times(times)?;
    }
    Ok(())
}

/// Has the bucket list one file, as of such a tree, with so many versions.
pub(crate) fn plant_versions(
    service: &Simulator,
    bucket: &str,
    folder: &str,
    versions: usize,
) -> Result<()> {
    let millis = (MODIFIED * 1000).to_string();
    let file = json!({
        "fileName": format!("{folder}/{}", name(0)),
        "content": "",
        "contentType": "application/octet-stream",
        "fileInfo": {"src_last_modified_millis": millis},
    });
    for _ in 0..versions {
        service.plant_file(bucket, &file)?;
    }
    Ok(())
}

/// Has the bucket list the files of such a tree without content, as if they had been uploaded from there.
pub(crate) fn plant(service: &Simulator, bucket: &str, folder: &str, files: usize) -> Result<()> {
    let millis = (MODIFIED * 1000).to_string();
    for at in 0..files {
        let file = json!({
            "fileName": format!("{folder}/{}", name(at)),
            "content": "",
            "contentType": "application/octet-stream",
            "fileInfo": {"src_last_modified_millis": millis},
        });
        service.plant_file(bucket, &file)?;
    }
    Ok(())
}
