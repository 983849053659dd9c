//! Authorizing, tokens and their ends, restrictions.

use super::*;

#[test]
fn each_version_nests_the_answer_its_own_way() {
    let world = world();
    let (id, key) = world.master_key();
    let v4 = authorize(&world, 4, &id, &key).ok();
    assert_eq!(v4["accountId"], world.account_id());
    let api = &v4["apiInfo"]["storageApi"];
    assert_eq!(api["absoluteMinimumPartSize"], 5_000_000);
    assert_eq!(api["allowed"]["buckets"], Value::Null);
    assert_eq!(api["apiUrl"], "http://b2.test");
    assert_eq!(v4["authorizationToken"].as_str().unwrap().len(), 77);

    let v3 = authorize(&world, 3, &id, &key).ok();
    assert_eq!(v3["apiInfo"]["storageApi"]["infoType"], "storageApi");
    assert_eq!(v3["apiInfo"]["storageApi"]["bucketId"], Value::Null);

    let v2 = authorize(&world, 2, &id, &key).ok();
    assert_eq!(v2["recommendedPartSize"], 100_000_000);
    assert!(
        v2["allowed"]["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("writeFiles"))
    );
    assert_eq!(v2.get("minimumPartSize"), None);
    assert_eq!(
        authorize(&world, 1, &id, &key).ok()["minimumPartSize"],
        100_000_000
    );
    authorize(&world, 4, world.account_id(), &key).ok();
}

#[test]
fn wrong_credentials_are_unauthorized_and_malformed_ones_bad() {
    let world = world();
    let (id, key) = world.master_key();
    for answer in [
        authorize(&world, 4, &id, "K002wrong"),
        authorize(&world, 4, "002x", &key),
    ] {
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some("BASIC realm=\"authorize_account\"")
        );
        assert_eq!(answer.refused(401, "unauthorized"), "");
    }
    let url = "/b2api/v4/b2_authorize_account";
    for value in ["Basic ???", "Bearer x", "Basic bm9jb2xvbg=="] {
        let answer = get(&world, url, &[("Authorization", value)]);
        assert_eq!(answer.refused(401, "bad_auth_token"), "");
    }
    get(&world, url, &[]).refused(401, "bad_auth_token");
}

#[test]
fn a_key_for_several_buckets_needs_version_4() {
    let world = world();
    let user = User::master(&world);
    let ids = vec![
        user.create_bucket("bucket-1"),
        user.create_bucket("bucket-2"),
    ];
    let (id, key) = world
        .create_key("k", &["listFiles"], Some(ids.clone()), None, None)
        .unwrap();
    authorize(&world, 3, &id, &key).refused(401, "unsupported");
    let body = json!({ "bucketId": ids[0] });
    user.account_call("b2_delete_bucket", body).ok();
    let answer = authorize(&world, 4, &id, &key).ok();
    let buckets = &answer["apiInfo"]["storageApi"]["allowed"]["buckets"];
    let expected = json!([{ "id": ids[0], "name": null }, { "id": ids[1], "name": "bucket-2" }]);
    assert_eq!(*buckets, expected);
}

#[test]
fn account_tokens_end_by_age_by_hand_and_with_their_key() {
    let world = world();
    let list = |user: &User<'_>| user.account_call("b2_list_buckets", json!({}));
    let user = User::master(&world);
    list(&user).ok();
    world.clock().advance(DAY);
    let message = list(&user).refused(401, "expired_auth_token");
    assert_eq!(message, "Authorization token has expired");

    let user = User::master(&world);
    world.expire_tokens().unwrap();
    list(&user).refused(401, "expired_auth_token");
    list(&User::master(&world)).ok();

    let user = User::master(&world);
    world.revoke_tokens().unwrap();
    let message = list(&user).refused(401, "bad_auth_token");
    assert_eq!(message, "Invalid authorization token");

    let (id, key) = world
        .create_key("k", &["listBuckets"], None, None, Some(60))
        .unwrap();
    let user = User::with_key(&world, &id, &key);
    list(&user).ok();
    world.clock().advance(Duration::from_secs(61));
    list(&user).refused(401, "expired_auth_token");
    authorize(&world, 4, &id, &key).refused(401, "unauthorized");
}

#[test]
fn a_bad_token_is_refused_before_the_body_is_read() {
    let world = world();
    let url = "/b2api/v4/b2_list_buckets";
    let bad = request("POST", url, &[("authorization", "x")], Some(9));
    Answer::of(handle(&world, &bad, &mut Untouchable)).refused(401, "bad_auth_token");
    let none = request("POST", url, &[], Some(9));
    Answer::of(handle(&world, &none, &mut Untouchable)).refused(401, "missing_auth_token");
    let user = User::restricted(&world, &["listFiles"], None, None);
    let weak = request("POST", url, &[("authorization", &user.token)], Some(9));
    let answer = Answer::of(handle(&world, &weak, &mut Untouchable));
    assert_eq!(answer.refused(401, "unauthorized"), "");
}

