//! The directory that programs read from and write to.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::peers::Contestant;
use crate::server::{self, large_name, small_name};
use crate::service::Counts;
use crate::sizes::Sizes;
use crate::task::{Direction, Task};

/// The directory with the files to upload, and those that are downloaded.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    sizes: Sizes,
}

impl Place {
    /// With large files of these lengths.
    pub(crate) fn new(sizes: &Sizes, lengths: &BTreeSet<u64>) -> Result<Self> {
        let parent = std::env::var_os("B2SDK_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        let directory = tempfile::tempdir_in(parent)?;
        let block = server::block();
        fs::create_dir(directory.path().join("up"))?;
        for n in 0..sizes.files {
            let content = &block[..usize::try_from(sizes.small)?];
            fs::write(directory.path().join(small_name("up", n)), content)?;
        }
        // A folder of fewer files for those who are given a folder.
        fs::create_dir_all(directory.path().join("slow/up"))?;
        for n in 0..sizes.slow_files {
            let content = &block[..usize::try_from(sizes.small)?];
            fs::write(
                directory.path().join("slow").join(small_name("up", n)),
                content,
            )?;
        }
        fs::create_dir(directory.path().join("large"))?;
        for length in lengths {
            let mut large = fs::File::create(directory.path().join(large_name("large", *length)))?;
            let mut left = *length;
            while left > 0 {
                let piece = &block[..usize::try_from(left)?.min(block.len())];
                large.write_all(piece)?;
                left -= piece.len() as u64;
            }
            // What is still to be written would disturb the first rows.
            large.sync_all()?;
        }
        Ok(Self {
            directory,
            sizes: sizes.clone(),
        })
    }

    /// Where this is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes what an earlier run left; the directory to run in.
    pub(crate) fn prepare(
        &self,
        task: &Task,
        contestant: Contestant,
        is_warm: bool,
    ) -> Result<PathBuf> {
        let root = self.directory.path();
        let root = match task {
            Task::Small { files, .. } | Task::Many { files, .. }
                if *files == self.sizes.slow_files =>
            {
                root.join("slow")
            }
            _ => root.to_owned(),
        };
        match fs::remove_file(root.join("copy")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        if root.join("copies").exists() {
            fs::remove_dir_all(root.join("copies"))?;
        }
        fs::create_dir(root.join("copies"))?;
        // What is still to be freed would disturb the next row.
        fs::File::open(&root)?.sync_all()?;
        // Python's store has another name, so that each starts with its own.
        if !is_warm && contestant != Contestant::Floor {
            forget(&root)?;
        }
        Ok(root)
    }

    pub(crate) fn forget_account_info(&self) -> Result<()> {
        forget(self.directory.path())
    }

    /// Whether everything was moved.
    pub(crate) fn check(&self, task: &Task, counts: &Counts) -> Result<()> {
        let root = self.directory.path();
        match task {
            Task::Large {
                direction: Direction::Up,
                length,
                ..
            } => {
                ensure!(counts.uploaded == *length, "{} bytes came", counts.uploaded);
            }
            Task::Large { length, .. } => {
                let copied = root.join("copy").metadata()?.len();
                ensure!(copied == *length, "{copied} bytes came");
            }
            Task::Small {
                direction: Direction::Up,
                files,
                ..
            }
            | Task::Many {
                direction: Direction::Up,
                files,
                ..
            } => {
                let expected = *files as u64 * self.sizes.small;
                ensure!(
                    counts.uploaded == expected,
                    "{} bytes came",
                    counts.uploaded
                );
            }
            Task::Small { files, .. } | Task::Many { files, .. } => {
                let is_slow = *files == self.sizes.slow_files;
                let root = if is_slow {
                    root.join("slow")
                } else {
                    root.to_owned()
                };
                let count = fs::read_dir(root.join("copies"))?.count();
                ensure!(count == *files, "{count} files came");
            }
            Task::Start => ensure!(counts.uploaded == self.sizes.small),
            // Each program counts what it lists.
            Task::List { .. } => {}
        }
        Ok(())
    }
}

/// Removes all account-info files.
fn forget(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains("account_info") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
