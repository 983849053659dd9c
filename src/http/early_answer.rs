//! Lets `ureq` see an answer that arrived while it waited for leave to send a body.
//!
//! After `Expect: 100-continue`, a host may answer at once, without having asked for the body.
//! `ureq` finds the answer in its buffer, decides not to send the body, and then waits for more
//! bytes before it looks into the buffer again, unless an answer was read over this connection
//! before. A host that keeps the connection open sends no more, so the answer would be lost in a
//! time-out.
//!
//! The wrapper here reports once for each request that the buffer has news, if it holds the whole
//! head of a final answer. A head that is incomplete, or a `100 Continue`, needs more bytes indeed.

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Wraps each connection that the connectors before it made.
#[derive(Debug)]
pub(super) struct EarlyAnswers;

impl<In: Transport> Connector<In> for EarlyAnswers {
    type Out = EarlyAnswerTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|transport| EarlyAnswerTransport {
            transport,
            may_be_answered: false,
        }))
    }
}

/// A connection that remembers whether an answer in its buffer was reported already.
#[derive(Debug)]
pub(super) struct EarlyAnswerTransport<T> {
    /// The connection itself.
    transport: T,
    /// Whether something was sent since an answer was reported.
    may_be_answered: bool,
}

impl<T: Transport> Transport for EarlyAnswerTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.may_be_answered = true;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.may_be_answered && is_final_head(self.transport.buffers().input()) {
            self.may_be_answered = false;
            return Ok(true);
        }
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// Whether these bytes begin with the whole head of an answer that is not informational (1xx).
fn is_final_head(input: &[u8]) -> bool {
    let status = input
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(1..3));
    matches!(status, Some([b' ', b'2'..=b'9'])) && input.windows(4).any(|end| end == b"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::is_final_head;

    #[test]
    fn only_the_whole_head_of_a_final_answer_counts() {
        for (input, is_final) in [
            ("", false),
            ("HTTP/1.1 503 Busy\r\n", false),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n", false),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\n\r\nbody", true),
            ("HTTP/1.1 100 Continue\r\nServer: odd\r\n\r\n", false),
            ("SSH-2.0-OpenSSH_9.6\r\n\r\n", false),
        ] {
            assert_eq!(is_final_head(input.as_bytes()), is_final, "{input:?}");
        }
    }
}
