//! Who authorizes, when, and how often.

use std::sync::{Arc, Barrier};

use b2sdk::error::ErrorCode;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{B2Api, BucketType, Error, InMemoryAccountInfo, Operation};

use crate::support::{BUCKET, World, authorize};

#[test]
fn authorizing_the_same_key_again_uses_the_stored_token() {
    let service = Simulator::start().unwrap();
    let info = Arc::new(InMemoryAccountInfo::new());
    for _ in 0..3 {
        let api = B2Api::new(Arc::clone(&info));
        authorize(&api, &service);
    }
    assert_eq!(service.log().total(), 1);
    let api = B2Api::new(info);
    authorize(&api, &service);
    api.reauthorize().unwrap();
    assert_eq!(
        service.log().count(Operation::AuthorizeAccount),
        2,
        "reauthorize always asks"
    );
}

#[test]
fn a_hundred_threads_that_authorize_at_once_make_one_request() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let barrier = Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                authorize(&api, &service);
            });
        }
    });
    assert_eq!(service.log().total(), 1);
}

#[test]
fn expired_token_on_100_threads_authorizes_once() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.service.expire_tokens().unwrap();
    world.service.log().clear();
    let barrier = Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                world.bucket.get_file_info_by_name("x").unwrap();
            });
        }
    });
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn every_kind_of_call_survives_an_expired_token_with_one_authorization() {
    let world = World::new();
    let version = world
        .bucket
        .upload_bytes(b"hello", "hello.txt")
        .unwrap()
        .into_version();
    type Call<'a> = (&'a str, &'a dyn Fn(&World));
    let calls: [Call<'_>; 6] = [
        ("list", &|world| {
            assert_eq!(world.bucket.ls("").unwrap().count(), 1)
        }),
        ("download", &|world| {
            let download = world.bucket.download_file_by_name("hello.txt").unwrap();
            assert_eq!(download.read_to_vec().unwrap(), b"hello");
        }),
        ("head", &|world| {
            _ = world.bucket.get_file_info_by_name("hello.txt").unwrap()
        }),
        ("info", &|world| {
            _ = world.api.get_file_info(&version.file_id).unwrap()
        }),
        ("upload", &|world| {
            _ = world.bucket.upload_bytes(b"hello", "other.txt").unwrap()
        }),
        ("buckets", &|world| {
            assert_eq!(world.api.list_buckets().unwrap().len(), 1)
        }),
    ];
    for (name, call) in calls {
        world.service.expire_tokens().unwrap();
        world.service.drop_upload_urls().unwrap();
        world.service.log().clear();
        call(&world);
        assert_eq!(world.count(Operation::AuthorizeAccount), 1, "{name}");
    }
}

#[test]
fn a_token_that_is_refused_right_after_it_was_made_is_an_error() {
    let world = World::new();
    for code in ["expired_auth_token", "bad_auth_token"] {
        world.service.log().clear();
        world.inject(
            Fault::on(Operation::ListFileNames)
                .status(401, code, "")
                .always(),
        );
        let error = world.bucket.ls("").unwrap().next().unwrap().unwrap_err();
        assert!(error.is_auth(), "{error}");
        assert_eq!((error.status(), error.attempts()), (Some(401), 2));
        assert_eq!(
            (
                world.count(Operation::AuthorizeAccount),
                world.count(Operation::ListFileNames)
            ),
            (1, 2)
        );
        world.service.faults().clear();
    }
}

