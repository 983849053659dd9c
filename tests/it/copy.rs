//! Server-side copies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    BucketType, ByteRange, CancelToken, CopyMetadata, CopyOptions, DownloadOptions, Error,
    FileInfo, FileVersion, Operation, Sha1Digest, UploadOptions,
};

use crate::support::{BUCKET, World, noise};

#[test]
fn a_copy_has_the_content_and_the_info_of_its_source() {
    let world = World::new();
    let options = UploadOptions::new()
        .content_type("text/x-poem")
        .file_info(FileInfo::new().with("author", "Åsa"));
    let source = world
        .bucket
        .upload_bytes_with(&noise(1000), "x", &options)
        .unwrap()
        .into_version();
    let copy = world.bucket.copy(&source.file_id, "copies/å b+c").unwrap();
    assert_eq!(
        (copy.content_length, &copy.content_type, &copy.file_info),
        (1000, &source.content_type, &source.file_info)
    );
    let other = world
        .api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap();
    other.copy(&source.file_id, "y").unwrap();
    assert_eq!(
        world
            .bucket
            .download_file_by_name("copies/å b+c")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        noise(1000)
    );
    assert_eq!(
        other
            .download_file_by_name("y")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        noise(1000)
    );
    assert_eq!(
        world.count(Operation::DownloadFileByName),
        2,
        "nothing was downloaded to copy"
    );
}

#[test]
fn a_range_may_be_copied_and_the_info_replaced() {
    let world = World::new();
    let source = world
        .bucket
        .upload_bytes(&noise(1000), "x")
        .unwrap()
        .into_version();
    let metadata = CopyMetadata::Replace {
        content_type: "a/b".to_owned(),
        file_info: FileInfo::new().with("k", "v"),
    };
    let options = CopyOptions::new().range(10..=19).metadata(metadata);
    let copy = world
        .bucket
        .copy_with(&source.file_id, "y", &options)
        .unwrap();
    assert_eq!(
        (copy.content_type.as_deref(), copy.file_info.get("k")),
        (Some("a/b"), Some("v"))
    );
    assert_eq!(
        world
            .bucket
            .download_file_by_name("y")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        noise(1000)[10..20]
    );
}

