//! TLS in front of the simulator, with a certificate authority of its own, and trouble where a test asks
//! for it: alerts and closed connections in the handshake, bits that flip on the way, certificates that
//! must not be accepted.
//!
//! Bytes pass two threads for each connection: a relay, which does the damage, and behind it a TLS
//! server that hands each request on to the simulator.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use b2sdk::simulator::Simulator;
use b2sdk::{B2ApiBuilder, RetryPolicy, Timeouts};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// What is wrong with one connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    None,
    /// The handshake is answered with a fatal alert.
    Alert,
    /// The connection is closed in the handshake.
    Closed,
    /// Something that is not TLS answers.
    NotTls,
    /// A bit of this byte flips on the way to the service.
    FlipUp(usize),
    /// A bit of this byte flips on the way to the client.
    FlipDown(usize),
    /// The connection ends after so many bytes to the client, without the end of TLS.
    CutDown(usize),
}

/// Which certificate the service shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shown {
    Good,
    Expired,
    OfAnotherHost,
    OfAnotherAuthority,
}

/// How long a connection whose bytes were damaged may be silent.
const SILENCE: Duration = Duration::from_secs(2);

/// A running front.
pub(crate) struct TlsFront {
    port: u16,
    authority: String,
    shared: Arc<Shared>,
}

struct Shared {
    backend: String,
    config: Arc<ServerConfig>,
    trouble: Mutex<Vec<Trouble>>,
    connections: AtomicUsize,
    resumed: AtomicUsize,
}

impl TlsFront {
    pub(crate) fn new(service: &Simulator, shown: Shown) -> Self {
        let (authority, config) = certificates(shown);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            backend: service.url().trim_start_matches("http://").to_owned(),
            config: Arc::new(config),
            trouble: Mutex::default(),
            connections: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let shared = Arc::clone(&accepting);
                let Ok(client) = client else { continue };
                thread::spawn(move || shared.relay(client));
            }
        });
        Self {
            port,
            authority,
            shared,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The settings of a client that trusts the front's authority. Its time limits are longer than a busy
    /// machine makes anybody wait, because an answer that comes too late changes what is requested.
    pub(crate) fn trusted(&self, builder: B2ApiBuilder) -> B2ApiBuilder {
        let idle = Duration::from_secs(60);
        builder
            .root_certificates(self.authority.as_bytes())
            .retry(RetryPolicy::default().base_delay(Duration::from_millis(1)))
            .timeouts(Timeouts::default().idle(idle).slow_idle(idle).connect(idle))
    }

    /// The next connections get this trouble, one after the other.
    pub(crate) fn make(&self, trouble: &[Trouble]) {
        *self.shared.trouble.lock().unwrap() = trouble.iter().rev().copied().collect();
    }

    /// Whether all of the trouble that was asked for was met.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.trouble.lock().unwrap().is_empty()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The connections that took up the TLS session of an earlier one.
    pub(crate) fn resumed(&self) -> usize {
        self.shared.resumed.load(Ordering::SeqCst)
    }
}

/// The authority that a client is given, and what the service shows.
fn certificates(shown: Shown) -> (String, ServerConfig) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (pem, Issuer::new(params, key))
    };
    let (trusted, mut issuer) = authority("authority.test");
    if shown == Shown::OfAnotherAuthority {
        issuer = authority("stranger.test").1;
    }
    let host = match shown {
        Shown::OfAnotherHost => "elsewhere.test",
        _ => "localhost",
    };
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    if shown == Shown::Expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (trusted, config)
}

impl Shared {
    /// Takes one connection to its end.
    fn relay(self: &Arc<Self>, mut client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let trouble = self.trouble.lock().unwrap().pop().unwrap_or(Trouble::None);
        let answer: &[u8] = match trouble {
            // An alert of level fatal: internal_error.
            Trouble::Alert => &[21, 3, 3, 0, 2, 2, 80],
            Trouble::Closed => &[],
            Trouble::NotTls => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            _ => return self.tunnel(client, trouble),
        };
        let mut hello = [0; 4096];
        let _hello = client.read(&mut hello);
        let _sent = client.write_all(answer);
    }

