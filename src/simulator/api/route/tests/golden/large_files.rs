//! Large files and their parts.

use super::*;

/// A service with parts of any size.
fn world_of_small_parts(encrypt_by_default: bool) -> World {
    World::in_memory(Settings {
        absolute_minimum_part_size: 1,
        encrypt_by_default,
        ..Settings::default()
    })
}

/// Starts a large file and uploads that many parts; the last one is shown.
fn upload_parts(user: &User<'_>, count: u32) -> (Value, Value) {
    let started = start_large_file(user, &user.create_bucket("lantern-photos"));
    let url = call(user, "b2_get_upload_part_url/request", "", &started);
    assert_like(&url, "b2_get_upload_part_url/response");
    let url = UploadUrl::of(user.world, &url);
    let sha1 = sha1_of(b"part");
    let parts = (1..=count).map(|number| {
        let number = number.to_string();
        let headers = [("X-Bz-Part-Number", &*number), ("X-Bz-Content-Sha1", &sha1)];
        url.send(&headers, 4, &mut &b"part"[..]).ok()
    });
    let mut parts: Vec<Value> = parts.collect();
    (started, parts.pop().unwrap())
}

#[test]
fn a_start_is_shown_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let started = start_large_file(&user, &user.create_bucket("lantern-photos"));
    assert_like(&started, "b2_start_large_file/response");
}

#[test]
fn a_part_is_shown_as_in_the_fixture() {
    for (encrypts, path) in [(true, "response"), (false, "response_before_2026_09")] {
        let world = world_of_small_parts(encrypts);
        let (_, part) = upload_parts(&User::master(&world), 1);
        assert_like(&part, &format!("b2_upload_part/{path}"));
    }
}

#[test]
fn parts_are_listed_page_by_page() {
    let world = world_of_small_parts(true);
    let user = User::master(&world);
    let (started, _) = upload_parts(&user, 3);
    let mut request = request_of(&user, "b2_list_parts/request", "", &started);
    let page = user.call("b2_list_parts", request.clone()).ok();
    assert_like(&page, "b2_list_parts/response");
    request["startPartNumber"] = page["nextPartNumber"].clone();
    let page = user.call("b2_list_parts", request).ok();
    assert_like(&page, "b2_list_parts/response_last_page");
}

#[test]
fn a_finished_large_file_has_no_checksums() {
    let world = world_of_small_parts(true);
    let user = User::master(&world);
    let (started, _) = upload_parts(&user, 2);
    let finished = call(&user, "b2_finish_large_file/request", "", &started);
    assert_like(&finished, "b2_finish_large_file/response");
    let shown = call(&user, "b2_get_file_info/request", "", &finished);
    assert_like(&shown, "b2_get_file_info/response_large_file");
}

#[test]
fn a_cancelled_large_file_is_named() {
    let world = world();
    let user = User::master(&world);
    let started = start_large_file(&user, &user.create_bucket("lantern-photos"));
    let shown = call(&user, "b2_cancel_large_file/request", "", &started);
    assert_like(&shown, "b2_cancel_large_file/response");
}

#[test]
fn unfinished_large_files_are_listed() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    for _ in 0..2 {
        start_large_file(&user, &id);
    }
    let request = "b2_list_unfinished_large_files/request";
    let page = call(&user, request, &id, &Value::Null);
    assert_like(&page, "b2_list_unfinished_large_files/response");
}

#[test]
fn a_copied_part_is_shown_as_in_the_fixture() {
    let world = world_of_small_parts(true);
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let source = user.upload(&id, "a", b"meow");
    let started = start_large_file(&user, &id);
    let mut request = request_of(&user, "b2_copy_part/request", "", &started);
    request["sourceFileId"] = source["fileId"].clone();
    request["largeFileId"] = started["fileId"].clone();
    let part = user.call("b2_copy_part", request).ok();
    assert_like(&part, "b2_copy_part/response");
}
