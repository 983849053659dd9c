//! Authorizing in the four versions of the API.

use super::*;

#[test]
fn each_version_answers_the_master_key_in_its_own_shape() {
    let world = world();
    let (id, key) = world.master_key();
    for version in 1..=4 {
        let answer = authorize(&world, version, &id, &key).ok();
        let path = format!("b2_authorize_account/response_v{version}_master");
        assert_like(&answer, &path);
    }
}

#[test]
fn each_version_answers_a_restricted_key_in_its_own_shape() {
    let world = world();
    let bucket = User::master(&world).create_bucket("lantern-photos");
    for (version, prefix) in [(1, None), (2, Some("2026/")), (3, Some("2026/"))] {
        let bucket = Some(vec![bucket.clone()]);
        let prefix = prefix.map(str::to_owned);
        let (id, key) = world
            .create_key("one", &["listFiles"], bucket, prefix, None)
            .unwrap();
        let answer = authorize(&world, version, &id, &key).ok();
        let path = format!("b2_authorize_account/response_v{version}_restricted");
        assert_like(&answer, &path);
    }
}

#[test]
fn version_4_names_several_buckets_even_a_deleted_one() {
    let world = world();
    let master = User::master(&world);
    let buckets = ["lantern-photos", "attic-2021"].map(|name| master.create_bucket(name));
    let key = world.create_key(
        "two",
        &["listFiles"],
        Some(buckets.to_vec()),
        Some("2026/".to_owned()),
        Some(3600),
    );
    let (id, key) = key.unwrap();
    let [_, gone] = &buckets;
    let request = json!({ "bucketId": gone });
    master.account_call("b2_delete_bucket", request).ok();
    let answer = authorize(&world, 4, &id, &key).ok();
    assert_like(&answer, "b2_authorize_account/response_v4_restricted");
}
