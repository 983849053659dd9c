//! Sockets, as `ureq` uses them for plain HTTP and below TLS.
//!
//! `ureq` has a transport of its own for this. It fills its buffers of 384 KiB with zeros when a connection
//! is made, which takes longer than a small upload, and it takes three system calls to see whether an idle
//! connection is still open. Here the operating system provides the zeros, only for what is used, and
//! the look is one system call on Unix. In everything else this transport does what `ureq`'s does.
//!
//! | what happens to the connection | what the request sees |
//! | --- | --- |
//! | no byte moves within the time limit | the time-out that the limit stands for |
//! | a signal interrupts reading | nothing: it goes on with the time that is left |
//! | the peer has closed it | no more input |
//! | it waits for its next request, and bytes arrive or the peer closes it | it is not used again |
//! | the client shuts down, or the call is cancelled | reading and writing end at once |

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

/// The bytes that are read at a time for TLS: four records.
const INPUT_FOR_TLS: usize = 64 * 1024;
/// The bytes that TLS sends at a time: a record and its head.
const OUTPUT_FOR_TLS: usize = 20 * 1024;

/// The least time for connecting to one address.
const LEAST: Duration = Duration::from_millis(10);
/// The least room for a part of a body that is encoded before it is sent.
const LEAST_TEMPORARY: usize = 10 * 1024;

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
    Ok(SocketTransport {
        socket,
        clock: clock.clone(),
        buffers: SocketBuffers::new(input, output),
        read_limit: None,
        write_limit: None,
    })
}

/// The socket, which may be shut down from another thread.
struct Socket(TcpStream);

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
}

impl SocketTransport {
    /// Sets how long a read may wait.
    fn limit_reads(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        if self.read_limit != limit && accepted(self.socket.0.set_read_timeout(limit))? {
            self.read_limit = limit;
        }
        Ok(())
    }

    /// Sets how long a write may wait.
    fn limit_writes(&mut self, limit: Option<Duration>) -> Result<(), Error> {
        if self.write_limit != limit && accepted(self.socket.0.set_write_timeout(limit))? {
            self.write_limit = limit;
        }
        Ok(())
    }

    /// Reads what has arrived, or waits for it. A signal does not extend the wait.
    fn read(&mut self, limit: Option<Duration>) -> Result<io::Result<usize>, Error> {
        let started = self.clock.elapsed();
        loop {
            let room = self.buffers.input_append_buf();
            match (&self.socket.0).read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted && limit.is_some() => {
                    let left = limit.map(|limit| {
                        limit.saturating_sub(self.clock.elapsed().saturating_sub(started))
                    });
                    if left.is_some_and(|left| left.is_zero()) {
                        return Ok(Err(ErrorKind::TimedOut.into()));
                    }
                    self.limit_reads(left)?;
                }
                outcome => return Ok(outcome),
            }
        }
    }
}

/// Whether a time limit was set. macOS refuses one after the peer has closed the connection, whose answer
/// can still be read.
fn accepted(outcome: io::Result<()>) -> Result<bool, Error> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if cfg!(target_os = "macos") && error.kind() == ErrorKind::InvalidInput => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
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
        let timeout = timeout.for_write();
        self.limit_writes(limit_of(timeout)?)?;
        let output = self.buffers.output.get(..amount).unwrap_or_default();
        let sent = (&self.socket.0).write_all(output);
        sent.map_err(|error| failed(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let limit = limit_of(timeout)?;
        self.limit_reads(limit)?;
        let amount = self.read(limit)?;
        let amount = amount.map_err(|error| failed(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        is_silent(&self.socket.0)
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

/// The bytes that arrived and those that are about to be sent.
#[derive(Debug)]
struct SocketBuffers {
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
    const fn new(input: usize, output: usize) -> Self {
        Self {
            sizes: (input, output),
            input: Vec::new(),
            filled: 0,
            consumed: 0,
            output: Vec::new(),
            has_progress: false,
        }
    }

    /// Reserves the memory at the first use. Only the pages that are written to later take any.
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
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::{prop, proptest};
    use ureq::unversioned::transport::{Buffers, LazyBuffers};

    use super::{SocketBuffers, is_silent};

    #[test]
    fn an_idle_connection_is_open_until_bytes_arrive_or_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pair = || {
            let own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (own, listener.accept().unwrap().0)
        };
        let ((talked_to, mut talking), (left, leaving)) = (pair(), pair());
        assert!(is_silent(&talked_to) && is_silent(&left));
        talking.write_all(b"x").unwrap();
        talked_to.peek(&mut [0]).unwrap();
        assert!(!is_silent(&talked_to));
        drop(leaving);
        left.peek(&mut [0]).unwrap();
        assert!(!is_silent(&left));
    }

    /// What both kinds of buffers show.
    fn shown(buffers: &mut dyn Buffers) -> (Vec<u8>, bool, usize) {
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
    }
}
