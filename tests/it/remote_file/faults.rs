//! What goes wrong while a file is read: the right bytes, or an error with its cause.

use std::io::Read;
use std::time::Duration;

use b2sdk::simulator::Fault;
use b2sdk::streams::OpenFileOptions;
use b2sdk::{CancelToken, Error, Operation, RetryPolicy, Timeouts, Verification};

use super::{downloads, inner, random, store};
use crate::support::{World, noise};

const LENGTH: usize = 3_000_000;

fn on() -> Fault {
    Fault::on(Operation::DownloadFileById)
}

/// A world in which what stalls is given up soon.
fn world() -> World {
    let timeouts = Timeouts::default().idle(Duration::from_millis(500));
    World::with(|builder| builder.timeouts(timeouts))
}

#[test]
fn whatever_happens_once_or_twice_the_bytes_are_right() {
    for (name, fault) in [
        // Twice would be a token that is of no use.
        ("401", on().status(401, "expired_auth_token", "").times(1)),
        ("503", on().status(503, "service_unavailable", "").times(2)),
        ("502", on().body(502, "text/html", "<html>").times(2)),
        ("closed", on().drop_connection().times(2)),
        ("reset", on().reset_connection().times(2)),
        ("stalled", on().stall().times(2)),
        ("lost", on().after_effect().drop_connection().times(2)),
        ("cut at once", on().truncate_answer(0).times(2)),
        ("cut", on().truncate_answer(100_000).times(2)),
        ("cut by a reset", on().reset_answer(200_000).times(2)),
        ("stalled in between", on().stall_answer(150_000).times(2)),
    ] {
        for (read_ahead, after) in [(true, 0), (true, 3), (false, 0), (false, 3)] {
            let world = world();
            store(&world, LENGTH);
            let options = OpenFileOptions::new().read_ahead(read_ahead);
            let mut file = world.bucket.open_file_with("x", &options).unwrap();
            world.inject(fault.clone().after(after));
            let mut read = Vec::new();
            // In small reads, so that they are seen to follow one another.
            let outcome = std::io::copy(&mut file, &mut read);
            assert!(outcome.is_ok(), "{name} {read_ahead} {after}: {outcome:?}");
            assert!(read == noise(LENGTH), "{name} {read_ahead} {after}");
            assert_eq!(file.verification(), Verification::Verified, "{name}");
            assert_eq!(world.service.faults().remaining(), 0, "{name}");
        }
    }
}

#[test]
fn what_always_fails_ends_in_an_error_after_a_bounded_number_of_requests() {
    for (name, fault) in [
        ("503", on().status(503, "service_unavailable", "")),
        ("closed", on().drop_connection()),
        ("cut", on().truncate_answer(100)),
    ] {
        for options in [OpenFileOptions::new(), random()] {
            let world =
                World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(3)));
            store(&world, LENGTH);
            let mut file = world.bucket.open_file_with("x", &options).unwrap();
            let mut small = [0; 300_000];
            file.read_exact(&mut small).unwrap();
            // Whatever was read ahead is here, or is waited for.
            let seen = file.received_bytes();
            world.service.log().clear();
            world.inject(fault.clone().always());
            let outcome = std::io::copy(&mut file, &mut std::io::sink());
            let error = inner(outcome.unwrap_err());
            assert!(
                matches!(
                    error.failure(),
                    Error::Busy(_) | Error::Connection(_) | Error::Truncated { .. }
                ),
                "{name}: {error:?}"
            );
            // The read itself, and what was read ahead at that time.
            let most = 3 * (1 + 8);
            let sent = downloads(&world);
            assert!(sent <= most, "{name}: {sent} requests, {seen} bytes before");
            // It goes on where it was when the service is back.
            world.service.faults().clear();
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            assert!(noise(LENGTH).ends_with(&rest) && !rest.is_empty());
            assert_eq!(file.verification(), Verification::Verified);
        }
    }
}

