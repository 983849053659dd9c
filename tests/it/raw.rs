//! The endpoints as such, through `B2Api::call_raw` and without any help.

mod connections;
mod endpoints;
mod uploads;

use std::io::Read;
use std::sync::Arc;

use b2sdk::error::{ErrorCode, TransportKind};
use b2sdk::keys::Capability;
use b2sdk::limits::{BillingClass, RequestBudget};
use b2sdk::raw::{CreateBucketRequest, DownloadParameters, ListBucketsRequest, ListFilesRequest};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    B2Api, BucketType, CancelToken, Error, InMemoryAccountInfo, Operation, Result, Timestamp,
};
use serde_json::{Value, json};

use crate::support::{BUCKET, World, authorize};

/// The simplest call.
fn list(api: &B2Api) -> Result<usize> {
    api.call_raw(Operation::ListBuckets, |raw| {
        let answer = raw.list_buckets(&ListBucketsRequest::new(raw.account_id()))?;
        Ok(answer.buckets.len())
    })
}

#[test]
fn an_expired_token_is_replaced_once_and_the_call_sent_again() {
    let world = World::new();
    world.service.expire_tokens().unwrap();
    assert_eq!(list(&world.api).unwrap(), 1);
    let counts = [Operation::AuthorizeAccount, Operation::ListBuckets].map(|op| world.count(op));
    assert_eq!(counts, [1, 2]);
}

#[test]
fn the_authorization_that_is_lent_is_the_one_that_is_used() {
    let world = World::new();
    let token = |world: &World| {
        let snapshot = world.api.account_info().auth().unwrap().unwrap();
        snapshot.auth().token.clone()
    };
    let old = token(&world);
    world.service.expire_tokens().unwrap();
    let mut lent = Vec::new();
    let answer = world.api.call_raw(Operation::ListBuckets, |raw| {
        lent.push(raw.auth().token.clone());
        raw.list_buckets(&ListBucketsRequest::new(raw.account_id()))
    });
    answer.unwrap();
    assert_eq!(lent, [old, token(&world)]);
}

#[test]
fn a_busy_service_is_asked_again_with_pauses() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .times(3),
    );
    assert_eq!(list(&world.api).unwrap(), 1);
    assert_eq!(
        (
            world.count(Operation::ListBuckets),
            world.clock.sleeps().len()
        ),
        (4, 3)
    );
}

#[test]
fn a_lost_answer_is_asked_for_again_only_where_that_does_no_harm() {
    let world = World::new();
    for operation in [Operation::ListBuckets, Operation::CreateBucket] {
        world.inject(Fault::on(operation).after_effect().drop_connection());
    }
    assert_eq!(list(&world.api).unwrap(), 1);
    assert_eq!(world.count(Operation::ListBuckets), 2);
    let outcome = world.api.call_raw(Operation::CreateBucket, |raw| {
        let kind = BucketType::AllPrivate;
        raw.create_bucket(&CreateBucketRequest::new(
            raw.account_id(),
            "another-bucket",
            &kind,
        ))
    });
    let error = outcome.unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(world.count(Operation::CreateBucket), 1);
    assert_eq!(list(&world.api).unwrap(), 2);
}

#[test]
fn what_another_endpoint_refuses_is_not_repeated_and_neither_are_errors_of_ones_own() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListBuckets).status(503, "service_unavailable", ""));
    let outcome = world.api.call_raw(Operation::ListFileNames, |raw| {
        raw.list_buckets(&ListBucketsRequest::new(raw.account_id()))
    });
    assert!(matches!(outcome.unwrap_err(), Error::Busy(_)));
    let mut calls = 0;
    let outcome: Result<()> = world.api.call_raw(Operation::ListBuckets, |_| {
        calls += 1;
        Err(Error::NotAuthorized)
    });
    assert!(matches!(outcome.unwrap_err(), Error::NotAuthorized));
    assert_eq!((calls, world.total()), (1, 1));
}

