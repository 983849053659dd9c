//! An account info that is lost while a program runs is no logout, and the same key twice is no other
//! account.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use b2sdk::account_info::AccountInfo;
use b2sdk::credentials::Credentials;
use b2sdk::simulator::Simulator;
use b2sdk::{B2Api, BucketType, Error, InMemoryAccountInfo, Operation, SqliteAccountInfo};

use super::Hooked;
use crate::support::{BUCKET, Lines, authorize};

/// How a program came to its authorization.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Hand,
    Provider,
    /// Somebody else authorized.
    File,
}

fn authorize_from(from: From, api: &B2Api, service: &Simulator) {
    match from {
        From::Hand => authorize(api, service),
        From::Provider => {
            let (id, key) = (
                service.application_key_id().to_owned(),
                service.application_key().to_owned(),
            );
            let realm = service.url().to_owned();
            let named = move || -> Result<_, std::io::Error> {
                Ok(Credentials::new(id.as_str(), key.as_str()).realm(realm.as_str()))
            };
            api.authorize_with(named).unwrap();
        }
        From::File => {}
    }
}

#[test]
fn who_has_credentials_authorizes_again_once_after_a_loss_and_not_after_a_logout() {
    for from in [From::Hand, From::Provider, From::File] {
        let service = Simulator::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("account_info");
        let owner = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
        authorize(&owner, &service);
        owner.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
        authorize_from(from, &api, &service);
        let bucket = api.get_bucket_by_name(BUCKET).unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();

        type Loss = fn(&std::path::Path);
        let losses: [Loss; 2] = [
            |path| fs::remove_file(path).unwrap(),
            |path| drop(fs::File::create(path).unwrap()),
        ];
        for lose in losses {
            service.log().clear();
            lose(&path);
            if from == From::File {
                let error = bucket.upload_bytes(b"x", "x").unwrap_err();
                assert!(matches!(error, Error::NotAuthorized), "{error:?}");
                authorize(&owner, &service);
                continue;
            }
            let barrier = Barrier::new(8);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        barrier.wait();
                        bucket.upload_bytes(b"x", "x").unwrap();
                    });
                }
            });
            let count = service.log().count(Operation::AuthorizeAccount);
            assert_eq!(count, 1, "{from:?}");
        }

        service.log().clear();
        SqliteAccountInfo::open(&path).unwrap().clear().unwrap();
        let error = bucket.upload_bytes(b"x", "x").unwrap_err();
        assert!(matches!(error, Error::NotAuthorized), "{from:?}: {error:?}");
        assert_eq!(service.log().total(), 0);
    }
}

#[test]
fn a_loss_in_the_middle_of_a_call_fails_nothing() {
    for moment in [
        "take_upload_url",
        "put_upload_url",
        "begin_refresh",
        "save_auth",
        "bucket_id",
    ] {
        let service = Simulator::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("account_info");
        let is_armed = Arc::new(AtomicBool::new(false));
        let (armed, lost) = (Arc::clone(&is_armed), path.clone());
        let store: Arc<dyn AccountInfo> = Arc::new(SqliteAccountInfo::open(&path).unwrap());
        let api = B2Api::new(Hooked::around(store, move |_, method| {
            if method == moment && armed.swap(false, Ordering::SeqCst) {
                fs::remove_file(&lost).unwrap();
            }
            Ok(())
        }));
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();
        service.expire_tokens().unwrap();
        service.log().clear();
        is_armed.store(true, Ordering::SeqCst);
        bucket.upload_bytes(b"x", "x").unwrap();
        api.get_bucket_by_name(BUCKET).unwrap();
        api.list_buckets().unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();
        assert!(!is_armed.load(Ordering::SeqCst), "{moment}");
        let count = service.log().count(Operation::AuthorizeAccount);
        assert!((1..=2).contains(&count), "{moment}: {count}");
    }
}

