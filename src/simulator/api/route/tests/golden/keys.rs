//! Application keys, and tokens for those who have none.

use super::*;

/// Makes the key of the fixture, for a bucket of its own.
fn create_key(user: &User<'_>) -> Value {
    let bucket = user.create_bucket("lantern-photos");
    let mut request = request_of(user, "b2_create_key/request", "", &Value::Null);
    request["bucketIds"] = json!([bucket]);
    user.call("b2_create_key", request).ok()
}

#[test]
fn a_new_key_comes_with_its_secret() {
    let world = world();
    let key = create_key(&User::master(&world));
    assert_like(&key, "b2_create_key/response");
}

#[test]
fn keys_are_listed_without_secrets() {
    let world = world();
    let user = User::master(&world);
    create_key(&user);
    let unrestricted = json!({ "capabilities": ["listFiles"], "keyName": "everything" });
    user.account_call("b2_create_key", unrestricted).ok();
    let page = call(&user, "b2_list_keys/request", "", &Value::Null);
    assert_like(&page, "b2_list_keys/response");
}

#[test]
fn a_deleted_key_is_shown_once_more() {
    let world = world();
    let user = User::master(&world);
    let mut request = fixture("b2_delete_key/request");
    request["applicationKeyId"] = create_key(&user)["applicationKeyId"].clone();
    let shown = user.call("b2_delete_key", request).ok();
    assert_like(&shown, "b2_delete_key/response");
}

#[test]
fn a_download_token_is_shown_with_what_it_opens() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let request = "b2_get_download_authorization/request";
    let shown = call(&user, request, &id, &Value::Null);
    assert_like(&shown, "b2_get_download_authorization/response");
}
