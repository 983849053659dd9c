//! Sequences in which it would be easy to report a success that is none, or to repeat what must not
//! be repeated.

use std::io::Read;
use std::sync::Barrier;
use std::time::Duration;

use b2sdk::progress::TransferProgress;
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    B2Api, BucketType, CancelToken, DownloadOptions, Error, FileAction, FileInfo,
    InMemoryAccountInfo, Operation, RetryPolicy, Timeouts, UpdateBucketOptions, UploadOptions,
};

use crate::support::{BUCKET, World, authorize, noise};

const HTML: &str = "<html>504 Gateway Time-out</html>";

fn gateway_after_effect(operation: Operation) -> Fault {
    Fault::on(operation)
        .after_effect()
        .body(504, "text/html", HTML)
}

#[test]
fn a_reader_that_is_read_to_its_known_length_is_verified() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(300_000), "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).corrupt_byte(299_999));
    let mut reader = world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .into_reader();
    let mut buffer = vec![0; 300_000];
    let error = reader.read_exact(&mut buffer).unwrap_err();
    assert!(matches!(
        error.downcast::<Error>().unwrap(),
        Error::ChecksumMismatch { .. }
    ));
}

#[test]
fn a_deletion_that_was_refused_before_it_was_tried_is_no_success() {
    let world = World::new();
    let version = world.bucket.upload_bytes(b"x", "x").unwrap().into_version();
    world.service.expire_tokens().unwrap();
    assert!(
        world
            .bucket
            .delete_file_version(&version.file_id, "wrong")
            .unwrap_err()
            .is_not_found()
    );
    world.inject(
        Fault::on(Operation::DeleteFileVersion)
            .status(429, "too_many_requests", "")
            .retry_after(1),
    );
    assert!(
        world
            .bucket
            .delete_file_version(&version.file_id, "wrong")
            .unwrap_err()
            .is_not_found()
    );
    world.inject(Fault::on(Operation::DeleteFileVersion).status(503, "service_unavailable", ""));
    assert!(
        world
            .bucket
            .delete_file_version(&version.file_id, "wrong")
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn what_a_gateway_answers_after_the_effect_is_resolved_by_looking() {
    let world = World::new();
    world.inject(gateway_after_effect(Operation::UploadFile));
    world.bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(world.versions("x").len(), 1);
    world.inject(gateway_after_effect(Operation::HideFile));
    assert_eq!(
        world.bucket.hide_file("x").unwrap().action,
        FileAction::Hide
    );
    world.inject(gateway_after_effect(Operation::DeleteFileVersion));
    world.bucket.unhide_file("x").unwrap();
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn what_a_gateway_answers_is_not_repeated_where_nobody_can_look() {
    let world = World::new();
    world.inject(gateway_after_effect(Operation::CreateBucket));
    let error = world
        .api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap_err();
    assert!(
        error.to_string().contains("may have taken effect"),
        "{error}"
    );
    assert_eq!(world.count(Operation::CreateBucket), 1);
    world.inject(gateway_after_effect(Operation::UpdateBucket));
    let update = UpdateBucketOptions::new()
        .info([("a", "b")])
        .if_revision_is(world.bucket.details().unwrap().revision);
    let error = world.bucket.update(&update).unwrap_err();
    assert_eq!(
        error.status(),
        Some(504),
        "not a conflict with ourselves: {error:?}"
    );
}

#[test]
fn a_lost_answer_is_not_found_in_an_upload_of_the_same_bytes_with_other_info() {
    let world = World::new();
    let with = |kind: &str| UploadOptions::new().file_info(FileInfo::new().with("kind", kind));
    world
        .bucket
        .upload_bytes_with(b"same", "x", &with("first"))
        .unwrap();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_reading(44)
            .drop_connection(),
    );
    let version = world
        .bucket
        .upload_bytes_with(b"same", "x", &with("second"))
        .unwrap()
        .into_version();
    assert_eq!(version.file_info.get("kind"), Some("second"));
    assert_eq!(world.versions("x").len(), 2);
}

#[test]
fn looking_for_a_lost_upload_goes_on_after_an_empty_page() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_effect()
            .drop_connection(),
    );
    world.inject(Fault::on(Operation::ListFileVersions).edit_json(|json| {
        json["nextFileId"] = json["files"][0]["fileId"].clone();
        json["nextFileName"] = "x".into();
        json["files"] = serde_json::json!([]);
    }));
    world.bucket.upload_bytes(b"once", "x").unwrap();
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn a_part_of_a_file_is_not_taken_for_the_whole() {
    let world = World::new();
    world.bucket.upload_bytes(&noise(1000), "x").unwrap();
    world.inject(Fault::on(Operation::DownloadFileByName).body(206, "text/plain", "part"));
    let error = world.bucket.download_file_by_name("x").unwrap_err();
    assert!(matches!(error, Error::UnexpectedReply { .. }), "{error:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_with_more_than_its_length_says_is_not_stored_as_empty() {
    let world = World::new();
    let error = world
        .bucket
        .upload_local_file("/proc/cpuinfo", "x")
        .unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    assert_eq!(world.versions("x"), []);
}

#[cfg(unix)]
#[test]
fn private_files_stay_private_while_they_are_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.bucket.upload_bytes(&noise(500_000), "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, b"old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (folder, clock) = (directory.path().to_owned(), world.clock.clone());
    let widest = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let seen = std::sync::Arc::clone(&widest);
    let options = DownloadOptions::new().progress(move |_: &TransferProgress| {
        clock.advance(Duration::from_secs(1));
        let entries: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let modes = entries
            .iter()
            .map(|entry| entry.metadata().unwrap().permissions().mode() & 0o777);
        let mut seen = seen.lock().unwrap();
        *seen = (
            seen.0.max(entries.len()),
            modes.fold(seen.1, |all, mode| all | mode),
        );
    });
    world
        .bucket
        .download_file_by_name_with("x", &options)
        .unwrap()
        .save_to(&path)
        .unwrap();
    assert_eq!(
        *widest.lock().unwrap(),
        (2, 0o600),
        "files seen, and their modes together"
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_yet_is_followed_too() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("target", &link).unwrap();
    world
        .bucket
        .download_file_by_name("x")
        .unwrap()
        .save_to(&link)
        .unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(
        std::fs::read(directory.path().join("target")).unwrap(),
        b"x"
    );
}

#[test]
fn a_socks_proxy_is_refused_not_bypassed() {
    for proxy in ["socks5://127.0.0.1:1080", "socks4://127.0.0.1:1080"] {
        let built = B2Api::builder(InMemoryAccountInfo::new())
            .proxy(Some(proxy))
            .build();
        assert!(
            matches!(built, Err(Error::InvalidInput { what: "proxy", .. })),
            "{built:?}"
        );
    }
}

#[test]
fn a_slow_upload_that_breaks_late_is_tried_again() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::UploadFile)
            .after_reading(3_000_000)
            .reset_connection(),
    );
    let clock = world.clock.clone();
    let options = UploadOptions::new()
        .progress(move |_: &TransferProgress| clock.advance(Duration::from_secs(300)));
    let uploaded = world
        .bucket
        .upload_bytes_with(&noise(4_000_000), "x", &options)
        .unwrap();
    assert_eq!(uploaded.retries(), 1);
}

