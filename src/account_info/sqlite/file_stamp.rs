//! Recognizes whether an open file is still the one at its path, and whether it was changed.
//!
//! A user may delete or replace the file while a program runs. What the program then wrote to the
//! old one would never be seen by anybody.
//!
//! A stamp is the file's identity (device and inode) and the time of its last change (`ctime`),
//! which the kernel sets and no program can choose. Reading it costs one system call, and opens
//! nothing.
//!
//! | situation | what the stamp tells |
//! | --- | --- |
//! | the stamp is the same, and was first seen more than a tick before the file was last read | nothing was written since |
//! | the stamp is the same, but is younger | nothing: a second write may have fallen into the same tick |
//! | the identity is another one | the file was replaced; what is open is no longer the one at the path |
//! | there is no file | it was deleted |
//! | Windows | nothing, except whether the file exists |
//! | a network file system | nothing: it may report old stamps; the caller does not ask |

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

/// The identity of a file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(Id);

/// Device and inode.
#[cfg(unix)]
type Id = (u64, u64);

/// Where an open file can be neither deleted nor replaced, only its existence counts.
#[cfg(not(unix))]
type Id = ();

impl FileId {
    /// The file at this path, or `None` if there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(Stamp::at(path)?.map(|stamp| stamp.file))
    }
}

/// The identity of a file, and when it was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) file: FileId,
    /// The time of the last change in seconds and nanoseconds since 1970. Every write sets it, and
    /// no program can set it to a time of its choice.
    #[cfg(unix)]
    changed: (i64, i64),
}

/// The longest tick of a file system that records nanoseconds. It takes the time from a kernel
/// clock that advances at least every 10 ms.
#[cfg(unix)]
const TICK: Duration = Duration::from_millis(30);
/// The longest tick of any other file system. The coarsest ones advance every two seconds.
#[cfg(unix)]
const COARSE_TICK: Duration = Duration::from_secs(5);

impl Stamp {
    /// The stamp of the file at this path, or `None` if there is none. Takes about a microsecond.
    /// The file is not opened, because closing it would release this process's locks on it.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => Ok(Some(Self::of(&found?))),
        }
    }

    /// The stamp in the metadata of a file.
    ///
    /// Device, inode and `ctime`. A change of the mode or of the owner counts as a change, too, and
    /// costs one needless look.
    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            file: FileId((found.dev(), found.ino())),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self { file: FileId(()) }
    }

    /// The time after which every further write gives the file another stamp.
    #[cfg(unix)]
    fn tick(&self) -> Duration {
        match self.changed.1 % 1_000_000 {
            0 => COARSE_TICK,
            _ => TICK,
        }
    }
}

/// Decides from when on an unchanged stamp proves that a file was not written.
///
/// Two writes within one tick of the clock that stamps files leave the same stamp, so what was read
/// between them would be taken as current from then on. A stamp that was already there a tick ago is safe,
/// because the next write falls into a later tick. Only time that passed in this process counts:
/// the clocks of this machine and of the file system may differ, and the process may have been
/// suspended in between.
#[derive(Debug, Default)]
pub(super) struct StampAge {
    /// The stamp that was seen last, and since when, by the clock's `elapsed`.
    seen: Option<(Stamp, Duration)>,
}

impl StampAge {
    /// Notes the stamp of the file, which was read after `begun` and before `read`, by a clock that
    /// only moves forward. Returns whether what is read from the file from now on is valid as long
    /// as the file has this stamp.
    ///
    /// The first sight of a stamp never counts. Later ones count if this one began at least a tick
    /// after the first one ended: then every write after it falls into a later tick, and changes
    /// the stamp.
    #[cfg(unix)]
    pub(super) fn observe(&mut self, stamp: Stamp, begun: Duration, read: Duration) -> bool {
        match &self.seen {
            Some((seen, since)) if *seen == stamp => begun >= since.saturating_add(stamp.tick()),
            _ => {
                self.seen = Some((stamp, read));
                false
            }
        }
    }

    /// Where the time of the last change is not known, a stamp never proves anything.
    #[cfg(not(unix))]
    pub(super) fn observe(&mut self, stamp: Stamp, _: Duration, read: Duration) -> bool {
        self.seen = Some((stamp, read));
        false
    }
}

/// Logs a warning if others than the owner can use the file, because it contains the application
/// key in clear text. Nothing is changed: the mode may be what the user wants.
pub(super) fn warn_if_others_can_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(found) = std::fs::metadata(path) {
        use std::os::unix::fs::MetadataExt as _;
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:03o}"),
                "others than its owner can use the account info, in which the application key lies \
                 in clear; chmod 600 the file"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Duration, FileId, Stamp, StampAge};

    const fn at(nanoseconds: i64) -> Stamp {
        Stamp {
            file: FileId((1, 1)),
            changed: (1_000, nanoseconds),
        }
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_stamp_counts_once_it_was_seen_a_tick_before_the_look_began() {
        let mut age = StampAge::default();
        assert!(!age.observe(at(1), ms(0), ms(1)));
        assert!(!age.observe(at(1), ms(30), ms(31)));
        assert!(age.observe(at(1), ms(31), ms(32)));
        assert!(!age.observe(at(2), ms(90), ms(91)), "another stamp");
        assert!(age.observe(at(2), ms(121), ms(122)));
    }

    /// A write, a look, and a process that is stopped while another write falls into the same tick.
    #[test]
    fn time_in_which_a_look_was_stopped_does_not_count() {
        let mut age = StampAge::default();
        assert!(!age.observe(at(1), ms(0), ms(1000)), "stopped within it");
        assert!(!age.observe(at(1), ms(1001), ms(1002)));
        // Begun before it was stopped: what it reads afterwards is newer than the stamp.
        assert!(age.observe(at(1), ms(1030), ms(9000)));
    }

    #[test]
    fn a_coarse_file_system_takes_longer() {
        let mut age = StampAge::default();
        assert!(!age.observe(at(0), ms(0), ms(0)));
        assert!(!age.observe(at(0), ms(4_999), ms(4_999)));
        assert!(age.observe(at(0), ms(5_000), ms(5_000)));
    }
}
