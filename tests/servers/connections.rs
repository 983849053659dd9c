//! What a store on a server does over connections that are lost while nothing uses them, and what it asks
//! for, whatever the server is.

use std::time::Duration;

use b2sdk::Timestamp;
use b2sdk::account_info::conformance::ServerFaults as _;
use b2sdk::account_info::{AccountAuth, AccountInfo, AuthSnapshot, UploadTarget, UploadUrl};
use b2sdk::testing::Clock;

use crate::proxy::Proxy;

/// An authorization with secrets that no answer shows by chance.
pub(crate) fn auth() -> AccountAuth {
    let stored = r#"{"realm": "production", "accountId": "ada", "applicationKeyId": "key-id",
        "applicationKey": "the-secret-key", "authorizationToken": "the-account-token",
        "apiUrl": "https://api001.backblazeb2.com", "downloadUrl": "https://f001.backblazeb2.com",
        "s3ApiUrl": "", "absoluteMinimumPartSize": 5000000, "recommendedPartSize": 100000000,
        "allowed": {"buckets": null, "capabilities": ["listFiles"], "namePrefix": null}}"#;
    AuthSnapshot::from_json(stored).unwrap().auth().clone()
}

/// An upload URL of now.
pub(crate) fn upload_url(clock: &Clock) -> UploadUrl {
    let received = Timestamp::from(clock.now());
    UploadUrl::new(
        "https://pod/u".to_owned(),
        "the-upload-token".into(),
        received,
    )
}

/// An idle connection that something in between forgot costs neither a call nor a pause. The store goes by
/// `clock`, keeps nothing in memory, and reaches its server through `proxy`.
pub(crate) fn forgotten_connections_cost_nothing(
    store: &dyn AccountInfo,
    proxy: &Proxy,
    clock: &Clock,
) {
    let saved = store.save_auth(auth(), None).unwrap();
    let (owner, target) = (saved.identity(), UploadTarget::Bucket("b".into()));
    let put = || store.put_upload_url(owner, &target, upload_url(clock));

    // What may be sent twice is sent again over a new connection.
    proxy.forget_connections();
    assert!(store.auth().unwrap().is_some());
    proxy.forget_connections();
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);
    proxy.forget_connections();
    store.save_bucket(owner, "photos", &"p".into()).unwrap();

    // What may not be sent twice is sent over a connection that is known to be open.
    proxy.forget_connections();
    clock.advance(Duration::from_secs(1));
    put().unwrap();

    // If that one fails just then, the call is lost, and the next one finds no pause.
    proxy.forget_connections();
    let error = put().unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(store.auth().unwrap().is_some());
    assert!(store.take_upload_url(owner, &target).unwrap().is_some());
    assert_eq!(store.take_upload_url(owner, &target).unwrap(), None);

    // A new connection that fails begins the pause.
    proxy.set_reachable(false);
    let error = store.auth().unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    proxy.set_reachable(true);
    assert_eq!(store.auth().unwrap_err().to_string(), error.to_string());
}

/// Asking whether somebody logged out brings no secret over the network.
pub(crate) fn a_logout_is_asked_for_without_secrets(store: &dyn AccountInfo, proxy: &Proxy) {
    assert!(!store.is_logged_out().unwrap());
    store.save_auth(auth(), None).unwrap();
    assert!(!store.is_logged_out().unwrap());
    assert!(!proxy.was_answered("the-account-token"));
    // It would have been noticed.
    assert!(store.auth().unwrap().is_some());
    assert!(proxy.was_answered("the-account-token"));
    store.clear().unwrap();
    assert!(store.is_logged_out().unwrap());
}
