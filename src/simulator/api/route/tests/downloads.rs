//! Downloads: access, ranges, headers, shared tokens.

use super::*;

const DATA: &[u8] = b"0123456789";

fn with_file(world: &World) -> (User<'_>, String, Value) {
    let user = User::master(world);
    let bucket = user.create_bucket("bucket-1");
    let info = [
        ("X-Bz-Info-color", "light%20bl%C3%BCe"),
        ("X-Bz-Info-b2-cache-control", "max-age=7"),
    ];
    let file = UploadUrl::get(&user, &bucket)
        .upload("dir/a b.txt", DATA, &info)
        .ok();
    (user, bucket, file)
}

#[test]
fn a_file_comes_with_its_headers() {
    let world = world();
    let (user, _, file) = with_file(&world);
    let by_name = user.get("/file/bucket-1/dir/a+b.txt");
    let id = id_of(&file, "fileId");
    let by_id = user.get(&format!("/b2api/v4/b2_download_file_by_id?fileId={id}"));
    for answer in [by_name, by_id] {
        assert_eq!((answer.status, answer.body.as_slice()), (200, DATA));
        assert_eq!(answer.header("Content-Type"), Some("text/plain"));
        assert_eq!(answer.header("X-Bz-File-Id"), Some(id.as_str()));
        assert_eq!(answer.header("X-Bz-File-Name"), Some("dir/a+b.txt"));
        assert_eq!(
            answer.header("X-Bz-Content-Sha1"),
            Some(sha1_of(DATA).as_str())
        );
        assert_eq!(answer.header("X-Bz-Info-color"), Some("light+bl%C3%BCe"));
        assert_eq!(answer.header("X-Bz-Info-b2-cache-control"), None);
        assert_eq!(answer.header("Cache-Control"), Some("max-age=7"));
        assert_eq!(answer.header("X-Bz-Server-Side-Encryption"), Some("AES256"));
        let time = file["uploadTimestamp"].to_string();
        assert_eq!(answer.header("X-Bz-Upload-Timestamp"), Some(time.as_str()));
    }
    let post = user.call("b2_download_file_by_id", json!({ "fileId": id }));
    assert_eq!(post.body, DATA);
}

#[test]
fn head_answers_what_get_answers() {
    let world = world();
    let (user, ..) = with_file(&world);
    let authorization = [("Authorization", user.token.as_str())];
    let request = request("HEAD", "/file/bucket-1/dir/a%20b.txt", &authorization, None);
    let reply = handle(&world, &request, &mut Untouchable);
    assert!(matches!(reply.body, ReplyBody::Stream(_, 10)));
    head(&world, "/file/bucket-1/missing", &authorization).refused(404, "not_found");
}

