//! Large files whose uploader recorded a wrong SHA-1: they can be had if that is asked for.

use b2sdk::simulator::Fault;
use b2sdk::{
    DownloadOptions, Error, LargeFileSha1, Operation, Sha1Digest, UploadOptions, Verification,
};

use crate::support::{World, noise};

const LENGTH: usize = 95_000;

/// A world with "x", whose recorded SHA-1 is that of other content.
fn world() -> World {
    let world = World::of_small_parts(1000, 20_000);
    let wrong = LargeFileSha1::Given(Sha1Digest::of(b"something else"));
    let options = UploadOptions::new().large_file_sha1(wrong);
    let uploaded = world
        .bucket
        .upload_bytes_with(&noise(LENGTH), "x", &options);
    uploaded.unwrap();
    world
}

fn accepting() -> DownloadOptions {
    DownloadOptions::new().accept_mismatch(true)
}

#[test]
fn a_wrong_recorded_sha1_is_an_error_unless_it_is_accepted() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    for part_size in [LENGTH as u64, 10_000] {
        for resume in [false, true] {
            let path = directory.path().join(format!("{part_size}-{resume}"));
            let save = |options: DownloadOptions| {
                let options = options.part_size(part_size).resume(resume);
                let download = world.bucket.download_file_by_name_with("x", &options);
                download.unwrap().save_to(&path)
            };
            let refused = save(DownloadOptions::new());
            assert!(
                matches!(refused, Err(Error::ChecksumMismatch { .. })),
                "{refused:?}"
            );
            assert!(!path.exists());
            let saved = save(accepting()).unwrap();
            assert_eq!(saved.verification(), Verification::Mismatch);
            assert_eq!(std::fs::read(&path).unwrap(), noise(LENGTH));
        }
        let options = accepting().part_size(part_size);
        let download = world.bucket.download_file_by_name_with("x", &options);
        assert_eq!(download.unwrap().read_to_vec().unwrap(), noise(LENGTH));
    }
    let download = world.bucket.download_file_by_name_with("x", &accepting());
    let mut reader = download.unwrap().into_reader();
    assert_eq!(reader.verification(), Verification::Verified, "if it is");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    assert_eq!(reader.verification(), Verification::Mismatch);
    assert_eq!(bytes, noise(LENGTH));
}

#[test]
fn what_is_right_is_verified_although_a_mismatch_would_be_accepted() {
    let world = World::of_small_parts(1000, 20_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    let download = world.bucket.download_file_by_name_with("x", &accepting());
    let saved = download.unwrap().save_to(&path).unwrap();
    assert_eq!(saved.verification(), Verification::Verified);
}

#[test]
fn a_sha1_of_the_services_own_is_always_insisted_on() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(5000), "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).corrupt_byte(7));
    let download = world.bucket.download_file_by_name_with("x", &accepting());
    let outcome = download.unwrap().read_to_vec();
    assert!(
        matches!(outcome, Err(Error::ChecksumMismatch { .. })),
        "{outcome:?}"
    );
}
