//! Every kind of error, made by a public call; what it says; and what programs can ask it.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use b2sdk::account_info::{
    AccountAuth, AccountInfo, AuthSnapshot, Generation, Identity, Refresh, RefreshTicket,
    UploadTarget, UploadUrl,
};
use b2sdk::error::{Sent, StoreError, TransportKind};
use b2sdk::limits::RequestBudget;
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    B2Api, BucketId, BucketType, CancelToken, Download, DownloadOptions, Error,
    InMemoryAccountInfo, Operation, RetryPolicy, SqliteAccountInfo, Timeouts, UpdateBucketOptions,
    UploadOptions,
};

use crate::support::{BUCKET, Lines, World, authorize, noise};

fn fails(operation: Operation, status: u16, code: &str) -> World {
    let world = World::new();
    world.inject(Fault::on(operation).status(status, code, "").always());
    world
}

fn download_error(world: &World) -> Error {
    world.bucket.upload_bytes(&noise(1000), "x").unwrap();
    world
        .bucket
        .download_file_by_name("x")
        .and_then(Download::read_to_vec)
        .unwrap_err()
}

fn account_info_error(change: &str) -> Error {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    if change.is_empty() {
        std::fs::write(&path, "this is no database, and long enough to be none").unwrap();
    } else {
        drop(SqliteAccountInfo::open(&path).unwrap());
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(change)
            .unwrap();
    }
    SqliteAccountInfo::open(&path).unwrap_err()
}

