//! Fetches consecutive blocks of a file with one request.
//!
//! 1. The blocks are marked as in flight, and their memory is borrowed, so that no other thread
//!    fetches them.
//! 2. Each block is handed to the cache as it arrives, and waiting readers are woken.
//! 3. At the end, whatever its cause, the blocks that have not arrived no longer count as in flight:
//!    a reader that waits for one of them fetches it itself.
//!
//! A thread in the background receives all blocks. A reader receives only those that it needs, and
//! then parks the fetch with its response open (`parked`).
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
//! | the response has more bytes than it announced | the fetch fails with `UnexpectedReply` in place of its last block, and those that arrived are dropped from the cache |
//! | its run ends because the handle jumps | the connection is cut; waiting readers of other handles fetch for themselves |
//! | a transfer begins to wait for memory | blocks that arrive from then on are handed to the read, and not cached |
//! | no thread or no permit can be had for reading ahead | nothing is sent; the blocks are missing again |

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{File, room_for};
use crate::control::Control;
use crate::control::memory::Loan;
use crate::error::{Error, Result};
use crate::transfer::download::remote_file::blocks::{Block, Blocks};
use crate::transfer::download::remote_file::pattern::RunId;
use crate::transfer::download::stream::ByteStream;

/// Consecutive blocks that one thread fetches, or is about to. Those that have not arrived when it
/// is dropped no longer count as in flight, whether the request failed, the call was cancelled, or
/// the thread was never started.
pub(in super::super) struct BlockFetch {
    /// The file whose blocks they are, and whose readers are woken.
    file: Arc<File>,
    /// The run that they are fetched for.
    pub(super) run: RunId,
    /// All blocks, also those that have arrived.
    indices: Range<u64>,
    /// The index of each block that has not arrived, and the memory for it.
    waiting: VecDeque<(u64, Loan)>,
    /// The response, which is requested when the first block is.
    stream: ByteStream,
}

impl BlockFetch {
    /// Marks blocks as in flight, from the first one on, as far as there is room in the cache and
    /// memory that nobody waits for. The last of `indices` may therefore be missing. Returns `None`
    /// if there is no room for the first one.
    pub(super) fn begin_fetch(
        file: &Arc<File>,
        blocks: &mut Blocks,
        indices: Range<u64>,
        (run, control): (RunId, &Control),
    ) -> Option<Self> {
        let mut waiting = VecDeque::new();
        for index in indices.clone() {
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
        let indices = indices.start..indices.start + waiting.len() as u64;
        (!indices.is_empty()).then(|| Self {
            file: Arc::clone(file),
            run,
            stream: file.stream(file.bytes(&indices), control),
            indices,
            waiting,
        })
    }

    /// All of its blocks, also those that have arrived.
    pub(super) const fn indices(&self) -> &Range<u64> {
        &self.indices
    }

    /// Whether this block is one of those that have not arrived.
    pub(super) fn covers(&self, index: u64) -> bool {
        self.waiting.iter().any(|(own, _)| *own == index)
    }

    /// Whether all blocks have arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Receives the blocks before `end`, with one request, or more if a connection breaks. `arrived`
    /// is called with each block, before it is cached and others can push it out.
    ///
    /// The lock on the blocks is taken once for each block, and never while bytes are awaited.
    ///
    /// A failure keeps the blocks that arrived before it. While a transfer waits for memory, blocks
    /// are handed to `arrived` and not cached.
    pub(super) fn receive(&mut self, end: u64, mut arrived: impl FnMut(u64, &Block)) -> Result<()> {
        while let Some(index) = self.next_before(end) {
            let file = &self.file;
            let mut content = room_for(&file.bytes(&(index..index + 1)));
            self.stream.fill_next(&mut content)?;
            if index + 1 == self.indices.end {
                self.end_stream()?;
            }
            let file = &self.file;
            let Some((_, loan)) = self.waiting.pop_front() else {
                return Ok(());
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
        Ok(())
    }

    /// Notes that it is left waiting for its reader, with its response open.
    pub(super) const fn rest(&mut self) {
        self.stream.rest();
    }

    /// The next block to arrive, if it is before this one.
    fn next_before(&self, end: u64) -> Option<u64> {
        let (index, _) = self.waiting.front()?;
        Some(*index).filter(|index| *index < end)
    }

    /// Leaves the connection to the next request. If there are more bytes than were announced,
    /// nothing of the response can be trusted.
    fn end_stream(&mut self) -> Result<()> {
        let ended = self.stream.drain();
        if ended.is_err() {
            self.file.blocks.lock().forget(self.indices.clone());
        }
        ended
    }

    /// Fetches the blocks on a thread of its own, if there still is a permit. A failure is only
    /// logged, and stops reading ahead until a read has fetched blocks by itself.
    ///
    /// The permit was free when the fetch was planned, and may have been taken since. It is not
    /// waited for: whoever needs the blocks first fetches them on its own thread.
    pub(in super::super) fn fetch_in_background(mut self) {
        let file = Arc::clone(&self.file);
        let Some(_permit) = file.workers.try_take() else {
            return;
        };
        match self.receive(u64::MAX, |_, _| ()) {
            // The reader is elsewhere now, or gone.
            Ok(()) | Err(Error::Cancelled) => {}
            Err(error) => {
                tracing::debug!(%error, "reading ahead failed");
                file.is_failing.store(true, Ordering::Relaxed);
            }
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
