//! Server-side copies.

use b2sdk::simulator::Fault;
use b2sdk::{BucketType, CopyMetadata, CopyOptions, Error, FileInfo, Operation, UploadOptions};

use crate::support::{World, noise};

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
        copy(CopyOptions::new().range(5..)),
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
fn a_copy_whose_answer_was_lost_is_not_made_twice() {
    let world = World::new();
    let source = world
        .bucket
        .upload_bytes(&noise(1000), "x")
        .unwrap()
        .into_version();
    world.inject(
        Fault::on(Operation::CopyFile)
            .after_effect()
            .drop_connection(),
    );
    let error = world.bucket.copy(&source.file_id, "y").unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(
        (world.count(Operation::CopyFile), world.versions("y").len()),
        (1, 1)
    );
}
