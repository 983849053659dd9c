//! The settings of a simulator, and the choice of its port.
//!
//! A data directory has its own port, because programs store the URLs that a simulator returned.
//! The first start chooses a port below the range that the system assigns to clients. Later starts
//! use this port, or fail.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Simulator;
use super::account::settings::Settings;
use super::account::world::World;
use super::clock::Clock;
use super::faults::Faults;
use super::front::{Front, Limits, Server, listen};
use super::log::{LogEntry, Observer, RequestLog};
use super::protocol::host;
use super::random;
use super::tls::{Tls, certified_names};

/// A number that no machine reaches; semaphores and pools of threads need a bound.
const MOST_CONNECTIONS: usize = 1_000_000;
const LASTING_PORTS: Range<u16> = 20_000..32_768;

/// Sets up a [`Simulator`].
///
/// ```
/// use b2sdk::simulator::Simulator;
///
/// let simulator = Simulator::builder().minimum_part_size(100).recommended_part_size(1000).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
#[must_use = "call `start`"]
pub struct SimulatorBuilder {
    address: Option<IpAddr>,
    port: Option<u16>,
    data_dir: Option<PathBuf>,
    settings: Settings,
    observer: Option<Observer>,
    admin: Option<bool>,
    tls: Option<Tls>,
    public_url: Option<String>,
    trusts_forwarded: bool,
    start_time: Option<SystemTime>,
    limits: Limits,
}

impl SimulatorBuilder {
    /// Listens on this address instead of 127.0.0.1. With an address that is not a loopback
    /// address, everybody who can reach it can send requests, and without [TLS](Self::tls) keys,
    /// tokens and files travel unencrypted. Use it only in a network of your own, such as that of
    /// containers. `0.0.0.0` stands for all addresses of this machine.
    pub fn listen(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Listens on this port. By default the system chooses a port; with a
    /// [`data_dir`](Self::data_dir), it is the port of the directory.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Stores account, files and port in this directory, which is created if it does not exist.
    /// Only one simulator at a time can use it. By default everything is in memory.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Sets the smallest size of a part that is not the last one. The default is 5,000,000 bytes.
    pub fn minimum_part_size(mut self, bytes: u64) -> Self {
        self.settings.absolute_minimum_part_size = bytes;
        self
    }

    /// Sets the part size that the account recommends. The default is 100,000,000 bytes.
    pub fn recommended_part_size(mut self, bytes: u64) -> Self {
        self.settings.recommended_part_size = bytes;
        self
    }

    /// Sets the largest size of one upload, one part or one copied file. The default is
    /// 5,000,000,000 bytes. With a small value, tests need little data to exceed it.
    pub fn max_single_file(mut self, bytes: u64) -> Self {
        self.settings.max_single_file = bytes;
        self
    }

    /// Sets whether new buckets encrypt files by default, as the service does since September 2026.
    /// The default is `true`.
    pub fn encrypt_by_default(mut self, encrypt: bool) -> Self {
        self.settings.encrypt_by_default = encrypt;
        self
    }

    /// Sets whether uploads may choose their timestamp, as the service allows for few accounts. The
    /// default is `false`.
    pub fn custom_timestamps(mut self, allow: bool) -> Self {
        self.settings.custom_timestamps = allow;
        self
    }

    /// Sets how many buckets the account may have. The default is 100.
    pub fn max_buckets(mut self, buckets: usize) -> Self {
        self.settings.max_buckets = buckets;
        self
    }

    /// Ends a page of a listing of names after this many hidden names. The default is 100,000. With
    /// a small value, pages are short or empty although others follow.
    pub fn listing_scan_limit(mut self, versions: usize) -> Self {
        self.settings.listing_scan_limit = versions;
        self
    }

    /// Sets how many rows an answer contains at most, in listings of files, unfinished files, parts
    /// and keys. With a small value, few files make several pages.
    pub fn max_rows(mut self, rows: usize) -> Self {
        self.settings.max_rows = rows.max(1);
        self
    }

    /// Sets how many connections are served at a time. The default is 480, because systems let a
    /// process open 1024 files, and a connection may need two. A further connection is answered
    /// with status 503 and closed; with [TLS](Self::tls) it is only closed. The process must be
    /// allowed to open that many files. The program `b2-simulator` raises its limit itself.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections.clamp(1, MOST_CONNECTIONS);
        self
    }

    /// Sets the seed of the failures that `X-Bz-Test-Mode` causes. The default is 0. With equal
    /// seeds, equal requests in equal order fail.
    pub fn test_mode_seed(mut self, seed: u64) -> Self {
        self.settings.test_mode_seed = seed;
        self
    }

    /// Sets whether clients on this machine may use the admin endpoint below `/.simulator`, which
    /// adds faults, moves the clock, expires tokens and returns the log. The default is `true`,
    /// unless the simulator [listens](Self::listen) where other machines can reach it. Clients on
    /// other machines can never use it.
    pub fn admin(mut self, allow: bool) -> Self {
        self.admin = Some(allow);
        self
    }

    /// Speaks TLS instead of plain HTTP, with the certificate that [`Tls`] names. [`Simulator::url`] then
    /// begins with `https`, and clients have to trust the authority of that certificate. For a generated one
    /// it is [`Simulator::ca_certificate`].
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the address that clients use, such as `https://b2.example.com` or
    /// `http://b2-simulator:8080`. Every answer then names it, and so does [`Simulator::url`]. By
    /// default, answers name the address by which the client reached the simulator.
    ///
    /// This is for simulators behind a proxy, in a container, or behind a program that terminates
    /// TLS. The address begins with `http://` or `https://`, and may have a path if a proxy removes
    /// it from requests. The simulator itself still listens where it did. An address of another
    /// form makes [`start`](Self::start) fail.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets whether answers contain the address in `X-Forwarded-Proto` and `X-Forwarded-Host`. By
    /// default both headers are ignored, because any client can send them. Enable it only if all
    /// clients reach the simulator through a proxy that sets these headers.
    pub fn trust_forwarded_headers(mut self, trust: bool) -> Self {
        self.trusts_forwarded = trust;
        self
    }

