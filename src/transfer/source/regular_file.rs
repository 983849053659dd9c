//! Opening a local file that was a regular one when it was last looked at.
//!
//! Opening a named pipe waits until somebody writes to it, which may never happen; it also lets a program go
//! that waits for a reader, whose bytes are lost then. Reading a pipe takes bytes from whoever they are meant
//! for.
//!
//! 1. A path is looked at, and nothing but a regular file is opened.
//! 2. Between the look and the opening, another program may put something else there. A file is therefore
//!    opened without waiting.
//! 3. What was opened is looked at before it is read.
//!
//! | what is at the path | what follows |
//! | --- | --- |
//! | a regular file, or a link to one | it is opened |
//! | a named pipe, a socket, a directory or a device | it is not opened; the error says what it is |
//! | one of them, since the look | it is closed again, if it can be opened at all; the error says what it is |
//! | a regular file that the system cannot open at once, because another program has a lease on it or because it is on tape | it is opened with waiting |

use std::fs::{File, FileType};
use std::io;
use std::path::Path;

/// What is at a path instead of a regular file. It is the error that [`open`] fails with, inside an
/// `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{change}")]
pub(crate) struct NotRegular {
    /// What it is, for a path that was never known to be a regular file.
    pub(in crate::transfer) state: &'static str,
    /// What it has become, for a path at which a regular file was seen.
    pub(in crate::transfer) change: &'static str,
}

impl NotRegular {
    /// Describes what the system says is no regular file.
    pub(in crate::transfer) fn new(found: FileType) -> Self {
        let kind = |state, change| Self { state, change };
        if found.is_dir() {
            return kind("it is a directory, not a file", "it has become a directory");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            if found.is_fifo() {
                return kind(
                    "it is a named pipe, not a regular file",
                    "it has become a named pipe",
                );
            }
            if found.is_socket() {
                return kind(
                    "it is a socket, not a regular file",
                    "it has become a socket",
                );
            }
            if found.is_block_device() || found.is_char_device() {
                return kind(
                    "it is a device, not a regular file",
                    "it has become a device",
                );
            }
        }
        kind(
            "it is not a regular file",
            "it is not a regular file any more",
        )
    }

    /// Returns the description in an error of [`open`], if it failed for that reason.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Opens a regular file for reading. Links are followed. Fails without opening anything if something else is at
/// the path, and without waiting for it or reading it if it has just come there; [`NotRegular::of`] recognizes
/// that error.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let not_regular = |found| io::Error::new(io::ErrorKind::InvalidInput, NotRegular::new(found));
    let found = path.metadata()?;
    if !found.is_file() {
        return Err(not_regular(found.file_type()));
    }
    let file = match without_waiting(path) {
        Ok(file) => file,
        // A socket, or on some systems a directory, cannot be opened at all.
        Err(error) => match path.metadata() {
            Ok(found) if !found.is_file() => return Err(not_regular(found.file_type())),
            Ok(_) if error.kind() == io::ErrorKind::WouldBlock => File::open(path)?,
            _ => return Err(error),
        },
    };
    let found = file.metadata()?;
    match found.is_file() {
        true => Ok(file),
        false => Err(not_regular(found.file_type())),
    }
}

/// Opens whatever is at a path, and does not wait for a writer if it is a named pipe.
#[cfg(unix)]
fn without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = File::options();
    options.read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{NotRegular, open};

    /// Opens a path on another thread, because a fault here would block for as long as the test runs.
    fn opened(path: &Path) -> std::io::Result<std::fs::File> {
        let (path, (sender, receiver)) = (path.to_owned(), mpsc::channel());
        std::thread::spawn(move || sender.send(open(&path)));
        receiver.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    fn paths() -> (tempfile::TempDir, Vec<(PathBuf, &'static str)>) {
        let directory = tempfile::tempdir().unwrap();
        let [pipe, socket, folder] = ["p", "s", "d"].map(|name| directory.path().join(name));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        drop(UnixListener::bind(&socket).unwrap());
        std::fs::create_dir(&folder).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let paths = vec![
            (pipe, "it has become a named pipe"),
            (link, "it has become a named pipe"),
            (socket, "it has become a socket"),
            (folder, "it has become a directory"),
            ("/dev/null".into(), "it has become a device"),
        ];
        (directory, paths)
    }

    #[test]
    fn what_is_no_regular_file_is_neither_waited_for_nor_read() {
        let (_directory, paths) = paths();
        for (path, told) in paths {
            let error = opened(&path).unwrap_err();
            assert_eq!(error.to_string(), told, "{}", path.display());
            assert_eq!(NotRegular::of(&error).unwrap().change, told);
        }
    }

    /// A program that waits for a reader of its pipe is let go by whoever opens it, and fails if that one closes
    /// the pipe unread.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_not_even_opened() {
        use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let events = inotify::init(CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&events, &path, WatchFlags::OPEN).unwrap();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
        let mut opened_by = |open: &dyn Fn()| {
            open();
            Reader::new(&events, &mut buffer).next().is_ok()
        };
        assert!(!opened_by(&|| assert!(open(&path).is_err())));
        assert!(opened_by(&|| drop(super::without_waiting(&path).unwrap())));
    }

    #[test]
    fn a_regular_file_is_opened_and_one_that_is_not_there_is_not_found() {
        let directory = tempfile::tempdir().unwrap();
        let [path, link] = ["a", "link"].map(|name| directory.path().join(name));
        assert_eq!(
            opened(&path).unwrap_err().kind(),
            std::io::ErrorKind::NotFound
        );
        std::fs::write(&path, "hello").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [path, link] {
            let text = std::io::read_to_string(opened(&path).unwrap()).unwrap();
            assert_eq!(text, "hello");
        }
    }
}
