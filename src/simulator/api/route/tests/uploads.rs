//! Small uploads: headers, checksums, and one upload at a time per URL.

use super::*;

#[test]
fn an_upload_answers_the_version() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    assert_ne!(url.url, UploadUrl::get(&user, &bucket).url);
    assert!(
        url.url
            .starts_with(&format!("http://b2.test/b2api/v4/b2_upload_file/{bucket}/"))
    );
    let info = [
        ("X-Bz-Info-src_last_modified_millis", "1709972134000"),
        ("X-Bz-Info-Color", "gr%C3%BCn+%2B"),
        ("Content-Type", "b2/x-auto"),
    ];
    let file = url.upload("docs/read%20me.txt", b"hello", &info).ok();
    assert_eq!(file["fileName"], "docs/read me.txt");
    assert_eq!(file["action"], "upload");
    assert_eq!(file["contentLength"], 5);
    assert_eq!(file["contentType"], "text/plain");
    assert_eq!(file["contentSha1"], sha1_of(b"hello"));
    assert_eq!(file["contentMd5"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(file["fileInfo"]["color"], "grün +");
    assert_eq!(file["serverSideEncryption"]["mode"], "SSE-B2");
    let retention = json!({ "mode": null, "retainUntilTimestamp": null });
    let wrapped = json!({ "isClientAuthorizedToRead": true, "value": retention });
    assert_eq!(file["fileRetention"], wrapped);
    assert_eq!(
        file["legalHold"],
        json!({ "isClientAuthorizedToRead": true, "value": null })
    );
    assert_eq!(url.upload("empty", b"", &[]).ok()["contentLength"], 0);
}

#[test]
fn a_wrong_checksum_stores_nothing() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let wrong = sha1_of(b"other");
    let answer = url.upload("a", b"hello", &[("X-Bz-Content-Sha1", &wrong)]);
    assert_eq!(
        answer.refused(400, "bad_request"),
        "Sha1 did not match data received"
    );
    let list = user
        .call("b2_list_file_versions", json!({ "bucketId": bucket }))
        .ok();
    assert_eq!(names_in(&list), [""; 0]);
    url.upload("a", b"hello", &[("X-Bz-Content-Sha1", "nonsense")])
        .refused(400, "bad_request");
    // The URL is still good.
    url.upload(
        "a",
        b"hello",
        &[("X-Bz-Content-Sha1", &sha1_of(b"hello").to_uppercase())],
    )
    .ok();
}

#[test]
fn checksums_may_follow_or_be_left_to_the_service() {
    let world = world();
    let user = User::master(&world);
    let url = UploadUrl::get(&user, &user.create_bucket("bucket-1"));
    let sha1 = sha1_of(b"hello");
    let at_end = [("X-Bz-Content-Sha1", "hex_digits_at_end")];
    let file = url
        .upload("a", format!("hello{sha1}").as_bytes(), &at_end)
        .ok();
    assert_eq!(
        (&file["contentLength"], &file["contentSha1"]),
        (&json!(5), &json!(sha1))
    );
    let wrong = format!("jello{sha1}");
    url.upload("a", wrong.as_bytes(), &at_end)
        .refused(400, "bad_request");
    url.upload("a", b"short", &at_end)
        .refused(400, "bad_request");
    let unverified = [("X-Bz-Content-Sha1", "do_not_verify")];
    let file = url.upload("a", b"hello", &unverified).ok();
    assert_eq!(file["contentSha1"], format!("unverified:{sha1}"));
}

#[test]
fn a_body_that_ends_early_stores_nothing() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let sha1 = sha1_of(b"hello");
    let headers = [
        ("X-Bz-File-Name", "a"),
        ("Content-Type", "a/b"),
        ("X-Bz-Content-Sha1", sha1.as_str()),
    ];
    url.send(&headers, 9, &mut &b"hello"[..])
        .refused(400, "bad_request");
    let list = user
        .call("b2_list_file_versions", json!({ "bucketId": bucket }))
        .ok();
    assert_eq!(names_in(&list), [""; 0]);
    url.upload("a", b"hello", &[]).ok();
}

