//! How often, how long, and when not at all.

use std::time::Duration;

use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{B2Api, BucketType, Error, Operation, RetryPolicy};

use crate::support::{BUCKET, Lines, World};

#[test]
fn a_busy_service_is_asked_again_with_growing_pauses() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .times(4),
    );
    world.api.list_buckets().unwrap();
    let sleeps = world.clock.sleeps();
    assert_eq!(sleeps.len(), 4);
    for (n, sleep) in sleeps.iter().enumerate() {
        let base = Duration::from_secs(1 << n);
        assert!(*sleep >= base && *sleep <= base * 3 / 2, "{sleeps:?}");
    }
}

#[test]
fn the_services_own_waiting_time_is_honoured_in_full() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(429, "too_many_requests", "")
            .retry_after(100),
    );
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .retry_after(200),
    );
    world.api.list_buckets().unwrap();
    assert_eq!(
        world.clock.sleeps(),
        [Duration::from_secs(100), Duration::from_secs(200)]
    );
}

#[expect(clippy::disallowed_methods, reason = "the date is counted from now")]
#[test]
fn a_waiting_time_given_as_a_date_is_understood() {
    let world = World::new();
    let later = std::time::SystemTime::now() + Duration::from_secs(100);
    let date = httpdate::fmt_http_date(later);
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .header("Retry-After", &date),
    );
    world.api.list_buckets().unwrap();
    let [sleep] = world.clock.sleeps()[..] else {
        panic!("{:?}", world.clock.sleeps())
    };
    assert!(
        sleep > Duration::from_secs(90) && sleep <= Duration::from_secs(100),
        "{sleep:?}"
    );
}

#[test]
fn a_wait_beyond_the_time_left_fails_at_once_and_says_so() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .retry_after(3600),
    );
    let error = world.api.list_buckets().unwrap_err();
    assert!(error.to_string().contains("asks to wait 3600 s"), "{error}");
    assert_eq!(
        (
            world.clock.sleeps().len(),
            world.count(Operation::ListBuckets)
        ),
        (0, 1)
    );
}

#[test]
fn a_pause_holds_for_every_call_of_the_same_operation() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(429, "too_many_requests", "")
            .retry_after(50),
    );
    let policy = RetryPolicy::default().total_time(Duration::from_secs(10));
    let impatient = World::with(|builder| builder.retry(policy));
    impatient.inject(
        Fault::on(Operation::ListBuckets)
            .status(429, "too_many_requests", "")
            .retry_after(50),
    );
    impatient.api.list_buckets().unwrap_err();
    // Another call of the same operation does not even ask while the pause lasts.
    impatient.api.clone().list_buckets().unwrap_err();
    assert_eq!(impatient.count(Operation::ListBuckets), 1);
    assert_eq!(
        impatient.bucket.ls("").unwrap().count(),
        0,
        "other operations go on"
    );
    impatient.clock.advance(Duration::from_secs(45));
    impatient.api.list_buckets().unwrap();
    let [sleep] = impatient.clock.sleeps()[..] else {
        panic!("{:?}", impatient.clock.sleeps())
    };
    assert!(
        sleep <= Duration::from_secs(5),
        "only what was left of the pause: {sleep:?}"
    );
    world.api.list_buckets().unwrap();
    assert_eq!(world.clock.sleeps(), [Duration::from_secs(50)]);
}

#[test]
fn trying_ends_after_as_many_attempts_as_are_allowed() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(3)));
    for operation in [Operation::ListBuckets, Operation::UploadFile] {
        world.inject(
            Fault::on(operation)
                .status(503, "service_unavailable", "")
                .always(),
        );
    }
    assert_eq!(world.api.list_buckets().unwrap_err().attempts(), 3);
    assert_eq!(
        world.bucket.upload_bytes(b"x", "x").unwrap_err().attempts(),
        3
    );
    assert_eq!(
        (
            world.count(Operation::ListBuckets),
            world.count(Operation::UploadFile)
        ),
        (3, 3)
    );
}

#[test]
fn an_upload_url_that_cannot_be_had_is_not_multiplied_by_the_uploads_own_attempts() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::GetUploadUrl)
            .status(503, "service_unavailable", "no tomes available")
            .always(),
    );
    let error = world.bucket.upload_bytes(b"x", "x").unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error:?}");
    assert_eq!(world.count(Operation::GetUploadUrl), 8);
}

#[test]
fn a_connection_that_broke_is_replaced_at_once() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListBuckets).drop_connection());
    world.inject(
        Fault::on(Operation::ListFileNames)
            .after_effect()
            .reset_connection(),
    );
    world.api.list_buckets().unwrap();
    assert_eq!(world.bucket.ls("").unwrap().count(), 0);
    assert!(world.clock.sleeps().is_empty());
}

