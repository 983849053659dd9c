//! Remembers the addresses of hosts for a moment, and which of them answered.
//!
//! `ureq` looks a host name up for every request, even for one that then uses an open connection,
//! and each time on a new thread, because a lookup cannot be interrupted. With small files that
//! takes more time than everything else together.
//!
//! A lookup that fails is not remembered. One that takes too long is given up; its thread ends when
//! the operating system answers.
//!
//! | situation | what happens |
//! | --- | --- |
//! | the name is known for less than 5 seconds | no lookup |
//! | the lookup takes too long | the request fails like a broken connection, and is repeated with a pause |
//! | no thread can be created | the calling thread looks up, without a limit of its own |
//! | an address does not answer, another one does | the one that answers is tried first from then on |
//! | IPv6 is silent where IPv4 answers | IPv4 is tried first at every host, until IPv6 answers once |
//!
//! The two memories age differently. Addresses are forgotten after [`LIFETIME`]; which address
//! answered is remembered until the `B2Api` is dropped, because it is only a preference: the others
//! are still tried if it fails.
//!
//! A name with more than [`MOST_ADDRESSES`] addresses keeps the first ones. Addresses of a family
//! that the builder excludes are left out, and a name that has no others counts as unknown.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::control::clock::Clock;

/// How long addresses are remembered. It is shorter than the first pauses between attempts
/// together, so that repeated attempts find a host that has moved.
const LIFETIME: Duration = Duration::from_secs(5);
/// The number of hosts whose answering address is remembered. Beyond it all are forgotten.
const MOST_HOSTS: usize = 1000;
/// The number of addresses of a host that are kept, which is as many as `ureq` takes.
const MOST_ADDRESSES: usize = 16;

/// The addresses of hosts. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct DnsCache {
    /// By which addresses age.
    clock: Clock,
    /// The addresses by scheme and host.
    known: Arc<Mutex<HashMap<String, KnownAddresses>>>,
    /// Which addresses answered, and which did not.
    answers: Arc<Mutex<Answers>>,
}

/// The addresses of a host, and when they were looked up.
#[derive(Debug)]
struct KnownAddresses {
    /// When they were looked up, by the clock's `elapsed`.
    since: Duration,
    /// At most [`MOST_ADDRESSES`].
    addresses: ResolvedSocketAddrs,
}

/// How connecting to addresses went.
#[derive(Debug, Default)]
struct Answers {
    /// The address of each host that answered last.
    by_host: HashMap<String, SocketAddr>,
    /// Whether an IPv6 address did not answer where an IPv4 address did. Then IPv4 is tried first
    /// at other hosts as well, because IPv6 probably does not work here at all.
    is_ipv6_silent: bool,
    /// The opposite case.
    is_ipv4_silent: bool,
}

impl DnsCache {
    /// Creates an empty cache.
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            known: Arc::default(),
            answers: Arc::default(),
        }
    }

    /// The clock by which addresses age.
    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The addresses of a host, with those that are likely to answer first.
    ///
    /// The order is otherwise that of the operating system. Nothing is left out.
    pub(super) fn in_order(&self, uri: &Uri, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut ordered = addresses.to_vec();
        if ordered.len() > 1 {
            let answers = self.answers.lock();
            let answered = answers.by_host.get(&host_key(uri));
            ordered.sort_by_key(|address| {
                let is_silent = match address {
                    SocketAddr::V4(_) => answers.is_ipv4_silent,
                    SocketAddr::V6(_) => answers.is_ipv6_silent,
                };
                (answered != Some(address), is_silent)
            });
        }
        ordered
    }

    /// Notes that an address answered after the `silent` ones did not.
    ///
    /// The silent ones are remembered only as a family: an IPv6 address that was silent before an
    /// IPv4 address answered puts IPv6 last everywhere, and the reverse holds as well.
    pub(super) fn note_answer(&self, uri: &Uri, address: SocketAddr, silent: &[SocketAddr]) {
        let mut answers = self.answers.lock();
        let is_ipv6 = address.is_ipv6();
        match is_ipv6 {
            true => answers.is_ipv6_silent = false,
            false => answers.is_ipv4_silent = false,
        }
        if silent.iter().any(|silent| silent.is_ipv6() != is_ipv6) {
            match is_ipv6 {
                true => answers.is_ipv4_silent = true,
                false => answers.is_ipv6_silent = true,
            }
        }
        if answers.by_host.len() >= MOST_HOSTS {
            answers.by_host.clear();
        }
        answers.by_host.insert(host_key(uri), address);
    }

    /// Sets the addresses of a host, for tests.
    #[cfg(test)]
    pub(super) fn know(&self, uri: &Uri, addresses: &[SocketAddr]) {
        let mut known = KnownAddresses {
            since: self.clock.elapsed(),
            addresses: self.empty(),
        };
        addresses
            .iter()
            .for_each(|address| known.addresses.push(*address));
        self.known.lock().insert(host_key(uri), known);
    }

    /// Whether these addresses can still be used.
    ///
    /// Addresses that are too old are removed when the next lookup succeeds.
    fn is_fresh(&self, known: &KnownAddresses) -> bool {
        self.clock.elapsed().saturating_sub(known.since) < LIFETIME
    }
}

