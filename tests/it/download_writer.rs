//! Large files downloaded to a writer: in order, in ranges side by side, within the memory limit, and what happens
//! when one of them fails.

use std::io::{self, Write};
use std::time::Duration;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2ApiBuilder, ByteRange, CancelToken, Download, DownloadOptions, Error, Operation, Timeouts,
    UploadOptions,
};

use crate::support::{World, in_time, noise};

const LENGTH: usize = 95_123;
const RANGE: u64 = 10_000;
/// The number of ranges, each of which is a request.
const RANGES: usize = 10;

fn by_id() -> Fault {
    Fault::on(Operation::DownloadFileById)
}

fn stored(settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder) -> World {
    let world = World::with(|builder| settings(builder.workers(4)));
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    world.service.log().clear();
    world
}

fn open(world: &World) -> Download {
    let options = DownloadOptions::new().part_size(RANGE);
    world
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap()
}

/// A writer that fails, or panics, after so many bytes.
struct Limited {
    written: Vec<u8>,
    room: usize,
    panics: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room - self.written.len());
        assert!(taken > 0 || !self.panics, "the writer panics");
        self.written.extend_from_slice(&bytes[..taken]);
        match taken {
            0 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_range_is_requested_once_and_written_in_order() {
    let world = stored(|builder| builder);
    for _ in 0..20 {
        world.service.log().clear();
        let mut written = Vec::new();
        let length = open(&world).write_to(&mut written).unwrap();
        assert!(written == noise(LENGTH));
        assert_eq!((length as usize, world.total()), (LENGTH, RANGES));
    }
}

#[test]
fn a_range_of_the_file_comes_in_ranges_too() {
    let world = stored(|builder| builder);
    for (range, bytes) in [
        (ByteRange::from(5_003..=75_001), 5_003..75_002),
        (ByteRange::last(60_000), LENGTH - 60_000..LENGTH),
        (ByteRange::from(90_000..), 90_000..LENGTH),
    ] {
        world.service.log().clear();
        let options = DownloadOptions::new().range(range).part_size(RANGE);
        let download = world.bucket.download_file_by_name_with("x", &options);
        let mut written = Vec::new();
        download.unwrap().write_to(&mut written).unwrap();
        assert!(written == noise(LENGTH)[bytes.clone()], "{range}");
        assert_eq!(world.total(), bytes.len().div_ceil(10_000), "{range}");
    }
}

#[test]
fn a_larger_range_and_a_reader_come_in_one_response() {
    let world = stored(|builder| builder);
    let options = DownloadOptions::new().part_size(40_000_000);
    let download = || world.bucket.download_file_by_name_with("x", &options);
    download().unwrap().write_to(&mut Vec::new()).unwrap();
    let mut reader = open(&world).into_reader();
    io::copy(&mut reader, &mut io::sink()).unwrap();
    assert_eq!(world.total(), 2);
}

#[test]
fn connections_that_break_are_replaced_and_every_byte_is_written_once() {
    for fault in [
        by_id().truncate_answer(777),
        by_id().after(2).reset_answer(9_000),
        by_id().status(503, "service_unavailable", ""),
        by_id().status(401, "expired_auth_token", ""),
        by_id().after(1).drop_connection(),
        Fault::on(Operation::DownloadFileByName).truncate_answer(5_000),
    ] {
        let world = stored(|builder| builder);
        world.inject(fault);
        let mut written = Vec::new();
        open(&world).write_to(&mut written).unwrap();
        assert!(written == noise(LENGTH));
        assert_eq!(world.service.faults().remaining(), 0);
        assert!(world.count(Operation::DownloadFileById) <= RANGES);
    }
}

#[test]
fn a_range_that_fails_for_good_ends_it_after_what_came_before() {
    let world = stored(|builder| builder);
    let refused = by_id().after(3).status(404, "not_found", "").always();
    world.inject(refused);
    let mut written = Vec::new();
    let error = in_time(|| open(&world).write_to(&mut written).unwrap_err());
    assert!(error.is_not_found(), "{error:?}");
    assert!(noise(LENGTH).starts_with(&written) && written.len() < LENGTH);
    assert!(written.len() % 10_000 == 0);
}

#[test]
fn wrong_bytes_are_found_before_the_last_ones_are_written() {
    let world = stored(|builder| builder);
    world.inject(by_id().after(3).corrupt_byte(5));
    let mut written = Vec::new();
    let error = open(&world).write_to(&mut written).unwrap_err();
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
    assert_eq!(written.len(), 90_000);
}

#[test]
fn a_writer_that_fails_or_panics_stops_what_runs_ahead() {
    for room in [0, 1, 9_999, 10_000, 35_000, LENGTH - 1] {
        for panics in [false, true] {
            let world = stored(|builder| builder);
            let mut writer = Limited {
                written: Vec::new(),
                room,
                panics,
            };
            // The bytes before 10,000 are those of the response that is open.
            if room < 10_000 {
                world.inject(by_id().stall().always());
            }
            let outcome = in_time(|| {
                let act = || open(&world).write_to(&mut writer);
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(act))
            });
            match outcome {
                Err(_) => assert!(panics, "{room}"),
                Ok(outcome) => {
                    let error = outcome.unwrap_err();
                    assert!(matches!(error, Error::Stream { .. }), "{room}: {error:?}");
                }
            }
            assert!(noise(LENGTH).starts_with(&writer.written));
        }
    }
}

