//! No key and no token in anything that is printed or logged.

use std::fmt::Write;

use b2sdk::account_info::UploadTarget;
use b2sdk::compose::{ComposeOptions, Piece};
use b2sdk::encryption::SseCustomerKey;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    B2Api, BucketType, CopyOptions, DownloadOptions, InMemoryAccountInfo, Operation, RetryPolicy,
    SqliteAccountInfo, UpdateBucketOptions, UploadOptions,
};

use crate::support::{Lines, World, authorize};

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    text
}

/// A run in which everything goes wrong at least once; everything that it shows.
fn faulty_run(world: &World) -> String {
    let mut shown = String::new();
    let api = &world.api;
    let bucket = &world.bucket;
    world.inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
    let uploaded = bucket.upload_bytes(b"x", "x").unwrap();
    let token = api
        .account_info()
        .take_upload_url(&identity(api), &UploadTarget::Bucket(bucket.id()))
        .unwrap()
        .unwrap();
    let message = format!(
        "more than one upload using auth token {}",
        token.token.expose()
    );
    write!(shown, "{token:?} {uploaded:?}").unwrap();
    api.account_info()
        .put_upload_url(&identity(api), &UploadTarget::Bucket(bucket.id()), token)
        .unwrap();
    world.inject(Fault::on(Operation::UploadFile).status(400, "auth_token_limit", &message));
    bucket.upload_bytes(b"x", "x").unwrap();
    for fault in [
        Fault::on(Operation::ListBuckets)
            .status(400, "bad_request", "")
            .always(),
        Fault::on(Operation::ListBuckets).body(502, "text/html", "<html>"),
        Fault::on(Operation::ListBuckets)
            .reset_connection()
            .always(),
        Fault::on(Operation::ListBuckets)
            .status(401, "expired_auth_token", "")
            .always(),
    ] {
        world.service.faults().clear();
        world.inject(fault);
        match api.list_buckets() {
            Ok(buckets) => write!(shown, "{buckets:?}").unwrap(),
            Err(error) => shown.push_str(&chain(&error)),
        }
    }
    world.service.faults().clear();
    world.inject(Fault::on(Operation::AuthorizeAccount).status(401, "unauthorized", ""));
    shown.push_str(&chain(&api.reauthorize().unwrap_err()));
    let swapped = api.authorize_account(
        world.service.application_key(),
        world.service.url(),
        world.service.application_key_id(),
    );
    shown.push_str(&chain(&swapped.unwrap_err()));
    let restricted = world.restricted(KeyRequest::new(["listFiles"]));
    shown.push_str(&chain(&restricted.list_buckets().unwrap_err()));
    let snapshot = api.account_info().auth().unwrap().unwrap();
    let download = bucket.download_file_by_name("x").unwrap();
    write!(
        shown,
        "{api:?} {bucket:?} {snapshot:?} {:?} {download:?} {:?}",
        snapshot.auth(),
        bucket.ls("").unwrap()
    )
    .unwrap();
    write!(
        shown,
        "{:?} {:?}",
        download.into_reader(),
        B2Api::builder(InMemoryAccountInfo::new()).proxy(Some("http://u:pr0xypass@127.0.0.1:1"))
    )
    .unwrap();
    shown
}

fn identity(api: &B2Api) -> b2sdk::account_info::Identity {
    api.account_info()
        .auth()
        .unwrap()
        .unwrap()
        .identity()
        .clone()
}

/// The secrets of the world at this time.
fn secrets(world: &World) -> Vec<String> {
    let snapshot = world.api.account_info().auth().unwrap().unwrap();
    let target = UploadTarget::Bucket(world.bucket.id());
    let url = world
        .api
        .account_info()
        .take_upload_url(snapshot.identity(), &target)
        .unwrap();
    let mut secrets = vec![
        world.service.application_key().to_owned(),
        snapshot.auth().token.expose().to_owned(),
        "pr0xypass".to_owned(),
    ];
    if let Some(url) = url {
        secrets.push(url.token.expose().to_owned());
        world
            .api
            .account_info()
            .put_upload_url(snapshot.identity(), &target, url)
            .unwrap();
    }
    secrets
}

