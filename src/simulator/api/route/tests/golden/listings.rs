//! Pages of names and of versions.

use super::*;

#[test]
fn names_are_listed_with_folders() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    upload(&user, &id);
    for name in ["2026/läuft.txt", "2026/Nacht/1", "2026/notes.txt"] {
        let encoded: String = decode::encode(name);
        UploadUrl::get(&user, &id)
            .upload(&encoded, b"meow", &[])
            .ok();
    }
    let mut request = request_of(&user, "b2_list_file_names/request_full", &id, &Value::Null);
    request["startFileName"] = Value::Null;
    let page = user.call("b2_list_file_names", request).ok();
    assert_eq!(names_in(&page), ["2026/März/", "2026/Nacht/"]);
    assert_eq!(page["nextFileName"], "2026/läuft.txt");
}

#[test]
fn a_page_of_names_is_shown_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    upload(&user, &id);
    for name in ["2026/notes.txt", "2026/other.txt"] {
        user.upload(&id, name, b"meow");
    }
    let page = call(&user, "b2_list_file_names/request_full", &id, &Value::Null);
    assert_like(&page, "b2_list_file_names/response_folders");
}

#[test]
fn the_last_page_of_names_says_so() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    upload(&user, &id);
    let page = call(
        &user,
        "b2_list_file_names/request_minimal",
        &id,
        &Value::Null,
    );
    assert_like(&page, "b2_list_file_names/response_last_page");
}

#[test]
fn rows_of_the_past_are_not_encrypted() {
    let world = old_world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let header = [("X-Bz-Content-Sha1", "do_not_verify")];
    UploadUrl::get(&user, &id)
        .upload("a", b"meow", &header)
        .ok();
    let page = call(
        &user,
        "b2_list_file_names/request_minimal",
        &id,
        &Value::Null,
    );
    assert_like(&page, "b2_list_file_names/response_before_2026_09");
}

#[test]
fn a_page_may_be_empty_and_not_the_last() {
    let world = World::in_memory(Settings {
        listing_scan_limit: 1,
        ..Settings::default()
    });
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    for name in ["a", "b", "c"] {
        user.upload(&id, name, b"meow");
        user.hide(&id, name).ok();
    }
    let page = call(
        &user,
        "b2_list_file_names/request_minimal",
        &id,
        &Value::Null,
    );
    assert_like(&page, "b2_list_file_names/response_short_page");
}

#[test]
fn versions_are_listed_in_all_kinds_of_rows() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    user.upload(&id, "2026/a", b"meow");
    start_large_file(&user, &id);
    user.upload(&id, "notes.txt", b"meow");
    user.upload(&id, "notes.txt", b"meow");
    user.hide(&id, "notes.txt").ok();
    let request = json!({ "bucketId": id, "delimiter": "/", "maxFileCount": 4 });
    let page = user.call("b2_list_file_versions", request).ok();
    assert_like(&page, "b2_list_file_versions/response_all_kinds");
}

#[test]
fn a_page_of_versions_before_a_folder_names_no_version() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    user.upload(&id, "2026.txt", b"meow");
    user.upload(&id, "2027/a", b"meow");
    let request = json!({ "bucketId": id, "delimiter": "/", "maxFileCount": 1 });
    let page = user.call("b2_list_file_versions", request).ok();
    assert_like(&page, "b2_list_file_versions/response_before_folder");
}

#[test]
fn a_listing_of_versions_goes_on_where_the_fixture_says() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    user.upload(&id, "2026/a", b"meow");
    let file = user.upload(&id, "2026/notes.txt", b"meow");
    let page = call(&user, "b2_list_file_versions/request_full", &id, &file);
    assert_eq!(names_in(&page), ["2026/notes.txt"]);
}

#[test]
fn a_bucket_without_versions_lists_none() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let page = call(
        &user,
        "b2_list_file_versions/request_minimal",
        &id,
        &Value::Null,
    );
    assert_like(&page, "b2_list_file_versions/response_empty");
}
