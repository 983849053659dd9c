//! Downloading, and what becomes of it when something goes wrong.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::Fault;
use b2sdk::{
    ByteRange, DownloadOptions, Error, FileInfo, Operation, RetryPolicy, Timeouts, UploadOptions,
    Verification,
};

use crate::support::{World, noise};

fn world_with(data: &[u8]) -> World {
    let world = World::new();
    world.bucket.upload_bytes(data, "x").unwrap();
    world.service.log().clear();
    world
}

fn files_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_headers_come_before_the_body_and_say_what_it_will_be() {
    let world = world_with(b"hello");
    let download = world.bucket.download_file_by_name("x").unwrap();
    assert_eq!(
        (download.version().file_name.as_str(), download.length()),
        ("x", 5)
    );
    assert_eq!(world.total(), 1);
    let mut text = String::new();
    let mut reader = download.into_reader();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(
        (text.as_str(), reader.verification()),
        ("hello", Verification::Verified)
    );
}

#[test]
fn ranges_are_the_bytes_that_were_asked_for() {
    let data = noise(1000);
    let world = world_with(&data);
    let get = |range: ByteRange| {
        let options = DownloadOptions::new().range(range);
        let download = world
            .bucket
            .download_file_by_name_with("x", &options)
            .unwrap();
        assert_eq!(download.version().content_length, 1000);
        let mut bytes = Vec::new();
        let mut reader = download.into_reader();
        reader.read_to_end(&mut bytes).unwrap();
        (bytes, reader.verification())
    };
    assert_eq!(
        get(ByteRange::from(10..=19)),
        (data[10..20].to_vec(), Verification::PartOfFile)
    );
    assert_eq!(
        get(ByteRange::from(990..)),
        (data[990..].to_vec(), Verification::PartOfFile)
    );
    assert_eq!(
        get(ByteRange::from(990..=5000)),
        (data[990..].to_vec(), Verification::PartOfFile)
    );
    assert_eq!(
        get(ByteRange::last(3)),
        (data[997..].to_vec(), Verification::PartOfFile)
    );
    assert_eq!(
        get(ByteRange::from(0..)),
        (data.clone(), Verification::Verified)
    );
    assert_eq!(get(ByteRange::last(1000)), (data, Verification::Verified));
}

#[test]
fn an_encoded_object_arrives_as_it_is_stored() {
    let world = World::new();
    // Not even a gzip stream: whoever tries to decode it fails.
    let stored = noise(21);
    let options = UploadOptions::new().file_info(FileInfo::new().content_encoding("gzip"));
    world
        .bucket
        .upload_bytes_with(&stored, "x.gz", &options)
        .unwrap();
    let download = world.bucket.download_file_by_name("x.gz").unwrap();
    assert_eq!(
        download.version().file_info.get("b2-content-encoding"),
        Some("gzip")
    );
    assert_eq!(download.read_to_vec().unwrap(), stored);
    assert_eq!(
        world
            .bucket
            .get_file_info_by_name("x.gz")
            .unwrap()
            .content_length,
        stored.len() as u64
    );
}

#[test]
fn empty_and_tiny_files_arrive_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    for data in [&b""[..], b"1"] {
        let world = world_with(data);
        let mut written = Vec::new();
        let open = || world.bucket.download_file_by_name("x").unwrap();
        assert_eq!(open().write_to(&mut written).unwrap(), data.len() as u64);
        assert_eq!(written, data);
        assert_eq!(open().read_to_vec().unwrap(), data);
        open().save_to(directory.path().join("x")).unwrap();
        assert_eq!(std::fs::read(directory.path().join("x")).unwrap(), data);
    }
}

#[test]
fn a_download_that_breaks_off_again_and_again_is_continued_where_it_broke() {
    let data = noise(900_000);
    let world = world_with(&data);
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(100_001));
    world.inject(Fault::on(Operation::DownloadFileById).truncate_answer(1));
    world.inject(Fault::on(Operation::DownloadFileById).status(503, "service_unavailable", ""));
    world.inject(Fault::on(Operation::DownloadFileById).reset_answer(10_000));
    world.inject(Fault::on(Operation::DownloadFileById).truncate_answer(333_333));
    let directory = tempfile::tempdir().unwrap();
    let saved = world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to(directory.path().join("x"))
        .unwrap();
    assert_eq!(
        (saved.bytes(), saved.verification()),
        (900_000, Verification::Verified)
    );
    assert_eq!(std::fs::read(directory.path().join("x")).unwrap(), data);
    assert_eq!(
        (
            world.count(Operation::DownloadFileByName),
            world.count(Operation::DownloadFileById)
        ),
        (1, 5)
    );
}

