//! Downloads that go on where an earlier one to the same path ended. `processes` has those whose process
//! was killed.

use std::path::{Path, PathBuf};

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::testing::Clock;
use b2sdk::{
    B2Api, BucketType, CancelToken, DownloadOptions, Error, InMemoryAccountInfo, LargeFileSha1,
    Operation, Saved, UploadOptions, Verification,
};
use tempfile::TempDir;

use crate::support::{BUCKET, World, authorize, noise};

const RANGE: u64 = 10_000;
const LENGTH: usize = 95_123;
const RECORD: &str = ".b2-download-x.record";
const DATA: &str = ".b2-download-x.part";

/// A world with an "x" of which something has been downloaded.
struct Started {
    world: World,
    directory: TempDir,
    data: Vec<u8>,
}

impl Started {
    /// The first range and four others are there.
    fn new() -> Self {
        Self::with_sha1(LargeFileSha1::Compute)
    }

    fn with_sha1(sha1: LargeFileSha1) -> Self {
        let world = small_parts();
        let data = noise(LENGTH);
        // In parts, or the service itself would record it.
        let options = UploadOptions::new().part_size(50_000).large_file_sha1(sha1);
        world
            .bucket
            .upload_bytes_with(&data, "x", &options)
            .unwrap();
        let started = Self {
            world,
            directory: tempfile::tempdir().unwrap(),
            data,
        };
        std::fs::write(started.path(), b"what was there").unwrap();
        started.interrupt();
        started
    }

    /// Lets a download fail after four ranges more.
    fn interrupt(&self) {
        self.world.inject(
            Fault::on(Operation::DownloadFileById)
                .after(4)
                .status(403, "download_cap_exceeded", "")
                .always(),
        );
        let error = self.save().unwrap_err();
        assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
        self.world.service.faults().clear();
        assert_eq!(
            std::fs::read(self.path()).unwrap(),
            b"what was there",
            "the destination is as it was"
        );
        assert_eq!(self.names(), [DATA, RECORD, "x"]);
        self.world.service.log().clear();
    }

    fn path(&self) -> PathBuf {
        self.beside("x")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn save(&self) -> Result<Saved, Error> {
        self.save_with(&options())
    }

    fn save_with(&self, options: &DownloadOptions) -> Result<Saved, Error> {
        self.world
            .bucket
            .download_file_by_name_with("x", options)?
            .save_to(self.path())
    }

    /// Goes on, and checks that the right file comes of it and nothing else.
    fn finish(&self) -> Saved {
        let saved = self.save().unwrap();
        assert_eq!(std::fs::read(self.path()).unwrap(), self.data);
        assert_eq!(self.names(), ["x"]);
        saved
    }
}

/// A world of one worker whose service takes parts of any size.
fn small_parts() -> World {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .start()
        .unwrap();
    let clock = Clock::manual();
    let info = InMemoryAccountInfo::with_clock(clock.clone());
    let builder = B2Api::builder(info).clock(&clock).workers(1);
    let api = builder.build().unwrap();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    World {
        service,
        clock,
        api,
        bucket,
    }
}

fn options() -> DownloadOptions {
    DownloadOptions::new().part_size(RANGE).resume(true)
}

#[test]
fn a_failed_download_goes_on_with_what_is_there() {
    let started = Started::new();
    let saved = started.finish();
    assert_eq!(saved.verification(), Verification::Verified);
    assert_eq!((saved.parts(), saved.retries()), (10, 0));
    assert_eq!(
        (saved.bytes(), saved.resumed_bytes(), saved.received_bytes()),
        (95_123, 50_000, 45_123)
    );
    assert_eq!(started.world.count(Operation::DownloadFileById), 5);
}

#[test]
fn what_arrived_of_a_range_before_it_broke_off_is_there() {
    let started = Started::new();
    // The second part of it arrives; nobody goes on after that.
    started
        .world
        .inject(Fault::on(Operation::DownloadFileById).truncate_answer(4000));
    started.world.inject(
        Fault::on(Operation::DownloadFileById)
            .status(403, "download_cap_exceeded", "")
            .always(),
    );
    started.save().unwrap_err();
    started.world.service.faults().clear();
    started.world.service.log().clear();
    assert_eq!(started.finish().resumed_bytes(), 54_000);
    let first = &started.world.service.log().entries()[1];
    assert_eq!(first.range.as_deref(), Some("bytes=54000-59999"));
}

#[test]
fn a_download_in_which_only_the_last_step_failed_asks_for_nothing_more() {
    let started = Started::new();
    let token = CancelToken::new();
    let canceller = token.clone();
    let cancelling = options()
        .cancel(&token)
        .progress(move |progress: &TransferProgress| {
            if progress.bytes == LENGTH as u64 {
                canceller.cancel();
            }
        });
    let error = started.save_with(&cancelling).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error:?}");
    started.world.service.log().clear();
    assert_eq!(started.finish().resumed_bytes(), LENGTH as u64);
    assert_eq!(started.world.total(), 1);
}

