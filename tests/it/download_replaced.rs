//! Downloads to a path whose temporary file is replaced by another program: nothing is written where a link
//! leads, and what takes the destination's place is what was downloaded and verified.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{DownloadOptions, Error, Operation};

use crate::support::{World, noise};

const LENGTH: usize = 95_000;

/// What is done to the temporary file, given where a victim is.
type Replace = fn(&Path, &Path);

fn by_a_link(path: &Path, victim: &Path) {
    fs::remove_file(path).unwrap();
    symlink(victim, path).unwrap();
}

fn by_a_directory(path: &Path, _: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

const REPLACEMENTS: [(&str, Replace); 5] = [
    ("a link to the victim", by_a_link),
    ("a hard link to the victim", |temporary, victim| {
        fs::remove_file(temporary).unwrap();
        fs::hard_link(victim, temporary).unwrap();
    }),
    ("another file of that length", |temporary, _| {
        fs::remove_file(temporary).unwrap();
        fs::write(temporary, vec![0; LENGTH]).unwrap();
    }),
    ("nothing", |temporary, _| {
        fs::remove_file(temporary).unwrap();
    }),
    ("a directory", by_a_directory),
];

fn temporary(directory: &Path) -> PathBuf {
    let names = fs::read_dir(directory).unwrap();
    let mut paths = names.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(".b2-download-") && !name.ends_with(".record")
    };
    paths.find(is_it).unwrap()
}

/// A download during which this happens: after its first range has arrived, or after its last byte has.
fn download(what: &str, replace: Replace, resume: bool, at_the_end: bool) {
    let context = format!("{what}, resume {resume}, at the end {at_the_end}");
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder.workers(1));
    let data = noise(LENGTH);
    let options = b2sdk::UploadOptions::new().part_size(50_000);
    world
        .bucket
        .upload_bytes_with(&data, "x", &options)
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (path, victim) = (directory.path().join("x"), directory.path().join("victim"));
    fs::write(&path, b"what was there").unwrap();
    fs::write(&victim, b"precious").unwrap();
    // The second range is asked for twice, which is reported.
    world.inject(Fault::on(Operation::DownloadFileById).status(503, "busy", ""));
    let done = Arc::new(AtomicBool::new(false));
    let receiver = {
        let (done, directory, victim) = (
            Arc::clone(&done),
            directory.path().to_owned(),
            victim.clone(),
        );
        move |progress: &TransferProgress| {
            let is_now = if at_the_end {
                progress.stage == TransferStage::Finishing
            } else {
                progress.retries > 0 && progress.bytes > 0
            };
            if is_now && !done.swap(true, Ordering::SeqCst) {
                replace(&temporary(&directory), &victim);
            }
        }
    };
    let options = DownloadOptions::new()
        .part_size(10_000)
        .resume(resume)
        .progress(receiver);
    let download = world.bucket.download_file_by_name_with("x", &options);
    let outcome = download.unwrap().save_to(&path);
    assert!(done.load(Ordering::SeqCst), "{context}");
    let error = outcome.map(|_| ()).expect_err(&context);
    assert!(
        matches!(error, Error::LocalFile { .. }),
        "{context}: {error:?}"
    );
    assert_eq!(fs::read(&victim).unwrap(), b"precious", "{context}");
    assert_eq!(fs::read(&path).unwrap(), b"what was there", "{context}");
    // The next one is as if nothing had happened, once a directory is out of its way.
    if what == "a directory" {
        fs::remove_dir(temporary(directory.path())).unwrap();
    }
    let options = DownloadOptions::new().part_size(10_000).resume(resume);
    let download = world.bucket.download_file_by_name_with("x", &options);
    download.unwrap().save_to(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), data, "{context}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious", "{context}");
}

#[test]
fn what_replaces_the_temporary_file_is_neither_written_to_nor_taken_for_the_download() {
    for (what, replace) in REPLACEMENTS {
        for resume in [false, true] {
            for at_the_end in [false, true] {
                download(what, replace, resume, at_the_end);
            }
        }
    }
}

/// What is done to the destination, given where it and a victim are.
const CHANGES: [(&str, Replace); 3] = [
    ("a link to the victim", by_a_link),
    ("a directory", by_a_directory),
    ("no directory to be in", |path, _| {
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }),
];

/// A download during which this happens to its destination.
fn with_changed_destination(what: &str, change: Replace, resume: bool, at_the_end: bool) {
    let context = format!("{what}, resume {resume}, at the end {at_the_end}");
    let world = World::with(|builder| builder.workers(1));
    let data = noise(LENGTH);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (inner, victim) = (
        directory.path().join("inner"),
        directory.path().join("victim"),
    );
    let path = inner.join("x");
    fs::create_dir(&inner).unwrap();
    fs::write(&path, b"what was there").unwrap();
    fs::write(&victim, b"precious").unwrap();
    world.inject(Fault::on(Operation::DownloadFileById).status(503, "busy", ""));
    let done = Arc::new(AtomicBool::new(false));
    let receiver = {
        let (done, path, victim) = (Arc::clone(&done), path.clone(), victim.clone());
        move |progress: &TransferProgress| {
            let is_now = if at_the_end {
                progress.stage == TransferStage::Finishing
            } else {
                progress.retries > 0 && progress.bytes > 0
            };
            if is_now && !done.swap(true, Ordering::SeqCst) {
                change(&path, &victim);
            }
        }
    };
    let options = DownloadOptions::new().part_size(10_000).resume(resume);
    let watched = options.clone().progress(receiver);
    let download = world.bucket.download_file_by_name_with("x", &watched);
    let outcome = download.unwrap().save_to(&path);
    assert!(done.load(Ordering::SeqCst), "{context}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious", "{context}");
    if what.starts_with("a link") {
        // The link itself is replaced, because the destination was resolved in the beginning.
        assert!(outcome.is_ok(), "{context}: {outcome:?}");
        assert!(path.symlink_metadata().unwrap().is_file(), "{context}");
        assert_eq!(fs::read(&path).unwrap(), data, "{context}");
        return;
    }
    let error = outcome.map(|_| ()).expect_err(&context);
    assert!(
        matches!(error, Error::LocalFile { .. }),
        "{context}: {error:?}"
    );
    if inner.exists() {
        assert!(path.is_dir(), "{context}");
        // What was downloaded can replace it once the directory is out of the way.
        let left = fs::read_dir(&inner).unwrap().count() - 1;
        assert_eq!(left, if resume { 2 } else { 0 }, "{context}");
        fs::remove_dir(&path).unwrap();
    } else {
        fs::create_dir(&inner).unwrap();
    }
    let download = world.bucket.download_file_by_name_with("x", &options);
    let saved = download.unwrap().save_to(&path).unwrap();
    let expected = if resume && what == "a directory" {
        LENGTH as u64
    } else {
        0
    };
    assert_eq!(saved.resumed_bytes(), expected, "{context}");
    assert_eq!(fs::read(&path).unwrap(), data, "{context}");
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "{context}");
}

#[test]
fn a_destination_that_changes_is_replaced_if_it_is_a_file_and_an_error_otherwise() {
    for (what, change) in CHANGES {
        for resume in [false, true] {
            for at_the_end in [false, true] {
                with_changed_destination(what, change, resume, at_the_end);
            }
        }
    }
}