#[test]
fn ranges_are_cut_or_refused() {
    let world = world();
    let (user, bucket, _) = with_file(&world);
    let range = |range: &str| {
        let headers = [("Authorization", user.token.as_str()), ("Range", range)];
        get(&world, "/file/bucket-1/dir/a%20b.txt", &headers)
    };
    let answer = range("bytes=2-4");
    assert_eq!((answer.status, answer.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(answer.header("Content-Range"), Some("bytes 2-4/10"));
    assert_eq!(
        answer.header("X-Bz-Content-Sha1"),
        Some(sha1_of(DATA).as_str())
    );
    assert_eq!(
        range("bytes=8-99").header("Content-Range"),
        Some("bytes 8-9/10")
    );
    assert_eq!(range("bytes=-3").body, b"789");
    range("bytes=10-").refused(416, "range_not_satisfiable");
    assert_eq!(range("bytes=5-2").status, 200);
    user.upload(&bucket, "empty", b"");
    let headers = [
        ("Authorization", user.token.as_str()),
        ("Range", "bytes=0-0"),
    ];
    get(&world, "/file/bucket-1/empty", &headers).refused(416, "range_not_satisfiable");
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = world();
    let (user, bucket, file) = with_file(&world);
    let message = user.get("/file/bucket-1/missing").refused(404, "not_found");
    assert_eq!(message, "File with such name does not exist.");
    user.get("/file/no-such-bucket/a").refused(404, "not_found");
    let message = user.get("/file/bucket-1/").refused(400, "bad_request");
    assert_eq!(message, "File names must contain at least one character");
    user.get("/file/bucket-1/dir/").refused(400, "bad_request");
    user.get("/file/bucket-1/%ff").refused(400, "bad_request");
    let by_id = |id: &str| user.get(&format!("/b2api/v4/b2_download_file_by_id?fileId={id}"));
    assert_eq!(
        by_id("bad-id").refused(400, "bad_request"),
        "Invalid fileId: bad-id"
    );
    let unknown = id_of(&file, "fileId").replace("_f1", "_f4");
    by_id(&unknown).refused(404, "not_found");
    let marker = user.hide(&bucket, "dir/a b.txt").ok();
    user.get("/file/bucket-1/dir/a%20b.txt")
        .refused(404, "not_found");
    by_id(&id_of(&marker, "fileId")).refused(404, "not_found");
    assert_eq!(by_id(&id_of(&file, "fileId")).body, DATA);
}

#[test]
fn private_needs_a_token_public_does_not() {
    let world = world();
    let (user, bucket, file) = with_file(&world);
    let by_id = format!(
        "/b2api/v4/b2_download_file_by_id?fileId={}",
        id_of(&file, "fileId")
    );
    let by_name = "/file/bucket-1/dir/a%20b.txt";
    for url in [by_id.as_str(), by_name] {
        get(&world, url, &[]).refused(401, "unauthorized");
        get(&world, url, &[("Authorization", "x")]).refused(401, "bad_auth_token");
        let weak = User::restricted(&world, &["listFiles"], None, None);
        weak.get(url).refused(401, "unauthorized");
    }
    let public = json!({ "bucketId": bucket, "bucketType": "allPublic",
        "bucketInfo": { "Cache-Control": "max-age=1" } });
    user.account_call("b2_update_bucket", public).ok();
    for url in [by_id.as_str(), by_name] {
        assert_eq!(get(&world, url, &[]).body, DATA);
        get(&world, url, &[("Authorization", "x")]).refused(401, "bad_auth_token");
        let weak = User::restricted(&world, &["listFiles"], None, None);
        assert_eq!(weak.get(url).body, DATA);
    }
    user.upload(&bucket, "plain", b"x");
    let answer = get(&world, "/file/bucket-1/plain", &[]);
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(user.get(by_name).header("X-Content-Type-Options"), None);
    assert_eq!(answer.header("Cache-Control"), Some("max-age=1"));
    assert_eq!(answer.header("X-Bz-Server-Side-Encryption"), Some("AES256"));
    get(&world, "/file/bucket-1/plain?b2ContentType=a/b", &[]).refused(401, "unauthorized");
}

#[test]
fn overrides_replace_headers_of_authorized_downloads() {
    let world = world();
    let (user, ..) = with_file(&world);
    let url = "/file/bucket-1/dir/a+b.txt?b2ContentType=a%2Fb&b2CacheControl=no-cache\
               &b2ContentDisposition=attachment%3B+filename%3D%22x.txt%22";
    let answer = user.get(url);
    assert_eq!(answer.header("Content-Type"), Some("a/b"));
    assert_eq!(answer.header("Cache-Control"), Some("no-cache"));
    let disposition = Some("attachment; filename=\"x.txt\"");
    assert_eq!(answer.header("Content-Disposition"), disposition);
    user.get("/file/bucket-1/dir/a+b.txt?b2Expires=x")
        .refused(400, "bad_request");
}

#[test]
fn a_download_authorization_covers_its_prefix_for_its_time() {
    let world = world();
    let (user, bucket, file) = with_file(&world);
    user.upload(&bucket, "other", b"x");
    let ask = |more: Value| {
        let mut body = json!({ "bucketId": bucket, "fileNamePrefix": "dir/",
            "validDurationInSeconds": 60 });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        user.call("b2_get_download_authorization", body)
    };
    let answer = ask(json!({})).ok();
    assert_eq!(answer["fileNamePrefix"], "dir/");
    let token = id_of(&answer, "authorizationToken");
    assert_eq!(token.len(), 111);
    let with_token = |url: &str| get(&world, url, &[("Authorization", &token)]);
    assert_eq!(with_token("/file/bucket-1/dir/a+b.txt").body, DATA);
    let in_query = format!(
        "/file/bucket-1/dir/a+b.txt?Authorization={}",
        token.replace('=', "%3D")
    );
    assert_eq!(get(&world, &in_query, &[]).body, DATA);
    with_token("/file/bucket-1/other").refused(401, "unauthorized");
    with_token("/file/bucket-1/dir/a+b.txt?b2ContentType=a/b").refused(401, "unauthorized");
    let by_id = format!(
        "/b2api/v4/b2_download_file_by_id?fileId={}",
        id_of(&file, "fileId")
    );
    with_token(&by_id).refused(401, "unauthorized");

    let forced = id_of(
        &ask(json!({ "b2ContentType": "a/b" })).ok(),
        "authorizationToken",
    );
    let forced = [("Authorization", forced.as_str())];
    get(&world, "/file/bucket-1/dir/a+b.txt", &forced).refused(401, "unauthorized");
    let answer = get(
        &world,
        "/file/bucket-1/dir/a+b.txt?b2ContentType=a/b",
        &forced,
    );
    assert_eq!(answer.header("Content-Type"), Some("a/b"));

    world.clock().advance(Duration::from_secs(60));
    with_token("/file/bucket-1/dir/a+b.txt").refused(401, "expired_auth_token");
    ask(json!({ "validDurationInSeconds": 604_801 })).refused(400, "bad_request");
    ask(json!({ "validDurationInSeconds": 0 })).refused(400, "bad_request");
}

#[test]
fn a_download_outlives_its_version() {
    let world = world();
    let (user, _, file) = with_file(&world);
    let headers = [("Authorization", user.token.as_str())];
    let request = request("GET", "/file/bucket-1/dir/a+b.txt", &headers, None);
    let reply = handle(&world, &request, &mut Untouchable);
    let delete = json!({ "fileName": "dir/a b.txt", "fileId": file["fileId"] });
    user.call("b2_delete_file_version", delete).ok();
    assert_eq!(Answer::of(reply).body, DATA);
}

/// Section 8.2: several ranges are not supported and ignored like malformed ones; a range of the whole
/// file is still a range; HEAD takes ranges too.
#[test]
fn other_ranges_are_the_whole_file() {
    let world = world();
    let (user, ..) = with_file(&world);
    let url = "/file/bucket-1/dir/a%20b.txt";
    let with = |range: &'static str| [("Authorization", user.token.as_str()), ("Range", range)];
    for ignored in ["bytes=0-1,4-5", "bytes=", "lines=0-1", "bytes=a-b"] {
        let answer = get(&world, url, &with(ignored));
        assert_eq!((answer.status, answer.body.as_slice()), (200, DATA));
        assert_eq!(answer.header("Content-Range"), None);
    }
    let whole = get(&world, url, &with("bytes=0-"));
    assert_eq!((whole.status, whole.body.as_slice()), (206, DATA));
    assert_eq!(whole.header("Content-Range"), Some("bytes 0-9/10"));
    let part = head(&world, url, &with("bytes=2-4"));
    assert_eq!(part.status, 206);
    assert_eq!(part.header("Content-Range"), Some("bytes 2-4/10"));
    head(&world, url, &with("bytes=10-")).refused(416, "range_not_satisfiable");
}

/// docs/protocol.md, section 8.1: HEAD with a download token, in the header and in the query.
#[test]
fn head_takes_shared_tokens() {
    let world = world();
    let (user, bucket, file) = with_file(&world);
    let body =
        json!({ "bucketId": bucket, "fileNamePrefix": "dir/", "validDurationInSeconds": 60 });
    let answer = user.call("b2_get_download_authorization", body).ok();
    let token = id_of(&answer, "authorizationToken");
    let url = "/file/bucket-1/dir/a%20b.txt";
    let in_header = head(&world, url, &[("Authorization", &token)]);
    let query = format!("{url}?Authorization={}", token.replace('=', "%3D"));
    for answer in [in_header, head(&world, &query, &[])] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("X-Bz-File-Id"), file["fileId"].as_str());
    }
    let outside = head(&world, "/file/bucket-1/other", &[("Authorization", &token)]);
    outside.refused(401, "unauthorized");
    // The query is for downloads by name.
    let id = id_of(&file, "fileId");
    let by_id = format!("/b2api/v4/b2_download_file_by_id?fileId={id}&Authorization=");
    let account = user.token.replace('=', "%3D");
    get(&world, &format!("{by_id}{account}"), &[]).refused(401, "unauthorized");
}
