//! Uploads to a URL that the caller has asked for: sent once, whatever comes of it.

use std::io::{self, Read};

use b2sdk::raw::{UploadBody, UploadFileRequest, UploadUrlResponse};
use b2sdk::simulator::Fault;
use b2sdk::{ContentSha1, Error, FileInfo, FileVersion, Operation, Result, Sha1Digest};

use crate::support::World;

fn upload_url(world: &World) -> UploadUrlResponse {
    let asked = world.api.call_raw(Operation::GetUploadUrl, |raw| {
        raw.get_upload_url(&world.bucket.id())
    });
    asked.unwrap()
}

/// Sends "hello" there.
fn send(world: &World, url: &UploadUrlResponse) -> Result<FileVersion> {
    send_body(world, url, &mut UploadBody::new(&mut &b"hello"[..], 5))
}

fn send_body(
    world: &World,
    url: &UploadUrlResponse,
    body: &mut UploadBody<'_>,
) -> Result<FileVersion> {
    let info = FileInfo::new();
    world.api.call_raw(Operation::UploadFile, |raw| {
        let request = UploadFileRequest::new("hello.txt", "text/plain", &info);
        raw.upload_file(&url.upload_url, &url.authorization_token, &request, body)
    })
}

#[test]
fn an_upload_is_sent_once_whatever_becomes_of_it() {
    let world = World::new();
    let at = || Fault::on(Operation::UploadFile);
    for (fault, is_lost) in [
        (at().status(503, "service_unavailable", ""), false),
        (at().status(500, "internal_error", ""), false),
        (at().status(401, "expired_auth_token", ""), false),
        (at().status(401, "bad_auth_token", ""), false),
        (at().status(400, "auth_token_limit", ""), false),
        (at().status(408, "request_timeout", ""), false),
        (at().after_effect().drop_connection(), true),
        (at().after_effect().body(502, "text/html", "<html>"), true),
        (at().after_effect().body(200, "application/json", "{"), true),
    ] {
        let url = upload_url(&world);
        world.service.log().clear();
        let words = format!("{fault:?}");
        world.inject(fault);
        let error = send(&world, &url).unwrap_err();
        assert_eq!(error.is_answer_lost(), is_lost, "{words}: {error:?}");
        let counts = (world.count(Operation::UploadFile), world.total());
        assert_eq!(counts, (1, 1), "{words}: {error:?}");
        assert_eq!(world.service.faults().remaining(), 0, "{words}");
    }
    assert!(world.clock.sleeps().is_empty());
    assert_eq!(
        world.versions("hello.txt").len(),
        3,
        "those whose answers were lost"
    );
}

#[test]
fn asking_for_another_url_replaces_an_expired_token() {
    let world = World::new();
    let url = upload_url(&world);
    assert_eq!(url.bucket_id, Some(world.bucket.id()));
    world.service.expire_tokens().unwrap();
    world.service.drop_upload_urls().unwrap();
    world.service.log().clear();
    let error = send(&world, &url).unwrap_err();
    assert!(error.is_auth(), "{error:?}");
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);
    send(&world, &upload_url(&world)).unwrap();
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
    assert_eq!(world.count(Operation::UploadFile), 2);
}

#[test]
fn a_url_is_good_for_the_next_upload_also_after_the_service_was_busy() {
    let world = World::new();
    let url = upload_url(&world);
    send(&world, &url).unwrap();
    let busy = Fault::on(Operation::UploadFile).status(429, "too_many_requests", "");
    world.inject(busy.retry_after(30));
    assert!(matches!(send(&world, &url), Err(Error::Busy(_))));
    send(&world, &url).unwrap();
    let [pause] = world.clock.sleeps()[..] else {
        panic!("{:?}", world.clock.sleeps())
    };
    assert!(
        pause.as_secs() >= 29,
        "the service's own pause is kept: {pause:?}"
    );
    assert_eq!(world.versions("hello.txt").len(), 2);
}

#[test]
fn the_checksum_goes_behind_the_content_or_before_it_or_is_not_told() {
    let world = World::new();
    let url = upload_url(&world);
    let sha1 = Sha1Digest::of(b"hello");
    let mut content = &b"hello, and what follows"[..];
    let mut body = UploadBody::new(&mut content, 5);
    assert_eq!((body.length(), body.sha1()), (5, None));
    let version = send_body(&world, &url, &mut body).unwrap();
    assert_eq!(version.content_sha1, ContentSha1::Verified(sha1));
    assert_eq!((version.content_length, body.sha1()), (5, Some(sha1)));

    let mut content = &b"hello, and what follows"[..];
    let version = send_body(
        &world,
        &url,
        &mut UploadBody::with_sha1(&mut content, 5, sha1),
    );
    assert_eq!(version.unwrap().content_sha1, ContentSha1::Verified(sha1));
    assert_eq!(content, b", and what follows", "no byte more is read");

    let mut content = &b"hello"[..];
    let version = send_body(&world, &url, &mut UploadBody::unverified(&mut content, 5));
    assert_eq!(version.unwrap().content_sha1, ContentSha1::Unverified(sha1));
    assert_eq!(world.content("hello.txt"), b"hello");
}

