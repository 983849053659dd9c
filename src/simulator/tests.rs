//! The simulator as its users have it.

mod safety;
mod status;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Fault, KeyRequest, Simulator};
use crate::model::operation::Operation;

/// Sends one request on a connection of its own; returns the answer's head and body.
fn send(
    simulator: &Simulator,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let address = simulator.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let watchdog = Some(Duration::from_secs(10));
    stream.set_read_timeout(watchdog).unwrap();
    let length = body.len();
    let mut request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn get(simulator: &Simulator, path: &str) -> String {
    send(simulator, &format!("GET {path}"), &[], "").0
}

fn call(simulator: &Simulator, name: &str, token: &str, body: Value) -> Value {
    let line = format!("POST /b2api/v4/{name}");
    let (head, answer) = send(
        simulator,
        &line,
        &[("authorization", token)],
        &body.to_string(),
    );
    assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}\n{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn authorize(simulator: &Simulator, id: &str, key: &str) -> String {
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
    call(simulator, "b2_authorize_account", &basic, json!({}))["authorizationToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn make_bucket(simulator: &Simulator, token: &str, name: &str) -> Value {
    let account = simulator.account_id();
    let wanted = json!({"accountId": account, "bucketName": name, "bucketType": "allPrivate"});
    call(simulator, "b2_create_bucket", token, wanted)
}

/// Uploads a text and returns the status.
fn upload(simulator: &Simulator, target: &Value, name: &str, text: &str) -> String {
    let url = target["uploadUrl"].as_str().unwrap();
    let line = format!("POST {}", url.strip_prefix(simulator.url()).unwrap());
    let headers = [
        (
            "authorization",
            target["authorizationToken"].as_str().unwrap(),
        ),
        ("x-bz-file-name", name),
        ("content-type", "text/plain"),
        ("x-bz-content-sha1", "do_not_verify"),
    ];
    let (head, _) = send(simulator, &line, &headers, text);
    head.split(' ').nth(1).unwrap().to_owned()
}

fn port(simulator: &Simulator) -> u16 {
    simulator
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap()
}

fn failure(result: io::Result<Simulator>) -> io::Error {
    result.expect_err("must not start")
}

#[test]
fn it_can_be_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Simulator>();
}

#[test]
fn it_answers_until_it_is_stopped() {
    let simulator = Simulator::start().unwrap();
    assert!(get(&simulator, "/b2api/v4/b2_no_such_thing?a=b").starts_with("HTTP/1.1 4"));
    assert_eq!(
        simulator.log().entries()[0].path,
        "/b2api/v4/b2_no_such_thing"
    );
    let (port, log) = (port(&simulator), simulator.log());
    simulator.stop();
    TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(log.total(), 1);
}

#[test]
fn what_is_uploaded_can_be_downloaded_and_is_in_the_log() {
    let simulator = Simulator::start().unwrap();
    let token = authorize(
        &simulator,
        simulator.application_key_id(),
        simulator.application_key(),
    );
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted);

    let lost = Fault::on(Operation::UploadFile).status(503, "service_unavailable", "");
    simulator.faults().inject(lost);
    assert_eq!(upload(&simulator, &target, "a%20b", "hello"), "503");
    assert_eq!(upload(&simulator, &target, "a%20b", "hello"), "200");
    let headers = [("authorization", token.as_str())];
    let (_, text) = send(&simulator, "GET /file/my-bucket/a%20b", &headers, "");
    assert_eq!(text, "hello");

    let counts = simulator.log().counts();
    assert_eq!(counts["b2_upload_file"], 2);
    assert_eq!(counts["b2_download_file_by_name"], 1);
    let uploads = simulator.log().entries();
    let stored = uploads.iter().find(|entry| entry.body_bytes == 5).unwrap();
    assert_eq!(stored.file_name.as_deref(), Some("a b"));
    assert!(
        stored
            .upload_url
            .as_deref()
            .unwrap()
            .contains("b2_upload_file")
    );
    for secret in [
        token.as_str(),
        target["authorizationToken"].as_str().unwrap(),
    ] {
        assert!(!format!("{uploads:?}").contains(secret));
    }
}

#[test]
fn an_upload_whose_answer_is_lost_is_stored() {
    let simulator = Simulator::start().unwrap();
    let token = authorize(
        &simulator,
        simulator.application_key_id(),
        simulator.application_key(),
    );
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted.clone());
    let changed = Fault::on(Operation::UploadFile)
        .after_effect()
        .status(500, "internal_error", "");
    simulator.faults().inject(changed);
    assert_eq!(upload(&simulator, &target, "a", "hello"), "500");
    let listed = call(&simulator, "b2_list_file_names", &token, wanted);
    assert_eq!(listed["files"][0]["fileName"], "a");
}

#[test]
fn its_date_follows_its_clock() {
    let simulator = Simulator::start().unwrap();
    let date = |answer: String| {
        let date = answer
            .lines()
            .find_map(|line| line.strip_prefix("date: "))
            .unwrap();
        httpdate::parse_http_date(date).unwrap()
    };
    let before = date(get(&simulator, "/"));
    simulator.advance_clock(Duration::from_secs(86_400));
    let after = date(get(&simulator, "/"));
    assert!(after.duration_since(before).unwrap() >= Duration::from_secs(86_399));
}

#[test]
fn a_directory_keeps_account_and_port() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Simulator::builder().data_dir(dir.path()).start();
    let first = start().unwrap();
    let (url, account) = (first.url().to_owned(), first.account_id().to_owned());
    assert!((20_000..32_768).contains(&port(&first)));
    failure(start());
    let taken = port(&first);
    drop(first);

    let again = start().unwrap();
    assert_eq!(
        (again.url(), again.account_id()),
        (url.as_str(), account.as_str())
    );
    drop(again);

    let _squatter = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let error = failure(start());
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let simulator = Simulator::start().unwrap();
    let taken = port(&simulator);
    let error = failure(Simulator::builder().port(taken).start());
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn keys_are_made_without_a_request_and_never_shown() {
    let simulator = Simulator::start().unwrap();
    let key = simulator
        .create_key(KeyRequest::new(["readFiles"]).name("k"))
        .unwrap();
    assert!(!format!("{key:?}").contains(key.application_key()));
    assert!(!format!("{simulator:?}").contains(simulator.application_key()));
    assert_eq!(simulator.log().total(), 0);
    let token = authorize(&simulator, key.application_key_id(), key.application_key());
    let listing = send(
        &simulator,
        "POST /b2api/v4/b2_list_buckets",
        &[("authorization", &token)],
        "{}",
    );
    assert!(listing.0.starts_with("HTTP/1.1 401"), "{listing:?}");
    let error = simulator
        .create_key(KeyRequest::new(["readFiles"]).bucket("nope"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