#[test]
fn bad_heads_are_refused_before_the_body_is_read() {
    let world = world();
    let user = User::master(&world);
    let url = UploadUrl::get(&user, &user.create_bucket("bucket-1"));
    let good = [
        ("X-Bz-File-Name", "a"),
        ("Content-Type", "text/plain"),
        ("X-Bz-Content-Sha1", "do_not_verify"),
    ];
    let with = |change: (&'static str, &'static str)| {
        let mut headers: Vec<_> = good
            .into_iter()
            .filter(|(name, _)| *name != change.0)
            .collect();
        headers.push(change);
        url.send(&headers, 5, &mut Untouchable)
    };
    for change in [
        ("X-Bz-File-Name", "/a"),
        ("X-Bz-File-Name", "%zz"),
        ("X-Bz-File-Name", "ümlaut"),
        ("Content-Type", ""),
        ("X-Bz-Content-Sha1", "12"),
        (
            "X-Bz-Content-Sha1",
            "unverified:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        ),
        ("Content-Encoding", "gzip"),
        ("Expires", "now"),
        ("X-Bz-Info-src_last_modified_millis", "1e3"),
        ("X-Bz-Info-b2-expires", "now"),
        ("X-Bz-Server-Side-Encryption", "none"),
        ("X-Bz-Server-Side-Encryption-Customer-Algorithm", "AES256"),
    ] {
        with(change).refused(400, "bad_request");
    }
    with(("X-Bz-File-Retention-Mode", "governance")).refused(400, "bad_request");
    with(("X-Bz-File-Legal-Hold", "on")).refused(400, "bucket_missing_file_lock");
    with(("X-Bz-Custom-Upload-Timestamp", "1")).refused(400, "custom_timestamp_not_allowed");
    with(("Authorization", "x")).refused(401, "bad_auth_token");
    with(("X-Bz-Test-Mode", "force_cap_exceeded")).refused(403, "cap_exceeded");
    for missing in 0..good.len() {
        let headers: Vec<_> = good.into_iter().filter(|h| *h != good[missing]).collect();
        url.send(&headers, 5, &mut Untouchable)
            .refused(400, "bad_request");
    }
    let mut chunked = good.to_vec();
    chunked.push(("Authorization", &url.token));
    let chunked = request("POST", &url.url, &chunked, None);
    Answer::of(handle(&world, &chunked, &mut Untouchable)).refused(400, "bad_request");
}

#[test]
fn a_token_opens_only_its_own_url_for_a_day() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let (one, two) = (
        UploadUrl::get(&user, &bucket),
        UploadUrl::get(&user, &bucket),
    );
    one.upload("a", b"x", &[("Authorization", &two.token)])
        .refused(401, "bad_auth_token");
    one.upload("a", b"x", &[("Authorization", &user.token)])
        .refused(401, "bad_auth_token");
    world.clock().advance(DAY);
    one.upload("a", b"x", &[])
        .refused(401, "expired_auth_token");
    let user = User::master(&world);
    let three = UploadUrl::get(&user, &bucket);
    world.drop_upload_urls().unwrap();
    three.upload("a", b"x", &[]).refused(401, "bad_auth_token");
}

/// A body during which something else happens.
struct Meanwhile<F: FnMut()>(F, &'static [u8]);

impl<F: FnMut()> Read for Meanwhile<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.0)();
        self.1.read(buffer)
    }
}

#[test]
fn a_url_takes_one_upload_at_a_time() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let headers = [
        ("X-Bz-File-Name", "a"),
        ("Content-Type", "a/b"),
        ("X-Bz-Content-Sha1", "do_not_verify"),
    ];
    let second = || {
        let message = url
            .send(&headers, 5, &mut Untouchable)
            .refused(400, "auth_token_limit");
        assert_eq!(
            message,
            format!("more than one upload using auth token {}", url.token)
        );
    };
    url.send(&headers, 5, &mut Meanwhile(second, b"hello")).ok();
    url.upload("b", b"x", &[]).ok();
}

#[test]
fn versions_of_a_name_never_share_a_time() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let times: Vec<u64> = (0..20)
        .map(|_| {
            url.upload("a", b"x", &[]).ok()["uploadTimestamp"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn a_bucket_deleted_meanwhile_takes_no_upload() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let headers = [
        ("X-Bz-File-Name", "a"),
        ("Content-Type", "a/b"),
        ("X-Bz-Content-Sha1", "do_not_verify"),
    ];
    let mut is_there = true;
    let delete = || {
        if std::mem::take(&mut is_there) {
            user.account_call("b2_delete_bucket", json!({ "bucketId": bucket }))
                .ok();
        }
    };
    let answer = url.send(&headers, 5, &mut Meanwhile(delete, b"hello"));
    answer.refused(400, "bad_bucket_id");
}

#[test]
fn many_threads_are_served_at_once() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let url = UploadUrl::get(&user, &bucket);
                for _ in 0..25 {
                    let file = url.upload("a", b"x", &[]).ok();
                    user.call("b2_list_file_names", json!({ "bucketId": bucket }))
                        .ok();
                    user.get("/file/bucket-1/a");
                    if file["uploadTimestamp"].as_u64().unwrap().is_multiple_of(5) {
                        let body = json!({ "fileName": "a", "fileId": file["fileId"] });
                        user.call("b2_delete_file_version", body).ok();
                    }
                }
            });
        }
    });
    let body = json!({ "bucketId": bucket, "maxFileCount": 1000 });
    let page = user.call("b2_list_file_versions", body).ok();
    let times: Vec<u64> = page["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["uploadTimestamp"].as_u64().unwrap())
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{times:?}");
}

/// Section 2.0: what the key may not do is told before what is wrong with the request.
#[test]
fn authorization_is_judged_before_other_headers() {
    let world = world();
    let master = User::master(&world);
    let bucket = master.create_bucket("bucket-1");
    let user = User::restricted(&world, &["writeFiles"], None, Some("mine/"));
    let url = UploadUrl::get(&user, &bucket);
    let send = |more: &[(&str, &str)]| url.send(more, 5, &mut Untouchable);
    let wrong = ("Content-Encoding", "gzip");
    send(&[("X-Bz-File-Name", "other"), wrong]).refused(401, "unauthorized");
    let held = [
        ("X-Bz-File-Name", "mine/a"),
        ("X-Bz-File-Legal-Hold", "on"),
        wrong,
    ];
    send(&held).refused(401, "unauthorized");
    send(&[("X-Bz-File-Name", "mine/a"), wrong]).refused(400, "bad_request");
}
