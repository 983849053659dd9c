//! Sends the head of a request together with the beginning of its body.
//!
//! `ureq` sends the head by itself and then the body. With small files that is one system call, one
//! TLS record and one packet more for each file, and wakes the service twice. So the first bytes of
//! a request wait here, until more are sent or an answer is awaited.
//!
//! | what `ureq` does after it has sent a head | what happens |
//! | --- | --- |
//! | it sends a body, which leaves room for the head in the buffer | both are sent at once |
//! | it sends the first piece of a long body | the head is sent, then the piece |
//! | it waits for an answer, or for the consent to a body | the head is sent, then it waits |
//! | it gives up, because the body cannot be read | nothing was sent |
//!
//! The head is never held back by a service that is slow, only by the source of the body. A source
//! that may take long to yield its first byte therefore reads it before the request begins
//! (`ReaderSource`).

use std::fmt;

use ureq::Error;
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// The largest head that waits, in bytes. A longer one is sent by itself.
const LONGEST: usize = 16 * 1024;

/// A connection that joins the head of a request with the beginning of its body.
pub(super) struct JoinedWrites<T> {
    /// The connection itself.
    transport: T,
    /// The head that waits; empty if none does.
    held: Vec<u8>,
    /// Whether nothing was sent since the last answer, so that the next bytes are a head.
    is_at_head: bool,
}

/// The head has a token in it, so it is left out.
impl<T: fmt::Debug> fmt::Debug for JoinedWrites<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinedWrites")
            .field("transport", &self.transport)
            .field("held", &self.held.len())
            .field("is_at_head", &self.is_at_head)
            .finish()
    }
}

impl<T: Transport> JoinedWrites<T> {
    /// Wraps a connection over which nothing was sent yet.
    pub(super) const fn new(transport: T) -> Self {
        Self {
            transport,
            held: Vec::new(),
            is_at_head: true,
        }
    }

    /// Sends the head that waits, if there is one.
    fn send_held(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let length = self.held.len();
        if length > 0 {
            let output = self.transport.buffers().output();
            // It came out of this buffer, so it fits.
            if let Some(room) = output.get_mut(..length) {
                room.copy_from_slice(&self.held);
            }
            self.held.clear();
            self.transport.transmit_output(length, timeout)?;
        }
        Ok(())
    }

    /// Sends the head that waits and the `amount` bytes that are in the buffer.
    fn send_joined(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let length = self.held.len();
        let output = self.transport.buffers().output();
        if length + amount <= output.len() {
            output.copy_within(..amount, length);
            if let Some(room) = output.get_mut(..length) {
                room.copy_from_slice(&self.held);
            }
            self.held.clear();
            return self.transport.transmit_output(length + amount, timeout);
        }
        // Both use the beginning of the buffer.
        let covered = output.get(..length).unwrap_or_default().to_vec();
        self.send_held(timeout)?;
        if let Some(room) = self.transport.buffers().output().get_mut(..length) {
            room.copy_from_slice(&covered);
        }
        self.transport.transmit_output(amount, timeout)
    }
}

