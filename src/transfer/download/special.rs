//! Downloads to something that is not a regular file: a pipe, a device, or wherever the program's
//! own output goes. It is written to directly, because a rename would replace it.
//!
//! Opening a pipe waits for a reader, and writing waits until there is room. On Unix, neither
//! blocks the thread in the system for longer than 50 ms, so both can be cancelled. The program's
//! own output is the exception: its handle is used as it is, because other parts of the program
//! share its flags. Unless it is non-blocking already, a write to it returns when it has room.
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

#[cfg(not(unix))]
pub(super) fn output(_: &Path) -> Option<io::Result<File>> {
    None
}

/// A pipe or a device that is written to until the call is cancelled.
pub(super) struct Special<'a> {
    file: File,
    control: &'a Control,
}

#[cfg(unix)]
impl<'a> Special<'a> {
    /// Opens it; waits for somebody to read a pipe.
    pub(super) fn open(path: &Path, clock: &Clock, control: &'a Control) -> io::Result<Self> {
        use rustix::fs::OFlags;
        use rustix::io::Errno;
        use std::os::unix::fs::OpenOptionsExt;

        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(flags);
        loop {
            match options.open(path) {
                Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                    control.sleep(clock, POLL)?;
                }
                outcome => return Ok(Self::new(outcome?, control)),
            }
        }
    }

    /// Waits until it takes bytes again, or for a while.
    fn wait(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        self.control.check()?;
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: POLL.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
impl<'a> Special<'a> {
    /// Opens it.
    pub(super) fn open(path: &Path, _: &Clock, control: &'a Control) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Self::new(file, control))
    }

    fn wait(&self) -> io::Result<()> {
        Ok(self.control.check()?)
    }
}

/// How often to check whether the call was cancelled.
#[cfg(unix)]
const POLL: std::time::Duration = std::time::Duration::from_millis(50);

impl<'a> Special<'a> {
    pub(super) const fn new(file: File, control: &'a Control) -> Self {
        Self { file, control }
    }
}

impl Write for Special<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
