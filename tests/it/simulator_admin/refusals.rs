//! Whom the admin endpoint refuses, and what is no call of it.

use std::net::UdpSocket;

use b2sdk::simulator::Simulator;
use serde_json::json;

use super::{ask, ask_with, exchange, ok, refused};

#[test]
fn what_a_browser_may_have_been_made_to_send_is_refused() {
    let service = Simulator::start().unwrap();
    let port = service.url().rsplit_once(':').unwrap().1;
    for headers in [
        "Host: localhost\r\nOrigin: http://evil.example\r\n".to_owned(),
        "Host: localhost\r\nOrigin: null\r\n".to_owned(),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"),
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n".to_owned(),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: localhost.evil.example:{port}\r\n"),
        String::new(),
    ] {
        for (line, body) in [("POST /faults", "* stall"), ("GET /log", "")] {
            let (status, answer) = ask_with(&service, line, &headers, body);
            assert_eq!(status, 403, "{headers}: {answer}");
        }
    }
    assert!(service.faults().list().is_empty());
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "LOCALHOST",
        "127.0.0.1:80",
    ] {
        let (status, _) = ask_with(&service, "GET /log", &format!("Host: {host}\r\n"), "");
        assert_eq!(status, 200, "{host}");
    }
}

#[test]
fn what_is_no_admin_call_is_refused() {
    let service = Simulator::start().unwrap();
    for (line, body, status) in [
        ("GET /nothing", "", 404),
        ("PUT /faults", "* stall", 404),
        ("DELETE /clock", "", 404),
        ("GET /faults/1/2", "", 404),
        ("POST /caps", "colour=1", 400),
        ("POST /caps", "storage", 400),
        ("POST /caps", "storage=1 storage=2", 400),
        ("POST /settings", "max-buckets=none", 400),
        ("POST /settings", "custom-timestamps=yes", 400),
        ("POST /clock", "to=yesterday", 400),
        ("POST /clock", "to=0", 400),
        ("POST /clock", "to=system advance=1", 400),
        ("POST /chaos", "seed=x", 400),
        ("GET /log?last=x", "", 400),
        ("DELETE /faults/x", "", 404),
    ] {
        assert_eq!(refused(&service, line, body).0, status, "{line} {body}");
    }
    let host = "Host: localhost\r\n";
    let not_utf8 = ask_with(&service, "POST /faults", host, b"* stall\xff");
    assert_eq!(not_utf8.0, 400);
    let too_long = ask_with(&service, "POST /faults", host, vec![b' '; 100_000]);
    assert_eq!(too_long.0, 400);
    assert!(service.faults().list().is_empty());
}

#[test]
fn it_can_be_left_out_and_is_where_others_can_connect() {
    let closed = Simulator::builder().admin(false).start().unwrap();
    let open = || Simulator::builder().listen([0, 0, 0, 0]);
    for service in [closed, open().start().unwrap()] {
        let (status, answer) = ask(&service, "POST /faults", "* stall");
        assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
        assert!(service.faults().list().is_empty());
        assert_eq!(service.log().total(), 1, "it is a path like any other");
    }
    let service = open().admin(true).start().unwrap();
    ok(&service, "POST /faults", "* stall");
    assert_eq!(service.log().total(), 0);
}

/// An address of this machine by which others reach it. Nothing is sent to find it.
fn address_for_others() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    Some(address).filter(|address| !address.is_loopback())
}

#[test]
fn a_client_that_is_not_on_this_machine_gives_no_orders() {
    let service = Simulator::builder()
        .listen([0, 0, 0, 0])
        .admin(true)
        .start()
        .unwrap();
    // A machine that has no such address is reached by nobody else.
    let Some(address) = address_for_others() else {
        return;
    };
    let port = service.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let request = "POST /.simulator/faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Content-Length: 7\r\n\r\n* stall";
    let answer = exchange((address, port), request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(service.faults().list().is_empty());
    assert_eq!(service.log().total(), 1);
}
