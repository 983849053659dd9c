//! What a client cannot do to the machine, seen from a socket.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::*;

/// Names that mean something to a file system, a shell or a browser, percent-encoded.
const HOSTILE: [&str; 9] = [
    "..",
    "..%2F..%2Fescaped",
    "a/../../../escaped",
    "C%3A%2Fescaped",
    "lock",
    "simulator.sqlite",
    "bodies/x.tmp",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "%E2%80%AEgpj.exe",
];

fn master(simulator: &Simulator) -> String {
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    authorize(simulator, id, key)
}

/// Every file below a directory, by its path.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn no_name_leaves_the_data_directory() {
    let around = tempfile::tempdir().unwrap();
    let dir = around.path().join("deep/data");
    let simulator = Simulator::builder().data_dir(&dir).start().unwrap();
    let token = master(&simulator);
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted);
    let headers = [("authorization", token.as_str())];
    for name in HOSTILE {
        assert_eq!(upload(&simulator, &target, name, name), "200", "{name}");
        let line = format!("GET /file/my-bucket/{name}");
        let (_, content) = send(&simulator, &line, &headers, "");
        assert_eq!(content, name);
    }
    for bucket in [
        "../escaped",
        "..%2Fescaped",
        "/escaped",
        "my-bucket/../escaped",
    ] {
        let wanted = json!({"accountId": simulator.account_id(), "bucketName": bucket, "bucketType": "allPrivate"});
        let line = "POST /b2api/v4/b2_create_bucket";
        let (head, _) = send(&simulator, line, &headers, &wanted.to_string());
        assert!(head.starts_with("HTTP/1.1 400"), "{bucket}: {head}");
    }
    let bodies = format!("{}/bodies/", dir.to_str().unwrap());
    for file in files(around.path()) {
        let is_body = |name: &str| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let is_ours = match file.strip_prefix(&bodies) {
            Some(name) => is_body(name),
            None => Path::new(&file).parent() == Some(&*dir),
        };
        assert!(is_ours, "{file}");
    }
    assert_eq!(
        fs::read_dir(dir.join("bodies")).unwrap().count(),
        HOSTILE.len()
    );
}

#[test]
fn a_json_body_that_is_too_long_or_too_deep_is_refused() {
    let simulator = Simulator::start().unwrap();
    let token = master(&simulator);
    let headers = [("authorization", token.as_str())];
    let line = "POST /b2api/v4/b2_list_buckets";
    let (head, body) = send(&simulator, line, &headers, &"[".repeat(5_000_000));
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(body.contains("too long"), "{body}");
    let (head, _) = send(&simulator, line, &headers, &"[".repeat(100_000));
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
}

#[test]
fn it_listens_where_it_is_told() {
    let here = Simulator::start().unwrap();
    assert!(
        here.url().starts_with("http://127.0.0.1:"),
        "{}",
        here.url()
    );
    let everywhere = Simulator::builder()
        .listen(Ipv4Addr::UNSPECIFIED)
        .start()
        .unwrap();
    // Its own address is one that works.
    assert!(
        everywhere.url().starts_with("http://127.0.0.1:"),
        "{}",
        everywhere.url()
    );
    // Of this machine too, but not where the first one listens.
    let other = |simulator: &Simulator| TcpStream::connect(("127.0.0.2", port(simulator)));
    assert!(other(&everywhere).is_ok());
    #[cfg(target_os = "linux")]
    assert!(other(&here).is_err());
}
