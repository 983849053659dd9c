//! Decides over how many connections a large download runs.
//!
//! Bytes that arrive in order are hashed and written from memory. Bytes of a range that runs ahead
//! of the others have to be read from the disk again to be hashed, and each range is a request of
//! its own. So a download begins with the one response that is open, and other ranges are requested
//! only while whoever consumes the bytes has to wait for the network.
//!
//! 1. The consumer (the thread that hashes, or the one that writes to the caller's writer) notes how
//!    long it waits for bytes ([`Pace`]).
//! 2. If it waits for more than half of the time, more connections would bring more. Their number is
//!    how many of the present pace would keep the consumer busy ([`worthwhile`]).
//! 3. [`PartQueue`] hands out the parts in order, to as many connections at a time. A response that
//!    reaches the end of its part continues with the next one if nobody has that yet.
//!
//! The number only grows: a connection that is open costs less than deciding again. A caller who chose
//! the size of the ranges has decided already: all workers are used from the beginning.
//!
//! | where the time goes | what follows |
//! | --- | --- |
//! | the consumer is busy for at least half of it: a fast network, a slow disk or writer | one response brings everything, with one request |
//! | the consumer waits: latency, or a limit for each connection | more ranges are requested, each a request in class B |
//! | the consumer waits although many are open: the line is full | no more than the workers' permits, which all transfers share |

use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The time after which the first measurement ends, unless [`ENOUGH`] bytes have arrived before.
const FIRST: Duration = Duration::from_millis(30);
/// The time after which each later measurement ends.
const LATER: Duration = Duration::from_millis(250);
/// The number of bytes after which the first measurement ends.
const ENOUGH: u64 = 16 * 1024 * 1024;

/// Measures how much of its time a consumer waits for bytes. It knows no clock: whoever uses it
/// says how much time has passed.
#[derive(Debug)]
pub(super) struct Pace {
    /// The time of the present measurement.
    passed: Duration,
    /// The part of it in which the consumer waited.
    waited: Duration,
    /// The number of bytes that were consumed in it.
    bytes: u64,
    /// The time after which it ends.
    limit: Duration,
}

impl Pace {
    /// Begins the first measurement.
    pub(super) const fn new() -> Self {
        Self {
            passed: Duration::ZERO,
            waited: Duration::ZERO,
            bytes: 0,
            limit: FIRST,
        }
    }

    /// The time that is left of the present measurement.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.passed)
    }

    /// Notes that the consumer waited.
    pub(super) fn waited(&mut self, time: Duration) {
        self.waited += time;
        self.passed += time;
    }

    /// Notes that the consumer worked on bytes.
    pub(super) fn worked(&mut self, bytes: u64, time: Duration) {
        self.bytes += bytes;
        self.passed += time;
    }

    /// Ends the measurement if it has taken long enough. Returns the number of connections that are
    /// worthwhile if this many were open.
    pub(super) fn judge(&mut self, connections: usize) -> Option<usize> {
        let is_first_over = self.limit == FIRST && self.bytes >= ENOUGH;
        if self.passed < self.limit && !is_first_over {
            return None;
        }
        let worthwhile = worthwhile(connections, self.passed - self.waited, self.passed);
        *self = Self {
            limit: LATER,
            ..Self::new()
        };
        Some(worthwhile)
    }
}

/// The number of connections that would keep a consumer busy that was busy for `busy` of `passed`
/// with what this many connections brought. A consumer that is busy for half of its time is left as
/// it is, because nothing could become more than twice as fast.
fn worthwhile(connections: usize, busy: Duration, passed: Duration) -> usize {
    if busy >= passed / 2 {
        return connections;
    }
    let times = passed.as_nanos() / busy.as_nanos().max(1);
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    connections.saturating_mul(times)
}

/// Hands out the parts of a download in order, to a limited number of connections.
///
/// The thread that requests ranges takes parts with [`take`](Self::take), which waits until another
/// connection is allowed. It is woken when one ends, when more are allowed, and when the last part
/// is taken.
pub(super) struct PartQueue {
    state: Mutex<QueueState>,
    /// Wakes the thread that waits for another connection.
    changed: Condvar,
}

/// What is left to hand out, and to how many.
struct QueueState {
    /// The first part that nobody has taken.
    next: u64,
    /// The number of parts.
    count: u64,
    /// The number of connections that are in use.
    running: usize,
    /// The number that may be in use.
    allowed: usize,
}

