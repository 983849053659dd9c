//! What the server does not put up with. Short times here only make the server act soon.

use std::time::Duration;

use super::client::End;
use super::{DOWNLOAD, LIST, Running, UPLOAD, start, start_with};
use crate::simulator::front::Limits;

const SOON: Duration = Duration::from_millis(50);

#[test]
fn a_head_that_is_too_large_is_refused() {
    let running = start();
    let mut client = running.client();
    let value = "x".repeat(70_000);
    client.send(format!("GET {LIST} HTTP/1.1\r\nx: {value}\r\n\r\n").as_bytes());
    assert_eq!(client.answer().unwrap().status, 431);
    assert_ne!(client.end(), End::Silent);
    assert_eq!(running.log.total(), 0);
}

#[test]
fn a_head_without_end_is_not_read_to_its_end() {
    let running = start();
    let mut client = running.client();
    client.send(format!("GET {LIST} HTTP/1.1\r\n").as_bytes());
    for _ in 0..200 {
        client.send(&b"x: y\r\n".repeat(1000));
    }
    assert_ne!(client.end(), End::Silent);
}

#[test]
fn too_many_headers_are_refused() {
    let running = start();
    let head = |headers: usize| {
        let lines = "x: y\r\n".repeat(headers);
        format!("GET {LIST} HTTP/1.1\r\n{lines}\r\n").into_bytes()
    };
    let mut client = running.client();
    client.send(&head(250));
    assert_eq!(client.answer().unwrap().status, 200);
    client.send(&head(260));
    assert_eq!(client.answer().unwrap().status, 431);
    assert_ne!(client.end(), End::Silent);
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let running = start();
    let mut client = running.client();
    let path = format!("/file/{}", "x".repeat(16_000));
    assert_eq!(client.call("POST", &path, b"").unwrap().status, 200);
    let query = "y".repeat(1000);
    let answer = client
        .call("POST", &format!("{path}?{query}"), b"")
        .unwrap();
    assert_eq!(answer.status, 414);
    // Neither served nor kept whole.
    assert_eq!(running.effects(), 1);
    assert!(
        running
            .log
            .entries()
            .iter()
            .all(|entry| entry.path.len() <= 4096)
    );
}

/// Comes again until there is a place.
fn until_served(running: &Running) {
    let is_served = |_: &u32| {
        let answer = running.client().call("GET", LIST, b"");
        answer.is_ok_and(|answer| answer.status == 200)
    };
    assert!((0..20_000).any(|attempt| is_served(&attempt)));
}

#[test]
fn a_connection_too_many_is_told_so() {
    let running = start_with(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut clients = [running.client(), running.client()];
    for client in &mut clients {
        assert_eq!(client.call("GET", LIST, b"").unwrap().status, 200);
    }
    let mut refused = running.client();
    refused.request("GET", LIST, b"");
    let answer = refused.answer().unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert!(answer.text().contains("too many connections"));
    assert_ne!(refused.end(), End::Silent);

    let [first, mut second] = clients;
    drop(first);
    // Its place is free as soon as the server has seen it leave.
    until_served(&running);
    assert_eq!(second.call("GET", LIST, b"").unwrap().status, 200);
}

#[test]
fn a_head_that_comes_too_slowly_ends_the_connection() {
    let running = start_with(Limits {
        head_time: SOON,
        ..Limits::default()
    });
    let mut silent = running.client();
    let mut slow = running.client();
    slow.send(format!("GET {LIST} HTTP/1.1\r\n").as_bytes());
    let mut idle = running.client();
    assert_eq!(idle.call("GET", LIST, b"").unwrap().status, 200);
    for client in [&mut silent, &mut slow, &mut idle] {
        assert_ne!(client.end(), End::Silent);
    }
    assert_eq!(running.log.total(), 1);
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let running = start_with(Limits {
        idle_time: SOON,
        ..Limits::default()
    });
    let mut client = running.client();
    client.send(format!("POST {UPLOAD} HTTP/1.1\r\ncontent-length: 10\r\n\r\n12345").as_bytes());
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.text().contains("request_timeout"));
    assert_ne!(client.end(), End::Silent);
    assert_eq!(running.effects(), 0);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let running = start_with(Limits {
        connections: 1,
        idle_time: SOON,
        ..Limits::default()
    });
    let mut deaf = running.client();
    // More than sockets hold.
    for _ in 0..20 {
        deaf.request("GET", DOWNLOAD, b"");
    }
    // There is no place for anybody else until it is.
    until_served(&running);
}
