//! Limits for one client, and for all clients together. The service limits the size of a JSON body
//! itself, in `route`.

use std::time::Duration;

/// Bytes of a request's head, its first line included; a longer one is answered 431.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;
/// Headers of a request; more are answered 431.
pub(crate) const HEADERS: usize = 256;
/// Bytes of path and query; longer ones are answered 414. A file name takes 3072 at most, and the
/// parameters of a download by name about as many again.
pub(crate) const TARGET_BYTES: usize = 16 * 1024;

/// How many connections are served at a time unless a setting says otherwise: systems lend a process 1024
/// descriptors, and each connection may hold a file besides its socket.
const CONNECTIONS: usize = 480;

/// The limits that are settings, or that the server's tests make smaller.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at once; another one is answered 503 and closed.
    pub(crate) connections: usize,
    /// From the end of one request, or the start of the connection, to the end of the next one's
    /// head. Then the connection is closed.
    pub(crate) head_time: Duration,
    /// How long nothing may come of a body before it is answered 408, and how long nothing of an
    /// answer may be taken before the connection is closed.
    pub(crate) idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            head_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(300),
        }
    }
}
