//! Avoids checking a connection twice in a row.
//!
//! `ureq` checks whether a connection is still open when it returns it to the pool, and again when
//! it takes it out, the second time while all other threads wait for the pool. Each check takes
//! a system call. If a connection is used again at once, the second check tells nothing new.
//!
//! For half a minute after the system had no file descriptor left, no connection counts as open, so that
//! those that wait for their next request are closed and their descriptors can be used.
//!
//! | the connection | what `ureq` learns | system calls |
//! | --- | --- | --- |
//! | was seen open less than 50 ms ago and not used since | open | none |
//! | was used, or seen longer ago | what the connection itself reports | one, three on Windows |
//! | any, while descriptors are short | closed, so the pool drops it | none |
//!
//! A connection that the service closes within the 50 ms is found out by the next request on it,
//! which then fails as a broken connection and is repeated at once where that does no harm.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::control::clock::Clock;
use crate::http::joined_writes::JoinedWrites;

/// How long a connection that was seen open is assumed to be open. If the service has closed it in
/// this time, the request fails like on any other broken connection.
const RECENT: Duration = Duration::from_millis(50);

/// For how long idle connections are closed after the system had no file descriptor left.
const SHORTAGE: Duration = Duration::from_secs(30);

/// Whether the system had no file descriptor left a short time ago. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shortage(Arc<AtomicU64>);

impl Shortage {
    /// Notes that there is none left now.
    ///
    /// A later call extends the time; there is no way to end it early.
    pub(super) fn note(&self, clock: &Clock) {
        let end = (clock.elapsed() + SHORTAGE).as_millis();
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        self.0.store(end, Ordering::Relaxed);
    }

    /// Whether the half minute is not over yet. `now` is the clock's `elapsed`.
    fn is_on(&self, now: Duration) -> bool {
        now < Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A connector whose connections are checked less often.
#[derive(Debug)]
pub(super) struct CheckingConnector<C> {
    /// Tells how long ago a connection was seen open.
    clock: Clock,
    /// Given to each connection that is made.
    shortage: Shortage,
    /// Makes the connections.
    connector: C,
}

impl<C> CheckingConnector<C> {
    /// Wraps a connector.
    pub(super) fn new(clock: &Clock, shortage: &Shortage, connector: C) -> Self {
        Self {
            clock: clock.clone(),
            shortage: shortage.clone(),
            connector,
        }
    }
}

/// Making a connection is left to the wrapped connector, whose failures are passed on unchanged.
impl<C: Connector> Connector for CheckingConnector<C> {
    type Out = CheckedConnection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<CheckedConnection>, Error> {
        let connected = self.connector.connect(details, chained)?;
        Ok(connected.map(|transport| CheckedConnection {
            transport: Box::new(JoinedWrites::new(transport)),
            clock: self.clock.clone(),
            shortage: self.shortage.clone(),
            open_at: None,
        }))
    }
}

/// A connection that remembers when it was last seen open. Any input or output makes it forget.
pub(super) struct CheckedConnection {
    /// The connection itself.
    transport: Box<dyn Transport>,
    clock: Clock,
    /// Whether descriptors are short, which makes it count as closed.
    shortage: Shortage,
    /// When it was seen open, if it was not used since.
    open_at: Option<Duration>,
}

/// Every method but `is_open` is passed on. Input and output make it forget what `is_open` has
/// found.
impl Transport for CheckedConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.open_at = None;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.open_at = None;
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        let now = self.clock.elapsed();
        // An idle connection holds a descriptor that something else needs.
        if self.shortage.is_on(now) {
            return false;
        }
        let is_recent = |at| now.saturating_sub(at) < RECENT;
        if self.open_at.is_some_and(is_recent) {
            return true;
        }
        let open = self.transport.is_open();
        self.open_at = open.then_some(now);
        open
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// Shows the connection as `ureq` does.
impl fmt::Debug for CheckedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport, time};

    use super::{CheckedConnection, RECENT, Shortage};
    use crate::control::clock::Clock;

    /// Closed at the second look.
    #[derive(Debug)]
    struct Closing(LazyBuffers, u32);

    impl Transport for Closing {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }
        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }
        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Ok(false)
        }
        fn is_open(&mut self) -> bool {
            self.1 += 1;
            self.1 == 1
        }
    }

    fn seen(clock: &Clock) -> CheckedConnection {
        let mut seen = CheckedConnection {
            transport: Box::new(Closing(LazyBuffers::new(1, 1), 0)),
            clock: clock.clone(),
            shortage: Shortage::default(),
            open_at: None,
        };
        assert!(
            seen.is_open() && seen.is_open(),
            "it was seen open just now"
        );
        seen
    }

    #[test]
    fn a_connection_that_waited_is_looked_at_again() {
        let clock = Clock::manual();
        let mut seen = seen(&clock);
        clock.advance(RECENT);
        assert!(!seen.is_open());
        assert!(!seen.is_open(), "that it is closed is not forgotten");
    }

    #[test]
    fn a_connection_that_was_used_is_looked_at_again() {
        let timeout = NextTimeout {
            after: time::Duration::NotHappening,
            reason: ureq::Timeout::SendRequest,
            per_read: None,
            per_write: None,
        };
        let mut sent = seen(&Clock::manual());
        sent.transmit_output(0, timeout).unwrap();
        assert!(!sent.is_open());
        let mut received = seen(&Clock::manual());
        received.await_input(timeout).unwrap();
        assert!(!received.is_open());
    }
}
