//! SSE-C: the key is asked for wherever the content is, and is not kept.

use base64::prelude::BASE64_STANDARD;
use md5::Md5;

use super::*;

const NO_KEY: &str = "The object was stored using a form of Server Side Encryption. The correct \
                      parameters must be provided to retrieve the object.";

/// A customer's key as headers and as a JSON setting.
struct SseC {
    key: String,
    md5: String,
}

impl SseC {
    fn new(byte: u8) -> Self {
        Self {
            key: BASE64_STANDARD.encode([byte; 32]),
            md5: BASE64_STANDARD.encode(Md5::digest([byte; 32])),
        }
    }

    fn headers(&self) -> [(&str, &str); 3] {
        [
            ("X-Bz-Server-Side-Encryption-Customer-Algorithm", "AES256"),
            ("X-Bz-Server-Side-Encryption-Customer-Key", &self.key),
            ("X-Bz-Server-Side-Encryption-Customer-Key-Md5", &self.md5),
        ]
    }

    fn setting(&self) -> Value {
        json!({ "mode": "SSE-C", "algorithm": "AES256", "customerKey": self.key,
            "customerKeyMd5": self.md5 })
    }

    fn shown(&self) -> Value {
        json!({ "mode": "SSE-C", "algorithm": "AES256", "customerKeyMd5": self.md5 })
    }
}

fn small_parts() -> World {
    World::in_memory(Settings {
        absolute_minimum_part_size: 3,
        ..Settings::default()
    })
}

fn download(user: &User<'_>, url: &str, key: Option<&SseC>) -> Answer {
    let mut headers = vec![("Authorization", user.token.as_str())];
    headers.extend(key.iter().flat_map(|key| key.headers()));
    get(user.world, url, &headers)
}

fn part(user: &User<'_>, large: &Value, number: &str, key: Option<&SseC>) -> Answer {
    let url = user.call(
        "b2_get_upload_part_url",
        json!({ "fileId": large["fileId"] }),
    );
    let url = UploadUrl::of(user.world, &url.ok());
    let mut headers = vec![
        ("X-Bz-Part-Number", number),
        ("X-Bz-Content-Sha1", "do_not_verify"),
    ];
    headers.extend(key.iter().flat_map(|key| key.headers()));
    url.send(&headers, 4, &mut &b"part"[..])
}

#[test]
fn a_file_is_read_with_its_key_only() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let (key, other) = (SseC::new(1), SseC::new(2));
    let url = UploadUrl::get(&user, &bucket);
    let file = url.upload("a", b"hello", &key.headers()).ok();
    assert_eq!(file["serverSideEncryption"], key.shown());
    assert_eq!(file["contentSha1"], sha1_of(b"hello"));
    assert_eq!(file["contentMd5"], Value::Null);
    let by_id = format!(
        "/b2api/v4/b2_download_file_by_id?fileId={}",
        id_of(&file, "fileId")
    );
    for url in ["/file/bucket-1/a", &by_id] {
        let answer = download(&user, url, Some(&key));
        assert_eq!(answer.body, b"hello");
        let customer = "X-Bz-Server-Side-Encryption-Customer";
        let header = |name: &str| answer.header(&format!("{customer}-{name}"));
        assert_eq!(header("Algorithm"), Some("AES256"));
        assert_eq!(header("Key-Md5"), Some(key.md5.as_str()));
        assert_eq!(header("Key"), None);
        assert_eq!(answer.header("X-Bz-Server-Side-Encryption"), None);
        let message = download(&user, url, None).refused(400, "bad_request");
        assert_eq!(message, NO_KEY);
        download(&user, url, Some(&other)).refused(403, "access_denied");
        let mut headers = vec![("Authorization", user.token.as_str())];
        assert_eq!(head(&world, url, &headers).status, 400);
        headers.extend(key.headers());
        assert_eq!(head(&world, url, &headers).status, 200);
    }
    let info = user.call("b2_get_file_info", json!({ "fileId": file["fileId"] }));
    assert_eq!(info.ok()["serverSideEncryption"], key.shown());
    // A key for a file that has none is a mistake, too.
    user.upload(&bucket, "plain", b"x");
    download(&user, "/file/bucket-1/plain", Some(&key)).refused(400, "bad_request");
}

#[test]
fn bad_keys_are_refused_and_not_repeated() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let key = SseC::new(1);
    let [algorithm, customer_key, md5] = key.headers();
    let short = BASE64_STANDARD.encode([7; 31]);
    let (short, wrong_md5) = (
        (customer_key.0, short.as_str()),
        (md5.0, "AAAAAAAAAAAAAAAAAAAAAA=="),
    );
    for bad in [
        vec![algorithm, customer_key],
        vec![algorithm, md5],
        vec![customer_key, md5],
        vec![(algorithm.0, "AES128"), customer_key, md5],
        vec![algorithm, short, md5],
        vec![algorithm, (customer_key.0, "!"), md5],
        vec![algorithm, customer_key, wrong_md5],
        vec![
            algorithm,
            customer_key,
            md5,
            ("X-Bz-Server-Side-Encryption", "AES256"),
        ],
    ] {
        let message = url.upload("a", b"x", &bad).refused(400, "bad_request");
        assert!(
            !message.contains(&key.key) && !message.contains(short.1),
            "{message}"
        );
    }
    let mut setting = key.setting();
    setting["customerKeyMd5"] = json!("x");
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b",
        "serverSideEncryption": setting });
    let message = user
        .call("b2_start_large_file", start)
        .refused(400, "bad_request");
    assert!(!message.contains(&key.key));
    let default = json!({ "bucketId": bucket, "defaultServerSideEncryption": key.setting() });
    user.account_call("b2_update_bucket", default)
        .refused(400, "bad_request");
}

