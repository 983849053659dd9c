//! How much is received by readers that jump, and what becomes of what was on its way.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::streams::{OpenFileOptions, RemoteFile};
use b2sdk::{CancelToken, Error, Operation, RetryPolicy, UploadOptions, Verification};

use super::{BLOCK, blocks_of_requests, downloads, inner, random, ranges_of_requests, store};
use crate::support::{World, in_time, noise};

const LENGTH: usize = 10_000_000;

fn on() -> Fault {
    Fault::on(Operation::DownloadFileById)
}

/// The number of bytes that the requests for content asked for together.
fn requested(world: &World) -> u64 {
    let lengths = ranges_of_requests(world)
        .into_iter()
        .map(|range| range.end - range.start);
    lengths.sum()
}

/// A world of one permit, in which small parts take it.
fn one_worker() -> World {
    one_worker_under(RetryPolicy::default())
}

/// A world of one permit and this policy.
fn one_worker_under(policy: RetryPolicy) -> World {
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .start()
        .unwrap();
    World::of(service, |builder| builder.workers(1).retry(policy))
}

/// Runs `read` while an upload holds the only permit, so that nothing is read ahead by other threads.
fn without_permits(read: impl FnOnce(&World, &[u8])) {
    without_permits_in(&one_worker(), read);
}

