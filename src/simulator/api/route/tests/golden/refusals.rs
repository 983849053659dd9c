//! Error bodies: a refusal has the fixture's status, code and members.

use super::*;

#[test]
fn requests_about_buckets_are_refused_as_in_the_fixtures() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let new = json!({ "bucketName": "lantern-photos", "bucketType": "allPrivate" });
    let unknown = json!({ "bucketId": "f".repeat(24) });
    let outdated = json!({ "bucketId": id, "bucketType": "allPublic", "ifRevisionIs": 1 });
    let refused = |answer, code| assert_refused_like(answer, &format!("error/{code}"));
    refused(user.call("b2_list_buckets", json!({})), "bad_request");
    refused(user.call("b2_list_buckets", json!([])), "bad_json");
    let twice = user.account_call("b2_create_bucket", new);
    refused(twice, "duplicate_bucket_name");
    let gone = user.account_call("b2_delete_bucket", unknown);
    refused(gone, "bad_bucket_id");
    refused(user.account_call("b2_update_bucket", outdated), "conflict");
    user.upload(&id, "a", b"meow");
    let full = user.account_call("b2_delete_bucket", json!({ "bucketId": id }));
    refused(full, "cannot_delete_non_empty_bucket");
}

#[test]
fn requests_about_files_are_refused_as_in_the_fixtures() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let refused = |answer, code| assert_refused_like(answer, &format!("error/{code}"));
    refused(user.hide(&id, "2026/notes.txt"), "no_such_file");
    let file = user.upload(&id, "2026/notes.txt", b"meow");
    user.hide(&id, "2026/notes.txt").ok();
    refused(user.hide(&id, "2026/notes.txt"), "already_hidden");
    let other = json!({ "fileId": file["fileId"], "fileName": "other" });
    let other = user.call("b2_delete_file_version", other);
    refused(other, "file_not_present");
    let many = json!({ "bucketId": id, "maxFileCount": 10_001 });
    refused(user.call("b2_list_file_names", many), "out_of_range");
    refused(user.get("/file/lantern-photos/none"), "not_found");
    let headers = [
        ("Authorization", user.token.as_str()),
        ("Range", "bytes=9-"),
    ];
    let url = format!(
        "/b2api/v4/b2_download_file_by_id?fileId={}",
        id_of(&file, "fileId")
    );
    refused(get(&world, &url, &headers), "range_not_satisfiable");
}

#[test]
fn tokens_are_refused_as_in_the_fixtures() {
    let world = world();
    let user = User::master(&world);
    let refused = |answer, code| assert_refused_like(answer, &format!("error/{code}"));
    let reader = User::restricted(&world, &["listBuckets"], None, None);
    let hidden = reader.hide(&user.create_bucket("lantern-photos"), "a");
    refused(hidden, "unauthorized");
    let garbled = [("Authorization", "4_garbled")];
    let url = "/b2api/v4/b2_list_buckets";
    refused(get(&world, url, &garbled), "bad_auth_token");
    world.expire_tokens().unwrap();
    let late = user.account_call("b2_list_buckets", json!({}));
    refused(late, "expired_auth_token");
    let put = request("PUT", "/b2api/v4/b2_upload_file/a/b", &[], None);
    let put = Answer::of(handle(&world, &put, &mut Untouchable));
    refused(put, "method_not_allowed");
}