#[test]
fn a_key_that_was_revoked_is_sent_once_after_a_loss() {
    let service = Simulator::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("account_info");
    let key = service
        .create_key(b2sdk::simulator::KeyRequest::new(["listBuckets"]))
        .unwrap();
    let api = B2Api::new(SqliteAccountInfo::open(&path).unwrap());
    api.authorize_account(
        service.url(),
        key.application_key_id(),
        key.application_key(),
    )
    .unwrap();
    service.delete_key(key.application_key_id()).unwrap();
    fs::remove_file(&path).unwrap();
    service.log().clear();
    for _ in 0..5 {
        let error = api.list_buckets().unwrap_err();
        assert!(matches!(error, Error::InvalidCredentials(_)), "{error:?}");
    }
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}

#[test]
fn who_is_overtaken_with_the_same_key_goes_on_with_what_the_other_stored() {
    let service = Simulator::start().unwrap();
    let other = B2Api::new(InMemoryAccountInfo::new());
    authorize(&other, &service);
    let newer = other.account_info().auth().unwrap().unwrap();
    let overtaken = Arc::new(AtomicBool::new(false));
    let (first, snapshot) = (Arc::clone(&overtaken), Arc::clone(&newer));
    // Its lease is over, and another process has taken it.
    let store = Hooked::around(
        Arc::new(InMemoryAccountInfo::new()),
        move |store, method| {
            if method == "save_auth" && !first.swap(true, Ordering::SeqCst) {
                store.save_auth(snapshot.auth().clone(), None)?;
            }
            Ok(())
        },
    );
    let api = B2Api::new(store);
    service.log().clear();
    authorize(&api, &service);
    assert!(overtaken.load(Ordering::SeqCst));
    assert_eq!(api.account_info().auth().unwrap(), Some(newer));
    api.list_buckets().unwrap();
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}

#[test]
fn a_realm_with_a_slash_at_its_end_is_the_realm_without() {
    let service = Simulator::start().unwrap();
    let store: Arc<dyn AccountInfo> = Arc::new(InMemoryAccountInfo::new());
    let apis = [(); 2].map(|()| B2Api::new(Arc::clone(&store)));
    for (api, slash) in apis.iter().zip(["", "/"]) {
        api.authorize_account(
            format!("{}{slash}", service.url()),
            service.application_key_id(),
            service.application_key(),
        )
        .unwrap();
    }
    for api in &apis {
        api.list_buckets().unwrap();
    }
    assert_eq!(service.log().count(Operation::AuthorizeAccount), 1);
}

/// The default file of a person, in a process of its own.
#[cfg(unix)]
#[test]
fn to_replace_the_login_of_a_person_is_warned_about() {
    const INSIDE: &str = "B2SDK_TEST_DEFAULT_LOGIN";
    if std::env::var_os(INSIDE).is_none() {
        let home = tempfile::tempdir().unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "account_info::lost::to_replace_the_login_of_a_person_is_warned_about",
            ])
            .env_remove("B2_ACCOUNT_INFO")
            .env_remove("XDG_CONFIG_HOME")
            .env("HOME", home.path())
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    let service = Simulator::start().unwrap();
    let key = service
        .create_key(b2sdk::simulator::KeyRequest::new(["listBuckets"]))
        .unwrap();
    let person = B2Api::new(SqliteAccountInfo::open_default().unwrap());
    authorize(&person, &service);
    let lines = Lines::default();
    let replace = |info: SqliteAccountInfo| {
        tracing::subscriber::with_default(lines.clone(), || {
            let api = B2Api::new(info);
            api.authorize_account(
                service.url(),
                key.application_key_id(),
                key.application_key(),
            )
            .unwrap();
        });
        lines.told().matches("replaces the login").count()
    };
    let profile = SqliteAccountInfo::builder().profile("mine").open().unwrap();
    assert_eq!(replace(profile), 0);
    assert_eq!(replace(SqliteAccountInfo::open_default().unwrap()), 1);
    assert!(!lines.told().contains(key.application_key()));
}
