//! How a connection is made: through a proxy if there is one, to one of the host's addresses, with
//! TLS on top.
//!
//! Everything here fails before any of the request was sent, and is marked accordingly
//! ([`NotConnected`]), because such a request may be repeated whatever it does.
//!
//! All connections of a `B2Api` share one TLS configuration, so that TLS sessions are resumed.
//! Without that, `ureq` would create a configuration for each connection, because the time limits
//! are set for each request.
//!
//! | situation | what happens |
//! | --- | --- |
//! | the host has one address | it gets the whole time limit |
//! | an address refuses | the next one is tried at once |
//! | an address is silent | the next one after 0.25 s; it gets 1 s and 4 s in later rounds, and its share of the rest in the last one |
//! | the proxy cannot be reached or refuses the tunnel | the error names the proxy; it is repeated, except for a missing password (407) |
//! | the certificate is not accepted | final: `TransportKind::Tls` |
//! | any other failure of TLS | as a broken connection |
//! | the pool is shut down while an address is tried | the other addresses are not tried |
//!
//! A connector of `ureq` is a chain of parts, each of which gets what the one before it made. The
//! order here is: tunnel through the proxy, connection to the host, TLS, and around all of them the
//! part that reports early answers (`early_answer`) and the one that saves needless checks
//! (`pool_check`).
//!
//! A connection with TLS has two pairs of buffers: the pool's for what is decrypted, which are `ureq`'s and are
//! filled with zeros, and smaller ones beneath TLS, which takes and gives single records of 16 KiB. Through a
//! tunnel, those beneath TLS have the sizes that the connection to the proxy got.
//!
//! All rounds together never take longer than the limit on connecting. A host with eight silent
//! addresses therefore costs 2 s in the first round and 8 s in the second, and the last round
//! divides what is left. An address that answered is noted (`dns_cache`) and comes first the next
//! time.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, Either, RustlsConnector, Transport,
};

use crate::error::words::is_out_of_descriptors;
use crate::http::dns_cache::DnsCache;
use crate::http::early_answer::EarlyAnswers;
use crate::http::pool_check::{CheckedConnection, CheckingConnector, Shortage};
use crate::http::socket::{self, Socket, SocketTransport};

/// How long each address of a host may take, in the first rounds. In the last round the addresses
/// share the time that is left. The first limit is longer than nearly every round trip, and short
/// enough not to be noticed if an address does not answer at all (compare RFC 8305).
const ROUNDS: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// What all connections of a `B2Api` share. Clones share it too.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// The addresses of hosts.
    pub(super) dns_cache: DnsCache,
    /// Makes TLS connections, and remembers the sessions to resume.
    ///
    /// It is shared because a session can be resumed only by the configuration that made it.
    tls: Arc<RustlsConnector>,
    /// Given on to each connection, which counts as closed while descriptors are short.
    shortage: Shortage,
}

/// Nothing here opens a connection.
impl Shared {
    /// Creates what is shared, with a `Shortage` that nobody reports to until `short_of` sets
    /// another one.
    pub(super) fn new(dns_cache: DnsCache) -> Self {
        Self {
            dns_cache,
            tls: Arc::default(),
            shortage: Shortage::default(),
        }
    }

    /// Sets what tells whether descriptors are short.
    pub(super) fn short_of(mut self, shortage: &Shortage) -> Self {
        self.shortage = shortage.clone();
        self
    }

    /// Creates a connector. Each pool has its own; all of them use the shared cache and TLS
    /// configuration.
    ///
    /// Making one opens nothing. `ureq` calls it whenever the pool has no connection to a host.
    pub(super) fn connector(&self) -> impl Connector<Out = CheckedConnection> {
        let route = ()
            .chain(ProxyConnector::default())
            .chain(AddressConnector {
                dns_cache: self.dns_cache.clone(),
            })
            .chain(TlsConnector(Arc::clone(&self.tls)))
            .chain(EarlyAnswers);
        CheckingConnector::new(self.dns_cache.clock(), &self.shortage, route)
    }
}

/// A connection that could not be made. Nothing of the request was sent.
#[derive(Debug)]
pub(super) struct NotConnected {
    /// The failure itself, as `ureq` reported it.
    pub(super) error: Error,
    /// The proxy that could not be reached or refused to connect, as host and port.
    pub(super) proxy: Option<Box<str>>,
}