#[test]
fn what_creates_something_is_not_sent_twice_when_the_answer_is_lost() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::CreateBucket)
            .after_effect()
            .drop_connection(),
    );
    let error = world
        .api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(world.count(Operation::CreateBucket), 1);
    assert_eq!(
        world
            .api
            .get_bucket_by_name("another-bucket")
            .unwrap()
            .name(),
        "another-bucket"
    );
}

#[test]
fn a_deletion_whose_answer_was_lost_is_a_success() {
    let world = World::new();
    let version = world.bucket.upload_bytes(b"x", "x").unwrap().into_version();
    world.inject(
        Fault::on(Operation::DeleteFileVersion)
            .after_effect()
            .drop_connection(),
    );
    world
        .bucket
        .delete_file_version(&version.file_id, "x")
        .unwrap();
    world.inject(
        Fault::on(Operation::DeleteBucket)
            .after_effect()
            .drop_connection(),
    );
    world.api.delete_bucket(&world.bucket).unwrap();
    assert!(
        world
            .api
            .get_bucket_by_name(BUCKET)
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn hiding_whose_answer_was_lost_is_a_success_if_the_file_is_hidden() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.inject(
        Fault::on(Operation::HideFile)
            .after_effect()
            .drop_connection(),
    );
    let marker = world.bucket.hide_file("x").unwrap();
    assert_eq!(world.versions("x")[0].file_id, marker.file_id);
    assert_eq!(world.versions("x").len(), 2);
    world.bucket.unhide_file("x").unwrap();
    world.inject(Fault::on(Operation::HideFile).drop_connection());
    assert!(matches!(
        world.bucket.hide_file("x").unwrap_err(),
        Error::Connection(_)
    ));
}

#[test]
fn permanent_refusals_are_never_repeated() {
    let world = World::new();
    for (status, code) in [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "transaction_cap_exceeded"),
        (404, "not_found"),
        (409, "conflict"),
        (405, "method_not_allowed"),
    ] {
        world.service.log().clear();
        world.inject(Fault::on(Operation::ListBuckets).status(status, code, ""));
        world.api.list_buckets().unwrap_err();
        assert_eq!(world.total(), 1, "{status}");
    }
}

#[test]
fn a_key_without_the_capability_is_refused_once_for_uploads_too() {
    let world = World::new();
    let key = || KeyRequest::new(["listBuckets", "writeFiles"]).name_prefix("mine/");
    let upload = |api: B2Api| {
        let bucket = api.get_bucket_by_name(BUCKET).unwrap();
        let error = bucket.upload_bytes(b"x", "yours/x").unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
        error.to_string()
    };
    let text = upload(world.restricted(key()));
    assert!(text.contains("\"mine/\""), "{text}");
    assert_eq!(world.count(Operation::GetUploadUrl), 0, "it is known");
    upload(world.overestimated(key()));
    assert_eq!(
        world.count(Operation::UploadFile),
        2,
        "one fresh URL is tried"
    );
}

#[test]
fn what_is_logged_of_a_retry_names_the_file_and_stands_in_the_span_of_its_call() {
    let world = World::new();
    for operation in [Operation::UploadFile, Operation::DownloadFileByName] {
        world.inject(Fault::on(operation).status(503, "service_unavailable", ""));
    }
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        world.bucket.upload_bytes(b"x", "photos/cat.jpg").unwrap();
        world
            .bucket
            .download_file_by_name("photos/cat.jpg")
            .unwrap();
    });
    let told = lines.told();
    for operation in ["b2_upload_file", "b2_download_file_by_name"] {
        let named = format!("operation={operation} file_name=\"photos/cat.jpg\"");
        let retried = |line: &&str| line.contains("trying again") && line.contains(&named);
        assert_eq!(told.lines().filter(retried).count(), 1, "{told}");
        let is_span = |line: &&str| {
            line.starts_with("span ") && line.contains(operation) && line.contains("cat.jpg")
        };
        assert_eq!(told.lines().filter(is_span).count(), 1, "{told}");
    }
    let bucket = format!("bucket_id=\"{}\"", world.bucket.id());
    assert!(told.contains(&bucket), "{told}");
}

/// An upload asks for a URL in a call of its own, which repeats its requests by itself.
#[test]
fn what_a_call_inside_another_one_gave_up_is_not_repeated_by_the_outer_one() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(3)));
    let faults = [
        Fault::on(Operation::GetUploadUrl).reset_connection(),
        Fault::on(Operation::GetUploadUrl).status(503, "service_unavailable", ""),
    ];
    for fault in faults {
        world.inject(fault.always());
        world.service.log().clear();
        world.bucket.upload_bytes(b"1", "x").unwrap_err();
        assert_eq!(world.count(Operation::GetUploadUrl), 3);
        world.service.faults().clear();
    }
}