/// The key of a host: its scheme, which implies a port, and its authority.
///
/// Two ports of one host have entries of their own.
fn host_key(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    [uri.scheme_str().unwrap_or_default(), " ", authority].concat()
}

/// Two threads that miss the same name at the same time look it up twice, which does no harm. No
/// lock is held during a lookup.
impl Resolver for DnsCache {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = host_key(uri);
        {
            let known = self.known.lock();
            if let Some(known) = known.get(&host).filter(|known| self.is_fresh(known)) {
                return Ok(known.addresses.clone());
            }
        }
        // Without the lock: it can take its time.
        let mut addresses = self.empty();
        let found = look_up(uri, timeout)?;
        let family = config.ip_family();
        let wanted = family.keep_wanted(found.into_iter());
        wanted
            .take(MOST_ADDRESSES)
            .for_each(|address| addresses.push(address));
        if addresses.is_empty() {
            return Err(Error::HostNotFound);
        }
        let mut known = self.known.lock();
        known.retain(|_, known| self.is_fresh(known));
        let since = self.clock.elapsed();
        known.insert(
            host,
            KnownAddresses {
                since,
                addresses: addresses.clone(),
            },
        );
        Ok(addresses)
    }
}

/// Asks the operating system for the addresses of a host, on a thread of its own, so that the wait
/// can end before the lookup does. `ureq`'s own lookup panics if no thread can be created; here the
/// calling thread then does it.
///
/// Fails with a time-out of the step that `ureq` names, with the system's own error, or with
/// `HostNotFound` if the thread ended without an answer. An address instead of a name needs no
/// lookup.
fn look_up(uri: &Uri, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    let name = uri
        .scheme()
        .zip(uri.authority())
        .and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority))
        .ok_or_else(|| Error::BadUri(uri.to_string()))?;
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let (sender, receiver) = sync_channel(1);
    let asked = name.clone();
    let looking = thread::Builder::new().spawn(move || {
        // The receiver is gone if the caller has given up.
        let _sent = sender.send(asked.to_socket_addrs());
    });
    // Without a thread the lookup has no limit but the system's own.
    let Ok(_looking) = looking else {
        return Ok(name.to_socket_addrs()?.collect());
    };
    match receiver.recv_timeout(*timeout.after) {
        Ok(found) => Ok(found?.collect()),
        Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
        Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::Resolver as _;
    use ureq::unversioned::transport::{NextTimeout, time};

    use super::{DnsCache, LIFETIME};
    use crate::control::clock::Clock;

    fn resolve(cache: &DnsCache, url: &str) -> String {
        let timeout = NextTimeout {
            after: time::Duration::NotHappening,
            reason: ureq::Timeout::Resolve,
            per_read: None,
            per_write: None,
        };
        let found = cache.resolve(&url.parse().unwrap(), &Config::default(), timeout);
        found.unwrap()[0].to_string()
    }

    #[test]
    fn a_host_is_known_by_scheme_and_port_for_a_while() {
        let clock = Clock::manual();
        let cache = DnsCache::new(&clock);
        let known = || cache.known.lock().len();
        assert_eq!(resolve(&cache, "http://127.0.0.1/a"), "127.0.0.1:80");
        assert_eq!(resolve(&cache, "http://127.0.0.1/b"), "127.0.0.1:80");
        assert_eq!(known(), 1);
        assert_eq!(resolve(&cache, "https://127.0.0.1/"), "127.0.0.1:443");
        assert_eq!(resolve(&cache, "http://127.0.0.1:81/"), "127.0.0.1:81");
        assert_eq!(resolve(&cache, "http://[::1]/"), "[::1]:80");
        assert_eq!(known(), 4);
        clock.advance(LIFETIME);
        assert_eq!(resolve(&cache, "http://127.0.0.1/"), "127.0.0.1:80");
        assert_eq!(known(), 1);
    }

    #[test]
    fn the_address_that_answered_comes_first_and_silent_ones_last() {
        let cache = DnsCache::new(&Clock::manual());
        let (one, other): (Uri, Uri) = (
            "https://a.test/".parse().unwrap(),
            "https://b.test/".parse().unwrap(),
        );
        let [six, four, five]: [SocketAddr; 3] =
            ["[fd00::1]:443", "10.0.0.4:443", "10.0.0.5:443"].map(|text| text.parse().unwrap());
        assert_eq!(cache.in_order(&one, &[six, four, five]), [six, four, five]);
        cache.note_answer(&one, five, &[six, four]);
        assert_eq!(cache.in_order(&one, &[six, four, five]), [five, four, six]);
        assert_eq!(
            cache.in_order(&other, &[six, four, five]),
            [four, five, six],
            "elsewhere too"
        );
        cache.note_answer(&other, six, &[]);
        assert_eq!(cache.in_order(&one, &[four, six]), [four, six]);
        assert_eq!(cache.in_order(&other, &[four, six]), [six, four]);
    }
}
