//! The simulator over TLS, and the address that it tells clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use b2sdk::error::TransportKind;
use b2sdk::simulator::{Fault, Simulator, Tls};
use b2sdk::{B2Api, BucketType, Error, InMemoryAccountInfo, Operation};

use crate::support::{authorize, noise};

fn api_that_trusts(certificate: &str) -> B2Api {
    let builder = B2Api::builder(InMemoryAccountInfo::new());
    builder.root_certificates(certificate).build().unwrap()
}

/// Makes a bucket, and uploads, lists and downloads in it; half of the download is cut off.
fn use_it(simulator: &Simulator, api: &B2Api) {
    authorize(api, simulator);
    let bucket = api
        .create_bucket("over-tls-1", BucketType::AllPrivate)
        .unwrap();
    let content = noise(3_000_000);
    bucket.upload_bytes(&content, "a").unwrap();
    let faults = simulator.faults();
    faults.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(1_000_000));
    faults.inject(Fault::on(Operation::DownloadFileById).reset_answer(0));
    let download = bucket.download_file_by_name("a").unwrap();
    assert!(download.read_to_vec().unwrap() == content);
    assert_eq!(faults.remaining(), 0);
}

#[test]
fn clients_that_trust_its_authority_get_everything_over_tls() {
    let simulator = Simulator::builder().tls(Tls::generated()).start().unwrap();
    assert!(simulator.url().starts_with("https://127.0.0.1:"));
    use_it(
        &simulator,
        &api_that_trusts(simulator.ca_certificate().unwrap()),
    );
    // By its name as well, and what it then says of itself has that name.
    let api = api_that_trusts(simulator.ca_certificate().unwrap());
    let by_name = simulator.url().replace("127.0.0.1", "localhost");
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    api.authorize_account(&by_name, id, key).unwrap();
    api.get_bucket_by_name("over-tls-1")
        .unwrap()
        .upload_bytes(b"x", "b")
        .unwrap();
}

#[test]
fn clients_that_do_not_trust_its_authority_send_it_nothing() {
    let simulator = Simulator::builder().tls(Tls::generated()).start().unwrap();
    let other = Simulator::builder().tls(Tls::generated()).start().unwrap();
    let api = api_that_trusts(other.ca_certificate().unwrap());
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    let error = api.authorize_account(simulator.url(), id, key).unwrap_err();
    let Error::Connection(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind, TransportKind::Tls);
    assert_eq!(simulator.log().total(), 0);
}

#[test]
fn a_certificate_that_is_brought_along_is_used_and_one_that_is_none_is_refused() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = Tls::from_pem(certificate.clone(), key.clone());
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    let simulator = Simulator::builder().tls(tls).start().unwrap();
    assert_eq!(simulator.ca_certificate(), None);
    use_it(&simulator, &api_that_trusts(&certificate));

    let other_key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (certificate, key, what) in [
        ("", key.as_str(), "certificate"),
        ("nonsense", key.as_str(), "certificate"),
        (certificate.as_str(), "", "private key"),
        (certificate.as_str(), other_key.as_str(), "certificate"),
    ] {
        let builder = Simulator::builder().tls(Tls::from_pem(certificate, key));
        let error = builder.start().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn clients_are_told_the_public_url_whatever_they_came_by() {
    let simulator = Simulator::builder()
        .public_url("https://b2.example:8443/sim/")
        .start()
        .unwrap();
    assert_eq!(simulator.url(), "https://b2.example:8443/sim");
    // Not by the client, which follows no service to hosts outside of its realm.
    let pair = format!(
        "{}:{}",
        simulator.application_key_id(),
        simulator.application_key()
    );
    let mut stream = TcpStream::connect(simulator.local_addr()).unwrap();
    let head = format!(
        "GET /b2api/v4/b2_authorize_account HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Basic {}\r\n\r\n",
        BASE64_STANDARD.encode(pair)
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let api = &body["apiInfo"]["storageApi"];
    assert_eq!(
        (&api["apiUrl"], &api["downloadUrl"]),
        (&json!(simulator.url()), &json!(simulator.url()))
    );

    for wrong in [
        "b2.example",
        "ftp://b2.example",
        "https://",
        "https://a b",
        "https://a?b",
        "https://u@h",
        "https://h:99999",
    ] {
        let error = Simulator::builder().public_url(wrong).start().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{wrong}");
        assert!(error.to_string().contains(wrong), "{error}");
    }
}
