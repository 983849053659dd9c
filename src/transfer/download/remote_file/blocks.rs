//! Keeps track of the blocks of a file that are in memory, and of those that are on their way.
//!
//! The bytes of both together stay within the capacity. When room is needed, blocks that a
//! sequential reader has passed are dropped first, and then those that were not used for the
//! longest time.
//!
//! | a block is | because | what ends that |
//! | --- | --- | --- |
//! | missing | nobody has read it, or it was dropped | `begin_fetch` |
//! | in flight | a thread is fetching it; its place is reserved | `arrive`, or `give_up` if it fails |
//! | cached | it has arrived | another block needs its place, or `clear` |
//!
//! The table has no thread, lock or request of its own: `shared` makes the calls, in whatever order the
//! readers need.
//!
//! Bytes of a block that a reader still holds stay in memory until it drops them, also after the
//! block was dropped here. That is at most one block for each thread that reads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::control::memory::Loan;

/// One block of a file in memory.
#[derive(Debug)]
pub(super) struct Block {
    /// The content. Only the last block of a file is shorter than the others.
    pub(super) bytes: Vec<u8>,
    /// The memory of the block, borrowed from the limit of the `B2Api`.
    _loan: Option<Loan>,
}

impl Block {
    /// A block of these bytes. Its memory is returned when the last one drops it.
    pub(super) const fn new(bytes: Vec<u8>, loan: Option<Loan>) -> Self {
        Self { bytes, _loan: loan }
    }
}

/// The blocks of one file, by their index.
///
/// The owner protects it with a lock, and never holds that lock during a request. A block that is
/// begun must end with `arrive` or `give_up`, or readers would wait for it without end.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The largest number of bytes in memory or on their way.
    capacity: u64,
    /// The number of bytes that are cached or in flight.
    held: u64,
    /// The blocks in memory.
    cached: BTreeMap<u64, Cached>,
    /// The cached blocks in the order in which they are dropped.
    order: BTreeMap<Use, u64>,
    /// The sizes of the blocks that a thread is fetching.
    in_flight: BTreeMap<u64, u64>,
    /// The number of uses so far, which orders them.
    uses: u64,
}

/// A block in memory, and when it was last used.
#[derive(Debug)]
struct Cached {
    block: Arc<Block>,
    last_use: Use,
}

/// When a block was last used. Blocks that are no longer needed come before all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    /// Whether a reader may come back to it.
    is_needed: bool,
    /// The number of the use, which is unique: no two blocks share a place in the order.
    number: u64,
}

