//! Answers that are lost after the request took effect: nothing is made twice, whoever answers instead of the
//! service, and whatever the clocks did meanwhile.

use std::time::Duration;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{B2Api, Bucket, BucketType, FileId, InMemoryAccountInfo, Operation, Timeouts};

use crate::support::{BUCKET, World, authorize, noise};

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

#[test]
fn a_gateway_that_answers_after_the_effect_makes_no_second_version() {
    for status in [408, 429, 500, 502, 503, 504, 507, 520, 522, 524, 599] {
        for (operation, call) in CALLS {
            let world = World::of_small_parts(1000, 20_000);
            let source = world.bucket.upload_bytes(&noise(5000), "source").unwrap();
            let page = Fault::on(operation).body(status, "text/html", "<html>");
            world.inject(page.after_effect());
            call(&world.bucket, &source.version().file_id)
                .unwrap_or_else(|error| panic!("{operation} {status}: {error}"));
            assert_eq!(world.versions("x").len(), 1, "{operation} {status}");
        }
    }
}

#[test]
fn a_gateway_that_answers_before_the_effect_keeps_nothing_from_being_made() {
    for status in [408, 429, 500, 502, 503, 504, 507, 520, 522, 524, 599] {
        for (operation, call) in CALLS {
            let world = World::of_small_parts(1000, 20_000);
            let source = world.bucket.upload_bytes(&noise(5000), "source").unwrap();
            world.inject(Fault::on(operation).body(status, "text/html", "<html>"));
            call(&world.bucket, &source.version().file_id)
                .unwrap_or_else(|error| panic!("{operation} {status}: {error}"));
            assert_eq!(world.versions("x").len(), 1, "{operation} {status}");
        }
    }
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