    fn tunnel(self: &Arc<Self>, client: TcpStream, trouble: Trouble) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let shared = Arc::clone(self);
        // What a broken connection ends with is for the client to tell.
        thread::spawn(move || _ = shared.serve(server));
        let (from, to) = (client.try_clone().unwrap(), inner.try_clone().unwrap());
        thread::spawn(move || pump(from, to, trouble, true));
        pump(inner, client, trouble, false);
    }

    /// Speaks TLS, and hands the requests on.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        let mut tls = BufReader::new(StreamOwned::new(connection, stream));
        let backend = TcpStream::connect(&self.backend)?;
        let mut backend = BufReader::new(backend);
        let mut is_first = true;
        while let Some(head) = read_head(&mut tls)? {
            if std::mem::take(&mut is_first)
                && tls.get_ref().conn.handshake_kind() == Some(HandshakeKind::Resumed)
            {
                self.resumed.fetch_add(1, Ordering::SeqCst);
            }
            // Those that ask for leave get it, and the simulator is not asked.
            let asks = header(&head, "expect").is_some();
            let lines = head.split_inclusive("\r\n");
            let passed: String = lines.filter(|line| !is_header(line, "expect")).collect();
            backend.get_mut().write_all(passed.as_bytes())?;
            if asks {
                tls.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                tls.get_mut().flush()?;
            }
            copy(&mut tls, backend.get_mut(), length(&head))?;
            let answered = read_head(&mut backend)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let is_json = header(&answered, "content-type")
                .is_some_and(|kind| kind.starts_with("application/json"));
            let to = tls.get_mut();
            if is_json {
                let mut body = String::new();
                (&mut backend)
                    .take(length(&answered))
                    .read_to_string(&mut body)?;
                let body = body.replace("http://localhost", "https://localhost");
                let lines = answered.split_inclusive("\r\n");
                let head: String = lines
                    .filter(|line| !is_header(line, "content-length"))
                    .collect();
                let head = head.trim_end_matches("\r\n");
                write!(to, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            } else {
                to.write_all(answered.as_bytes())?;
                copy(&mut backend, to, length(&answered))?;
            }
            to.flush()?;
        }
        Ok(())
    }
}

/// Copies bytes until either end closes, and does the damage of its direction.
///
/// A flipped bit may leave both ends waiting for the rest of a record. A connection that is silent
/// for [`SILENCE`] after the damage is therefore closed, so that the client need not have a short
/// time limit.
fn pump(mut from: TcpStream, mut to: TcpStream, trouble: Trouble, is_up: bool) {
    let (flip, cut) = match trouble {
        Trouble::FlipUp(at) if is_up => (Some(at), usize::MAX),
        Trouble::FlipDown(at) if !is_up => (Some(at), usize::MAX),
        Trouble::CutDown(at) if !is_up => (None, at),
        _ => (None, usize::MAX),
    };
    let (mut seen, mut buffer) = (0, vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..read];
        if let Some(byte) = flip.and_then(|at| bytes.get_mut(at.checked_sub(seen)?)) {
            *byte ^= 1;
            let _limited = from.set_read_timeout(Some(SILENCE));
        }
        let room = bytes.len().min(cut - seen);
        if to.write_all(&bytes[..room]).is_err() || room < read {
            break;
        }
        seen += read;
    }
    for stream in [from, to] {
        let _closed = stream.shutdown(Shutdown::Both);
    }
}

/// A message's head with the empty line behind it; none where the connection ended before it.
fn read_head(reader: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        let line = reader.read_line(&mut head)?;
        match line {
            0 if before == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if &head[before..] == "\r\n" => return Ok(Some(head)),
            _ => {}
        }
    }
}

fn is_header(line: &str, name: &str) -> bool {
    let own = line.split_once(':').map(|(own, _)| own);
    own.is_some_and(|own| own.eq_ignore_ascii_case(name))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| is_header(line, name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn length(head: &str) -> u64 {
    let length = header(head, "content-length").and_then(|length| length.parse().ok());
    length.unwrap_or(0)
}

fn copy(from: &mut impl Read, to: &mut impl Write, length: u64) -> io::Result<()> {
    match io::copy(&mut from.take(length), to)? {
        copied if copied == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