#[test]
fn progress_begins_with_what_is_there() {
    use std::sync::{Arc, Mutex};
    let started = Started::new();
    let last = Arc::new(Mutex::new((0, None)));
    let sink = Arc::clone(&last);
    let watched = options().progress(move |progress: &TransferProgress| {
        *sink.lock().unwrap() = (progress.bytes, progress.total);
    });
    started.save_with(&watched).unwrap();
    assert_eq!(*last.lock().unwrap(), (95_123, Some(95_123)));
}

#[test]
fn a_newer_version_begins_anew() {
    let mut started = Started::new();
    started.data = vec![7; LENGTH];
    started
        .world
        .bucket
        .upload_bytes(&started.data, "x")
        .unwrap();
    assert_eq!(started.finish().resumed_bytes(), 0);
}

#[test]
fn the_parts_are_those_of_the_beginning() {
    let started = Started::new();
    let saved = started
        .save_with(&DownloadOptions::new().part_size(33_333).resume(true))
        .unwrap();
    assert_eq!((saved.parts(), saved.resumed_bytes()), (10, 50_000));
    assert_eq!(std::fs::read(started.path()).unwrap(), started.data);
}

#[test]
fn whatever_is_wrong_with_what_was_left_it_begins_anew() {
    type Damage = (&'static str, fn(&Started));
    let damages: [Damage; 7] = [
        ("no record", |s| {
            std::fs::remove_file(s.beside(RECORD)).unwrap()
        }),
        ("an empty record", |s| {
            std::fs::write(s.beside(RECORD), b"").unwrap()
        }),
        ("zeros", |s| {
            let length = s.beside(RECORD).metadata().unwrap().len();
            std::fs::write(s.beside(RECORD), vec![0; length as usize]).unwrap();
        }),
        ("zeros at the end", |s| {
            let mut text = std::fs::read(s.beside(RECORD)).unwrap();
            text.extend(b"\0\0\0\n");
            std::fs::write(s.beside(RECORD), text).unwrap();
        }),
        ("no data", |s| std::fs::remove_file(s.beside(DATA)).unwrap()),
        ("less data", |s| resize(&s.beside(DATA), 49_999)),
        ("more data than the file has", |s| {
            resize(&s.beside(DATA), LENGTH as u64 + 1);
        }),
    ];
    for (what, damage) in damages {
        let started = Started::new();
        damage(&started);
        assert_eq!(started.finish().resumed_bytes(), 0, "{what}");
    }
}

fn resize(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn damage(path: &Path, at: usize) {
    let mut data = std::fs::read(path).unwrap();
    data[at] ^= 1;
    std::fs::write(path, data).unwrap();
}

#[test]
fn bytes_that_changed_on_the_disk_are_found_by_the_checksum_of_the_whole() {
    let started = Started::new();
    damage(&started.beside(DATA), 12_345);
    let error = started.save().unwrap_err();
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
    assert_eq!(started.names(), ["x"], "nothing is left to go on with");
    assert_eq!(std::fs::read(started.path()).unwrap(), b"what was there");
    assert_eq!(started.finish().resumed_bytes(), 0);
}

#[test]
fn where_no_checksum_is_known_bytes_that_changed_on_the_disk_do_not_count() {
    let started = Started::with_sha1(LargeFileSha1::Omit);
    damage(&started.beside(DATA), 12_345);
    let saved = started.finish();
    assert_eq!(saved.verification(), Verification::NoChecksum);
    assert_eq!(saved.resumed_bytes(), 40_000);
    let asked = &started.world.service.log().entries()[1];
    assert_eq!(asked.range.as_deref(), Some("bytes=10000-19999"));
}

#[test]
fn a_second_download_to_the_same_path_is_refused_while_the_first_runs() {
    let started = Started::new();
    started
        .world
        .inject(Fault::on(Operation::DownloadFileById).stall());
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| started.save_with(&options().cancel(&token)));
        while started.world.service.faults().remaining() > 0 {
            std::thread::yield_now();
        }
        let error = started.save().unwrap_err();
        let Error::LocalFile { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(source.kind(), std::io::ErrorKind::WouldBlock);
        token.cancel();
        first.join().unwrap().unwrap_err();
    });
    assert_eq!(started.finish().resumed_bytes(), 50_000);
}

