//! Stored files that are read like local ones: what is read, in how many requests, how it is verified, and
//! what happens when the file or the network changes.

mod faults;
mod formats;
mod jumps;
mod memory;
mod model;

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::streams::OpenFileOptions;
use b2sdk::{CancelToken, Error, FileId, LargeFileSha1, Operation, UploadOptions, Verification};

use crate::support::settings::{assert_problem, key};
use crate::support::{World, noise};

/// The size of a block where the cache is not small.
const BLOCK: u64 = 256 * 1024;

/// A file of that many bytes called `x`; the log begins after it.
fn store(world: &World, length: usize) -> FileId {
    let uploaded = world.bucket.upload_bytes(&noise(length), "x").unwrap();
    world.service.log().clear();
    uploaded.into_version().file_id
}

/// How many requests asked for content, those for headers not counted.
fn downloads(world: &World) -> usize {
    let log = world.service.log().entries();
    log.iter().filter(|entry| entry.method == "GET").count()
}

/// The error inside an `io::Error`.
#[track_caller]
fn inner(error: std::io::Error) -> Error {
    error.downcast::<Error>().unwrap()
}

fn random() -> OpenFileOptions {
    OpenFileOptions::new().read_ahead(false)
}

#[test]
fn a_whole_file_is_read_ahead_and_verified() {
    let world = World::new();
    store(&world, 10_000_000);
    let mut file = world.bucket.open_file("x").unwrap();
    assert_eq!(
        (world.total(), file.length(), file.verification()),
        (1, 10_000_000, Verification::PartOfFile)
    );
    let mut read = Vec::new();
    std::io::copy(&mut file, &mut read).unwrap();
    assert!(read == noise(10_000_000));
    assert_eq!(file.verification(), Verification::Verified);
    assert_eq!(file.received_bytes(), 10_000_000, "nothing came twice");
}

/// The bytes that the requests for content asked for, in the order of their places.
fn ranges_of_requests(world: &World) -> Vec<Range<u64>> {
    let log = world.service.log().entries();
    let ranges = log.iter().filter_map(|entry| entry.range.as_deref());
    let mut ranges: Vec<_> = ranges
        .map(|range| {
            let (first, last) = range
                .strip_prefix("bytes=")
                .unwrap()
                .split_once('-')
                .unwrap();
            first.parse::<u64>().unwrap()..last.parse::<u64>().unwrap() + 1
        })
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// The numbers of blocks that the requests for content asked for, in the order of their places.
fn blocks_of_requests(world: &World) -> Vec<u64> {
    let blocks = |range: &Range<u64>| (range.end - range.start).div_ceil(BLOCK);
    ranges_of_requests(world).iter().map(blocks).collect()
}

#[test]
fn the_requests_of_a_sequential_reader_grow_whoever_is_faster() {
    let data = noise(10_000_000);
    // With one or two permits much of what is read ahead has none, and the reader asks for it.
    for workers in [1, 2, 10] {
        for size in [100, 70_000, 256 * 1024] {
            let world = World::with(|builder| builder.workers(workers));
            store(&world, data.len());
            let file = world.bucket.open_file("x").unwrap();
            let mut file = BufReader::with_capacity(size, file);
            let mut read = Vec::new();
            while let n @ 1.. = file.fill_buf().unwrap().len() {
                read.extend_from_slice(file.buffer());
                file.consume(n);
            }
            assert!(read == data, "{workers} {size}");
            let sizes = blocks_of_requests(&world);
            assert_eq!(sizes, [1, 1, 2, 4, 8, 8, 8, 7], "{workers} {size}");
        }
    }
}

#[test]
fn ranges_are_read_ahead_side_by_side() {
    let world = World::new();
    store(&world, 10_000_000);
    let token = CancelToken::new();
    let options = OpenFileOptions::new().cancel(&token);
    let mut file = world.bucket.open_file_with("x", &options).unwrap();
    // One of the ranges ahead hangs.
    world.inject(Fault::on(Operation::DownloadFileById).after(1).stall());
    let watched = file.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // More than the first block and one of the ranges that are requested after it.
            while watched.received_bytes() < 3 * BLOCK {
                std::thread::yield_now();
            }
            token.cancel();
        });
        let error = inner(std::io::copy(&mut file, &mut std::io::sink()).unwrap_err());
        assert!(matches!(error, Error::Cancelled), "{error:?}");
    });
}

#[test]
fn a_large_buffer_is_filled_side_by_side() {
    let world = World::new();
    store(&world, 10_000_000);
    let file = world.bucket.open_file("x").unwrap();
    let mut read = vec![0; 9_999_990];
    file.read_exact_at(&mut read, 7).unwrap();
    assert!(read == noise(10_000_000)[7..9_999_997]);
    assert_eq!(file.received_bytes(), 9_999_990, "only what was asked for");
    assert!((2..=10).contains(&downloads(&world)));
    assert_eq!(file.verification(), Verification::PartOfFile);
}

