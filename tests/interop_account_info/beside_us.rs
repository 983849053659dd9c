//! Backblaze's tools at work on the same account info while we have it open, against the simulator.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use b2sdk::account_info::AccountInfo;
use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, Error, Operation, SqliteAccountInfo};
use tempfile::TempDir;

use super::{client, output, python};

const BUCKET: &str = "photos-2026-by-ada";

/// A home directory with one account info, which `b2` and this crate share.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("account_info")
    }

    fn api(&self) -> B2Api {
        B2Api::new(SqliteAccountInfo::open(self.path()).unwrap())
    }

    /// The tool, which knows nothing but this home.
    fn b2(&self) -> Command {
        let mut command = client("b2");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.0.path())
            .env("B2_ACCOUNT_INFO", self.path())
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    /// `b2 account authorize`
    fn tool_authorizes(&self, service: &Simulator) {
        output(
            self.b2()
                .env("B2_ENVIRONMENT", service.url())
                .env("B2_APPLICATION_KEY_ID", service.application_key_id())
                .env("B2_APPLICATION_KEY", service.application_key())
                .args(["account", "authorize"]),
        );
    }
}

fn authorize(api: &B2Api, service: &Simulator) {
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
}

#[test]
#[ignore = "needs the b2 command-line tool"]
fn after_b2_account_authorize_a_program_of_ours_uploads_without_authorizing() {
    let (service, home) = (Simulator::start().unwrap(), Home::new());
    home.tool_authorizes(&service);
    service.log().clear();
    let bucket = home
        .api()
        .create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap();
    bucket.upload_bytes(b"hello", "hello.txt").unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
    assert_eq!(service.log().count(Operation::UploadFile), 1);
}

#[test]
#[ignore = "needs the b2 command-line tool"]
fn after_we_authorized_b2_uploads_without_authorizing_also_while_we_have_the_file_open() {
    let (service, home) = (Simulator::start().unwrap(), Home::new());
    let api = home.api();
    authorize(&api, &service);
    let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"ours", "ours.txt").unwrap();
    service.log().clear();
    let file = home.0.path().join("hello.txt");
    std::fs::write(&file, "hello").unwrap();
    output(
        home.b2()
            .args(["file", "upload", "--no-progress", BUCKET])
            .arg(&file)
            .arg("theirs.txt"),
    );
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 0);
    assert_eq!(service.log().count(Operation::UploadFile), 1);

    service.log().clear();
    bucket.upload_bytes(b"ours", "again.txt").unwrap();
    assert_eq!(service.log().total(), 1, "our upload URL is still there");
    assert_eq!(bucket.ls("").unwrap().count(), 3);
}

#[test]
#[ignore = "needs the b2 command-line tool"]
fn when_b2_changes_the_account_nothing_of_the_old_one_is_used() {
    let home = Home::new();
    let [old, new] = [Simulator::start().unwrap(), Simulator::start().unwrap()];
    let (ours, follower) = (home.api(), home.api());
    authorize(&ours, &old);
    let bucket = ours.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    let known = follower.get_bucket_by_name(BUCKET).unwrap();
    assert_eq!(known.id(), bucket.id());
    // A bucket of the same name with another id.
    let elsewhere = B2Api::new(b2sdk::InMemoryAccountInfo::new());
    authorize(&elsewhere, &new);
    elsewhere
        .create_bucket("another-bucket-of-bob", BucketType::AllPrivate)
        .unwrap();
    let theirs = elsewhere
        .create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap();
    assert_ne!(theirs.id(), bucket.id());

    home.tool_authorizes(&new);
    old.log().clear();
    new.log().clear();
    for error in [
        ours.list_buckets().unwrap_err(),
        bucket.upload_bytes(b"x", "x").unwrap_err(),
        known.upload_bytes(b"x", "x").unwrap_err(),
    ] {
        assert!(matches!(error, Error::AccountChanged), "{error:?}");
    }
    assert_eq!(new.log().total(), 0);
    let found = follower.get_bucket_by_name(BUCKET).unwrap();
    assert_eq!(found.id(), theirs.id());
    found.upload_bytes(b"x", "x").unwrap();
    assert_eq!(old.log().total(), 0, "nothing went to the old account");
    assert_eq!(new.log().count(Operation::AuthorizeAccount), 0);
    assert_eq!(new.log().count(Operation::GetUploadUrl), 1);
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn after_python_cleared_the_file_nothing_of_the_old_identity_is_handed_out() {
    let (service, home) = (Simulator::start().unwrap(), Home::new());
    let (ours, follower) = (home.api(), home.api());
    authorize(&ours, &service);
    let bucket = ours.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
    bucket.upload_bytes(b"x", "x").unwrap();
    let owner = ours.account_info().auth().unwrap().unwrap();
    python(&home.path(), "info.clear()");
    service.log().clear();

    for api in [&ours, &follower] {
        let error = api.get_bucket_by_name(BUCKET).unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{error:?}");
        let info = api.account_info();
        assert!(info.auth().unwrap().is_none());
        assert!(info.bucket_id(owner.identity(), BUCKET).is_err());
        let target = b2sdk::account_info::UploadTarget::Bucket(bucket.id().clone());
        assert!(info.take_upload_url(owner.identity(), &target).is_err());
    }
    let error = bucket.upload_bytes(b"x", "x").unwrap_err();
    assert!(matches!(error, Error::NotAuthorized), "{error:?}");
    assert_eq!(service.log().total(), 0);

    // The same identity again: what was known before Python cleared the file is not known any more.
    authorize(&ours, &service);
    let known = ours.account_info().buckets(owner.identity()).unwrap();
    assert_eq!(known, []);
    bucket.upload_bytes(b"x", "x").unwrap();
}

#[test]
#[ignore = "needs Python with b2sdk"]
fn python_may_open_and_write_while_we_write() {
    let (service, home) = (Simulator::start().unwrap(), Home::new());
    home.tool_authorizes(&service);
    let store = SqliteAccountInfo::open(home.path()).unwrap();
    let owner = store.auth().unwrap().unwrap().identity().clone();
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            python(
                &home.path(),
                "for n in range(50):\n    \
                     info.save_bucket(types.SimpleNamespace(name=f'theirs-{n}', id_=f't{n}'))",
            )
        });
        for number in 0..50 {
            let (name, id) = (format!("ours-{number}"), format!("o{number}"));
            store
                .save_bucket(&owner, &name, &id.as_str().into())
                .unwrap();
        }
        theirs.join().unwrap();
    });
    assert_eq!(store.buckets(&owner).unwrap().len(), 100);
}