#[test]
fn a_call_ends_with_its_token_also_between_two_attempts() {
    let world = World::new();
    let token = CancelToken::new();
    let api = world.api.with_cancel(&token);
    assert_eq!(list(&api).unwrap(), 1);
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .always(),
    );
    let outcome = api.call_raw(Operation::ListBuckets, |raw| {
        let outcome = raw.list_buckets(&ListBucketsRequest::new(raw.account_id()));
        token.cancel();
        outcome
    });
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert!(matches!(list(&api), Err(Error::Cancelled)));
    assert_eq!(world.count(Operation::ListBuckets), 2);
}

#[test]
fn after_a_shutdown_nothing_is_sent() {
    let world = World::new();
    let connections = world.api.raw_connections();
    let auth = world.api.account_info().auth().unwrap().unwrap();
    world.api.shutdown();
    assert!(matches!(list(&world.api), Err(Error::Cancelled)));
    let raw = connections.endpoints(auth.auth());
    let outcome = raw.list_buckets(&ListBucketsRequest::new(raw.account_id()));
    assert!(matches!(outcome, Err(Error::Cancelled)));
    assert_eq!(world.total(), 0);
}

#[test]
fn requests_are_counted_and_the_budget_holds_for_each_attempt() {
    let world = World::new();
    let spent = world.api.request_counts().of_class(BillingClass::C);
    world
        .api
        .set_request_budget(RequestBudget::new().class_c(spent + 2));
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .always(),
    );
    let error = list(&world.api).unwrap_err();
    let Error::BudgetExceeded { class, limit, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!((class, limit), (BillingClass::C, spent + 2));
    let counted = world.api.request_counts().of(Operation::ListBuckets);
    assert_eq!((counted, world.count(Operation::ListBuckets)), (2, 2));
}

#[test]
fn a_refusal_says_what_the_key_may_do() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["listFiles", "readFiles"]).bucket(BUCKET));
    let outcome = api.call_raw(Operation::HideFile, |raw| {
        raw.hide_file(&world.bucket.id(), "x")
    });
    let Err(Error::NotAllowed(refusal)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refusal.operation, Operation::HideFile);
    assert!(
        refusal
            .allowed
            .as_ref()
            .unwrap()
            .has(&Capability::ListFiles)
    );
    let text = refusal.to_string();
    for part in [
        "b2_hide_file",
        "needs writeFiles",
        "listFiles,readFiles",
        BUCKET,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((world.total(), world.count(Operation::HideFile)), (1, 1));
}

#[test]
fn another_identity_in_the_store_stops_the_call_before_anything_is_sent() {
    let world = World::new();
    let info = Arc::new(InMemoryAccountInfo::new());
    let (ours, theirs) = (B2Api::new(Arc::clone(&info)), B2Api::new(Arc::clone(&info)));
    authorize(&ours, &world.service);
    let key = world
        .service
        .create_key(KeyRequest::new(["listBuckets"]))
        .unwrap();
    let (url, id) = (world.service.url(), key.application_key_id());
    theirs
        .authorize_account(url, id, key.application_key())
        .unwrap();
    world.service.log().clear();
    assert!(matches!(list(&ours), Err(Error::AccountChanged)));
    assert_eq!(world.total(), 0);
    assert_eq!(list(&theirs).unwrap(), 1);
}

/// Not even where the `B2Api` follows whoever the store holds: the request names the first account's.
#[test]
fn a_call_is_not_repeated_under_another_identity() {
    let world = World::new();
    let info = Arc::new(InMemoryAccountInfo::new());
    let other = B2Api::new(Arc::clone(&info));
    authorize(&other, &world.service);
    let follower = B2Api::builder(Arc::clone(&info))
        .clock(&world.clock)
        .build()
        .unwrap();
    let key = world
        .service
        .create_key(KeyRequest::new(["listBuckets"]))
        .unwrap();
    world.service.log().clear();
    world.inject(Fault::on(Operation::ListBuckets).status(503, "service_unavailable", ""));
    let outcome = follower.call_raw(Operation::ListBuckets, |raw| {
        let outcome = raw.list_buckets(&ListBucketsRequest::new(raw.account_id()));
        let (url, id) = (world.service.url(), key.application_key_id());
        other.authorize_account(url, id, key.application_key())?;
        outcome
    });
    assert!(matches!(outcome, Err(Error::AccountChanged)));
    assert_eq!(world.count(Operation::ListBuckets), 1);
    assert_eq!(list(&follower).unwrap(), 1, "the next call follows");
}

