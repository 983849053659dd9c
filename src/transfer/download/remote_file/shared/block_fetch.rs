//! Fetches consecutive blocks of a file with one request.
//!
//! 1. The blocks are marked as in flight, and their memory is borrowed, so that no other thread
//!    fetches them.
//! 2. Each block is handed to the cache as it arrives, and waiting readers are woken.
//! 3. At the end, whatever its cause, the blocks that have not arrived no longer count as in flight:
//!    a reader that waits for one of them fetches it itself.
//!
//! However many blocks a fetch has, it is one request of class B, and one more for each connection
//! that breaks. Blocks are smaller than what is requested, so that the cache can drop one that was
//! read and keep its neighbours.
//!
//! | what happens | what follows |
//! | --- | --- |
//! | there is no room in the cache, or no free memory, for one of the blocks | the fetch ends before it; a later read begins there |
//! | the connection breaks | the rest is requested over another one (`stream`) |
//! | the request fails for good, or is cancelled | blocks that arrived stay cached; the thread gets the error, and others that wait fetch for themselves |
//! | a transfer begins to wait for memory | blocks that arrive from then on are handed to the read, and not cached |
//! | no thread or no permit can be had for reading ahead | nothing is sent; the blocks are missing again |

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{File, room_for};
use crate::control::memory::Loan;
use crate::error::Result;
use crate::transfer::download::remote_file::blocks::{Block, Blocks};

/// Consecutive blocks that one thread is about to fetch. Those that have not arrived when it is
/// dropped no longer count as in flight, whether the request failed, the call was cancelled, or the
/// thread was never started.
pub(in super::super) struct BlockFetch {
    /// The file whose blocks they are, and whose readers are woken.
    file: Arc<File>,
    /// The index of each block, and the memory for it.
    waiting: VecDeque<(u64, Loan)>,
}

impl BlockFetch {
    /// Marks blocks as in flight, from the first one on, as far as there is room in the cache and
    /// memory that nobody waits for. The last of `indices` may therefore be missing. Returns `None`
    /// if there is no room for the first one.
    pub(super) fn begin_fetch(
        file: &Arc<File>,
        blocks: &mut Blocks,
        indices: Range<u64>,
    ) -> Option<Self> {
        let mut waiting = VecDeque::new();
        for index in indices {
            let bytes = file.bytes(&(index..index + 1));
            let length = bytes.end - bytes.start;
            let Some(loan) = file.workers.memory().try_borrow(length) else {
                break;
            };
            if !blocks.begin_fetch(index, length) {
                break;
            }
            waiting.push_back((index, loan));
        }
        (!waiting.is_empty()).then(|| Self {
            file: Arc::clone(file),
            waiting,
        })
    }

    /// Whether this block is one of them.
    pub(super) fn covers(&self, index: u64) -> bool {
        self.waiting.iter().any(|(own, _)| *own == index)
    }

    /// Fetches the blocks with one request, or more if a connection breaks. `arrived` is called
    /// with each block, before it is cached and others can push it out.
    ///
    /// The lock on the blocks is taken once for each block, and never while bytes are awaited.
    ///
    /// A failure keeps the blocks that arrived before it. While a transfer waits for memory, blocks
    /// are handed to `arrived` and not cached.
    pub(super) fn fetch(mut self, mut arrived: impl FnMut(u64, &Block)) -> Result<()> {
        let file = Arc::clone(&self.file);
        let (Some((first, _)), Some((last, _))) = (self.waiting.front(), self.waiting.back())
        else {
            return Ok(());
        };
        let bytes = file.bytes(&(*first..last + 1));
        let mut stream = file.stream(bytes, &file.control);
        while let Some((index, _)) = self.waiting.front() {
            let index = *index;
            let mut content = room_for(&file.bytes(&(index..index + 1)));
            stream.fill_next(&mut content)?;
            let Some((_, loan)) = self.waiting.pop_front() else {
                break;
            };
            let block = Arc::new(Block::new(content, Some(loan)));
            arrived(index, &block);
            let mut blocks = file.blocks.lock();
            // A transfer that waits for memory asked the caches before this block arrived.
            if file.workers.memory().caches().are_unwelcome() {
                blocks.give_up(index);
            } else {
                blocks.arrive(index, &block);
            }
            drop(blocks);
            file.arrived.notify_all();
        }
        stream.drain()
    }

    /// Fetches the blocks on a thread of its own, if there still is a permit. A failure is only
    /// logged, and stops reading ahead until a read has fetched blocks by itself.
    ///
    /// The permit was free when the fetch was planned, and may have been taken since. It is not
    /// waited for: whoever needs the blocks first fetches them on its own thread.
    pub(in super::super) fn fetch_in_background(self) {
        let file = Arc::clone(&self.file);
        let Some(_permit) = file.workers.try_take() else {
            return;
        };
        if let Err(error) = self.fetch(|_, _| ()) {
            tracing::debug!(%error, "reading ahead failed");
            file.is_failing.store(true, Ordering::Relaxed);
        }
    }
}

/// Every way out ends here, so that no reader waits for a block that nobody fetches.
impl Drop for BlockFetch {
    fn drop(&mut self) {
        let mut blocks = self.file.blocks.lock();
        for (index, _) in self.waiting.drain(..) {
            blocks.give_up(index);
        }
        drop(blocks);
        self.file.arrived.notify_all();
    }
}