#[test]
fn a_newer_version_does_not_slip_into_a_download_that_is_continued() {
    let world = world_with(&noise(300_000));
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(100_000));
    let download = world.bucket.download_file_by_name("x").unwrap();
    world.bucket.upload_bytes(b"newer", "x").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), noise(300_000));
}

#[test]
fn a_download_that_never_gets_on_ends_and_leaves_nothing_behind() {
    let world = world_with(&noise(300_000));
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(200_000));
    world.inject(
        Fault::on(Operation::DownloadFileById)
            .truncate_answer(10)
            .always(),
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, b"what was there").unwrap();
    let error = world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to(&path)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Truncated {
                expected: 300_000,
                actual: 200_000..=200_100,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    assert_eq!(files_in(directory.path()), ["x"]);
    assert_eq!(
        world.count(Operation::DownloadFileById),
        8,
        "as many as the policy allows"
    );
}

#[test]
fn whoever_looks_at_the_destination_meanwhile_sees_the_old_file_or_the_new_one() {
    let data = noise(900_000);
    for (range, resume) in [(1_000_000, false), (50_000, false), (50_000, true)] {
        let world = world_with(&data);
        world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(30_001));
        for offset in [1, 49_999, 10_000, 33_333] {
            world.inject(Fault::on(Operation::DownloadFileById).truncate_answer(offset));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, b"what was there").unwrap();
        let is_saved = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let (mut old, mut new) = (0, 0);
                while new == 0 {
                    let was_saved = is_saved.load(Ordering::SeqCst);
                    let seen = std::fs::read(&path).unwrap();
                    if seen == data {
                        new += 1;
                    } else {
                        assert!(seen == b"what was there" && !was_saved, "{}", seen.len());
                        old += 1;
                    }
                }
                old
            });
            let (sink, clock) = (path.clone(), world.clock.clone());
            let (wrong, reported) = (Arc::new(AtomicBool::new(false)), Arc::default());
            let (seen_wrong, told) = (Arc::clone(&wrong), Arc::<AtomicBool>::clone(&reported));
            let options = DownloadOptions::new().part_size(range).resume(resume);
            // Also at every step of the download itself.
            let options = options.progress(move |progress: &TransferProgress| {
                clock.advance(Duration::from_secs(1));
                told.store(true, Ordering::SeqCst);
                let is_old = || std::fs::read(&sink).is_ok_and(|seen| seen == b"what was there");
                if progress.stage != TransferStage::Done && !is_old() {
                    seen_wrong.store(true, Ordering::SeqCst);
                }
            });
            let download = world.bucket.download_file_by_name_with("x", &options);
            let saved = download.unwrap().save_to(&path).unwrap();
            is_saved.store(true, Ordering::SeqCst);
            assert!(saved.retries() >= 3);
            assert!(reported.load(Ordering::SeqCst) && !wrong.load(Ordering::SeqCst));
            assert!(watching.join().unwrap() > 0, "it looked too late");
        });
        assert_eq!(files_in(directory.path()), ["x"]);
    }
}

#[test]
fn damaged_bytes_never_appear_under_the_destination() {
    let world = world_with(&noise(300_000));
    world.inject(
        Fault::on(Operation::DownloadFileByName)
            .corrupt_byte(299_999)
            .times(3),
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let open = || world.bucket.download_file_by_name("x").unwrap();
    let error = open().save_to(&path).unwrap_err();
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error:?}");
    assert_eq!(files_in(directory.path()), [""; 0]);
    assert!(matches!(
        open().read_to_vec().unwrap_err(),
        Error::ChecksumMismatch { .. }
    ));
    let error = open()
        .into_reader()
        .read_to_end(&mut Vec::new())
        .unwrap_err();
    assert!(matches!(
        error.downcast::<Error>().unwrap(),
        Error::ChecksumMismatch { .. }
    ));
}

