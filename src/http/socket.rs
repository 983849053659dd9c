//! Sockets, as `ureq` uses them for plain HTTP and below TLS.
//!
//! `ureq` has a transport of its own for this. It fills its buffers of 384 KiB with zeros when a connection
//! is made, which takes longer than a small upload, and it takes three system calls to see whether an idle
//! connection is still open. Here the buffers are other ones (`socket_buffers`), and the look is one system
//! call on Unix. Over TLS, `ureq` adds its own buffers above this transport, so only the look is cheaper.
//!
//! | what happens to the connection | what the request sees |
//! | --- | --- |
//! | no byte moves within the time limit | the time-out that the limit stands for |
//! | a signal interrupts reading or writing | nothing: it continues with the time that is left |
//! | sending fails or times out, perhaps in the middle | the error, and again for everything that is tried afterwards |
//! | the peer has closed it | no more input |
//! | it waits for its next request, and bytes arrive or the peer closes it | it is not used again |
//! | the client shuts down, or the call is cancelled | reading and writing end at once |
//!
//! The failure of sending is kept because the TLS library does not report it at once: it keeps the records that
//! it could not send, and would send them a second time from their beginning with the next call.

use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, NextTimeout, ShutdownHandle, Transport,
};
use ureq::{Error, Timeout};

use crate::control::clock::Clock;
use crate::http::socket_buffers::SocketBuffers;

/// The bytes that are read at a time for TLS: four records.
const INPUT_FOR_TLS: usize = 64 * 1024;
/// The bytes that TLS sends at a time: a record and its head.
const OUTPUT_FOR_TLS: usize = 20 * 1024;

/// The least time for connecting to one address.
const LEAST: Duration = Duration::from_millis(10);

/// Connects to an address within this time.
///
/// The connection is registered, so that a shutdown of its pool interrupts it.
pub(super) fn connect(
    details: &ConnectionDetails<'_>,
    address: SocketAddr,
    limit: Limit,
    clock: &Clock,
) -> Result<SocketTransport, Error> {
    let connected = match limit {
        Limit::Exact(limit) => TcpStream::connect_timeout(&address, limit.max(LEAST)),
        Limit::NotHappening => TcpStream::connect(address),
    };
    let stream = connected.map_err(|error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(Timeout::Connect),
        _ => Error::Io(error),
    })?;
    stream.set_nodelay(true)?;
    let socket = Arc::new(Socket(stream));
    let handle: Weak<Socket> = Arc::downgrade(&socket);
    (details.register_shutdown)(handle)?;
    let config = details.config;
    // What TLS reads and writes goes through buffers of its own as well.
    let (input, output) = match details.needs_tls() {
        true => (INPUT_FOR_TLS, OUTPUT_FOR_TLS),
        false => (config.input_buffer_size(), config.output_buffer_size()),
    };
    let buffers = SocketBuffers::new(input, output);
    Ok(SocketTransport::new(socket, clock.clone(), buffers))
}

/// The socket, which may be shut down from another thread.
pub(super) struct Socket(TcpStream);