    /// Sets the time at which the service's clock begins, for instance in the past. By default it
    /// is the machine's time. The clock can be [moved forward](Simulator::advance_clock).
    pub fn start_time(mut self, time: SystemTime) -> Self {
        self.start_time = Some(time);
        self
    }

    /// Calls `observer` with each entry of the request log, just before the request is answered.
    pub fn on_request(mut self, observer: impl Fn(&LogEntry) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts the simulator, and returns when it listens. Without settings it listens on a free port of
    /// this machine only, keeps everything in memory, and has an account without buckets. It runs on
    /// threads of its own until the [`Simulator`] is dropped.
    ///
    /// # Errors
    /// The port is in use (the message names it); or the directory cannot be used, for instance
    /// because another simulator uses it, or because its database is lost; or `InvalidInput`, if
    /// the public URL, the certificate or its key is invalid.
    pub fn start(self) -> io::Result<Simulator> {
        let public = self
            .public_url
            .as_deref()
            .map(PublicUrl::parse)
            .transpose()?;
        let world = match &self.data_dir {
            Some(dir) => World::open(dir, self.settings).map_err(io::Error::other)?,
            None => World::in_memory(self.settings),
        };
        let address = self.address.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let listener = match (self.port, &self.data_dir) {
            (Some(port), _) => listen_on(address, port)?,
            (None, Some(_)) => listen_again(address, &world)?,
            (None, None) => listen_on(address, 0)?,
        };
        let port = listener.local_addr()?.port();
        if self.data_dir.is_some() && world.port() != Some(port) {
            world.set_port(port)?;
        }
        if let Some(time) = self.start_time {
            world.clock().begin_at(time);
        }
        let log = RequestLog::new(self.observer);
        let address = listener.local_addr()?;
        let names = certified_names(address.ip(), public.as_ref().map(|url| url.host.as_str()));
        let year = Clock::default().year();
        let tls = self.tls.map(|tls| tls.acceptor(&names, year)).transpose()?;
        let (tls, ca_certificate) = tls.map_or((None, None), |(tls, ca)| (Some(tls), ca));
        let is_open = !address.ip().is_loopback();
        let faults = Faults::default();
        let world = Arc::new(world);
        let front = Front {
            service: Arc::<World>::clone(&world),
            faults: faults.clone(),
            log: log.clone(),
            url: url_of(address, tls.is_some()),
            public_url: public.map(|url| url.text),
            trusts_forwarded: self.trusts_forwarded,
            tls,
            is_open,
            admin_enabled: self.admin.unwrap_or(!is_open),
            limits: self.limits,
        };
        let url = front
            .public_url
            .clone()
            .unwrap_or_else(|| front.url.clone());
        let (key_id, key) = world.master_key();
        Ok(Simulator {
            server: Server::start(listener, front)?,
            world,
            faults,
            log,
            url,
            address,
            ca_certificate,
            key_id,
            key,
        })
    }
}

impl fmt::Debug for SimulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatorBuilder")
            .field("address", &self.address)
            .field("port", &self.port)
            .field("data_dir", &self.data_dir)
            .field("settings", &self.settings)
            .field("admin", &self.admin)
            .field("tls", &self.tls)
            .field("public_url", &self.public_url)
            .field("start_time", &self.start_time)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn listen_on(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    listen(address, port).map_err(|error| {
        let what = if address == Ipv4Addr::LOCALHOST {
            format!("port {port}")
        } else {
            format!("port {port} of {address}")
        };
        io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
    })
}

/// On the port of this world, or, the first time, on one that it can expect to find free again.
fn listen_again(address: IpAddr, world: &World) -> io::Result<TcpListener> {
    if let Some(port) = world.port() {
        return listen_on(address, port);
    }
    // Directories that are first used at the same time look from different places on, also in one
    // process: otherwise one would take the port that another has just left, to come back to.
    let first = random::below(LASTING_PORTS.len());
    LASTING_PORTS
        .cycle()
        .skip(first)
        .take(LASTING_PORTS.len())
        .find_map(|port| listen(address, port).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no free port in 20000..32768"))
}

/// The URL of a simulator that listens here. Every address of this machine has no name of its own,
/// but 127.0.0.1 is among them.
fn url_of(address: SocketAddr, has_tls: bool) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        _ => address,
    };
    format!("{}://{host}", if has_tls { "https" } else { "http" })
}

/// An address that clients are told.
struct PublicUrl {
    /// Without a slash at its end.
    text: String,
    /// Without the port.
    host: String,
}

impl PublicUrl {
    fn parse(text: &str) -> io::Result<Self> {
        let invalid = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{text:?} is no public URL: http://HOST[:PORT] or https://HOST[:PORT], perhaps with a path"
                ),
            )
        };
        let text = text.trim_end_matches('/');
        let rest = text
            .strip_prefix("http://")
            .or(text.strip_prefix("https://"));
        let (host, path) = rest
            .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
            .ok_or_else(invalid)?;
        let is_path = path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
        if !host::is_host(host) || !is_path {
            return Err(invalid());
        }
        Ok(Self {
            text: text.to_owned(),
            host: host::name_of(host).to_owned(),
        })
    }
}