#[test]
fn a_silent_connection_is_left_after_the_idle_limit() {
    let world = World::with(|builder| {
        builder.timeouts(Timeouts::default().idle(Duration::from_millis(200)))
    });
    let data = noise(500_000);
    world.bucket.upload_bytes(&data, "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).stall_answer(100_000));
    assert_eq!(
        world
            .bucket
            .download_file_by_name("x")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        data
    );
    world.inject(Fault::on(Operation::DownloadFileByName).stall());
    assert_eq!(
        world
            .bucket
            .download_file_by_name("x")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        data
    );
}

#[test]
fn an_answer_without_a_length_is_not_trusted() {
    let world = world_with(b"hello");
    world.inject(Fault::on(Operation::DownloadFileByName).without_content_length());
    let error = world.bucket.download_file_by_name("x").unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        matches!(error, Error::UnexpectedReply { .. }) && source.contains("Content-Length"),
        "{error}: {source}"
    );
}

#[test]
fn a_range_other_than_the_one_asked_for_is_not_taken() {
    let world = world_with(&noise(1000));
    for (header, value) in [
        ("Content-Range", "bytes 0-9/1000"),
        ("Content-Range", "bytes 10-19/15"),
        ("Content-Range", "x"),
    ] {
        world.inject(Fault::on(Operation::DownloadFileByName).header(header, value));
        let options = DownloadOptions::new().range(10..=19);
        let error = world
            .bucket
            .download_file_by_name_with("x", &options)
            .unwrap_err();
        assert!(
            matches!(error, Error::UnexpectedReply { .. }),
            "{value}: {error:?}"
        );
    }
}

#[test]
fn a_saved_file_has_the_time_of_its_source() {
    let world = World::new();
    let options =
        UploadOptions::new().src_last_modified(b2sdk::Timestamp::from_millis(1_000_000_000_123));
    world.bucket.upload_bytes_with(b"x", "x", &options).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to(&path)
        .unwrap();
    let modified = b2sdk::Timestamp::from(path.metadata().unwrap().modified().unwrap());
    assert_eq!(modified, b2sdk::Timestamp::from_millis(1_000_000_000_123));
}

#[test]
fn a_download_that_is_longer_than_accepted_is_refused_before_its_content() {
    let world = World::of_small_parts(100, 1000);
    let data = noise(4500);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let get = |options: &DownloadOptions| world.bucket.download_file_by_name_with("x", options);
    for part_size in [1000, 10_000] {
        let limited = DownloadOptions::new().max_length(4499).part_size(part_size);
        world.service.log().clear();
        let error = get(&limited).unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    what: "max_length",
                    ..
                }
            ),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("4500") && text.contains("4499"), "{text}");
        assert_eq!(world.total(), 1, "a refusal is not repeated");
        let enough = get(&limited.clone().max_length(4500)).unwrap();
        assert_eq!(enough.read_to_vec().unwrap(), data);
        let range = get(&limited.range(1..=4499)).unwrap();
        assert_eq!(range.read_to_vec().unwrap(), data[1..]);
    }
    let none = DownloadOptions::new().max_length(0);
    assert!(get(&none).is_err());
    world.bucket.upload_bytes(b"", "empty").unwrap();
    let empty = world.bucket.download_file_by_name_with("empty", &none);
    assert_eq!(empty.unwrap().read_to_vec().unwrap(), b"");
}

#[test]
fn what_is_not_flushed_is_saved_like_everything_else() {
    let world = World::of_small_parts(100, 1000);
    let data = noise(4500);
    world.bucket.upload_bytes(&data, "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    for part_size in [1000, 10_000] {
        std::fs::write(&path, "what was there").unwrap();
        let options = DownloadOptions::new().part_size(part_size).skip_flush(true);
        let download = world.bucket.download_file_by_name_with("x", &options);
        let saved = download.unwrap().save_to(&path).unwrap();
        assert_eq!(saved.verification(), Verification::Verified);
        assert_eq!(std::fs::read(&path).unwrap(), data);
        assert_eq!(files_in(directory.path()), ["x"]);
    }
}

