//! The connections of calls that run under cancel tokens.
//!
//! Each token has connections of its own, so that cancelling it breaks only what runs under it. The
//! connections belong to the `B2Api`; the token holds only the right to break them. Whichever of
//! the two is dropped first, no connection stays open. When a token is dropped, its connections
//! pass to the next token, unless it broke them.
//!
//! Locks: the lock of a token may be held while the lock of the state is taken, never the other way
//! round. No connection is opened under either of them.
//!
//! | what happens | to the connections of the token |
//! | --- | --- |
//! | the first call under a token | spare ones are taken, or new pools are made |
//! | further calls under it | they use the same pools |
//! | the token is cancelled | all of them are closed, and are never used again |
//! | the token is dropped without being cancelled | they become spare, up to `most_spare` sets; beyond that they are closed |
//! | the `B2Api` shuts down | all are closed, spare ones as well |

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::control::cancel::{Attachment, CancelToken};
use crate::error::Result;
use crate::http::agents::Agents;

/// The connections of all tokens that are used with one `B2Api`.
#[derive(Debug)]
pub(super) struct TokenConnections {
    /// Held only while a set is looked up, added or removed.
    state: Mutex<State>,
    /// The number of sets of unused connections that are kept.
    most_spare: usize,
}

/// Which connections are in use.
#[derive(Debug, Default)]
struct State {
    /// The connections of each living token, by the number of its lease.
    in_use: HashMap<u64, Agents>,
    /// The connections of tokens that are gone, for the next ones.
    spare: Vec<Agents>,
    /// The number of the next lease.
    next: u64,
    /// Whether the `B2Api` has shut down, after which nothing is kept.
    is_closed: bool,
}

impl TokenConnections {
    /// Creates an empty set that keeps at most this many sets of unused connections.
    pub(super) fn new(most_spare: usize) -> Self {
        Self {
            state: Mutex::default(),
            most_spare,
        }
    }

    /// The connections of this token. They are created, or taken from the spare ones, at its first
    /// call.
    ///
    /// Fails with the error of `make`. A token that was cancelled already gets connections that are
    /// closed at once, so a call that comes too late does not run on.
    pub(super) fn of(
        self: &Arc<Self>,
        token: &CancelToken,
        make: impl FnOnce() -> Result<Agents>,
    ) -> Result<Agents> {
        let lease = token.attach(Arc::as_ptr(self) as usize, || {
            let spare = self.state.lock().spare.pop();
            let agents = match spare {
                Some(agents) => agents,
                None => make()?,
            };
            let mut state = self.state.lock();
            let number = state.next;
            state.next += 1;
            // A shutdown since the caller looked has not seen these.
            if state.is_closed {
                agents.shutdown();
            }
            state.in_use.insert(number, agents);
            Ok(Lease {
                owner: Arc::downgrade(self),
                number,
                is_broken: AtomicBool::new(false),
            })
        })?;
        let known = self.state.lock().in_use.get(&lease.number).cloned();
        // Its lease lives, so they are there.
        known.map_or_else(|| Err(crate::error::Error::Cancelled), Ok)
    }

    /// Breaks all connections for good.
    ///
    /// Sets that are returned later are dropped instead of kept.
    pub(super) fn shutdown(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let spare = std::mem::take(&mut state.spare);
        for agents in state.in_use.values().chain(&spare) {
            agents.shutdown();
        }
    }
}

/// The right of a token to break its connections. Dropping it returns them.
#[derive(Debug)]
struct Lease {
    /// The connections of the `B2Api`, if it still exists.
    owner: Weak<TokenConnections>,
    /// The key of the connections among those in use.
    number: u64,
    /// Whether the connections were broken and must not be used again.
    is_broken: AtomicBool,
}