#[test]
fn copies_that_cannot_be_are_refused_with_a_reason() {
    let world = World::new();
    let source = world
        .bucket
        .upload_bytes(&noise(1000), "x")
        .unwrap()
        .into_version();
    let copy = |options: CopyOptions| {
        world
            .bucket
            .copy_with(&source.file_id, "y", &options)
            .unwrap_err()
    };
    assert!(matches!(
        copy(CopyOptions::new().range(ByteRange::last(0))),
        Error::InvalidInput { what: "range", .. }
    ));
    assert!(matches!(
        copy(CopyOptions::new().range(5000..=6000)),
        Error::RangeNotSatisfiable(_)
    ));
    assert!(matches!(
        world.bucket.copy(&source.file_id, "/y").unwrap_err(),
        Error::InvalidFileName { .. }
    ));
    world
        .bucket
        .delete_file_version(&source.file_id, "x")
        .unwrap();
    assert!(
        world
            .bucket
            .copy(&source.file_id, "y")
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn a_copy_whose_answer_was_lost_is_found_and_not_made_twice() {
    let world = World::new();
    let source = upload(&world, &noise(1000), "x");
    world.inject(lost(Operation::CopyFile));
    let copy = world.bucket.copy(&source.file_id, "y").unwrap();
    assert_eq!(
        (world.count(Operation::CopyFile), world.versions("y").len()),
        (1, 1)
    );
    assert_eq!(world.versions("y")[0].file_id, copy.file_id);
}

#[test]
fn a_copy_that_was_lost_on_its_way_is_asked_for_again() {
    let world = World::new();
    let source = upload(&world, &noise(1000), "x");
    // An older version that looks like the copy is not taken for it.
    upload(&world, &noise(1000), "y");
    world.service.advance_clock(Duration::from_secs(60));
    world.clock.advance(Duration::from_secs(60));
    world.inject(Fault::on(Operation::CopyFile).reset_connection());
    world.bucket.copy(&source.file_id, "y").unwrap();
    assert_eq!(
        (world.count(Operation::CopyFile), world.versions("y").len()),
        (2, 2)
    );
}

#[test]
fn answers_that_are_always_lost_end_in_an_error() {
    let world = World::new();
    let source = upload(&world, &noise(1000), "x");
    world.inject(Fault::on(Operation::CopyFile).reset_connection().always());
    let error = world.bucket.copy(&source.file_id, "y").unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert_eq!(world.count(Operation::CopyFile), 3);
}

#[test]
fn a_range_whose_answer_was_lost_is_not_guessed() {
    let world = World::new();
    let source = upload(&world, &noise(1000), "x");
    world.inject(lost(Operation::CopyFile));
    let options = CopyOptions::new().range(0..=9);
    let error = world
        .bucket
        .copy_with(&source.file_id, "y", &options)
        .unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(world.count(Operation::CopyFile), 1);
}

#[test]
fn who_may_not_look_is_told_that_the_copy_may_exist() {
    let world = World::new();
    let source = upload(&world, &noise(1000), "x");
    let key = KeyRequest::new(["listBuckets", "readFiles", "writeFiles"]);
    let api = world.restricted(key);
    world.inject(lost(Operation::CopyFile));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let error = bucket.copy(&source.file_id, "y").unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert_eq!(world.count(Operation::CopyFile), 1);
}

fn upload(world: &World, data: &[u8], name: &str) -> FileVersion {
    world
        .bucket
        .upload_bytes(data, name)
        .unwrap()
        .into_version()
}

fn lost(operation: Operation) -> Fault {
    Fault::on(operation).after_effect().drop_connection()
}

const PART: u64 = 10_000;

fn in_parts() -> CopyOptions {
    CopyOptions::new().part_size(PART)
}

#[test]
fn what_is_too_large_for_one_request_is_copied_in_parts_with_type_info_and_sha1() {
    let world = World::of_small_parts(1000, PART);
    let options = UploadOptions::new()
        .content_type("text/x-poem")
        .file_info(FileInfo::new().with("author", "Åsa"));
    let data = noise(45_678);
    let upload = |name: &str, part_size: u64| {
        let options = options.clone().part_size(part_size);
        let uploaded = world.bucket.upload_bytes_with(&data, name, &options);
        uploaded.unwrap().into_version()
    };
    // One that has its SHA-1 from the service, and one that has it from its uploader.
    for source in [upload("small", 100_000), upload("large", PART)] {
        let other = world
            .api
            .create_bucket(
                &format!("another-{}", source.file_name),
                BucketType::AllPrivate,
            )
            .unwrap();
        let copy = other.copy_with(&source.file_id, "y", &in_parts()).unwrap();
        assert_eq!(
            (&copy.content_type, copy.file_info.get("author")),
            (&source.content_type, Some("Åsa"))
        );
        assert_eq!(copy.sha1(), Some(Sha1Digest::of(&data)));
        assert_eq!(copy.content_sha1.digest(), None, "it is a large file");
        let copied = other.download_file_by_name("y").unwrap();
        assert_eq!(copied.read_to_vec().unwrap(), data);
    }
    assert_eq!(
        (
            world.count(Operation::CopyPart),
            world.count(Operation::CopyFile),
            world.count(Operation::UploadPart)
        ),
        (10, 0, 5)
    );
}

/// A world in which one request takes only so many bytes, and a file of more than that.
fn too_large(most: u64, length: usize) -> (World, FileVersion) {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(PART)
        .max_single_file(most)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder);
    let options = UploadOptions::new().part_size(PART);
    let source = world
        .bucket
        .upload_bytes_with(&noise(length), "x", &options)
        .unwrap()
        .into_version();
    world.service.log().clear();
    (world, source)
}

#[test]
fn the_service_says_what_is_too_large_and_the_copy_goes_on_in_parts() {
    let (world, source) = too_large(15_000, 25_000);
    let copy = world.bucket.copy(&source.file_id, "y").unwrap();
    assert_eq!(copy.sha1(), Some(Sha1Digest::of(&noise(25_000))));
    assert_eq!(
        (
            world.count(Operation::CopyFile),
            world.count(Operation::GetFileInfo),
            world.count(Operation::CopyPart)
        ),
        (1, 1, 2)
    );
    assert_eq!(world.content("y"), noise(25_000));
    // A range that is too large, and one that is not.
    for range in [1..=24_000, 5..=15_004] {
        let options = CopyOptions::new().range(range.clone());
        let copied = world.bucket.copy_with(&source.file_id, "z", &options);
        assert_eq!(copied.unwrap().sha1().is_some(), range.start() == &5);
        let (start, end) = range.into_inner();
        let naive = &noise(25_000)[start as usize..=end as usize];
        assert_eq!(world.content("z"), naive);
    }
}

#[test]
fn a_source_that_is_too_large_for_the_parts_as_well_leaves_nothing() {
    let (world, source) = too_large(10_000, 25_000);
    let error = world.bucket.copy(&source.file_id, "y").unwrap_err();
    assert!(matches!(error, Error::Service(_)), "{error:?}");
    assert_eq!(world.count(Operation::CancelLargeFile), 1);
    assert!(world.versions("y").is_empty());
    // With a part size of the caller's the service is not asked for one that is too large.
    world.service.log().clear();
    let copied = world.bucket.copy_with(&source.file_id, "y", &in_parts());
    assert_eq!(copied.unwrap().content_length, 25_000);
    assert_eq!(world.count(Operation::CopyFile), 0);
}

#[test]
fn a_refusal_of_what_cannot_be_cut_stands() {
    let (world, source) = too_large(10_000, 1_000);
    world.inject(Fault::on(Operation::CopyFile).status(
        400,
        "source_too_large",
        "Copy source too big: 5000000001",
    ));
    let error = world.bucket.copy(&source.file_id, "y").unwrap_err();
    assert!(error.to_string().contains("too big"), "{error}");
    assert_eq!(world.count(Operation::StartLargeFile), 0);
}

#[test]
fn a_range_in_parts_has_its_own_bytes_and_no_sha1_of_another_whole() {
    let world = World::of_small_parts(1000, PART);
    let data = noise(60_000);
    let source = upload(&world, &data, "x");
    assert!(source.sha1().is_some());
    let copy = world
        .bucket
        .copy_with(&source.file_id, "y", &in_parts().range(123..=45_122))
        .unwrap();
    assert_eq!((copy.content_length, copy.sha1()), (45_000, None));
    assert_eq!(world.content("y"), data[123..45_123]);
    // A range beyond the end ends there; one that selects all is the whole.
    let copy = world
        .bucket
        .copy_with(&source.file_id, "z", &in_parts().range(0..=1_000_000))
        .unwrap();
    assert_eq!(copy.sha1(), Some(Sha1Digest::of(&data)));
    assert_eq!(world.content("z"), data);
    let outside = in_parts().range(70_000..=80_000);
    assert!(matches!(
        world.bucket.copy_with(&source.file_id, "z", &outside),
        Err(Error::RangeNotSatisfiable(_))
    ));
}

#[test]
fn the_info_of_a_copy_in_parts_can_be_replaced() {
    let world = World::of_small_parts(1000, PART);
    let data = noise(30_000);
    let source = upload(&world, &data, "x");
    let metadata = CopyMetadata::Replace {
        content_type: "a/b".to_owned(),
        file_info: FileInfo::new().with("k", "v"),
    };
    let copy = world
        .bucket
        .copy_with(&source.file_id, "y", &in_parts().metadata(metadata))
        .unwrap();
    assert_eq!(
        (copy.content_type.as_deref(), copy.file_info.get("k")),
        (Some("a/b"), Some("v"))
    );
    assert_eq!(copy.sha1(), Some(Sha1Digest::of(&data)));
}

#[test]
fn parts_whose_answers_are_lost_are_copied_again() {
    let world = World::of_small_parts(1000, PART);
    let source = upload(&world, &noise(45_000), "x");
    world.inject(lost(Operation::CopyPart).times(2));
    world.inject(lost(Operation::FinishLargeFile));
    world
        .bucket
        .copy_with(&source.file_id, "y", &in_parts())
        .unwrap();
    assert_eq!(world.content("y"), noise(45_000));
    assert_eq!(
        (world.count(Operation::CopyPart), world.versions("y").len()),
        (7, 1)
    );
}

#[test]
fn a_copy_in_parts_that_fails_or_is_cancelled_leaves_nothing_behind() {
    let world = World::of_small_parts(1000, PART);
    let source = upload(&world, &noise(200_000), "x");
    world.inject(
        Fault::on(Operation::CopyPart)
            .after(3)
            .status(403, "storage_cap_exceeded", ""),
    );
    let error = world
        .bucket
        .copy_with(&source.file_id, "y", &in_parts())
        .unwrap_err();
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
    assert!(world.versions("y").is_empty());

    let token = CancelToken::new();
    let cancelled = token.clone();
    let options = in_parts()
        .cancel(&token)
        .progress(move |_: &TransferProgress| {
            cancelled.cancel();
        });
    let error = world
        .bucket
        .copy_with(&source.file_id, "y", &options)
        .unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error:?}");
    assert!(world.versions("y").is_empty());
}

