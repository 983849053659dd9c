//! The program `b2-simulator` as a service manager and a power failure have it: what it says, how it
//! stops, and that it keeps what it has acknowledged when it is killed.

#[cfg(target_os = "linux")]
mod a_week;
#[cfg(target_os = "linux")]
mod connections;
mod durable;
mod program;

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use b2sdk::{B2Api, InMemoryAccountInfo};
use serde_json::{Value, json};

use program::{Program, run};

#[test]
fn the_help_is_printed_and_wrong_arguments_are_not_served() {
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for word in [
        "--port",
        "--listen",
        "--data-dir",
        "--fault",
        "B2_ENVIRONMENT=",
    ] {
        assert!(
            out.contains(word) == word.starts_with("--"),
            "{word} in {out}"
        );
    }
    let (code, out, err) = run(&["--version"]);
    let version = format!("b2-simulator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, out, err.as_str()), (Some(0), version, ""));
    let (code, out, err) = run(&["--prot", "1"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--prot") && err.lines().count() == 1, "{err}");
}

#[test]
fn it_says_once_how_to_reach_it_and_then_one_line_per_request() {
    let program = Program::start(&[]);
    let user = program.authorize();
    let bucket = user.create_bucket("my-bucket");
    let file = user.upload(&bucket, "a b/ü", b"hello").unwrap();
    user.get("/file/my-bucket/a%20b/%C3%BC").unwrap();
    user.get("/file/my-bucket/none").unwrap();
    // The answer to HEAD has no body, but there is a code all the same.
    let mut head = program.connect();
    let request = format!(
        "HEAD /file/my-bucket/none HTTP/1.1\r\nauthorization: {}\r\nconnection: close\r\n\r\n",
        user.token
    );
    head.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    head.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    user.get("/nothing%1b[31m").unwrap();
    let secrets = [user.token.clone(), program.key.clone()];

    let (code, log) = program.stop("TERM");
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = log.lines().collect();
    let expected = [
        "b2_authorize_account 200 ",
        "b2_create_bucket 200 ",
        "b2_get_upload_url 200 ",
        "b2_upload_file 200 ",
        "b2_download_file_by_name /file/my-bucket/a%20b/%C3%BC 200 ",
        "b2_download_file_by_name /file/my-bucket/none 404 not_found ",
        "b2_download_file_by_name /file/my-bucket/none 404 not_found ",
        "GET /nothing%1b[31m 404 not_found ",
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected) && line.contains(" ms"), "{line}");
    }
    assert!(lines[3].ends_with(" 5 B \"a b/ü\""), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{log}");
    }
    assert!(file["fileId"].is_string());
}

#[test]
fn each_option_sets_what_the_admin_endpoint_shows() {
    let program = Program::start(&[
        "--minimum-part-size=5",
        "--recommended-part-size=10",
        "--max-single-file=1000",
        "--max-buckets=2",
        "--listing-scan-limit=3",
        "--max-rows=4",
        "--custom-timestamps",
        "--no-default-encryption",
        "--test-mode-seed=7",
        "--storage-cap=11",
        "--download-cap=12",
        "--class-b-cap=13",
        "--class-c-cap=14",
        "--latency=1",
        "--upload-rate=15000",
        "--download-rate=16000",
        "--start-time=1000000000000",
        "--fault=b2_list_keys status=503",
    ]);
    let mut stream = program.connect();
    let request = "GET /.simulator HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let shown: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        shown["settings"],
        json!({ "customTimestamps": true, "encryptByDefault": false, "listingScanLimit": 3,
            "maxBuckets": 2, "maxRows": 4, "maxSingleFile": 1000, "minimumPartSize": 5,
            "recommendedPartSize": 10, "testModeSeed": 7 })
    );
    for (name, cap) in [
        ("storage", 11),
        ("download", 12),
        ("classB", 13),
        ("classC", 14),
    ] {
        assert_eq!(shown["caps"][name]["cap"], cap, "{name}");
    }
    assert_eq!(
        shown["shaping"],
        json!({ "downloadRate": 16_000, "latencyMillis": 1, "uploadRate": 15_000 })
    );
    let date = shown["clock"]["date"].as_str().unwrap();
    assert!(date.starts_with("Sun, 09 Sep 2001 "), "{date}");
    assert_eq!(shown["faults"].as_array().unwrap().len(), 1);
}

#[test]
fn it_is_loud_when_it_listens_to_more_than_this_machine() {
    let warning = |arguments: &[&str]| {
        let program = Program::start(arguments);
        program.authorize();
        let (code, log) = program.stop("TERM");
        assert_eq!(code, Some(0));
        log.contains("WARNING: listening on 0.0.0.0")
    };
    assert!(warning(&["--listen", "0.0.0.0"]));
    assert!(!warning(&["--listen", "127.0.0.1"]));
    assert!(!warning(&[]));
}

