//! A download to a path: a temporary file beside it, verified, written through to disk, renamed.

use std::fs::{File, FileTimes, OpenOptions};
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
            Ok(Destination::File(path.to_owned()))
        }
        Err(error) => Err(Error::local_file("write", path, error)),
    }
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
    let mut temporary = temporary_file(directory).map_err(|error| failed("create", error))?;
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
    if let Ok(replaced) = path.metadata() {
        file.set_permissions(replaced.permissions())
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
    Ok(())
}

/// A file that is removed unless it is renamed, with the permissions of any new file.
fn temporary_file(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".b2-download-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}
