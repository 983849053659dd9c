//! Large files saved to a path in ranges: how they are cut, and what happens when one of them fails.

use std::collections::BTreeSet;
use std::path::Path;

use b2sdk::simulator::Fault;
use b2sdk::{CancelToken, DownloadOptions, Error, Operation, Saved};

use crate::support::{World, in_time, noise};

const RANGE: u64 = 10_000;

/// A world with "x" of that length, and a place to save it.
fn stored(length: usize) -> (World, tempfile::TempDir, Vec<u8>) {
    let world = World::with(|builder| builder.workers(4));
    let data = noise(length);
    world.bucket.upload_bytes(&data, "x").unwrap();
    world.service.log().clear();
    (world, tempfile::tempdir().unwrap(), data)
}

fn save(world: &World, path: &Path) -> Result<Saved, Error> {
    let options = DownloadOptions::new().part_size(RANGE);
    world
        .bucket
        .download_file_by_name_with("x", &options)?
        .save_to(path)
}

#[test]
fn a_range_that_fails_ends_the_silent_first_one_at_once() {
    let (world, directory, _) = stored(95_123);
    world.inject(Fault::on(Operation::DownloadFileByName).stall_answer(100));
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .status(403, "download_cap_exceeded", "")
            .always(),
    );
    let path = directory.path().join("x");
    let error = in_time(|| save(&world, &path).unwrap_err());
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_range_that_fails_leaves_other_downloads_under_the_same_token_alone() {
    let (world, directory, data) = stored(95_123);
    let token = CancelToken::new();
    let options = DownloadOptions::new().cancel(&token).part_size(RANGE);
    let open = || {
        world
            .bucket
            .download_file_by_name_with("x", &options)
            .unwrap()
    };
    let other = open();
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .status(403, "download_cap_exceeded", "")
            .always(),
    );
    open().save_to(directory.path().join("x")).unwrap_err();
    world.service.faults().clear();
    assert!(!token.is_cancelled());
    assert_eq!(other.read_to_vec().unwrap(), data);
}

#[test]
fn downloads_one_after_the_other_use_the_same_connections() {
    let (world, directory, _) = stored(95_123);
    for _ in 0..5 {
        let download = world.bucket.download_file_by_name("x").unwrap();
        download.read_to_vec().unwrap();
    }
    let connections = || -> BTreeSet<u64> {
        let entries = world.service.log().entries();
        entries.iter().map(|entry| entry.connection).collect()
    };
    assert_eq!(connections().len(), 1);
    for _ in 0..5 {
        save(&world, &directory.path().join("x")).unwrap();
    }
    // The first response of each goes on after its range, which costs its connection.
    assert!(connections().len() <= 4 + 5 + 3, "{:?}", connections());
}

#[test]
fn a_large_range_comes_in_ranges_to_a_path_and_into_memory() {
    let world = World::of_small_parts(1_000, 100_000);
    let data = noise(90_000);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    for (range, bytes) in [
        (b2sdk::ByteRange::from(5_003..=75_001), 5_003..75_002),
        (b2sdk::ByteRange::from(20_000..), 20_000..90_000),
        (b2sdk::ByteRange::last(60_000), 30_000..90_000),
        (b2sdk::ByteRange::from(0..), 0..90_000),
    ] {
        let options = DownloadOptions::new().range(range).part_size(10_000);
        let download = || world.bucket.download_file_by_name_with("x", &options);
        let requests = bytes.len().div_ceil(10_000);
        world.service.log().clear();
        let saved = download().unwrap().save_to(&path).unwrap();
        assert!(
            std::fs::read(&path).unwrap() == data[bytes.clone()],
            "{range}"
        );
        assert_eq!(
            (saved.parts() as usize, world.total()),
            (requests, requests),
            "{range}"
        );
        world.service.log().clear();
        // One of them breaks off, and goes on.
        world.inject(
            Fault::on(Operation::DownloadFileById)
                .after(2)
                .truncate_answer(777),
        );
        let read = download().unwrap().read_to_vec().unwrap();
        assert!(read == data[bytes], "{range}");
        assert_eq!(world.total(), requests + 1, "{range}");
    }
}

#[test]
fn a_file_that_comes_into_memory_in_ranges_is_verified() {
    let world = World::of_small_parts(1_000, 100_000);
    world.bucket.upload_bytes(&noise(90_000), "x").unwrap();
    let options = DownloadOptions::new().part_size(10_000);
    let read = || {
        let download = world.bucket.download_file_by_name_with("x", &options);
        download.unwrap().read_to_vec()
    };
    assert!(read().unwrap() == noise(90_000));
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .after(3)
            .corrupt_byte(5),
    );
    let error = read().unwrap_err();
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .after(3)
            .status(404, "not_found", "")
            .always(),
    );
    assert!(read().unwrap_err().is_not_found());
}
