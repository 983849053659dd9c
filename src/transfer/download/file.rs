//! A download to a path: a temporary file beside it, verified, written through to disk, renamed.

use std::fs::{File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::control::workers::Workers;
use crate::error::{Error, Result};
use crate::model::file::FileVersion;
use crate::transfer::download::Verification;
use crate::transfer::download::ranges::{self, Target};
use crate::transfer::download::reader::DownloadReader;
use crate::transfer::parts::Parts;

/// What was saved.
#[derive(Debug, Clone)]
pub struct Saved {
    version: FileVersion,
    bytes: u64,
    verification: Verification,
}

impl Saved {
    /// The version that was saved.
    #[must_use]
    pub const fn version(&self) -> &FileVersion {
        &self.version
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether they are known to be right.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.verification
    }
}

/// Where the bytes will stand in the end.
enum Destination {
    /// A path that does not exist, or a regular file, links resolved.
    File(PathBuf),
    /// A pipe, a device: something that a rename would replace instead of feeding it.
    Special,
}

pub(super) fn save(
    mut reader: DownloadReader,
    path: &Path,
    workers: &Workers,
    part_size: u64,
) -> Result<Saved> {
    match destination(path)? {
        Destination::File(path) => save_file(&mut reader, &path, workers, part_size)?,
        Destination::Special => {
            let mut file =
                open_special(path).map_err(|error| Error::local_file("write", path, error))?;
            reader.copy_to(&mut file, |error| Error::local_file("write", path, error))?;
        }
    }
    Ok(Saved {
        version: reader.version().clone(),
        bytes: reader.length(),
        verification: reader.verification(),
    })
}

fn destination(path: &Path) -> Result<Destination> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let reason = io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a directory; name a file in it",
            );
            Err(Error::local_file("write", path, reason))
        }
        Ok(metadata) if metadata.is_file() => {
            let resolved = path
                .canonicalize()
                .map_err(|error| Error::local_file("resolve", path, error))?;
            Ok(Destination::File(resolved))
        }
        Ok(_) => Ok(Destination::Special),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Destination::File(end_of_links(path)))
        }
        Err(error) => Err(Error::local_file("write", path, error)),
    }
}

/// Where a link leads that leads to nothing yet; a path that is no link leads to itself.
fn end_of_links(path: &Path) -> PathBuf {
    let mut end = path.to_owned();
    // As many links as systems follow.
    for _ in 0..40 {
        let Ok(next) = end.read_link() else { break };
        end = end
            .parent()
            .map_or(next.clone(), |parent| parent.join(next));
    }
    end
}

fn open_special(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn save_file(
    reader: &mut DownloadReader,
    path: &Path,
    workers: &Workers,
    part_size: u64,
) -> Result<()> {
    let failed = |action, error| Error::local_file(action, path, error);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let replaced = path.metadata().ok().map(|replaced| replaced.permissions());
    let mut temporary =
        temporary_file(directory, replaced.as_ref()).map_err(|error| failed("create", error))?;
    if reader.is_whole() && reader.length() > part_size {
        let target = Target {
            path,
            reopen: &|| temporary.reopen(),
        };
        ranges::download(
            reader,
            &Parts::new(reader.length(), part_size),
            workers,
            &target,
        )?;
    } else {
        reader.copy_to(temporary.as_file_mut(), |error| failed("write", error))?;
    }
    let file = temporary.as_file();
    if let Some(replaced) = replaced {
        file.set_permissions(replaced)
            .map_err(|error| failed("set the permissions of", error))?;
    }
    let modified = SystemTime::from(reader.version().modified());
    file.set_times(FileTimes::new().set_modified(modified))
        .map_err(|error| failed("set the time of", error))?;
    // Before the rename, or a power failure could leave the name with nothing behind it.
    file.sync_all().map_err(|error| failed("write", error))?;
    reader.stream().control().check()?;
    temporary
        .persist(path)
        .map_err(|error| failed("replace", error.error))?;
    sync_directory(directory);
    Ok(())
}

/// A file that is removed unless it is renamed, with the permissions of the one that it replaces from
/// the beginning, or those of any new file.
fn temporary_file(
    directory: &Path,
    replaced: Option<&Permissions>,
) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".b2-download-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The owner must be able to write while it is made.
        let mode = replaced.map_or(0o666, |replaced| replaced.mode() & 0o777 | 0o600);
        builder.permissions(Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = replaced;
    builder.tempfile_in(directory)
}

/// Writes the directory's entry through to disk, where that is possible: a rename that is not there
/// after a power failure leaves what was there before.
fn sync_directory(directory: &Path) {
    #[cfg(unix)]
    if let Ok(directory) = File::open(directory) {
        _ = directory.sync_all();
    }
    #[cfg(not(unix))]
    let _ = directory;
}