/// Runs `read` in a world of one permit, which an upload holds.
fn without_permits_in(world: &World, read: impl FnOnce(&World, &[u8])) {
    store(world, LENGTH);
    let token = CancelToken::new();
    let upload = UploadOptions::new().part_size(1_000).cancel(&token);
    let uploading = || world.bucket.upload_bytes_with(&noise(2_000), "y", &upload);
    std::thread::scope(|scope| {
        world.inject(Fault::on(Operation::UploadPart).stall());
        let uploading = scope.spawn(|| uploading().unwrap_err());
        in_time(|| {
            while world.service.faults().remaining() > 0 {
                std::thread::yield_now();
            }
        });
        // Also if it panics: the upload hangs.
        let outcome = catch_unwind(AssertUnwindSafe(|| read(world, &noise(LENGTH))));
        token.cancel();
        assert!(matches!(uploading.join().unwrap(), Error::Cancelled));
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

/// Reads so many bytes in pieces of 8 KiB, and checks them.
fn read_on(file: &mut RemoteFile, data: &[u8], length: u64) {
    let start = file.stream_position().unwrap();
    let mut read = vec![0; length as usize];
    read.chunks_mut(8 * 1024)
        .for_each(|piece| file.read_exact(piece).unwrap());
    assert!(data[start as usize..].starts_with(&read));
}

/// An archive of eight members of 2 MB.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..8 {
        let content = noise(2_000_000);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder
            .append_data(&mut header, format!("{number}"), &content[..])
            .unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_member_of_an_archive_that_is_listed_by_seeking_costs_no_more_than_twice_its_length() {
    for wanted in [0, 3, 7] {
        let world = World::new();
        let archive = archive();
        world.bucket.upload_bytes(&archive, "x").unwrap();
        world.service.log().clear();
        let file = world.bucket.open_file("x").unwrap();
        let mut read = Vec::new();
        for (number, entry) in tar::Archive::new(file)
            .entries_with_seek()
            .unwrap()
            .enumerate()
        {
            let mut entry = entry.unwrap();
            if number == wanted {
                entry.read_to_end(&mut read).unwrap();
            }
        }
        assert!(read == noise(2_000_000));
        // Its own eight blocks, at most as many ahead of it, and one for each header and for the end.
        let blocks = requested(&world).div_ceil(BLOCK);
        assert!(blocks <= 8 + 8 + 8, "{wanted}: {blocks}");
        assert!(downloads(&world) <= 12, "{wanted}: {}", downloads(&world));
    }
}

#[test]
fn a_jump_leaves_no_more_unread_than_was_read() {
    let data = noise(LENGTH);
    for megabytes in [1, 2, 3, 4] {
        let world = World::new();
        store(&world, LENGTH);
        let mut file = world.bucket.open_file("x").unwrap();
        read_on(&mut file, &data, megabytes << 20);
        file.seek(SeekFrom::End(-10)).unwrap();
        file.read_exact(&mut [0; 10]).unwrap();
        let read = megabytes << 20;
        // The last block, and the one before, as it is short.
        let most = read + read.max(2 << 20) + 2 * BLOCK;
        assert!(
            requested(&world) <= most,
            "{megabytes}: {}",
            requested(&world)
        );
        // It reads elsewhere now, and has to read in order again before anything is read ahead.
        let before = requested(&world);
        file.seek(SeekFrom::Start(6 << 20)).unwrap();
        read_on(&mut file, &data, 1 << 20);
        let again = requested(&world) - before;
        assert!(again <= 2 << 20, "{megabytes}: {again}");
    }
}

#[test]
fn what_is_on_its_way_is_cut_off_when_its_handle_jumps_or_is_dropped() {
    for is_dropped in [false, true] {
        // What is read ahead holds the only permit.
        let world = one_worker();
        store(&world, LENGTH);
        let mut file = world.bucket.open_file("x").unwrap();
        let other = file.clone();
        world.inject(on().after(1).stall());
        read_on(&mut file, &noise(LENGTH), BLOCK);
        in_time(|| {
            while world.service.faults().remaining() > 0 {
                std::thread::yield_now();
            }
        });
        if is_dropped {
            drop(file);
        } else {
            file.seek(SeekFrom::End(-10)).unwrap();
            file.read_exact(&mut [0; 10]).unwrap();
        }
        // Parts need the permit.
        let options = UploadOptions::new().part_size(1_000);
        in_time(|| world.bucket.upload_bytes_with(&noise(2_000), "y", &options)).unwrap();
        let mut read = [0; 10];
        in_time(|| other.read_exact_at(&mut read, BLOCK)).unwrap();
        assert!(noise(LENGTH)[BLOCK as usize..].starts_with(&read));
        assert_eq!(other.retries(), 0, "nothing failed");
    }
}

#[test]
fn what_a_jump_lands_in_is_received() {
    let world = World::with(|builder| builder.workers(1));
    store(&world, LENGTH);
    let data = noise(LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    // Requests of one, one and two blocks; of the next one, of four, a block arrives.
    read_on(&mut file, &data, 4 * BLOCK + 10);
    let sent = downloads(&world);
    file.seek(SeekFrom::Start(6 * BLOCK)).unwrap();
    read_on(&mut file, &data, 1_000);
    assert_eq!(downloads(&world), sent, "it was on its way");
    assert_eq!(file.retries(), 0);
}

#[test]
fn another_handle_that_reads_there_goes_on() {
    let world = World::new();
    store(&world, LENGTH);
    let data = noise(LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    read_on(&mut file, &data, 3 * BLOCK);
    let mut other = file.clone();
    read_on(&mut other, &data, 1_000);
    file.rewind().unwrap();
    read_on(&mut file, &data, 10);
    read_on(&mut other, &data, LENGTH as u64 - 3 * BLOCK - 1_000);
    assert_eq!(other.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(other.received_bytes(), LENGTH as u64, "nothing came twice");
}

#[test]
fn a_read_without_a_permit_waits_for_its_own_bytes_only() {
    without_permits(|world, data| {
        let mut file = world.bucket.open_file("x").unwrap();
        // Of the request for four blocks, a little more than two arrive.
        world.inject(on().after(3).stall_answer(2 * BLOCK + 100_000));
        in_time(|| read_on(&mut file, data, 6 * BLOCK));
        assert_eq!((downloads(world), file.retries()), (4, 0));
        assert!(file.received_bytes() < 7 * BLOCK);
        // What has arrived is read by others, too, and what has not is given up by a jump.
        let mut read = [0; 100];
        in_time(|| file.clone().read_exact_at(&mut read, 5 * BLOCK)).unwrap();
        file.seek(SeekFrom::Start(20 * BLOCK)).unwrap();
        in_time(|| read_on(&mut file, data, 1_000));
        in_time(|| file.read_exact_at(&mut read, 7 * BLOCK)).unwrap();
        assert!(data[7 * BLOCK as usize..].starts_with(&read));
        assert_eq!(file.retries(), 0);
    });
}

/// The number of blocks that are in memory or on their way.
fn blocks_in_memory(world: &World) -> u64 {
    world.api.memory_in_use() / BLOCK
}

#[test]
fn what_a_jump_lands_in_is_given_up_by_the_next_jump_or_with_the_handle() {
    for is_dropped in [false, true] {
        without_permits(|world, data| {
            let mut file = world.bucket.open_file("x").unwrap();
            let _other = file.clone();
            // Of a request for four blocks, one arrives.
            read_on(&mut file, data, 4 * BLOCK + 10);
            file.seek(SeekFrom::Start(6 * BLOCK)).unwrap();
            read_on(&mut file, data, 10);
            assert_eq!((downloads(world), blocks_in_memory(world)), (4, 8));
            if is_dropped {
                drop(file);
                assert_eq!(blocks_in_memory(world), 7, "the last one was given up");
            } else {
                file.seek(SeekFrom::Start(30 * BLOCK)).unwrap();
                read_on(&mut file, data, 10);
                assert_eq!(blocks_in_memory(world), 7 + 1);
            }
        });
    }
}

#[test]
fn a_jump_into_what_another_handle_requested_gives_up_its_own() {
    without_permits(|world, data| {
        let mut file = world.bucket.open_file("x").unwrap();
        let mut other = file.clone();
        other.seek(SeekFrom::Start(20 * BLOCK)).unwrap();
        // Each has requested eight blocks, of which five have arrived.
        read_on(&mut file, data, 4 * BLOCK + 10);
        read_on(&mut other, data, 4 * BLOCK + 10);
        assert_eq!((downloads(world), blocks_in_memory(world)), (8, 16));
        file.seek(SeekFrom::Start(26 * BLOCK)).unwrap();
        read_on(&mut file, data, 10);
        assert_eq!((downloads(world), blocks_in_memory(world)), (8, 16 - 3));
    });
}

#[test]
fn a_jump_into_what_has_arrived_leaves_what_follows_on_its_way() {
    without_permits(|world, data| {
        let mut file = world.bucket.open_file("x").unwrap();
        read_on(&mut file, data, 4 * BLOCK + 10);
        file.read_exact_at(&mut [0; 10], 6 * BLOCK + 100).unwrap();
        file.seek(SeekFrom::Start(6 * BLOCK)).unwrap();
        read_on(&mut file, data, 2 * BLOCK);
        assert_eq!((downloads(world), file.received_bytes()), (4, 8 * BLOCK));
    });
}

#[test]
fn a_connection_that_is_closed_while_its_reader_pauses_is_replaced_without_an_attempt() {
    without_permits_in(&one_worker_under(RetryPolicy::none()), |world, data| {
        let mut file = world.bucket.open_file("x").unwrap();
        // Of four blocks, it brings the one that is read first.
        world.inject(on().after(3).truncate_answer(BLOCK));
        read_on(&mut file, data, 4 * BLOCK + 10);
        read_on(&mut file, data, 4 * BLOCK - 10);
        assert_eq!((downloads(world), file.retries()), (5, 1));
        assert_eq!(file.received_bytes(), 8 * BLOCK);
    });
}

#[test]
fn a_read_that_is_repeated_is_no_jump() {
    let data = noise(LENGTH);
    let world = World::with(|builder| builder.workers(1));
    store(&world, LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    // A header that is read twice, and another one where much is on its way.
    for length in [10, 4 * BLOCK] {
        read_on(&mut file, &data, length);
        let start = file.stream_position().unwrap();
        for _ in 0..2 {
            file.seek(SeekFrom::Start(start)).unwrap();
            read_on(&mut file, &data, 10);
        }
    }
    let rest = LENGTH as u64 - file.stream_position().unwrap();
    read_on(&mut file, &data, rest);
    assert_eq!(blocks_of_requests(&world), [1, 1, 2, 4, 8, 8, 8, 7]);
    assert_eq!(file.received_bytes(), LENGTH as u64, "nothing came twice");
}

#[test]
fn a_response_that_is_open_is_read_on_by_whoever_needs_its_blocks() {
    let world = World::with(|builder| builder.workers(1));
    store(&world, LENGTH);
    let data = noise(LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    read_on(&mut file, &data, 4 * BLOCK + 10);
    std::thread::scope(|scope| {
        for block in [7, 5, 6, 5, 7, 4] {
            let (file, data) = (&file, &data);
            scope.spawn(move || {
                let mut read = [0; 1_000];
                let start = block * BLOCK + 100;
                in_time(|| file.read_exact_at(&mut read, start)).unwrap();
                assert!(data[start as usize..].starts_with(&read));
            });
        }
    });
    assert_eq!(blocks_of_requests(&world)[..4], [1, 1, 2, 4]);
    let twice = |pair: &[Range<u64>]| pair[0].end > pair[1].start;
    assert!(!ranges_of_requests(&world).windows(2).any(twice));
}

#[test]
fn a_handle_that_waits_between_two_reads_gives_way_to_an_upload() {
    let limit = 5_000_000;
    let world = World::with(|builder| builder.workers(1).memory_limit(limit));
    store(&world, LENGTH);
    let data = noise(LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    read_on(&mut file, &data, 4 * BLOCK + 10);
    // A part that takes all of the memory.
    let source = noise(limit as usize);
    let options = UploadOptions::new().part_size(5_000_000);
    in_time(|| {
        world
            .bucket
            .upload_reader_with(&source[..], limit, "y", &options)
    })
    .unwrap();
    read_on(&mut file, &data, 4 * BLOCK);
}

#[test]
fn sixteen_threads_that_read_at_random_receive_the_blocks_of_their_reads_alone() {
    let world = World::new();
    store(&world, 2 * LENGTH);
    let file = world.bucket.open_file("x").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let file = &file;
            scope.spawn(move || {
                // No two of them are neighbours.
                for block in [2 * thread, 2 * thread + 35] {
                    let start = block * BLOCK + 70_000;
                    file.read_exact_at(&mut [0; 100], start).unwrap();
                }
            });
        }
    });
    assert_eq!((downloads(&world), file.received_bytes()), (32, 32 * BLOCK));
}

#[test]
fn an_answer_that_is_too_long_is_an_error_and_nothing_of_it_is_kept() {
    let too_long = on().chunked().lengthen_answer(10);
    for options in [random(), OpenFileOptions::new().cache_size(0)] {
        let world = World::new();
        store(&world, LENGTH);
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        let mut read = vec![0; 2 * BLOCK as usize];
        world.inject(too_long.clone().always());
        let error = inner(file.read_exact(&mut read).unwrap_err());
        assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
        let error = inner(file.read_exact_at(&mut read, 0).unwrap_err());
        assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
        // It is not asked for again by itself, and what arrived before is not trusted.
        assert_eq!(file.retries(), 0);
        world.service.faults().clear();
        file.rewind().unwrap();
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).unwrap();
        assert!(whole == noise(LENGTH));
        assert_eq!(file.verification(), Verification::Verified);
    }
}

#[test]
fn a_large_read_that_succeeds_lets_reading_ahead_begin_again() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(1)));
    store(&world, LENGTH);
    let data = noise(LENGTH);
    let mut file = world.bucket.open_file("x").unwrap();
    read_on(&mut file, &data, BLOCK - 10);
    world.inject(on().status(503, "service_unavailable", ""));
    file.read_exact_at(&mut [0; 10], 30 * BLOCK).unwrap_err();
    let mut large = vec![0; 5_000_000];
    file.read_exact_at(&mut large, 10 * BLOCK).unwrap();
    let sent = downloads(&world);
    read_on(&mut file, &data, 10);
    in_time(|| {
        while downloads(&world) == sent {
            std::thread::yield_now();
        }
    });
}
