//! Letting others download: what they get, for how long, and what they do not get.

use std::io::{Read, Write};
use std::time::Duration;

use b2sdk::simulator::KeyRequest;
use b2sdk::{Error, ResponseHeaders};

use crate::support::{BUCKET, World};

const HOUR: Duration = Duration::from_secs(3600);

/// What somebody without any account gets at that URL: status and headers.
fn get(url: &str) -> (String, String) {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), head.to_ascii_lowercase())
}

#[test]
fn a_signed_url_answers_with_the_headers_that_it_was_made_for() {
    let world = World::new();
    world.bucket.upload_bytes(b"pdf", "a b/ü.pdf").unwrap();
    let headers = ResponseHeaders::new()
        .attachment("Übersicht & \"mehr\".pdf")
        .content_language("de-AT")
        .expires("Wed, 21 Oct 2026 07:28:00 GMT")
        .cache_control("max-age=60, private")
        .content_encoding("gzip")
        .content_type("application/pdf");
    let url = world
        .bucket
        .get_signed_download_url_with("a b/ü.pdf", HOUR, &headers)
        .unwrap();
    let (status, head) = get(&url);
    assert_eq!(status, "200", "{head}");
    for line in [
        "content-disposition: attachment; filename=\"_bersicht & _mehr_.pdf\"; \
         filename*=utf-8''%c3%9cbersicht%20&%20%22mehr%22.pdf",
        "content-language: de-at",
        "expires: wed, 21 oct 2026 07:28:00 gmt",
        "cache-control: max-age=60, private",
        "content-encoding: gzip",
        "content-type: application/pdf",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let without = url.split("&b2ContentType").next().unwrap();
    assert_eq!(get(without).0, "401", "each download asks for all of them");
}

#[test]
fn no_signed_url_opens_the_whole_bucket() {
    let world = World::new();
    let error = world.bucket.get_signed_download_url("", HOUR).unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert_eq!(world.total(), 0);
    // A token for all files is what the prefix "" asks for.
    world.bucket.get_download_authorization("", HOUR).unwrap();
}

#[test]
fn a_header_that_no_answer_can_carry_is_refused_before_it_is_sent() {
    let world = World::new();
    for headers in [
        ResponseHeaders::new().content_type("a\r\nSet-Cookie: b"),
        ResponseHeaders::new().content_disposition("attachment; filename=ü"),
        ResponseHeaders::new().cache_control(""),
    ] {
        let error = world
            .bucket
            .get_download_authorization_with("", HOUR, &headers)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    what: "headers",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn a_key_shares_only_what_it_may_and_is_told_so_before_anything_is_sent() {
    let world = World::new();
    let sharer = ["listBuckets", "shareFiles"];
    let api = world.restricted(KeyRequest::new(sharer).bucket(BUCKET).name_prefix("mine/"));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    for prefix in ["", "yours/", "min"] {
        let error = bucket.get_download_authorization(prefix, HOUR).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(r#"only names starting with "mine/""#),
            "{text}"
        );
    }
    assert_eq!(world.total(), 0);
    bucket.get_download_authorization("mine/x", HOUR).unwrap();
    let api = world.restricted(KeyRequest::new(["listBuckets", "readFiles"]));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    world.service.log().clear();
    let error = bucket.get_download_authorization("", HOUR).unwrap_err();
    assert!(error.to_string().contains("which needs shareFiles"));
    assert_eq!(world.total(), 0);
}

#[test]
fn urls_are_told_without_a_request() {
    let world = World::new();
    let url = world.bucket.get_download_url("a b/ü?.txt").unwrap();
    assert!(url.ends_with(&format!("/file/{BUCKET}/a%20b/%C3%BC%3F.txt")));
    let by_name = world.api.get_download_url_by_name(BUCKET, "a b/ü?.txt");
    assert_eq!(by_name.unwrap(), url);
    assert_eq!(world.total(), 0);
}
