//! Sources that change, end early, go on after their end, or panic while they are sent in parts.

use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use b2sdk::progress::TransferProgress;
use b2sdk::{Error, Operation, UploadOptions};

use super::Large;
use crate::support::noise;

/// What becomes of a file while it is uploaded, in the words of the error.
type Change = (&'static str, fn(&std::path::Path));

#[expect(clippy::disallowed_methods, reason = "a file is written to now")]
fn changes() -> [Change; 5] {
    [
        ("it became shorter", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(200_000).unwrap();
        }),
        ("it became longer", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(300_001).unwrap();
        }),
        ("it was written to", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now()).unwrap();
        }),
        ("it is gone", |path| std::fs::remove_file(path).unwrap()),
        ("another file took its place", |path| {
            let new = path.with_extension("new");
            std::fs::write(&new, noise(300_000)).unwrap();
            std::fs::rename(new, path).unwrap();
        }),
    ]
}

#[test]
fn a_source_that_changes_makes_no_large_file_and_others_go_on() {
    for (expected, change) in changes() {
        let large = Large::with_workers(2);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, noise(300_000)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        let (target, clock) = (path.clone(), large.clock.clone());
        let once = Mutex::new(Some(()));
        let options = UploadOptions::new().progress(move |progress: &TransferProgress| {
            clock.advance(Duration::from_secs(1));
            if progress.stage == b2sdk::progress::TransferStage::Transferring
                && progress.bytes > 150_000
                && once.lock().unwrap().take().is_some()
            {
                change(&target);
            }
        });
        let bucket = &large.bucket;
        let error = std::thread::scope(|scope| {
            let other = scope.spawn(|| bucket.upload_bytes(&noise(300_000), "other"));
            let outcome = bucket.upload_local_file_with(&path, "x", &options);
            other.join().unwrap().unwrap();
            outcome.unwrap_err()
        });
        let Error::SourceChanged { change, path: told } = &error else {
            panic!("{expected}: {error:?}")
        };
        assert_eq!((*change, &**told), (expected, path.as_path()));
        assert!(large.is_clean(), "{expected}");
        assert!(large.content("other") == noise(300_000), "{expected}");
    }
}

#[test]
fn a_reader_that_ends_early_makes_no_large_file() {
    let large = Large::with_workers(1);
    let error = large
        .bucket
        .upload_reader(noise(25_000).as_slice(), 30_000, "x")
        .unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    assert!(large.is_clean());
}

/// A reader that goes on after its end, as a terminal does.
struct Terminal(Vec<&'static [u8]>);

impl std::io::Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let line = self.0.remove(0);
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn a_stream_ends_where_it_first_says_so() {
    let large = Large::with_workers(1);
    let mut terminal = Terminal(vec![b"hello", b"", b"again"]);
    large.bucket.upload_stream(&mut terminal, "x").unwrap();
    assert_eq!(
        (large.content("x").as_slice(), terminal.0.len()),
        (&b"hello"[..], 1)
    );
}

#[test]
fn a_reader_that_panics_ends_the_upload_and_leaves_no_parts() {
    struct Panicking(usize);
    impl Read for Panicking {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).expect("the reader panics");
            Ok(buffer.len().min(1000))
        }
    }
    let large = Large::with_workers(1);
    let upload =
        std::panic::AssertUnwindSafe(|| large.bucket.upload_reader(Panicking(25), 300_000, "x"));
    assert!(
        std::panic::catch_unwind(upload).is_err(),
        "the panic reaches the caller"
    );
    assert_eq!(
        (large.count(Operation::CancelLargeFile), large.is_clean()),
        (1, true)
    );
}
