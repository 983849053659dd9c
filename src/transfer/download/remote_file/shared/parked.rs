//! Fetches whose reader has the blocks that it needs, and whose response is still open.
//!
//! A reader that requests a range receives only as much of it as it reads. Until its next read the
//! fetch stands here, and whoever needs one of its blocks takes it and continues it: the reader
//! itself, or another thread. So a slow connection delays a read in order by the bytes of that read
//! alone; one of a later block also waits for the blocks before it. A range that nobody reads on is cut off instead of received.
//!
//! | what happens | to the fetch |
//! | --- | --- |
//! | a read needs one of its blocks | it is taken, continued, and parked again unless it is complete |
//! | the handles of its run read elsewhere, or are dropped | it is dropped, which closes the connection |
//! | a transfer waits for memory | it is dropped, and what it borrowed is returned |
//! | there is no room for the block of another read | it is dropped |
//! | more than [`MAX_RUNS`] are parked | the one that was parked first is dropped |
//! | the service closes the connection, which was silent for long | the next read requests the rest, and that is not counted as an attempt (`stream`) |
//!
//! A fetch locks the blocks when it is dropped, and so it is never dropped under the lock of this
//! list or of the blocks.

use parking_lot::Mutex;

use super::block_fetch::BlockFetch;
use crate::control::caches::Caches;
use crate::transfer::download::remote_file::pattern::{MAX_RUNS, RunId};

/// The fetches of one file that wait for a reader.
#[derive(Default)]
pub(in super::super) struct Parked(Mutex<Vec<BlockFetch>>);

impl Parked {
    /// Adds a fetch, or drops it if a transfer waits for memory.
    ///
    /// That is asked under the lock: a transfer first announces that it waits, and then has all
    /// fetches dropped. One that is added before that is dropped by the transfer, and one that comes
    /// later sees the announcement.
    pub(in super::super) fn add(&self, fetch: BlockFetch, caches: &Caches) {
        let mut all = self.0.lock();
        let dropped = if caches.are_unwelcome() {
            Some(fetch)
        } else {
            let oldest = (all.len() >= MAX_RUNS).then(|| all.remove(0));
            all.push(fetch);
            oldest
        };
        drop(all);
        drop(dropped);
    }

    /// Takes the fetch of a block, to continue it.
    pub(super) fn take(&self, index: u64) -> Option<BlockFetch> {
        let mut all = self.0.lock();
        let at = all.iter().position(|fetch| fetch.covers(index))?;
        Some(all.remove(at))
    }

    /// Drops the fetches of a run.
    pub(in super::super) fn drop_run(&self, run: RunId) {
        let dropped: Vec<_> = self
            .0
            .lock()
            .extract_if(.., |fetch| fetch.run == run)
            .collect();
        drop(dropped);
    }

    /// Drops all fetches. Returns whether there were any.
    pub(in super::super) fn drop_all(&self) -> bool {
        let dropped = std::mem::take(&mut *self.0.lock());
        !dropped.is_empty()
    }
}
