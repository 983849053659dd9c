//! Copies and composed files in parts that go on with what an earlier call left.

use b2sdk::compose::{ComposeOptions, Overlap, Piece};
use b2sdk::encryption::SseCustomerKey;
use b2sdk::simulator::Fault;
use b2sdk::{
    CopyOptions, DownloadOptions, Error, FileId, FileInfo, Operation, Resume, UploadOptions,
};

use crate::support::{World, noise, other_noise as local};

const MIN: u64 = 1_000;
const PART: u64 = 10_000;

fn world() -> World {
    World::of_small_parts(MIN, PART)
}

fn store(world: &World, data: &[u8], name: &str) -> FileId {
    let options = UploadOptions::new().part_size(100_000);
    let uploaded = world.bucket.upload_bytes_with(data, name, &options);
    world.service.log().clear();
    uploaded.unwrap().into_version().file_id
}

/// Requests of that kind are refused, after so many.
fn refuse(world: &World, operation: Operation, after: usize) {
    world.inject(
        Fault::on(operation)
            .after(after)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
}

fn unfinished(world: &World) -> Vec<FileId> {
    let files = world.bucket.list_unfinished_large_files("").unwrap();
    files.map(|file| file.unwrap().file_id).collect()
}

/// How many parts were copied and uploaded, and large files started.
fn requests(world: &World) -> (usize, usize, usize) {
    (
        world.count(Operation::CopyPart),
        world.count(Operation::UploadPart),
        world.count(Operation::StartLargeFile),
    )
}

fn copying(resume: Resume) -> CopyOptions {
    CopyOptions::new().part_size(PART).resume(resume)
}

#[test]
fn a_copy_goes_on_with_the_parts_that_are_there() {
    let world = world_of_one();
    let source = store(&world, &noise(95_000), "x");
    refuse(&world, Operation::CopyPart, 4);
    let copy = |options: &CopyOptions| world.bucket.copy_with(&source, "y", options);
    assert!(copy(&copying(Resume::Matching)).is_err());
    assert_eq!(world.count(Operation::CancelLargeFile), 0);
    let left = unfinished(&world);
    assert_eq!(left.len(), 1);
    world.service.faults().clear();
    world.service.log().clear();
    let made = copy(&copying(Resume::Matching)).unwrap();
    assert_eq!(made.file_id, left[0]);
    assert_eq!(requests(&world), (6, 0, 0));
    assert!(world.content("y") == noise(95_000));
    assert!(unfinished(&world).is_empty());
}

/// A world whose parts are made one after the other.
fn world_of_one() -> World {
    let service = b2sdk::simulator::Simulator::builder()
        .minimum_part_size(MIN)
        .recommended_part_size(PART)
        .start()
        .unwrap();
    World::of(service, |builder| builder.workers(1))
}

#[test]
fn a_copy_does_not_go_on_with_one_of_other_bytes_or_of_another_kind() {
    let other_key = SseCustomerKey::new([2; 32]);
    let copying = || copying(Resume::Matching).range(0..=94_998);
    for options in [
        copying().range(0..=94_997),
        copying().range(1..=94_999),
        copying().part_size(PART + 1),
        copying().encryption(other_key),
        copying().metadata(b2sdk::CopyMetadata::Replace {
            content_type: "a/b".to_owned(),
            file_info: FileInfo::new(),
        }),
    ] {
        let world = world_of_one();
        let source = store(&world, &noise(95_000), "x");
        refuse(&world, Operation::CopyPart, 4);
        let copy = |options: &CopyOptions| world.bucket.copy_with(&source, "y", options);
        assert!(copy(&copying()).is_err());
        world.service.faults().clear();
        world.service.log().clear();
        copy(&options).unwrap();
        assert_eq!(world.count(Operation::StartLargeFile), 1, "{options:?}");
        assert_eq!(unfinished(&world).len(), 1);
        // Nor does one of another source, although it has the same bytes.
        let twin = store(&world, &noise(95_000), "twin");
        world.bucket.copy_with(&twin, "y", &copying()).unwrap();
        assert_eq!(world.count(Operation::StartLargeFile), 1);
        assert_eq!(unfinished(&world).len(), 1);
    }
}

#[test]
fn a_copy_that_is_not_to_be_resumed_is_neither_left_nor_gone_on_with() {
    let world = world_of_one();
    let source = store(&world, &noise(95_000), "x");
    refuse(&world, Operation::CopyPart, 4);
    let copy = |options: &CopyOptions| world.bucket.copy_with(&source, "y", options);
    assert!(copy(&copying(Resume::Never)).is_err());
    assert!(unfinished(&world).is_empty());
    assert!(copy(&copying(Resume::Matching)).is_err());
    world.service.faults().clear();
    world.service.log().clear();
    let made = copy(&copying(Resume::Never)).unwrap();
    assert_eq!(made.file_info.get("plan_id"), None);
    assert_eq!(requests(&world), (10, 0, 1));
}

#[test]
fn the_plan_of_the_source_is_not_that_of_the_copy() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    let options = ComposeOptions::new().resume(Resume::Matching);
    let pieces = [Piece::remote(&stored), Piece::bytes(local(9_000))];
    let made = world.bucket.concatenate_with(&pieces, "y", &options);
    let made = made.unwrap().into_version();
    let plan = made.file_info.get("plan_id").unwrap();
    let copy = |resume| {
        let copied = world.bucket.copy_with(&made.file_id, "z", &copying(resume));
        copied.unwrap().file_info
    };
    assert_eq!(copy(Resume::Never).get("plan_id"), None);
    let resumable = copy(Resume::Matching);
    assert!(resumable.get("plan_id").is_some_and(|other| other != plan));
    // A copy of the whole in one request has the bytes that the plan describes; a range has not.
    let whole = world.bucket.copy(&made.file_id, "whole").unwrap();
    assert_eq!(whole.file_info.get("plan_id"), Some(plan));
    let options = CopyOptions::new().range(0..=99);
    let range = world.bucket.copy_with(&made.file_id, "range", &options);
    let range = range.unwrap();
    assert_eq!(
        (range.content_length, range.file_info.get("plan_id")),
        (100, None)
    );
}

