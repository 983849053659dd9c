//! curl: the requests of the tutorial as the service's own documentation writes them, one by one.
//! Nothing between the test and the wire knows B2.

use std::fs;
use std::process::Command;

use b2sdk::Operation;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::support::{World, noise, run};

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
        let credentials = format!(
            "{}:{}",
            service.application_key_id(),
            service.application_key()
        );
        let url = format!("{}/b2api/v4/b2_authorize_account", service.url());
        let about = run(&mut curl(world, &["--user", &credentials, &url]));
        Self {
            world,
            about: serde_json::from_str(&about).unwrap(),
        }
    }

    /// POSTs JSON, gets JSON.
    fn call(&self, operation: &str, body: &Value) -> Value {
        let storage = &self.about["apiInfo"]["storageApi"];
        let url = format!("{}/b2api/v4/{operation}", text(&storage["apiUrl"]));
        let token = self.authorization();
        let body = body.to_string();
        let arguments = ["--header", &token, "--data", &body, &url];
        serde_json::from_str(&run(&mut curl(self.world, &arguments))).unwrap()
    }

    /// Sends a file of the home directory, under a name and with headers that are encoded already.
    fn upload(&self, bucket_id: &Value, path: &str, name: &str, headers: &[&str]) -> Value {
        let target = self.call("b2_get_upload_url", &json!({"bucketId": bucket_id}));
        let content = fs::read(self.world.home.path(path)).unwrap();
        let mut command = curl(self.world, &["--request", "POST"]);
        for header in [
            &format!("Authorization: {}", text(&target["authorizationToken"])),
            &format!("X-Bz-File-Name: {name}"),
            &format!("X-Bz-Content-Sha1: {}", hex::encode(Sha1::digest(content))),
            "Content-Type: b2/x-auto",
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
        let storage = &self.about["apiInfo"]["storageApi"];
        let url = format!("{}/file/{bucket}/{name}", text(&storage["downloadUrl"]));
        let token = self.authorization();
        let mut command = curl(self.world, options);
        run(command.args(["--header", &token, "--output", path, &url]));
    }

    fn authorization(&self) -> String {
        format!("Authorization: {}", text(&self.about["authorizationToken"]))
    }
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
    let owner = &account.about["accountId"];
    world.home.write("hello.txt", b"hello");
    world.home.write("photo.jpg", &noise(100_000));

    let bucket = account.call(
        "b2_create_bucket",
        &json!({"accountId": owner, "bucketName": BUCKET, "bucketType": "allPrivate"}),
    );
    let id = &bucket["bucketId"];
    let by_name = json!({"accountId": owner, "bucketName": BUCKET});
    let found = account.call("b2_list_buckets", &by_name);
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
    let whole = json!({"accountId": owner, "bucketId": id});
    account.call("b2_delete_bucket", &whole);
    let left = account.call("b2_list_buckets", &json!({"accountId": owner}));
    assert_eq!(left["buckets"], json!([]));
}

#[test]
#[ignore = "needs curl: tests/scripts/install-clients.sh"]
fn curl_may_ask_before_it_sends_a_body() {
    let world = World::new();
    let account = Account::authorize(&world);
    let bucket = account.call(
        "b2_create_bucket",
        &json!({"accountId": account.about["accountId"], "bucketName": BUCKET, "bucketType": "allPrivate"}),
    );
    world.home.write("large.bin", &noise(3_000_000));
    let asking = ["Expect: 100-continue"];
    let uploaded = account.upload(&bucket["bucketId"], "large.bin", "large.bin", &asking);
    assert_eq!(uploaded["contentLength"], 3_000_000);
    let entries = world.service.log().entries();
    let upload = entries
        .iter()
        .find(|entry| entry.operation == Some(Operation::UploadFile));
    assert!(upload.unwrap().expect_continue);
}
