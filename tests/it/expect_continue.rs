//! Asking for leave (`Expect: 100-continue`) at pods that do not play along.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use b2sdk::simulator::Fault;
use b2sdk::{Error, Operation, Timeouts};

use crate::support::{World, noise};

/// Serves uploads; tells of each whether it asked for leave.
fn pod(answer_to_expect: &'static [u8]) -> (String, Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/b2api/v4/b2_upload_file/pod",
        listener.local_addr().unwrap()
    );
    let (asked, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, asked) = (stream.unwrap(), asked.clone());
            std::thread::spawn(move || _ = serve(stream, answer_to_expect, &asked));
        }
    });
    (url, seen)
}

/// Takes uploads until the connection ends.
fn serve(stream: TcpStream, answer_to_expect: &[u8], asked: &Sender<bool>) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let (mut length, mut expects) = (0, false);
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            expects |= line == "expect: 100-continue";
            if line.is_empty() {
                break;
            }
        }
        asked.send(expects).unwrap();
        if expects {
            answers.write_all(answer_to_expect)?;
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        let (content, sha1) = body.split_at(length - 40);
        let version = serde_json::json!({
            "action": "upload", "fileId": "4_zpod", "fileName": "x", "uploadTimestamp": 1,
            "contentLength": content.len(), "contentSha1": std::str::from_utf8(sha1).unwrap(),
        });
        let version = version.to_string();
        write!(
            answers,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{version}",
            version.len()
        )?;
    }
}

fn world(url: String) -> World {
    let timeouts = Timeouts::default()
        .await_continue(Duration::from_millis(50))
        .idle(Duration::from_secs(2));
    let world = World::with(|builder| builder.timeouts(timeouts));
    world.inject(
        Fault::on(Operation::GetUploadUrl)
            .always()
            .edit_json(move |json| json["uploadUrl"] = url.clone().into()),
    );
    world
}

#[test]
fn a_pod_that_does_not_answer_gets_the_body_all_the_same_and_is_soon_not_asked_again() {
    let (url, asked) = pod(b"");
    let world = world(url);
    let data = noise(2 << 20);
    for _ in 0..4 {
        let uploaded = world.bucket.upload_bytes(&data, "x").unwrap();
        assert_eq!(
            (uploaded.version().content_length, uploaded.retries()),
            (2 << 20, 0)
        );
    }
    assert_eq!(
        asked.try_iter().collect::<Vec<_>>(),
        [true, true, false, false]
    );
}

#[test]
fn a_pod_that_answers_is_asked_each_time() {
    let (url, asked) = pod(b"HTTP/1.1 100 Continue\r\n\r\n");
    let world = world(url);
    let data = noise(2 << 20);
    for _ in 0..4 {
        world.bucket.upload_bytes(&data, "x").unwrap();
    }
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [true; 4]);
}

#[test]
fn a_pod_whose_answer_cannot_be_read_costs_attempts_but_not_the_upload() {
    let (url, asked) = pod(b"HTTP/1.1 100 Continue\r\nServer: odd\r\n\r\n");
    let world = world(url);
    let uploaded = world.bucket.upload_bytes(&noise(2 << 20), "x").unwrap();
    assert_eq!(uploaded.retries(), 1);
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [true, false]);
}

/// The pod keeps the connection open, and nothing was read over it before.
#[test]
fn a_refusal_before_the_body_is_heard_at_once_although_the_connection_stays_open() {
    let body = r#"{"status": 403, "code": "storage_cap_exceeded", "message": ""}"#;
    let length = body.len();
    let refusal = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\n\r\n{body}");
    let (url, asked) = pod(refusal.leak().as_bytes());
    let world = world(url);
    let error = world.bucket.upload_bytes(&noise(2 << 20), "x").unwrap_err();
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [true]);
}

#[test]
fn a_pod_that_does_not_know_the_question_is_not_asked_again_and_gets_the_body() {
    let (url, asked) =
        pod(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let world = world(url);
    let data = noise(2 << 20);
    for retries in [1, 0] {
        let uploaded = world.bucket.upload_bytes(&data, "x").unwrap();
        assert_eq!(uploaded.retries(), retries);
    }
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [true, false, false]);
}
