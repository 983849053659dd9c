//! The server on the wire, seen by a client that is nothing but a socket, with a service that knows
//! no B2. Read time-outs are watchdogs: no test waits for one.

mod client;
mod faults;
mod limits;
mod misbehaviour;

use std::io::{Read, repeat};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use client::{Answer, Client, End};
use hyper::HeaderMap;

use crate::model::operation::Operation;
use crate::simulator::faults::{Fault, Faults};
use crate::simulator::front::{Front, Limits, Server, Service, base_url, listen};
use crate::simulator::log::{LogEntry, RequestLog};
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};

const UPLOAD: &str = "/b2api/v4/b2_upload_file/x";
const LIST: &str = "/b2api/v4/b2_list_buckets";
const DOWNLOAD: &str = "/b2api/v4/b2_download_file_by_id";
const FILE_LENGTH: u64 = 3_000_000;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Uploads are read and counted, `/refuse` is refused unread, downloads are 3 MB of `a`.
#[derive(Default)]
struct Stub {
    effects: AtomicUsize,
}

impl Service for Stub {
    fn operation_of(&self, request: &Request) -> Option<Operation> {
        request.path.split('/').find_map(Operation::from_name)
    }

    fn file_name_of(&self, _: &Request) -> Option<String> {
        None
    }

    fn handle(&self, request: &Request, body: &mut dyn Read) -> Reply {
        match request.path.as_str() {
            "/refuse" => json(503, "{}"),
            "/panic" => panic!("asked to"),
            DOWNLOAD => Reply {
                body: ReplyBody::Stream(Box::new(repeat(b'a').take(FILE_LENGTH)), FILE_LENGTH),
                ..json(200, "")
            },
            _ => {
                let mut bytes = Vec::new();
                if body.read_to_end(&mut bytes).is_ok() {
                    self.effects.fetch_add(1, Ordering::Relaxed);
                }
                json(200, &format!("{{\"length\": {}}}", bytes.len()))
            }
        }
    }

    fn is_admin(&self, request: &Request) -> bool {
        request.path == "/admin"
    }

    fn administer(&self, _: &Request, body: &mut dyn Read, _: &RequestLog, _: &Faults) -> Reply {
        let mut text = String::new();
        body.read_to_string(&mut text).unwrap();
        json(200, &format!("administered {text}"))
    }

    fn status_page(&self, _: &Request, _: &RequestLog, _: &Faults) -> Reply {
        json(200, "the page")
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }
}

fn json(status: u16, text: &str) -> Reply {
    Reply {
        status,
        headers: vec![("X-Bz-Thing".to_owned(), "1".to_owned())],
        body: ReplyBody::Bytes(text.as_bytes().to_vec()),
    }
}

struct Running {
    _server: Server,
    port: u16,
    stub: Arc<Stub>,
    faults: Faults,
    log: RequestLog,
}

fn front(is_open: bool) -> Front {
    Front {
        service: Arc::new(Stub::default()),
        faults: Faults::default(),
        log: RequestLog::new(None),
        url: "http://127.0.0.1:1".to_owned(),
        is_open,
        admin_enabled: !is_open,
        public_url: None,
        trusts_forwarded: false,
        tls: None,
        limits: Limits::default(),
    }
}

fn start() -> Running {
    start_with(Limits::default())
}

