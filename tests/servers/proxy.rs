//! A proxy between a store and its server, which loses answers, breaks connections and forgets idle
//! ones, and keeps what the server sent.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use b2sdk::account_info::conformance::ServerFaults;

/// Says of what a client sends whether the answer to it is worth losing.
pub(crate) type IsRequest = Box<dyn FnMut(&[u8]) -> bool + Send>;

#[derive(Clone)]
pub(crate) struct Proxy(Arc<State>);

struct State {
    port: u16,
    upstream: u16,
    /// Creates one for each connection.
    is_request: fn() -> IsRequest,
    is_away: AtomicBool,
    loses: AtomicBool,
    /// How often connections were forgotten.
    forgotten: AtomicUsize,
    /// What the server sent over all connections.
    answers: Mutex<Vec<u8>>,
    streams: Mutex<Vec<TcpStream>>,
}

/// The requests of the store on Redis.
pub(crate) fn redis_requests() -> IsRequest {
    Box::new(|sent| contains(sent, "EVALSHA"))
}

/// The requests of the store on PostgreSQL: statements alone, and the end of transactions.
pub(crate) fn postgres_requests() -> IsRequest {
    let mut is_within = false;
    Box::new(move |sent| {
        if contains(sent, "BEGIN") {
            is_within = true;
        } else if contains(sent, "COMMIT") || contains(sent, "ROLLBACK") {
            is_within = false;
            return true;
        }
        // The message that brings a statement.
        !is_within && sent.first() == Some(&b'P')
    })
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

impl Proxy {
    pub(crate) fn start(upstream: u16, is_request: fn() -> IsRequest) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State {
            port: listener.local_addr().unwrap().port(),
            upstream,
            is_request,
            is_away: AtomicBool::new(false),
            loses: AtomicBool::new(false),
            forgotten: AtomicUsize::new(0),
            answers: Mutex::default(),
            streams: Mutex::default(),
        });
        let proxy = Self(Arc::clone(&state));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                state.serve(client.unwrap());
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// Forgets the connections that exist, as a proxy or a firewall does with idle ones: each is
    /// closed when something is sent on it, and not before.
    pub(crate) fn forget_connections(&self) {
        self.0.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the server has sent this word.
    pub(crate) fn was_answered(&self, word: &str) -> bool {
        contains(&self.0.answers.lock().unwrap(), word)
    }
}

impl State {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        if self.is_away.load(Ordering::SeqCst) {
            return;
        }
        let server = TcpStream::connect(("127.0.0.1", self.upstream)).unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let mut streams = self.streams.lock().unwrap();
        streams.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let (state, cut) = (Arc::clone(self), Arc::clone(&is_cut));
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut is_request = (state.is_request)();
            let known_since = state.forgotten.load(Ordering::SeqCst);
            relay(from, to, |sent| {
                if state.forgotten.load(Ordering::SeqCst) != known_since {
                    return false;
                }
                if is_request(sent) && state.loses.swap(false, Ordering::SeqCst) {
                    cut.store(true, Ordering::SeqCst);
                }
                true
            });
        });
        let state = Arc::clone(self);
        std::thread::spawn(move || {
            relay(server, client, |answer| {
                state.answers.lock().unwrap().extend(answer);
                !is_cut.load(Ordering::SeqCst)
            });
        });
    }
}

/// Passes on what comes until one of the two ends, or `may_pass` says no.
fn relay(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl ServerFaults for Proxy {
    fn lose_next_answer(&self) {
        self.0.loses.store(true, Ordering::SeqCst);
    }

    fn set_reachable(&self, is_reachable: bool) {
        self.0.is_away.store(!is_reachable, Ordering::SeqCst);
        if !is_reachable {
            for stream in self.0.streams.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}