#[test]
fn without_an_authorization_nothing_is_called() {
    let api = B2Api::new(InMemoryAccountInfo::new());
    let outcome: Result<()> = api.call_raw(Operation::ListBuckets, |_| panic!("there is none"));
    assert!(matches!(outcome, Err(Error::NotAuthorized)));
}

#[test]
fn a_download_that_breaks_off_fails_where_it_broke() {
    let world = World::new();
    let content = crate::support::noise(300_000);
    world.bucket.upload_bytes(&content, "x").unwrap();
    let open = || {
        world.api.call_raw(Operation::DownloadFileByName, |raw| {
            raw.download_file_by_name(BUCKET, "x", &DownloadParameters::new())
        })
    };
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(100_000));
    let mut bytes = Vec::new();
    let mut response = open().unwrap();
    let error = response.read_to_end(&mut bytes).unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    let Error::Connection(transport) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(transport.kind, TransportKind::Reset);
    assert_eq!(
        (&bytes[..], response.left()),
        (&content[..100_000], 200_000)
    );
    assert_eq!(world.count(Operation::DownloadFileByName), 1);

    let mut response = open().unwrap();
    bytes.clear();
    response.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes, response.left()), (content, 0));
}

#[test]
fn a_download_ends_with_its_token() {
    let world = World::new();
    world
        .bucket
        .upload_bytes(&crate::support::noise(1_000_000), "x")
        .unwrap();
    let token = CancelToken::new();
    let mut response = world
        .api
        .with_cancel(&token)
        .call_raw(Operation::DownloadFileByName, |raw| {
            raw.download_file_by_name(BUCKET, "x", &DownloadParameters::new())
        })
        .unwrap();
    response.read_exact(&mut [0; 10]).unwrap();
    token.cancel();
    let error = response.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(
        error.downcast::<Error>().unwrap(),
        Error::Cancelled
    ));
}

#[test]
fn fields_without_a_name_are_sent_and_read_as_json() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListBuckets).edit_json(|body| {
        body["notYetInvented"] = json!([1, null]);
    }));
    let answer: Value = world
        .api
        .call_raw(Operation::ListBuckets, |raw| {
            let request = json!({"accountId": raw.account_id(), "bucketName": BUCKET});
            raw.call_json(Operation::ListBuckets, &request)
        })
        .unwrap();
    assert_eq!(answer["notYetInvented"], json!([1, null]));
    assert_eq!(answer["buckets"][0]["bucketName"], BUCKET);
}

#[test]
fn what_is_no_call_with_json_is_not_sent_as_one() {
    let world = World::new();
    for operation in [
        Operation::AuthorizeAccount,
        Operation::UploadFile,
        Operation::UploadPart,
        Operation::DownloadFileById,
        Operation::DownloadFileByName,
    ] {
        let outcome: Result<Value> = world
            .api
            .call_raw(operation, |raw| raw.call_json(operation, &json!({})));
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{operation}"
        );
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn what_is_new_in_an_answer_is_kept() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.inject(Fault::on(Operation::ListFileNames).edit_json(|body| {
        body["colour"] = json!("green");
        body["files"][0]["colour"] = json!("blue");
        body["files"][0]["action"] = json!("levitate");
    }));
    let page = world
        .api
        .call_raw(Operation::ListFileNames, |raw| {
            raw.list_file_names(&ListFilesRequest::new(world.bucket.id()))
        })
        .unwrap();
    assert_eq!(
        (&page.extra["colour"], &page.files[0].extra["colour"]),
        (&json!("green"), &json!("blue"))
    );
    assert_eq!(page.files[0].action.as_str(), "levitate");
    assert!(page.files[0].upload_timestamp > Timestamp::default());
}

#[test]
fn a_refusal_without_a_name_here_keeps_its_code() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListBuckets).status(400, "too_blue", "no"));
    let error = list(&world.api).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::from("too_blue")));
}