impl Attachment for Lease {
    /// The mark is set before the connections are closed, so that a lease that is dropped at the
    /// same time does not return them.
    fn interrupt(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
        let Some(owner) = self.owner.upgrade() else {
            return;
        };
        let agents = owner.state.lock().in_use.get(&self.number).cloned();
        if let Some(agents) = agents {
            agents.shutdown();
        }
    }

    /// The `B2Api` is gone, so its token may drop the lease.
    fn is_abandoned(&self) -> bool {
        self.owner.strong_count() == 0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(owner) = self.owner.upgrade() else {
            return;
        };
        let mut state = owner.state.lock();
        let agents = state.in_use.remove(&self.number);
        let is_fit = !self.is_broken.load(Ordering::SeqCst)
            && !state.is_closed
            && state.spare.len() < owner.most_spare;
        state.spare.extend(agents.filter(|_| is_fit));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::TokenConnections;
    use crate::control::cancel::CancelToken;
    use crate::control::clock::Clock;
    use crate::error::Result;
    use crate::http::agents::{AgentSettings, Agents};
    use crate::http::checked_url::CheckedUrl;
    use crate::http::config::HttpConfig;
    use crate::http::connector::Shared;
    use crate::http::dns_cache::DnsCache;

    fn new_agents() -> Result<Agents> {
        let config = HttpConfig::default();
        let shared = Shared::new(DnsCache::new(&Clock::default()));
        let settings = Arc::new(AgentSettings::new(&config, shared)?);
        Ok(Agents::new(&config, &settings))
    }

    /// Whether a request gets an answer over these connections.
    fn work(agents: &Agents) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        });
        let checked = CheckedUrl::new(url.parse().unwrap(), "127.0.0.1");
        let agent = agents.for_url(&checked).unwrap();
        agent.get(&url).call().is_ok()
    }

    #[test]
    fn a_shutdown_while_connections_are_made_closes_them_too() {
        let connections = Arc::new(TokenConnections::new(1));
        let agents = connections.of(&CancelToken::new(), new_agents).unwrap();
        assert!(work(&agents));

        // The caller has looked whether there was a shutdown; it comes now.
        let connections = Arc::new(TokenConnections::new(1));
        let token = CancelToken::new();
        let make = || {
            connections.shutdown();
            new_agents()
        };
        let agents = connections.of(&token, make).unwrap();
        assert!(!work(&agents), "a call that was late must not run on");
        drop(token);
        assert!(connections.state.lock().spare.is_empty());
        assert!(connections.state.lock().in_use.is_empty());
    }

    #[test]
    fn a_shutdown_closes_the_connections_of_tokens_and_those_that_wait_for_one() {
        let connections = Arc::new(TokenConnections::new(1));
        let (gone, token) = (CancelToken::new(), CancelToken::new());
        let spare = connections.of(&gone, new_agents).unwrap();
        let in_use = connections.of(&token, new_agents).unwrap();
        drop(gone);
        assert_eq!(connections.state.lock().spare.len(), 1);
        connections.shutdown();
        assert!(!work(&spare) && !work(&in_use));
        let again = connections.of(&token, new_agents).unwrap();
        assert!(!work(&again), "they are the ones of before");
        let late = connections.of(&CancelToken::new(), new_agents).unwrap();
        assert!(!work(&late), "nothing is made that stays open");
    }

    #[test]
    fn broken_connections_are_not_kept_and_others_no_further_than_the_limit() {
        let connections = Arc::new(TokenConnections::new(1));
        let tokens = [(); 3].map(|()| CancelToken::new());
        for token in &tokens {
            connections.of(token, new_agents).unwrap();
        }
        let [broken, one, other] = tokens;
        broken.cancel();
        drop(broken);
        assert!(connections.state.lock().spare.is_empty());
        drop((one, other));
        assert_eq!(connections.state.lock().spare.len(), 1);
        assert!(connections.state.lock().in_use.is_empty());
        let make = || panic!("there are spare ones");
        let agents = connections.of(&CancelToken::new(), make).unwrap();
        assert!(work(&agents));
    }
}