#[test]
fn random_reads_fetch_their_blocks_and_no_more() {
    let world = World::new();
    store(&world, 10_000_000);
    let file = world.bucket.open_file("x").unwrap();
    let data = noise(10_000_000);
    for (number, block) in [30, 3, 20, 7, 15].into_iter().enumerate() {
        let start = block * BLOCK + 1_000;
        let mut read = [0; 4_000];
        file.read_exact_at(&mut read, start).unwrap();
        assert!(read[..] == data[start as usize..][..4_000]);
        // What is in memory is not asked for again.
        file.read_exact_at(&mut read, start + 9_000).unwrap();
        file.read_exact_at(&mut read, start - 900).unwrap();
        assert_eq!(downloads(&world), number + 1);
    }
    assert_eq!(file.received_bytes(), 5 * BLOCK);
}

#[test]
fn clones_share_the_cache_and_have_positions_of_their_own() {
    let world = World::new();
    store(&world, 500_000);
    let mut file = world.bucket.open_file_with("x", &random()).unwrap();
    let mut read = [0; 100];
    file.read_exact(&mut read).unwrap();
    let mut clone = file.clone();
    assert_eq!(clone.stream_position().unwrap(), 100);
    clone.read_exact(&mut read).unwrap();
    assert!(read[..] == noise(200)[100..]);
    assert_eq!(file.stream_position().unwrap(), 100);
    drop(file);
    clone.rewind().unwrap();
    clone.read_exact(&mut read).unwrap();
    assert!(read[..] == noise(100));
    assert_eq!(downloads(&world), 1);
}

#[test]
fn a_clone_is_verified_by_what_it_returned_itself() {
    let world = World::new();
    store(&world, 500_000);
    let mut file = world.bucket.open_file("x").unwrap();
    let mut read = Vec::new();
    file.read_exact(&mut [0; 100_000]).unwrap();
    let mut middle = file.clone();
    file.read_to_end(&mut read).unwrap();
    assert_eq!(file.verification(), Verification::Verified);
    let mut clone = file.clone();
    assert_eq!(clone.verification(), Verification::PartOfFile);
    clone.rewind().unwrap();
    std::io::copy(&mut clone, &mut std::io::sink()).unwrap();
    assert_eq!(clone.verification(), Verification::Verified);
    // It has not returned the bytes before it.
    std::io::copy(&mut middle, &mut std::io::sink()).unwrap();
    assert_eq!(middle.verification(), Verification::PartOfFile);
}

#[test]
fn sixteen_threads_read_where_they_like() {
    let world = World::new();
    store(&world, 5_000_000);
    let data = noise(5_000_000);
    let options = OpenFileOptions::new().cache_size(1_000_000);
    let file = world.bucket.open_file_with("x", &options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16_u64 {
            let (file, data) = (&file, &data);
            scope.spawn(move || {
                let mut state = thread + 1;
                for _ in 0..50 {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let start = (state >> 33) as usize % data.len();
                    let length = (state >> 20) as usize % 10_000;
                    let end = (start + length).min(data.len());
                    let mut read = vec![0; end - start];
                    file.read_exact_at(&mut read, start as u64).unwrap();
                    assert!(read == data[start..end], "{start}..{end}");
                }
            });
        }
    });
}

#[test]
fn a_block_that_two_threads_need_is_asked_for_once() {
    let world = World::new();
    store(&world, 1_000_000);
    let file = world.bucket.open_file_with("x", &random()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut read = [0; 10_000];
                file.read_exact_at(&mut read, 300_000).unwrap();
                assert!(read[..] == noise(310_000)[300_000..]);
            });
        }
    });
    assert_eq!(downloads(&world), 1);
}

#[test]
fn a_version_that_a_listing_told_of_is_opened_without_a_request() {
    let world = World::new();
    store(&world, 1_000);
    let version = world.versions("x").remove(0);
    let marker = world.bucket.hide_file("x").unwrap();
    world.service.log().clear();
    let options = OpenFileOptions::new();
    let mut file = world.bucket.open_version(&version, &options).unwrap();
    assert_eq!((world.total(), file.version()), (0, &version));
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert!(read == noise(1_000));
    assert_eq!(
        (world.total(), file.verification()),
        (1, Verification::Verified)
    );
    let refused = world.bucket.open_version(&marker, &options);
    assert!(
        matches!(refused, Err(Error::InvalidInput { .. })),
        "{refused:?}"
    );
    let hidden = world.bucket.open_file("x");
    assert!(
        matches!(hidden, Err(Error::FileNotFound { .. })),
        "{hidden:?}"
    );
}