impl ShutdownHandle for Socket {
    fn shutdown(&self) {
        // It fails if the connection is closed already.
        let _closed = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection over a socket.
pub(super) struct SocketTransport {
    socket: Arc<Socket>,
    /// Tells how much of a wait is left after a signal.
    clock: Clock,
    buffers: SocketBuffers,
    /// The time limits that the socket has, so that they are set only when they change.
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
    /// Why sending failed, if it did. What was sent may end in the middle, so nothing may follow it.
    failure: Option<WriteFailure>,
}

impl SocketTransport {
    /// Wraps a socket that has no time limits yet.
    const fn new(socket: Arc<Socket>, clock: Clock, buffers: SocketBuffers) -> Self {
        Self {
            socket,
            clock,
            buffers,
            read_limit: None,
            write_limit: None,
            failure: None,
        }
    }

    /// Sets how long a read may wait.
    fn limit_reads(&mut self, limit: Option<Duration>) -> io::Result<()> {
        if self.read_limit != limit && accepted(self.socket.0.set_read_timeout(limit))? {
            self.read_limit = limit;
        }
        Ok(())
    }

    /// Sets how long a write may wait.
    fn limit_writes(&mut self, limit: Option<Duration>) -> io::Result<()> {
        if self.write_limit != limit && accepted(self.socket.0.set_write_timeout(limit))? {
            self.write_limit = limit;
        }
        Ok(())
    }

    /// Reads what has arrived, or waits for it.
    fn read(&mut self, limit: Option<Duration>) -> io::Result<usize> {
        let clock = self.clock.clone();
        repeat_interrupted(&clock, limit, |left| {
            self.limit_reads(left)?;
            (&self.socket.0).read(self.buffers.input_append_buf())
        })
    }

    /// Sends the first `amount` bytes of the output. The limit begins again whenever some were sent.
    fn write_all(&mut self, amount: usize, limit: Option<Duration>) -> io::Result<()> {
        let clock = self.clock.clone();
        let mut sent = 0;
        while sent < amount {
            let written = repeat_interrupted(&clock, limit, |left| {
                self.limit_writes(left)?;
                let output = self.buffers.output().get(sent..amount);
                (&self.socket.0).write(output.unwrap_or_default())
            })?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            sent += written;
        }
        Ok(())
    }

    /// Returns the error of an earlier write, if one failed.
    fn refuse_after_failure(&self) -> Result<(), Error> {
        self.failure.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

/// Repeats what a signal interrupts, with the time that is left of its limit.
fn repeat_interrupted<T>(
    clock: &Clock,
    limit: Option<Duration>,
    mut attempt: impl FnMut(Option<Duration>) -> io::Result<T>,
) -> io::Result<T> {
    let started = clock.elapsed();
    let mut left = limit;
    loop {
        match attempt(left) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                let spent = clock.elapsed().saturating_sub(started);
                left = limit.map(|limit| limit.saturating_sub(spent));
                if left.is_some_and(|left| left.is_zero()) {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            outcome => return outcome,
        }
    }
}

/// Why a write failed, in a form that can be reported more than once.
#[derive(Clone, Copy)]
enum WriteFailure {
    TimedOut(Timeout),
    /// An error of the operating system, by its number.
    System(i32),
    Other(ErrorKind),
}

impl WriteFailure {
    /// The failure of a write within a wait that has this limit.
    fn of(error: &io::Error, timeout: NextTimeout) -> Self {
        match (error.kind(), error.raw_os_error()) {
            (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => Self::TimedOut(timeout.reason),
            (_, Some(number)) => Self::System(number),
            (kind, None) => Self::Other(kind),
        }
    }
}

impl From<WriteFailure> for Error {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::TimedOut(reason) => Self::Timeout(reason),
            WriteFailure::System(number) => Self::Io(io::Error::from_raw_os_error(number)),
            WriteFailure::Other(kind) => Self::Io(kind.into()),
        }
    }
}

/// Whether a time limit was set. macOS refuses one after the peer has closed the connection, whose answer
/// can still be read.
fn accepted(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if cfg!(target_os = "macos") && error.kind() == ErrorKind::InvalidInput => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The limit of a wait, for a socket: none, or one that is not zero. Fails if the time is over.
fn limit_of(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    match timeout.after {
        Limit::Exact(limit) if limit.is_zero() => Err(Error::Timeout(timeout.reason)),
        Limit::Exact(limit) => Ok(Some(limit)),
        Limit::NotHappening => Ok(None),
    }
}

/// The error of a socket, within a wait that has this limit.
fn failed(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.refuse_after_failure()?;
        if amount > self.buffers.output().len() {
            return Err(Error::Io(ErrorKind::InvalidInput.into()));
        }
        let timeout = timeout.for_write();
        let limit = limit_of(timeout)?;
        self.write_all(amount, limit).map_err(|error| {
            let failure = WriteFailure::of(&error, timeout);
            self.failure = Some(failure);
            failure.into()
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.refuse_after_failure()?;
        let timeout = timeout.for_read();
        let limit = limit_of(timeout)?;
        let amount = self.read(limit);
        let amount = amount.map_err(|error| failed(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Bytes that nobody asked for close it, also those that were read together with the end of an answer.
    /// Beneath TLS, what the TLS library has taken out of the buffer already cannot be seen here.
    fn is_open(&mut self) -> bool {
        self.failure.is_none() && self.buffers.input().is_empty() && is_silent(&self.socket.0)
    }
}

/// Whether the peer has neither closed the connection nor sent anything that nobody asked for.
#[cfg(unix)]
fn is_silent(stream: &TcpStream) -> bool {
    use rustix::io::Errno;
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0_u8];
    let looked = recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(looked, Err(Errno::WOULDBLOCK))
}

/// Whether the peer has neither closed the connection nor sent anything that nobody asked for.
#[cfg(not(unix))]
fn is_silent(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let looked = stream.peek(&mut [0]);
    let is_silent = looked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    is_silent && stream.set_nonblocking(false).is_ok()
}

impl fmt::Debug for SocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketTransport")
            .field("addr", &self.socket.0.peer_addr().ok())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    use ureq::unversioned::transport::{NextTimeout, ShutdownHandle as _, Transport as _};
    use ureq::{Error, Timeout};

    use super::{
        Limit, Socket, SocketBuffers, SocketTransport, WriteFailure, is_silent, repeat_interrupted,
    };
    use crate::control::clock::Clock;

    /// More than the system keeps of what a peer does not read.
    const TOO_MUCH: usize = 64 * 1024 * 1024;

    /// Both ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (own, listener.accept().unwrap().0)
    }

    /// A transport that can send so much at a time, and its peer.
    fn connection(output: usize) -> (SocketTransport, TcpStream) {
        let (own, peer) = pair();
        let buffers = SocketBuffers::new(1024, output);
        let socket = Arc::new(Socket(own));
        (
            SocketTransport::new(socket, Clock::default(), buffers),
            peer,
        )
    }

    /// A wait of so many milliseconds.
    fn within(millis: u64) -> NextTimeout {
        NextTimeout {
            after: Limit::Exact(Duration::from_millis(millis)),
            reason: Timeout::PerWrite,
            ..NextTimeout::default()
        }
    }

    /// Long enough to be over only if a test fails.
    const LONG: u64 = 60_000;

    #[test]
    fn an_idle_connection_is_open_until_bytes_arrive_or_it_is_closed() {
        let ((talked_to, mut talking), (left, leaving)) = (pair(), pair());
        assert!(is_silent(&talked_to) && is_silent(&left));
        talking.write_all(b"x").unwrap();
        talked_to.peek(&mut [0]).unwrap();
        assert!(!is_silent(&talked_to));
        drop(leaving);
        left.peek(&mut [0]).unwrap();
        assert!(!is_silent(&left));
    }

    #[test]
    fn a_connection_with_bytes_that_were_read_and_not_used_is_not_open() {
        let (mut transport, mut peer) = connection(16);
        assert!(transport.is_open());
        peer.write_all(b"xy").unwrap();
        while transport.buffers().input().len() < 2 {
            assert!(transport.await_input(within(LONG)).unwrap());
        }
        transport.buffers().input_consume(1);
        assert!(!transport.is_open());
        transport.buffers().input_consume(1);
        assert!(transport.is_open());
    }

    /// TLS would otherwise send its records a second time, behind the part of them that was sent.
    #[test]
    fn after_a_write_that_failed_nothing_is_sent_or_read() {
        let (mut transport, mut peer) = connection(TOO_MUCH);
        peer.write_all(b"x").unwrap();
        let failed = transport.transmit_output(TOO_MUCH, within(5)).unwrap_err();
        assert!(matches!(failed, Error::Timeout(Timeout::PerWrite)));
        // There is room again, and something to read.
        peer.read_exact(&mut vec![1; 64 * 1024]).unwrap();
        let sent = transport.transmit_output(1, within(LONG)).unwrap_err();
        assert!(matches!(sent, Error::Timeout(Timeout::PerWrite)));
        let read = transport.await_input(within(LONG)).unwrap_err();
        assert!(matches!(read, Error::Timeout(Timeout::PerWrite)));
        assert!(!transport.is_open());
    }

    #[test]
    fn the_failure_of_a_write_keeps_its_kind() {
        let (mut transport, _peer) = connection(16);
        transport.socket.shutdown();
        for _ in 0..2 {
            let failed = transport.transmit_output(1, within(LONG)).unwrap_err();
            assert!(
                matches!(&failed, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe),
                "{failed:?}"
            );
        }
        let kept = WriteFailure::of(&ErrorKind::WriteZero.into(), within(1));
        let reported = Error::from(kept);
        assert!(matches!(reported, Error::Io(error) if error.kind() == ErrorKind::WriteZero));
    }

    #[test]
    fn what_the_peer_takes_in_pieces_is_sent_whole_and_once() {
        let (mut transport, mut peer) = connection(TOO_MUCH);
        for (place, byte) in transport
            .buffers()
            .output()
            .iter_mut()
            .zip((0..251).cycle())
        {
            *place = byte;
        }
        let reading = std::thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            received
        });
        transport.transmit_output(TOO_MUCH, within(LONG)).unwrap();
        let sent = transport.buffers().output().to_vec();
        drop(transport);
        assert!(reading.join().unwrap() == sent);
    }

    #[test]
    fn a_wait_for_input_ends_with_its_limit_with_the_peer_and_with_a_shutdown() {
        let (mut transport, peer) = connection(16);
        let waited = transport.await_input(within(1)).unwrap_err();
        assert!(matches!(waited, Error::Timeout(Timeout::PerWrite)));
        let none_left = transport.await_input(within(0)).unwrap_err();
        assert!(matches!(none_left, Error::Timeout(Timeout::PerWrite)));
        drop(peer);
        assert!(!transport.await_input(within(LONG)).unwrap());

        let (mut transport, _peer) = connection(16);
        let handle = Arc::downgrade(&transport.socket);
        let waiting = std::thread::spawn(move || transport.await_input(NextTimeout::default()));
        handle.upgrade().unwrap().shutdown();
        assert!(!waiting.join().unwrap().unwrap());
    }

    #[test]
    fn more_than_the_buffer_holds_is_not_sent() {
        let (mut transport, mut peer) = connection(16);
        let refused = transport.transmit_output(17, within(LONG)).unwrap_err();
        assert!(matches!(refused, Error::Io(error) if error.kind() == ErrorKind::InvalidInput));
        transport.transmit_output(16, within(LONG)).unwrap();
        drop(transport);
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        assert_eq!(received, [0; 16]);
    }

    #[test]
    fn signals_do_not_extend_a_wait() {
        let (clock, second) = (Clock::manual(), Duration::from_secs(1));
        let mut limits = Vec::new();
        let outcome: io::Result<()> = repeat_interrupted(&clock, Some(second * 3), |left| {
            limits.push(left.unwrap().as_secs_f64().ceil());
            clock.advance(second);
            Err(ErrorKind::Interrupted.into())
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(limits, [3.0, 2.0, 1.0]);

        let mut interruptions = 3;
        let outcome = repeat_interrupted(&clock, None, |left| {
            assert_eq!(left, None);
            clock.advance(second);
            interruptions -= 1;
            match interruptions {
                0 => Ok("sent"),
                _ => Err(ErrorKind::Interrupted.into()),
            }
        });
        assert_eq!(outcome.unwrap(), "sent");
    }
}
