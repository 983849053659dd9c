//! What HTTP cannot carry in a header or a URL is an error at once: nothing is sent or counted, nothing
//! is repeated, and no answer counts as lost.

use b2sdk::account_info::{UploadTarget, UploadUrl};
use b2sdk::lock::LegalHold;
use b2sdk::raw::{UploadBody, UploadFileRequest};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{B2Api, Error, FileInfo, InMemoryAccountInfo, Operation, Timestamp, UploadOptions};
use serde_json::Value;

use crate::support::{World, authorize, noise};

/// Sends "hello" with these settings.
fn send(world: &World, info: &FileInfo, hold: Option<&LegalHold>) -> Result<(), Error> {
    let url = world.api.call_raw(Operation::GetUploadUrl, |raw| {
        raw.get_upload_url(&world.bucket.id())
    })?;
    let mut request = UploadFileRequest::new("hello.txt", "text/plain", info);
    request.legal_hold = hold;
    let sent = world.api.call_raw(Operation::UploadFile, |raw| {
        let mut content = &b"hello"[..];
        let mut body = UploadBody::new(&mut content, 5);
        raw.upload_file(
            &url.upload_url,
            &url.authorization_token,
            &request,
            &mut body,
        )
    });
    sent.map(drop)
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_by_its_name() {
    let world = World::new();
    let odd_hold = LegalHold::from("on\r\nX-Bz-Info-more: x");
    let plain = FileInfo::new();
    let odd_name = FileInfo::new().with("two words", "x");
    for (info, hold, named) in [
        (&odd_name, None, "two words"),
        (&plain, Some(&odd_hold), "x-bz-file-legal-hold"),
    ] {
        let error = send(&world, info, hold).unwrap_err();
        let Error::InvalidInput { reason, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(
            reason.contains(named) && !reason.contains("more"),
            "{reason}"
        );
        assert!(!error.is_answer_lost());
    }
    let counted = world.api.request_counts().of(Operation::UploadFile);
    assert_eq!((world.count(Operation::UploadFile), counted), (0, 0));
    assert!(world.clock.sleeps().is_empty());
    send(&world, &plain, None).unwrap();
}

#[test]
fn a_token_of_the_service_that_cannot_be_sent_is_its_mistake_and_not_kept() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let odd = |json: &mut Value| json["authorizationToken"] = "se\ncret".into();
    let fault = Fault::on(Operation::AuthorizeAccount).edit_json(odd);
    service.faults().inject(fault);
    let (id, key) = (service.application_key_id(), service.application_key());
    let error = api.authorize_account(service.url(), id, key).unwrap_err();
    assert!(
        matches!(
            error,
            Error::UnexpectedReply {
                operation: Operation::AuthorizeAccount,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {error}").contains("cret"));
    assert!(api.account_info().auth().unwrap().is_none());
    authorize(&api, &service);
}

#[test]
fn an_upload_url_that_cannot_be_called_is_the_services_mistake_and_asked_for_once() {
    let odd_token = |json: &mut Value| json["authorizationToken"] = "se\ncret".into();
    let odd_url = |json: &mut Value| {
        let url = json["uploadUrl"].as_str().unwrap().to_owned();
        json["uploadUrl"] = format!("{url}/two words").into();
    };
    let odd_port = |json: &mut Value| json["uploadUrl"] = "http://127.0.0.1:99999/x".into();
    for edit in [odd_token as fn(&mut Value), odd_url, odd_port] {
        for (operation, length) in [
            (Operation::GetUploadUrl, 10),
            (Operation::GetUploadPartUrl, 3000),
        ] {
            let world = World::of_small_parts(1000, 1000);
            world.inject(Fault::on(operation).always().edit_json(edit));
            let options = UploadOptions::new();
            let outcome = world
                .bucket
                .upload_bytes_with(&noise(length), "x", &options);
            let error = outcome.unwrap_err();
            let Error::UnexpectedReply { operation: of, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(*of, operation);
            assert!(!format!("{error:?} {error}").contains("cret"));
            let uploads = [Operation::UploadFile, Operation::UploadPart];
            assert_eq!(uploads.map(|upload| world.count(upload)), [0, 0]);
            assert!(
                (1..=3).contains(&world.count(operation)),
                "one for each part"
            );
        }
    }
}

#[test]
fn an_upload_url_of_the_store_that_cannot_be_called_is_replaced() {
    let world = World::new();
    let target = UploadTarget::Bucket(world.bucket.id());
    let snapshot = world.api.account_info().auth().unwrap().unwrap();
    let base = world.service.url();
    for (url, token) in [
        (format!("{base}/two words"), "token"),
        (format!("{base}/x"), "to\nken"),
        ("https://pod.example.org/x".to_owned(), "token"),
    ] {
        let received = Timestamp::from(world.clock.now());
        let url = UploadUrl::new(url, token.into(), received);
        let info = world.api.account_info();
        info.put_upload_url(snapshot.identity(), &target, url)
            .unwrap();
        world.service.log().clear();
        let uploaded = world.bucket.upload_bytes(b"x", "x").unwrap();
        assert_eq!(uploaded.retries(), 0);
        let counts = [Operation::GetUploadUrl, Operation::UploadFile].map(|of| world.count(of));
        assert_eq!((counts, world.total()), ([1, 1], 2));
        let used = info.take_upload_url(snapshot.identity(), &target);
        assert!(used.unwrap().is_some());
    }
}

#[test]
fn a_value_that_cannot_become_a_header_of_downloads_is_refused_before_anything_is_hashed() {
    let world = World::new();
    let before = world.total();
    let hashed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for info in [
        FileInfo::new().content_disposition("attachment; filename=ü.txt"),
        FileInfo::new().content_language(""),
        FileInfo::new().cache_control("no-cache\n"),
    ] {
        let told = std::sync::Arc::clone(&hashed);
        let options = UploadOptions::new()
            .part_size(5_000_000)
            .file_info(info.clone())
            .progress(move |_: &b2sdk::progress::TransferProgress| {
                told.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        let upload = world
            .bucket
            .upload_bytes_with(&noise(5_000_001), "x", &options);
        let error = upload.unwrap_err();
        let Error::InvalidInput { what, reason, .. } = &error else {
            panic!("{error:?}")
        };
        let name = info.iter().next().unwrap().0;
        assert!(*what == "file_info" && reason.contains(name), "{error}");
    }
    assert_eq!(world.total(), before, "nothing was sent");
    assert!(!hashed.load(std::sync::atomic::Ordering::Relaxed));
}
