//! One handle of a file that several threads read and write, each at its own position. The file is
//! never opened a second time, because its path may lead to another file by then.
//!
//! Downloads use it in three ways: the threads of a large download write their ranges through one
//! handle (`ranges`), the hash of the whole is read back through it (`ordered_hash`, `partial`), and
//! before the temporary file replaces the destination it is compared with what is at its path
//! (`file`, `partial`). A moment is left between that check and the rename, which goes by the path.
//!
//! | what another program does to the path | what follows |
//! | --- | --- |
//! | it renames or removes the file | the bytes go to the file that was opened; `check_at` fails before it is renamed |
//! | it puts a link or another file in its place | as before: that file is neither written nor renamed |
//! | it replaces the file on a system other than Unix | not noticed, unless nothing or a link is there |

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

/// Writes all bytes at a position.
///
/// The handle's own position is not used, so threads that write different ranges need no lock. A
/// system that takes no more bytes without an error is reported as `WriteZero`. Of bytes that could
/// not all be written, some may be in the file. Bytes behind the end of the file make it longer, and
/// what is skipped reads as zeros until it is written.
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match write_some(file, bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                position += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes some bytes, with one call of the system.
#[cfg(unix)]
fn write_some(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, position)
}

/// Writes some bytes, with one call of the system, which also moves the position of the handle:
/// nobody else may rely on that.
#[cfg(windows)]
fn write_some(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, position)
}

/// Reads some bytes, with one call of the system; 0 at the end of the file.
#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

/// Reads some bytes, with one call of the system, which also moves the position of the handle.
#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

/// A reader of these bytes of a file.
///
/// It ends early, without an error, if the file is shorter than the range: whoever needs all of
/// them compares the number.
pub(super) struct RangeReader<'a> {
    file: &'a File,
    /// The bytes that are still to be read.
    range: Range<u64>,
}

impl<'a> RangeReader<'a> {
    /// Creates a reader, which reads nothing before it is asked to.
    pub(super) const fn new(file: &'a File, range: Range<u64>) -> Self {
        Self { file, range }
    }
}

impl Read for RangeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let room = buffer.get_mut(..room).unwrap_or_default();
        let read = read_some(self.file, room, self.range.start)?;
        self.range.start += read as u64;
        Ok(read)
    }
}

/// Whether the path, followed through no link, leads to this file.
///
/// On Unix the device and the inode are compared. Elsewhere it is only known that some regular file
/// is there. Nothing at the path is `false` everywhere.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    match path.symlink_metadata() {
        Ok(found) => Ok(found.is_file() && (found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a regular file is at the path, followed through no link. Which file it is cannot be told
/// here.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(found) => Ok(found.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails if the path no longer leads to this file, which is about to be renamed. Renaming what is
/// there instead would make somebody else's file the result of a verified download.
pub(super) fn check_at(file: &File, path: &Path) -> io::Result<()> {
    if is_at(file, path)? {
        return Ok(());
    }
    Err(io::Error::other(
        "another program replaced the temporary file while it was written",
    ))
}