#[test]
fn many_downloads_to_one_path_at_once_end_in_the_right_file() {
    let started = Started::new();
    std::thread::scope(|scope| {
        let saving: Vec<_> = (0..8).map(|_| scope.spawn(|| started.save())).collect();
        let outcomes: Vec<_> = saving.into_iter().map(|s| s.join().unwrap()).collect();
        assert!(outcomes.iter().any(Result::is_ok));
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(error, Error::LocalFile { .. }), "{error:?}");
        }
    });
    assert_eq!(std::fs::read(started.path()).unwrap(), started.data);
    assert_eq!(started.names(), ["x"]);
}

#[cfg(unix)]
#[test]
fn links_that_somebody_put_there_are_not_followed() {
    // A victim as long as what the record expects is not told from it by its length.
    for (name, length) in [(RECORD, 8), (DATA, 8), (DATA, 0)] {
        let started = Started::new();
        let victim = started.directory.path().join("victim");
        let own = std::fs::metadata(started.beside(name)).unwrap().len();
        let precious = vec![b'!'; if length == 0 { own as usize } else { length }];
        std::fs::write(&victim, &precious).unwrap();
        std::fs::remove_file(started.beside(name)).unwrap();
        std::os::unix::fs::symlink(&victim, started.beside(name)).unwrap();
        let outcome = started.save();
        assert!(std::fs::read(&victim).unwrap() == precious, "{name}");
        match outcome {
            Ok(saved) => assert_eq!(saved.resumed_bytes(), 0),
            Err(error) => assert!(matches!(error, Error::LocalFile { .. }), "{error:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn pipes_that_somebody_put_there_are_not_waited_for() {
    for name in [RECORD, DATA] {
        let started = Started::new();
        std::fs::remove_file(started.beside(name)).unwrap();
        nix::unistd::mkfifo(&started.beside(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        match started.save() {
            Ok(saved) => assert_eq!((name, saved.resumed_bytes()), (DATA, 0)),
            Err(error) => {
                assert!(matches!(error, Error::LocalFile { .. }), "{error:?}");
                assert_eq!(name, RECORD);
                std::fs::remove_file(started.beside(name)).unwrap();
                started.finish();
            }
        }
    }
}

#[test]
fn nothing_is_left_of_a_download_whose_files_cannot_be_created() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let in_the_way = directory.path().join(DATA);
    std::fs::create_dir(&in_the_way).unwrap();
    let save = || {
        let download = world.bucket.download_file_by_name_with("x", &options());
        download.unwrap().save_to(&path)
    };
    let error = save().unwrap_err();
    assert!(
        matches!(error, Error::LocalFile { .. }) && error.to_string().contains("x"),
        "{error:?}"
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    std::fs::remove_dir(&in_the_way).unwrap();
    save().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), noise(LENGTH));
}

#[test]
fn nothing_is_left_of_a_download_of_which_nothing_arrived() {
    let world = World::with(|builder| builder.workers(1));
    world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(0));
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .status(403, "download_cap_exceeded", "")
            .always(),
    );
    let directory = tempfile::tempdir().unwrap();
    world
        .bucket
        .download_file_by_name_with("x", &options())
        .unwrap()
        .save_to(directory.path().join("x"))
        .unwrap_err();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_is_left_of_a_version_that_is_small_now_is_removed() {
    let mut started = Started::new();
    started.data = b"small".to_vec();
    started.world.bucket.upload_bytes(b"small", "x").unwrap();
    assert_eq!(started.finish().resumed_bytes(), 0);
}

#[test]
fn names_of_any_length_can_be_resumed() {
    let world = World::with(|builder| builder.workers(1));
    let data = noise(LENGTH);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n".repeat(250));
    let save = || {
        let download = world.bucket.download_file_by_name_with("x", &options());
        download.unwrap().save_to(&path)
    };
    world.inject(Fault::on(Operation::DownloadFileById).after(2).status(
        403,
        "download_cap_exceeded",
        "",
    ));
    save().unwrap_err();
    assert_eq!(save().unwrap().resumed_bytes(), 30_000);
    assert_eq!(std::fs::read(&path).unwrap(), data);
}

#[test]
fn a_directory_that_does_not_exist_is_named_as_the_reason() {
    let started = Started::new();
    let path = started.beside("missing").join("x");
    let download = started
        .world
        .bucket
        .download_file_by_name_with("x", &options())
        .unwrap();
    let error = download.save_to(&path).unwrap_err();
    assert!(
        matches!(&error, Error::LocalFile { path: named, source, .. }
            if **named == *path && source.kind() == std::io::ErrorKind::NotFound),
        "{error:?}"
    );
    let told = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(told.contains("its directory does not exist"), "{told}");
    assert!(!told.contains("lock"), "{told}");
    assert!(!started.beside("missing").exists());
}

#[test]
fn a_part_of_a_file_cannot_be_resumed() {
    let world = World::new();
    world.bucket.upload_bytes(b"hello", "x").unwrap();
    let sent = world.total();
    let error = world
        .bucket
        .download_file_by_name_with("x", &options().range(0..=1))
        .unwrap_err();
    assert!(matches!(error, Error::InvalidInput { what: "resume", .. }));
    assert_eq!(world.total(), sent, "nothing was sent");
}

#[cfg(unix)]
#[test]
fn the_file_has_the_permissions_of_the_one_that_it_replaces() {
    use std::os::unix::fs::PermissionsExt;
    let started = Started::new();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(started.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    started.finish();
    assert_eq!(mode(&started.path()), 0o640);
}

#[test]
fn what_was_left_is_read_as_a_stage_that_tells_its_bytes() {
    use b2sdk::progress::TransferStage::{Finishing, Hashing, Transferring};
    // Without a checksum of the whole, each piece is compared with that of its own.
    let started = Started::with_sha1(LargeFileSha1::Omit);
    started.world.service.faults().clear();
    let reports = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (sink, clock) = (std::sync::Arc::clone(&reports), started.world.clock.clone());
    let options = options().progress(move |progress: &TransferProgress| {
        clock.advance(std::time::Duration::from_secs(1));
        sink.lock().unwrap().push((progress.stage, progress.bytes));
    });
    let download = started
        .world
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap();
    let saved = download.save_to(started.path()).unwrap();
    let told = reports.lock().unwrap().clone();
    assert!(told.contains(&(Hashing, saved.resumed_bytes())), "{told:?}");
    let mut stages: Vec<_> = told.iter().map(|(stage, _)| *stage).collect();
    stages.dedup();
    assert_eq!(
        stages[..4],
        [Transferring, Hashing, Transferring, Finishing]
    );
}

/// A large "x", of which no step is full before its part ends, and its content.
fn slow_line(sha1: LargeFileSha1) -> (World, Vec<u8>) {
    let (world, data) = (small_parts(), noise(2_000_000));
    let in_parts = UploadOptions::new().part_size(1_000_000);
    let in_parts = in_parts.large_file_sha1(sha1);
    world
        .bucket
        .upload_bytes_with(&data, "x", &in_parts)
        .unwrap();
    (world, data)
}

/// Saves "x" while the clock moves by 11 seconds with each report, and returns what a process killed after
/// `bytes` would have left.
fn killed_after(world: &World, path: &Path, bytes: u64) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    let (clock, from, to) = (world.clock.clone(), path.to_owned(), left.path().to_owned());
    let slow = DownloadOptions::new().part_size(1_000_000).resume(true);
    let slow = slow.progress(move |progress: &TransferProgress| {
        clock.advance(std::time::Duration::from_secs(11));
        if progress.bytes >= bytes && !to.join(RECORD).exists() {
            for name in [RECORD, DATA] {
                std::fs::copy(from.with_file_name(name), to.join(name)).unwrap();
            }
        }
    });
    let download = world.bucket.download_file_by_name_with("x", &slow).unwrap();
    download.save_to(path).unwrap();
    left
}

#[test]
fn what_arrives_slowly_is_noted_after_ten_seconds() {
    for sha1 in [LargeFileSha1::Compute, LargeFileSha1::Omit] {
        let (world, data) = slow_line(sha1);
        let directory = tempfile::tempdir().unwrap();
        let left = killed_after(&world, &directory.path().join("x"), 700_000);
        let path = left.path().join("x");
        let download = world.bucket.download_file_by_name_with("x", &options());
        let saved = download.unwrap().save_to(&path).unwrap();
        // All but what one buffer takes, and what it was reported with.
        let kept = saved.resumed_bytes();
        assert!((200_000..1_000_000).contains(&kept), "{sha1:?}: {kept}");
        assert_eq!(std::fs::read(&path).unwrap(), data);
    }
}

#[test]
fn a_long_record_takes_no_more_small_steps() {
    let (world, _) = slow_line(LargeFileSha1::Omit);
    let directory = tempfile::tempdir().unwrap();
    let left = killed_after(&world, &directory.path().join("x"), 700_000);
    let record = left.path().join(RECORD);
    let text = std::fs::read_to_string(&record).unwrap();
    let (header, steps) = text.split_once('\n').unwrap();
    let last = steps.lines().last().unwrap().to_owned() + "\n";
    let text = format!("{header}\n{}", last.repeat((17 << 20) / last.len()));
    std::fs::write(&record, &text).unwrap();
    let left = killed_after(&world, &left.path().join("x"), 990_000);
    let after = std::fs::read_to_string(left.path().join(RECORD)).unwrap();
    assert_eq!(after.len(), text.len(), "{:?}", after.lines().last());
}
