//! Uploading small files, and what becomes of it when something goes wrong.

use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use b2sdk::error::NameRule;
use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    B2Api, BucketType, Error, FileInfo, InMemoryAccountInfo, LsOptions, Operation, RetryPolicy,
    Timeouts, Timestamp, UploadOptions, Versions,
};

use crate::support::{BUCKET, World, authorize, noise};

/// The upload URLs that uploads were sent to, in order.
fn upload_urls(world: &World) -> Vec<String> {
    let entries = world.service.log().entries();
    entries
        .into_iter()
        .filter(|entry| entry.operation == Some(Operation::UploadFile))
        .filter_map(|entry| entry.upload_url)
        .collect()
}

fn content(world: &World, file_name: &str) -> Vec<u8> {
    world
        .bucket
        .download_file_by_name(file_name)
        .unwrap()
        .read_to_vec()
        .unwrap()
}

#[test]
fn what_is_said_about_a_file_is_stored_with_it() {
    let world = World::new();
    let options = UploadOptions::new()
        .content_type("text/x-poem; charset=utf-8")
        .src_last_modified(Timestamp::from_millis(1_234_567_890_123))
        .file_info(
            FileInfo::new()
                .with("Author", "Åsa + 100% é\n")
                .cache_control("max-age=3600")
                .content_disposition("attachment; filename=\"a b.txt\"")
                .content_language("sv")
                .expires("Thu, 01 Dec 2044 16:00:00 GMT"),
        );
    let version = world
        .bucket
        .upload_bytes_with(b"vers", "dikt.txt", &options)
        .unwrap()
        .into_version();
    assert_eq!(
        version.content_type.as_deref(),
        Some("text/x-poem; charset=utf-8")
    );
    assert_eq!(version.file_info.get("author"), Some("Åsa + 100% é\n"));
    assert_eq!(
        version.file_info.src_last_modified(),
        Some(Timestamp::from_millis(1_234_567_890_123))
    );
    let head = world.bucket.get_file_info_by_name("dikt.txt").unwrap();
    assert_eq!(head.file_info, version.file_info);
    assert_eq!(
        world
            .bucket
            .download_file_by_name("dikt.txt")
            .unwrap()
            .version()
            .file_info,
        version.file_info
    );
    assert_eq!(
        world.api.get_file_info(&version.file_id).unwrap().file_info,
        version.file_info
    );
}

#[test]
fn the_type_is_derived_from_the_name_where_none_is_given() {
    let world = World::new();
    let version = world
        .bucket
        .upload_bytes(b"x", "note.txt")
        .unwrap()
        .into_version();
    assert_eq!(version.content_type.as_deref(), Some("text/plain"));
}

#[test]
fn a_local_file_brings_its_modification_time_unless_the_caller_gives_one() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let modified = Timestamp::from(path.metadata().unwrap().modified().unwrap());
    let version = world
        .bucket
        .upload_local_file(&path, "a")
        .unwrap()
        .into_version();
    assert_eq!(version.file_info.src_last_modified(), Some(modified));
    let given = UploadOptions::new().src_last_modified(Timestamp::from_millis(5));
    let version = world
        .bucket
        .upload_local_file_with(&path, "b", &given)
        .unwrap()
        .into_version();
    assert_eq!(
        version.file_info.src_last_modified(),
        Some(Timestamp::from_millis(5))
    );
    let info = FileInfo::new().with("src_last_modified_millis", "77");
    let version = world
        .bucket
        .upload_local_file_with(&path, "c", &UploadOptions::new().file_info(info))
        .unwrap();
    assert_eq!(
        version.version().file_info.src_last_modified(),
        Some(Timestamp::from_millis(77))
    );
}

#[test]
fn empty_and_large_bodies_arrive_as_they_are() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    for length in [0, 1, 40, 65_536, 3_000_001] {
        let data = noise(length);
        let path = directory.path().join("file");
        std::fs::write(&path, &data).unwrap();
        world.bucket.upload_bytes(&data, "bytes").unwrap();
        world.bucket.upload_local_file(&path, "file").unwrap();
        world
            .bucket
            .upload_reader(data.as_slice(), length as u64, "reader")
            .unwrap();
        for name in ["bytes", "file", "reader"] {
            assert_eq!(content(&world, name), data, "{name} of {length}");
        }
    }
}

