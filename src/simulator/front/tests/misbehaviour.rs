//! Slow, half-closed, over-long: faults of which the shape of what arrives is the point.

use std::time::Duration;

use super::client::{Client, End};
use super::{DOWNLOAD, FILE_LENGTH, LIST, Running, UPLOAD, start};
use crate::simulator::faults::{Fault, Shaping};

const WITH_CONTINUE: &[u8] =
    b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n";
const WITHOUT_CONTINUE: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 5000000\r\n\r\n";

fn words(text: &str) -> Fault {
    text.parse().unwrap()
}

const OTHERS: usize = 5;

/// Another connection is served a few times during that.
fn let_others_pass(running: &Running) {
    for _ in 0..OTHERS {
        running.client().call("GET", LIST, b"").unwrap();
    }
}

#[test]
fn a_half_closed_connection_takes_what_is_sent() {
    for (fault, is_taken) in [("* half-close", true), ("* close", false)] {
        let running = Running::with(words(fault));
        let mut client = running.client();
        client.send(WITHOUT_CONTINUE);
        client.send(&[0; 1000]);
        assert_ne!(client.end(), End::Silent, "{fault}");
        // More than the system keeps for a connection whose other end is about to close.
        let pieces = if is_taken { 40 } else { 10_000 };
        let sent = (0..pieces).all(|_| client.try_send(&[0; 100_000]).is_ok());
        assert_eq!(sent, is_taken, "{fault}");
        let entry = running.only_entry();
        assert_eq!((entry.status, running.effects()), (None, 0));
    }
}

#[test]
fn an_answer_may_be_half_closed_at_any_byte() {
    let running = Running::with(words("* half-close-at=70000"));
    let mut client = running.client();
    client.request("GET", DOWNLOAD, b"");
    let (answer, end) = client.broken_answer();
    assert_eq!((answer.body.len(), end), (70_000, End::Closed));
    assert!((0..40).all(|_| client.try_send(&[0; 100_000]).is_ok()));
}

#[test]
fn a_rejection_may_come_before_and_after_the_leave_to_send() {
    let running = Running::with(words("* status=503"));
    running.faults.inject(words("* continue status=503"));
    running.faults.inject(words("* read=1000 status=503"));
    for (continues, body) in [(false, 0), (true, 0), (true, 1000)] {
        let mut client = running.client();
        client.send(WITH_CONTINUE);
        if continues {
            assert_eq!(client.answer().unwrap().status, 100);
        }
        client.send(&vec![0; body]);
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("Connection"), Some("close"));
        assert_eq!(client.end(), End::Closed);
        let entries = running.log.entries();
        assert_eq!(entries.last().unwrap().body_bytes, body as u64);
    }
    assert_eq!(running.effects(), 0);
}

#[test]
fn a_rejection_without_the_question_comes_while_the_body_is_sent() {
    let running = Running::with(words("* status=503"));
    running.faults.inject(words("* continue status=503"));
    for _ in 0..2 {
        let mut client = running.client();
        client.send(WITHOUT_CONTINUE);
        assert_eq!(client.answer().unwrap().status, 503);
        assert_eq!(running.log.entries()[0].body_bytes, 0);
    }
}

#[test]
fn reading_may_stop_at_any_byte_of_the_body() {
    for (fault, continues, read) in [
        ("* method=POST stall", false, 0),
        ("* method=POST continue stall", true, 0),
        ("* method=POST read=1000 stall", true, 1000),
    ] {
        let running = Running::with(words(fault));
        let mut client = running.client();
        client.send(WITH_CONTINUE);
        if continues {
            assert_eq!(client.answer().unwrap().status, 100, "{fault}");
        }
        client.send(&[0; 5000]);
        let_others_pass(&running);
        client.half_close();
        assert_ne!(client.end(), End::Silent, "{fault}");
        let mut entries = running.log.entries();
        entries.retain(|entry| entry.method == "POST");
        assert_eq!((entries[0].status, entries[0].body_bytes), (None, read));
        assert_eq!(running.effects(), OTHERS, "{fault}");
    }
}

#[test]
fn reading_that_stops_makes_the_client_wait() {
    let running = Running::with(words("* read=1000 stall"));
    let mut client = running.client();
    client.send(WITHOUT_CONTINUE);
    // More than all buffers between us hold.
    let mut taken = 0_u64;
    while let Some(bytes) = client.send_what_fits(&[0; 100_000]) {
        taken += bytes;
        assert!(taken < 1_000_000_000, "everything was read");
    }
    assert!(taken >= 1000);
}

#[test]
fn bytes_behind_an_answer_stand_before_the_next_one() {
    let running = start();
    for (fault, path, length) in [
        ("* surplus=7", LIST, 13),
        ("* surplus=7", DOWNLOAD, 3_000_000),
        ("* status=200 body= surplus=7", LIST, 0),
    ] {
        running.faults.inject(words(fault));
        let mut client = running.client();
        let answer = client.call("GET", path, b"").unwrap();
        assert_eq!(answer.header("Content-Length"), Some(&*length.to_string()));
        assert_eq!(answer.body.len(), length);
        assert!(!answer.body.contains(&b'x'));
        assert_eq!(client.take(7), b"xxxxxxx");
        // The connection goes on.
        assert_eq!(client.call("GET", LIST, b"").unwrap().status, 200);
    }
}

