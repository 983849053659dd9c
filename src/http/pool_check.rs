//! Connections that are not looked at twice in a row.
//!
//! ureq looks whether a connection is still open when it puts it into its pool and again when it
//! takes it out, the second time while all other threads wait for the pool, and each look is three
//! system calls. Of a connection that is used again at once, the second look tells nothing new.

use std::fmt;
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::control::clock::Clock;

/// For how long a connection that was seen open is taken to be open. Should the service have closed
/// it meanwhile, that is a failed connection like any other.
const RECENT: Duration = Duration::from_millis(50);

/// Connections of another connector, looked at sparingly.
#[derive(Debug)]
pub(super) struct CheckingConnector<C> {
    clock: Clock,
    connector: C,
}

impl<C> CheckingConnector<C> {
    pub(super) fn new(clock: &Clock, connector: C) -> Self {
        Self {
            clock: clock.clone(),
            connector,
        }
    }
}

impl<C: Connector> Connector for CheckingConnector<C> {
    type Out = CheckedConnection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<CheckedConnection>, Error> {
        let connected = self.connector.connect(details, chained)?;
        Ok(connected.map(|transport| CheckedConnection {
            transport: Box::new(transport),
            clock: self.clock.clone(),
            open_at: None,
        }))
    }
}

/// A connection, and when it was seen open since it was used last.
pub(super) struct CheckedConnection {
    transport: Box<dyn Transport>,
    clock: Clock,
    open_at: Option<Duration>,
}

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

impl fmt::Debug for CheckedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport, time};

    use super::{CheckedConnection, RECENT};
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
        let mut seen = seen(&Clock::manual());
        let timeout = NextTimeout {
            after: time::Duration::NotHappening,
            reason: ureq::Timeout::SendRequest,
            per_read: None,
            per_write: None,
        };
        seen.transmit_output(0, timeout).unwrap();
        assert!(!seen.is_open());
    }
}