/// The others of the pool may be as old as the one that failed.
#[test]
fn after_a_failure_another_url_is_asked_for_although_the_pool_has_one() {
    let world = World::new();
    // An upload while another one is being sent, so that the pool has two URLs afterwards.
    let (clock, bucket) = (world.clock.clone(), world.bucket.clone());
    let has_begun = std::sync::atomic::AtomicBool::new(false);
    let inner = move |progress: &TransferProgress| {
        clock.advance(Duration::from_secs(1));
        if progress.bytes > 0 && !has_begun.swap(true, std::sync::atomic::Ordering::Relaxed) {
            bucket.upload_bytes(b"inner", "inner").unwrap();
        }
    };
    let options = UploadOptions::new().progress(inner);
    let outer = world
        .bucket
        .upload_bytes_with(&noise(200_000), "outer", &options);
    outer.unwrap();
    let asked = world.count(Operation::GetUploadUrl);
    let pooled: std::collections::BTreeSet<_> = upload_urls(&world).into_iter().collect();
    world.inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
    world.service.log().clear();
    world.bucket.upload_bytes(b"2", "x").unwrap();
    let [first, second] = &upload_urls(&world)[..] else {
        panic!("two attempts")
    };
    assert!(pooled.contains(first), "it came from the pool");
    assert!(
        !pooled.contains(second),
        "it was asked for after the failure"
    );
    assert_eq!(
        (asked, pooled.len(), world.count(Operation::GetUploadUrl)),
        (2, 2, 1)
    );
}

#[test]
fn four_failures_in_a_row_end_in_success_on_the_fifth_url() {
    let world = World::new();
    world.inject(Fault::on(Operation::UploadFile).status(
        503,
        "service_unavailable",
        "c002_v0001118_t0002 is too busy",
    ));
    world.inject(Fault::on(Operation::UploadFile).status(500, "internal_error", ""));
    world.inject(Fault::on(Operation::UploadFile).status(408, "request_timeout", ""));
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_reading(1000)
            .reset_connection(),
    );
    let uploaded = world.bucket.upload_bytes(&noise(200_000), "x").unwrap();
    assert_eq!(uploaded.retries(), 4);
    let urls = upload_urls(&world);
    let distinct: std::collections::BTreeSet<_> = urls.iter().collect();
    assert_eq!(
        (urls.len(), distinct.len()),
        (5, 5),
        "no failed URL was used again"
    );
    assert!(
        world.clock.sleeps().is_empty(),
        "another URL is tried at once"
    );
    assert_eq!(content(&world, "x"), noise(200_000));
}

#[test]
fn a_url_that_failed_is_never_taken_again_and_one_that_worked_is() {
    let world = World::new();
    world.inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
    for _ in 0..3 {
        world.bucket.upload_bytes(b"x", "x").unwrap();
    }
    let urls = upload_urls(&world);
    assert_ne!(urls[0], urls[1]);
    assert_eq!([&urls[1], &urls[1]], [&urls[2], &urls[3]]);
    assert_eq!(world.count(Operation::GetUploadUrl), 2);
}

#[test]
fn whatever_befell_an_upload_its_url_is_never_taken_again() {
    let on = || Fault::on(Operation::UploadFile);
    for (what, fault) in [
        ("busy", on().status(503, "service_unavailable", "").always()),
        ("refused", on().status(400, "bad_request", "").always()),
        (
            "capped",
            on().status(403, "storage_cap_exceeded", "").always(),
        ),
        ("reset", on().reset_connection().always()),
        ("lost, but found", on().after_effect().drop_connection()),
        ("unreadable", on().after_effect().truncate_answer(10)),
    ] {
        let world = World::new();
        world.inject(fault);
        let _outcome = world.bucket.upload_bytes(b"x", "x");
        world.service.faults().clear();
        let failed = upload_urls(&world);
        world.service.log().clear();
        // The pool is empty: all of them ask for a URL, and none has been seen before.
        std::thread::scope(|scope| {
            for n in 0..3 {
                let bucket = &world.bucket;
                scope.spawn(move || bucket.upload_bytes(b"y", &n.to_string()).unwrap());
            }
        });
        assert!(!failed.is_empty());
        let later = upload_urls(&world);
        assert!(later.iter().all(|url| !failed.contains(url)), "{what}");
    }
}

