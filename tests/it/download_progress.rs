//! What is told of a download while it runs, and by what it returns; and that what is told of several
//! transfers at once can be kept apart.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use b2sdk::local::LocalDirectory;
use b2sdk::progress::TransferStage::{Done, Finishing, Transferring};
use b2sdk::progress::{Progress, TransferId, TransferProgress, TransferStage};
use b2sdk::simulator::Fault;
use b2sdk::testing::Clock;
use b2sdk::{CopyOptions, DownloadOptions, Error, Operation, UploadOptions};

use crate::support::{World, noise};

const LENGTH: usize = 95_123;
const RANGE: u64 = 10_000;

/// Keeps all reports. The clock goes on with each, so that none is left out for coming too soon.
#[derive(Clone)]
struct Watch {
    clock: Clock,
    reports: Arc<Mutex<Vec<TransferProgress>>>,
}

impl Progress for Watch {
    fn update(&self, progress: &TransferProgress) {
        self.clock.advance(std::time::Duration::from_secs(1));
        self.reports.lock().unwrap().push(progress.clone());
    }
}

impl Watch {
    fn of(world: &World) -> Self {
        Self {
            clock: world.clock.clone(),
            reports: Arc::default(),
        }
    }

    fn reports(&self) -> Vec<TransferProgress> {
        self.reports.lock().unwrap().clone()
    }

    fn stages(&self) -> Vec<TransferStage> {
        let mut stages: Vec<_> = self.reports().iter().map(|report| report.stage).collect();
        stages.dedup();
        stages
    }

    /// Bytes, parts and retries in the end.
    fn last(&self) -> (u64, u32, u32) {
        let reports = self.reports();
        let last = reports.last().unwrap();
        (last.bytes, last.parts, last.retries)
    }
}

/// A world with an "x", a watch on it, and a place to save it.
fn stored(workers: usize) -> (World, Watch, tempfile::TempDir) {
    let world = World::with(|builder| builder.workers(workers));
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    let watch = Watch::of(&world);
    (world, watch, tempfile::tempdir().unwrap())
}

/// Two connections break, and one request is refused for the time being.
fn three_failures(world: &World) {
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(5000));
    world.inject(Fault::on(Operation::DownloadFileById).status(503, "service_unavailable", ""));
    world.inject(Fault::on(Operation::DownloadFileById).reset_answer(3000));
}

#[test]
fn one_response_is_one_part_and_what_was_asked_for_again_is_counted() {
    let (world, watch, directory) = stored(2);
    three_failures(&world);
    let options = DownloadOptions::new().progress(watch.clone());
    let download = world.bucket.download_file_by_name_with("x", &options);
    let saved = download.unwrap().save_to(directory.path().join("x"));
    let saved = saved.unwrap();
    assert_eq!(watch.last(), (LENGTH as u64, 1, 3));
    assert_eq!(watch.stages(), [Transferring, Finishing, Done]);
    assert_eq!((saved.parts(), saved.retries()), (1, 3));
    assert_eq!((saved.resumed_parts(), saved.resumed_bytes()), (0, 0));
    assert_eq!(saved.received_bytes(), LENGTH as u64);
    let first = watch.reports().remove(0);
    assert_eq!((first.bytes, first.total), (0, Some(LENGTH as u64)));
    let counts: Vec<_> = watch.reports().iter().map(|report| report.bytes).collect();
    assert!(counts.is_sorted() && counts.len() > 4, "{counts:?}");
    let again = |times| {
        let reports = watch.reports();
        let report = reports.into_iter().find(|report| report.retries == times);
        report.unwrap().bytes
    };
    assert_eq!([again(1), again(2)], [5000; 2], "told when it happens");
}

#[test]
fn a_refusal_of_the_first_request_counts_too() {
    let (world, watch, _) = stored(2);
    let busy = Fault::on(Operation::DownloadFileByName).status(503, "service_unavailable", "");
    world.inject(busy.times(2));
    let options = DownloadOptions::new().progress(watch.clone());
    let download = world.bucket.download_file_by_name_with("x", &options);
    assert_eq!(download.unwrap().read_to_vec().unwrap(), noise(LENGTH));
    assert_eq!(watch.last(), (LENGTH as u64, 1, 2));
}

#[test]
fn a_reader_tells_the_same() {
    let (world, watch, _) = stored(2);
    three_failures(&world);
    let options = DownloadOptions::new().progress(watch.clone());
    let download = world.bucket.download_file_by_name_with("x", &options);
    let mut reader = download.unwrap().into_reader();
    let mut content = vec![0; LENGTH];
    reader.read_exact(&mut content[..LENGTH - 1]).unwrap();
    assert_eq!(watch.stages(), [Transferring], "the last byte is not read");
    reader.read_exact(&mut content[LENGTH - 1..]).unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(content, noise(LENGTH));
    assert_eq!(watch.last(), (LENGTH as u64, 1, 3));
    assert_eq!(watch.stages(), [Transferring, Done]);
    let done = watch.reports().iter().filter(|r| r.stage == Done).count();
    assert_eq!(done, 1);
    assert_eq!(
        (reader.received_bytes(), reader.retries()),
        (LENGTH as u64, 3)
    );
}