#[test]
fn a_token_that_is_refused_again_after_another_failure_is_replaced_again() {
    let world = World::new();
    let failures = |operation| {
        let on = || Fault::on(operation);
        for fault in [
            on().status(401, "expired_auth_token", ""),
            on().status(503, "service_unavailable", ""),
            on().status(401, "expired_auth_token", ""),
            on().drop_connection(),
            on().status(401, "bad_auth_token", ""),
        ] {
            world.inject(fault);
        }
        world.service.log().clear();
    };
    failures(Operation::ListFileNames);
    assert_eq!(world.bucket.ls("").unwrap().count(), 0);
    assert_eq!(
        (
            world.count(Operation::AuthorizeAccount),
            world.count(Operation::ListFileNames)
        ),
        (3, 6)
    );
    // The tokens of upload URLs, of which five are asked for without a pause.
    failures(Operation::UploadFile);
    world.bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(world.count(Operation::UploadFile), 6);
}

#[test]
fn tokens_are_not_replaced_without_end() {
    let world = World::new();
    for _ in 0..20 {
        world.inject(Fault::on(Operation::ListFileNames).status(401, "expired_auth_token", ""));
        world.inject(Fault::on(Operation::ListFileNames).status(503, "service_unavailable", ""));
    }
    world.service.log().clear();
    let error = world.bucket.ls("").unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.attempts(), 8);
    assert_eq!(world.count(Operation::AuthorizeAccount), 4);
}

#[test]
fn an_empty_401_to_head_leads_to_one_authorization() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.service.log().clear();
    world.inject(
        Fault::on(Operation::DownloadFileByName)
            .method("HEAD")
            .body(401, "text/plain", ""),
    );
    world.bucket.get_file_info_by_name("x").unwrap();
    assert_eq!(
        (world.count(Operation::AuthorizeAccount), world.total()),
        (1, 3)
    );
}

#[test]
fn a_refusal_for_lack_of_permission_does_not_authorize_and_names_what_is_missing() {
    let world = World::new();
    let api = world.restricted(
        KeyRequest::new(["listBuckets", "listFiles"])
            .bucket(BUCKET)
            .name_prefix("logs/"),
    );
    let error = api
        .get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(b"x", "logs/x")
        .unwrap_err();
    assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
    let text = error.to_string();
    for word in [
        "b2_upload_file",
        "needs writeFiles",
        "listBuckets,listFiles",
        BUCKET,
        "\"logs/\"",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(
        (world.count(Operation::AuthorizeAccount), world.total()),
        (0, 0)
    );
}

#[test]
fn threads_that_wait_for_an_authorization_share_its_failure_and_the_old_token_stays() {
    let world = World::new();
    world.service.expire_tokens().unwrap();
    // Every refusal of an authorization is seen by all that wait for it: there are far fewer of
    // them than threads. Who comes later asks anew.
    world.inject(
        Fault::on(Operation::AuthorizeAccount)
            .status(401, "unauthorized", "")
            .always(),
    );
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                barrier.wait();
                let error = world.api.list_buckets().unwrap_err();
                assert!(matches!(error, Error::InvalidCredentials(_)), "{error:?}");
            });
        }
    });
    assert!(
        world.count(Operation::AuthorizeAccount) < 25,
        "{}",
        world.count(Operation::AuthorizeAccount)
    );
    world.service.faults().clear();
    assert_eq!(
        world.api.list_buckets().unwrap().len(),
        1,
        "the credentials are still there"
    );
}

#[test]
fn a_wrong_key_is_asked_about_once() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let error = api
        .authorize_account(service.url(), service.application_key_id(), "wrong")
        .unwrap_err();
    assert!(matches!(error, Error::InvalidCredentials(_)), "{error:?}");
    assert_eq!(service.log().total(), 1);
    assert!(matches!(
        api.list_buckets().unwrap_err(),
        Error::NotAuthorized
    ));
    assert_eq!(service.log().total(), 1);
}