#[test]
fn an_upload_that_the_service_has_although_its_answer_was_lost_is_made_once() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
    );
    let version = world
        .bucket
        .upload_bytes(b"once", "x")
        .unwrap()
        .into_version();
    assert_eq!(world.versions("x"), [version]);
    assert_eq!(
        (
            world.count(Operation::UploadFile),
            world.count(Operation::ListFileVersions)
        ),
        (1, 2)
    );
}

#[test]
fn an_answer_that_cannot_be_read_is_resolved_by_looking_too() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .truncate_answer(10),
    );
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .body(200, "text/html", "<html>"),
    );
    for name in ["a", "b"] {
        let version = world
            .bucket
            .upload_bytes(b"once", name)
            .unwrap()
            .into_version();
        assert_eq!(world.versions(name), [version]);
    }
}

#[test]
fn an_older_equal_version_is_not_taken_for_the_one_whose_answer_was_lost() {
    let world = World::new();
    world.bucket.upload_bytes(b"same", "x").unwrap();
    world.service.advance_clock(Duration::from_secs(60));
    // Its clock does not jump while the client's go on: an answer tells what time it is.
    world.api.list_buckets().unwrap();
    // Everything is read, but nothing stored.
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_reading(44)
            .drop_connection(),
    );
    let uploaded = world.bucket.upload_bytes(b"same", "x").unwrap();
    assert_eq!(uploaded.retries(), 1);
    assert_eq!(world.versions("x").len(), 2);
}

#[test]
fn a_key_that_may_not_look_repeats_and_may_leave_two_versions() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["listBuckets", "writeFiles"]));
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
    );
    api.get_bucket_by_name(BUCKET)
        .unwrap()
        .upload_bytes(b"twice", "x")
        .unwrap();
    assert_eq!(
        world.versions("x").len(),
        2,
        "as the documentation of upload_bytes says"
    );
}

#[test]
fn when_nobody_can_tell_whether_it_is_there_the_upload_is_not_repeated() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(3)));
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
    );
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .status(500, "internal_error", "")
            .times(3),
    );
    let error = world.bucket.upload_bytes(b"once", "x").unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(world.count(Operation::UploadFile), 1);
}

#[test]
fn too_many_requests_waits_as_told_and_keeps_the_url() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .status(429, "too_many_requests", "")
            .retry_after(7),
    );
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let urls = upload_urls(&world);
    assert_eq!((urls.len(), &urls[0]), (2, &urls[1]));
    assert_eq!(
        (world.count(Operation::GetUploadUrl), world.clock.sleeps()),
        (1, vec![Duration::from_secs(7)])
    );
}

#[test]
fn an_upload_url_whose_request_timed_out_is_in_nobodys_hand() {
    let timeouts = Timeouts::default().idle(Duration::from_millis(300));
    let world = World::with(|builder| builder.timeouts(timeouts));
    let upload = || Fault::on(Operation::UploadFile).always();
    // The service is still busy with a silent one when its sender has long gone on with another URL.
    world.inject(upload().stall().chance(4, 1));
    world.inject(upload().drop_connection().after_effect().chance(5, 2));
    world.inject(upload().reset_connection().chance(5, 3));
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let bucket = &world.bucket;
            scope.spawn(move || {
                for n in 0..5 {
                    let name = format!("{thread}/{n}");
                    bucket.upload_bytes(&noise(5000), &name).unwrap();
                }
            });
        }
    });
    let entries = world.service.log().entries();
    let uploads = entries
        .iter()
        .filter(|entry| entry.operation == Some(Operation::UploadFile));
    let (mut failed, mut refused) = (0, 0);
    for upload in uploads {
        failed += u32::from(upload.status != Some(200));
        refused += u32::from(upload.status == Some(400));
    }
    assert!(
        failed > 5 && refused == 0,
        "{failed} failed, {refused} refused"
    );
    let options = LsOptions::new().recursive(true).versions(Versions::All);
    let versions = world.bucket.ls_with("", &options).unwrap();
    assert_eq!(versions.map(Result::unwrap).count(), 160);
}

#[test]
fn a_url_in_use_is_dropped_for_another() {
    let world = World::new();
    let message = "more than one upload using auth token xyz";
    world.inject(Fault::on(Operation::UploadFile).status(400, "auth_token_limit", message));
    assert_eq!(world.bucket.upload_bytes(b"x", "x").unwrap().retries(), 1);
    assert_eq!(world.count(Operation::GetUploadUrl), 2);
}