/// Each kind by its name in `Error`, and a call that ends in it.
fn kinds() -> Vec<(&'static str, Error)> {
    let world = World::new();
    let missing = std::path::Path::new("/no/such/file");
    vec![
        (
            "InvalidFileName",
            world.bucket.upload_bytes(b"", "/x").unwrap_err(),
        ),
        (
            "InvalidInput",
            world
                .api
                .create_bucket("b2-example", BucketType::AllPrivate)
                .unwrap_err(),
        ),
        (
            "SourceChanged",
            world.bucket.upload_reader(&b""[..], 1, "x").unwrap_err(),
        ),
        (
            "NotAuthorized",
            B2Api::new(InMemoryAccountInfo::new())
                .list_buckets()
                .unwrap_err(),
        ),
        (
            "InvalidCredentials",
            B2Api::new(InMemoryAccountInfo::new())
                .authorize_account(
                    world.service.url(),
                    world.service.application_key_id(),
                    "wrong",
                )
                .unwrap_err(),
        ),
        (
            "Credentials",
            B2Api::new(InMemoryAccountInfo::new())
                .authorize_with(|| Err::<b2sdk::credentials::Credentials, _>("the vault is sealed"))
                .unwrap_err(),
        ),
        (
            "NotAllowed",
            world
                .restricted(KeyRequest::new(["listFiles"]))
                .list_buckets()
                .unwrap_err(),
        ),
        ("UnsafeName", {
            let world = World::new();
            world.bucket.upload_bytes(b"x", "../x").unwrap();
            let download = world.bucket.download_file_by_name("../x").unwrap();
            let directory = b2sdk::local::LocalDirectory::new(std::env::temp_dir());
            download.save_under(&directory).unwrap_err()
        }),
        ("CapExceeded", {
            let world = fails(Operation::GetUploadUrl, 403, "storage_cap_exceeded");
            world.bucket.upload_bytes(b"x", "x").unwrap_err()
        }),
        (
            "BucketNotFound",
            world.api.get_bucket_by_name("no-such-bucket").unwrap_err(),
        ),
        (
            "FileNotFound",
            world
                .bucket
                .get_file_info_by_name("no such file")
                .unwrap_err(),
        ),
        (
            "BucketNameTaken",
            world
                .api
                .create_bucket(BUCKET, BucketType::AllPrivate)
                .unwrap_err(),
        ),
        (
            "Conflict",
            world
                .bucket
                .update(
                    &UpdateBucketOptions::new()
                        .bucket_type(BucketType::AllPublic)
                        .if_revision_is(99),
                )
                .unwrap_err(),
        ),
        (
            "EncryptionKey",
            download_error(&fails(Operation::DownloadFileByName, 403, "access_denied")),
        ),
        ("Locked", {
            let world = fails(Operation::DeleteFileVersion, 401, "access_denied");
            let file = world.bucket.upload_bytes(b"x", "x").unwrap().into_version();
            world
                .bucket
                .delete_file_version(&file.file_id, "x")
                .unwrap_err()
        }),
        ("ChecksumMismatch", {
            let world = World::new();
            world.inject(Fault::on(Operation::DownloadFileByName).corrupt_byte(5));
            download_error(&world)
        }),
        ("Truncated", {
            let world = World::with(|builder| builder.retry(RetryPolicy::none()));
            world.inject(Fault::on(Operation::DownloadFileByName).truncate_answer(5));
            download_error(&world)
        }),
        ("RangeNotSatisfiable", {
            world.bucket.upload_bytes(b"x", "x").unwrap();
            world
                .bucket
                .download_file_by_name_with("x", &DownloadOptions::new().range(5..))
                .unwrap_err()
        }),
        (
            "Busy",
            fails(Operation::ListBuckets, 503, "service_unavailable")
                .api
                .list_buckets()
                .unwrap_err(),
        ),
        (
            "Service",
            fails(Operation::ListBuckets, 400, "too_many_buckets")
                .api
                .list_buckets()
                .unwrap_err(),
        ),
        ("UnexpectedReply", {
            let world = World::new();
            world.inject(Fault::on(Operation::ListBuckets).body(
                200,
                "text/html",
                "<html>hotel wifi</html>",
            ));
            world.api.list_buckets().unwrap_err()
        }),
        ("Connection", {
            let world = World::with(|builder| builder.retry(RetryPolicy::none()));
            world.inject(Fault::on(Operation::ListBuckets).drop_connection());
            world.api.list_buckets().unwrap_err()
        }),
        (
            "LocalFile",
            world.bucket.upload_local_file(missing, "x").unwrap_err(),
        ),
        ("Stream", {
            world.bucket.upload_bytes(b"x", "x").unwrap();
            let mut full = &mut [0_u8; 0][..];
            world
                .bucket
                .download_file_by_name("x")
                .unwrap()
                .write_to(&mut full)
                .unwrap_err()
        }),
        ("AccountInfoCorrupt", account_info_error("")),
        (
            "AccountInfoTooNew",
            account_info_error(
                "INSERT INTO update_done VALUES (99); ALTER TABLE account DROP COLUMN api_url",
            ),
        ),
        ("AccountChanged", {
            let info = Arc::new(InMemoryAccountInfo::new());
            let (first, second) = (B2Api::new(Arc::clone(&info)), B2Api::new(info));
            authorize(&first, &world.service);
            let key = world
                .service
                .create_key(KeyRequest::new(["listFiles"]))
                .unwrap();
            second
                .authorize_account(
                    world.service.url(),
                    key.application_key_id(),
                    key.application_key(),
                )
                .unwrap();
            first.list_buckets().unwrap_err()
        }),
        ("BudgetExceeded", {
            let world = World::new();
            world
                .api
                .set_request_budget(RequestBudget::new().class_c(0));
            world.api.list_buckets().unwrap_err()
        }),
        ("LargeFileLeft", {
            let world = World::of_small_parts(1000, 1000);
            world.inject(Fault::on(Operation::UploadPart).status(400, "bad_request", ""));
            let options = UploadOptions::new().resume(b2sdk::Resume::Matching);
            let upload = world.bucket.upload_bytes_with(&noise(3000), "x", &options);
            upload.unwrap_err()
        }),
        ("Store", B2Api::new(Broken).list_buckets().unwrap_err()),
        ("Cancelled", {
            let token = CancelToken::new();
            token.cancel();
            world
                .bucket
                .upload_bytes_with(b"x", "x", &UploadOptions::new().cancel(&token))
                .unwrap_err()
        }),
    ]
}

/// The names of all kinds, out of the source.
fn all_names() -> BTreeSet<String> {
    let source = include_str!("../../src/error/kinds.rs");
    let body = source
        .split("pub enum Error {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap();
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
        name.starts_with(|c: char| c.is_uppercase()).then_some(name)
    });
    names.collect()
}

#[test]
fn every_kind_of_error_is_made_by_a_public_call() {
    let kinds = kinds();
    let mut made = BTreeSet::new();
    for (name, error) in &kinds {
        let debug = format!("{error:?}");
        assert!(debug.starts_with(name), "expected {name}, got {debug}");
        let text = error.to_string();
        assert!(
            !text.is_empty() && !text.contains('\n'),
            "{name}: {text:?} is one line"
        );
        if let Some(source) = std::error::Error::source(error) {
            assert!(
                !text.contains(&source.to_string()),
                "{name}: {text:?} repeats its source"
            );
        }
        made.insert((*name).to_owned());
    }
    assert_eq!(made, all_names());
}

