//! Every fault at every stage of a download to a path: it ends in the right file, or in an error with
//! the destination as it was.

#[cfg(target_os = "linux")]
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use b2sdk::simulator::Fault;
use b2sdk::{DownloadOptions, Error, Operation, Saved, Timeouts};

use crate::support::{World, noise};

const LENGTH: usize = 300_000;
const RANGE: u64 = 50_000;
const BEFORE: &[u8] = b"what was there";

/// When the fault happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// The first response, which is all of it.
    Opening,
    /// The response that goes on where the first one broke off.
    Continuing,
    /// The first response, which is the first of several ranges.
    FirstRange,
    LaterRange,
    /// A range of a download that goes on with what an earlier one left.
    ResumedRange,
}

const STAGES: [Stage; 5] = [
    Stage::Opening,
    Stage::Continuing,
    Stage::FirstRange,
    Stage::LaterRange,
    Stage::ResumedRange,
];

impl Stage {
    /// Whether the file is asked for by name, and as a whole.
    fn is_first(self) -> bool {
        matches!(self, Self::Opening | Self::FirstRange)
    }

    fn options(self) -> DownloadOptions {
        match self {
            Self::Opening | Self::Continuing => DownloadOptions::new(),
            Self::FirstRange | Self::LaterRange => DownloadOptions::new().part_size(RANGE),
            Self::ResumedRange => DownloadOptions::new().part_size(RANGE).resume(true),
        }
    }

    /// Which request the fault is for.
    fn operation(self) -> Operation {
        match self.is_first() {
            true => Operation::DownloadFileByName,
            false => Operation::DownloadFileById,
        }
    }
}

struct Trial {
    world: World,
    directory: tempfile::TempDir,
    stage: Stage,
}

impl Trial {
    /// All that comes before the fault.
    fn at(stage: Stage) -> Self {
        let world = World::with(|builder| {
            builder
                .workers(2)
                .timeouts(Timeouts::default().idle(Duration::from_millis(200)))
        });
        world.bucket.upload_bytes(&noise(LENGTH), "x").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let trial = Self {
            world,
            directory,
            stage,
        };
        if stage == Stage::ResumedRange {
            trial
                .world
                .inject(Fault::on(Operation::DownloadFileById).after(2).status(
                    403,
                    "download_cap_exceeded",
                    "",
                ));
            trial.save().unwrap_err();
        }
        if stage == Stage::Continuing {
            trial
                .world
                .inject(Fault::on(Operation::DownloadFileByName).truncate_answer(100_000));
        }
        std::fs::write(trial.path(), BEFORE).unwrap();
        trial
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("x")
    }

    fn save(&self) -> Result<Saved, Error> {
        self.world
            .bucket
            .download_file_by_name_with("x", &self.stage.options())?
            .save_to(self.path())
    }

    fn check_right(&self, what: &str) {
        let stage = self.stage;
        assert!(read(&self.path()) == noise(LENGTH), "{what} {stage:?}");
        assert_eq!(self.names(), ["x"], "{what} {stage:?}: left over");
    }