/// Every method but those that send and await is passed on.
impl<T: Transport> Transport for JoinedWrites<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !self.held.is_empty() {
            return self.send_joined(amount, timeout);
        }
        if std::mem::take(&mut self.is_at_head) && amount <= LONGEST {
            let output = self.transport.buffers().output();
            let head = output.get(..amount).unwrap_or_default();
            self.held.extend_from_slice(head);
            return Ok(());
        }
        self.transport.transmit_output(amount, timeout)
    }

    /// The time limit is that of waiting, perhaps only for the consent to a body. A head that takes longer
    /// must not be taken for a missing consent, so the connection's own limit of a write applies to it.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let sending = NextTimeout {
            after: Duration::NotHappening,
            ..timeout
        };
        self.send_held(sending)?;
        self.is_at_head = true;
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, proptest};
    use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

    use super::{Duration, JoinedWrites, LONGEST};

    /// Notes what is sent, in a buffer of 32 KiB, and whether there was a time limit for it.
    #[derive(Debug)]
    struct Noting(LazyBuffers, Vec<Vec<u8>>, bool);

    const ROOM: usize = 32 * 1024;

    impl Transport for Noting {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }
        fn transmit_output(
            &mut self,
            amount: usize,
            timeout: NextTimeout,
        ) -> Result<(), ureq::Error> {
            self.2 |= !matches!(timeout.after, Duration::NotHappening);
            self.1.push(self.0.output()[..amount].to_vec());
            Ok(())
        }
        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Ok(true)
        }
        fn is_open(&mut self) -> bool {
            true
        }
    }

    fn connection() -> JoinedWrites<Noting> {
        JoinedWrites::new(Noting(LazyBuffers::new(1024, ROOM), Vec::new(), false))
    }

    fn send(connection: &mut JoinedWrites<Noting>, bytes: &[u8]) {
        connection.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        let timeout = NextTimeout::default();
        connection.transmit_output(bytes.len(), timeout).unwrap();
    }

    fn sent(connection: &mut JoinedWrites<Noting>) -> Vec<Vec<u8>> {
        std::mem::take(&mut connection.transport.1)
    }

    #[test]
    fn a_head_is_sent_with_the_body_or_before_an_answer_is_awaited() {
        let mut connection = connection();
        for _ in 0..2 {
            send(&mut connection, b"POST ");
            assert_eq!(sent(&mut connection).len(), 0);
            send(&mut connection, b"body");
            send(&mut connection, b"more");
            let timeout = NextTimeout::default();
            connection.await_input(timeout).unwrap();
            assert_eq!(
                sent(&mut connection),
                [&b"POST body"[..], &b"more"[..]].map(<[u8]>::to_vec)
            );
            send(&mut connection, b"GET");
            connection.await_input(timeout).unwrap();
            assert_eq!(sent(&mut connection), [b"GET".to_vec()]);
            // The consent to a body was awaited, and the body follows.
            send(&mut connection, b"its body");
            connection.await_input(timeout).unwrap();
            assert_eq!(sent(&mut connection), [b"its body".to_vec()]);
        }
    }

    /// A slow connection would otherwise look like a host that does not answer.
    #[test]
    fn the_limit_of_waiting_for_an_answer_does_not_hold_for_the_head() {
        let mut connection = connection();
        let waiting = NextTimeout {
            after: Duration::Exact(std::time::Duration::from_secs(1)),
            ..NextTimeout::default()
        };
        let sending = NextTimeout {
            after: Duration::NotHappening,
            ..waiting
        };
        connection.buffers().output()[..4].copy_from_slice(b"PUT ");
        connection.transmit_output(4, sending).unwrap();
        connection.await_input(waiting).unwrap();
        assert_eq!(sent(&mut connection), [b"PUT ".to_vec()]);
        assert!(!connection.transport.2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sent_arrives_in_order_and_whole(
            requests in prop::collection::vec(
                (1..LONGEST + 100, prop::collection::vec(1..=ROOM, 0..4), any::<bool>()), 1..4
            ),
        ) {
            let (mut connection, mut expected, mut next) = (connection(), Vec::new(), 0_u8);
            for (head, body, asks) in requests {
                for (index, length) in [head].into_iter().chain(body).enumerate() {
                    next = next.wrapping_add(1);
                    let bytes = vec![next; length];
                    send(&mut connection, &bytes);
                    expected.extend(bytes);
                    if asks && index == 0 {
                        connection.await_input(NextTimeout::default()).unwrap();
                    }
                }
                connection.await_input(NextTimeout::default()).unwrap();
                assert_eq!(connection.held.len(), 0);
            }
            assert_eq!(connection.transport.1.concat(), expected);
        }
    }
}
