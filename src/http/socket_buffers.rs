//! The buffers of a connection: what arrived over it, and what is about to be sent.
//!
//! They do what `ureq`'s `LazyBuffers` do, which write a zero to each byte when they are first used. These ask
//! for memory that is zero: the operating system gives a new process such memory page by page, when it is used.
//! Memory that was freed before may be cleared here as well.

use ureq::unversioned::transport::Buffers;

/// The least room for a part of a body that is encoded before it is sent.
const LEAST_TEMPORARY: usize = 10 * 1024;

/// The bytes that arrived and those that are about to be sent. It has no `Debug`, because tokens are among
/// them.
pub(super) struct SocketBuffers {
    /// The sizes of both.
    sizes: (usize, usize),
    /// What arrived is `input[consumed..filled]`.
    input: Vec<u8>,
    filled: usize,
    consumed: usize,
    output: Vec<u8>,
    /// Whether the last look at what arrived took some of it. If it did not, more has to arrive first.
    has_progress: bool,
}

impl SocketBuffers {
    /// Creates buffers that take no memory until they are used.
    pub(super) const fn new(input: usize, output: usize) -> Self {
        Self {
            sizes: (input, output),
            input: Vec::new(),
            filled: 0,
            consumed: 0,
            output: Vec::new(),
            has_progress: false,
        }
    }

    /// Reserves the memory at the first use. The zeros of memory that is new to the process cost nothing, and
    /// only the pages that are written to later become resident. Memory that the process used before is
    /// cleared.
    fn ensure(&mut self) {
        if self.input.is_empty() {
            self.input = vec![0; self.sizes.0];
            self.output = vec![0; self.sizes.1];
        }
    }

    /// The room behind what arrived, which is moved to the beginning if it has passed the middle.
    fn free(&mut self) -> &mut [u8] {
        if self.consumed == self.filled {
            (self.consumed, self.filled) = (0, 0);
        } else if self.consumed > 0 && self.filled > self.input.len() / 2 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        self.input.get_mut(self.filled..).unwrap_or_default()
    }
}

impl Buffers for SocketBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.ensure();
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        let arrived = self.input.get(self.consumed..self.filled);
        arrived.unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.ensure();
        self.free()
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled = self.input.len().min(self.filled + amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.has_progress = amount > 0;
        self.consumed = self.filled.min(self.consumed + amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.ensure();
        if self.free().len() < LEAST_TEMPORARY {
            self.input.resize(self.filled + LEAST_TEMPORARY, 0);
        }
        let free = self.input.get_mut(self.filled..).unwrap_or_default();
        (free, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.has_progress && self.consumed < self.filled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};
    use ureq::unversioned::transport::{Buffers, LazyBuffers};

    use super::{LEAST_TEMPORARY, SocketBuffers};

    /// What arrived, whether it can be used, and the room for output.
    type Shown = (Vec<u8>, bool, usize);

    /// What both kinds of buffers show.
    fn shown(buffers: &mut dyn Buffers) -> Shown {
        let arrived = buffers.input().to_vec();
        (arrived, buffers.can_use_input(), buffers.output().len())
    }

    proptest! {
        #[test]
        fn what_arrives_is_kept_as_in_the_buffers_of_ureq(
            steps in prop::collection::vec((0..40_usize, 0..40_usize), 1..40),
        ) {
            let (mut own, mut theirs) = (SocketBuffers::new(64, 32), LazyBuffers::new(64, 32));
            let mut next = 0_u8;
            for (arriving, taken) in steps {
                let both: [&mut dyn Buffers; 2] = [&mut own, &mut theirs];
                let mut shows = Vec::new();
                for buffers in both {
                    let room = buffers.input_append_buf();
                    let amount = room.len().min(arriving);
                    for (place, byte) in room[..amount].iter_mut().zip(next..=u8::MAX) {
                        *place = byte;
                    }
                    buffers.input_appended(amount);
                    let before = shown(buffers);
                    buffers.input_consume(taken.min(before.0.len()));
                    shows.push((amount, before, shown(buffers)));
                }
                assert_eq!(shows[0], shows[1]);
                next = next.wrapping_add(40).min(200);
            }
        }

        /// `ureq`'s buffers may lend less than they mean to, so they are no oracle for this.
        #[test]
        fn what_arrived_is_kept_while_a_part_of_a_body_is_encoded(
            arriving in 0..64_usize, taken in 0..64_usize,
        ) {
            let mut buffers = SocketBuffers::new(64, 32);
            buffers.input_append_buf()[..arriving].fill(1);
            buffers.input_appended(arriving);
            buffers.input_consume(taken);
            let before = shown(&mut buffers);
            let (temporary, output) = buffers.tmp_and_output();
            temporary.fill(2);
            assert!(temporary.len() >= LEAST_TEMPORARY);
            assert_eq!(output.len(), 32);
            assert_eq!(shown(&mut buffers), before);
        }
    }
}
