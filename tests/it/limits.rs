//! Limits that all calls of one `B2Api` share: bytes a second, memory, requests.

mod counts;

use std::io::Read;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use b2sdk::limits::{BillingClass, RequestBudget};
use b2sdk::simulator::Simulator;
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, B2ApiBuilder, Bucket, BucketType, Error, InMemoryAccountInfo, Operation, UploadOptions,
};

use crate::support::{BUCKET, World, authorize, noise};

const RATE: u64 = 100_000;

/// How long the calls so far slept, by the clock that only sleeping moves.
fn slept(clock: &Clock) -> Duration {
    clock.sleeps().iter().sum()
}

/// Whether that is what the bytes, and a checksum behind them, take at the limit, less what the clock
/// ran by itself.
fn is_time_of(slept: Duration, bytes: u64) -> bool {
    let full = Duration::from_secs_f64((bytes + 100) as f64 / RATE as f64);
    slept <= full && slept >= full.mul_f64(0.5)
}

#[test]
fn an_upload_takes_the_time_that_its_limit_asks_for() {
    let world = World::new();
    world.api.set_upload_limit(NonZeroU64::new(RATE));
    let content = noise(1_000_000);
    world.bucket.upload_bytes(&content, "slow").unwrap();
    assert!(
        is_time_of(slept(&world.clock), 1_000_000),
        "{:?}",
        slept(&world.clock)
    );

    let before = slept(&world.clock);
    assert_eq!(world.content("slow"), content);
    assert_eq!(
        slept(&world.clock),
        before,
        "downloads have a limit of their own"
    );
}

#[test]
fn a_download_takes_the_time_that_its_limit_asks_for() {
    let world = World::new();
    let content = noise(1_000_000);
    world.bucket.upload_bytes(&content, "slow").unwrap();
    assert_eq!(slept(&world.clock), Duration::ZERO);
    world.api.set_download_limit(NonZeroU64::new(RATE));
    assert_eq!(world.content("slow"), content);
    assert!(
        is_time_of(slept(&world.clock), 1_000_000),
        "{:?}",
        slept(&world.clock)
    );
}

#[test]
fn parts_and_clones_share_one_limit() {
    let world = World::of_small_parts(1000, 50_000);
    world.api.clone().set_upload_limit(NonZeroU64::new(RATE));
    let content = noise(500_000);
    world.bucket.upload_bytes(&content, "parts").unwrap();
    // Threads that sleep at the same time move the clock one after the other.
    assert!(slept(&world.clock) >= Duration::from_secs_f64(2.5));
    assert_eq!(world.content("parts"), content);
}

/// Changes the limit when half of it was read.
struct Turning<'a> {
    world: &'a World,
    content: &'a [u8],
    half: usize,
}

impl Read for Turning<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.content.len() <= self.half {
            self.world.api.set_upload_limit(None);
        }
        self.content.read(buffer)
    }
}

#[test]
fn a_limit_that_is_lifted_lets_what_runs_go_on_at_full_speed() {
    let world = World::new();
    world.api.set_upload_limit(NonZeroU64::new(RATE));
    let content = noise(1_000_000);
    let reader = Turning {
        world: &world,
        content: &content,
        half: 500_000,
    };
    world
        .bucket
        .upload_reader(reader, 1_000_000, "turned")
        .unwrap();
    // The half may end within a piece, of which there are twenty a second.
    assert!(
        is_time_of(slept(&world.clock), 500_000 + RATE / 20),
        "{:?}",
        slept(&world.clock)
    );
    assert_eq!(world.api.upload_limit(), None);
}

fn small_parts(settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder) -> (Simulator, B2Api, Bucket) {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    let builder = B2Api::builder(InMemoryAccountInfo::new());
    let api = settings(builder).build().unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.log().clear();
    (service, api, bucket)
}

/// A reader that looks how much memory is in use.
struct Watching<'a> {
    api: &'a B2Api,
    most: &'a AtomicU64,
    content: &'a [u8],
}

impl Read for Watching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.most
            .fetch_max(self.api.memory_in_use(), Ordering::SeqCst);
        let room = buffer.len().min(700);
        self.content.read(&mut buffer[..room])
    }
}

