//! Uploads, and what is said about single versions.

use super::*;

#[test]
fn an_upload_url_is_shown_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let shown = call(&user, "b2_get_upload_url/request", &id, &Value::Null);
    assert_like(&shown, "b2_get_upload_url/response");
}

#[test]
fn the_headers_of_an_upload_are_understood() {
    let world = world();
    let user = User::master(&world);
    let shown = upload(&user, &user.create_bucket("lantern-photos"));
    let expected = fixture("b2_upload_file/response_full");
    for member in [
        "contentLength",
        "contentMd5",
        "contentSha1",
        "contentType",
        "fileInfo",
        "fileName",
    ] {
        assert_eq!(shown[member], expected[member], "{member}");
    }
    assert_like(&shown, "b2_upload_file/response_full");
}

#[test]
fn an_upload_of_the_past_is_not_encrypted() {
    let world = old_world();
    let user = User::master(&world);
    let shown = upload(&user, &user.create_bucket("lantern-photos"));
    assert_like(&shown, "b2_upload_file/response_before_2026_09");
}

#[test]
fn a_checksum_that_was_not_to_be_compared_is_unverified() {
    let world = world();
    let user = User::master(&world);
    let url = UploadUrl::get(&user, &user.create_bucket("lantern-photos"));
    let header = [("X-Bz-Content-Sha1", "do_not_verify")];
    let shown = url.upload("a", b"meow", &header).ok();
    assert_like(&shown, "b2_upload_file/response_unverified");
}

#[test]
fn an_uploader_who_may_not_read_locks_sees_wrappers() {
    let world = world();
    let id = User::master(&world).create_bucket("lantern-photos");
    let writer = User::restricted(&world, &["writeFiles"], None, None);
    let shown = writer.upload(&id, "a", b"meow");
    assert_like(&shown, "b2_upload_file/response_unreadable_lock");
}

#[test]
fn a_hide_marker_is_shown_as_recorded() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    user.upload(&id, "2026/notes.txt", b"meow");
    let marker = call(&user, "b2_hide_file/request", &id, &Value::Null);
    assert_like(&marker, "b2_hide_file/response");
    let shown = call(&user, "b2_get_file_info/request", &id, &marker);
    assert_like(&shown, "b2_get_file_info/response_hide");
}

#[test]
fn a_file_is_described_as_when_it_was_uploaded() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let file = upload(&user, &id);
    let shown = call(&user, "b2_get_file_info/request", &id, &file);
    assert_like(&shown, "b2_get_file_info/response_upload");
}

#[test]
fn a_deletion_names_what_is_gone() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let file = user.upload(&id, "2026/notes.txt", b"meow");
    let shown = call(&user, "b2_delete_file_version/request", &id, &file);
    assert_like(&shown, "b2_delete_file_version/response");
}

#[test]
fn a_copy_is_shown_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let file = user.upload(&id, "a", b"meow");
    let shown = call(&user, "b2_copy_file/request", &id, &file);
    assert_like(&shown, "b2_copy_file/response");
}