impl NotConnected {
    /// Marks an error as having happened before anything was sent. An error that is marked already
    /// is only completed with the proxy. The mark travels inside `ureq`'s own error type, which is
    /// the only thing that its connectors can return.
    ///
    /// Each part of the chain marks its own failures, so an error that comes from the proxy is
    /// marked twice; the outer mark must not lose the name of the proxy that the inner one has.
    fn mark(error: Error, proxy: Option<Box<str>>) -> Error {
        let marked = match error {
            Error::Other(other) => match other.downcast::<Self>() {
                Ok(inner) => Self {
                    proxy: proxy.or(inner.proxy),
                    error: inner.error,
                },
                Err(other) => Self {
                    error: Error::Other(other),
                    proxy,
                },
            },
            error => Self { error, proxy },
        };
        Error::Other(Box::new(marked))
    }
}

/// Shows the failure without the mark. The proxy is named by the error that is made of it.
impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// It has no source of its own: its text is that of the failure that it marks.
impl StdError for NotConnected {}

/// Asks the proxy for a tunnel to the host, if the pool has a proxy.
///
/// A pool without a proxy passes through here unchanged. The name of the proxy in an error is host
/// and port, never its user or password.
#[derive(Debug, Default)]
struct ProxyConnector(ConnectProxyConnector);

impl<In: Transport> Connector<In> for ProxyConnector {
    type Out = Either<In, Box<dyn Transport>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        self.0.connect(details, chained).map_err(|error| {
            let proxy = details.config.proxy();
            let name = proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()).into());
            NotConnected::mark(error, name)
        })
    }
}

/// Connects to the first address of a host that answers. Through a tunnel there is nothing to do.
#[derive(Debug)]
struct AddressConnector {
    /// Knows which of the addresses answered before.
    dns_cache: DnsCache,
}

/// Marks every failure as `NotConnected`, also one inside a tunnel.
impl<In: Transport> Connector<In> for AddressConnector {
    type Out = Either<In, SocketTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        match self.connect_in_turn(details) {
            Ok(connected) => Ok(Some(Either::B(connected))),
            Err(error) => Err(NotConnected::mark(error, None)),
        }
    }
}

impl AddressConnector {
    /// Tries the addresses of a host in rounds, each with more patience than the one before.
    ///
    /// The address that answered last comes first. An address that refuses is not tried again; one
    /// that is silent is. The whole never exceeds the limit on connecting. Running out of file
    /// descriptors ends it at once, because no other address would help, and so does a shutdown of the pool.
    ///
    /// The failure that is reported is that of the address that was tried last. If the time is over
    /// between two attempts, it is the time-out.
    fn connect_in_turn(&self, details: &ConnectionDetails<'_>) -> Result<SocketTransport, Error> {
        let clock = self.dns_cache.clock();
        let mut addresses = self.dns_cache.in_order(details.uri, &details.addrs);
        if let [address] = *addresses {
            return socket::connect(details, address, details.timeout.after, clock);
        }
        let started = clock.elapsed();
        let (mut silent, mut failure) = (Vec::new(), None);
        for round in ROUNDS.map(Some).into_iter().chain([None]) {
            let mut untried = addresses.len() as u32;
            for address in addresses.clone() {
                let spent = clock.elapsed().saturating_sub(started);
                let left = details.timeout.after.saturating_sub(spent);
                if left.is_zero() {
                    return Err(Error::Timeout(details.timeout.reason));
                }
                refuse_after_shutdown(details)?;
                let limit = round.unwrap_or(left / untried).min(left);
                untried -= 1;
                match socket::connect(details, address, Limit::Exact(limit), clock) {
                    Ok(connected) => {
                        self.dns_cache.note_answer(details.uri, address, &silent);
                        return Ok(connected);
                    }
                    Err(error @ Error::Timeout(_)) => {
                        silent.push(address);
                        failure = Some(error);
                    }
                    Err(Error::Io(error)) if !is_final(&error) => {
                        addresses.retain(|other| *other != address);
                        failure = Some(Error::Io(error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(failure.unwrap_or(Error::ConnectionFailed))
    }
}

/// Whether no other address would help: file descriptors are short, or the pool was shut down and does not
/// register the connection.
fn is_final(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotConnected || is_out_of_descriptors(error)
}

/// Fails if the pool was shut down: it registers nothing any more. What is registered here is a handle of no
/// connection, because a pool cannot be asked otherwise.
fn refuse_after_shutdown(details: &ConnectionDetails<'_>) -> Result<(), Error> {
    (details.register_shutdown)(Weak::<Socket>::new())
}

/// The details of a connection whose settings are those of its pool.
///
/// `ureq`'s type cannot be cloned, so each member is passed on by hand.
fn of_pool<'a>(details: &ConnectionDetails<'a>) -> ConnectionDetails<'a> {
    ConnectionDetails {
        uri: details.uri,
        addrs: details.addrs.clone(),
        config: details.config,
        request_level: false,
        resolver: details.resolver,
        now: (details.current_time)(),
        timeout: details.timeout,
        current_time: Arc::clone(&details.current_time),
        run_connector: Arc::clone(&details.run_connector),
        register_shutdown: Arc::clone(&details.register_shutdown),
    }
}

/// Adds TLS to a connection, with the configuration that all connections share.
///
/// Plain HTTP passes through here unchanged: the library looks at the scheme of the URL.
#[derive(Debug)]
struct TlsConnector(Arc<RustlsConnector>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // TLS settings of a single request would need a configuration of their own. There are none.
        let connected = self.0.connect(&of_pool(details), chained);
        connected.map_err(|error| NotConnected::mark(error, None))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport};
    use ureq::{Agent, Error};

    use super::{ErrorKind, Shared, of_pool};
    use crate::control::clock::Clock;
    use crate::http::dns_cache::DnsCache;

    /// An address that takes no more connections and does not refuse them either: its queue is full.
    /// Both are to be kept.
    fn silent() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let soon = Duration::from_millis(50);
        let connecting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, soon).ok());
        let waiting = connecting.take(10_000).collect();
        (listener, waiting)
    }

