//! Requests under an authorization that the caller keeps: nothing is repeated, nothing stored.

use b2sdk::credentials::Realm;
use b2sdk::encryption::{Encryption, SseCustomerKey};
use b2sdk::keys::Capability;
use b2sdk::limits::RequestBudget;
use b2sdk::raw::{
    CreateKeyRequest, DownloadAuthorizationRequest, EncryptionSetting, ListBucketsRequest,
    UploadBody,
};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation};

use crate::support::World;

#[test]
fn a_key_is_authorized_and_used_without_a_store() {
    let service = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let connections = api.raw_connections();
    let (id, key) = (service.application_key_id(), service.application_key());
    let auth = connections
        .authorize_account(service.url(), id, key)
        .unwrap();
    let raw = connections.endpoints(&auth);
    let answer = raw
        .list_buckets(&ListBucketsRequest::new(raw.account_id()))
        .unwrap();
    assert!(answer.buckets.is_empty());
    assert_eq!(auth.account_id.as_str(), service.account_id());
    assert!(api.account_info().auth().unwrap().is_none());
    assert_eq!(
        (service.log().total(), api.request_counts().total()),
        (2, 2)
    );
}

#[test]
fn nothing_is_repeated_and_no_token_replaced() {
    let world = World::new();
    let connections = world.api.raw_connections();
    let snapshot = world.api.account_info().auth().unwrap().unwrap();
    let raw = connections.endpoints(snapshot.auth());
    let list = || raw.list_buckets(&ListBucketsRequest::new(raw.account_id()));
    world.inject(Fault::on(Operation::ListBuckets).status(503, "service_unavailable", ""));
    assert!(matches!(list().unwrap_err(), Error::Busy(_)));
    assert_eq!(list().unwrap().buckets.len(), 1);
    world.service.expire_tokens().unwrap();
    let error = list().unwrap_err();
    assert!(error.is_auth(), "{error}");
    assert_eq!((world.total(), world.count(Operation::ListBuckets)), (3, 3));
    world
        .api
        .set_request_budget(RequestBudget::new().class_c(0));
    assert!(matches!(list(), Err(Error::BudgetExceeded { .. })));
}

#[test]
fn a_key_is_not_sent_to_a_realm_that_must_not_have_it() {
    let world = World::new();
    let connections = world.api.raw_connections();
    for realm in [
        "http://example.com",
        "prodction",
        "https://user:pass@example.com",
    ] {
        let outcome = connections.authorize_account(realm, "id", "key");
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{realm}"
        );
        let outcome = world.api.call_raw(Operation::AuthorizeAccount, |raw| {
            raw.authorize_account(&Realm::from(realm), &"id".into(), &"key".into())
        });
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{realm}"
        );
    }
    assert_eq!(world.total(), 0);
}

/// A token goes to the hosts of its realm only, whatever an answer or a caller names.
#[test]
fn an_upload_url_of_another_host_is_refused() {
    let world = World::new();
    let url = world.api.call_raw(Operation::GetUploadUrl, |raw| {
        raw.get_upload_url(&world.bucket.id())
    });
    let token = url.unwrap().authorization_token;
    let outcome = world.api.call_raw(Operation::UploadFile, |raw| {
        let (info, mut content) = (b2sdk::FileInfo::new(), &b"x"[..]);
        let request = b2sdk::raw::UploadFileRequest::new("x", "b2/x-auto", &info);
        let mut body = UploadBody::new(&mut content, 1);
        raw.upload_file(
            "https://example.com/b2api/v4/b2_upload_file/x/y",
            &token,
            &request,
            &mut body,
        )
    });
    assert!(
        matches!(outcome, Err(Error::UnexpectedReply { .. })),
        "{outcome:?}"
    );
}

/// A parser's message quotes the text that it did not expect.
#[test]
fn an_answer_of_another_type_than_asked_for_does_not_show_its_secrets() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "it is never read")]
    struct Wrong {
        #[serde(rename = "authorizationToken")]
        number: u64,
    }
    let world = World::new();
    let outcome: b2sdk::Result<Wrong> = world.api.call_raw(Operation::GetUploadUrl, |raw| {
        let request = serde_json::json!({ "bucketId": world.bucket.id() });
        raw.call_json(Operation::GetUploadUrl, &request)
    });
    let Err(Error::UnexpectedReply { source, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    let text = source.to_string();
    assert!(
        text.contains("column") && !text.contains("_upld_"),
        "{text}"
    );
}

#[test]
fn requests_and_answers_show_no_secret() {
    let world = World::new();
    let api = &world.api;
    let customers = SseCustomerKey::new([0xab; 32]);
    let encryption = Encryption::SseC(customers.clone());
    let capabilities = [Capability::ListFiles];
    let (realm, id, key) = (
        Realm::from(world.service.url()),
        world.service.application_key_id().into(),
        world.service.application_key().into(),
    );
    let authorized = api.call_raw(Operation::AuthorizeAccount, |raw| {
        raw.authorize_account(&realm, &id, &key)
    });
    let authorized = authorized.unwrap();
    let made = api.call_raw(Operation::CreateKey, |raw| {
        raw.create_key(&CreateKeyRequest::new(
            raw.account_id(),
            "a-key",
            &capabilities,
        ))
    });
    let made = made.unwrap();
    let url = api.call_raw(Operation::GetUploadUrl, |raw| {
        raw.get_upload_url(&world.bucket.id())
    });
    let url = url.unwrap();
    let shared = api.call_raw(Operation::GetDownloadAuthorization, |raw| {
        let id = world.bucket.id();
        raw.get_download_authorization(&DownloadAuthorizationRequest::new(&id, "", 60))
    });
    let shared = shared.unwrap();
    let connections = api.raw_connections();
    let snapshot = api.account_info().auth().unwrap().unwrap();
    let shown = format!(
        "{authorized:#?} {made:?} {url:?} {shared:?} {:?} {:?} {connections:?} {:?} {:?}",
        EncryptionSetting::from(&encryption),
        EncryptionSetting::from(&customers),
        connections.endpoints(snapshot.auth()),
        b2sdk::raw::UploadPartRequest::new(1).customer_key(&customers),
    );
    for secret in [
        key.expose(),
        snapshot.auth().token.expose(),
        authorized.authorization_token.expose(),
        made.application_key.expose(),
        url.authorization_token.expose(),
        shared.authorization_token.expose(),
        "q6urq6ur",
        "171, 171",
        customers.md5(),
    ] {
        assert!(
            secret.len() > 7 && !shown.contains(secret),
            "{secret} is in {shown}"
        );
    }
}
