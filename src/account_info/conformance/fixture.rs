//! The values that the checks store, and shorthands for calling a store.
//!
//! All values are invented, and are told apart by a short word: `auth("ada", "1")` is the account
//! `ada` with the token `account-token-1`, and `url("u", ..)` has the token `upload-token-u`. The
//! checks look for these words in `Debug` output and in errors, so a value that is added here needs
//! a word as well.
//!
//! The functions that call a store (`save`, `current`, `begin`, `put`, `take`, `names`) panic with
//! the name of the method if the call fails. A check that expects a refusal calls the method itself
//! and passes the outcome to `refused`.
//!
//! Time comes from the clock that the store was made with. No function here waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account_info::{
    AccountInfo, AuthSnapshot, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::{Error, StoreError};
use crate::model::auth::{AccountAuth, Allowed, AllowedBucket, Capability, Identity};
use crate::model::id::BucketId;
use crate::model::time::Timestamp;

/// The application key of every authorization that the checks save. It must appear in no `Debug`
/// output and in no error.
pub(super) const APPLICATION_KEY: &str = "application-key-in-clear";
/// The length of every lease that the checks draw.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// An authorization of this account, whose token ends in `token`.
///
/// It is restricted to a name prefix with quotes and a letter that is not ASCII, and has a
/// capability that this crate does not know.
pub(in crate::account_info) fn auth(account: &str, token: &str) -> AccountAuth {
    AccountAuth {
        realm: "production".to_owned(),
        account_id: account.into(),
        application_key_id: format!("{account}-key").into(),
        application_key: APPLICATION_KEY.into(),
        token: format!("account-token-{token}").into(),
        api_url: "https://api001.backblazeb2.com".to_owned(),
        download_url: "https://f001.backblazeb2.com".to_owned(),
        s3_api_url: "https://s3.us-west-001.backblazeb2.com".to_owned(),
        absolute_minimum_part_size: 5_000_000,
        recommended_part_size: 100_000_000,
        allowed: Allowed {
            buckets: None,
            capabilities: vec![Capability::ListFiles, Capability::Other("flyFiles".into())],
            name_prefix: Some("it's \"here\"/ü".to_owned()),
        },
    }
}

/// An authorization of a key that is restricted to these buckets.
///
/// The token is always the first. A bucket without a name is one that the service did not find any
/// more.
pub(super) fn auth_for_buckets(account: &str, buckets: &[(&str, Option<&str>)]) -> AccountAuth {
    let mut auth = auth(account, "1");
    let buckets = buckets.iter().map(|(id, name)| AllowedBucket {
        id: (*id).into(),
        name: name.map(str::to_owned),
    });
    auth.allowed.buckets = Some(buckets.collect());
    auth
}

/// Creates a store that holds an authorization of the account `ada`.
///
/// The clock stands still until the check moves it.
pub(super) fn authorized(
    make: &impl Fn(Clock) -> Box<dyn AccountInfo>,
) -> (Box<dyn AccountInfo>, Identity, Clock) {
    let clock = Clock::manual();
    let store = make(clock.clone());
    let snapshot = save(&*store, auth("ada", "1"));
    (store, snapshot.identity().clone(), clock)
}

/// Saves an authorization that must be accepted.
pub(super) fn save(store: &dyn AccountInfo, auth: AccountAuth) -> Arc<AuthSnapshot> {
    fine("save_auth", store.save_auth(auth, None))
}

/// The authorization that the store holds.
pub(super) fn current(store: &dyn AccountInfo) -> Option<Arc<AuthSnapshot>> {
    fine("auth", store.auth())
}

/// Draws a lease that must be free.
///
/// It lasts for [`LEASE`]. The caller has to use the ticket or let it lapse.
pub(super) fn lease(store: &dyn AccountInfo, stale: Option<&AuthSnapshot>) -> RefreshTicket {
    match begin(store, stale) {
        Refresh::Lease(ticket) => ticket,
        other => panic!("nobody is refreshing, so begin_refresh gives a lease, not {other:?}"),
    }
}

/// Asks for the right to replace an authorization.
///
/// The stale authorization is passed as its generation; without one, nothing is held as far as the
/// caller knows.
pub(super) fn begin(store: &dyn AccountInfo, stale: Option<&AuthSnapshot>) -> Refresh {
    let stale = stale.map(AuthSnapshot::generation);
    fine("begin_refresh", store.begin_refresh(stale, LEASE))
}

/// Whether somebody else holds the lease.
///
/// If the lease is free after all, this draws it: the check that follows must not expect it to be
/// free.
pub(super) fn is_busy(store: &dyn AccountInfo, stale: Option<&AuthSnapshot>) -> bool {
    matches!(begin(store, stale), Refresh::Busy)
}

/// The pool of a bucket.
pub(in crate::account_info) fn bucket(id: &str) -> UploadTarget {
    UploadTarget::Bucket(id.into())
}

/// An upload URL that was received this long ago.
///
/// The age is subtracted from the time of the store's clock, so that moving the clock makes the URL
/// older.
pub(in crate::account_info) fn url(name: &str, clock: &Clock, age: Duration) -> UploadUrl {
    UploadUrl {
        url: format!("https://pod.backblaze.com/{name}"),
        token: format!("upload-token-{name}").as_str().into(),
        received: Timestamp::from(clock.now()).earlier(age),
    }
}

/// Puts an upload URL, which must succeed.
pub(super) fn put(
    store: &dyn AccountInfo,
    owner: &Identity,
    target: &UploadTarget,
    url: UploadUrl,
) {
    fine("put_upload_url", store.put_upload_url(owner, target, url));
}

/// Takes an upload URL; the call must succeed, and may find none.
pub(super) fn take(
    store: &dyn AccountInfo,
    owner: &Identity,
    target: &UploadTarget,
) -> Option<UploadUrl> {
    fine("take_upload_url", store.take_upload_url(owner, target))
}

/// The buckets that the store knows, as plain text.
///
/// In the order in which the store returned them.
pub(super) fn names(store: &dyn AccountInfo, owner: &Identity) -> Vec<(String, String)> {
    fine("buckets", store.buckets(owner))
        .into_iter()
        .map(|(name, id): (String, BucketId)| (name, id.to_string()))
        .collect()
}

/// What [`names`] is expected to return.
pub(super) fn pairs(buckets: &[(&str, &str)]) -> Vec<(String, String)> {
    buckets
        .iter()
        .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()))
        .collect()
}

/// The value of a call that must succeed.
#[track_caller]
pub(super) fn fine<T>(method: &str, result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("{method} failed: {error:?}"))
}

/// Checks that a call was refused because the store holds another identity.
///
/// Success is a failure of the check as well, and shows the value that should not have been
/// returned.
#[track_caller]
pub(super) fn refused<T: fmt::Debug>(method: &str, result: Result<T, StoreError>) {
    match result {
        Err(error) if is_superseded(&error) => {}
        other => panic!("{method} for another identity is StoreError::superseded, not {other:?}"),
    }
}

/// Whether an error is [`StoreError::superseded`].
fn is_superseded(error: &StoreError) -> bool {
    matches!(error.downcast_ref::<Error>(), Some(Error::AccountChanged))
}