#[test]
fn a_token_that_is_refused_after_another_failure_fails_no_upload() {
    // The key was replaced while another attempt was repeated, and once more before the URL was used.
    for (operation, length) in [
        (Operation::UploadFile, 5000),
        (Operation::UploadPart, 30_000),
    ] {
        let world = World::of_small_parts(1000, 20_000);
        world.inject(Fault::on(operation).drop_connection());
        let refused = Fault::on(operation).status(401, "bad_auth_token", "");
        world.inject(refused.times(2));
        let uploaded = world.bucket.upload_bytes(&noise(length), "x").unwrap();
        assert_eq!(uploaded.retries(), 3, "{operation}");
    }
}

#[test]
fn an_upload_token_that_is_refused_three_times_is_an_error() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .status(401, "bad_auth_token", "")
            .always(),
    );
    let error = world.bucket.upload_bytes(b"x", "x").unwrap_err();
    assert_eq!(
        (error.status(), world.count(Operation::UploadFile)),
        (Some(401), 3)
    );
    assert_eq!(
        world.count(Operation::AuthorizeAccount),
        0,
        "get_upload_url took the account's token"
    );
}

#[test]
fn a_permanent_refusal_is_not_repeated() {
    let world = World::new();
    world.inject(Fault::on(Operation::UploadFile).status(
        400,
        "bad_request",
        "File names must not contain control characters",
    ));
    let error = world.bucket.upload_bytes(b"x", "x").unwrap_err();
    assert_eq!(
        (
            error.status(),
            error.attempts(),
            world.count(Operation::UploadFile)
        ),
        (Some(400), 1, 1)
    );
}

#[test]
fn a_large_body_that_is_refused_costs_no_data() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .status(503, "service_unavailable", "")
            .times(2),
    );
    world.bucket.upload_bytes(&noise(3 << 20), "x").unwrap();
    let entries = world.service.log().entries();
    let bytes: Vec<_> = entries
        .iter()
        .filter(|entry| entry.operation == Some(Operation::UploadFile))
        .map(|entry| (entry.expect_continue, entry.body_bytes))
        .collect();
    assert_eq!(bytes, [(true, 0), (true, 0), (true, (3 << 20) + 40)]);
}

#[test]
fn small_bodies_do_not_ask_for_leave() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(1000), "x").unwrap();
    assert!(
        world
            .service
            .log()
            .entries()
            .iter()
            .all(|entry| !entry.expect_continue)
    );
}

#[test]
fn threads_never_share_an_upload_url() {
    let world = World::new();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let world = &world;
            scope.spawn(move || {
                for n in 0..5 {
                    world
                        .bucket
                        .upload_bytes(&noise(5000), &format!("{thread}/{n}"))
                        .unwrap();
                }
            });
        }
    });
    // The service answers a second upload on a busy URL with auth_token_limit, which would be a failed request.
    assert_eq!(world.count(Operation::UploadFile), 160);
    assert!(
        world.count(Operation::GetUploadUrl) <= 32,
        "{}",
        world.count(Operation::GetUploadUrl)
    );
    assert!(
        world
            .service
            .log()
            .entries()
            .iter()
            .all(|entry| entry.status == Some(200))
    );
}

/// A reader of which more must not be read than was promised.
struct Guarded<'a>(&'a [u8]);

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        assert!(!self.0.is_empty(), "read beyond the promised length");
        let room = buffer.len().min(7);
        self.0.read(&mut buffer[..room])
    }
}

#[test]
fn exactly_the_promised_bytes_are_taken_from_a_reader() {
    let world = World::new();
    world
        .bucket
        .upload_reader(Guarded(b"hello, world"), 12, "x")
        .unwrap();
    assert_eq!(content(&world, "x"), b"hello, world");
    let mut rest: &[u8] = b"hello, world";
    world.bucket.upload_reader(&mut rest, 5, "y").unwrap();
    assert_eq!(
        (content(&world, "y").as_slice(), rest),
        (&b"hello"[..], &b", world"[..])
    );
}

