//! One connection, from accept to close.
//!
//! hyper implements HTTP. This module takes the socket back from it when the connection has to end
//! in a particular way: an exchange gives an [`Ending`] to its [`ConnectionHandle`], and what hyper
//! has buffered by then is sent first.
//!
//! A connection that ends because an answer said `Connection: close` is closed gently. The server
//! sends FIN and continues to read for a while, because closing a socket with unread bytes resets
//! the connection, and a reset may destroy the answer before the client has read it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::simulator::faults::Ending;
use crate::simulator::front::Front;
use crate::simulator::front::answer::AnswerBody;
use crate::simulator::front::exchange;
use crate::simulator::front::handle::{ConnectionHandle, Requests};
use crate::simulator::front::limits::{HEAD_BYTES, HEADERS};
use crate::simulator::front::transport::{Transport, Wire};

/// The most bytes that a refused client may send before the connection is closed, and the longest
/// time.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, number: u64, front: Arc<Front>) {
    // An answer is small or written in large pieces; never worth waiting for more.
    let _ = stream.set_nodelay(true);
    let head_time = front.limits.head_time;
    let Some(stream) = Transport::accept(stream, front.tls.as_ref(), head_time).await else {
        return;
    };
    let (handle, requests) = ConnectionHandle::new(number, is_local(peer.ip()));
    let (stream, ending) = speak_http(stream, &handle, requests, front).await;
    match ending {
        None => linger(stream).await,
        Some(ending) => end(stream, ending).await,
    }
}

/// Answers 503 without reading a request, as a busy service does. With TLS the connection is closed
/// instead, because an answer would need a handshake.
pub(crate) async fn refuse(stream: TcpStream) {
    let body = exchange::error_body(503, "service_unavailable", "too many connections");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
         content-type: {}\r\ncontent-length: {}\r\n\r\n{body}",
        exchange::JSON,
        body.len()
    );
    if stream.writable().await.is_ok() {
        // It fits into the socket's empty buffer.
        let _ = stream.try_write(answer.as_bytes());
    }
    linger(Transport::Plain(stream)).await;
}

/// Whether a client with this address is on this machine.
pub(super) fn is_local(peer: IpAddr) -> bool {
    // 127.0.0.1 at a socket for both versions of IP is ::ffff:127.0.0.1.
    peer.to_canonical().is_loopback()
}

type Exchange = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

/// Serves requests until the connection is done (`None`) or an exchange ends it.
async fn speak_http(
    stream: Transport,
    handle: &ConnectionHandle,
    mut requests: Requests,
    front: Arc<Front>,
) -> (Transport, Option<Ending>) {
    let service = service_fn(|request: Request<Incoming>| -> Exchange {
        let (front, handle) = (Arc::clone(&front), handle.clone());
        Box::pin(async move { Ok(exchange::answer(&front, &handle, request).await) })
    });
    let flushed = Arc::new(AtomicBool::new(true));
    let wire = TokioIo::new(Wire {
        stream,
        flushed: Arc::clone(&flushed),
        surplus: Arc::clone(&requests.surplus),
        idle_time: front.limits.idle_time,
        untaken: None,
    });
    let head_time = front.limits.head_time;
    // Names of headers are written in lower case: Python's b2sdk takes the names of file info from
    // them as they come.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .auto_date_header(false)
        .serve_connection(wire, service);

    let mut asked = None;
    let ending = poll_fn(|context| {
        // First, because an exchange asks for an ending while hyper polls an answer's body: when this returns,
        // hyper has tried to write all of the body that came before.
        if connection.poll_without_shutdown(context).is_ready() {
            return Poll::Ready(None);
        }
        if asked.is_none() {
            asked = match requests.endings.poll_recv(context) {
                Poll::Ready(ending) => ending,
                Poll::Pending => None,
            };
        }
        match asked {
            Some(ending) if flushed.load(Ordering::Relaxed) => Poll::Ready(Some(ending)),
            _ => Poll::Pending,
        }
    })
    .await;
    (connection.into_parts().io.into_inner().stream, ending)
}

async fn linger(mut stream: Transport) {
    if stream.finish().await.is_ok() {
        let _ = tokio::time::timeout(LINGER_TIME, drain(stream.socket(), LINGER_BYTES)).await;
    }
}

/// Reads and drops up to this much.
async fn drain(stream: &TcpStream, limit: usize) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut drained: usize = 0;
    while drained < limit {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => drained = drained.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn end(mut stream: Transport, ending: Ending) {
    match ending {
        Ending::Close => {
            let _ = stream.cut().await;
        }
        Ending::HalfClose => {
            if stream.cut().await.is_ok() {
                let _ = drain(stream.socket(), usize::MAX).await;
            }
        }
        Ending::Reset => {
            let _ = stream.socket().set_zero_linger();
        }
        Ending::Stall => until_gone(stream.socket()).await,
    }
}

/// Waits until the client closes its side, without reading what it sends.
async fn until_gone(stream: &TcpStream) {
    while let Ok(ready) = stream.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        // Claiming that there was nothing to read makes `ready` wait for the next event.
        let _ = stream.try_io(Interest::READABLE, || -> io::Result<()> {
            Err(io::ErrorKind::WouldBlock.into())
        });
    }
}