#[test]
fn files_that_may_not_be_seen_cost_no_authorization_each() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    let blind = world.restricted(KeyRequest::new(["listBuckets", "writeFiles"]).bucket(BUCKET));
    let bucket = blind.get_bucket_by_name(BUCKET).unwrap();
    for _ in 0..10 {
        let error = bucket.get_file_info_by_name("x").unwrap_err();
        assert!(
            matches!(error, Error::NotAllowed(_)) && error.to_string().contains("readFiles"),
            "{error}"
        );
    }
    assert_eq!(world.count(Operation::AuthorizeAccount), 0);
    let elsewhere = world.restricted(
        KeyRequest::new(["listBuckets", "readFiles"])
            .bucket(BUCKET)
            .name_prefix("mine/"),
    );
    let bucket = elsewhere.get_bucket_by_name(BUCKET).unwrap();
    for _ in 0..10 {
        let error = bucket.get_file_info_by_name("x").unwrap_err();
        assert!(
            matches!(error, Error::NotAllowed(_)) && error.to_string().contains("mine/"),
            "{error}"
        );
    }
    assert_eq!(
        world.count(Operation::AuthorizeAccount),
        1,
        "once, to be sure that the token is not too old"
    );
}

#[test]
fn a_pause_beyond_the_time_left_fails_later_calls_at_once_too() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .status(503, "service_unavailable", "")
            .retry_after(3600),
    );
    for _ in 0..3 {
        let error = world.api.list_buckets().unwrap_err();
        assert!(
            matches!(error, Error::Busy(_)) && error.to_string().contains("asks to wait"),
            "{error}"
        );
    }
    assert_eq!(
        (
            world.clock.sleeps().len(),
            world.count(Operation::ListBuckets)
        ),
        (0, 1)
    );
    world.clock.advance(Duration::from_secs(3600));
    world.api.list_buckets().unwrap();
}

