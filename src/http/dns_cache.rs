//! The addresses of hosts, remembered for a moment.
//!
//! ureq looks the host's name up for every request, also for one that then goes over a connection
//! that is open, and each time on a new thread, because a lookup cannot be interrupted. With small
//! files that costs more than everything else together.

use std::collections::HashMap;
use std::sync::Arc;
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

/// Clones remember together.
#[derive(Debug, Clone)]
pub(super) struct DnsCache {
    clock: Clock,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Debug)]
struct Known {
    since: Duration,
    addresses: ResolvedSocketAddrs,
}

impl DnsCache {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            known: Arc::default(),
        }
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn is_fresh(&self, known: &Known) -> bool {
        self.clock.elapsed().saturating_sub(known.since) < LIFETIME
    }
}

impl Resolver for DnsCache {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        // With the scheme, which stands for the port where none is said.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = format!("{} {authority}", uri.scheme_str().unwrap_or_default());
        {
            let known = self.known.lock();
            if let Some(known) = known.get(&host).filter(|known| self.is_fresh(known)) {
                return Ok(known.addresses.clone());
            }
        }
        // Without the lock: it can take its time.
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
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

#[cfg(test)]
mod tests {
    use ureq::config::Config;
    use ureq::unversioned::resolver::Resolver as _;
    use ureq::unversioned::transport::{NextTimeout, time};

    use super::{DnsCache, LIFETIME};
    use crate::control::clock::Clock;

    fn resolve(dns_cache: &DnsCache, url: &str) -> String {
        let timeout = NextTimeout {
            after: time::Duration::NotHappening,
            reason: ureq::Timeout::Resolve,
            per_read: None,
            per_write: None,
        };
        let found = dns_cache.resolve(&url.parse().unwrap(), &Config::default(), timeout);
        found.unwrap()[0].to_string()
    }

    #[test]
    fn a_host_is_known_by_scheme_and_port_for_a_while() {
        let clock = Clock::manual();
        let dns_cache = DnsCache::new(&clock);
        let known = || dns_cache.known.lock().len();
        assert_eq!(resolve(&dns_cache, "http://127.0.0.1/a"), "127.0.0.1:80");
        assert_eq!(resolve(&dns_cache, "http://127.0.0.1/b"), "127.0.0.1:80");
        assert_eq!(known(), 1);
        assert_eq!(resolve(&dns_cache, "https://127.0.0.1/"), "127.0.0.1:443");
        assert_eq!(resolve(&dns_cache, "http://127.0.0.1:81/"), "127.0.0.1:81");
        assert_eq!(known(), 3);
        clock.advance(LIFETIME);
        assert_eq!(resolve(&dns_cache, "http://127.0.0.1/"), "127.0.0.1:80");
        assert_eq!(known(), 1);
    }
}
