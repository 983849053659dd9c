//! A network between client and server, in a process of its own: a delay in both directions, a rate for
//! each connection and one for all together, and loss. Not every kernel can shape its loopback interface.
//!
//! Bytes are passed on as TCP would deliver them. A connection costs a round trip before its first byte. Each
//! direction has a congestion window that begins with 10 segments, doubles each round trip until the first loss, and
//! grows by a segment each round trip after it. What is lost arrives a round trip later, everything behind it
//! waits for that, and the window is halved (after a loss in a window of less than 4 segments, which nothing
//! tells the sender of, a retransmission timer runs out first). A sender has at most a window under way.
//!
//! With a loss of 1 %, one of 100 segments is lost: of each connection the same number, from another one on. By
//! chance instead, one program would be three times as fast as another in a transfer of a few MiB. A connection then
//! carries what the formula of Mathis and others says, 1.22 * 1460 bytes / (round trip * sqrt(loss)): 59 kB a second
//! with 300 ms.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt};

/// The argument that makes this program the relay.
pub(crate) const ROLE: &str = "relay";

/// What a segment carries.
const SEGMENT: usize = 1460;
/// The window of a new connection.
const FIRST_WINDOW: f64 = 10.0 * SEGMENT as f64;
/// The largest window, as systems limit their buffers.
const LARGEST_WINDOW: f64 = 4.0 * 1024.0 * 1024.0;
/// What is read at a time.
const PIECE: usize = 64 * 1024;
/// The shortest time after which a sender sends again what nothing was heard of.
const SHORTEST_TIMER: Duration = Duration::from_millis(200);

/// A network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Network {
    pub(crate) name: &'static str,
    /// In both directions together.
    pub(crate) round_trip: Duration,
    /// Bytes a second of all connections in one direction; 0 for as many as there are.
    rate: f64,
    /// Bytes a second of one connection.
    connection_rate: f64,
    /// The share of segments that are lost.
    loss: f64,
}

const MBIT: f64 = 1e6 / 8.0;

pub(crate) const LOOPBACK: Network = network("loopback", 0, (0.0, 0.0), 0.0);
/// The relay, which passes everything on at once.
pub(crate) const NOTHING: Network = network("the relay alone", 0, (0.0, 0.0), 0.0);
pub(crate) const NEAR: Network = network("20 ms, 1 Gbit/s", 20, (1000.0, 0.0), 0.0);
pub(crate) const CAPPED: Network = network(
    "100 ms, 200 Mbit/s, 20 Mbit/s a connection",
    100,
    (200.0, 20.0),
    0.0,
);
pub(crate) const LOSSY: Network = network("300 ms, 1 % loss", 300, (0.0, 0.0), 0.01);

const NETWORKS: [Network; 4] = [NOTHING, NEAR, CAPPED, LOSSY];

const fn network(
    name: &'static str,
    millis: u64,
    (rate, connection_rate): (f64, f64),
    loss: f64,
) -> Network {
    Network {
        name,
        round_trip: Duration::from_millis(millis),
        rate: rate * MBIT,
        connection_rate: connection_rate * MBIT,
        loss,
    }
}

impl Network {
    /// Twice what is under way at the full rate: more would only queue.
    fn largest_window(&self) -> f64 {
        let rates = [self.rate, self.connection_rate].into_iter();
        let under_way = rates
            .filter(|rate| *rate > 0.0)
            .map(|rate| 2.0 * rate * self.round_trip.as_secs_f64());
        under_way.fold(LARGEST_WINDOW, f64::min)
    }
}

/// The relay's process, ended with us.
pub(crate) struct Relay {
    process: Child,
    pub(crate) port: u16,
}

impl Relay {
    pub(crate) fn start(network: &Network, server_port: u16) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ROLE)
            .arg(network.name)
            .arg(server_port.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        let output = process.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut port)?;
        Ok(Self {
            process,
            port: port.trim().parse()?,
        })
    }

    /// Seconds of CPU time that it took so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.unwrap_or_default();
        // Behind the name, which may have spaces: user and system time in ticks of 10 ms.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum::<f64>()
            / 100.0
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the relay's process does: passes connections on until it is ended; tells its port on standard output.
pub(crate) fn relay(arguments: &[String]) -> Result<()> {
    let [name, server_port] = arguments else {
        anyhow::bail!("the relay takes a network and a port");
    };
    let network = NETWORKS.iter().find(|network| network.name == name);
    let network = *network.context("no such network")?;
    let server_port: u16 = server_port.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    if network != NOTHING {
        // What a client has sent is under way, not in our buffer. Connections inherit it.
        setsockopt(&listener, sockopt::RcvBuf, &PIECE)?;
    }
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    let (up, down) = (Arc::new(Link::default()), Arc::new(Link::default()));
    for (number, client) in listener.incoming().enumerate() {
        let client = client?;
        let server = TcpStream::connect(("127.0.0.1", server_port))?;
        for (from, to, link, phase) in [
            (client.try_clone()?, server.try_clone()?, &up, 2 * number),
            (server, client, &down, 2 * number + 1),
        ] {
            let direction = Direction::new(network, Arc::clone(link), phase);
            from.set_nodelay(true)?;
            thread::spawn(move || direction.run(from, to));
        }
    }
    Ok(())
}

