//! The SHA-1 of a file on either side, for comparisons that need it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::sha1::{Sha1Digest, Sha1Hasher};
use crate::sync::item::{At, Entry};
use crate::sync::reporter::Reporter;

/// How much is read at a time.
const PIECE: usize = 1 << 16;

/// Reads local files below a directory.
#[derive(Debug)]
pub(super) struct ContentReader {
    pub(super) root: Option<PathBuf>,
    pub(super) cancel: CancelToken,
    pub(super) reporter: Arc<Reporter>,
}

impl ContentReader {
    /// The SHA-1 of a file, if one is recorded or can be computed.
    pub(super) fn sha1(&self, name: &str, entry: &Entry) -> Result<Option<Sha1Digest>> {
        let path = match (&entry.at, &self.root) {
            (At::Stored(stored), _) => return Ok(stored.sha1),
            (At::Local(_), None) => return Ok(None),
            (At::Local(state), Some(root)) => root.join(state.below(name)),
        };
        let failed = |error| Error::local_file("read", &path, error);
        let mut file = File::open(&path).map_err(failed)?;
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