fn start_with(limits: Limits) -> Running {
    let listener = listen(LOOPBACK, 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    let stub = Arc::new(Stub::default());
    let front = Front {
        service: Arc::<Stub>::clone(&stub),
        url: format!("http://127.0.0.1:{port}"),
        limits,
        ..front(false)
    };
    let (faults, log) = (front.faults.clone(), front.log.clone());
    Running {
        _server: Server::start(listener, front).unwrap(),
        port,
        stub,
        faults,
        log,
    }
}

impl Running {
    fn client(&self) -> Client {
        Client::connect(self.port)
    }

    fn with(fault: Fault) -> Self {
        let running = start();
        running.faults.inject(fault);
        running
    }

    fn effects(&self) -> usize {
        self.stub.effects.load(Ordering::Relaxed)
    }

    fn only_entry(&self) -> LogEntry {
        let mut entries = self.log.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    }
}

#[test]
fn a_connection_serves_many_requests() {
    let running = start();
    let mut client = running.client();
    for _ in 0..3 {
        let answer = client.call("POST", LIST, b"{}").unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(answer.header("Content-Length"), Some("13"));
        assert_eq!(answer.header("Connection"), None);
        assert_eq!(answer.body, b"{\"length\": 2}");
        // In lower case, as the names of file info have to arrive.
        assert!(answer.head.contains("x-bz-thing: 1"), "{}", answer.head);
    }
    assert_eq!(running.client().call("GET", LIST, b"").unwrap().status, 200);
    let connections: Vec<_> = running
        .log
        .entries()
        .iter()
        .map(|entry| entry.connection)
        .collect();
    assert_eq!(connections, [0, 0, 0, 1]);
    assert_eq!(running.log.count(Operation::ListBuckets), 4);
}

#[test]
fn a_refusal_before_continue_costs_no_byte_and_closes() {
    let running = start();
    let mut client = running.client();
    client
        .send(b"POST /refuse HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5000000\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (503, Some("close"))
    );
    assert_eq!(client.end(), End::Closed);
    let entry = running.only_entry();
    assert_eq!((entry.body_bytes, entry.expect_continue), (0, true));
}

#[test]
fn a_refused_client_that_sends_anyway_can_read_the_answer() {
    let running = start();
    let mut client = running.client();
    client.send(b"POST /refuse HTTP/1.1\r\ncontent-length: 600000\r\n\r\n");
    client.send(&[0; 600_000]);
    assert_eq!(client.answer().unwrap().status, 503);
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn continue_is_sent_when_the_service_reads() {
    let running = start();
    let mut client = running.client();
    client.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(b"abc");
    assert_eq!(client.answer().unwrap().body, b"{\"length\": 3}");
    assert_eq!(running.only_entry().body_bytes, 3);
}

#[test]
fn a_small_unread_body_does_not_cost_the_connection() {
    let running = start();
    let mut client = running.client();
    assert_eq!(
        client
            .call("POST", "/refuse", &[b'x'; 20_000])
            .unwrap()
            .status,
        503
    );
    assert_eq!(client.call("POST", LIST, b"{}").unwrap().status, 200);
}

#[test]
fn a_chunked_body_arrives() {
    let running = start();
    let mut client = running.client();
    client.send(
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer().unwrap().body, b"{\"length\": 5}");
    assert_eq!(client.call("GET", LIST, b"").unwrap().status, 200);
}

#[test]
fn an_answer_to_head_has_the_length_and_not_the_body() {
    let running = start();
    let mut client = running.client();
    let head = client.call("HEAD", DOWNLOAD, b"").unwrap();
    assert_eq!(head.header("Content-Length"), Some("3000000"));
    let refused = client.call("HEAD", "/refuse", b"").unwrap();
    assert_eq!(refused.header("Content-Length"), Some("2"));
    let answer = client.call("GET", DOWNLOAD, b"").unwrap();
    assert_eq!(answer.body.len(), 3_000_000);
    assert!(answer.body.iter().all(|byte| *byte == b'a'));
}

#[test]
fn a_panic_in_the_service_is_an_internal_error() {
    let answer = start().client().call("GET", "/panic", b"").unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("internal_error"));
}

#[test]
fn a_client_that_leaves_during_its_body_has_no_effect() {
    let running = start();
    let mut client = running.client();
    client.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(b"only this");
    client.half_close();
    assert_ne!(client.end(), End::Silent);
    drop(client);
    assert_eq!(running.effects(), 0);
    assert_eq!(running.only_entry().status, None);
}

#[test]
fn stopping_ends_connections_and_frees_the_port() {
    let running = Running::with(Fault::on(Operation::UploadFile).stall());
    let port = running.port;
    let mut stalled = running.client();
    stalled.request("POST", UPLOAD, b"data");
    let mut idle = running.client();
    idle.call("GET", LIST, b"").unwrap();
    // The service waits for the rest of this one.
    let mut uploading = running.client();
    uploading.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n");
    assert_eq!(uploading.answer().unwrap().status, 100);

    drop(running);
    for mut client in [stalled, idle, uploading] {
        assert_ne!(client.end(), End::Silent);
    }
    listen(LOOPBACK, port).unwrap();
}

/// The base URL for a request with these headers.
fn base_url_with(front: &Front, headers: &[(&'static str, &str)]) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    base_url(&map, front)
}

#[test]
fn the_base_url_follows_a_loopback_host_only() {
    let mut front = front(false);
    let own = front.url.clone();
    let of_host = |front: &Front, host: &str| base_url_with(front, &[("host", host)]);
    for host in [
        "localhost:80",
        "127.0.0.1:5",
        "[::1]:9",
        "[::1]",
        "127.8.9.1",
        "LOCALHOST",
    ] {
        assert_eq!(of_host(&front, host), format!("http://{host}"));
    }
    let others = ["example.com", "10.0.0.1:80", "[fe80::1]:80", "my_host:8080"];
    let nonsense = ["localhost:x", "a/b", "a@b", "a?", "a b", ":80", ""];
    for host in others.iter().chain(&nonsense) {
        assert_eq!(of_host(&front, host), own, "{host}");
    }
    assert_eq!(base_url_with(&front, &[]), own);

    front.is_open = true;
    for host in others {
        assert_eq!(of_host(&front, host), format!("http://{host}"));
    }
    for host in nonsense {
        assert_eq!(of_host(&front, host), own, "{host}");
    }
}

#[test]
fn forwarded_headers_count_only_if_they_are_trusted_and_a_public_url_always() {
    let mut front = front(false);
    let own = front.url.clone();
    let forwarded = [
        ("host", "sim:80"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "b2.example:8443"),
    ];
    assert_eq!(base_url_with(&front, &forwarded), own);
    front.trusts_forwarded = true;
    assert_eq!(base_url_with(&front, &forwarded), "https://b2.example:8443");
    assert_eq!(base_url_with(&front, &forwarded[..2]), "https://sim:80");
    assert_eq!(
        base_url_with(&front, &forwarded[2..]),
        "http://b2.example:8443"
    );
    // What is no scheme and no host changes nothing.
    let nonsense = [("x-forwarded-proto", "ftp"), ("x-forwarded-host", "a/b")];
    assert_eq!(base_url_with(&front, &nonsense), own);
    assert_eq!(base_url_with(&front, &forwarded[..1]), own);
    front.public_url = Some("https://public.example/b2".to_owned());
    assert_eq!(
        base_url_with(&front, &forwarded),
        "https://public.example/b2"
    );
    assert_eq!(base_url_with(&front, &[]), "https://public.example/b2");
}

#[test]
fn two_hosts_are_refused_whatever_they_ask_for() {
    let running = start();
    for path in ["/", "/admin", "/x"] {
        for hosts in [
            ["127.0.0.1", "evil.example"],
            ["evil.example", "127.0.0.1"],
            ["a", "a"],
        ] {
            let mut client = running.client();
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nHost: {}\r\n\r\n",
                hosts[0], hosts[1]
            );
            client.send(head.as_bytes());
            assert_eq!(client.answer().unwrap().status, 400, "{hosts:?}");
        }
    }
}

#[test]
fn a_hundred_uploads_run_at_once() {
    let running = start();
    let head = b"POST /b2api/v4/b2_upload_file/x HTTP/1.1\r\ncontent-length: 10\r\n\r\n12345";
    let mut clients: Vec<_> = (0..100).map(|_| running.client()).collect();
    for client in &mut clients {
        client.send(head);
    }
    for client in clients.iter_mut().rev() {
        client.send(b"67890");
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(running.log.count(Operation::UploadFile), 100);
}

#[test]
fn the_page_is_for_this_machine_and_is_no_request_to_the_service() {
    let running = Running::with(Fault::on_any().status(503, "a", ""));
    let ask = |line: &str, host: &str| {
        let mut client = running.client();
        client.send(format!("{line} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        client.broken_answer().0
    };
    let host = format!("localhost:{}", running.port);
    assert_eq!(ask("GET /?reload", &host).text(), "the page");
    assert_eq!(ask("HEAD /", &host).header("Content-Length"), Some("8"));
    assert_eq!((running.log.total(), running.faults.remaining()), (0, 1));
    // Whatever else asks is a request like any other; the first of them meets the fault.
    let mut client = running.client();
    assert_eq!(client.call("GET", "/", b"").unwrap().status, 503);
    for (line, host) in [
        ("GET /", "rebound.example"),
        ("POST /", "localhost"),
        ("GET //", "localhost"),
    ] {
        client.send(format!("{line} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        assert_ne!(client.answer().unwrap().text(), "the page", "{line} {host}");
    }
    assert_eq!(running.log.total(), 4);
}

#[test]
fn admin_calls_are_for_this_machine_and_are_no_requests_to_the_service() {
    let running = Running::with(Fault::on_any().status(503, "a", ""));
    let mut client = running.client();
    let answer = client.call("POST", "/admin", b"something").unwrap();
    assert_eq!(answer.text(), "administered something");
    // The connection serves on.
    client.send(b"POST /admin HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(b"x");
    assert_eq!(client.answer().unwrap().text(), "administered x");
    assert_eq!((running.log.total(), running.faults.remaining()), (0, 1));

    for (address, expected) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:192.0.2.1", false),
        ("192.0.2.1", false),
        ("0.0.0.0", false),
        ("fe80::1", false),
    ] {
        let is_local = super::connection::is_local(address.parse().unwrap());
        assert_eq!(is_local, expected, "{address}");
    }
}
