//! Application keys.

use super::*;

fn create(user: &User<'_>, more: Value) -> Answer {
    let mut body = json!({ "keyName": "reader", "capabilities": ["listFiles", "readFiles"] });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    user.account_call("b2_create_key", body)
}

#[test]
fn a_key_works_until_it_is_deleted() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let key = create(&user, json!({ "bucketIds": [bucket], "namePrefix": "a/" })).ok();
    assert_eq!(key["bucketIds"], json!([bucket]));
    assert_eq!(key["namePrefix"], "a/");
    assert_eq!(key["expirationTimestamp"], Value::Null);
    let (id, secret) = (
        id_of(&key, "applicationKeyId"),
        id_of(&key, "applicationKey"),
    );
    assert_eq!((id.len(), secret.len()), (25, 31));
    let reader = User::with_key(&world, &id, &secret);
    let list = json!({ "bucketId": bucket, "prefix": "a/" });
    reader.call("b2_list_file_names", list.clone()).ok();
    let deleted = user
        .call("b2_delete_key", json!({ "applicationKeyId": id }))
        .ok();
    assert_eq!(deleted.get("applicationKey"), None);
    reader
        .call("b2_list_file_names", list)
        .refused(401, "bad_auth_token");
    authorize(&world, 4, &id, &secret).refused(401, "unauthorized");
    let again = user.call("b2_delete_key", json!({ "applicationKeyId": id }));
    again.refused(400, "bad_request");
    let master = json!({ "applicationKeyId": world.master_key().0 });
    user.call("b2_delete_key", master)
        .refused(400, "bad_request");
}

#[test]
fn bad_keys_are_refused() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    for bad in [
        json!({ "keyName": "" }),
        json!({ "keyName": "under_score" }),
        json!({ "capabilities": [] }),
        json!({ "capabilities": ["fly"] }),
        json!({ "capabilities": "listFiles" }),
        json!({ "validDurationInSeconds": 0 }),
        json!({ "validDurationInSeconds": 86_400_000 }),
        json!({ "bucketIds": [] }),
        json!({ "bucketId": bucket }),
        json!({ "bucketIds": [bucket], "capabilities": ["writeKeys"] }),
    ] {
        create(&user, bad).refused(400, "bad_request");
    }
    create(&user, json!({ "validDurationInSeconds": 86_399_999 })).ok();
    let unknown = json!({ "bucketIds": ["a70c34e19f10595d73db0e28"] });
    create(&user, unknown).refused(400, "bad_bucket_id");
    let weak = User::restricted(&world, &["writeKeys", "listFiles"], None, None);
    create(&weak, json!({})).refused(401, "unauthorized");
    create(&weak, json!({ "capabilities": ["listFiles"] })).ok();
}

#[test]
fn lists_page_without_the_master_key() {
    let world = world();
    let user = User::master(&world);
    let ids: Vec<String> = (0..3)
        .map(|_| id_of(&create(&user, json!({})).ok(), "applicationKeyId"))
        .collect();
    let list = |more: Value| user.account_call("b2_list_keys", more);
    let page = list(json!({ "maxKeyCount": 2 })).ok();
    let shown: Vec<String> = page["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| id_of(k, "applicationKeyId"))
        .collect();
    assert_eq!(shown, ids[..2]);
    assert_eq!(page["nextApplicationKeyId"], json!(ids[2]));
    let rest = list(json!({ "startApplicationKeyId": ids[2] })).ok();
    assert_eq!(rest["keys"].as_array().unwrap().len(), 1);
    assert_eq!(rest["nextApplicationKeyId"], Value::Null);
    let message = list(json!({ "maxKeyCount": 10_001 })).refused(400, "out_of_range");
    assert_eq!(message, "maxKeyCount out of range: 10001");
}

#[test]
fn older_versions_name_one_bucket() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let body = json!({ "accountId": world.account_id(), "keyName": "k",
        "capabilities": ["listFiles"], "bucketId": bucket });
    let key = user.call_version(3, "b2_create_key", body).ok();
    assert_eq!(key["bucketId"], json!(bucket));
    assert_eq!(key.get("bucketIds"), None);
    let (id, secret) = (
        id_of(&key, "applicationKeyId"),
        id_of(&key, "applicationKey"),
    );
    let v3 = authorize(&world, 3, &id, &secret).ok();
    assert_eq!(v3["apiInfo"]["storageApi"]["bucketName"], "bucket-1");

    let both = json!({ "accountId": world.account_id(), "keyName": "k",
        "capabilities": ["listFiles"], "bucketIds": [bucket] });
    user.call_version(3, "b2_create_key", both.clone())
        .refused(400, "bad_request");
    let second = user.create_bucket("bucket-2");
    let mut several = both;
    several["bucketIds"] = json!([bucket, second]);
    let several = user.call("b2_create_key", several).ok();
    let list = json!({ "accountId": world.account_id(),
        "startApplicationKeyId": several["applicationKeyId"] });
    let old = user.call_version(3, "b2_list_keys", list.clone()).ok();
    assert_eq!(old["keys"][0]["bucketId"], json!(bucket));
    let new = user.call("b2_list_keys", list).ok();
    assert_eq!(new["keys"][0]["bucketIds"], json!([bucket, second]));
}
