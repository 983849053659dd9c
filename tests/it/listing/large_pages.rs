//! Pages that are decoded while they arrive: what breaks amid them, and who takes their rows slowly.

use std::time::Duration;

use b2sdk::simulator::Fault;
use b2sdk::{
    B2Api, Error, FileInfo, InMemoryAccountInfo, LsOptions, Operation, RetryPolicy, UploadOptions,
    Versions,
};
use proptest::prelude::{Just, ProptestConfig, any, prop_oneof, proptest};

use crate::support::{BUCKET, World, authorize};

/// How many files there are.
const FILES: usize = 400;

/// Where a page is cut that it begins with: behind what is read when it is opened.
const AMID: u64 = 1_700_000;

fn name(n: usize) -> String {
    format!("{n:03}")
}

/// A world of files with as much file info as a file may have, so that a page of them has 2.6 MB.
fn world(policy: RetryPolicy) -> World {
    let world = World::with(|builder| builder.retry(policy));
    let mut info = FileInfo::new();
    for n in 0..8 {
        info.insert(&format!("i{n}"), "x".repeat(780));
    }
    let options = UploadOptions::new().file_info(info);
    for n in 0..FILES {
        let bucket = &world.bucket;
        bucket.upload_bytes_with(b"", &name(n), &options).unwrap();
    }
    world.service.log().clear();
    world
}

fn options(versions: Versions) -> LsOptions {
    LsOptions::new().recursive(true).versions(versions)
}

fn names(world: &World, options: &LsOptions) -> Vec<String> {
    let listing = world.bucket.ls_with("", options).unwrap();
    let names = listing.map(|entry| entry.unwrap().version.file_name);
    names.collect()
}

fn all_names() -> Vec<String> {
    (0..FILES).map(name).collect()
}

fn connection_of_the_last_request(world: &World) -> u64 {
    world.service.log().entries().last().unwrap().connection
}

#[test]
fn rows_are_handed_out_before_their_page_is_there() {
    let world = world(RetryPolicy::default());
    world.inject(Fault::on(Operation::ListFileNames).stall_answer(AMID));
    let rows = world
        .bucket
        .ls_with("", &options(Versions::Latest))
        .unwrap();
    let first: Vec<_> = rows.take(200).map(Result::unwrap).collect();
    assert_eq!(first[199].version.file_name, name(199));
}

#[test]
fn a_page_that_breaks_off_is_continued_behind_the_last_row() {
    let world = world(RetryPolicy::default());
    for (versions, operation) in [
        (Versions::Latest, Operation::ListFileNames),
        (Versions::All, Operation::ListFileVersions),
    ] {
        for fault in [
            Fault::on(operation).truncate_answer(AMID),
            Fault::on(operation).half_close_answer(AMID),
        ] {
            world.service.log().clear();
            world.inject(fault);
            assert_eq!(names(&world, &options(versions)), all_names());
            assert_eq!(world.count(operation), 2);
        }
    }
}

#[test]
fn of_a_row_that_is_gone_when_its_page_is_continued_the_next_one_follows() {
    let world = world(RetryPolicy::default());
    world.inject(Fault::on(Operation::ListFileVersions).truncate_answer(AMID));
    let mut listing = world.bucket.ls_with("", &options(Versions::All)).unwrap();
    let mut seen = Vec::new();
    while world.count(Operation::ListFileVersions) < 2 {
        let version = listing.next().unwrap().unwrap().version;
        seen.push(version.file_name.clone());
        if seen.len() > 150 {
            let bucket = &world.bucket;
            bucket
                .delete_file_version(&version.file_id, &version.file_name)
                .unwrap();
        }
    }
    seen.extend(listing.map(|entry| entry.unwrap().version.file_name));
    assert_eq!(seen, all_names());
}

