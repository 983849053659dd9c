//! What may befall an upload on its way: it ends in the right file, in time, and without leaving an
//! upload URL in use that was refused.

use std::time::Duration;

use b2sdk::simulator::Fault;
use b2sdk::{Operation, Timeouts};

use crate::support::{World, noise};

/// Larger than `expect_continue_from`.
const LENGTH: usize = 1_500_000;

/// A client that waits long enough for a service on a busy machine, and asks for leave or not.
fn world(asks: bool) -> World {
    world_with_limit(asks, Duration::from_secs(2))
}

fn world_with_limit(asks: bool, idle: Duration) -> World {
    World::with(|builder| {
        builder
            .expect_continue_from(if asks { 1000 } else { u64::MAX })
            .timeouts(Timeouts::default().idle(idle))
    })
}

fn words(text: &str) -> Fault {
    format!("b2_upload_file {text}").parse().unwrap()
}

#[test]
fn an_upload_that_is_not_read_or_not_answered_ends_in_time_and_is_made_again() {
    let faults = [
        "stall",
        "continue stall",
        "read=1000 stall",
        "read=1400000 stall",
        "half-close",
        "read=1000 half-close",
        "read=1000 close",
        "read=1000 reset",
    ];
    let trial = |asks, what| {
        let world = world(asks);
        world.inject(words(what));
        let uploaded = world.bucket.upload_bytes(&noise(LENGTH), "x");
        let uploaded = uploaded.unwrap_or_else(|error| panic!("{what} {asks}: {error:?}"));
        assert_eq!(uploaded.retries(), 1, "{what} {asks}");
        let entries = world.service.log().entries();
        let urls: Vec<_> = entries
            .iter()
            .filter_map(|e| e.upload_url.clone())
            .collect();
        assert_eq!(urls.len(), 2, "{what} {asks}");
        assert_ne!(urls[0], urls[1], "{what} {asks}: the URL that failed");
        assert_eq!(world.versions("x").len(), 1, "{what} {asks}");
        assert_eq!(world.content("x"), noise(LENGTH), "{what} {asks}");
    };
    // Side by side, because most of them wait for the time limit.
    std::thread::scope(|scope| {
        for (asks, what) in faults.iter().flat_map(|what| [(false, what), (true, what)]) {
            scope.spawn(move || trial(asks, what));
        }
    });
}

#[test]
fn an_upload_that_nobody_ever_reads_ends_in_an_error() {
    for (asks, what) in [(false, "read=1000 stall"), (true, "continue stall")] {
        let world = world_with_limit(asks, Duration::from_millis(300));
        world.inject(words(what).always());
        let error = world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap_err();
        let debug = format!("{error:?}");
        assert!(debug.starts_with("Connection"), "{what}: {debug}");
        assert!(world.count(Operation::UploadFile) <= 10);
        world.service.faults().clear();
        assert!(world.versions("x").is_empty());
    }
}

#[test]
fn an_early_rejection_is_heard_with_and_without_leave_to_send() {
    for asks in [false, true] {
        for what in ["status=503", "continue status=503", "read=1000 status=503"] {
            let world = world(asks);
            world.inject(words(what));
            let uploaded = world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
            assert_eq!(uploaded.retries(), 1, "{what} {asks}");
            let entries = world.service.log().entries();
            let mut uploads = entries.iter().filter(|entry| entry.upload_url.is_some());
            let first = uploads.next().unwrap();
            assert_eq!(first.status, Some(503), "{what} {asks}");
            assert_eq!(first.expect_continue, asks);
            assert!(first.body_bytes <= 1000, "{what} {asks}");
            assert_eq!(world.content("x"), noise(LENGTH));
        }
    }
}

#[test]
fn a_slow_upload_is_left_alone_while_it_moves_and_made_again_when_it_drips() {
    // The service goes on with the others when the client has long left.
    for (what, retries) in [
        ("read-rate=8000000", 0),
        ("read-rate=10", 1),
        ("delay=60000", 1),
    ] {
        let world = world(false);
        world.inject(words(what));
        let uploaded = world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
        assert_eq!(uploaded.retries(), retries, "{what}");
        assert_eq!(world.content("x"), noise(LENGTH));
    }
}

#[test]
fn an_upload_may_take_longer_than_the_idle_limit() {
    let (length, rate, idle) = (36_000_000, 24_000_000, Duration::from_millis(700));
    let world = World::with(|builder| builder.timeouts(Timeouts::default().idle(idle)));
    world.inject(words(&format!("read-rate={rate}")));
    let uploaded = world.bucket.upload_bytes(&vec![7; length], "x").unwrap();
    assert!(length as f64 / f64::from(rate) > 2.0 * idle.as_secs_f64());
    assert_eq!(
        (uploaded.bytes_sent(), uploaded.retries()),
        (length as u64, 0)
    );
}

#[test]
fn bytes_behind_an_answer_are_never_taken_for_the_next_one() {
    let world = World::new();
    for _ in 0..20 {
        world.inject("* surplus=10".parse().unwrap());
        assert_eq!(world.api.list_buckets().unwrap().len(), 1);
        assert_eq!(world.api.list_buckets().unwrap().len(), 1);
        world.inject(words("surplus=10"));
        world.bucket.upload_bytes(b"content", "x").unwrap();
        world.bucket.upload_bytes(b"content", "x").unwrap();
    }
    assert_eq!(world.content("x"), b"content");
}

#[test]
fn an_upload_over_a_connection_that_dies_stays_one_version() {
    let world = World::new();
    for (n, fault) in [
        Fault::on(Operation::UploadFile).drop_connection(),
        Fault::on(Operation::UploadFile).reset_connection(),
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
        Fault::on(Operation::UploadFile)
            .after_effect()
            .reset_connection(),
    ]
    .into_iter()
    .enumerate()
    {
        // It leaves a connection that lies idle.
        world.bucket.upload_bytes(b"before", "before").unwrap();
        world.inject(fault);
        let name = n.to_string();
        world.bucket.upload_bytes(b"x", &name).unwrap();
        assert_eq!(world.versions(&name).len(), 1, "{n}");
    }
}

#[test]
fn connections_that_lie_idle_are_kept_as_long_as_the_caller_wants() {
    let kept = |time| {
        let world = World::with(|builder| builder.idle_connections_for(Duration::from_secs(time)));
        for name in ["a", "b", "c"] {
            world.bucket.upload_bytes(b"x", name).unwrap();
        }
        let entries = world.service.log().entries();
        let connections = entries.iter().map(|entry| entry.connection);
        connections.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(
        (kept(60), kept(0)),
        (1, 4),
        "an upload URL and three uploads"
    );
}