/// When the last of what all connections sent in one direction has left.
#[derive(Default)]
struct Link(Mutex<Option<Instant>>);

impl Link {
    /// When these bytes have left, which are sent now; they queue behind those of others.
    fn depart(&self, now: Instant, bytes: usize, rate: f64) -> Instant {
        if rate == 0.0 {
            return now;
        }
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free.map_or(now, |free| free.max(now));
        *free.insert(start + Duration::from_secs_f64(bytes as f64 / rate))
    }
}

/// One direction of a connection.
struct Direction {
    network: Network,
    all: Arc<Link>,
    own: Link,
    window: f64,
    largest_window: f64,
    /// From here on the window grows slowly.
    threshold: f64,
    /// What is under way, and when the sender hears that it arrived.
    under_way: VecDeque<(Instant, usize)>,
    in_flight: usize,
    /// When the last of it arrives.
    last: Option<Instant>,
    /// A window is halved at most once in a round trip.
    halved: Option<Instant>,
    /// How many segments are sent until one is lost.
    until_loss: f64,
}

impl Direction {
    /// `phase` is another number for each direction of each connection.
    fn new(network: Network, all: Arc<Link>, phase: usize) -> Self {
        let largest_window = network.largest_window();
        // Far apart for numbers that follow each other.
        let share = (phase as f64 * 0.618).fract();
        Self {
            network,
            largest_window,
            all,
            own: Link::default(),
            window: FIRST_WINDOW,
            threshold: largest_window,
            under_way: VecDeque::new(),
            in_flight: 0,
            last: None,
            halved: None,
            until_loss: (1.0 - share) / network.loss,
        }
    }

    fn run(mut self, mut from: TcpStream, mut to: TcpStream) {
        if self.network.round_trip.is_zero() {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        let (pass, passed) = mpsc::channel::<(Instant, Vec<u8>)>();
        let delivering = thread::spawn(move || {
            for (due, bytes) in passed {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        // The connection is made first.
        let begun = Instant::now() + self.network.round_trip;
        let mut buffer = vec![0; PIECE];
        loop {
            let room = self.wait_for_room();
            let Ok(read @ 1..) = from.read(&mut buffer[..room]) else {
                break;
            };
            let due = self.send(Instant::now().max(begun), read);
            if pass.send((due, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
        drop(pass);
        let _ = delivering.join();
    }

    /// Waits until the window has room; how much.
    fn wait_for_room(&mut self) -> usize {
        loop {
            let now = Instant::now();
            while let Some((heard, bytes)) = self.under_way.front().copied() {
                if heard > now {
                    break;
                }
                self.under_way.pop_front();
                self.in_flight -= bytes;
                self.grow(bytes);
            }
            let room = (self.window as usize).saturating_sub(self.in_flight);
            match self.under_way.front() {
                Some((heard, _)) if room < SEGMENT => thread::sleep(*heard - now),
                _ => return room.clamp(SEGMENT, PIECE),
            }
        }
    }

    fn grow(&mut self, bytes: usize) {
        let bytes = bytes as f64;
        self.window += if self.window < self.threshold {
            bytes
        } else {
            SEGMENT as f64 * bytes / self.window
        };
        self.window = self.window.min(self.largest_window);
    }

    /// Sends these bytes; when they arrive.
    fn send(&mut self, now: Instant, bytes: usize) -> Instant {
        let Network {
            round_trip,
            rate,
            connection_rate,
            loss,
            ..
        } = self.network;
        let departed = self.own.depart(now, bytes, connection_rate);
        let departed = departed.max(self.all.depart(now, bytes, rate));
        let mut due = departed + round_trip / 2;
        self.until_loss -= bytes.div_ceil(SEGMENT) as f64;
        if self.until_loss < 0.0 {
            self.until_loss += 1.0 / loss;
            due += match self.window < 4.0 * SEGMENT as f64 {
                true => round_trip.max(SHORTEST_TIMER) + round_trip,
                false => round_trip,
            };
            if self.halved.is_none_or(|halved| now > halved + round_trip) {
                self.window = (self.window / 2.0).max(2.0 * SEGMENT as f64);
                self.threshold = self.window;
                self.halved = Some(now);
            }
        }
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        self.under_way.push_back((due + round_trip / 2, bytes));
        self.in_flight += bytes;
        due
    }
}