#[test]
fn an_account_that_somebody_else_replaced_is_never_mixed_with_the_new_one() {
    let service = Simulator::start().unwrap();
    let info = Arc::new(InMemoryAccountInfo::new());
    let (ours, follower) = (B2Api::new(Arc::clone(&info)), B2Api::new(Arc::clone(&info)));
    authorize(&ours, &service);
    let bucket = ours.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let old_handle = follower.get_bucket_by_name(BUCKET).unwrap();

    let key = service
        .create_key(KeyRequest::new(["listBuckets", "listFiles"]))
        .unwrap();
    let other = B2Api::new(Arc::clone(&info));
    other
        .authorize_account(
            service.url(),
            key.application_key_id(),
            key.application_key(),
        )
        .unwrap();

    service.log().clear();
    for error in [
        ours.list_buckets().unwrap_err(),
        bucket.upload_bytes(b"x", "x").unwrap_err(),
        old_handle.ls("").unwrap().next().unwrap().unwrap_err(),
    ] {
        assert!(matches!(error, Error::AccountChanged), "{error:?}");
    }
    assert_eq!(
        service.log().total(),
        0,
        "nothing was sent for the old account"
    );
    assert_eq!(
        follower.list_buckets().unwrap().len(),
        1,
        "who only opened the store follows it"
    );
    ours.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
    assert_eq!(bucket.ls("").unwrap().count(), 0);
}

#[test]
fn credentials_are_sent_to_no_realm_that_could_leak_them() {
    let api = B2Api::new(InMemoryAccountInfo::new());
    for realm in [
        "http://b2.example.org",
        "productoin",
        "https://user@b2.example.org",
        "https://s3.us-west-002.backblazeb2.com",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8080x",
    ] {
        let error = api.authorize_account(realm, "id", "key").unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { what: "realm", .. }),
            "{error:?}"
        );
        assert!(
            !error.to_string().contains(realm),
            "it may be the key: {error}"
        );
    }
    assert_eq!(api.request_counts().total(), 0);
}

#[test]
fn redirects_are_never_followed() {
    let world = World::new();
    let elsewhere = Simulator::start().unwrap();
    for status in [301, 302, 303, 307, 308] {
        world.inject(Fault::on(Operation::ListFileNames).redirect(status, elsewhere.url()));
        let error = world.bucket.ls("").unwrap().next().unwrap().unwrap_err();
        assert_eq!(error.status(), Some(status));
    }
    assert_eq!(elsewhere.log().total(), 0);
}

#[test]
fn urls_outside_the_realm_get_no_token() {
    let service = Simulator::start().unwrap();
    service
        .faults()
        .inject(Fault::on(Operation::AuthorizeAccount).edit_json(|json| {
            json["apiInfo"]["storageApi"]["apiUrl"] = "https://api.example.org".into();
        }));
    let api = B2Api::new(InMemoryAccountInfo::new());
    let error = api
        .authorize_account(
            service.url(),
            service.application_key_id(),
            service.application_key(),
        )
        .unwrap_err();
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
    assert!(api.account_info().auth().unwrap().is_none());

    let world = World::new();
    world.inject(
        Fault::on(Operation::GetUploadUrl)
            .edit_json(|json| json["uploadUrl"] = "https://pod.example.org/x".into()),
    );
    let error = world.bucket.upload_bytes(b"x", "x").unwrap_err();
    assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
    assert_eq!(world.total(), 1);
}

#[test]
fn only_version_4_of_the_api_is_spoken() {
    let world = World::new();
    authorize(&B2Api::new(InMemoryAccountInfo::new()), &world.service);
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world
        .bucket
        .ls("")
        .unwrap()
        .for_each(|entry| _ = entry.unwrap());
    for entry in world.service.log().entries() {
        assert!(entry.path.starts_with("/b2api/v4/"), "{}", entry.path);
    }
}

#[test]
fn a_revoked_key_is_an_error_that_says_so() {
    let world = World::new();
    world.service.revoke_tokens().unwrap();
    world.inject(Fault::on(Operation::AuthorizeAccount).status(401, "unauthorized", ""));
    let error = world.api.list_buckets().unwrap_err();
    assert!(
        matches!(&error, Error::InvalidCredentials(service) if service.code == ErrorCode::Unauthorized)
    );
}
