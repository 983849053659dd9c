//! Answers that are lost after the request took effect: nothing is made twice, whoever answers instead of the
//! service, and whatever the clocks did meanwhile.

use std::time::Duration;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, Bucket, BucketType, FileAction, FileId, FileVersion, InMemoryAccountInfo, Operation,
    Timeouts,
};

use crate::support::{BUCKET, World, authorize, noise, other_noise};

/// A call that makes a file "x" of 5,000 or 50,000 bytes.
type Call = fn(&Bucket, &FileId) -> b2sdk::Result<()>;

const CALLS: [(Operation, Call); 3] = [
    (Operation::UploadFile, |bucket, _| {
        bucket.upload_bytes(&noise(5000), "x").map(|_| ())
    }),
    (Operation::CopyFile, |bucket, source| {
        bucket.copy(source, "x").map(|_| ())
    }),
    (Operation::FinishLargeFile, |bucket, _| {
        bucket.upload_bytes(&noise(50_000), "x").map(|_| ())
    }),
];

/// What a gateway answers for a service that it cannot reach, or not in time.
const GATEWAY: [u16; 11] = [408, 429, 500, 502, 503, 504, 507, 520, 522, 524, 599];

/// Answers the first request of each call with a page that is not the service's.
fn each_call_makes_one_version(statuses: &[u16], when: fn(Fault) -> Fault) {
    for &status in statuses {
        for (operation, call) in CALLS {
            let world = World::of_small_parts(1000, 20_000);
            let source = world.bucket.upload_bytes(&noise(5000), "source").unwrap();
            world.inject(when(Fault::on(operation).body(
                status,
                "text/html",
                "<html>",
            )));
            call(&world.bucket, &source.version().file_id)
                .unwrap_or_else(|error| panic!("{operation} {status}: {error}"));
            assert_eq!(world.versions("x").len(), 1, "{operation} {status}");
        }
    }
}

#[test]
fn a_gateway_that_answers_after_the_effect_makes_no_second_version() {
    each_call_makes_one_version(&GATEWAY, Fault::after_effect);
}

#[test]
fn a_gateway_that_answers_before_the_effect_keeps_nothing_from_being_made() {
    each_call_makes_one_version(&GATEWAY, |page| page);
}

/// What a firewall, a proxy or a portal answers in the service's place.
const REFUSALS: [u16; 12] = [302, 400, 401, 403, 404, 405, 409, 412, 413, 418, 451, 499];

#[test]
fn a_refusal_without_the_services_form_after_the_effect_makes_no_second_version() {
    each_call_makes_one_version(&REFUSALS, Fault::after_effect);
}

#[test]
fn a_refusal_on_the_way_is_reported_and_not_taken_for_a_passing_one() {
    for status in REFUSALS {
        for (operation, call) in CALLS {
            let world = World::of_small_parts(1000, 20_000);
            let source = world.bucket.upload_bytes(&noise(5000), "source").unwrap();
            world.service.log().clear();
            let page = Fault::on(operation).body(status, "text/html", "<html>");
            world.inject(page.always());
            let outcome = call(&world.bucket, &source.version().file_id);
            let error = outcome.expect_err("nothing was made");
            assert!(error.is_answer_lost(), "{operation} {status}: {error:?}");
            assert!(!error.is_not_found(), "{operation} {status}: {error:?}");
            // Another upload URL is tried once after a 401.
            let most = if status == 401 { 2 } else { 1 };
            let sent = world.count(operation);
            assert!(sent <= most, "{operation} {status}: sent {sent} times");
            let versions = world.versions("x");
            let is_made = |row: &FileVersion| row.action == FileAction::Upload;
            assert!(!versions.iter().any(is_made), "{operation} {status}");
        }
    }
}

#[test]
fn a_page_in_the_place_of_an_answer_does_not_tell_that_a_file_is_gone() {
    let world = World::new();
    let stored = world.bucket.upload_bytes(b"x", "x").unwrap();
    let id = &stored.version().file_id;
    let page = |status| Fault::on(Operation::DeleteFileVersion).body(status, "text/html", "<html>");
    world.inject(page(503));
    world.inject(page(404).always());
    let error = world.bucket.delete_file_version(id, "x").unwrap_err();
    assert!(!error.is_not_found(), "{error:?}");
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn a_proxy_that_refuses_to_look_does_not_have_a_file_sent_again() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
    );
    let listing = Fault::on(Operation::ListFileVersions).body(401, "text/html", "<html>");
    world.inject(listing.times(2));
    let error = world.bucket.upload_bytes(b"x", "x").unwrap_err();
    assert!(error.is_answer_lost(), "{error:?}");
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn a_clock_that_goes_on_while_the_answer_is_due_makes_no_second_version() {
    // Our clock stands still while the machine sleeps, the service's does not.
    for (operation, call) in CALLS {
        let service = Simulator::builder()
            .minimum_part_size(1000)
            .recommended_part_size(20_000)
            .start()
            .unwrap();
        let limit = Duration::from_secs(1);
        let api = B2Api::builder(InMemoryAccountInfo::new())
            .timeouts(Timeouts::default().idle(limit).slow_idle(limit))
            .build()
            .unwrap();
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        let source = bucket.upload_bytes(&noise(5000), "source").unwrap();
        service
            .faults()
            .inject(Fault::on(operation).after_effect().stall());
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| call(&bucket, &source.version().file_id));
            let watcher = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
            authorize(&watcher, &service);
            let watched = watcher.get_bucket_by_name(BUCKET).unwrap();
            while watched.list_file_versions("x").unwrap().next().is_none() {
                std::thread::yield_now();
            }
            service.advance_clock(Duration::from_secs(3600));
            calling.join().unwrap().unwrap();
        });
        let versions = bucket.list_file_versions("x").unwrap();
        assert_eq!(versions.count(), 1, "{operation}");
    }
}

#[test]
fn an_equal_version_from_a_moment_ago_is_not_taken_for_the_new_one_if_it_was_replaced_already() {
    let world = World::new();
    let [one, other] = [noise(5000), other_noise(5000)];
    let upload = |bytes: &[u8], name: &str| world.bucket.upload_bytes(bytes, name).unwrap();
    upload(&one, "x");
    upload(&other, "x");
    // The request arrives, and nothing is stored.
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_reading(5040)
            .reset_connection(),
    );
    upload(&one, "x");
    assert_eq!(world.content("x"), one);
    assert_eq!(world.versions("x").len(), 3);

    let sources = [upload(&one, "one"), upload(&other, "other")];
    let copy = |at: usize| {
        let id = &sources[at].version().file_id;
        world.bucket.copy(id, "y").unwrap()
    };
    copy(0);
    copy(1);
    world.inject(Fault::on(Operation::CopyFile).drop_connection());
    copy(0);
    assert_eq!(world.content("y"), one);
    assert_eq!(world.versions("y").len(), 3);
}