#[test]
fn messages_say_what_happened_and_what_to_do() {
    let kinds = kinds();
    let text = |kind: &str| {
        kinds
            .iter()
            .find(|(name, _)| *name == kind)
            .unwrap()
            .1
            .to_string()
    };
    for (kind, words) in [
        ("InvalidFileName", vec!["\"/x\"", "start with '/'"]),
        ("InvalidInput", vec!["bucket name", "b2-"]),
        ("NotAuthorized", vec!["authorize_account"]),
        (
            "InvalidCredentials",
            vec!["b2_authorize_account", "401", "check the key id", "expired"],
        ),
        (
            "NotAllowed",
            vec!["b2_list_buckets", "listBuckets", "the key has listFiles"],
        ),
        ("CapExceeded", vec!["cap", "storage_cap_exceeded"]),
        ("BucketNotFound", vec!["no-such-bucket"]),
        ("FileNotFound", vec!["no such file"]),
        ("BucketNameTaken", vec![BUCKET, "choose another"]),
        ("Busy", vec!["b2_list_buckets", "503", "8 attempts"]),
        ("Truncated", vec!["5 of 1000"]),
        ("BudgetExceeded", vec!["b2_list_buckets", "class C"]),
        ("LocalFile", vec!["/no/such/file"]),
        ("AccountInfoCorrupt", vec!["account_info"]),
        ("Connection", vec!["b2_list_buckets", "connection broke"]),
    ] {
        for word in words {
            assert!(text(kind).contains(word), "{word:?} in {:?}", text(kind));
        }
    }
}

#[test]
fn programs_can_ask_an_error_what_to_do() {
    let kinds = kinds();
    let which = |ask: &dyn Fn(&Error) -> bool| -> BTreeSet<&str> {
        kinds
            .iter()
            .filter(|(_, error)| ask(error))
            .map(|(name, _)| *name)
            .collect()
    };
    assert_eq!(
        which(&Error::is_retryable),
        ["Busy", "ChecksumMismatch", "Connection", "Truncated"].into()
    );
    assert_eq!(
        which(&Error::is_not_found),
        ["BucketNotFound", "FileNotFound"].into()
    );
    assert_eq!(
        which(&Error::is_auth),
        [
            "AccountChanged",
            "Credentials",
            "InvalidCredentials",
            "NotAllowed",
            "NotAuthorized"
        ]
        .into()
    );
    let busy = &kinds.iter().find(|(name, _)| *name == "Busy").unwrap().1;
    let service = busy.service().unwrap();
    assert_eq!(
        (busy.status(), busy.attempts(), service.operation),
        (Some(503), 8, Operation::ListBuckets)
    );
    assert_eq!(service.url_path, "/b2api/v4/b2_list_buckets");
    assert!(
        service.elapsed >= Duration::from_secs(60),
        "the clock was moved by the waits: {:?}",
        service.elapsed
    );
}

#[test]
fn any_body_of_a_refusal_is_survived() {
    let world = World::with(|builder| builder.retry(RetryPolicy::none()));
    for (status, kind, body) in [
        (
            502,
            "text/html",
            "<html><h1>502 Bad Gateway</h1>\r\n</html>".to_owned(),
        ),
        (500, "application/json", String::new()),
        (
            400,
            "application/json",
            "{\"code\": \"bad_request\", \"mess".to_owned(),
        ),
        (
            404,
            "application/json",
            "{\"status\": \"not a number\", \"code\": 5}".to_owned(),
        ),
        (
            418,
            "application/json",
            "{\"code\": \"teapot\", \"message\": \"short and stout\", \"status\": 418}".to_owned(),
        ),
        (400, "text/plain", "x".repeat(1 << 20)),
    ] {
        world.inject(Fault::on(Operation::ListBuckets).body(status, kind, body));
        let error = world.api.list_buckets().unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().len() < 2000 && !error.to_string().contains('\n'));
    }
}

fn connection(error: &Error) -> (TransportKind, Sent) {
    match error {
        Error::Connection(transport) => (transport.kind, transport.sent),
        other => panic!("{other:?}"),
    }
}

