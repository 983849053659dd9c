//! The tutorial, end to end.

use b2sdk::{B2Api, BucketType, InMemoryAccountInfo, Operation, Verification};

use crate::support::{BUCKET, World, authorize, noise};

#[test]
fn the_tutorial_works_from_authorizing_to_deleting() {
    let service = b2sdk::simulator::Simulator::start().unwrap();
    let b2_api = B2Api::new(InMemoryAccountInfo::new());
    authorize(&b2_api, &service);
    let bucket = b2_api.create_bucket(BUCKET, BucketType::AllPublic).unwrap();
    assert_eq!(b2_api.get_bucket_by_name(BUCKET).unwrap().id(), bucket.id());

    let directory = tempfile::tempdir().unwrap();
    let photo = directory.path().join("photo.jpg");
    std::fs::write(&photo, noise(100_000)).unwrap();
    bucket.upload_bytes(b"hello", "hello.txt").unwrap();
    let uploaded = bucket
        .upload_local_file(&photo, "photos/photo.jpg")
        .unwrap();
    assert_eq!(uploaded.version().content_length, 100_000);

    let copy = directory.path().join("copy.jpg");
    let saved = bucket
        .download_file_by_name("photos/photo.jpg")
        .unwrap()
        .save_to(&copy)
        .unwrap();
    assert_eq!(
        (saved.bytes(), saved.verification()),
        (100_000, Verification::Verified)
    );
    assert_eq!(std::fs::read(&copy).unwrap(), noise(100_000));
    // Times are recorded in whole milliseconds.
    let [saved_at, taken_at] = [&copy, &photo].map(|path| {
        let modified = path.metadata().unwrap().modified().unwrap();
        b2sdk::Timestamp::from(modified)
    });
    assert_eq!(saved_at, taken_at);

    let root: Vec<_> = bucket.ls("").unwrap().map(|entry| entry.unwrap()).collect();
    let names: Vec<_> = root
        .iter()
        .map(|entry| (entry.version.file_name.as_str(), entry.folder.as_deref()))
        .collect();
    assert_eq!(names, [("hello.txt", None), ("photos/", Some("photos/"))]);

    for name in ["hello.txt", "photos/photo.jpg"] {
        let version = bucket.get_file_info_by_name(name).unwrap();
        bucket.delete_file_version(&version.file_id, name).unwrap();
    }
    assert_eq!(bucket.ls("").unwrap().count(), 0);
    b2_api.delete_bucket(&bucket).unwrap();
    assert!(
        b2_api
            .get_bucket_by_name(BUCKET)
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn a_warm_process_uploads_a_small_file_with_one_request() {
    let world = World::new();
    world.bucket.upload_bytes(b"first", "first.txt").unwrap();
    world.service.log().clear();
    let bucket = world.api.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_bytes(b"second", "second.txt").unwrap();
    assert_eq!((world.count(Operation::UploadFile), world.total()), (1, 1));
}