#[test]
fn ranges_are_parts() {
    for workers in [1, 4] {
        let (world, watch, directory) = stored(workers);
        three_failures(&world);
        let options = DownloadOptions::new()
            .part_size(RANGE)
            .progress(watch.clone());
        let download = world.bucket.download_file_by_name_with("x", &options);
        let saved = download.unwrap().save_to(directory.path().join("x"));
        let saved = saved.unwrap();
        assert_eq!(watch.last(), (LENGTH as u64, 10, 3), "{workers}");
        assert_eq!(watch.stages(), [Transferring, Finishing, Done]);
        assert_eq!((saved.parts(), saved.retries()), (10, 3));
        assert_eq!(saved.received_bytes(), LENGTH as u64);
        let mut parts: Vec<_> = watch.reports().iter().map(|report| report.parts).collect();
        if workers == 1 {
            assert!(parts.is_sorted(), "{parts:?}");
            parts.dedup();
            assert!((0..=10).eq(parts), "told one after the other");
        } else {
            // Which of them a report tells depends on who is first.
            parts.sort_unstable();
            parts.dedup();
            assert!((2..=11).contains(&parts.len()), "{parts:?}");
        }
    }
}

#[test]
fn what_a_resumed_download_found_there_counts_as_parts_but_not_as_received() {
    let (world, watch, directory) = stored(1);
    let options = DownloadOptions::new().part_size(RANGE).resume(true);
    let save = |options: &DownloadOptions| {
        let download = world.bucket.download_file_by_name_with("x", options);
        download.unwrap().save_to(directory.path().join("x"))
    };
    // Three ranges arrive, and 4,000 bytes of another one.
    let later = || Fault::on(Operation::DownloadFileById);
    world.inject(later().after(2).truncate_answer(4000));
    let capped = later().status(403, "download_cap_exceeded", "");
    world.inject(capped.after(2).always());
    save(&options).unwrap_err();
    world.service.faults().clear();

    let saved = save(&options.progress(watch.clone())).unwrap();
    assert_eq!((saved.parts(), saved.resumed_parts()), (10, 3));
    assert_eq!(saved.resumed_bytes(), 34_000);
    assert_eq!(saved.received_bytes(), LENGTH as u64 - 34_000);
    assert_eq!(watch.last(), (LENGTH as u64, 10, 0));
    assert_eq!(watch.stages(), [Transferring, Finishing, Done]);
}

#[test]
fn what_failed_at_the_last_moment_was_never_done() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let (world, watch, directory) = stored(2);
    let options = DownloadOptions::new().progress(watch.clone());
    let open = |options: &DownloadOptions| world.bucket.download_file_by_name_with("x", options);
    for room in [LENGTH - 1, LENGTH] {
        let error = open(&options).unwrap().write_to(&mut Full(room));
        assert!(matches!(error, Err(Error::Stream { .. })), "{error:?}");
    }
    // Something takes the place meanwhile that a file cannot replace.
    let path = directory.path().join("x");
    for part_size in [RANGE, LENGTH as u64] {
        let (sink, place) = (watch.clone(), path.clone());
        let blocking = move |progress: &TransferProgress| {
            if progress.stage == Finishing {
                std::fs::create_dir_all(place.join("inside")).unwrap();
            }
            sink.update(progress);
        };
        let options = DownloadOptions::new().part_size(part_size);
        let options = options.progress(blocking);
        let download = open(&options).unwrap();
        let error = download.save_to(&path);
        std::fs::remove_dir_all(&path).unwrap();
        assert!(matches!(error, Err(Error::LocalFile { .. })), "{error:?}");
    }
    assert!(watch.reports().iter().all(|report| report.stage != Done));
}

#[test]
fn one_receiver_can_watch_many_transfers_at_once() {
    let world = World::with(|builder| builder.workers(3));
    let watch = Watch::of(&world);
    let upload = UploadOptions::new().progress(watch.clone());
    let download = DownloadOptions::new()
        .part_size(RANGE)
        .progress(watch.clone());
    let (directory, contents) = (tempfile::tempdir().unwrap(), [20_000, 33_333, 47_000]);
    let target = LocalDirectory::new(directory.path());
    std::thread::scope(|scope| {
        for length in contents {
            let (world, watch, target) = (&world, &watch, &target);
            let (upload, download) = (&upload, &download);
            scope.spawn(move || {
                let name = format!("folder/{length}");
                let bucket = &world.bucket;
                let stored = bucket.upload_bytes_with(&noise(length), &name, upload);
                let stored = stored.unwrap().into_version();
                let saved = bucket
                    .download_file_by_name_with(&name, download)
                    .unwrap()
                    .save_under(target);
                assert_eq!(saved.unwrap().parts(), (length as u64).div_ceil(RANGE));
                let copy = CopyOptions::new().progress(watch.clone());
                bucket.copy_with(&stored.file_id, &name, &copy).unwrap();
            });
        }
    });
    let mut transfers = BTreeMap::<TransferId, Vec<TransferProgress>>::new();
    for report in watch.reports() {
        transfers.entry(report.id).or_default().push(report);
    }
    assert_eq!(
        transfers.len(),
        9,
        "an upload, a download and a copy of each"
    );
    let mut names = BTreeMap::<Arc<str>, usize>::new();
    for (id, reports) in transfers {
        let last = reports.last().unwrap();
        *names.entry(Arc::clone(&last.file_name)).or_default() += 1;
        assert!(
            reports.iter().all(|r| r.file_name == last.file_name),
            "{id}"
        );
        let length: u64 = last
            .file_name
            .trim_start_matches("folder/")
            .parse()
            .unwrap();
        assert_eq!((last.stage, last.bytes), (Done, length), "{id}");
        let done = reports.iter().filter(|report| report.stage == Done).count();
        assert_eq!(done, 1, "{id}");
    }
    assert!(
        names.len() == 3 && names.values().all(|count| *count == 3),
        "{names:?}"
    );
}