#[test]
fn whoever_cancels_waits_for_nothing() {
    let world = stored(|builder| builder);
    world.inject(by_id().after(2).stall().always());
    let token = CancelToken::new();
    let options = DownloadOptions::new().part_size(RANGE).cancel(&token);
    let download = world.bucket.download_file_by_name_with("x", &options);
    let download = download.unwrap();
    let error = in_time(|| {
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| download.write_to(&mut io::sink()).unwrap_err());
            while world.count(Operation::DownloadFileById) < 3 {
                std::thread::yield_now();
            }
            token.cancel();
            writing.join().unwrap()
        })
    });
    assert!(matches!(error, Error::Cancelled), "{error:?}");
}

#[test]
fn a_writer_that_needs_the_memory_gets_it() {
    let service = || {
        let builder = Simulator::builder().minimum_part_size(1_000);
        builder.recommended_part_size(10_000).start().unwrap()
    };
    for limit in [10_000, 25_000, 50_000] {
        let service = service();
        let world = World::of(service, |builder| builder.workers(4).memory_limit(limit));
        world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
        // Each part that is uploaded takes all memory that there is.
        let options = UploadOptions::new().part_size(limit);
        let mut writer = world.bucket.upload_writer_with("copy", &options).unwrap();
        in_time(|| open(&world).write_to(&mut writer).unwrap());
        writer.finish().unwrap();
        assert!(world.content("copy") == noise(LENGTH), "{limit}");
    }
}

#[test]
fn ranges_are_requested_while_one_connection_is_slow() {
    let limit = Duration::from_millis(500);
    let timeouts = Timeouts::default().idle(limit);
    let world = World::with(|builder| builder.workers(4).timeouts(timeouts));
    let data = noise(41_000_000);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let stalls = || Fault::on(Operation::DownloadFileByName).stall_answer(1_000_000);
    world.inject(stalls());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let download = || world.bucket.download_file_by_name("x").unwrap();
    world.service.log().clear();
    let saved = download().save_to(&path).unwrap();
    assert!(std::fs::read(&path).unwrap() == data);
    // Four of 10.25 MB, and the rest of the first one, which stalls.
    assert_eq!(saved.parts(), 4);
    assert_eq!(world.count(Operation::DownloadFileById), 4);
    world.inject(stalls());
    world.service.log().clear();
    let mut written = Vec::new();
    download().write_to(&mut written).unwrap();
    assert!(written == data);
    assert!(
        world.count(Operation::DownloadFileById) >= 8,
        "ranges of 4 MiB"
    );
    // Where nothing is slow, there are no more of them than that.
    world.service.log().clear();
    download().save_to(&path).unwrap();
    assert!(std::fs::read(&path).unwrap() == data && world.total() <= 4);
}