#[test]
fn no_secret_is_shown_or_logged_whatever_goes_wrong() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(3)));
    world.bucket.upload_bytes(b"first", "first").unwrap();
    let mut secrets_seen = secrets(&world);
    let lines = Lines::default();
    let shown = tracing::subscriber::with_default(lines.clone(), || faulty_run(&world));
    secrets_seen.extend(secrets(&world));
    let logged = lines.told();
    assert!(
        logged.contains("b2_upload_file") && logged.contains("status=503"),
        "the run was logged: {logged}"
    );
    assert!(secrets_seen.len() >= 6);
    for secret in secrets_seen {
        assert!(
            !shown.contains(&secret),
            "shown: {}",
            shown.replace(&secret, "HERE")
        );
        assert!(
            !logged.contains(&secret),
            "logged: {}",
            logged.replace(&secret, "HERE")
        );
    }
}

/// Base64 of the key, its bytes as `Debug` shows them, and in hexadecimal.
fn spellings(byte: u8) -> [String; 3] {
    let base64 = if byte == 0xab { "q6urq6ur" } else { "zc3Nzc3N" };
    [
        base64.to_owned(),
        format!("{byte}, {byte}, {byte}"),
        format!("{byte:02x}").repeat(4),
    ]
}

/// A run with a customer's key in which each request is refused, cut, or brings the wrong key.
fn encrypted_run(world: &World) -> String {
    let mut shown = String::new();
    let key = SseCustomerKey::new([0xab; 32]).with_id("the id");
    let wrong = SseCustomerKey::new([0xcd; 32]);
    let bucket = &world.bucket;
    let upload = UploadOptions::new().encryption(key.clone()).part_size(1000);
    world.inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
    let small = bucket.upload_bytes_with(b"x", "x", &upload);
    world.inject(Fault::on(Operation::StartLargeFile).status(400, "bad_request", ""));
    let refused = bucket.upload_bytes_with(&[7; 2500], "y", &upload);
    shown.push_str(&chain(&refused.unwrap_err()));
    world.inject(Fault::on(Operation::UploadPart).reset_connection());
    let large = bucket.upload_bytes_with(&[7; 2500], "y", &upload);
    write!(shown, "{key:?} {upload:?} {small:?} {large:?}").unwrap();
    let download = |key: &SseCustomerKey| {
        let options = DownloadOptions::new().encryption_key(key);
        (bucket.download_file_by_name_with("y", &options), options)
    };
    let (outcome, options) = download(&wrong);
    write!(shown, "{options:?} {}", chain(&outcome.unwrap_err())).unwrap();
    let missing = bucket.download_file_by_name("y").unwrap_err();
    shown.push_str(&chain(&missing));
    let (outcome, options) = download(&key);
    let outcome = outcome.unwrap();
    write!(shown, "{options:?} {outcome:?}").unwrap();
    write!(shown, "{:?}", outcome.into_reader()).unwrap();
    let update = UpdateBucketOptions::new().default_encryption(key.into());
    write!(
        shown,
        "{update:?} {}",
        chain(&bucket.update(&update).unwrap_err())
    )
    .unwrap();
    shown
}