#[test]
fn a_long_surplus_comes_as_a_whole_and_not_to_head() {
    let running = Running::with(words("* surplus=300000 times=2"));
    let mut client = running.client();
    let answer = client.call("HEAD", DOWNLOAD, b"").unwrap();
    assert_eq!(answer.header("Content-Length"), Some("3000000"));
    client.call("GET", LIST, b"").unwrap();
    assert!(client.take(300_000).iter().all(|byte| *byte == b'x'));
    assert_eq!(client.call("GET", LIST, b"").unwrap().status, 200);
}

#[test]
fn an_answer_of_no_promised_length_may_be_too_long() {
    let running = Running::with(words("* status=200 body=abc chunked surplus=7"));
    let mut client = running.client();
    client.request("GET", LIST, b"");
    let answer = client.head_and(25);
    assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(answer.text(), "3\r\nabc\r\n7\r\nxxxxxxx\r\n0\r\n\r\n");

    running
        .faults
        .inject(words("* status=200 body=abc no-length surplus=7"));
    let mut client = running.client();
    client.request("GET", LIST, b"");
    let (answer, end) = client.broken_answer();
    assert_eq!((answer.text(), end), ("abcxxxxxxx".to_owned(), End::Closed));

    let promised = "* status=200 body=abc header=content-length:10 surplus=7";
    running.faults.inject(words(promised));
    let mut client = running.client();
    assert_eq!(client.call("GET", LIST, b"").unwrap().text(), "abcxxxxxxx");
    assert_eq!(client.call("GET", LIST, b"").unwrap().status, 200);
}

fn never_whole(running: Running) {
    let mut client = running.client();
    client.request("GET", DOWNLOAD, b"");
    assert_eq!(client.head_and(1).body, b"a");
    drop(running);
    assert_ne!(client.end(), End::Silent);
    assert!(client.buffered() < 1000, "{}", client.buffered());
}

#[test]
fn an_answer_may_drip() {
    never_whole(Running::with(words("* rate=20")));
    let running = start();
    running.faults.shape(Shaping::new().download_rate(20));
    never_whole(running);

    let running = Running::with(words("* rate=20000000"));
    let answer = running.client().call("GET", DOWNLOAD, b"").unwrap();
    assert_eq!(answer.body.len() as u64, FILE_LENGTH);
    assert!(answer.body.iter().all(|byte| *byte == b'a'));
}

#[test]
fn a_dripping_answer_breaks_off_and_changes_where_it_should() {
    let running = Running::with(words("* rate=2000000 corrupt=150001 truncate=150003"));
    let mut client = running.client();
    client.request("GET", DOWNLOAD, b"");
    let (answer, end) = client.broken_answer();
    assert_eq!((answer.body.len(), end), (150_003, End::Closed));
    let changed = (0..150_003).filter(|at| answer.body[*at] != b'a');
    assert_eq!(changed.collect::<Vec<_>>(), [150_001]);
}

fn never_read(running: Running) {
    let mut client = running.client();
    client.send(WITH_CONTINUE);
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(&[0; 5000]);
    let_others_pass(&running);
    let log = running.log.clone();
    drop(running);
    assert_ne!(client.end(), End::Silent);
    let mut entries = log.entries();
    entries.retain(|entry| entry.method == "POST");
    assert_eq!((entries.len(), entries[0].status), (1, None));
    assert!(entries[0].body_bytes < 5000, "{entries:?}");
}

#[test]
fn a_request_may_be_read_slowly() {
    never_read(Running::with(words("* read-rate=1")));
    let running = start();
    running.faults.shape(Shaping::new().upload_rate(1));
    never_read(running);

    let running = Running::with(words("* read-rate=1000000"));
    let answer = running
        .client()
        .call("POST", UPLOAD, &[1; 100_000])
        .unwrap();
    assert_eq!(answer.text(), "{\"length\": 100000}");
    assert_eq!(running.only_entry().body_bytes, 100_000);
    // At that rate, so long it takes at least.
    assert!(running.only_entry().elapsed >= Duration::from_millis(100));
}

#[test]
fn requests_may_wait_before_anything_happens() {
    let running = Running::with(words("* method=POST delay=60000"));
    let mut late: Client = running.client();
    late.request("POST", UPLOAD, b"");
    let_others_pass(&running);
    drop(late);

    let wait = Duration::from_millis(30);
    for (own, shared) in [(true, false), (false, true)] {
        if own {
            running.faults.inject(Fault::on_any().delay(wait));
        }
        if shared {
            running.faults.shape(Shaping::new().latency(wait));
        }
        running.log.clear();
        let answer = running.client().call("POST", UPLOAD, b"data").unwrap();
        assert_eq!(answer.text(), "{\"length\": 4}");
        let entries = running.log.entries();
        let mut posts = entries
            .iter()
            .filter(|e| e.method == "POST" && e.status.is_some());
        assert!(posts.next().unwrap().elapsed >= wait);
    }
}