#[test]
fn content_that_does_not_match_its_checksum_is_not_stored() {
    let world = World::new();
    let url = upload_url(&world);
    let (mut content, wrong) = (&b"hello"[..], Sha1Digest::of(b"hallo"));
    let body = &mut UploadBody::with_sha1(&mut content, 5, wrong);
    let error = send_body(&world, &url, body).unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");
    assert!(world.versions("hello.txt").is_empty());
}

#[test]
fn an_answer_about_other_bytes_is_an_error() {
    let world = World::new();
    for (member, value) in [
        ("contentSha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("contentLength", "4"),
    ] {
        let value = match value.parse::<u64>() {
            Ok(number) => serde_json::json!(number),
            Err(_) => serde_json::json!(value),
        };
        let edit = move |body: &mut serde_json::Value| body[member] = value.clone();
        world.inject(Fault::on(Operation::UploadFile).edit_json(edit));
        let error = send(&world, &upload_url(&world)).unwrap_err();
        assert!(
            matches!(error, Error::UnexpectedReply { .. }),
            "{member}: {error:?}"
        );
    }
}

#[test]
fn content_that_ends_early_or_cannot_be_read_is_the_callers_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the tape is torn"))
        }
    }
    let world = World::new();
    let sha1 = Sha1Digest::of(b"hello");
    let [mut a, mut b, mut c] = [&b"hell"[..]; 3];
    for body in [
        &mut UploadBody::new(&mut a, 5),
        &mut UploadBody::with_sha1(&mut b, 5, sha1),
        &mut UploadBody::unverified(&mut c, 5),
        &mut UploadBody::new(&mut Broken, 5),
        &mut UploadBody::unverified(&mut Broken, 5),
    ] {
        let error = send_body(&world, &upload_url(&world), body).unwrap_err();
        let Error::Stream { action, source } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*action, "read");
        let text = source.to_string();
        assert!(
            text.contains("ended before") || text.contains("torn"),
            "{text}"
        );
    }
    assert!(world.versions("hello.txt").is_empty());
    let mut used_up = UploadBody::new(&mut a, 4);
    let error = send_body(&world, &upload_url(&world), &mut used_up).unwrap_err();
    assert!(
        matches!(error, Error::Stream { .. }),
        "a body is for one attempt: {error:?}"
    );
}

#[test]
fn a_content_type_that_is_no_header_is_refused_before_anything_is_sent() {
    let world = World::new();
    let (url, info) = (upload_url(&world), FileInfo::new());
    world.service.log().clear();
    for content_type in ["text/plain\r\nX-Evil: 1", "text/größe"] {
        let outcome = world.api.call_raw(Operation::UploadFile, |raw| {
            let request = UploadFileRequest::new("x", content_type, &info);
            let mut nothing = io::empty();
            let mut body = UploadBody::new(&mut nothing, 0);
            raw.upload_file(
                &url.upload_url,
                &url.authorization_token,
                &request,
                &mut body,
            )
        });
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn an_answer_that_comes_before_the_content_was_read_is_an_error_whatever_it_says() {
    let world = World::new();
    let content = crate::support::noise(4 << 20);
    let sha1 = Sha1Digest::of(&content);
    let answer = serde_json::json!({
        "action": "upload", "fileId": "4_z", "fileName": "hello.txt", "uploadTimestamp": 1,
        "contentLength": content.len(), "contentSha1": sha1.to_string(),
    });
    let [mut a, mut b, mut c] = [&content[..]; 3];
    let length = content.len() as u64;
    for (kind, body) in [
        ("hashed", &mut UploadBody::new(&mut a, length)),
        ("known", &mut UploadBody::with_sha1(&mut b, length, sha1)),
        ("unverified", &mut UploadBody::unverified(&mut c, length)),
    ] {
        let early =
            Fault::on(Operation::UploadFile).body(200, "application/json", answer.to_string());
        world.inject(early);
        let error = send_body(&world, &upload_url(&world), body).unwrap_err();
        assert!(
            matches!(error, Error::UnexpectedReply { .. }),
            "{kind}: {error:?}"
        );
        assert!(world.versions("hello.txt").is_empty());
    }
}