#[test]
fn absurd_waiting_times_neither_panic_nor_storm() {
    let world = World::new();
    let busy = || Fault::on(Operation::ListBuckets).status(503, "service_unavailable", "");
    world.inject(busy().header("Retry-After", "18446744073709551615"));
    world.api.list_buckets().unwrap_err();
    let world = World::new();
    world.inject(busy().retry_after(0).times(3));
    world.api.list_buckets().unwrap();
    assert!(
        world
            .clock
            .sleeps()
            .iter()
            .all(|sleep| *sleep >= Duration::from_secs(1)),
        "{:?}",
        world.clock.sleeps()
    );
    assert_eq!(world.clock.sleeps().len(), 3);
}

#[test]
fn looking_for_what_was_just_made_does_not_go_through_all_older_versions() {
    let world = World::new();
    for _ in 0..250 {
        world.bucket.upload_bytes(b"x", "x").unwrap();
    }
    let source = world.versions("x").remove(0).file_id;
    world.service.advance_clock(Duration::from_secs(60));
    for (operation, find) in [
        (Operation::UploadFile, false),
        (Operation::UploadFile, true),
        (Operation::CopyFile, false),
        (Operation::CopyFile, true),
    ] {
        // The service's clock does not jump while the client's go on: an answer tells what time it is.
        world.api.list_buckets().unwrap();
        // Everything is read, but stored or not.
        let lost = Fault::on(operation);
        world.inject(match find {
            true => lost.after_effect().drop_connection(),
            false => lost.after_reading(10_000).drop_connection(),
        });
        world.service.log().clear();
        match operation {
            Operation::UploadFile => drop(world.bucket.upload_bytes(b"x", "x").unwrap()),
            _ => drop(world.bucket.copy(&source, "x").unwrap()),
        }
        let looks = world.count(Operation::ListFileVersions);
        assert_eq!(looks, 1, "{operation} {find}");
        world.service.advance_clock(Duration::from_secs(60));
    }
    assert_eq!(world.versions("x").len(), 254);
}

#[test]
fn absurd_settings_of_time_do_not_panic() {
    for policy in [
        RetryPolicy::default().base_delay(Duration::MAX),
        RetryPolicy::default()
            .max_delay(Duration::MAX)
            .base_delay(Duration::MAX),
        RetryPolicy::default().max_attempts(0),
        RetryPolicy::default().total_time(Duration::ZERO),
    ] {
        let world = World::with(|builder| builder.retry(policy));
        world.inject(Fault::on(Operation::ListBuckets).status(503, "service_unavailable", ""));
        let _outcome = world.api.list_buckets();
        world.inject(
            Fault::on(Operation::UploadFile)
                .status(503, "service_unavailable", "")
                .times(7),
        );
        let _outcome = world.bucket.upload_bytes(b"x", "x");
        world.service.faults().clear();
        world.bucket.upload_bytes(b"x", "x").unwrap();
    }
    let timeouts = Timeouts::default();
    let endless = timeouts
        .idle(Duration::MAX)
        .slow_idle(Duration::MAX)
        .connect(Duration::MAX);
    let world = World::with(|builder| builder.timeouts(endless.await_continue(Duration::MAX)));
    let data = noise(2_000_000);
    world.bucket.upload_bytes(&data, "x").unwrap();
    assert!(world.content("x") == data);
    let none = timeouts
        .idle(Duration::ZERO)
        .slow_idle(Duration::ZERO)
        .connect(Duration::ZERO);
    let world = World::new();
    let impatient = B2Api::builder(InMemoryAccountInfo::new())
        .clock(&world.clock)
        .timeouts(none.resolve(Duration::ZERO).await_continue(Duration::ZERO))
        .build()
        .unwrap();
    let service = &world.service;
    let id = service.application_key_id();
    let error = impatient.authorize_account(service.url(), id, service.application_key());
    assert!(matches!(error, Err(Error::Connection(_))), "{error:?}");
}

