//! The simulator as its users have it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::{KeyRequest, Simulator};

fn get(simulator: &Simulator, path: &str) -> String {
    let address = simulator.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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
fn its_date_follows_its_clock() {
    let simulator = Simulator::start().unwrap();
    let date = |answer: String| {
        let date = answer
            .lines()
            .find_map(|line| line.strip_prefix("Date: "))
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
    let error = simulator
        .create_key(KeyRequest::new(["readFiles"]).bucket("nope"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