#[test]
fn a_connection_that_is_closed_between_two_reads_is_replaced_without_an_attempt() {
    const HALF: usize = 32 * 1024;
    let world = World::with(|builder| builder.retry(RetryPolicy::none()));
    store(&world, LENGTH);
    // Without a cache, the handle keeps a response of 64 KiB open between its reads.
    let options = random().cache_size(0);
    let mut file = world.bucket.open_file_with("x", &options).unwrap();
    let mut read = vec![0; LENGTH];
    let (first, rest) = read.split_at_mut(HALF);
    world.inject(on().truncate_answer(HALF as u64));
    file.read_exact(first).unwrap();
    file.read_exact(rest).unwrap();
    assert!(read == noise(LENGTH));
    assert_eq!(file.retries(), 1);
    // One that brings nothing from the beginning counts.
    world.inject(on().truncate_answer(0));
    let error = inner(file.read_exact_at(&mut read[..10], 0).unwrap_err());
    assert!(matches!(error, Error::Truncated { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_replaced_is_read_to_its_own_end() {
    let world = World::new();
    store(&world, LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    let mut read = vec![0; 1_000_000];
    file.read_exact(&mut read).unwrap();
    world.bucket.upload_bytes(b"newer", "x").unwrap();
    file.read_to_end(&mut read).unwrap();
    assert!(read == noise(LENGTH));
    assert_eq!(file.verification(), Verification::Verified);
}

#[test]
fn a_version_that_is_deleted_is_not_found_any_more() {
    let world = World::new();
    let id = store(&world, LENGTH);
    let mut file = world.bucket.open_file_with("x", &random()).unwrap();
    let mut read = [0; 10];
    file.read_exact(&mut read).unwrap();
    world.bucket.delete_file_version(&id, "x").unwrap();
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    // What is cached is still right.
    file.read_exact(&mut read).unwrap();
    let error = inner(std::io::copy(&mut file, &mut std::io::sink()).unwrap_err());
    assert!(matches!(error, Error::FileNotFound { .. }), "{error:?}");
}

#[test]
fn an_answer_of_another_version_is_refused() {
    for read_ahead in [true, false] {
        let world = World::new();
        store(&world, LENGTH);
        let options = OpenFileOptions::new().read_ahead(read_ahead);
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        world.inject(on().header("X-Bz-File-Id", "4_z1").always());
        let error = inner(file.read(&mut [0; 10]).unwrap_err());
        let error = error.failure();
        assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
    }
}

#[test]
fn a_wrong_byte_is_found_at_the_end_and_not_kept() {
    for read_ahead in [true, false] {
        let world = World::new();
        store(&world, LENGTH);
        let options = OpenFileOptions::new().read_ahead(read_ahead);
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        world.inject(on().corrupt_byte(100));
        let mut read = Vec::new();
        let error = inner(file.read_to_end(&mut read).unwrap_err());
        assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
        assert!(read.len() < LENGTH, "the last bytes are not handed out");
        assert_eq!(file.verification(), Verification::PartOfFile);
        // The end alone does not make it right, and asking again does not either.
        let error = inner(file.read_to_end(&mut read).unwrap_err());
        assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
        // A handle that starts anew gets everything anew.
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        read.clear();
        file.read_to_end(&mut read).unwrap();
        assert!(read == noise(LENGTH));
        assert_eq!(file.verification(), Verification::Verified);
    }
}

#[test]
fn dropping_the_last_handle_ends_what_is_read_ahead() {
    let world = World::new();
    store(&world, LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    // Everything from the second request on hangs, for as long as nobody gives it up.
    world.inject(on().after(1).stall().always());
    let mut read = [0; 10_000];
    for _ in 0..3 {
        file.read_exact(&mut read).unwrap();
    }
    let clone = file.clone();
    drop(file);
    drop(clone);
}

#[test]
fn a_shutdown_ends_all_reads() {
    let world = World::new();
    store(&world, LENGTH);
    let file = world.bucket.open_file("x").unwrap();
    world.api.shutdown();
    let error = inner(file.read_at(&mut [0; 10], 0).unwrap_err());
    assert!(matches!(error, Error::Cancelled), "{error:?}");
}

#[test]
fn a_read_that_waits_for_what_is_read_ahead_ends_when_it_is_cancelled() {
    let world = World::new();
    store(&world, LENGTH);
    let token = CancelToken::new();
    let options = OpenFileOptions::new().cancel(&token);
    let mut file = world.bucket.open_file_with("x", &options).unwrap();
    // The first block, the second, and whatever is read ahead of that hangs.
    world.inject(on().after(2).stall().always());
    let watched = file.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while watched.received_bytes() < 512 * 1024 {
                std::thread::yield_now();
            }
            token.cancel();
        });
        let error = inner(std::io::copy(&mut file, &mut std::io::sink()).unwrap_err());
        assert!(matches!(error, Error::Cancelled), "{error:?}");
    });
}

#[test]
fn a_read_returns_what_arrived_before_a_failure_and_the_next_one_fails() {
    const BLOCK: usize = 256 * 1024;
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(2)));
    store(&world, LENGTH);
    let file = world.bucket.open_file("x").unwrap();
    // The first of three blocks arrives.
    world.inject(on().truncate_answer(BLOCK as u64 + 100));
    world.inject(on().status(503, "service_unavailable", "").always());
    let mut buffer = vec![0; 600_000];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), BLOCK);
    assert!(buffer[..BLOCK] == noise(LENGTH)[..BLOCK]);
    let sent = downloads(&world);
    // The reads are a sequence now, but nothing is read ahead after a failure.
    for nth in 1..=20 {
        let error = inner(file.read_at(&mut buffer, BLOCK as u64).unwrap_err());
        assert!(matches!(error.failure(), Error::Busy(_)), "{error:?}");
        assert_eq!(downloads(&world), sent + 2 * nth);
    }
    // What arrived is cached.
    assert_eq!(file.read_at(&mut buffer, 10).unwrap(), BLOCK - 10);
    assert_eq!(downloads(&world), sent + 40);
    world.service.faults().clear();
    file.read_exact_at(&mut buffer, BLOCK as u64).unwrap();
    assert!(noise(LENGTH)[BLOCK..].starts_with(&buffer));
}
