//! How a simulator is set up, and which port it listens on.
//!
//! A directory keeps its port, because programs keep the URLs that a simulator gave them: the first
//! start chooses one below the range from which the system lends ports to clients, and later starts
//! take that one or fail.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::Simulator;
use super::account::world::{Settings, World};
use super::faults::Faults;
use super::front::{Front, Limits, Server, listen};
use super::log::{LogEntry, Observer, RequestLog};
use super::random;

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
}

impl SimulatorBuilder {
    /// Listens on this address instead of 127.0.0.1. With any but a loopback address, everybody who
    /// can reach it can send requests, and keys, tokens and files travel unencrypted: for a network
    /// of your own, such as that of containers, and nothing else. `0.0.0.0` is every address of
    /// this machine.
    pub fn listen(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Listens on this port. Without it the system chooses, or, with a
    /// [`data_dir`](Self::data_dir), the directory's own port is taken.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Keeps account, files and port in this directory, which is created if it does not exist.
    /// One simulator at a time can use it.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// The smallest size of a part that is not the last one (5 000 000 bytes).
    pub fn minimum_part_size(mut self, bytes: u64) -> Self {
        self.settings.absolute_minimum_part_size = bytes;
        self
    }

    /// The part size that the account recommends (100 000 000 bytes).
    pub fn recommended_part_size(mut self, bytes: u64) -> Self {
        self.settings.recommended_part_size = bytes;
        self
    }

    /// The most that one upload, one part or one copied file may have (5 000 000 000 bytes): with a small
    /// number, what is too large for one request fits into a test.
    pub fn max_single_file(mut self, bytes: u64) -> Self {
        self.settings.max_single_file = bytes;
        self
    }

    /// Whether new buckets encrypt files unless told otherwise (yes).
    pub fn encrypt_by_default(mut self, encrypt: bool) -> Self {
        self.settings.encrypt_by_default = encrypt;
        self
    }

    /// Whether uploads may choose their timestamp, as they may on few accounts (no).
    pub fn custom_timestamps(mut self, allow: bool) -> Self {
        self.settings.custom_timestamps = allow;
        self
    }

    /// How many buckets the account may have (100).
    pub fn max_buckets(mut self, buckets: usize) -> Self {
        self.settings.max_buckets = buckets;
        self
    }

    /// Ends a page of a listing after looking at this many versions (100 000): small numbers make
    /// pages that are short or empty, although others follow.
    pub fn listing_scan_limit(mut self, versions: usize) -> Self {
        self.settings.listing_scan_limit = versions;
        self
    }

    /// Where the draws of `X-Bz-Test-Mode` begin (0): the same requests in the same order fail for the
    /// same seed.
    pub fn test_mode_seed(mut self, seed: u64) -> Self {
        self.settings.test_mode_seed = seed;
        self
    }

    /// Whether clients on this machine may use the admin endpoint, below `/.simulator`: add faults, move
    /// the clock, expire tokens, read the log. They may, unless the simulator
    /// [listens](Self::listen) where others can reach it; also then only clients on this machine can
    /// be allowed.
    pub fn admin(mut self, allow: bool) -> Self {
        self.admin = Some(allow);
        self
    }

    /// Calls `observer` with each entry of the request log, just before the request is answered.
    pub fn on_request(mut self, observer: impl Fn(&LogEntry) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts the simulator.
    ///
    /// # Errors
    /// The port is taken (the message names it), or the directory cannot be used, for instance
    /// because another simulator uses it.
    pub fn start(self) -> io::Result<Simulator> {
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
        let log = RequestLog::new(self.observer);
        serve(Arc::new(world), listener, log, self.admin)
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

fn serve(
    world: Arc<World>,
    listener: TcpListener,
    log: RequestLog,
    admin: Option<bool>,
) -> io::Result<Simulator> {
    let address = listener.local_addr()?;
    let is_open = !address.ip().is_loopback();
    // Every address of this machine has no name of its own, but this one is among them.
    let host = match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        _ => address,
    };
    let url = format!("http://{host}");
    let faults = Faults::default();
    let front = Front {
        service: Arc::<World>::clone(&world),
        faults: faults.clone(),
        log: log.clone(),
        url: url.clone(),
        is_open,
        admin_enabled: admin.unwrap_or(!is_open),
        limits: Limits::default(),
    };
    let (key_id, key) = world.master_key();
    Ok(Simulator {
        server: Server::start(listener, front)?,
        world,
        faults,
        log,
        url,
        key_id,
        key,
    })
}
