//! Authorizing, and application keys.

use b2sdk::credentials::Realm;
use b2sdk::keys::Capability;
use b2sdk::raw::CreateKeyRequest;
use b2sdk::{B2Api, InMemoryAccountInfo, Operation};

use super::super::raw_calls::RawCalls;
use super::super::{Lost, Row};
use super::deleted;

/// A key that is made, used, listed and deleted.
fn raw_key(calls: &RawCalls<'_>) {
    let (buckets, capabilities) = ([calls.scene.bucket.id()], [Capability::ListFiles]);
    let made = calls.call(Operation::CreateKey, |raw| {
        let request = CreateKeyRequest::new(raw.account_id(), "raw-key", &capabilities);
        raw.create_key(&request.bucket_ids(&buckets).name_prefix("a/"))
    });
    let realm = Realm::from(calls.scene.world.service.url());
    let answer = calls.call(Operation::AuthorizeAccount, |raw| {
        raw.authorize_account(
            &realm,
            &made.details.application_key_id,
            &made.application_key,
        )
    });
    let allowed = answer.api_info.storage_api.allowed();
    assert_eq!(allowed.name_prefix.as_deref(), Some("a/"));
    assert!(allowed.has(&Capability::ListFiles) && allowed.capabilities.len() == 1);
    let id = &made.details.application_key_id;
    let page = calls.call(Operation::ListKeys, |raw| raw.list_keys(Some(id), 10));
    assert!(page.keys.contains(&made.details) && page.next_application_key_id.is_none());
    let gone = calls.call(Operation::DeleteKey, |raw| raw.delete_key(id));
    assert_eq!(&gone.application_key_id, id);
}

pub(super) const ROWS: &[Row] = &[
    Row {
        operation: Operation::AuthorizeAccount,
        needs: &[],
        call: |scene, _| {
            let service = &scene.world.service;
            let builder = B2Api::builder(InMemoryAccountInfo::new()).clock(&scene.world.clock);
            let api = builder.build().unwrap();
            let key = (service.application_key_id(), service.application_key());
            api.authorize_account(service.url(), key.0, key.1)?;
            assert_eq!(api.account_id()?.as_str(), service.account_id());
            Ok(())
        },
        absent: Some((
            |scene, _| {
                let api = B2Api::new(InMemoryAccountInfo::new());
                api.authorize_account(scene.world.service.url(), "000000000000", "nonsense")
            },
            "InvalidCredentials",
        )),
        lost: Lost::Again,
        raw: raw_key,
    },
    Row {
        operation: Operation::CreateKey,
        needs: &["writeKeys", "listFiles"],
        call: |_, api| {
            let key = api.create_key("new", [Capability::ListFiles])?;
            assert_eq!(key.details.key_name, "new");
            Ok(())
        },
        absent: Some((
            |scene, api| {
                let options =
                    b2sdk::keys::CreateKeyOptions::new().buckets([deleted(scene, api).id()]);
                let capabilities = [Capability::ListFiles];
                api.create_key_with("new", capabilities, &options)
                    .map(|_| ())
            },
            "BucketNotFound",
        )),
        lost: Lost::Told,
        raw: raw_key,
    },
    Row {
        operation: Operation::ListKeys,
        needs: &["listKeys"],
        call: |scene, api| {
            let mut keys = api.list_keys()?;
            let found = keys.find_map(|key| match key {
                Ok(key) => (key.application_key_id == scene.key).then_some(Ok(())),
                Err(error) => Some(Err(error)),
            });
            found.unwrap()
        },
        absent: None,
        lost: Lost::Again,
        raw: raw_key,
    },
    Row {
        operation: Operation::DeleteKey,
        needs: &["deleteKeys"],
        call: |scene, api| {
            assert_eq!(api.delete_key(&scene.key)?.key_name, "old");
            Ok(())
        },
        absent: Some((
            |scene, api| {
                scene.world.api.delete_key(&scene.key).unwrap();
                api.delete_key(&scene.key).map(|_| ())
            },
            "Service",
        )),
        lost: Lost::ToldAgain,
        raw: raw_key,
    },
];
