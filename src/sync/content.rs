//! The SHA-1 of a file on either side, for comparisons that need it: that of a version comes with
//! the listing, and a local file is read, on the calling thread. The planner waits for it while
//! running transfers go on, reports progress and can be cancelled.
//!
//! | what happens | what follows |
//! |---|---|
//! | the file cannot be opened or read, or has become a pipe or a device | an error; the planner transfers the file, which reports it |
//! | the run is cancelled | `Error::Cancelled`, within one piece |
//! | the file changes while it is read | the checksum of what was read, which no version has |
//! | a version has no SHA-1 | `None`: the planner decides without |
//!
//! Reading costs no request. A file is read in pieces of 64 KiB, so memory does not depend on its
//! size.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::sync::item::{At, Entry};
use crate::sync::reporter::Reporter;
use crate::transfer::source::regular_file;

/// The number of bytes that are read at a time.
const PIECE: usize = 1 << 16;

/// Reads local files below a directory.
///
/// `root` is that of the local place, whichever side it is on; between two buckets there is none,
/// and nothing is read.
#[derive(Debug)]
pub(super) struct ContentReader {
    pub(super) root: Option<PathBuf>,
    pub(super) cancel: CancelToken,
    pub(super) reporter: Arc<Reporter>,
}

impl ContentReader {
    /// Returns the SHA-1 of a file, or `None` if a version has none. Fails if the local file cannot
    /// be read, or with [`Error::Cancelled`].
    pub(super) fn sha1(&self, name: &str, entry: &Entry) -> Result<Option<Sha1Digest>> {
        let path = match (&entry.at, &self.root) {
            (At::Stored(stored), _) => return Ok(stored.sha1),
            (At::Local(_), None) => return Ok(None),
            (At::Local(state), Some(root)) => root.join(state.below(name)),
        };
        let failed = |error| Error::local_file("read", &path, error);
        let mut file = regular_file::open(&path).map_err(failed)?;
        let mut hasher = Sha1Hasher::default();
        let mut piece = vec![0; PIECE];
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            self.reporter.tick();
            match file.read(&mut piece) {
                Ok(0) => return Ok(Some(hasher.finish())),
                Ok(read) => hasher.update(piece.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::ContentReader;
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;
    use crate::model::sha1::Sha1Digest;
    use crate::sync::item::{At, Entry};
    use crate::sync::local_state::LocalState;
    use crate::sync::observe::{SyncObserver, SyncProgress};
    use crate::sync::reporter::Reporter;

    /// Counts reports, and lets a second pass with each.
    struct Reports(AtomicUsize, Clock);

    impl SyncObserver for Reports {
        fn progress(&self, _: &SyncProgress) {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1.advance(std::time::Duration::from_secs(1));
        }
    }

    #[test]
    fn progress_is_reported_while_a_file_is_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let content = vec![7; 10 << 16];
        std::fs::write(directory.path().join("a"), &content).unwrap();
        let metadata = directory.path().join("a").metadata().unwrap();
        let clock = Clock::manual();
        let reports = Arc::new(Reports(AtomicUsize::new(0), clock.clone()));
        let observer: Arc<dyn SyncObserver> = Arc::clone(&reports) as _;
        let reader = ContentReader {
            root: Some(directory.path().to_owned()),
            cancel: CancelToken::new(),
            reporter: Arc::new(Reporter::new(Some(&observer), &clock)),
        };
        let entry = Entry {
            size: content.len() as u64,
            modified: 0,
            at: At::Local(LocalState::of(&metadata)),
        };
        let sha1 = reader.sha1("a", &entry).unwrap();
        assert_eq!(sha1, Some(Sha1Digest::of(&content)));
        assert!(reports.0.load(Ordering::Relaxed) >= 10);
    }
}
