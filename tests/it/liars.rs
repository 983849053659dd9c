//! Servers that answer with anything but what they should. Each kind of lie, told in the place of each of a few
//! answers, ends in an error after bounded time and a bounded number of requests: nothing hangs, no wrong file is
//! left, and no message shows a secret.

mod listings;
mod part_sizes;

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, Error, InMemoryAccountInfo, LsOptions, RetryPolicy, Timeouts};

use crate::support::{BUCKET, noise};

/// How a connection is answered.
type Lie = fn(&mut TcpStream) -> io::Result<()>;

fn say(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())
}

/// Sends a piece again and again, with pauses, until the client has had enough.
fn drip(stream: &mut TcpStream, start: &str, piece: &str) -> io::Result<()> {
    say(stream, start)?;
    loop {
        say(stream, piece)?;
        // The client's limits are of real time here, because those of a socket are.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

const LIES: [(&str, Lie); 19] = [
    ("nothing", |_| Ok(())),
    ("half a status line", |s| say(s, "HTTP/1.1 2")),
    ("no HTTP", |s| say(s, "SSH-2.0-OpenSSH_9.6\r\n")),
    ("HTML", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
        )
    }),
    ("no JSON", |s| {
        say(s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]")
    }),
    ("an empty answer", |s| {
        say(s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    }),
    ("an empty object", |s| {
        say(s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    }),
    ("a redirect", |s| {
        say(
            s,
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        )
    }),
    ("a redirect to itself", |s| {
        say(
            s,
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        )
    }),
    ("a huge length", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{",
        )
    }),
    ("two lengths", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
        )
    }),
    ("an early end", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"buckets\":",
        )
    }),
    ("chunks that are none", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        )
    }),
    ("a chunk that is huge", |s| {
        say(
            s,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        )
    }),
    ("gzip that nobody asked for", |s| {
        s.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
    }),
    ("headers without end", |s| {
        say(s, "HTTP/1.1 200 OK\r\n")?;
        loop {
            say(s, "X-More: and more, and more, and more\r\n")?;
        }
    }),
    ("informational answers without end", |s| {
        loop {
            say(s, "HTTP/1.1 103 Early Hints\r\n\r\n")?;
        }
    }),
    ("headers that drip", |s| {
        drip(s, "HTTP/1.1 200 OK\r\nX-Slow: ", "y")
    }),
    ("a body that drips", |s| {
        drip(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{", " ")
    }),
];

/// In front of a simulator: passes requests on, except for those whose path contains a word.
struct Liar {
    url: String,
    told: Arc<AtomicUsize>,
}

impl Liar {
    fn start(listener: TcpListener, service: String, path: &'static str, lie: Lie) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (service, counted) = (service.clone(), Arc::clone(&counted));
                std::thread::spawn(move || _ = answer(stream, &service, path, lie, &counted));
            }
        });
        Self { url, told }
    }
}

/// Answers one request, and closes the connection.
fn answer(
    mut stream: TcpStream,
    service: &str,
    path: &str,
    lie: Lie,
    told: &AtomicUsize,
) -> io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if request.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    if head.lines().next().unwrap_or("").contains(path) {
        told.fetch_add(1, Ordering::SeqCst);
        return lie(&mut stream);
    }
    let mut behind = TcpStream::connect(service)?;
    write!(head, "Connection: close\r\n\r\n").unwrap();
    behind.write_all(head.as_bytes())?;
    behind.write_all(&body)?;
    io::copy(&mut behind, &mut stream).map(drop)
}

/// What a lie is told in the place of, and what asks for it.
const ANSWERS: [&str; 6] = [
    "b2_authorize_account",
    "b2_list_buckets",
    "b2_list_file_names",
    "b2_get_upload_url",
    "b2_upload_file",
    "/file/",
];

fn ask(api: &B2Api, url: &str, key: (&str, &str), saved: &std::path::Path) -> Result<(), Error> {
    api.authorize_account(url, key.0, key.1)?;
    let bucket = api.get_bucket_by_name(BUCKET)?;
    bucket.upload_bytes(&noise(1000), "new")?;
    let listed = bucket.ls_with("", &LsOptions::new().recursive(true))?;
    let names: Result<Vec<_>, Error> = listed.map(|entry| Ok(entry?.version.file_name)).collect();
    assert_eq!(names?, ["new", "x"]);
    bucket.download_file_by_name("x")?.save_to(saved).map(drop)
}

fn text_of(error: &Error) -> String {
    let mut text = format!("{error:?}\n{error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        write!(text, "\n{inner}").unwrap();
        source = inner.source();
    }
    text
}

#[test]
fn whatever_a_server_answers_ends_in_an_error_soon_and_leaves_no_file() {
    let runs = |path: &'static str| {
        for (what, lie) in LIES {
            lied_to(path, what, lie);
        }
    };
    std::thread::scope(|scope| {
        for path in ANSWERS {
            scope.spawn(move || runs(path));
        }
    });
}

fn lied_to(path: &'static str, what: &str, lie: Lie) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = format!("http://{}", listener.local_addr().unwrap());
    let service = Simulator::builder().public_url(&front).start().unwrap();
    let members = serde_json::json!({});
    service.plant_bucket(BUCKET, &members).unwrap();
    let file = serde_json::json!({ "fileName": "x", "content": "x" });
    service.plant_file(BUCKET, &file).unwrap();
    let (id, key) = (service.application_key_id(), service.application_key());
    let liar = Liar::start(listener, service.local_addr().to_string(), path, lie);
    let idle = Duration::from_millis(150);
    let limits = Timeouts::default().idle(idle).slow_idle(idle);

    let policy = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let api = B2Api::builder(InMemoryAccountInfo::new())
        .timeouts(limits)
        .retry(policy);
    let api = api.build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    let outcome = ask(&api, &liar.url, (id, key), &saved);
    let case = format!("{what} in place of {path}");
    let told = liar.told.load(Ordering::SeqCst);
    let error = match outcome {
        Ok(()) => panic!("{case}: no error"),
        Err(error) => error,
    };
    assert!((1..=40).contains(&told), "{case}: {told} requests");
    let text = text_of(&error);
    assert!(!text.contains(key), "{case}: {text}");
    let token = api.account_info().auth().unwrap();
    if let Some(token) = token {
        let token = token.auth().token.expose();
        assert!(!text.contains(token), "{case}: {text}");
    }
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{case}: {left:?}");
}