/// Copies and compositions with keys on both sides, of which each request is refused, cut, or brings
/// the wrong key.
fn copying_run(world: &World) -> String {
    let mut shown = String::new();
    let [key, wrong] = [0xab, 0xcd].map(|byte| SseCustomerKey::new([byte; 32]));
    let bucket = &world.bucket;
    let upload = UploadOptions::new().encryption(key.clone());
    let source = bucket.upload_bytes_with(&[7; 2500], "source", &upload);
    let source = source.unwrap().into_version().file_id;
    let copy = |key: &SseCustomerKey| {
        CopyOptions::new()
            .source_encryption_key(key)
            .encryption(wrong.clone())
    };
    for (options, operation) in [
        (copy(&key), Operation::CopyFile),
        (copy(&key).part_size(1000), Operation::CopyPart),
        (copy(&key).part_size(1000), Operation::StartLargeFile),
    ] {
        for fault in [
            Fault::on(operation).status(503, "service_unavailable", ""),
            Fault::on(operation).reset_connection(),
            Fault::on(operation).status(403, "access_denied", ""),
            Fault::on(operation).body(200, "application/json", "{"),
        ] {
            world.inject(fault);
            match bucket.copy_with(&source, "copy", &options) {
                Ok(version) => write!(shown, "{options:?} {version:?}").unwrap(),
                Err(error) => shown.push_str(&chain(&error)),
            }
        }
    }
    let refused = bucket.copy_with(&source, "copy", &copy(&wrong));
    shown.push_str(&chain(&refused.unwrap_err()));
    for key in [&key, &wrong] {
        let piece = |range| Piece::remote(&source).encryption_key(key).range(range);
        let pieces = [piece(0..=1999), piece(0..=9), Piece::bytes(&b"x"[..])];
        let options = ComposeOptions::new().encryption(wrong.clone());
        let fault = Fault::on(Operation::DownloadFileById).status(403, "access_denied", "");
        world.inject(fault);
        let made = bucket.concatenate_with(&pieces, "made", &options);
        write!(
            shown,
            "{pieces:?} {options:?} {}",
            chain(&made.unwrap_err())
        )
        .unwrap();
        world.service.faults().clear();
    }
    shown
}

#[test]
fn no_customers_key_is_shown_or_logged_whatever_goes_wrong() {
    let world = World::of_small_parts(1000, 1000);
    let lines = Lines::default();
    let shown = tracing::subscriber::with_default(lines.clone(), || {
        encrypted_run(&world) + &copying_run(&world)
    });
    let logged = lines.told();
    assert!(logged.contains("b2_upload_file") && logged.contains("status=503"));
    assert!(shown.contains("SseCustomerKey(***)"));
    for secret in spellings(0xab).into_iter().chain(spellings(0xcd)) {
        assert!(!shown.contains(&secret), "{secret} is in {shown}");
        assert!(!logged.contains(&secret), "{secret} is in {logged}");
    }
}

#[test]
fn a_store_shows_no_secret_either() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let api = B2Api::new(SqliteAccountInfo::open(directory.path().join("info")).unwrap());
    authorize(&api, &world.service);
    let bucket = api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    let shown = format!(
        "{:?} {:?} {api:#?}",
        api.account_info(),
        world.api.account_info()
    );
    for secret in [
        world.service.application_key(),
        api.account_info()
            .auth()
            .unwrap()
            .unwrap()
            .auth()
            .token
            .expose(),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

thread_local! {
    /// What the targets begin with whose records the logger takes on this thread, at every level.
    static LOGGED: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// A logger that takes the records of [`LOGGED`] and drops them.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let wanted = LOGGED.get();
        wanted.is_some_and(|target| metadata.target().starts_with(target))
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

#[test]
fn who_logs_the_headers_of_requests_is_warned_when_a_client_is_built() {
    log::set_logger(&Logger).unwrap();
    let before = log::max_level();
    log::set_max_level(log::LevelFilter::Trace);
    for (target, is_warned) in [
        (None, false),
        (Some("b2sdk"), false),
        (Some("ureq_proto"), true),
        (Some(""), true),
    ] {
        LOGGED.set(target);
        let lines = Lines::default();
        let build = || B2Api::builder(InMemoryAccountInfo::new()).build();
        tracing::subscriber::with_default(lines.clone(), build).unwrap();
        let warnings = lines.told().matches("ureq_proto").count();
        assert_eq!(warnings > 0, is_warned, "{target:?}: {}", lines.told());
    }
    LOGGED.set(None);
    log::set_max_level(before);
}
