//! Each fault as a client meets it: before the effect, after it, and in the middle of an answer.

use super::*;

#[test]
fn a_status_fault_answers_before_the_effect() {
    let running = Running::with(
        Fault::on(Operation::UploadFile)
            .status(503, "service_unavailable", "busy")
            .retry_after(2)
            .times(2),
    );
    for _ in 0..2 {
        let answer = running.client().call("POST", UPLOAD, b"data").unwrap();
        assert_eq!(
            (answer.status, answer.header("Retry-After")),
            (503, Some("2"))
        );
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["code"], "service_unavailable");
    }
    assert_eq!(running.effects(), 0);
    assert!(
        running
            .log
            .entries()
            .iter()
            .all(|entry| entry.body_bytes == 0)
    );
    assert_eq!(
        running
            .client()
            .call("POST", UPLOAD, b"data")
            .unwrap()
            .status,
        200
    );
}

#[test]
fn a_fault_may_answer_anything() {
    let running = Running::with(Fault::on_any().body(502, "text/html", "<html>"));
    running
        .faults
        .inject(Fault::on_any().redirect(307, "http://elsewhere/"));
    let answer = running.client().call("GET", LIST, b"").unwrap();
    assert_eq!((answer.status, answer.text()), (502, "<html>".to_owned()));
    assert_eq!(answer.header("Content-Type"), Some("text/html"));
    let answer = running.client().call("GET", LIST, b"").unwrap();
    assert_eq!(
        (answer.status, answer.header("Location")),
        (307, Some("http://elsewhere/"))
    );
}

#[test]
fn dropped_and_reset_connections_give_no_answer() {
    for (fault, end) in [
        (Fault::on_any().drop_connection(), End::Closed),
        (Fault::on_any().reset_connection(), End::Reset),
    ] {
        let running = Running::with(fault);
        let mut client = running.client();
        client.request("GET", LIST, b"");
        assert_eq!(client.end(), end);
        assert_eq!((running.only_entry().status, running.effects()), (None, 0));
        assert_eq!(running.client().call("GET", LIST, b"").unwrap().status, 200);
    }
}

#[test]
fn a_connection_may_be_dropped_in_the_middle_of_the_request() {
    let running = Running::with(Fault::on_any().after_reading(1000).drop_connection());
    let mut client = running.client();
    client.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(&[0; 1000]);
    assert_ne!(client.end(), End::Silent);
    assert_eq!(
        (running.only_entry().body_bytes, running.effects()),
        (1000, 0)
    );
}

#[test]
fn an_answer_may_be_lost_or_changed_after_the_effect() {
    let running = Running::with(Fault::on_any().after_effect().drop_connection());
    running.faults.inject(
        Fault::on_any()
            .after_effect()
            .status(500, "internal_error", ""),
    );
    let mut client = running.client();
    client.request("POST", UPLOAD, &[1; 100_000]);
    assert_eq!(client.end(), End::Closed);
    assert_eq!(
        (running.effects(), running.only_entry().body_bytes),
        (1, 100_000)
    );

    let answer = running
        .client()
        .call("POST", UPLOAD, &[1; 100_000])
        .unwrap();
    assert_eq!((answer.status, running.effects()), (500, 2));
    assert_eq!(
        running.log.entries()[1].fault.as_deref(),
        Some("after the effect, answer 500")
    );
}

fn broken_download(fault: Fault) -> (u64, End) {
    let running = Running::with(fault);
    let mut client = running.client();
    client.request("GET", DOWNLOAD, b"");
    let (answer, end) = client.broken_answer();
    assert_eq!(answer.header("Content-Length"), Some("3000000"));
    assert_eq!(running.only_entry().status, Some(200));
    (answer.body.len() as u64, end)
}

#[test]
fn an_answer_may_break_off_at_any_byte() {
    for at in [0, 1, 299_999, FILE_LENGTH - 1] {
        let broken = broken_download(Fault::on_any().truncate_answer(at));
        assert_eq!(broken, (at, End::Closed));
    }
    for at in [0, 1, 20_000] {
        let broken = broken_download(Fault::on_any().reset_answer(at));
        assert_eq!(broken, (at, End::Reset));
    }
    let (received, end) = broken_download(Fault::on_any().reset_answer(FILE_LENGTH - 1));
    assert!(received < FILE_LENGTH && end == End::Reset);
}

#[test]
fn a_cut_behind_the_end_does_nothing() {
    let running = Running::with(Fault::on_any().reset_answer(FILE_LENGTH).times(3));
    let mut client = running.client();
    for (method, length) in [("GET", FILE_LENGTH), ("HEAD", 0), ("GET", FILE_LENGTH)] {
        let answer = client.call(method, DOWNLOAD, b"").unwrap();
        assert_eq!(answer.body.len() as u64, length);
    }
}

#[test]
fn one_byte_of_an_answer_may_change() {
    let running = Running::with(Fault::on_any().corrupt_byte(1_234_567));
    let answer = running.client().call("GET", DOWNLOAD, b"").unwrap();
    let changed: Vec<_> = (0..answer.body.len())
        .filter(|at| answer.body[*at] != b'a')
        .collect();
    assert_eq!((answer.body.len(), changed), (3_000_000, vec![1_234_567]));
}

#[test]
fn an_answer_may_come_without_a_length() {
    let running = Running::with(Fault::on_any().without_content_length());
    running
        .faults
        .inject(Fault::on_any().without_content_length().truncate_answer(7));
    for length in [3_000_000, 7] {
        let mut client = running.client();
        client.request("GET", DOWNLOAD, b"");
        let (answer, end) = client.broken_answer();
        assert_eq!(answer.header("Content-Length"), None);
        assert_eq!((answer.body.len(), end), (length, End::Closed));
    }
}

#[test]
fn json_and_headers_may_change() {
    let running = Running::with(
        Fault::on_any()
            .edit_json(|json| json["length"] = "three".into())
            .header("date", "yesterday"),
    );
    let answer = running.client().call("POST", UPLOAD, b"abc").unwrap();
    assert_eq!(answer.text(), "{\n  \"length\": \"three\"\n}\n");
    assert_eq!(answer.header("Date"), Some("yesterday"));
    assert_eq!(running.effects(), 1);
}

#[test]
fn a_stalled_connection_disturbs_no_other() {
    let running = Running::with(Fault::on(Operation::UploadFile).stall());
    let answers = Fault::on(Operation::DownloadFileById).stall_answer(10);
    running.faults.inject(answers);
    let mut silent = running.client();
    silent.request("POST", UPLOAD, &[0; 10]);
    let mut broken = running.client();
    broken.request("GET", DOWNLOAD, b"");
    assert_eq!(broken.head_and(10).body, b"aaaaaaaaaa");
    assert_eq!(running.client().call("GET", LIST, b"").unwrap().status, 200);
    silent.half_close();
    assert_ne!(silent.end(), End::Silent);
    let answered = |entry: LogEntry| (entry.operation == Some(Operation::UploadFile), entry.status);
    let entries: Vec<_> = running.log.entries().into_iter().map(answered).collect();
    assert!(entries.contains(&(true, None)) && entries.contains(&(false, Some(200))));
    drop(running);
    assert_ne!(broken.end(), End::Silent);
}

#[test]
fn a_header_that_cannot_be_sent_is_an_error_not_a_panic() {
    let running = Running::with(Fault::on_any().header("bad name", "x\ny"));
    let answer: Answer = running.client().call("GET", LIST, b"").unwrap();
    assert_eq!(answer.status, 500);
}