#[test]
fn it_stops_cleanly_whatever_is_under_way() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let arguments = ["--data-dir", data, "--fault", "b2_list_keys stall"];
        let program = Program::start(&arguments);
        let user = program.authorize();
        let bucket = user.create_bucket("my-bucket");
        user.upload(&bucket, "whole", b"hello").unwrap();

        let silent = program.connect();
        let mut idle = program.connect();
        idle.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        assert_eq!(idle.read(&mut [0]).unwrap(), 1);
        let mut stalled = program.connect();
        let line = "POST /b2api/v4/b2_list_keys HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        stalled.write_all(line.as_bytes()).unwrap();
        let mut uploading = program.connect();
        let target = user.upload_target(&bucket).unwrap();
        let head = target.head("half", 1_000_000, "expect: 100-continue\r\n");
        uploading.write_all(head.as_bytes()).unwrap();
        // "100 Continue": the service reads.
        assert_eq!(uploading.read(&mut [0; 4]).unwrap(), 4);
        uploading.write_all(&[b'x'; 300_000]).unwrap();

        let (code, log) = program.stop(signal);
        assert_eq!(code, Some(0), "{signal}: {log}");
        for mut open in [silent, idle, stalled, uploading] {
            // Closed or reset, but not silent: that would run into the watchdog.
            let end = open.read_to_end(&mut Vec::new());
            assert!(end.is_ok_and(|_| true) || open.shutdown(Shutdown::Both).is_err());
        }
        let bodies = fs::read_dir(dir.path().join("bodies")).unwrap().count();
        assert_eq!(bodies, 1, "{signal}");

        let program = Program::start(&["--data-dir", data]);
        let user = program.user(&user.token);
        let listed = user
            .call("b2_list_file_versions", json!({ "bucketId": bucket }))
            .unwrap();
        let names: Vec<_> = listed["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| &file["fileName"])
            .collect();
        assert_eq!(names, ["whole"]);
        assert_eq!(user.get("/file/my-bucket/whole").unwrap(), b"hello");
    }
}

#[test]
fn a_lost_database_ends_the_start_and_lost_content_is_named_before_serving() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    {
        let program = Program::start(&["--data-dir", path]);
        let user = program.authorize();
        let bucket = user.create_bucket("my-bucket");
        user.upload(&bucket, "gone.txt", b"hello").unwrap();
        program.kill();
    }
    let bodies = dir.path().join("bodies");
    let body = fs::read_dir(&bodies)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let content = fs::read(&body).unwrap();
    fs::remove_file(&body).unwrap();
    let program = Program::start(&["--data-dir", path]);
    // While it runs, another one gets in neither with its lock file nor without it.
    fs::remove_file(dir.path().join("lock")).unwrap();
    let (code, _, err) = run(&["--data-dir", path]);
    assert_eq!(code, Some(1));
    assert!(err.contains("in use by another simulator"), "{err}");
    let (code, log) = program.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(
        log.contains("WARNING: file \"gone.txt\"") && log.contains("missing or too short"),
        "{log}"
    );

    fs::write(&body, content).unwrap();
    fs::write(dir.path().join("simulator.sqlite"), b"").unwrap();
    let (code, out, err) = run(&["--data-dir", path]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("there is no account"), "{err}");
    assert!(body.exists());
}

#[test]
fn over_tls_it_writes_what_clients_have_to_trust() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let program = Program::start(&["--tls-ca", ca.to_str().unwrap()]);
    assert!(program.url().starts_with("https://127.0.0.1:"));
    let api = B2Api::builder(InMemoryAccountInfo::new())
        .root_certificates(fs::read(&ca).unwrap())
        .build()
        .unwrap();
    let (id, key) = (program.key_id(), program.key.clone());
    api.authorize_account(program.url(), id, &key).unwrap();
    let (code, log) = program.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(log.starts_with("b2_authorize_account 200 "), "{log}");

    for wrong in [
        &["--tls-cert", "a"][..],
        &["--tls-key", "a"],
        &["--tls", "--tls-cert", "a", "--tls-key", "b"],
    ] {
        let (code, _, err) = run(wrong);
        assert!(code == Some(2) && err.contains("--tls"), "{err}");
    }
    let (code, _, err) = run(&["--tls-cert", "/nowhere/a.pem", "--tls-key", "b"]);
    assert!(code == Some(1) && err.contains("/nowhere/a.pem"), "{err}");
}