/// Authorizes at this URL, once.
fn authorize_at(url: &str) -> Error {
    let builder = B2Api::builder(InMemoryAccountInfo::new()).retry(RetryPolicy::none());
    let api = builder
        .timeouts(Timeouts::default().idle(Duration::from_millis(300)))
        .proxy(None)
        .build()
        .unwrap();
    api.authorize_account(url, "id", "key").unwrap_err()
}

#[test]
fn failures_of_the_network_are_told_apart() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    assert_eq!(
        connection(&authorize_at(&format!("http://127.0.0.1:{port}"))),
        (TransportKind::Connect, Sent::Nothing)
    );
    assert_eq!(
        connection(&authorize_at("https://b2.invalid")),
        (TransportKind::Dns, Sent::Nothing)
    );
    let world = World::new();
    let https = world.service.url().replace("http://", "https://");
    assert_eq!(
        connection(&authorize_at(&https)),
        (TransportKind::Protocol, Sent::Nothing),
        "what is no TLS"
    );
    world.inject(Fault::on(Operation::AuthorizeAccount).stall());
    assert_eq!(
        connection(&authorize_at(world.service.url())).0,
        TransportKind::Stalled
    );
    world.inject(Fault::on(Operation::AuthorizeAccount).reset_connection());
    assert_eq!(
        connection(&authorize_at(world.service.url())).0,
        TransportKind::Reset
    );

    let garbage = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", garbage.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = garbage.accept().unwrap();
        stream
            .write_all(b"220 mail.example.org ESMTP\r\n\r\n")
            .unwrap();
        _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    assert_eq!(connection(&authorize_at(&url)).0, TransportKind::Protocol);
    server.join().unwrap();
}

#[test]
fn a_refusal_whose_body_stalls_behind_its_json_keeps_its_code() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", service.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = service.accept().unwrap();
        let body = r#"{"code": "unauthorized", "message": "no such key", "status": 401}"#;
        write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 9999\r\n\r\n{body}"
        )
        .unwrap();
        _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let error = authorize_at(&url);
    assert!(
        matches!(&error, Error::InvalidCredentials(refusal) if refusal.code.as_str() == "unauthorized"),
        "{error:?}"
    );
    server.join().unwrap();
}

#[test]
fn settings_that_cannot_work_are_refused_when_they_are_made() {
    let builder = || B2Api::builder(InMemoryAccountInfo::new());
    for (what, built) in [
        ("proxy", builder().proxy(Some("not a proxy\n")).build()),
        (
            "root certificates",
            builder().root_certificates("no certificate").build(),
        ),
        (
            "root certificates",
            builder()
                .root_certificates("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
                .build(),
        ),
        ("user agent", builder().user_agent("two\nlines").build()),
    ] {
        assert!(
            matches!(built, Err(Error::InvalidInput { what: found, .. }) if found == what),
            "{what}: {built:?}"
        );
    }
}

/// The error that a store of somebody else's fails with.
#[derive(Debug, thiserror::Error)]
#[error("the cellar is flooded")]
struct Flooded;

/// A store that always fails.
#[derive(Debug)]
struct Broken;

impl AccountInfo for Broken {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        Err(StoreError::new(Flooded).context("reading the token"))
    }
    fn is_logged_out(&self) -> std::result::Result<bool, StoreError> {
        Err(StoreError::new(Flooded))
    }

    fn begin_refresh(&self, _: Option<Generation>, _: Duration) -> Result<Refresh, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn save_auth(
        &self,
        _: AccountAuth,
        _: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn abandon_refresh(&self, _: RefreshTicket) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn clear(&self) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn bucket_id(&self, _: &Identity, _: &str) -> Result<Option<BucketId>, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn bucket_name(&self, _: &Identity, _: &BucketId) -> Result<Option<String>, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn buckets(&self, _: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn save_bucket(&self, _: &Identity, _: &str, _: &BucketId) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn remove_bucket(&self, _: &Identity, _: &BucketId) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn replace_buckets(&self, _: &Identity, _: &[(String, BucketId)]) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn take_upload_url(
        &self,
        _: &Identity,
        _: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn put_upload_url(
        &self,
        _: &Identity,
        _: &UploadTarget,
        _: UploadUrl,
    ) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn drop_upload_urls(&self, _: &Identity, _: &UploadTarget) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
}

#[test]
fn a_stores_own_error_reaches_the_caller_intact() {
    let Error::Store(error) = B2Api::new(Broken).list_buckets().unwrap_err() else {
        panic!()
    };
    assert!(error.downcast_ref::<Flooded>().is_some());
    assert_eq!(error.to_string(), "reading the token");
}

/// An in-memory store whose pool of upload URLs and bucket names fails.
#[derive(Debug)]
struct Forgetful(InMemoryAccountInfo);

impl AccountInfo for Forgetful {
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        self.0.auth()
    }
    fn is_logged_out(&self) -> std::result::Result<bool, StoreError> {
        self.0.is_logged_out()
    }

    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        self.0.begin_refresh(stale, lease)
    }
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        self.0.save_auth(auth, ticket)
    }
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        self.0.abandon_refresh(ticket)
    }
    fn clear(&self) -> Result<(), StoreError> {
        self.0.clear()
    }
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        self.0.bucket_id(owner, name)
    }
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.0.bucket_name(owner, id)
    }
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        self.0.buckets(owner)
    }
    fn save_bucket(&self, _: &Identity, _: &str, _: &BucketId) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn remove_bucket(&self, _: &Identity, _: &BucketId) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn replace_buckets(&self, _: &Identity, _: &[(String, BucketId)]) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        self.0.take_upload_url(owner, target)
    }
    fn put_upload_url(
        &self,
        _: &Identity,
        _: &UploadTarget,
        _: UploadUrl,
    ) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
    fn drop_upload_urls(&self, _: &Identity, _: &UploadTarget) -> Result<(), StoreError> {
        Err(StoreError::new(Flooded))
    }
}