#[test]
fn a_reader_of_more_than_a_part_is_kept_in_memory_in_parts_as_small_as_those_of_a_stream() {
    let service = Simulator::builder()
        .recommended_part_size(20_000_000)
        .start()
        .unwrap();
    let builder = B2Api::builder(InMemoryAccountInfo::new()).workers(1);
    let api = builder.build().unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let content = noise(33_000_000);
    for (length, parts, in_memory) in [(20_000_000, 1, 20_000_000), (33_000_000, 3, 32_000_000)] {
        let most = AtomicU64::new(0);
        let reader = Watching {
            api: &api,
            most: &most,
            content: &content[..length],
        };
        let uploaded = bucket.upload_reader(reader, length as u64, "x").unwrap();
        assert_eq!(uploaded.parts(), parts);
        assert!(most.into_inner() <= in_memory);
        let stored = bucket.download_file_by_name("x").unwrap();
        assert!(stored.read_to_vec().unwrap() == content[..length]);
    }
}

#[test]
fn many_uploads_of_readers_stay_within_the_memory_limit_and_all_end() {
    const LIMIT: u64 = 12_000;
    let (_service, api, bucket) = small_parts(|builder| builder.memory_limit(LIMIT).workers(4));
    let most = AtomicU64::new(0);
    let contents: Vec<_> = (0..12).map(|n| noise(7000 + 6000 * n)).collect();
    std::thread::scope(|scope| {
        for (n, content) in contents.iter().enumerate() {
            let (api, bucket, most) = (&api, &bucket, &most);
            scope.spawn(move || {
                let reader = Watching { api, most, content };
                let options = UploadOptions::new().part_size(5000);
                let name = format!("file {n}");
                let uploaded = match n % 2 {
                    0 => bucket.upload_stream_with(reader, &name, &options),
                    _ => bucket.upload_reader_with(reader, content.len() as u64, &name, &options),
                };
                uploaded.unwrap();
            });
        }
    });
    let most = most.into_inner();
    assert!(most > 5000 && most <= LIMIT, "{most}");
    assert_eq!(api.memory_in_use(), 0);
    for (n, content) in contents.iter().enumerate() {
        let stored = bucket.download_file_by_name(&format!("file {n}")).unwrap();
        assert_eq!(stored.read_to_vec().unwrap(), *content);
    }
}

#[test]
fn parts_become_as_small_as_the_memory_limit_asks_for() {
    let (service, _api, bucket) = small_parts(|builder| builder.memory_limit(4000));
    let content = noise(20_000);
    let streamed = bucket.upload_stream(&content[..], "streamed").unwrap();
    assert_eq!(streamed.parts(), 5);
    let read = bucket.upload_reader(&content[..], 20_000, "read").unwrap();
    assert_eq!(read.parts(), 5);
    assert_eq!(service.log().count(Operation::UploadPart), 10);
}

#[test]
fn a_part_that_never_fits_into_memory_is_an_error_that_names_the_limit() {
    let (service, api, bucket) = small_parts(|builder| builder.memory_limit(4000));
    let content = noise(20_000);
    let options = UploadOptions::new().part_size(5000);
    let outcomes = [
        bucket.upload_stream_with(&content[..], "streamed", &options),
        bucket.upload_reader_with(&content[..], 20_000, "read", &options),
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    what: "memory_limit",
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(service.log().total(), 0);
    assert_eq!(api.memory_in_use(), 0);
}

#[test]
fn an_upload_that_fails_gives_its_memory_back() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(1)
                .ok_or(std::io::ErrorKind::BrokenPipe)?;
            Ok(buffer.len().min(1000))
        }
    }
    let (_service, api, bucket) = small_parts(|builder| builder.memory_limit(8000));
    let error = bucket.upload_stream(Failing(30), "broken").unwrap_err();
    assert!(
        matches!(error, Error::Stream { action: "read", .. }),
        "{error}"
    );
    assert_eq!(api.memory_in_use(), 0);
}

#[test]
fn a_request_beyond_the_budget_is_not_sent() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let used = world.api.request_counts().of_class(BillingClass::B);
    world
        .api
        .set_request_budget(RequestBudget::new().class_b(used + 2));
    assert_eq!(world.content("x"), b"x");
    assert_eq!(world.content("x"), b"x");
    let sent = world.total();
    match world.bucket.download_file_by_name("x") {
        Err(
            error @ Error::BudgetExceeded {
                class: BillingClass::B,
                ..
            },
        ) => assert!(!error.is_retryable()),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.total(), sent);
    world.bucket.upload_bytes(b"y", "x").unwrap();
    world.api.set_request_budget(RequestBudget::new());
    assert_eq!(world.content("x"), b"y");
}