    fn check_as_before(&self, what: &str) {
        let stage = self.stage;
        assert!(read(&self.path()) == BEFORE, "{what} {stage:?}");
        if stage != Stage::ResumedRange {
            assert_eq!(self.names(), ["x"], "{what} {stage:?}: left over");
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

type Make = fn(Fault) -> Fault;

#[test]
fn what_passes_by_ends_in_the_right_file() {
    let faults: [(&str, Make); 19] = [
        ("closed", |f| f.drop_connection()),
        ("half-closed", |f| f.half_close_connection()),
        ("reset", |f| f.reset_connection()),
        ("silent", |f| f.stall()),
        ("closed at once", |f| f.truncate_answer(0)),
        ("closed in between", |f| f.truncate_answer(10_000)),
        ("closed before the last byte", |f| f.truncate_answer(49_999)),
        ("reset in between", |f| f.reset_answer(10_000)),
        ("half-closed in between", |f| f.half_close_answer(10_000)),
        ("silent in between", |f| f.stall_answer(10_000)),
        ("slow", |f| f.slow_answer(1_000_000)),
        // A byte now and then, less often than the client waits.
        ("dripping", |f| f.slow_answer(2)),
        ("late", |f| f.delay(Duration::from_secs(60))),
        ("followed by what nobody asked for", |f| {
            f.lengthen_answer(10)
        }),
        ("busy", |f| f.status(503, "service_unavailable", "")),
        ("too many", |f| {
            f.status(429, "too_many_requests", "").retry_after(3)
        }),
        ("internal", |f| f.status(500, "internal_error", "")),
        ("a gateway", |f| f.body(502, "text/html", "<html>")),
        ("an old token", |f| f.status(401, "expired_auth_token", "")),
    ];
    for stage in STAGES {
        for (what, make) in faults {
            let trial = Trial::at(stage);
            trial.world.inject(make(Fault::on(stage.operation())));
            trial
                .save()
                .unwrap_or_else(|error| panic!("{what} {stage:?}: {error:?}"));
            assert_eq!(
                trial.world.service.faults().remaining(),
                0,
                "{what} {stage:?}"
            );
            trial.check_right(what);
        }
    }
}

#[test]
fn what_comes_again_and_again_ends_in_an_error() {
    let faults: [(&str, Make, &[&str]); 6] = [
        ("closed", |f| f.drop_connection(), &["Connection"]),
        ("closed early", |f| f.truncate_answer(10), &["Truncated"]),
        ("reset early", |f| f.reset_answer(10), &["Truncated"]),
        ("silent", |f| f.stall_answer(10), &["Truncated"]),
        (
            "busy",
            |f| f.status(503, "service_unavailable", ""),
            &["Busy"],
        ),
        (
            "gone",
            |f| f.status(404, "not_found", ""),
            &["FileNotFound"],
        ),
    ];
    for stage in STAGES {
        for (what, make, kinds) in faults {
            let trial = Trial::at(stage);
            trial
                .world
                .inject(make(Fault::on(stage.operation())).always());
            // And those by which the first one is continued.
            if stage.is_first() {
                trial
                    .world
                    .inject(make(Fault::on(Operation::DownloadFileById)).always());
            }
            let error = trial.save().unwrap_err();
            let debug = format!("{error:?}");
            let is_right = kinds.iter().any(|kind| debug.starts_with(kind));
            assert!(is_right, "{what} {stage:?}: {debug}");
            trial.check_as_before(what);
        }
    }
}

#[test]
fn answers_that_are_not_what_was_asked_for_are_never_taken() {
    let damaged: (&str, Make, &str) = ("damaged", |f| f.corrupt_byte(7), "ChecksumMismatch");
    let faults: [(&str, Make, &str); 8] = [
        damaged,
        (
            "no length",
            |f| f.without_content_length(),
            "UnexpectedReply",
        ),
        (
            "a page",
            |f| f.body(200, "text/html", "<html>"),
            "UnexpectedReply",
        ),
        (
            "nothing",
            |f| f.body(200, "text/html", ""),
            "UnexpectedReply",
        ),
        (
            "another range",
            |f| f.header("Content-Range", "bytes 0-9/300000"),
            "UnexpectedReply",
        ),
        (
            "another total",
            |f| f.header("Content-Range", "bytes 0-49999/50000"),
            "UnexpectedReply",
        ),
        (
            "a range that is none",
            |f| f.header("Content-Range", "x"),
            "UnexpectedReply",
        ),
        (
            "another version",
            |f| f.header("X-Bz-File-Id", "4_z_other"),
            "UnexpectedReply",
        ),
    ];
    for stage in STAGES {
        for (what, make, kind) in faults {
            // A whole file has no Content-Range, and its version is what it says.
            if stage.is_first() && !["damaged", "no length", "a page", "nothing"].contains(&what) {
                continue;
            }
            let trial = Trial::at(stage);
            trial.world.inject(make(Fault::on(stage.operation())));
            let error = trial.save().unwrap_err();
            let debug = format!("{error:?}");
            assert!(debug.starts_with(kind), "{what} {stage:?}: {debug}");
            trial.check_as_before(what);
        }
    }
}

#[test]
fn answers_that_are_too_long_are_never_taken() {
    for stage in STAGES {
        let whole = match stage {
            Stage::Opening | Stage::FirstRange => LENGTH,
            Stage::Continuing => LENGTH - 100_000,
            Stage::LaterRange | Stage::ResumedRange => 50_000,
        };
        let promised = (whole + 10).to_string();
        let forms: [(&str, Fault); 3] = [
            ("chunked", Fault::on(stage.operation()).chunked()),
            (
                "no length",
                Fault::on(stage.operation()).without_content_length(),
            ),
            (
                "another length",
                Fault::on(stage.operation()).header("Content-Length", &promised),
            ),
        ];
        for (what, form) in forms {
            let trial = Trial::at(stage);
            trial.world.inject(form.lengthen_answer(10).always());
            let error = trial.save().unwrap_err();
            let debug = format!("{error:?}");
            let is_right = ["UnexpectedReply", "ChecksumMismatch"]
                .iter()
                .any(|kind| debug.starts_with(kind));
            assert!(is_right, "{what} {stage:?}: {debug}");
            trial.check_as_before(what);
        }
    }
}

#[test]
fn another_length_of_the_same_version_is_never_taken() {
    // The range is the one that was asked for, but of a file that is longer.
    let range = format!("bytes 100000-299999/{}", LENGTH + 1);
    let trial = Trial::at(Stage::Continuing);
    trial
        .world
        .inject(Fault::on(Operation::DownloadFileById).header("Content-Range", &range));
    let error = trial.save().unwrap_err();
    assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
    trial.check_as_before("longer");
}

#[test]
fn a_version_that_is_deleted_meanwhile_is_not_mixed_with_a_newer_one() {
    for stage in [Stage::Continuing, Stage::LaterRange, Stage::ResumedRange] {
        let trial = Trial::at(stage);
        let bucket = &trial.world.bucket;
        let options = stage.options();
        let download = bucket.download_file_by_name_with("x", &options).unwrap();
        let version = download.version().clone();
        bucket.upload_bytes(&vec![7; LENGTH], "x").unwrap();
        trial
            .world
            .api
            .delete_file_version(&version.file_id, "x")
            .unwrap();
        let error = download.save_to(trial.path()).unwrap_err();
        assert!(error.is_not_found(), "{stage:?}: {error:?}");
        trial.check_as_before("deleted");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_gets_every_byte_once_whatever_breaks() {
    let (one, many) = (
        DownloadOptions::new(),
        DownloadOptions::new().part_size(RANGE),
    );
    let ranges = (LENGTH as u64).div_ceil(RANGE);
    for (options, stage, parts) in [(one, Stage::Continuing, 1), (many, Stage::Opening, ranges)] {
        let trial = Trial::at(stage);
        let path = trial.directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        if parts > 1 {
            // One of the ranges ahead breaks off.
            trial
                .world
                .inject(Fault::on(Operation::DownloadFileById).truncate_answer(100));
        }
        let received = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read(&path));
            // There is nothing to go on with in a pipe, and nothing is left beside it.
            let options = options.resume(true);
            let download = trial.world.bucket.download_file_by_name_with("x", &options);
            let saved = download.unwrap().save_to(&path).unwrap();
            assert_eq!((saved.parts(), saved.retries()), (parts, 1));
            reading.join().unwrap()
        });
        assert!(received == noise(LENGTH));
        assert!(!path.metadata().unwrap().is_file(), "it is still a pipe");
        assert_eq!(trial.names().len(), 2);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let trial = Trial::at(Stage::Opening);
    let download = trial.world.bucket.download_file_by_name("x").unwrap();
    let error = download.save_to("/dev/full").unwrap_err();
    let Error::LocalFile { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

/// The cause of a download into this path, which ends by itself.
#[cfg(unix)]
fn refused(trial: &Trial, path: &str) -> std::io::Error {
    let download = trial.world.bucket.download_file_by_name("x").unwrap();
    match crate::support::in_time(|| download.save_to(path)).unwrap_err() {
        Error::LocalFile { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn a_socket_is_an_error_and_stays_as_it_is() {
    use std::os::unix::fs::FileTypeExt;
    let trial = Trial::at(Stage::Opening);
    let path = trial.directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    refused(&trial, path.to_str().unwrap());
    drop(listener);
    refused(&trial, path.to_str().unwrap());
    assert!(path.metadata().unwrap().file_type().is_socket());
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_pipe_that_nobody_reads_any_more_is_an_error() {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsRawFd;
    let trial = Trial::at(Stage::Opening);
    let within = |name: &str| trial.directory.path().join(name);
    let (named, link) = (within("pipe"), within("link"));
    nix::unistd::mkfifo(&named, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for directory in ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"] {
        // Opened for both, so that neither waits for the other.
        let reader = OpenOptions::new().read(true).write(true).open(&named);
        let writer = OpenOptions::new().write(true).open(&named).unwrap();
        let path = format!("{directory}/{}", writer.as_raw_fd());
        let received = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut bytes = vec![0; LENGTH];
                let mut reader: &File = reader.as_ref().unwrap();
                reader.read_exact(&mut bytes).unwrap();
                bytes
            });
            let download = trial.world.bucket.download_file_by_name("x").unwrap();
            download.save_to(&path).unwrap();
            reading.join().unwrap()
        });
        assert!(received == noise(LENGTH));
        drop(reader);
        _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [path.as_str(), link.to_str().unwrap()] {
            let kind = refused(&trial, path).kind();
            assert_eq!(kind, std::io::ErrorKind::BrokenPipe, "{path}");
        }
    }
    // The system itself refuses a pipe without a name.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let path = format!("/dev/fd/{}", writer.as_raw_fd());
    assert_eq!(
        refused(&trial, &path).kind(),
        std::io::ErrorKind::BrokenPipe
    );
}
