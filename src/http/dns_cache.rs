//! The addresses of hosts, remembered for a moment, and which of them answered.
//!
//! ureq looks the host's name up for every request, also for one that then goes over a connection
//! that is open, and each time on a new thread, because a lookup cannot be interrupted. With small
//! files that costs more than everything else together.

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

/// Shorter than the first pauses between attempts together, so that these meet a host that moved.
const LIFETIME: Duration = Duration::from_secs(5);
/// Of how many hosts the address that answered is remembered.
const MOST_HOSTS: usize = 1000;
/// How many addresses of a host are kept, as many as ureq takes.
const MOST_ADDRESSES: usize = 16;

/// Clones remember together.
#[derive(Debug, Clone)]
pub(super) struct DnsCache {
    clock: Clock,
    known: Arc<Mutex<HashMap<String, Known>>>,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Debug)]
struct Known {
    since: Duration,
    addresses: ResolvedSocketAddrs,
}

/// How the addresses fared that were connected to.
#[derive(Debug, Default)]
struct Answers {
    /// The address of each host that answered last, where others did not.
    by_host: HashMap<String, SocketAddr>,
    /// Addresses of this kind swallowed everything where one of the other kind answered.
    is_ipv6_silent: bool,
    is_ipv4_silent: bool,
}

impl DnsCache {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            known: Arc::default(),
            answers: Arc::default(),
        }
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// These addresses of a host, those first that are likely to answer.
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

    /// Takes note of the address that answered, after these were tried in vain.
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

    /// These are the addresses of a host, for tests.
    #[cfg(test)]
    pub(super) fn know(&self, uri: &Uri, addresses: &[SocketAddr]) {
        let mut known = Known {
            since: self.clock.elapsed(),
            addresses: self.empty(),
        };
        addresses
            .iter()
            .for_each(|address| known.addresses.push(*address));
        self.known.lock().insert(host_key(uri), known);
    }

    fn is_fresh(&self, known: &Known) -> bool {
        self.clock.elapsed().saturating_sub(known.since) < LIFETIME
    }
}

/// With the scheme, which stands for the port where none is given.
fn host_key(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{} {authority}", uri.scheme_str().unwrap_or_default())
}

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
            Known {
                since,
                addresses: addresses.clone(),
            },
        );
        Ok(addresses)
    }
}

/// Asks the system. ureq's own lookup panics where no thread can be made.
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
        // Whoever asked may have given up.
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