#[test]
fn a_repeated_upload_sends_the_same_bytes_whatever_the_source() {
    let world = World::new();
    let data = noise(300_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, &data).unwrap();
    let fail_twice = || {
        world.inject(
            Fault::on(Operation::UploadFile)
                .after_reading(100_000)
                .reset_connection()
                .times(2),
        )
    };
    fail_twice();
    world.bucket.upload_bytes(&data, "bytes").unwrap();
    fail_twice();
    world.bucket.upload_local_file(&path, "file").unwrap();
    fail_twice();
    world
        .bucket
        .upload_reader(data.as_slice(), data.len() as u64, "reader")
        .unwrap();
    for name in ["bytes", "file", "reader"] {
        assert_eq!(content(&world, name), data, "{name}");
        assert_eq!(world.versions(name).len(), 1, "{name}");
    }
}

#[test]
fn a_reader_that_ends_early_or_fails_makes_no_file() {
    let world = World::new();
    let error = world
        .bucket
        .upload_reader(&b"short"[..], 100, "x")
        .unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the tape is torn"))
        }
    }
    let error = world.bucket.upload_reader(Broken, 100, "x").unwrap_err();
    assert!(
        matches!(&error, Error::Stream { action: "read", source } if source.to_string() == "the tape is torn")
    );
    assert_eq!(world.versions("x"), []);
    assert_eq!(
        world.api.request_counts().of(Operation::UploadFile),
        1,
        "neither was repeated, and for the second nothing was sent"
    );
}

/// Changes the file as soon as half of it was read, and uploads it.
fn change_halfway(change: impl Fn(&std::path::Path) + Send + Sync + 'static) -> (World, Error) {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, noise(4_000_000)).unwrap();
    let (target, clock) = (path.clone(), world.clock.clone());
    let once = Mutex::new(Some(change));
    let progress = move |progress: &TransferProgress| {
        // Reports are spread by the clock: each report makes time for the next.
        clock.advance(Duration::from_secs(1));
        if progress.bytes > 2_000_000
            && let Some(change) = once.lock().unwrap().take()
        {
            change(&target);
        }
    };
    let outcome =
        world
            .bucket
            .upload_local_file_with(&path, "x", &UploadOptions::new().progress(progress));
    drop(directory);
    let error = outcome.unwrap_err();
    (world, error)
}

#[test]
fn a_file_that_changes_while_it_is_uploaded_makes_no_file() {
    type Change = (&'static str, fn(&std::path::Path));
    let changes: [Change; 5] = [
        ("it was written to", |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
            file.set_modified(long_ago).unwrap();
        }),
        ("it became shorter", |path| {
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(2_500_000)
                .unwrap()
        }),
        ("it became longer", |path| {
            use std::io::Write;
            std::fs::File::options()
                .append(true)
                .open(path)
                .unwrap()
                .write_all(b"more")
                .unwrap();
        }),
        ("it is gone", |path| std::fs::remove_file(path).unwrap()),
        ("another file took its place", |path| {
            std::fs::write(path.with_extension("new"), noise(4_000_000)).unwrap();
            std::fs::rename(path.with_extension("new"), path).unwrap();
        }),
    ];
    for (expected, change) in changes {
        let (world, error) = change_halfway(change);
        assert!(
            matches!(&error, Error::SourceChanged { change, .. } if *change == expected),
            "{expected}: {error:?}"
        );
        assert_eq!(world.versions("x"), [], "{expected}");
        assert_eq!(
            world.api.request_counts().of(Operation::UploadFile),
            1,
            "{expected}: not repeated"
        );
    }
}

#[test]
fn progress_tells_the_truth_and_always_ends() {
    let world = World::new();
    let reports = std::sync::Arc::new(Mutex::new(Vec::new()));
    let (sink, clock) = (std::sync::Arc::clone(&reports), world.clock.clone());
    let options = UploadOptions::new().progress(move |progress: &TransferProgress| {
        clock.advance(Duration::from_secs(1));
        sink.lock().unwrap().push((progress.bytes, progress.total));
    });
    world
        .bucket
        .upload_bytes_with(&noise(1_000_000), "x", &options)
        .unwrap();
    let reports = reports.lock().unwrap();
    assert_eq!(
        (reports.first(), reports.last()),
        (
            Some(&(0, Some(1_000_000))),
            Some(&(1_000_000, Some(1_000_000)))
        )
    );
    assert!(
        reports.windows(2).all(|pair| pair[0].0 <= pair[1].0) && reports.len() > 3,
        "{reports:?}"
    );
}

