//! The simulator's HTTP server: sockets, keep-alive, `100 Continue`, faults. It knows nothing of
//! B2; a [`Service`] decides what a request means.
//!
//! One request, in order:
//!
//! 1. its head arrives; the service names the operation; the log takes note of the arrival;
//! 2. the faults are asked for a [`Plan`](crate::simulator::faults::Plan);
//! 3. unless the plan forbids it, the service handles the request on a thread of its own. The body
//!    is fetched only when the service first reads from it, and only that sends `100 Continue`;
//! 4. the plan's edits are applied to the answer, and its entry is written to the log;
//! 5. the answer leaves. If part of the body is still unread, it says `Connection: close` and the
//!    connection is closed gently: see [`connection`].
//!
//! A browser on this machine that asks for `/` gets the status page instead. Such a request is not
//! a request to the service: no fault applies to it, and the log has no entry for it.
//!
//! Requests to the admin endpoint, which only clients on this machine may send, have neither faults
//! nor log entries.
//!
//! Only `front` and its modules use hyper and tokio. The server has its own runtime and thread, so
//! tests, programs and other runtimes can use it.

mod answer;
mod body;
mod connection;
mod exchange;
mod handle;
mod limits;
mod rates;
#[cfg(test)]
mod tests;
mod transport;

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::model::operation::Operation;
use crate::simulator::faults::Faults;
use crate::simulator::log::RequestLog;
use crate::simulator::protocol::host;
use crate::simulator::protocol::message::{Reply, Request};

pub(crate) use limits::Limits;

/// Threads of the service beside one for each connection, which an upload holds while its client
/// sends: so that pieces of files are read for answers even if every connection uploads. A thread is
/// started when it is needed, so connections without a request take none.
const MORE_THREADS: usize = 32;
/// Connections beyond the limit that are told so at once; others are closed without a word.
const REFUSALS: usize = 32;

/// What the server serves.
pub(crate) trait Service: Send + Sync + 'static {
    /// The operation that the request's path names.
    fn operation_of(&self, request: &Request) -> Option<Operation>;

    /// The file that the request's head names, if it names one: what faults can go by.
    fn file_name_of(&self, request: &Request) -> Option<String>;

    /// The answer. Called on many threads at once; may block.
    fn handle(&self, request: &Request, body: &mut dyn Read) -> Reply;

    /// Whether it is a request to the admin endpoint, and none to the service.
    fn is_admin(&self, request: &Request) -> bool;

    /// Answers a request to the admin endpoint.
    fn administer(
        &self,
        request: &Request,
        body: &mut dyn Read,
        log: &RequestLog,
        faults: &Faults,
    ) -> Reply;

    /// The page for people who look at `/`, or what its links name in their query.
    fn status_page(&self, request: &Request, log: &RequestLog, faults: &Faults) -> Reply;

    /// The service's time, for `Date`.
    fn now(&self) -> SystemTime;
}

/// What all connections share.
pub(crate) struct Front {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    /// `http://127.0.0.1:port`, for clients that do not say how they reached us.
    pub(crate) url: String,
    /// The address that clients are told whatever they say.
    pub(crate) public_url: Option<String>,
    /// Whether `X-Forwarded-Proto` and `X-Forwarded-Host` are believed.
    pub(crate) trusts_forwarded: bool,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether clients may reach us by other than loopback addresses.
    pub(crate) is_open: bool,
    /// Whether clients on this machine may use the admin endpoint.
    pub(crate) admin_enabled: bool,
    pub(crate) limits: Limits,
}

/// A running server. It stops when it is dropped: connections are closed, threads have ended and
/// the port is free when `drop` returns.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves what arrives at `listener`.
    pub(crate) fn start(listener: TcpListener, front: Front) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(front.limits.connections.saturating_add(MORE_THREADS))
            .thread_name("b2-simulator")
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("b2-simulator".to_owned())
            .spawn(move || serve(runtime, listener, Arc::new(front), stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// Serves until `stopped` resolves. Dropping the runtime drops every connection, which makes
/// service threads that wait for a body end with an error, and waits for them.
fn serve(
    runtime: Runtime,
    listener: TcpListener,
    front: Arc<Front>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async move {
        let accepting = tokio::spawn(accept(listener, front));
        let _ = stopped.await;
        accepting.abort();
    });
}

async fn accept(listener: TcpListener, front: Arc<Front>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let places = Arc::new(Semaphore::new(front.limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut number = 0;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    let served = connection::serve(stream, peer, number, Arc::clone(&front));
                    tokio::spawn(async move {
                        served.await;
                        drop(place);
                    });
                    number += 1;
                } else if front.tls.is_some() {
                    drop(stream);
                } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        connection::refuse(stream).await;
                        drop(place);
                    });
                }
            }
            // No file descriptors left, for instance: wait for some to be freed.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A listener on this interface; port 0 lets the system choose.
pub(crate) fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((address, port))
}

/// The base of the URLs that a client is given: the public URL if there is one, or else the address
/// by which the client reached us, so that names such as `localhost` and forwarded ports keep
/// working. Unless the server is open to others, that address must be a loopback one. A proxy may
/// tell what address the client used, if it is trusted.
fn base_url(head: &HeaderMap, front: &Front) -> String {
    if let Some(url) = &front.public_url {
        return url.clone();
    }
    let text = |name: &str| head.get(name).and_then(|value| value.to_str().ok());
    let own_scheme = if front.tls.is_some() { "https" } else { "http" };
    if front.trusts_forwarded {
        let scheme = text("x-forwarded-proto").filter(|scheme| ["http", "https"].contains(scheme));
        let host = text("x-forwarded-host").filter(|host| host::is_host(host));
        if scheme.is_some() || host.is_some() {
            let host = host.or(text("host").filter(|host| host::is_host(host)));
            let host = host.unwrap_or_else(|| front.url.rsplit('/').next().unwrap_or_default());
            return format!("{}://{host}", scheme.unwrap_or(own_scheme));
        }
    }
    let usable = |host: &&str| host::is_loopback(host) || (front.is_open && host::is_host(host));
    match text("host").filter(usable) {
        Some(host) => format!("{own_scheme}://{host}"),
        None => front.url.clone(),
    }
}
