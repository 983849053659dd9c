//! Local files that change while they are uploaded: whatever happens to them at whatever moment, it is
//! noticed, or what is stored is what the file had.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    B2Api, BucketType, Error, InMemoryAccountInfo, LargeFileSha1, Operation, UploadOptions,
    Verification,
};

use crate::support::{BUCKET, authorize, noise};

const LENGTH: usize = 35_000;

type Change = fn(&Path);

fn changes() -> Vec<(&'static str, Change)> {
    fn rewrite(path: &Path, at: u64) -> File {
        let mut file = File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"other bytes").unwrap();
        file
    }
    fn modified(path: &Path) -> std::time::SystemTime {
        path.metadata().unwrap().modified().unwrap()
    }
    let mut changes: Vec<(&'static str, Change)> = vec![
        ("append", |path| {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"!").unwrap();
        }),
        ("truncate", |path| {
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(20_000).unwrap();
        }),
        ("rewrite its beginning", |path| drop(rewrite(path, 0))),
        ("rewrite its end", |path| drop(rewrite(path, 34_000))),
        ("remove", |path| std::fs::remove_file(path).unwrap()),
    ];
    if cfg!(unix) {
        changes.push(("rewrite its end and put its time back", |path| {
            let modified = modified(path);
            rewrite(path, 34_000).set_modified(modified).unwrap();
        }));
        changes.push(("rename another one over it, with its time", |path| {
            let other = path.with_extension("other");
            std::fs::write(&other, noise(LENGTH + 1).split_off(1)).unwrap();
            let file = File::options().write(true).open(&other).unwrap();
            file.set_modified(modified(path)).unwrap();
            std::fs::rename(&other, path).unwrap();
        }));
    }
    changes
}

/// When the file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeAnythingIsRead,
    BetweenHashingAndParts,
    BetweenParts,
    BeforeFinishing,
}

/// Uploads a file to which this happens.
fn upload(moment: Moment, change: Change, sha1: LargeFileSha1) {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    // Its clock is the system's: the upload waits until the file's stamps are old enough.
    let api = B2Api::builder(InMemoryAccountInfo::new()).workers(1);
    let api = api.build().unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let content = noise(LENGTH);
    std::fs::write(&path, &content).unwrap();

    let (changed, subject) = (Arc::new(AtomicBool::new(false)), path.clone());
    let act = {
        let changed = Arc::clone(&changed);
        move || {
            if !changed.swap(true, Ordering::SeqCst) {
                change(&subject);
            }
        }
    };
    let mut options = UploadOptions::new().large_file_sha1(sha1);
    let on = |fault: Fault| service.faults().inject(fault);
    match moment {
        Moment::BeforeAnythingIsRead => {
            options = options.progress(move |_: &TransferProgress| act());
        }
        Moment::BetweenHashingAndParts => {
            on(Fault::on(Operation::StartLargeFile).edit_json(move |_| act()));
        }
        Moment::BetweenParts => {
            on(Fault::on(Operation::UploadPart)
                .after(1)
                .edit_json(move |_| act()));
        }
        Moment::BeforeFinishing => {
            on(Fault::on(Operation::UploadPart)
                .after(3)
                .edit_json(move |_| act()));
        }
    }
    let outcome = bucket.upload_local_file_with(&path, "file", &options);
    assert!(changed.load(Ordering::SeqCst));
    if moment == Moment::BeforeFinishing {
        // All bytes had been read: what is stored is what the file had.
        outcome.unwrap();
        let copy = directory.path().join("copy");
        let download = bucket.download_file_by_name("file").unwrap();
        let saved = download.save_to(&copy).unwrap();
        let expected = match sha1 {
            LargeFileSha1::Omit => Verification::NoChecksum,
            _ => Verification::Verified,
        };
        assert_eq!(saved.verification(), expected);
        assert_eq!(std::fs::read(&copy).unwrap(), content);
    } else {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
        assert!(bucket.list_file_versions("file").unwrap().next().is_none());
    }
}

#[test]
fn a_change_at_any_moment_is_noticed_or_does_no_harm() {
    for (what, change) in changes() {
        for moment in [
            Moment::BeforeAnythingIsRead,
            Moment::BetweenHashingAndParts,
            Moment::BetweenParts,
            Moment::BeforeFinishing,
        ] {
            for sha1 in [LargeFileSha1::Compute, LargeFileSha1::Omit] {
                println!("{what}, {moment:?}, {sha1:?}");
                upload(moment, change, sha1);
            }
        }
    }
}