#[test]
fn a_destination_that_cannot_be_written_is_named() {
    let world = world_with(b"x");
    let directory = tempfile::tempdir().unwrap();
    for path in [
        directory.path().to_owned(),
        directory.path().join("no/such/folder/x"),
    ] {
        let error = world
            .bucket
            .download_file_by_name("x")
            .unwrap()
            .save_to(&path)
            .unwrap_err();
        assert!(matches!(&error, Error::LocalFile { .. }), "{error:?}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_permissions_kept_and_devices_written_to() {
    use std::os::unix::fs::PermissionsExt;
    let world = world_with(b"new");
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    std::fs::write(&file, b"old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to(&link)
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to("/dev/null")
        .unwrap();
    assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
}

#[test]
fn a_writer_that_fails_is_the_callers_own_trouble() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let world = world_with(b"x");
    let error = world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .write_to(&mut Full)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Stream {
                action: "write",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(world.total(), 1, "not repeated");
}

#[test]
fn a_version_is_downloaded_by_its_id_even_when_the_name_is_hidden() {
    let world = World::new();
    let old = world
        .bucket
        .upload_bytes(b"old", "x")
        .unwrap()
        .into_version();
    world.bucket.upload_bytes(b"new", "x").unwrap();
    world.bucket.hide_file("x").unwrap();
    assert_eq!(
        world
            .api
            .download_file_by_id(&old.file_id)
            .unwrap()
            .read_to_vec()
            .unwrap(),
        b"old"
    );
    assert_eq!(
        world
            .bucket
            .download_file_by_id(&old.file_id)
            .unwrap()
            .read_to_vec()
            .unwrap(),
        b"old"
    );
    assert!(
        world
            .bucket
            .download_file_by_name("x")
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn one_attempt_means_one_attempt() {
    let world = World::with(|builder| builder.retry(RetryPolicy::none()));
    world.bucket.upload_bytes(&noise(200_000), "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(10));
    assert!(matches!(
        world
            .bucket
            .download_file_by_name("x")
            .unwrap()
            .read_to_vec()
            .unwrap_err(),
        Error::Truncated { .. }
    ));
    assert_eq!(world.count(Operation::DownloadFileById), 0);
}

/// Run also in a build in which some other crate switched on ureq's decoders, with
/// `B2SDK_TEST_DECODERS` set: then nothing but a loud failure will do.
#[test]
fn decoders_in_the_build_never_change_bytes_unnoticed() {
    let world = World::new();
    let gzip = hex::decode("1f8b08000000000000037304008b9ed9d301000000").unwrap();
    let latin1 = b"caf\xe9".repeat(100);
    let gzip_info = UploadOptions::new().file_info(FileInfo::new().content_encoding("gzip"));
    let latin1_type = UploadOptions::new().content_type("text/plain; charset=iso-8859-1");
    for (stored, options, decodable) in [(&gzip, gzip_info, true), (&latin1, latin1_type, false)] {
        world
            .bucket
            .upload_bytes_with(stored, "x", &options)
            .unwrap();
        let outcome = world
            .bucket
            .download_file_by_name("x")
            .and_then(|download| {
                let (mut reader, mut bytes) = (download.into_reader(), Vec::new());
                let outcome = reader.read_to_end(&mut bytes);
                assert_eq!(
                    outcome.is_err(),
                    reader.read_to_end(&mut bytes).is_err(),
                    "who reads on after an error gets no end of the file"
                );
                outcome.map_err(|error| error.downcast::<Error>().unwrap())?;
                Ok(bytes)
            });
        match outcome {
            Ok(bytes) => assert_eq!(&bytes, stored),
            Err(error) => {
                assert!(
                    std::env::var_os("B2SDK_TEST_DECODERS").is_some(),
                    "{error:?}"
                );
                assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
                continue;
            }
        }
        assert!(
            !decodable || std::env::var_os("B2SDK_TEST_DECODERS").is_none(),
            "the decoder was not noticed"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_another_owner_stays_theirs_where_this_user_may_decide_that() {
    use std::os::unix::fs::{MetadataExt, chown};

    let world = World::new();
    world.bucket.upload_bytes(b"hello", "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, b"what was there").unwrap();
    let is_root = chown(&path, Some(1234), Some(4321)).is_ok();
    let before = path.metadata().unwrap();
    let download = world.bucket.download_file_by_name("x").unwrap();
    download.save_to(&path).unwrap();
    let after = path.metadata().unwrap();
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert!(!is_root || after.uid() == 1234);
    assert_eq!(after.mode(), before.mode());
}