impl Blocks {
    /// An empty cache. With a capacity of 0, nothing ever fits into it.
    pub(super) const fn new(capacity: u64) -> Self {
        Self {
            capacity,
            held: 0,
            cached: BTreeMap::new(),
            order: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Returns a cached block, which counts as used now.
    pub(super) fn get(&mut self, index: u64) -> Option<Arc<Block>> {
        let block = Arc::clone(&self.cached.get(&index)?.block);
        self.set_use(index, true);
        Some(block)
    }

    /// Whether a thread is fetching this block.
    pub(super) fn is_in_flight(&self, index: u64) -> bool {
        self.in_flight.contains_key(&index)
    }

    /// The number of these blocks, from the first one on, that are neither cached nor in flight.
    pub(super) fn missing(&self, indices: Range<u64>) -> u64 {
        let is_missing =
            |index: &u64| !self.cached.contains_key(index) && !self.is_in_flight(*index);
        indices.take_while(is_missing).count() as u64
    }

    /// Makes room for a block that is about to be fetched. Returns whether there is room; if there
    /// is none, the block does not count as in flight.
    ///
    /// Blocks in flight are never dropped for it, so a file whose reads want more at the same time
    /// than the capacity is read past the cache.
    pub(super) fn begin_fetch(&mut self, index: u64, bytes: u64) -> bool {
        if bytes > self.capacity || self.is_in_flight(index) {
            return false;
        }
        while self.held + bytes > self.capacity {
            let Some((_, oldest)) = self.order.first_key_value() else {
                return false;
            };
            self.evict(*oldest);
        }
        self.held += bytes;
        self.in_flight.insert(index, bytes);
        true
    }

    /// Caches a block in flight that has arrived. It counts as used, so that it is not dropped before its
    /// reader has seen it. A block that was given up in between is not cached.
    pub(super) fn arrive(&mut self, index: u64, block: &Arc<Block>) {
        let Some(bytes) = self.in_flight.remove(&index) else {
            return;
        };
        self.evict(index);
        debug_assert_eq!(bytes, block.bytes.len() as u64, "as announced");
        let block = Arc::clone(block);
        let last_use = self.next_use(true);
        self.order.insert(last_use, index);
        self.cached.insert(index, Cached { block, last_use });
    }

    /// Notes that a block in flight will not arrive, or is not to be cached.
    pub(super) fn give_up(&mut self, index: u64) {
        if let Some(bytes) = self.in_flight.remove(&index) {
            self.held -= bytes;
        }
    }

    /// Notes that a reader has passed a block and does not need it any more. It stays until its place is
    /// needed, and counts as used again if somebody reads it.
    pub(super) fn pass(&mut self, index: u64) {
        self.set_use(index, false);
    }

    /// Drops all cached blocks. Those in flight keep their places, and are cached when they arrive.
    pub(super) fn clear(&mut self) {
        self.forget(0..u64::MAX);
    }

    /// Drops these blocks, because they may be wrong.
    pub(super) fn forget(&mut self, indices: Range<u64>) {
        let known: Vec<u64> = self
            .cached
            .range(indices)
            .map(|(index, _)| *index)
            .collect();
        known.into_iter().for_each(|index| self.evict(index));
    }

    /// Drops one block.
    fn evict(&mut self, index: u64) {
        if let Some(cached) = self.cached.remove(&index) {
            self.order.remove(&cached.last_use);
            self.held -= cached.block.bytes.len() as u64;
        }
    }

    /// Notes that a block was used, or is no longer needed.
    fn set_use(&mut self, index: u64, is_needed: bool) {
        let next = self.next_use(is_needed);
        if let Some(cached) = self.cached.get_mut(&index) {
            self.order.remove(&cached.last_use);
            cached.last_use = next;
            self.order.insert(next, index);
        }
    }

    /// The place in the order for a use that happens now.
    const fn next_use(&mut self, is_needed: bool) -> Use {
        self.uses += 1;
        Use {
            is_needed,
            number: self.uses,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::{Strategy, prop, prop_oneof, proptest};

    use super::{Block, Blocks};

    fn block(length: u64) -> Arc<Block> {
        Arc::new(Block::new(vec![0; length as usize], None))
    }

    fn fill(blocks: &mut Blocks, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            assert!(blocks.begin_fetch(index, 10));
            blocks.arrive(index, &block(10));
        }
    }

    fn cached(blocks: &Blocks) -> Vec<u64> {
        blocks.cached.keys().copied().collect()
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut blocks = Blocks::new(30);
        fill(&mut blocks, [0, 1, 2]);
        assert!(blocks.get(0).is_some());
        fill(&mut blocks, [3]);
        assert_eq!(cached(&blocks), [0, 2, 3]);
    }

    #[test]
    fn what_was_passed_makes_room_before_what_is_needed() {
        let mut blocks = Blocks::new(30);
        fill(&mut blocks, [0, 1, 2]);
        blocks.pass(2);
        fill(&mut blocks, [3]);
        assert_eq!(cached(&blocks), [0, 1, 3]);
    }

    #[test]
    fn what_is_in_flight_keeps_its_place_and_is_not_missing() {
        let mut blocks = Blocks::new(20);
        assert!(blocks.begin_fetch(0, 10) && blocks.begin_fetch(1, 10));
        assert!(!blocks.begin_fetch(2, 10), "there is nothing to evict");
        assert!(!blocks.begin_fetch(0, 10), "it is in flight already");
        assert_eq!((blocks.missing(0..4), blocks.missing(2..4)), (0, 2));
        blocks.give_up(1);
        assert!(blocks.begin_fetch(2, 10));
    }

    #[derive(Debug, Clone)]
    enum Step {
        TakeOff(u64),
        Land(u64),
        Abandon(u64),
        Get(u64),
        Pass(u64),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let index = || 0..8_u64;
        prop_oneof![
            index().prop_map(Step::TakeOff),
            index().prop_map(Step::Land),
            index().prop_map(Step::Abandon),
            index().prop_map(Step::Get),
            index().prop_map(Step::Pass),
            proptest::prelude::Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn the_bytes_that_are_held_are_those_that_are_there(
            steps in prop::collection::vec(step(), 1..100),
            capacity in 0..60_u64,
        ) {
            let mut blocks = Blocks::new(capacity);
            // Blocks of different lengths, as the last one of a file is.
            let length = |index: u64| 3 + index;
            let mut flying = BTreeSet::new();
            for step in steps {
                match step {
                    Step::TakeOff(index) => {
                        if blocks.begin_fetch(index, length(index)) {
                            flying.insert(index);
                        }
                    }
                    Step::Land(index) => {
                        blocks.arrive(index, &block(length(index)));
                        flying.remove(&index);
                    }
                    Step::Abandon(index) => {
                        blocks.give_up(index);
                        flying.remove(&index);
                    }
                    Step::Get(index) => assert_eq!(
                        blocks.get(index).map(|block| block.bytes.len() as u64),
                        blocks.cached.contains_key(&index).then(|| length(index))
                    ),
                    Step::Pass(index) => blocks.pass(index),
                    Step::Clear => blocks.clear(),
                }
                let there = cached(&blocks).into_iter().chain(flying.iter().copied());
                assert_eq!(blocks.held, there.map(length).sum::<u64>());
                assert!(blocks.held <= capacity);
                assert_eq!(blocks.order.len(), blocks.cached.len());
                assert!(blocks.in_flight.keys().eq(flying.iter()));
            }
        }
    }
}
