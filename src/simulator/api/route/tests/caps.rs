//! Caps and the expiry of keys, in the service's own words.

use super::*;
use crate::simulator::account::caps::Caps;

#[test]
fn the_service_says_which_cap_is_exceeded() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    user.upload(&bucket, "a", b"12345");
    world.set_caps(Caps::new().storage(5).class_b(0).class_c(0));
    let told = user
        .call("b2_get_upload_url", json!({ "bucketId": bucket }))
        .refused(403, "storage_cap_exceeded");
    assert_eq!(told, "Cannot upload or copy files, storage cap exceeded.");
    let told = user
        .account_call("b2_list_buckets", json!({}))
        .refused(403, "transaction_cap_exceeded");
    assert_eq!(
        told,
        "Cannot perform the operation, transaction cap exceeded."
    );
    let url = "/file/bucket-1/a";
    let told =
        get(&world, url, &[("Authorization", &user.token)]).refused(403, "download_cap_exceeded");
    assert!(told.ends_with("See the Caps & Alerts page to increase your cap."));
    // Who may not call learns no more than that.
    get(&world, url, &[("Authorization", "x")]).refused(401, "bad_auth_token");
}

#[test]
fn a_key_that_expires_takes_its_tokens_along() {
    let world = world();
    let (id, secret) = world
        .create_key("k", &["listBuckets"], None, None, None)
        .unwrap();
    let user = User::with_key(&world, &id, &secret);
    user.account_call("b2_list_buckets", json!({})).ok();
    world.expire_key(&id).unwrap();
    user.account_call("b2_list_buckets", json!({}))
        .refused(401, "expired_auth_token");
    world.delete_key(&id).unwrap();
    user.account_call("b2_list_buckets", json!({}))
        .refused(401, "bad_auth_token");
    let master = world.master_key().0;
    for gone in [&*id, &master, "none"] {
        let error = world.expire_key(gone).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