#[test]
fn an_unfinished_copy_that_is_named_is_gone_on_with_or_refused() {
    let world = world_of_one();
    let source = store(&world, &noise(95_000), "x");
    refuse(&world, Operation::CopyPart, 4);
    let copy = |options: &CopyOptions| world.bucket.copy_with(&source, "y", options);
    assert!(copy(&copying(Resume::Matching)).is_err());
    world.service.faults().clear();
    let left = unfinished(&world).remove(0);
    for refused in [
        copying(Resume::From(left.clone())).range(0..=50_000),
        copying(Resume::From(left.clone())).range(0..=50),
        copying(Resume::From(source.clone())),
        CopyOptions::new().resume(Resume::From(left.clone())),
    ] {
        let outcome = copy(&refused);
        assert!(
            matches!(outcome, Err(Error::InvalidInput { what: "resume", .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(world.count(Operation::CopyFile), 0);
    let made = copy(&copying(Resume::From(left.clone()))).unwrap();
    assert_eq!(made.file_id, left);
}

/// Copied, uploaded, and downloaded to be uploaded.
fn pieces<'p>(stored: &FileId, bytes: &'p [u8]) -> [Piece<'p>; 5] {
    [
        Piece::remote(stored),
        Piece::bytes(&bytes[..2_000]),
        Piece::remote(stored).range(7..=99),
        Piece::bytes(&bytes[2_000..]),
        Piece::remote(stored).range(5..=4_000),
    ]
}

#[test]
fn a_composed_file_goes_on_with_the_parts_that_are_there() {
    let bytes = local(24_000);
    let naive = [
        &noise(5_000),
        &bytes[..2_000],
        &noise(5_000)[7..=99],
        &bytes[2_000..],
        &noise(5_000)[5..=4_000],
    ]
    .concat();
    let options = ComposeOptions::new().resume(Resume::Matching);
    for (operation, after) in [
        (Operation::CopyPart, 1),
        (Operation::UploadPart, 1),
        (Operation::UploadPart, 2),
        (Operation::FinishLargeFile, 0),
    ] {
        let world = world_of_one();
        let stored = store(&world, &noise(5_000), "x");
        refuse(&world, operation, after);
        let make = || {
            let pieces = pieces(&stored, &bytes);
            world.bucket.concatenate_with(&pieces, "y", &options)
        };
        assert!(make().is_err());
        world.service.faults().clear();
        let listed = world.api.list_parts(&unfinished(&world)[0]).unwrap();
        let there = listed.map(Result::unwrap).count();
        world.service.log().clear();
        let made = make().unwrap();
        assert!(there > 0 && made.resumed_parts() as usize == there);
        let (copied, uploaded, started) = requests(&world);
        assert_eq!(copied + uploaded, made.parts() as usize - there);
        assert_eq!(started, 0);
        assert!(world.content("y") == naive);
        assert!(made.version().file_info.get("plan_id").is_some());
    }
}

#[test]
fn a_local_piece_that_has_changed_makes_a_new_file() {
    let world = world_of_one();
    let stored = store(&world, &noise(5_000), "x");
    let options = ComposeOptions::new().resume(Resume::Matching);
    let mut bytes = local(24_000);
    refuse(&world, Operation::FinishLargeFile, 0);
    let first = world
        .bucket
        .concatenate_with(&pieces(&stored, &bytes), "y", &options);
    assert!(first.is_err());
    world.service.faults().clear();
    world.service.log().clear();
    bytes[2_500] ^= 1;
    let made = world
        .bucket
        .concatenate_with(&pieces(&stored, &bytes), "y", &options)
        .unwrap();
    assert_eq!(made.resumed_parts(), 0);
    assert_eq!(world.count(Operation::StartLargeFile), 1);
    let content = world.content("y");
    assert!(content[5_000..7_000] == bytes[..2_000] && content[7_093..29_093] == bytes[2_000..]);
}

#[test]
fn a_copy_that_was_compared_is_compared_again() {
    let world = world_of_one();
    let stored = store(&world, &noise(8_000), "x");
    let mut same = local(12_000);
    same[2_000..10_000].copy_from_slice(&noise(8_000));
    let options = ComposeOptions::new()
        .overlap(Overlap::Verify)
        .resume(Resume::Matching);
    let create = |bytes: &[u8]| {
        let pieces = [(0, Piece::bytes(bytes)), (2_000, Piece::remote(&stored))];
        world.bucket.create_file_with(&pieces, "y", &options)
    };
    refuse(&world, Operation::FinishLargeFile, 0);
    assert!(create(&same).is_err());
    world.service.faults().clear();
    let mut other = same.clone();
    other[9_999] ^= 1;
    let error = create(&other).unwrap_err();
    assert!(
        matches!(error.failure(), Error::InvalidInput { what: "pieces", .. }),
        "{error:?}"
    );
    assert!(matches!(error, Error::LargeFileLeft(_)), "{error:?}");
    let made = create(&same).unwrap();
    assert!(made.resumed_parts() > 0);
    assert!(world.content("y") == same);
}

#[test]
fn what_cannot_be_resumed_says_so_before_anything_is_sent() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    for resume in [Resume::Matching, Resume::From(stored.clone())] {
        let options = ComposeOptions::new().resume(resume);
        let outcome = world.bucket.concatenate_stream_with(
            [Piece::bytes(local(5)), Piece::remote(&stored)],
            "y",
            &options,
        );
        assert!(
            matches!(outcome, Err(Error::InvalidInput { what: "resume", .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(world.total(), 0);
    let options = ComposeOptions::new().resume(Resume::From(stored.clone()));
    for pieces in [
        vec![],
        vec![Piece::remote(&stored)],
        vec![Piece::bytes(local(5))],
    ] {
        let outcome = world.bucket.concatenate_with(&pieces, "y", &options);
        assert!(
            matches!(outcome, Err(Error::InvalidInput { what: "resume", .. })),
            "{outcome:?}"
        );
    }
    // Where there is nothing to resume, nothing is recorded.
    let options = ComposeOptions::new().resume(Resume::Matching);
    let made = world
        .bucket
        .concatenate_with(&[Piece::remote(&stored)], "y", &options)
        .unwrap();
    assert_eq!(made.version().file_info.get("plan_id"), None);
    // There is no room for the plan.
    let full: FileInfo = (0..10).map(|n| (format!("n{n}"), "v")).collect();
    let options = options.file_info(full);
    let pieces = [Piece::remote(&stored), Piece::bytes(local(5))];
    let error = world.bucket.concatenate_with(&pieces, "y", &options);
    let error = error.unwrap_err();
    assert!(error.to_string().contains("plan_id"), "{error}");
    assert_eq!(world.count(Operation::StartLargeFile), 0);
}

#[test]
fn a_grown_file_goes_on_with_the_parts_that_are_there() {
    let world = world_of_one();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let key = SseCustomerKey::new([1; 32]);
    let options = UploadOptions::new()
        .encryption(key.clone())
        .resume(Resume::Matching);
    let append = |length: usize| {
        // Its time is part of what must be the same.
        if std::fs::metadata(&path).map_or(0, |file| file.len()) != length as u64 {
            std::fs::write(&path, &noise(90_000)[..length]).unwrap();
        }
        world
            .bucket
            .upload_appended_file_with(&path, "log", &options)
    };
    append(8_000).unwrap();
    refuse(&world, Operation::UploadPart, 2);
    assert!(append(60_000).is_err());
    world.service.faults().clear();
    world.service.log().clear();
    let made = append(60_000).unwrap();
    assert_eq!(made.resumed_parts(), 3);
    assert_eq!(world.count(Operation::CopyPart), 0);
    // One that has grown further is another one.
    refuse(&world, Operation::FinishLargeFile, 0);
    assert!(append(70_000).is_err());
    world.service.faults().clear();
    let made = append(80_000).unwrap();
    assert_eq!(made.resumed_parts(), 0);
    let options = DownloadOptions::new().encryption_key(&key);
    let download = world.bucket.download_file_by_name_with("log", &options);
    assert!(download.unwrap().read_to_vec().unwrap() == noise(90_000)[..80_000]);
}