    /// Answers each connection once.
    fn answering() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _request = stream.read(&mut [0; 4096]).unwrap();
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        address
    }

    fn get(cache: &DnsCache, url: &str) -> Result<u16, ureq::Error> {
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(20)))
            .build();
        let connector = Shared::new(cache.clone()).connector();
        let agent = Agent::with_parts(config, connector, cache.clone());
        Ok(agent.get(url).call()?.status().as_u16())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_that_swallows_everything_is_passed_over_and_then_tried_last() {
        let (silent, _waiting) = silent();
        let (silent, answering) = (silent.local_addr().unwrap(), answering());
        let (cache, url) = (DnsCache::new(&Clock::default()), "http://b2.test/");
        cache.know(&url.parse().unwrap(), &[silent, answering]);
        assert_eq!(get(&cache, url).unwrap(), 204);
        let next = cache.in_order(&url.parse().unwrap(), &[silent, answering]);
        assert_eq!(next, [answering, silent]);
    }

    #[test]
    fn an_address_that_refuses_is_passed_over() {
        let refusing = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (cache, url) = (DnsCache::new(&Clock::default()), "http://b2.test/");
        cache.know(&url.parse().unwrap(), &[refusing, answering()]);
        assert_eq!(get(&cache, url).unwrap(), 204);
        cache.know(&url.parse().unwrap(), &[refusing, refusing]);
        get(&cache, url).unwrap_err();
    }

    /// Connects for a pool that is shut down after so many registrations.
    #[derive(Debug)]
    struct ShutDownAfter<C>(usize, C);

    impl<In: Transport, C: Connector<In>> Connector<In> for ShutDownAfter<C> {
        type Out = C::Out;

        fn connect(
            &self,
            details: &ConnectionDetails<'_>,
            chained: Option<In>,
        ) -> Result<Option<C::Out>, Error> {
            let (most, registered) = (self.0, AtomicUsize::new(0));
            let mut details = of_pool(details);
            details.register_shutdown =
                Arc::new(
                    move |_| match registered.fetch_add(1, Ordering::SeqCst) < most {
                        true => Ok(()),
                        false => Err(Error::Io(ErrorKind::NotConnected.into())),
                    },
                );
            self.1.connect(&details, chained)
        }
    }

    #[test]
    fn after_a_shutdown_no_other_address_is_tried() {
        for most in [0, 1] {
            let listen = || {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                (listener.local_addr().unwrap(), listener)
            };
            let ((first, to_first), (second, to_second)) = (listen(), listen());
            let (cache, url) = (DnsCache::new(&Clock::default()), "http://b2.test/");
            cache.know(&url.parse().unwrap(), &[first, second]);
            let connector = ShutDownAfter(most, Shared::new(cache.clone()).connector());
            let config = Agent::config_builder().proxy(None).build();
            let agent = Agent::with_parts(config, connector, cache.clone());
            agent.get(url).call().unwrap_err();
            assert_eq!(to_first.accept().is_ok(), most == 1);
            assert!(to_second.accept().is_err());
        }
    }
}
