//! The cache of a file beside the memory limit of all transfers.

use std::io::{Read, copy, sink};

use b2sdk::simulator::Simulator;
use b2sdk::streams::OpenFileOptions;
use b2sdk::{UploadOptions, Verification};

use super::downloads;
use crate::support::{World, noise};

/// A world with so much memory for content.
fn world(memory: u64) -> World {
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(100_000)
        .start()
        .unwrap();
    World::of(service, |builder| builder.memory_limit(memory).workers(4))
}

#[test]
fn a_full_cache_gives_way_to_an_upload_that_needs_all_memory() {
    let world = world(1_000_000);
    world.bucket.upload_bytes(&noise(2_000_000), "x").unwrap();
    world.service.log().clear();
    let mut file = world.bucket.open_file("x").unwrap();
    copy(&mut file, &mut sink()).unwrap();
    // Read once only, in parts that each take the whole memory.
    let options = UploadOptions::new().part_size(1_000_000);
    let data = noise(2_500_000);
    let stored = world
        .bucket
        .upload_stream_with(&mut &data[..], "y", &options);
    stored.unwrap();
    assert!(world.content("y") == data);
    // What was given up is asked for again.
    let before = downloads(&world);
    file.read_exact_at(&mut [0; 10], 1_999_000).unwrap();
    assert_eq!(downloads(&world), before + 1);
}

#[test]
fn a_stored_file_is_the_source_of_an_upload_that_takes_all_memory() {
    for read_ahead in [true, false] {
        let world = world(200_000);
        let data = noise(1_500_000);
        world.bucket.upload_bytes(&data, "x").unwrap();
        let options = OpenFileOptions::new().read_ahead(read_ahead);
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        let upload = UploadOptions::new().part_size(200_000);
        world
            .bucket
            .upload_stream_with(&mut file, "y", &upload)
            .unwrap();
        assert!(world.content("y") == data);
        assert_eq!(file.verification(), Verification::Verified);
    }
}

#[test]
fn a_file_without_a_cache_is_read_in_its_order_from_responses_that_stay_open() {
    // Of blocks of 64 KiB, as no cache is small.
    let blocks = 640_000_usize.div_ceil(64 * 1024);
    for (read_ahead, requests) in [(true, 5), (false, blocks)] {
        let world = world(10_000_000);
        world.bucket.upload_bytes(&noise(640_000), "x").unwrap();
        world.service.log().clear();
        let options = OpenFileOptions::new().cache_size(0).read_ahead(read_ahead);
        let mut file = world.bucket.open_file_with("x", &options).unwrap();
        let mut read = Vec::new();
        let mut small = [0; 1_000];
        while let n @ 1.. = file.read(&mut small).unwrap() {
            read.extend_from_slice(&small[..n]);
            assert_eq!(world.api.memory_in_use(), 0);
        }
        assert!(read == noise(640_000));
        assert_eq!(file.verification(), Verification::Verified);
        assert_eq!((downloads(&world), file.retries()), (requests, 0));
        // Elsewhere only what is asked for comes.
        let before = file.received_bytes();
        file.read_exact_at(&mut small, 5).unwrap();
        assert_eq!(file.received_bytes(), before + 1_000);
    }
}
