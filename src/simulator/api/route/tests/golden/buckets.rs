//! Buckets: what is asked for and what is shown.

use super::*;

#[test]
fn a_new_bucket_is_shown_as_in_the_fixture() {
    let world = world();
    let bucket = create(&User::master(&world), "b2_create_bucket/request_minimal");
    assert_like(&bucket, "b2_create_bucket/response_minimal");
}

#[test]
fn a_new_bucket_of_the_past_is_not_encrypted() {
    let world = old_world();
    let bucket = create(&User::master(&world), "b2_create_bucket/request_minimal");
    assert_like(&bucket, "b2_create_bucket/response_before_2026_09");
}

#[test]
fn a_new_bucket_shows_its_rules() {
    let world = world();
    let bucket = create(&User::master(&world), "b2_create_bucket/request_full");
    assert_like(&bucket, "b2_create_bucket/response_full");
}

#[test]
fn rules_come_back_as_they_were_sent() {
    let world = world();
    let bucket = create(&User::master(&world), "b2_create_bucket/request_full");
    let sent = fixture("b2_create_bucket/request_full");
    for member in ["bucketInfo", "corsRules", "lifecycleRules"] {
        assert_eq!(bucket[member], sent[member], "{member}");
    }
}

#[test]
fn updates_and_deletions_answer_the_bucket() {
    let world = world();
    let user = User::master(&world);
    let bucket = create(&user, "b2_create_bucket/request_minimal");
    let id = id_of(&bucket, "bucketId");
    for (what, revision) in [("minimal", 3), ("full", 4), ("cleared", 5)] {
        let request = format!("b2_update_bucket/request_{what}");
        let shown = call(&user, &request, &id, &Value::Null);
        assert_eq!(shown["revision"], revision);
        assert_like(&shown, &format!("b2_update_bucket/response_{what}"));
    }
    let shown = call(&user, "b2_delete_bucket/request", &id, &Value::Null);
    assert_like(&shown, "b2_delete_bucket/response");
}

#[test]
fn a_listing_shows_buckets_of_before_and_after_2026_09() {
    let world = old_world();
    let user = User::master(&world);
    user.create_bucket("attic-2021");
    let mut request = request_of(&user, "b2_create_bucket/request_full", "", &Value::Null);
    request["defaultServerSideEncryption"] = json!({ "algorithm": "AES256", "mode": "SSE-B2" });
    user.call("b2_create_bucket", request).ok();
    let shown = call(&user, "b2_list_buckets/request_all", "", &Value::Null);
    assert_like(&shown, "b2_list_buckets/response_several");
}

#[test]
fn one_bucket_is_found_by_the_fixtures_requests() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    for by in ["name", "id"] {
        let path = format!("b2_list_buckets/request_by_{by}");
        let shown = call(&user, &path, &id, &Value::Null);
        assert_eq!(shown["buckets"][0]["bucketId"], id.as_str(), "{by}");
    }
}

#[test]
fn an_account_without_buckets_lists_none() {
    let world = world();
    let user = User::master(&world);
    let shown = call(&user, "b2_list_buckets/request_all", "", &Value::Null);
    assert_like(&shown, "b2_list_buckets/response_empty");
}

#[test]
fn what_a_key_may_not_read_is_wrapped() {
    let world = world();
    User::master(&world).create_bucket("lantern-photos");
    let reader = User::restricted(&world, &["listBuckets"], None, None);
    let shown = call(&reader, "b2_list_buckets/request_all", "", &Value::Null);
    assert_like(&shown, "b2_list_buckets/response_unreadable");
}
