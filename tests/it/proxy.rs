//! Proxies: what is asked of them, and how it is told that they failed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use b2sdk::error::TransportKind;
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{B2Api, Error, InMemoryAccountInfo};

/// A proxy that answers each CONNECT with this status, and with 200 leads to the simulator whatever it
/// was asked for.
struct ConnectProxy {
    port: u16,
    /// The heads of the requests that it got.
    heads: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    fn new(status: u16, service: &Simulator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (noted, target) = (Arc::clone(&heads), service.url().replace("http://", ""));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (noted, target) = (Arc::clone(&noted), target.clone());
                thread::spawn(move || _ = serve(client.unwrap(), status, &target, &noted));
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    mut client: TcpStream,
    status: u16,
    target: &str,
    noted: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    noted.lock().unwrap().push(String::from_utf8(head).unwrap());
    write!(client, "HTTP/1.1 {status} Answer\r\n")?;
    if status != 200 {
        return write!(client, "Content-Length: 0\r\n\r\n");
    }
    client.write_all(b"\r\n")?;
    let mut service = TcpStream::connect(target)?;
    let (mut from, mut to) = (client.try_clone()?, service.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut service, &mut client)?;
    Ok(())
}

/// Authorizes at a host that only the proxy knows.
fn authorize_through(proxy: &str, service: &Simulator) -> Result<(), Error> {
    let clock = Clock::manual();
    let api = B2Api::builder(InMemoryAccountInfo::with_clock(clock.clone()))
        .clock(&clock)
        .proxy(Some(proxy))
        .allow_plain_http(true)
        .trust_host("127.0.0.1")
        .build()
        .unwrap();
    let (id, key) = (service.application_key_id(), service.application_key());
    api.authorize_account("http://b2.test", id, key)
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_with_the_credentials_of_its_url() {
    let service = Simulator::start().unwrap();
    let proxy = ConnectProxy::new(200, &service);
    let url = format!("http://user:s%40cret@127.0.0.1:{}", proxy.port);
    authorize_through(&url, &service).unwrap();
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with("CONNECT b2.test:80 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    // user:s@cret
    assert!(
        heads[0].contains("Proxy-Authorization: Basic dXNlcjpzQGNyZXQ=\r\n"),
        "{heads:?}"
    );
    assert!(
        !heads[0].contains("\r\nAuthorization"),
        "the key is not for the proxy"
    );
}

#[test]
fn a_proxy_that_does_not_accept_the_user_is_final_and_named() {
    let service = Simulator::start().unwrap();
    let proxy = ConnectProxy::new(407, &service);
    let url = format!("http://user:s3cret@127.0.0.1:{}", proxy.port);
    let error = authorize_through(&url, &service).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        matches!(error, Error::InvalidInput { what: "proxy", .. }),
        "{text}"
    );
    assert!(
        text.contains(&format!("127.0.0.1:{}", proxy.port)) && text.contains("407"),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!((proxy.heads().len(), service.log().total()), (1, 0));
}

#[test]
fn a_proxy_that_makes_no_connection_is_named_and_asked_again() {
    let service = Simulator::start().unwrap();
    let refusing = ConnectProxy::new(502, &service);
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (port, asked) in [(refusing.port, 8), (dead, 0)] {
        let error = authorize_through(&format!("http://user:s3cret@127.0.0.1:{port}"), &service);
        let Err(Error::Connection(failure)) = error else {
            panic!("{error:?}")
        };
        assert_eq!((failure.kind, failure.attempts), (TransportKind::Proxy, 8));
        assert_eq!(&*failure.host, format!("127.0.0.1:{port}"));
        let text = format!("{failure} {failure:?}");
        assert!(text.contains("proxy") && !text.contains("s3cret"), "{text}");
        assert_eq!(refusing.heads().len().min(asked), asked);
    }
}

#[test]
fn what_is_no_http_proxy_is_refused_before_anything_is_sent() {
    for url in [
        "socks5://127.0.0.1:1",
        "ftp://127.0.0.1",
        "",
        "http://",
        "http://127.0.0.1:1 ",
        "http://127.0.0.1:99999",
        "http://u:s3cret@127.0.0.1:99999",
        "http://127.0.0.1:8080x",
        "127.0.0.1:8080x",
        "http://127.0.0.1:0",
        "http://[::1]:65536",
    ] {
        let built = B2Api::builder(InMemoryAccountInfo::new())
            .proxy(Some(url))
            .build();
        assert!(
            matches!(built, Err(Error::InvalidInput { what: "proxy", .. })),
            "{url:?}"
        );
    }
}