#[test]
fn every_part_of_a_large_file_needs_its_key() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let (key, other) = (SseC::new(1), SseC::new(2));
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b",
        "serverSideEncryption": key.setting() });
    let large = user.call("b2_start_large_file", start).ok();
    assert_eq!(large["serverSideEncryption"], key.shown());
    part(&user, &large, "1", None).refused(400, "bad_request");
    part(&user, &large, "1", Some(&other)).refused(400, "bad_request");
    let one = part(&user, &large, "1", Some(&key)).ok();
    assert_eq!(one["serverSideEncryption"], key.shown());
    assert_eq!(one["contentMd5"], Value::Null);
    let source = UploadUrl::get(&user, &bucket);
    let source = source.upload("src", b"0123456789", &other.headers()).ok();
    let copy = |from: Option<&SseC>, to: Option<&SseC>| {
        user.call(
            "b2_copy_part",
            json!({ "sourceFileId": source["fileId"], "largeFileId": large["fileId"],
                "partNumber": 2,
                "sourceServerSideEncryption": from.map(SseC::setting),
                "destinationServerSideEncryption": to.map(SseC::setting) }),
        )
    };
    copy(Some(&other), None).refused(400, "bad_request");
    copy(Some(&other), Some(&other)).refused(400, "bad_request");
    copy(Some(&key), Some(&key)).refused(403, "access_denied");
    assert_eq!(copy(None, Some(&key)).refused(400, "bad_request"), NO_KEY);
    let two = copy(Some(&other), Some(&key)).ok();
    let sha1s = json!([one["contentSha1"], two["contentSha1"]]);
    let finish = json!({ "fileId": large["fileId"], "partSha1Array": sha1s });
    let file = user.call("b2_finish_large_file", finish).ok();
    assert_eq!(file["serverSideEncryption"], key.shown());
    let url = "/file/bucket-1/big";
    download(&user, url, None).refused(400, "bad_request");
    assert_eq!(download(&user, url, Some(&key)).body, b"part0123456789");
}

#[test]
fn parts_of_other_large_files_take_no_key() {
    let world = small_parts();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
    let large = user.call("b2_start_large_file", start).ok();
    part(&user, &large, "1", Some(&SseC::new(1))).refused(400, "bad_request");
    part(&user, &large, "1", None).ok();
}

#[test]
fn copies_need_the_key_of_their_source_and_take_one_of_their_own() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let (key, other) = (SseC::new(1), SseC::new(2));
    let url = UploadUrl::get(&user, &bucket);
    let source = url.upload("a", b"hello", &key.headers()).ok();
    let copy = |more: Value| {
        let mut body = json!({ "sourceFileId": source["fileId"], "fileName": "copy" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        user.call("b2_copy_file", body)
    };
    assert_eq!(copy(json!({})).refused(400, "bad_request"), NO_KEY);
    copy(json!({ "sourceServerSideEncryption": other.setting() })).refused(403, "access_denied");
    let service = json!({ "mode": "SSE-B2", "algorithm": "AES256" });
    copy(json!({ "sourceServerSideEncryption": service })).refused(400, "bad_request");
    let plain = copy(json!({ "sourceServerSideEncryption": key.setting() })).ok();
    assert_eq!(plain["serverSideEncryption"]["mode"], "SSE-B2");
    assert_eq!(user.get("/file/bucket-1/copy").body, b"hello");
    let again = copy(json!({ "sourceServerSideEncryption": key.setting(),
        "destinationServerSideEncryption": other.setting() }));
    let again = again.ok();
    assert_eq!(again["serverSideEncryption"], other.shown());
    assert_eq!(again["contentMd5"], Value::Null);
    download(&user, "/file/bucket-1/copy", Some(&key)).refused(403, "access_denied");
    let answer = download(&user, "/file/bucket-1/copy", Some(&other));
    assert_eq!(answer.body, b"hello");
}

#[test]
fn no_key_is_written_to_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let key = SseC::new(b'k');
    {
        let world = World::open(dir.path(), Settings::default()).unwrap();
        let user = User::master(&world);
        let url = UploadUrl::get(&user, &user.create_bucket("bucket-1"));
        url.upload("a", b"hello", &key.headers()).ok();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = if path.is_file() {
                std::fs::read(path).unwrap()
            } else {
                Vec::new()
            };
            let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
            assert!(!holds(key.key.as_bytes()) && !holds(&[b'k'; 32]));
            assert!(!holds(hex::encode([b'k'; 32]).as_bytes()));
        }
    }
    let world = World::open(dir.path(), Settings::default()).unwrap();
    let user = User::master(&world);
    download(&user, "/file/bucket-1/a", None).refused(400, "bad_request");
    let answer = download(&user, "/file/bucket-1/a", Some(&key));
    assert_eq!(answer.body, b"hello");
}

#[test]
fn encrypted_files_have_less_room_for_info() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let url = UploadUrl::get(&user, &bucket);
    let (key, value) = (SseC::new(1), "x".repeat(3000));
    let mut headers = key.headers().to_vec();
    headers.push(("X-Bz-Info-k", value.as_str()));
    url.upload("a", b"x", &headers).refused(400, "bad_request");
    url.upload("a", b"x", &headers[3..]).ok();
}
