//! Failures of the connection: what kind, and how much of the request had left by then, which
//! decides whether it may be sent again.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::model::operation::Operation;

/// What happened to a connection, in [`TransportError::kind`]. All but [`Tls`](Self::Tls) are repeated
/// before the call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// The host name could not be resolved, or not within [`Timeouts::resolve`](crate::Timeouts::resolve).
    Dns,
    /// No connection could be made, or not within [`Timeouts::connect`](crate::Timeouts::connect).
    Connect,
    /// The certificate of the service was not accepted, so nothing was sent. Wrong clocks, programs that
    /// inspect TLS, and wrong realms are the usual reasons;
    /// [`root_certificates`](crate::B2ApiBuilder::root_certificates) adds an authority. No other problem of
    /// TLS is final.
    Tls,
    /// The proxy could not be reached, or made no connection to the service.
    Proxy,
    /// This process, or the system, has no file descriptor left for another connection. Fewer workers need
    /// fewer.
    NoDescriptors,
    /// The peer closed the connection, or TLS found it damaged.
    Reset,
    /// No byte moved for the idle limit of [`Timeouts`](crate::Timeouts).
    Stalled,
    /// What arrived is not HTTP, or not TLS, as it should be. It is tried three times.
    Protocol,
}

/// How much of the request had been handed to the connection when it failed, in [`TransportError::sent`]. It
/// decides whether the request may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sent {
    /// Nothing: the service cannot have acted.
    Nothing,
    /// Some of the body: the service cannot have accepted it.
    Partial,
    /// All of it: the service may have acted, and only its answer is lost.
    All,
}

/// A failure of the connection, in [`Error::Connection`](crate::Error::Connection). Its source is the error
/// of the network or of TLS.
#[derive(Clone)]
#[non_exhaustive]
pub struct TransportError {
    /// The operation whose request failed. A call of several requests can fail at any of them.
    pub operation: Operation,
    /// What happened to the connection, in the last attempt.
    pub kind: TransportKind,
    /// How much of the request had been sent in the last attempt.
    pub sent: Sent,
    /// The host that was called, or the proxy that failed; empty for uploads, which go to hosts that the
    /// service chooses for each upload URL.
    pub host: Box<str>,
    /// How often the request was sent in all.
    pub attempts: u32,
    source: Arc<dyn StdError + Send + Sync>,
}

impl TransportError {
    pub(crate) fn new(
        operation: Operation,
        kind: TransportKind,
        sent: Sent,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            operation,
            kind,
            sent,
            host: Box::default(),
            attempts: 1,
            source: Arc::from(source.into()),
        }
    }

    /// Names the host that was called.
    pub(crate) fn at(mut self, host: &str) -> Self {
        if !matches!(
            self.operation,
            Operation::UploadFile | Operation::UploadPart
        ) {
            self.host = host.into();
        }
        self
    }
}

impl TransportError {
    /// Names the proxy that failed.
    pub(crate) fn at_proxy(mut self, proxy: &str) -> Self {
        self.host = proxy.into();
        self
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            kind,
            sent,
            host,
            attempts,
            source,
        } = self;
        f.debug_struct("TransportError")
            .field("operation", operation)
            .field("kind", kind)
            .field("sent", sent)
            .field("host", host)
            .field("attempts", attempts)
            .field("source", source)
            .finish()
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TransportKind::Dns => {
                "the host name could not be resolved; check the network and the realm"
            }
            TransportKind::Connect => {
                "no connection to the service; check the network, the realm and the proxy"
            }
            TransportKind::Tls => {
                "the certificate of the service was not accepted; check the clock, the realm and the roots in use"
            }
            TransportKind::Proxy => {
                "no connection through the proxy; check it and the setting that names it"
            }
            TransportKind::NoDescriptors => {
                "no file descriptor is left for a connection; raise the limit, or use fewer workers"
            }
            TransportKind::Reset => "the connection broke",
            TransportKind::Stalled => "the connection stalled",
            TransportKind::Protocol => {
                "the peer does not speak HTTP or TLS as it should; check the realm"
            }
        };
        write!(f, "{}: {what}", self.operation)?;
        if !self.host.is_empty() {
            write!(f, " ({})", self.host)?;
        }
        if self.sent == Sent::All && !self.operation.is_repeatable() {
            f.write_str("; the answer is lost, so it may have taken effect")?;
        }
        match self.attempts {
            0 | 1 => Ok(()),
            more => write!(f, " ({more} attempts)"),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