#[test]
fn who_wants_no_second_attempt_gets_the_error() {
    let world = world(RetryPolicy::none());
    world.inject(Fault::on(Operation::ListFileNames).truncate_answer(AMID));
    let listing = world
        .bucket
        .ls_with("", &options(Versions::Latest))
        .unwrap();
    let (rows, mut errors): (Vec<_>, Vec<_>) = listing.partition(Result::is_ok);
    assert!(rows.len() > 150 && rows.len() < FILES, "{}", rows.len());
    assert!(matches!(errors.pop(), Some(Err(Error::Connection(_)))));
    assert!(errors.is_empty());
}

#[test]
fn a_page_whose_text_is_wrong_in_the_middle_is_not_asked_for_again() {
    let world = world(RetryPolicy::default());
    world.inject(Fault::on(Operation::ListFileNames).corrupt_byte(AMID));
    world.inject(Fault::on(Operation::ListFileNames).edit_json(|json| {
        json["files"][300]["fileName"] = serde_json::Value::Null;
    }));
    // One `x` of a file info is another character now.
    assert_eq!(names(&world, &options(Versions::Latest)).len(), FILES);
    // A row without a name is left out.
    let rest = names(&world, &options(Versions::Latest));
    assert_eq!((rest.len(), rest.contains(&name(300))), (FILES - 1, false));
    assert_eq!(world.count(Operation::ListFileNames), 2);
}

#[test]
fn a_page_that_nobody_reads_gives_its_connection_back() {
    let world = world(RetryPolicy::default());
    for (patience, is_free) in [(0, false), (6, true)] {
        // No other connection lies idle.
        let store = InMemoryAccountInfo::with_clock(world.clock.clone());
        let api = B2Api::builder(store).clock(&world.clock).build().unwrap();
        authorize(&api, &world.service);
        let bucket = api.get_bucket_by_name(BUCKET).unwrap();
        let mut listing = bucket.ls_with("", &options(Versions::Latest)).unwrap();
        for _ in 0..200 {
            listing.next().unwrap().unwrap();
        }
        let reading = connection_of_the_last_request(&world);
        world.clock.advance(Duration::from_secs(patience));
        for _ in 0..40 {
            listing.next().unwrap().unwrap();
        }
        assert!(bucket.exists("000").unwrap());
        let is_same = connection_of_the_last_request(&world) == reading;
        assert_eq!(is_same, is_free, "after {patience} s");
        assert_eq!(listing.count(), FILES - 240);
    }
}

#[test]
fn a_page_that_fits_gives_its_connection_back_before_its_first_row() {
    let world = world(RetryPolicy::default());
    let small = options(Versions::Latest).page_size(100);
    let mut listing = world.bucket.ls_with("", &small).unwrap();
    listing.next().unwrap().unwrap();
    let reading = connection_of_the_last_request(&world);
    assert!(world.bucket.exists("000").unwrap());
    assert_eq!(connection_of_the_last_request(&world), reading);
}

#[test]
fn pages_grow_unless_their_size_is_chosen() {
    let world = World::new();
    let files = (0..3001).map(|n| (format!("{n:04}"), Vec::new()));
    for (name, content) in files {
        world.bucket.upload_bytes(&content, &name).unwrap();
    }
    let all = options(Versions::Latest);
    assert_eq!(names(&world, &all).len(), 3001);
    assert_eq!(world.count(Operation::ListFileNames), 3, "1000, 2000 and 1");
    assert_eq!(names(&world, &all.page_size(1000)).len(), 3001);
    assert_eq!(world.count(Operation::ListFileNames), 3 + 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn wherever_pages_break_off_every_row_comes_once(
        cuts in proptest::collection::vec((any::<bool>(), 0_u64..2_700_000, prop_oneof![Just(1000_u32), 50..400_u32]), 1..4),
    ) {
        thread_local! {
            static WORLD: World = world(RetryPolicy::default());
        }
        WORLD.with(|world| {
            for (all, at, size) in cuts {
                let (versions, operation) = match all {
                    true => (Versions::All, Operation::ListFileVersions),
                    false => (Versions::Latest, Operation::ListFileNames),
                };
                world.inject(Fault::on(operation).truncate_answer(at));
                assert_eq!(names(world, &options(versions).page_size(size)), all_names());
                world.service.faults().clear();
            }
        });
    }
}