#[test]
fn a_version_is_opened_by_its_id() {
    let world = World::new();
    let id = store(&world, 1_000);
    world.bucket.upload_bytes(b"newer", "x").unwrap();
    let mut file = world.bucket.open_file_by_id(&id).unwrap();
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert!(read == noise(1_000));
}

#[test]
fn an_empty_file_is_at_its_end_and_right() {
    let world = World::new();
    store(&world, 0);
    let mut file = world.bucket.open_file("x").unwrap();
    assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(file.read_at(&mut [0; 10], 0).unwrap(), 0);
    assert_eq!(file.verification(), Verification::Verified);
    assert_eq!(downloads(&world), 0);
    let missing = file.read_exact_at(&mut [0; 1], 0).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn positions_before_the_beginning_are_refused_and_those_behind_the_end_are_empty() {
    let world = World::new();
    store(&world, 100);
    let mut file = world.bucket.open_file("x").unwrap();
    for position in [SeekFrom::End(-101), SeekFrom::Current(-1)] {
        let error = file.seek(position).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(file.seek(SeekFrom::End(50)).unwrap(), 150);
    assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(file.read_at(&mut [0; 10], u64::MAX).unwrap(), 0);
    assert_eq!(file.verification(), Verification::PartOfFile);
}

#[test]
fn a_file_that_is_read_in_its_order_is_verified_whatever_is_read_in_between() {
    let world = World::new();
    store(&world, 600_000);
    let mut file = world.bucket.open_file("x").unwrap();
    let mut part = vec![0; 250_000];
    file.seek(SeekFrom::End(-1_000)).unwrap();
    file.read_exact(&mut part[..1_000]).unwrap();
    assert_eq!(file.verification(), Verification::PartOfFile);
    file.rewind().unwrap();
    file.read_exact(&mut part).unwrap();
    file.seek(SeekFrom::Start(100_000)).unwrap();
    file.read_exact(&mut part).unwrap();
    file.read_exact(&mut part[..249_999]).unwrap();
    assert_eq!(file.verification(), Verification::PartOfFile);
    file.read_exact(&mut part[..1]).unwrap();
    assert_eq!(file.verification(), Verification::Verified);
    // Without the first byte it is a piece.
    let mut file = world.bucket.open_file("x").unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
    assert_eq!(file.verification(), Verification::PartOfFile);
}

#[test]
fn a_file_of_which_nobody_knows_the_sha1_says_so() {
    let world = World::of_small_parts(1_000, 10_000);
    let options = UploadOptions::new()
        .part_size(10_000)
        .large_file_sha1(LargeFileSha1::Omit);
    let data = noise(25_000);
    world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    let mut file = world.bucket.open_file("x").unwrap();
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert!(read == data);
    assert_eq!(file.verification(), Verification::NoChecksum);
}

#[test]
fn a_file_under_a_customers_key_is_read_with_that_key_only() {
    let world = World::new();
    let options = UploadOptions::new().encryption(key(1));
    let data = noise(700_000);
    let stored = world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    let under = |byte| OpenFileOptions::new().encryption_key(&key(byte));
    let mut file = world.bucket.open_file_with("x", &under(1)).unwrap();
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert!(read == data);
    assert_eq!(file.verification(), Verification::Verified);
    let problem = b2sdk::error::KeyProblem::Missing;
    assert_problem(world.bucket.open_file("x"), problem);
    let problem = b2sdk::error::KeyProblem::Wrong;
    assert_problem(world.bucket.open_file_with("x", &under(2)), problem);
    // A description tells nothing of the key; the first read does.
    let file = world
        .bucket
        .open_version(stored.version(), &under(2))
        .unwrap();
    let read = file.read_at(&mut [0; 10], 0).map_err(inner);
    assert_problem(read, problem);
}

#[test]
fn who_may_not_read_is_told_so() {
    let world = World::new();
    let id = store(&world, 10);
    let api = world.restricted(KeyRequest::new(["listBuckets", "listFiles"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    let refused = bucket.open_file_by_id(&id);
    assert!(matches!(refused, Err(Error::NotAllowed(_))), "{refused:?}");
}

#[test]
fn a_file_that_was_cancelled_is_not_read_any_more() {
    let world = World::new();
    store(&world, 1_000_000);
    let token = CancelToken::new();
    let options = random().cancel(&token);
    let file = world.bucket.open_file_with("x", &options).unwrap();
    file.read_exact_at(&mut [0; 10], 0).unwrap();
    token.cancel();
    for offset in [0, 500_000] {
        let error = inner(file.read_at(&mut [0; 10], offset).unwrap_err());
        assert!(matches!(error, Error::Cancelled), "{error:?}");
    }
    assert_eq!(downloads(&world), 1);
}