impl PartQueue {
    /// A queue of this many parts for this many connections.
    pub(super) const fn new(count: u64, allowed: usize) -> Self {
        Self {
            state: Mutex::new(QueueState {
                next: 0,
                count,
                running: 0,
                allowed,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits until another connection is allowed, and takes the next part for it. Returns `None`
    /// after the last part.
    pub(super) fn take(&self) -> Option<u64> {
        let mut state = self.lock();
        self.changed.wait_while(&mut state, |state| {
            state.next < state.count && state.running >= state.allowed
        });
        if state.next >= state.count {
            return None;
        }
        state.running += 1;
        state.next += 1;
        Some(state.next - 1)
    }

    /// Takes this part for a connection that has reached it, unless another one has it. Returns whether
    /// it was taken. That costs no request, because the response of the connection contains the part.
    pub(super) fn take_following(&self, index: u64) -> bool {
        let mut state = self.lock();
        let is_next = state.next == index && index < state.count;
        state.next += u64::from(is_next);
        drop(state);
        // That may have been the last one.
        self.changed.notify_all();
        is_next
    }

    /// Notes that a connection is no longer in use.
    pub(super) fn end(&self) {
        self.lock().running -= 1;
        self.changed.notify_all();
    }

    /// The number of connections that are allowed.
    pub(super) fn allowed(&self) -> usize {
        self.lock().allowed
    }

    /// Allows this many connections, if that is more than before.
    pub(super) fn allow(&self, connections: usize) {
        let mut state = self.lock();
        if connections > state.allowed {
            tracing::debug!(connections, "the download may use more connections");
            state.allowed = connections;
            drop(state);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock()
    }
}

/// A connection of a [`PartQueue`] that ends when this is dropped, also after a failure or a panic.
pub(super) struct InUse<'a>(pub(super) &'a PartQueue);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::proptest;

    use super::{Pace, PartQueue, worthwhile};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn more_connections_are_worthwhile_while_the_consumer_waits() {
        assert_eq!(worthwhile(1, ms(30), ms(30)), 1);
        assert_eq!(worthwhile(1, ms(15), ms(30)), 1, "half of the time");
        assert_eq!(worthwhile(1, ms(10), ms(30)), 3);
        assert_eq!(worthwhile(3, ms(1), ms(30)), 90);
        assert_eq!(worthwhile(2, ms(0), ms(30)), 2 * 30_000_000);
        assert_eq!(worthwhile(0, ms(0), ms(30)), 0);
    }

    #[test]
    fn the_first_measurement_is_short_and_later_ones_are_longer() {
        let mut pace = Pace::new();
        pace.waited(ms(25));
        pace.worked(1_000_000, ms(1));
        assert_eq!(pace.judge(1), None);
        assert_eq!(pace.left(), ms(4));
        pace.waited(ms(4));
        assert_eq!(pace.judge(1), Some(30));
        pace.worked(100_000_000, ms(100));
        assert_eq!(pace.judge(30), None);
        pace.worked(100_000_000, ms(150));
        assert_eq!(pace.judge(30), Some(30));
    }

    #[test]
    fn many_bytes_end_the_first_measurement() {
        let mut pace = Pace::new();
        pace.worked(16 * 1024 * 1024, ms(9));
        assert_eq!(pace.judge(1), Some(1));
    }

    proptest! {
        #[test]
        fn the_number_never_shrinks(connections in 0..1000_usize, busy in 0..2000_u64, passed in 0..2000_u64) {
            assert!(worthwhile(connections, ms(busy), ms(passed)) >= connections);
        }
    }

    #[test]
    fn parts_are_handed_out_once_and_in_order() {
        let queue = PartQueue::new(4, 2);
        assert_eq!(queue.take(), Some(0));
        assert!(!queue.take_following(0), "it is taken");
        assert!(queue.take_following(1));
        assert_eq!(queue.take(), Some(2));
        assert!(!queue.take_following(2));
        queue.end();
        assert!(queue.take_following(3));
        assert!(!queue.take_following(4), "there is no such part");
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn whoever_waits_for_a_connection_is_woken() {
        let wakes: [fn(&PartQueue); 3] = [
            PartQueue::end,
            |queue| queue.allow(2),
            |queue| assert!(queue.take_following(1) && queue.take_following(2)),
        ];
        let expected = [Some(1), Some(1), None];
        for (wake, expected) in wakes.into_iter().zip(expected) {
            let queue = PartQueue::new(3, 1);
            assert_eq!(queue.take(), Some(0));
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| queue.take());
                wake(&queue);
                assert_eq!(waiting.join().unwrap(), expected);
            });
        }
    }
}
