//! curl: requests as the service's own documentation writes them, one by one. Nothing between the
//! test and the wire knows B2.

use std::fs;
use std::process::Command;

use b2sdk::encryption::SseCustomerKey;
use b2sdk::lock::FileRetention;
use b2sdk::{DownloadOptions, Filtered, Operation, Timestamp};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::support::{World, noise, run, run_to_failure};

const BUCKET: &str = "curl-bucket-1";

/// curl, silent, which fails if the service refuses and then prints the refusal.
pub(crate) fn curl(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command("curl");
    command
        .args(["--silent", "--show-error", "--fail-with-body"])
        .args(arguments);
    command
}

/// An authorized account, spoken to by curl.
pub(crate) struct Account<'a> {
    world: &'a World,
    about: Value,
}

impl<'a> Account<'a> {
    pub(crate) fn authorize(world: &'a World) -> Self {
        let service = &world.service;
        let about = run(&mut authorization(
            world,
            service.application_key_id(),
            service.application_key(),
        ));
        Self {
            world,
            about: serde_json::from_str(&about).unwrap(),
        }
    }

    /// Of a bucket, made with more than its name.
    fn create_bucket(&self, more: &Value) -> Value {
        let mut body = json!({"bucketName": BUCKET, "bucketType": "allPrivate"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.account_call("b2_create_bucket", body)["bucketId"].clone()
    }

    fn account_call(&self, operation: &str, mut body: Value) -> Value {
        body["accountId"] = self.about["accountId"].clone();
        self.call(operation, &body)
    }

    /// POSTs JSON, gets JSON.
    fn call(&self, operation: &str, body: &Value) -> Value {
        serde_json::from_str(&run(&mut self.request(operation, body))).unwrap()
    }

    /// The status and the code with which a call is refused.
    fn refused(&self, operation: &str, body: &Value) -> (u64, String) {
        refusal(&mut self.request(operation, body))
    }

    fn request(&self, operation: &str, body: &Value) -> Command {
        let storage = &self.about["apiInfo"]["storageApi"];
        let url = format!("{}/b2api/v4/{operation}", text(&storage["apiUrl"]));
        let token = self.authorization();
        let body = body.to_string();
        curl(self.world, &["--header", &token, "--data", &body, &url])
    }

    /// Sends a file of the home directory, under a name and with headers that are encoded already.
    fn upload(&self, bucket_id: &Value, path: &str, name: &str, headers: &[&str]) -> Value {
        let target = self.call("b2_get_upload_url", &json!({"bucketId": bucket_id}));
        let name = format!("X-Bz-File-Name: {name}");
        let headers = [headers, &[&name, "Content-Type: b2/x-auto"]].concat();
        self.send(&target, path, &headers)
    }

    /// Sends a file of the home directory as a part.
    fn upload_part(&self, file_id: &Value, number: u32, path: &str) -> Value {
        let target = self.call("b2_get_upload_part_url", &json!({"fileId": file_id}));
        let number = format!("X-Bz-Part-Number: {number}");
        self.send(&target, path, &[&number])
    }

    fn send(&self, target: &Value, path: &str, headers: &[&str]) -> Value {
        let content = fs::read(self.world.home.path(path)).unwrap();
        let sha1 = hex::encode(Sha1::digest(content));
        let mut command = curl(self.world, &["--request", "POST"]);
        for header in [
            &format!("Authorization: {}", text(&target["authorizationToken"])),
            &format!("X-Bz-Content-Sha1: {sha1}"),
        ] {
            command.args(["--header", header]);
        }
        for header in headers {
            command.args(["--header", header]);
        }
        command.args(["--data-binary", &format!("@{path}")]);
        serde_json::from_str(&run(command.arg(text(&target["uploadUrl"])))).unwrap()
    }

    /// Downloads by a name that is encoded already into a file of the home directory.
    pub(crate) fn download(&self, bucket: &str, name: &str, path: &str, options: &[&str]) {
        run(&mut self.downloading(bucket, name, path, options));
    }

    fn downloading(&self, bucket: &str, name: &str, path: &str, options: &[&str]) -> Command {
        let storage = &self.about["apiInfo"]["storageApi"];
        let url = format!("{}/file/{bucket}/{name}", text(&storage["downloadUrl"]));
        let token = self.authorization();
        let mut command = curl(self.world, options);
        command.args(["--header", &token, "--output", path, &url]);
        command
    }

    fn authorization(&self) -> String {
        format!("Authorization: {}", text(&self.about["authorizationToken"]))
    }
}

fn authorization(world: &World, key_id: &str, key: &str) -> Command {
    let url = format!("{}/b2api/v4/b2_authorize_account", world.service.url());
    curl(world, &["--user", &format!("{key_id}:{key}"), &url])
}

/// Runs a request that is to fail: the status and the code of the refusal.
fn refusal(command: &mut Command) -> (u64, String) {
    let output = run_to_failure(command);
    let refusal: Value = serde_json::Deserializer::from_str(&output)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    let status = refusal["status"].as_u64().unwrap();
    (status, text(&refusal["code"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn names(listing: &Value) -> Vec<&str> {
    let files = listing["files"].as_array().unwrap();
    files.iter().map(|file| text(&file["fileName"])).collect()
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_does_the_tutorial() {
    let world = World::new();
    let account = Account::authorize(&world);
    world.home.write("hello.txt", b"hello");
    world.home.write("photo.jpg", &noise(100_000));

    let id = &account.create_bucket(&json!({}));
    let found = account.account_call("b2_list_buckets", json!({"bucketName": BUCKET}));
    assert_eq!(found["buckets"][0]["bucketId"], *id);

    let info = ["X-Bz-Info-color: gr%C3%BCn%20%2B"];
    let hello = account.upload(id, "hello.txt", "hello.txt", &info);
    assert_eq!(hello["fileInfo"], json!({"color": "grün +"}));
    let photo = account.upload(id, "photo.jpg", "photos/my%20photo.jpg", &[]);
    assert_eq!(photo["contentType"], "image/jpeg");

    let folder = json!({"bucketId": id, "delimiter": "/"});
    let listing = account.call("b2_list_file_names", &folder);
    assert_eq!(names(&listing), ["hello.txt", "photos/"]);
    let listing = account.call("b2_list_file_names", &json!({"bucketId": id}));
    assert_eq!(names(&listing), ["hello.txt", "photos/my photo.jpg"]);

    account.download(BUCKET, "photos/my%20photo.jpg", "copy.jpg", &[]);
    let copy = fs::read(world.home.path("copy.jpg")).unwrap();
    assert_eq!(copy, noise(100_000));
    account.download(BUCKET, "hello.txt", "part", &["--range", "1-3"]);
    assert_eq!(fs::read(world.home.path("part")).unwrap(), b"ell");

    let hello_in = json!({"bucketId": id, "fileName": "hello.txt"});
    account.call("b2_hide_file", &hello_in);
    let versions = account.call("b2_list_file_versions", &json!({"bucketId": id}));
    let expected = ["hello.txt", "hello.txt", "photos/my photo.jpg"];
    assert_eq!(names(&versions), expected);
    for version in versions["files"].as_array().unwrap() {
        let which = json!({"fileName": version["fileName"], "fileId": version["fileId"]});
        account.call("b2_delete_file_version", &which);
    }
    account.account_call("b2_delete_bucket", json!({"bucketId": id}));
    let left = account.account_call("b2_list_buckets", json!({}));
    assert_eq!(left["buckets"], json!([]));
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_may_ask_before_it_sends_a_body() {
    let world = World::new();
    let account = Account::authorize(&world);
    let bucket = account.create_bucket(&json!({}));
    world.home.write("large.bin", &noise(3_000_000));
    let asking = ["Expect: 100-continue"];
    let uploaded = account.upload(&bucket, "large.bin", "large.bin", &asking);
    assert_eq!(uploaded["contentLength"], 3_000_000);
    let entries = world.service.log().entries();
    let upload = entries
        .iter()
        .find(|entry| entry.operation == Some(Operation::UploadFile));
    assert!(upload.unwrap().expect_continue);
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_uploads_a_large_file_in_parts_copies_it_and_reads_ranges() {
    let world = World::with_small_parts();
    let account = Account::authorize(&world);
    let bucket = account.create_bucket(&json!({}));
    let content = noise(130_000);
    let start = |name: &str| {
        let body = json!({"bucketId": bucket, "fileName": name, "contentType": "b2/x-auto"});
        account.call("b2_start_large_file", &body)["fileId"].clone()
    };
    let finish = |id: &Value, parts: &[Value]| {
        let sums: Vec<&Value> = parts.iter().map(|part| &part["contentSha1"]).collect();
        let body = json!({"fileId": id, "partSha1Array": sums});
        account.call("b2_finish_large_file", &body)
    };
    world.home.write("first", &content[..60_000]);
    world.home.write("second", &content[60_000..]);
    let large = start("large.bin");
    let parts = [(1, "first"), (2, "second")];
    let parts = parts.map(|(number, path)| account.upload_part(&large, number, path));
    assert_eq!(finish(&large, &parts)["contentLength"], 130_000);

    let copied = start("parts.bin");
    let ranges = [(1, "bytes=0-99999"), (2, "bytes=100000-129999")];
    let parts = ranges.map(|(number, range)| {
        let body = json!({"sourceFileId": large, "largeFileId": copied, "partNumber": number, "range": range});
        account.call("b2_copy_part", &body)
    });
    finish(&copied, &parts);
    let copy = json!({"sourceFileId": large, "fileName": "range.bin", "range": "bytes=100-199"});
    assert_eq!(account.call("b2_copy_file", &copy)["action"], "copy");
    let seen = world.bucket(BUCKET);
    for (name, expected) in [
        ("large.bin", &content[..]),
        ("parts.bin", &content),
        ("range.bin", &content[100..200]),
    ] {
        let download = seen.download_file_by_name(name).unwrap();
        assert!(download.read_to_vec().unwrap() == expected, "{name}");
    }
    for (range, expected) in [
        ("59990-60009", &content[59_990..60_010]),
        ("129000-", &content[129_000..]),
        ("-10", &content[129_990..]),
    ] {
        account.download(BUCKET, "large.bin", "part", &["--range", range]);
        assert!(
            fs::read(world.home.path("part")).unwrap() == expected,
            "{range}"
        );
    }
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_makes_a_restricted_key_that_works_within_its_bounds() {
    let world = World::new();
    let account = Account::authorize(&world);
    let bucket = account.create_bucket(&json!({}));
    let wanted = json!({"capabilities": ["listFiles"], "keyName": "reader", "bucketIds": [bucket], "namePrefix": "mine/"});
    let key = account.account_call("b2_create_key", wanted);
    let listed = account.account_call("b2_list_keys", json!({}));
    assert_eq!(
        listed["keys"][0]["applicationKeyId"],
        key["applicationKeyId"]
    );
    let (id, secret) = (text(&key["applicationKeyId"]), text(&key["applicationKey"]));
    let about = run(&mut authorization(&world, id, secret));
    let reader = Account {
        world: &world,
        about: serde_json::from_str(&about).unwrap(),
    };
    let list = |prefix: &str| json!({"bucketId": bucket, "prefix": prefix});
    let listing = reader.call("b2_list_file_names", &list("mine/"));
    assert_eq!(listing["files"], json!([]));
    let unauthorized = (401, "unauthorized".to_owned());
    for (operation, body) in [
        ("b2_list_file_names", list("other/")),
        ("b2_get_upload_url", json!({"bucketId": bucket})),
    ] {
        assert_eq!(
            reader.refused(operation, &body),
            unauthorized,
            "{operation}"
        );
    }
    account.call("b2_delete_key", &json!({"applicationKeyId": id}));
    assert_eq!(
        refusal(&mut authorization(&world, id, secret)),
        unauthorized
    );
    assert_eq!(world.api().list_keys().unwrap().count(), 0);
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_locks_files_and_deletes_what_is_locked_only_when_it_bypasses() {
    let world = World::new();
    let account = Account::authorize(&world);
    let bucket = account.create_bucket(&json!({"fileLockEnabled": true}));
    world.home.write("hello.txt", b"hello");
    let until = world.in_an_hour();
    let headers = [
        "X-Bz-File-Retention-Mode: governance",
        &format!("X-Bz-File-Retention-Retain-Until-Timestamp: {until}"),
        "X-Bz-File-Legal-Hold: on",
    ];
    let file = account.upload(&bucket, "hello.txt", "hello.txt", &headers);
    let seen = world
        .bucket(BUCKET)
        .get_file_info_by_name("hello.txt")
        .unwrap();
    let retained = FileRetention::governance(Timestamp::from_millis(until));
    assert_eq!(seen.file_retention, Filtered::Readable(retained));

    let which = |more: Value| {
        let mut body = json!({"fileId": file["fileId"], "fileName": "hello.txt"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let bypass = which(json!({"bypassGovernance": true}));
    let held = account.refused("b2_delete_file_version", &bypass);
    assert_eq!(held.0, 401);
    let off = account.call(
        "b2_update_file_legal_hold",
        &which(json!({"legalHold": "off"})),
    );
    assert_eq!(off["legalHold"], "off");
    let governed = account.refused("b2_delete_file_version", &which(json!({})));
    assert_eq!(governed.0, 401);
    let shorter =
        json!({"fileRetention": {"mode": "governance", "retainUntilTimestamp": until - 60_000}});
    let weakened = account.refused("b2_update_file_retention", &which(shorter));
    assert_eq!(weakened, (403, "access_denied".to_owned()));
    account.call("b2_delete_file_version", &bypass);
    let left = account.call("b2_list_file_versions", &json!({"bucketId": bucket}));
    assert_eq!(left["files"], json!([]));
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_encrypts_with_a_key_of_its_own_and_reads_with_that_key_only() {
    let world = World::new();
    let account = Account::authorize(&world);
    let bucket = account.create_bucket(&json!({}));
    world.home.write("hello.txt", b"hello");
    let key_headers = |byte: u8| {
        let (key, prefix) = ([byte; 32], "X-Bz-Server-Side-Encryption-Customer");
        [
            format!("{prefix}-Algorithm: AES256"),
            format!("{prefix}-Key: {}", BASE64_STANDARD.encode(key)),
            format!(
                "{prefix}-Key-Md5: {}",
                BASE64_STANDARD.encode(Md5::digest(key))
            ),
        ]
    };
    let headers = key_headers(1);
    let file = account.upload(
        &bucket,
        "hello.txt",
        "hello.txt",
        &headers.each_ref().map(String::as_str),
    );
    assert_eq!(file["serverSideEncryption"]["mode"], "SSE-C");
    let key = SseCustomerKey::new([1; 32]);
    let options = DownloadOptions::new().encryption_key(&key);
    let seen = world.bucket(BUCKET);
    let download = seen.download_file_by_name_with("hello.txt", &options);
    assert_eq!(download.unwrap().read_to_vec().unwrap(), b"hello");

    let download = |headers: &[String]| {
        let options: Vec<&str> = headers.iter().flat_map(|it| ["--header", it]).collect();
        account.downloading(BUCKET, "hello.txt", "-", &options)
    };
    assert_eq!(run(&mut download(&headers)), "hello");
    let missing = refusal(&mut download(&[]));
    assert_eq!(missing, (400, "bad_request".to_owned()));
    let wrong = refusal(&mut download(&key_headers(2)));
    assert_eq!(wrong, (403, "access_denied".to_owned()));
}