#[test]
fn a_bucket_restriction_bites_on_buckets_and_files() {
    let world = world();
    let master = User::master(&world);
    let (mine, other) = (
        master.create_bucket("bucket-1"),
        master.create_bucket("bucket-2"),
    );
    let file = master.upload(&other, "a", b"x");
    let capabilities = [
        "listBuckets",
        "listFiles",
        "readFiles",
        "deleteFiles",
        "writeFiles",
    ];
    let user = User::restricted(&world, &capabilities, Some(&mine), None);
    let list = |bucket: &str| user.call("b2_list_file_names", json!({ "bucketId": bucket }));
    list(&mine).ok();
    list(&other).refused(401, "unauthorized");
    let id = json!({ "fileId": file["fileId"], "fileName": "a" });
    user.call("b2_get_file_info", id.clone())
        .refused(401, "unauthorized");
    user.call("b2_delete_file_version", id)
        .refused(401, "unauthorized");
    user.call("b2_get_upload_url", json!({ "bucketId": other }))
        .refused(401, "unauthorized");

    user.account_call("b2_list_buckets", json!({}))
        .refused(401, "unauthorized");
    let by_name = |name: &str| user.account_call("b2_list_buckets", json!({ "bucketName": name }));
    assert_eq!(
        by_name("BUCKET-1").ok()["buckets"][0]["bucketId"],
        json!(mine)
    );
    by_name("bucket-2").refused(401, "unauthorized");
    let v1 = json!({ "accountId": world.account_id() });
    let v1 = user.call_version(1, "b2_list_buckets", v1).ok();
    assert_eq!(v1["buckets"].as_array().unwrap().len(), 1);
}

#[test]
fn a_prefix_restriction_bites_on_every_name() {
    let world = world();
    let master = User::master(&world);
    let bucket = master.create_bucket("bucket-1");
    let hidden = master.upload(&bucket, "other/x", b"x");
    master.upload(&bucket, "mine/x", b"x");
    let all = [
        "listFiles",
        "readFiles",
        "deleteFiles",
        "writeFiles",
        "shareFiles",
    ];
    let user = User::restricted(&world, &all, Some(&bucket), Some("mine/"));

    let list = |version, prefix: Value| {
        let body = json!({ "bucketId": bucket, "prefix": prefix });
        user.call_version(version, "b2_list_file_names", body)
    };
    list(4, Value::Null).refused(401, "unauthorized");
    list(4, json!("mine")).refused(401, "unauthorized");
    assert_eq!(names_in(&list(4, json!("mine/")).ok()), ["mine/x"]);
    assert_eq!(names_in(&list(1, Value::Null).ok()), ["mine/x"]);
    assert_eq!(names_in(&list(1, json!("other/")).ok()), [""; 0]);

    let url = UploadUrl::get(&user, &bucket);
    url.upload("mine/y", b"y", &[]).ok();
    url.upload("other/y", b"y", &[])
        .refused(401, "unauthorized");
    user.hide(&bucket, "other/x").refused(401, "unauthorized");
    let id = json!({ "fileId": hidden["fileId"], "fileName": "other/x" });
    user.call("b2_get_file_info", id.clone())
        .refused(401, "unauthorized");
    user.call("b2_delete_file_version", id)
        .refused(401, "unauthorized");
    let share = json!({ "bucketId": bucket, "fileNamePrefix": "", "validDurationInSeconds": 9 });
    user.call("b2_get_download_authorization", share)
        .refused(401, "unauthorized");
    user.get("/file/bucket-1/other/x")
        .refused(401, "unauthorized");
    assert_eq!(user.get("/file/bucket-1/mine/x").body, b"x");
    let start = json!({ "bucketId": bucket, "fileName": "other/l", "contentType": "a/b" });
    user.call("b2_start_large_file", start)
        .refused(401, "unauthorized");
}

#[test]
fn caps_can_be_forced() {
    let world = world();
    let user = User::master(&world);
    let url = format!("/b2api/v4/b2_list_buckets?accountId={}", world.account_id());
    let headers = [
        ("Authorization", user.token.as_str()),
        ("X-Bz-Test-Mode", "force_cap_exceeded"),
    ];
    get(&world, &url, &headers).refused(403, "cap_exceeded");
}
