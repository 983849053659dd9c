//! Downloads to something that is not a regular file: a pipe, a device, or wherever the program's
//! own output goes. It is written to directly, because a rename would replace it.
//!
//! Opening a pipe waits for a reader, and writing waits until there is room. On Unix, neither
//! blocks the thread in the system for longer than 50 ms, so both can be cancelled. A pipe is opened
//! as non-blocking. The handle of the program's own output stays as it is, because other programs
//! may share its flags: it is written to when it has room, and only with as many bytes at a time as
//! a pipe that has room takes without blocking. A write can still block if somebody else fills the
//! pipe at the same moment. On other systems, both wait in the system and cannot be cancelled there.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | nobody reads a pipe, or its reader pauses | the download waits, until it is cancelled |
//! | the reader closes the pipe, or has closed one that was open already (`/dev/fd/3`) | `LocalFile`, with `BrokenPipe` as its cause |
//! | the path is a Unix socket, or a device that is not there | `LocalFile`, with the error of the system |
//! | a regular file takes its place before it is opened | `LocalFile`; that file stays as it is |
//! | the connection to the service breaks | the download continues with the next byte; nothing is written twice |
//! | the SHA-1 is wrong | `ChecksumMismatch`; everything but the last bytes was written |
//! | the device is full | `LocalFile` |
//!
//! Everything is written in order (`in_order`), also where ranges are received ahead of it in memory.
//! [`DownloadOptions::resume`](crate::DownloadOptions::resume) has no effect, because nobody can tell what the
//! reader of a pipe has done with the bytes.
//!
//! What was written cannot be taken back: a download that fails leaves the bytes that arrived
//! before, unverified, with the reader of the pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::control::Control;
use crate::control::clock::Clock;

/// The number of symbolic links that are followed, as many as operating systems follow.
const MOST_LINKS: usize = 40;

/// The paths that a path leads to, link by link, beginning with the path itself.
pub(super) fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let follow = |at: &PathBuf| {
        let next = at.read_link().ok()?;
        Some(at.parent().map_or(next.clone(), |parent| parent.join(next)))
    };
    std::iter::successors(Some(path.to_owned()), follow).take(MOST_LINKS)
}

/// The handle of the program's standard output or error, if the path means one of them. It is used
/// even if it is a regular file, because other programs may be writing to that.
#[cfg(unix)]
pub(super) fn output(path: &Path) -> Option<io::Result<File>> {
    use std::os::fd::AsFd;
    let means = |number: u8| {
        links(path).any(|at| {
            [
                format!("/dev/fd/{number}"),
                format!("/proc/self/fd/{number}"),
            ]
            .iter()
            .any(|name| at == Path::new(name))
        })
    };
    let of = |handle: std::os::fd::BorrowedFd<'_>| handle.try_clone_to_owned().map(File::from);
    if means(1) {
        // What the program has written so far comes first.
        _ = io::stdout().flush();
        Some(of(io::stdout().as_fd()))
    } else if means(2) {
        Some(of(io::stderr().as_fd()))
    } else {
        None
    }
}

/// There are no such paths here.
#[cfg(not(unix))]
pub(super) fn output(_: &Path) -> Option<io::Result<File>> {
    None
}

/// Whether the path leads to a handle that a program has open, such as `/dev/fd/3`. A pipe that is
/// named so has lost its reader if it has none, because nobody opens it by that name to read it.
#[cfg(unix)]
fn is_handle(path: &Path) -> bool {
    links(path).any(|at| {
        let directory = at.parent().and_then(|parent| parent.canonicalize().ok());
        directory.is_some_and(|directory| {
            let is_of_a_process = directory.starts_with("/proc") && directory.ends_with("fd");
            is_of_a_process || directory == Path::new("/dev/fd")
        })
    })
}

/// Refuses a regular file, which took the place of a pipe or a device after the path was looked at.
/// Writing into it directly would overwrite the beginning of what it holds.
fn not_regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Err(io::Error::other(
            "a regular file took the place of a pipe or a device",
        ));
    }
    Ok(file)
}

/// A pipe or a device that is written to until the call is cancelled.
pub(super) struct Special<'a> {
    /// The handle, which is opened once.
    file: File,
    /// Ends the waits below when the call is cancelled.
    control: &'a Control,
    /// Whether a write may block, because the handle is shared with others.
    may_block: bool,
}

#[cfg(unix)]
impl<'a> Special<'a> {
    /// Opens it; waits for somebody to read a pipe that has a name. The wait has no limit of its own, and the
    /// response of the service, which is open already, may break in it; it is then continued.
    pub(super) fn open(path: &Path, clock: &Clock, control: &'a Control) -> io::Result<Self> {
        use rustix::fs::OFlags;
        use rustix::io::Errno;
        use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(flags);
        loop {
            match options.open(path) {
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                    if !path.metadata()?.file_type().is_fifo() {
                        return Err(error);
                    }
                    if is_handle(path) {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    control.sleep(clock, POLL)?;
                }
                outcome => {
                    return Ok(Self {
                        file: not_regular(outcome?)?,
                        control,
                        may_block: false,
                    });
                }
            }
        }
    }

    /// Writes to the program's own output.
    pub(super) fn output(file: File, control: &'a Control) -> Self {
        let may_block = file.metadata().is_ok_and(|metadata| !metadata.is_file());
        Self {
            file,
            control,
            may_block,
        }
    }

    /// Writes some bytes, or returns `WouldBlock`.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.may_block {
            return self.file.write(bytes);
        }
        if !self.wait()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = bytes.len().min(rustix::pipe::PIPE_BUF);
        self.file.write(bytes.get(..most).unwrap_or_default())
    }

    /// Waits until it takes bytes again, or for a while. Returns whether it takes them.
    fn wait(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        self.control.check()?;
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: POLL.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        match poll(&mut fds, Some(&limit)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
impl<'a> Special<'a> {
    /// Opens it.
    pub(super) fn open(path: &Path, _: &Clock, control: &'a Control) -> io::Result<Self> {
        let file = not_regular(OpenOptions::new().write(true).open(path)?)?;
        Ok(Self::output(file, control))
    }

    /// Writes to the program's own output.
    pub(super) const fn output(file: File, control: &'a Control) -> Self {
        let may_block = true;
        Self {
            file,
            control,
            may_block,
        }
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn wait(&self) -> io::Result<bool> {
        self.control.check()?;
        Ok(self.may_block)
    }
}

/// How often to check whether the call was cancelled.
#[cfg(unix)]
const POLL: std::time::Duration = std::time::Duration::from_millis(50);

impl Write for Special<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write_some(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => _ = self.wait()?,
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::Special;
    use crate::control::Control;
    use crate::control::clock::Clock;

    #[test]
    fn a_regular_file_that_took_the_place_of_a_pipe_is_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        std::fs::write(&path, b"precious").unwrap();
        let control = Control::default();
        let opened = Special::open(&path, &Clock::default(), &control);
        assert!(opened.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
