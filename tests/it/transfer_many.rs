//! Uploading and downloading many files at a time: what is transferred, what a failure stops, and that
//! nothing runs for which nobody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use b2sdk::local::LocalDirectory;
use b2sdk::many::{FileToDownload, FileToUpload, TransferManyOptions};
use b2sdk::simulator::Fault;
use b2sdk::{
    CancelToken, DownloadOptions, Error, LsOptions, Operation, UploadOptions, Verification,
};

use crate::support::{World, noise};

/// A world with that many workers and small parts.
fn world(workers: usize) -> World {
    let service = b2sdk::simulator::Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(10_000)
        .start()
        .unwrap();
    World::of(service, |builder| builder.workers(workers))
}

/// `count` small files, named by their number.
fn small(count: usize) -> impl Iterator<Item = FileToUpload> + Send {
    (0..count).map(|n| FileToUpload::bytes(noise(n), format!("files/{n}")))
}

fn recursive() -> LsOptions {
    LsOptions::new().recursive(true)
}

#[test]
fn files_of_all_kinds_are_uploaded_with_their_own_options() {
    let world = world(4);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("local");
    std::fs::write(&path, noise(35_000)).unwrap();
    let typed = UploadOptions::new().content_type("text/x-poem");
    let files = vec![
        (path.clone(), "pair").into(),
        FileToUpload::local(&path, "local").options(typed),
        FileToUpload::bytes(noise(7), "bytes"),
        FileToUpload::stream(std::io::Cursor::new(noise(12_000)), "stream"),
    ];
    let mut numbers = BTreeMap::new();
    for result in world.bucket.upload_many(files) {
        let file = result.unwrap();
        let version = file.outcome.into_version();
        assert_eq!(
            version.content_type.as_deref() == Some("text/x-poem"),
            file.number == 1
        );
        numbers.insert(version.file_name, file.number);
    }
    let expected = [("bytes", 2), ("local", 1), ("pair", 0), ("stream", 3)];
    let expected = expected.map(|(name, number)| (name.to_owned(), number));
    assert_eq!(numbers, expected.into());
    for (name, length) in [
        ("pair", 35_000),
        ("local", 35_000),
        ("bytes", 7),
        ("stream", 12_000),
    ] {
        assert!(world.content(name) == noise(length), "{name}");
    }
}

#[test]
fn what_a_listing_yields_is_downloaded_below_a_directory() {
    let world = world(4);
    for result in world.bucket.upload_many(small(50)) {
        result.unwrap();
    }
    let temporary = tempfile::tempdir().unwrap();
    let directory = Arc::new(LocalDirectory::new(temporary.path()));
    let listed = world.bucket.ls_with("", &recursive()).unwrap();
    let files = listed.map(|entry| Ok(FileToDownload::under(&entry?.version, &directory)));
    let saved: Vec<_> = world
        .bucket
        .download_many(files)
        .map(Result::unwrap)
        .collect();
    assert_eq!(saved.len(), 50);
    assert!(
        saved
            .iter()
            .all(|file| file.outcome.verification() == Verification::Verified)
    );
    for n in 0..50 {
        let path = temporary.path().join(format!("files/{n}"));
        assert!(std::fs::read(path).unwrap() == noise(n), "{n}");
    }
}

#[test]
fn a_version_that_is_not_downloaded_is_named_as_it_was_given() {
    let world = world(1);
    let temporary = tempfile::tempdir().unwrap();
    let directory = Arc::new(LocalDirectory::new(temporary.path()));
    let version = world.bucket.upload_bytes(b"1", "a/b").unwrap();
    let version = version.into_version();
    (world.bucket.delete_file_version(&version.file_id, "a/b")).unwrap();
    let files = [
        FileToDownload::under(&version, &directory),
        FileToDownload::by_id(&version.file_id, temporary.path().join("c")),
    ];
    let names: Vec<_> = world
        .bucket
        .download_many(files.map(Ok::<_, Error>))
        .map(|result| result.unwrap_err().file.unwrap())
        .collect();
    assert_eq!(names, ["a/b", version.file_id.as_str()]);
}

