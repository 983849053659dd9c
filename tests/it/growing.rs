//! Local files that grow while they are uploaded, such as logs.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::{Error, Operation, UploadOptions};
use tempfile::TempDir;

use crate::support::{World, noise};

/// A log of so many bytes.
fn log(length: usize) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, noise(length)).unwrap();
    (directory, path)
}

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"one more line\n").unwrap();
}

/// Options under which `change` is made once, when content begins to move.
fn changed_at_the_start(path: &Path, change: fn(&Path)) -> UploadOptions {
    let (path, done) = (path.to_owned(), AtomicBool::new(false));
    UploadOptions::new().progress(move |progress: &TransferProgress| {
        let moves = progress.stage == TransferStage::Transferring;
        if moves && !done.swap(true, Ordering::SeqCst) {
            change(&path);
        }
    })
}

#[test]
fn a_file_that_grows_is_uploaded_as_it_was_in_the_beginning() {
    for length in [0, 5_000, 95_000] {
        let world = World::of_small_parts(1000, 20_000);
        let (_directory, path) = log(length);
        let options = changed_at_the_start(&path, append).may_grow(true);
        let uploaded = world.bucket.upload_local_file_with(&path, "x", &options);
        let version = uploaded.unwrap().into_version();
        assert_eq!(version.content_length, length as u64);
        assert!(path.metadata().unwrap().len() > length as u64, "it grew");
        assert_eq!(world.content("x"), noise(length), "and is verified");
    }
}

#[test]
fn without_the_option_a_file_that_grows_makes_no_version() {
    for length in [5_000, 95_000] {
        let world = World::of_small_parts(1000, 20_000);
        let (_directory, path) = log(length);
        let options = changed_at_the_start(&path, append);
        let outcome = world.bucket.upload_local_file_with(&path, "x", &options);
        assert!(
            matches!(outcome, Err(Error::SourceChanged { .. })),
            "{outcome:?}"
        );
        assert!(world.versions("x").is_empty());
    }
}

#[test]
fn bytes_that_are_rewritten_make_no_version_although_the_file_may_grow() {
    let rewrite = |path: &Path| {
        let modified = path.metadata().unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"X").unwrap();
        file.set_modified(modified).unwrap();
        append(path);
    };
    for length in [5_000, 95_000] {
        let world = World::of_small_parts(1000, 20_000);
        let (_directory, path) = log(length);
        let options = changed_at_the_start(&path, rewrite).may_grow(true);
        let outcome = world.bucket.upload_local_file_with(&path, "x", &options);
        assert!(
            matches!(outcome, Err(Error::SourceChanged { .. })),
            "{outcome:?}"
        );
        assert!(world.versions("x").is_empty());
    }
}

#[test]
fn an_appended_file_that_grows_meanwhile_has_what_it_had_in_the_beginning() {
    let world = World::of_small_parts(1000, 20_000);
    let (_directory, path) = log(60_000);
    world.bucket.upload_appended_file(&path, "x").unwrap();
    append(&path);
    let before = std::fs::read(&path).unwrap();
    world.service.log().clear();
    let options = changed_at_the_start(&path, append);
    let uploaded = world
        .bucket
        .upload_appended_file_with(&path, "x", &options)
        .unwrap();
    assert!(!uploaded.is_unchanged());
    assert!(
        world.count(Operation::CopyPart) > 0,
        "its beginning is copied"
    );
    assert_eq!(world.content("x"), before);
    // The next one has what came in between.
    world.bucket.upload_appended_file(&path, "x").unwrap();
    assert_eq!(world.content("x"), std::fs::read(&path).unwrap());
    let unchanged = world.bucket.upload_appended_file(&path, "x").unwrap();
    assert!(unchanged.is_unchanged());
}

#[test]
fn a_first_upload_of_an_appended_file_that_grows_meanwhile_succeeds() {
    for length in [5_000, 95_000] {
        let world = World::of_small_parts(1000, 20_000);
        let (_directory, path) = log(length);
        let options = changed_at_the_start(&path, append);
        world
            .bucket
            .upload_appended_file_with(&path, "x", &options)
            .unwrap();
        assert_eq!(world.content("x"), noise(length));
    }
}