#[test]
fn names_that_the_service_would_refuse_are_refused_before_anything_is_sent() {
    let world = World::new();
    for (name, rule) in [
        ("", NameRule::Empty),
        ("/a", NameRule::StartsWithSlash),
        ("a\\b", NameRule::Backslash),
    ] {
        let error = world.bucket.upload_bytes(b"x", name).unwrap_err();
        assert!(
            matches!(error, Error::InvalidFileName { rule: found, .. } if found == rule),
            "{error:?}"
        );
    }
    let long_info = UploadOptions::new().file_info(FileInfo::new().with("note", "é".repeat(1500)));
    let error = world
        .bucket
        .upload_bytes_with(b"x", "x", &long_info)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::InvalidInput {
                what: "file_info",
                ..
            }
        ),
        "{error:?}"
    );
    let bad_type = UploadOptions::new().content_type("text/plain\r\nX-Evil: 1");
    let error = world
        .bucket
        .upload_bytes_with(b"x", "x", &bad_type)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::InvalidInput {
                what: "content_type",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(world.total(), 0);
}

#[test]
fn every_name_and_info_value_comes_back_as_it_was_given() {
    use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
    use proptest::test_runner::TestCaseError;
    let world = World::new();
    let segment = proptest::collection::vec(
        any::<char>().prop_filter("possible", |c| {
            !c.is_ascii_control() && *c != '\\' && *c != '/'
        }),
        1..12,
    );
    let names = proptest::collection::vec(
        segment.prop_map(|chars| chars.into_iter().collect::<String>()),
        1..4,
    );
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(name in names.prop_map(|parts| parts.join("/")), value in "\\PC{0,40}")| {
        let options = UploadOptions::new().file_info(FileInfo::new().with("value", value.clone()));
        let uploaded = world.bucket.upload_bytes_with(name.as_bytes(), &name, &options).unwrap().into_version();
        let head = world.bucket.get_file_info_by_name(&name).unwrap();
        let listed = world.versions(&name).remove(0);
        let download = world.bucket.download_file_by_name(&name).unwrap();
        for version in [&uploaded, &head, &listed, download.version()] {
            if version.file_name != name || version.file_info.get("value") != Some(&value) {
                return Err(TestCaseError::fail(format!("{name:?} {value:?} came back as {version:?}")));
            }
        }
        assert_eq!(download.read_to_vec().unwrap(), name.as_bytes());
    });
}

#[test]
fn a_thousand_small_uploads_by_eight_threads_use_eight_connections_and_urls() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    service.log().clear();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let bucket = &bucket;
            scope.spawn(move || {
                (0..125)
                    .for_each(|n| _ = bucket.upload_bytes(b"x", &format!("{thread}/{n}")).unwrap())
            });
        }
    });
    let connections: std::collections::BTreeSet<_> = service
        .log()
        .entries()
        .iter()
        .map(|entry| entry.connection)
        .collect();
    assert_eq!(service.log().count(Operation::UploadFile), 1000);
    assert!(service.log().count(Operation::GetUploadUrl) <= 8);
    assert!(connections.len() <= 9, "{}", connections.len());
}

/// A reader that notes how many upload URLs were requested before its first byte was wanted.
struct Noting<'a>(&'a World, &'a mut Option<usize>, &'a [u8]);

impl Read for Noting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1
            .get_or_insert_with(|| self.0.count(Operation::GetUploadUrl));
        self.2.read(buffer)
    }
}

#[test]
fn content_is_not_read_before_there_is_an_upload_url() {
    // Whatever has to be read is hashed while it is sent, so nothing waits for an upload URL.
    let (world, content) = (World::new(), noise(3_000_000));
    world.service.log().clear();
    let mut requested = None;
    let mut reader = Noting(&world, &mut requested, &content);
    let uploaded = world
        .bucket
        .upload_reader(&mut reader, content.len() as u64, "x");
    uploaded.unwrap();
    assert_eq!(requested, Some(1));
    assert!(world.content("x") == content);
    // If there is none to be had, nothing is read.
    let world = World::new();
    world.inject(Fault::on(Operation::GetUploadUrl).status(403, "cap_exceeded", ""));
    let mut requested = None;
    let mut reader = Noting(&world, &mut requested, &content);
    let refused = world
        .bucket
        .upload_reader(&mut reader, content.len() as u64, "x");
    refused.unwrap_err();
    assert_eq!(requested, None);
}