#[test]
fn many_threads_with_a_wrong_key_ask_together() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                barrier.wait();
                let error = api
                    .authorize_account(service.url(), service.application_key_id(), "wrong")
                    .unwrap_err();
                assert!(matches!(error, Error::InvalidCredentials(_)), "{error:?}");
            });
        }
    });
    assert!(service.log().total() < 25, "{}", service.log().total());
}

#[test]
fn after_shutdown_nothing_is_sent_and_nobody_waits() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.service.log().clear();
    world.api.shutdown();
    assert!(matches!(
        world.api.list_buckets().unwrap_err(),
        Error::Cancelled
    ));
    let with_token = UploadOptions::new().cancel(&CancelToken::new());
    assert!(matches!(
        world
            .bucket
            .upload_bytes_with(b"y", "y", &with_token)
            .unwrap_err(),
        Error::Cancelled
    ));
    assert_eq!((world.total(), world.clock.sleeps().len()), (0, 0));
}

#[test]
fn a_token_that_outlives_an_api_does_not_lend_its_connections_to_the_next() {
    let token = CancelToken::new();
    let options = UploadOptions::new().cancel(&token);
    let mut agents = std::collections::BTreeSet::new();
    for n in 0..10 {
        let service = Simulator::start().unwrap();
        let api = B2Api::builder(InMemoryAccountInfo::new())
            .user_agent(&format!("program/{n}"))
            .build()
            .unwrap();
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        bucket.upload_bytes_with(b"x", "x", &options).unwrap();
        agents.insert(
            service
                .log()
                .entries()
                .iter()
                .map(|entry| entry.connection)
                .max(),
        );
    }
    // The upload under the token uses a connection of its own at each service.
    assert_eq!(agents, [Some(1)].into());
}

#[test]
fn a_page_that_leads_to_itself_ends_the_listing() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.bucket.upload_bytes(b"x", name).unwrap();
    }
    world.inject(
        Fault::on(Operation::ListFileNames)
            .always()
            .edit_json(|json| json["nextFileName"] = "a".into()),
    );
    let entries: Vec<_> = world.bucket.ls("").unwrap().take(100).collect();
    assert!(
        entries.len() < 10 && entries.last().unwrap().is_err(),
        "{}",
        entries.len()
    );
}

#[test]
fn an_unfinished_upload_on_top_does_not_confuse_hiding() {
    let world = World::new();
    world.bucket.upload_bytes(b"x", "x").unwrap();
    world.bucket.hide_file("x").unwrap();
    world.inject(Fault::on(Operation::ListFileVersions).edit_json(|json| {
        let mut row = json["files"][0].clone();
        row["action"] = "start".into();
        row["fileId"] = "4_zstart".into();
        json["files"].as_array_mut().unwrap().insert(0, row);
    }));
    world.bucket.unhide_file("x").unwrap();
    assert_eq!(
        world
            .bucket
            .download_file_by_name("x")
            .unwrap()
            .read_to_vec()
            .unwrap(),
        b"x"
    );
}

#[test]
fn a_file_with_ten_names_of_info_is_uploaded_without_its_time() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"x").unwrap();
    let info: FileInfo = (0..10).map(|n| (format!("n{n}"), "v")).collect();
    let options = UploadOptions::new().file_info(info);
    let version = world
        .bucket
        .upload_local_file_with(&path, "x", &options)
        .unwrap()
        .into_version();
    assert_eq!(
        (
            version.file_info.len(),
            version.file_info.src_last_modified()
        ),
        (10, None)
    );
}