#[test]
fn files_are_downloaded_by_name_and_by_id_to_paths() {
    let world = world(2);
    let old = world.bucket.upload_bytes(b"old", "x").unwrap();
    world.bucket.upload_bytes(&noise(40_000), "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let in_ranges = DownloadOptions::new().part_size(10_000);
    let files = [
        ("x", path("pair")).into(),
        FileToDownload::by_name("x", path("name")).options(in_ranges),
        FileToDownload::by_id(&old.version().file_id, path("id")),
    ];
    let results = world.bucket.download_many(files.map(Ok::<_, Error>));
    let mut parts: Vec<_> = results
        .map(|result| result.unwrap())
        .map(|file| (file.number, file.outcome.parts()))
        .collect();
    parts.sort_unstable();
    assert_eq!(parts, [(0, 1), (1, 4), (2, 1)]);
    let read = |name| std::fs::read(path(name)).unwrap();
    assert!(read("pair") == noise(40_000) && read("name") == noise(40_000));
    assert_eq!(read("id"), b"old");
}

/// A reader that says how many others run at the same time.
struct Counted {
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    started: bool,
}

impl Read for Counted {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        if !self.started {
            self.started = true;
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            return Ok(0);
        }
        Ok(0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.started {
            self.running.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn no_more_files_than_workers_are_transferred_at_a_time_and_none_before_it_is_asked_for() {
    let world = world(3);
    let (running, most) = (Arc::default(), Arc::<AtomicUsize>::default());
    let read = Arc::<AtomicUsize>::default();
    let files = (0..30).map(|n| {
        read.fetch_add(1, Ordering::SeqCst);
        let reader = Counted {
            running: Arc::clone(&running),
            most: Arc::clone(&most),
            started: false,
        };
        FileToUpload::stream(reader, format!("{n}"))
    });
    let mut uploads = world.bucket.upload_many(files);
    assert_eq!((read.load(Ordering::SeqCst), world.total()), (0, 0));
    uploads.next().unwrap().unwrap();
    assert_eq!(read.load(Ordering::SeqCst), 3);
    uploads.next().unwrap().unwrap();
    assert_eq!(read.load(Ordering::SeqCst), 4);
    assert_eq!(uploads.by_ref().count(), 28);
    assert!(uploads.next().is_none());
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn a_file_that_fails_is_told_and_the_others_are_transferred() {
    let world = world(2);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("there");
    std::fs::write(&path, b"x").unwrap();
    let files: Vec<FileToUpload> = vec![
        (path.clone(), "1").into(),
        (directory.path().join("missing"), "2").into(),
        (path.clone(), "").into(),
        (path, "4").into(),
    ];
    let (done, failed): (Vec<_>, Vec<_>) = world.bucket.upload_many(files).partition(Result::is_ok);
    assert_eq!(done.len(), 2);
    let mut failed: Vec<_> = failed.into_iter().map(Result::unwrap_err).collect();
    failed.sort_by_key(|failed| failed.number);
    assert!(matches!(failed[0].error, Error::LocalFile { .. }));
    assert!(matches!(failed[1].error, Error::InvalidFileName { .. }));
    assert_eq!((failed[0].number, failed[1].number), (1, 2));
    assert_eq!(failed[0].file.as_deref(), Some("2"));
    assert_eq!(failed[0].to_string(), "\"2\" was not transferred");
    let source = std::error::Error::source(&failed[0]).unwrap().to_string();
    assert_eq!(source, failed[0].error.to_string());
}

#[test]
fn a_failure_stops_what_is_asked_to_stop_and_what_would_fail_as_well() {
    for (fault, fail_fast) in [
        (
            Fault::on(Operation::UploadFile).status(400, "bad_request", ""),
            true,
        ),
        (
            Fault::on(Operation::UploadFile).status(403, "storage_cap_exceeded", ""),
            false,
        ),
    ] {
        let world = world(2);
        world.inject(fault.always());
        let options = TransferManyOptions::new().fail_fast(fail_fast);
        let results = world.bucket.upload_many_with(small(100), &options);
        let count = results.inspect(|result| assert!(result.is_err())).count();
        assert!(count <= 2, "{count}");
    }
    // A cap that a large file meets is inside the error of what it left.
    let world = world(2);
    world.inject(
        Fault::on(Operation::UploadPart)
            .status(403, "storage_cap_exceeded", "")
            .always(),
    );
    world.inject(
        Fault::on(Operation::CancelLargeFile)
            .status(400, "bad_request", "")
            .always(),
    );
    let files = (0..100).map(|n| FileToUpload::bytes(noise(20_000), format!("{n}")));
    assert!(world.bucket.upload_many(files).count() <= 2);
}

#[test]
fn an_error_of_the_listing_is_passed_on_and_ends_it() {
    let world = world(2);
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let files = vec![
        Ok(("x", path.clone())),
        Err(Error::NotAuthorized),
        Ok(("x", path)),
    ];
    let results: Vec<_> = world.bucket.download_many(files).collect();
    assert_eq!(results.len(), 2);
    let failed = results.into_iter().find_map(Result::err).unwrap();
    assert_eq!((failed.number, failed.file), (1, None));
    assert!(matches!(failed.error, Error::NotAuthorized));
}

#[test]
fn dropping_the_results_cancels_what_runs() {
    let world = world(4);
    world.inject(Fault::on(Operation::UploadFile).after(1).stall().always());
    let mut uploads = world.bucket.upload_many(small(100));
    uploads.next().unwrap().unwrap();
    drop(uploads);
    let stored = world.bucket.ls_with("", &recursive()).unwrap().count();
    assert_eq!(stored, 1);
}

#[test]
fn a_token_ends_all_of_it_and_that_of_one_file_only_this() {
    let world = world(2);
    let (all, one) = (CancelToken::new(), CancelToken::new());
    one.cancel();
    let files = (0..10).map(|n| {
        let options = UploadOptions::new();
        let options = if n == 3 {
            options.cancel(&one)
        } else {
            options
        };
        FileToUpload::bytes(noise(n), format!("{n}")).options(options)
    });
    let options = TransferManyOptions::new().cancel(&all);
    let results: Vec<_> = world.bucket.upload_many_with(files, &options).collect();
    let failed: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert_eq!((results.len(), failed.len(), failed[0].number), (10, 1, 3));
    assert!(matches!(failed[0].error, Error::Cancelled));

    for bucket in [world.bucket.clone(), world.bucket.with_cancel(&all)] {
        let options = TransferManyOptions::new();
        let by_bucket = all.is_cancelled();
        let options = if by_bucket {
            options
        } else {
            options.cancel(&all)
        };
        let mut uploads = bucket.upload_many_with(small(100), &options);
        if !by_bucket {
            uploads.next().unwrap().unwrap();
            all.cancel();
        }
        let rest: Vec<_> = uploads.collect();
        let cancelled = rest.iter().filter_map(|result| result.as_ref().err());
        assert!(cancelled.clone().any(|failed| failed.file.is_none()));
        assert!(cancelled.count() >= 1 && rest.len() <= 3, "{}", rest.len());
    }
}

#[test]
fn deletions_end_with_the_token_of_their_bucket() {
    let world = world(2);
    for result in world.bucket.upload_many(small(20)) {
        result.unwrap();
    }
    let token = CancelToken::new();
    let bucket = world.bucket.with_cancel(&token);
    let options = b2sdk::delete::DeleteManyOptions::new();
    let mut deletions = bucket.delete_many("", &recursive(), &options).unwrap();
    deletions.next().unwrap().unwrap();
    token.cancel();
    assert!(
        deletions.any(
            |result| matches!(result, Err(failed) if matches!(failed.error, Error::Cancelled))
        )
    );
    assert!(world.bucket.ls_with("", &recursive()).unwrap().count() > 10);
}

#[test]
fn lost_answers_and_broken_connections_lose_no_file_and_make_none_twice() {
    let world = world(4);
    for after in [0, 5, 11, 17] {
        world.inject(
            Fault::on(Operation::UploadFile)
                .after(after)
                .drop_connection(),
        );
        world.inject(
            Fault::on(Operation::UploadFile)
                .after(after + 3)
                .after_effect()
                .drop_connection(),
        );
        world.inject(
            Fault::on(Operation::UploadPart)
                .after(after / 3)
                .reset_connection(),
        );
    }
    let large = (0..3).map(|n| FileToUpload::bytes(noise(30_000 + n), format!("large/{n}")));
    let files = small(40).chain(large);
    let names: BTreeSet<_> = world
        .bucket
        .upload_many(files)
        .map(|result| result.unwrap().outcome.into_version().file_name)
        .collect();
    assert_eq!(names.len(), 43);
    let all = recursive().versions(b2sdk::Versions::All);
    assert_eq!(world.bucket.ls_with("", &all).unwrap().count(), 43);
    assert_eq!(world.service.faults().remaining(), 0);

    for after in [0, 7, 20] {
        world.inject(
            Fault::on(Operation::DownloadFileByName)
                .after(after)
                .truncate_answer(3),
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name.replace('/', "-"));
    let files = names.iter().map(|name| Ok((name, path(name))));
    for result in world.bucket.download_many(files) {
        result.unwrap();
    }
    for name in &names {
        assert!(
            std::fs::read(path(name)).unwrap() == world.content(name),
            "{name}"
        );
    }
}

#[test]
fn a_task_that_panics_panics_where_its_result_is_taken() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the reader panics")
        }
    }
    let world = world(2);
    let files = [FileToUpload::stream(Panics, "x")];
    std::thread::scope(|scope| {
        let uploading = scope.spawn(|| world.bucket.upload_many(files).count());
        assert!(uploading.join().is_err());
    });
}

#[test]
fn results_are_taken_on_another_thread_than_the_first_one() {
    let world = world(2);
    let mut uploads = world.bucket.upload_many(small(20));
    uploads.next().unwrap().unwrap();
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let rest = scope.spawn(|| {
            barrier.wait();
            uploads.map(Result::unwrap).count()
        });
        barrier.wait();
        assert_eq!(rest.join().unwrap(), 19);
    });
}