#[test]
fn progress_of_a_copy_ends_with_all_bytes() {
    let world = World::of_small_parts(1000, PART);
    let source = upload(&world, &noise(45_000), "x");
    for (options, total) in [(in_parts(), Some(45_000)), (CopyOptions::new(), None)] {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let receiver = Arc::clone(&reports);
        let options = options.progress(move |progress: &TransferProgress| {
            receiver
                .lock()
                .unwrap()
                .push((progress.bytes, progress.total));
        });
        world
            .bucket
            .copy_with(&source.file_id, "y", &options)
            .unwrap();
        let reports = reports.lock().unwrap();
        assert_eq!(
            (reports.first(), reports.last()),
            (Some(&(0, total)), Some(&(45_000, total)))
        );
    }
}

#[test]
fn a_part_of_other_bytes_than_asked_for_makes_no_file() {
    let world = World::of_small_parts(1000, PART);
    let source = upload(&world, &noise(45_000), "x");
    let other = |part: &mut serde_json::Value| part["contentLength"] = 9_999.into();
    world.inject(
        Fault::on(Operation::CopyPart)
            .after(2)
            .edit_json(other)
            .always(),
    );
    let error = world
        .bucket
        .copy_with(&source.file_id, "y", &in_parts())
        .unwrap_err();
    assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
    assert!(world.versions("y").is_empty());
}

#[test]
fn a_copy_takes_the_ranges_that_a_download_takes() {
    let world = World::of_small_parts(1_000, PART);
    let data = noise(25_000);
    let source = upload(&world, &data, "x");
    for range in [
        ByteRange::from(5..),
        ByteRange::from(0..),
        ByteRange::last(7),
        ByteRange::last(30_000),
        ByteRange::from(3..=99),
        ByteRange::from(24_990..=30_000),
    ] {
        let download = DownloadOptions::new().range(range);
        let download = world.bucket.download_file_by_name_with("x", &download);
        let expected = download.unwrap().read_to_vec().unwrap();
        for options in [CopyOptions::new(), in_parts()] {
            world.service.log().clear();
            let options = options.range(range);
            world
                .bucket
                .copy_with(&source.file_id, "y", &options)
                .unwrap();
            assert_eq!(world.count(Operation::GetFileInfo), 1, "{range}");
            assert!(world.content("y") == expected, "{range}");
        }
    }
    let behind = CopyOptions::new().range(25_000..);
    let outcome = world.bucket.copy_with(&source.file_id, "z", &behind);
    assert!(
        matches!(outcome, Err(Error::RangeNotSatisfiable(_))),
        "{outcome:?}"
    );
}