#[test]
fn a_store_that_fails_after_the_service_answered_does_not_fail_the_call() {
    let world = World::new();
    let api = B2Api::new(Forgetful(InMemoryAccountInfo::new()));
    authorize(&api, &world.service);
    let bucket = api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    assert_eq!(api.list_buckets().unwrap().len(), 2);
    let version = bucket.get_file_info_by_name("x").unwrap();
    bucket.delete_file_version(&version.file_id, "x").unwrap();
    api.delete_bucket(&bucket).unwrap();
}

#[test]
fn errors_about_a_file_name_it_and_its_bucket() {
    let world = World::new();
    let missing = world.bucket.download_file_by_name("photos/cat.jpg");
    let missing = missing.unwrap_err();
    assert!(
        matches!(&missing, Error::FileNotFound { bucket: Some(bucket), file, .. }
            if **bucket == *BUCKET && **file == *"photos/cat.jpg"),
        "{missing:?}"
    );
    let told = missing.to_string();
    let words = format!("\"photos/cat.jpg\" in the bucket {BUCKET:?}");
    assert!(told.contains(&words), "{told}");
    let hidden = world.bucket.unhide_file("gone").unwrap_err().to_string();
    assert!(
        hidden.contains(BUCKET) && hidden.contains("gone"),
        "{hidden}"
    );
    // A version by its id alone is of no bucket that is known.
    let uploaded = world.bucket.upload_bytes(b"x", "x").unwrap();
    let id = &uploaded.version().file_id;
    world.bucket.delete_file_version(id, "x").unwrap();
    let unknown = world.api.get_file_info(id).unwrap_err();
    assert!(
        matches!(unknown, Error::FileNotFound { bucket: None, .. }),
        "{unknown:?}"
    );
}

#[test]
fn everything_that_is_logged_of_a_call_stands_in_a_span_that_names_it() {
    let world = World::of_small_parts(1000, 20_000);
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let source = world.bucket.upload_bytes(&noise(50_000), "x").unwrap();
        let id = &source.version().file_id;
        world.bucket.copy(id, "y").unwrap();
        let piece = b2sdk::compose::Piece::remote(id);
        let pieces = [piece.clone(), piece];
        world.bucket.concatenate(&pieces, "z").unwrap();
        world.bucket.hide_file("x").unwrap();
    });
    let told = lines.told();
    for (call, file) in [("upload", "x"), ("copy", "y"), ("compose", "z")] {
        let words = format!("call={call:?} bucket={BUCKET:?} file_name={file:?}");
        let spans = told.lines().filter(|line| line.contains(&words)).count();
        assert_eq!(spans, 1, "{call}: {told}");
    }
    // A call of one request has the span of that.
    let hiding =
        |line: &&str| line.starts_with("span operation=b2_hide_file") && line.contains(BUCKET);
    assert_eq!(told.lines().filter(hiding).count(), 1, "{told}");
}
