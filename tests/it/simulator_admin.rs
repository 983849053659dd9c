//! The admin endpoint, by plain HTTP: what each call does to clients, and whom it refuses.

mod refusals;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::lock::FileRetention;
use b2sdk::rules::LifecycleRule;
use b2sdk::simulator::{KeyRequest, Simulator};
use b2sdk::{
    B2Api, BucketType, CreateBucketOptions, InMemoryAccountInfo, Operation, Timestamp,
    UploadOptions,
};
use serde_json::{Value, json};

use crate::support::{World, authorize, noise};

/// The whole answer to one request on a connection of its own.
fn exchange(address: impl ToSocketAddrs, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let watchdog = Some(Duration::from_secs(10));
    stream.set_read_timeout(watchdog).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn ask_with(
    service: &Simulator,
    line: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "{method} /.simulator{path} HTTP/1.1\r\n{headers}Connection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let address = service.url().trim_start_matches("http://");
    let answer = exchange(address, &[head.as_bytes(), body].concat());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn ask(service: &Simulator, line: &str, body: &str) -> (u16, Value) {
    ask_with(service, line, "Host: localhost\r\n", body)
}

#[track_caller]
fn ok(service: &Simulator, line: &str, body: &str) -> Value {
    let (status, answer) = ask(service, line, body);
    assert_eq!(status, 200, "{line}: {answer}");
    answer
}

#[track_caller]
fn refused(service: &Simulator, line: &str, body: &str) -> (u16, String) {
    let (status, answer) = ask(service, line, body);
    assert_eq!(answer["status"], status, "{line}: {answer}");
    (status, answer["message"].as_str().unwrap().to_owned())
}

#[test]
fn faults_are_added_listed_and_removed() {
    let world = World::new();
    let service = &world.service;
    assert_eq!(ok(service, "GET /faults", ""), json!({ "faults": [] }));
    let added = ok(
        service,
        "POST /faults",
        "b2_list_buckets status=503\n\n b2_upload_file:3 read-rate=7 close\n",
    );
    assert_eq!(added, json!({ "ids": [1, 2] }));
    let listed = ok(service, "GET /faults", "");
    let words = "b2_upload_file:3 times=1 read-rate=7 close";
    assert_eq!(listed["faults"][1], json!({ "id": 2, "fault": words }));

    world.api.list_buckets().unwrap();
    assert_eq!(world.count(Operation::ListBuckets), 2);
    let listed = ok(service, "GET /faults", "");
    assert_eq!(listed["faults"].as_array().unwrap().len(), 1);

    assert_eq!(refused(service, "DELETE /faults/1", "").0, 404);
    assert_eq!(ok(service, "DELETE /faults/2", ""), json!({ "faults": [] }));
    ok(service, "POST /chaos", "seed=4");
    assert!(service.faults().list().len() > 5);
    ok(service, "DELETE /faults", "");
    assert!(service.faults().list().is_empty());
}

#[test]
fn faults_that_are_not_understood_are_named_and_none_is_added() {
    let service = Simulator::start().unwrap();
    let (status, told) = refused(&service, "POST /faults", "* stall\n* sparkle");
    assert_eq!(status, 400);
    assert!(told.contains("sparkle"), "{told}");
    assert_eq!(refused(&service, "POST /faults", "").0, 400);
    assert!(service.faults().list().is_empty());
}

#[test]
fn administering_meets_no_fault_and_leaves_no_entry() {
    let service = Simulator::start().unwrap();
    ok(&service, "POST /faults", "* always close");
    ok(&service, "POST /shaping", "latency=1");
    assert_eq!(service.log().total(), 0);
    assert_eq!(ask(&service, "HEAD /faults", ""), (200, Value::Null));
    let all = ok(&service, "GET ", "");
    assert_eq!(all["faults"].as_array().unwrap().len(), 1);
    assert_eq!(all["shaping"]["latencyMillis"], 1);
    assert_eq!(all["requests"], json!({}));
    assert_eq!(ok(&service, "GET /", "")["caps"], all["caps"]);
}

#[test]
fn shaping_is_set_and_lifted_in_parts() {
    let service = Simulator::start().unwrap();
    ok(&service, "POST /shaping", "latency=20 upload-rate=1000");
    let all = ok(
        &service,
        "POST /shaping",
        "download-rate=5&upload-rate=none",
    );
    let expected = json!({ "latencyMillis": 20, "uploadRate": null, "downloadRate": 5 });
    assert_eq!(all, expected);
    let shaping = service.faults().shaping();
    assert_eq!(shaping.latency, Duration::from_millis(20));
    assert_eq!(refused(&service, "POST /shaping", "upload-rate=0").0, 400);
    assert_eq!(ok(&service, "GET /shaping", ""), expected);
}

#[test]
fn the_clock_moves_forward_to_the_end_of_a_retention() {
    let world = World::new();
    let service = &world.service;
    let options = CreateBucketOptions::new().file_lock(true);
    let bucket = world
        .api
        .create_bucket_with("locked-bucket-1", BucketType::AllPrivate, &options)
        .unwrap();
    let now = ok(service, "GET /clock", "")["millis"].as_u64().unwrap();
    let until = now + 86_400_000;
    let retention = FileRetention::compliance(UNIX_EPOCH + Duration::from_millis(until));
    let locked = bucket
        .upload_bytes_with(b"x", "a", &UploadOptions::new().retention(retention))
        .unwrap();
    let id = locked.version().file_id.clone();
    world.api.delete_file_version(&id, "a").unwrap_err();

    let moved = ok(service, "POST /clock", &format!("to={}", until + 1000));
    assert!(moved["millis"].as_u64().unwrap() > until);
    world.api.delete_file_version(&id, "a").unwrap();

    let before = moved["aheadMillis"].as_u64().unwrap();
    let moved = ok(service, "POST /clock", "advance=60");
    assert_eq!(moved["aheadMillis"], before + 60_000);
    for wrong in ["to=1", "", "advance=-1", "advance=1 to=99999999999999"] {
        assert_eq!(refused(service, "POST /clock", wrong).0, 400, "{wrong}");
    }
    // At the end of what ids and dates can say, time stands still and nothing breaks.
    ok(service, "POST /clock", "advance=18446744073709551615");
    let end = ok(service, "POST /clock", "advance=18446744073709551615");
    assert_eq!(ok(service, "GET /clock", "")["millis"], end["millis"]);
}

#[test]
fn lifecycle_rules_are_applied_when_asked() {
    let world = World::new();
    let service = &world.service;
    let rule = LifecycleRule::new("").hide_after_days(2);
    let options = CreateBucketOptions::new().lifecycle_rules(vec![rule]);
    let bucket = world
        .api
        .create_bucket_with("short-lived-bucket-1", BucketType::AllPrivate, &options)
        .unwrap();
    bucket.upload_bytes(b"x", "a").unwrap();
    ok(service, "POST /lifecycle", "");
    bucket.download_file_by_name("a").unwrap();
    ok(service, "POST /clock", "advance=172801");
    bucket.download_file_by_name("a").unwrap();
    ok(service, "POST /lifecycle", "");
    let error = bucket.download_file_by_name("a").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

#[test]
fn files_are_replicated_when_asked() {
    let world = World::new();
    let service = &world.service;
    let west = world
        .api
        .create_bucket("west-bucket", BucketType::AllPrivate)
        .unwrap();
    b2sdk::replication::set_up(&world.bucket, &west).unwrap();
    world.bucket.upload_bytes(b"x", "a").unwrap();
    let error = west.download_file_by_name("a").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    ok(service, "POST /replication", "");
    let download = west.download_file_by_name("a").unwrap();
    assert_eq!(download.read_to_vec().unwrap(), b"x");
}

/// How often the service said 401 since then, and with which code.
fn unauthorized(service: &Simulator) -> usize {
    let entries = service.log().entries();
    entries.iter().filter(|e| e.status == Some(401)).count()
}

#[test]
fn tokens_and_upload_urls_expire_when_told() {
    let world = World::new();
    let service = &world.service;
    for order in ["POST /tokens/expire", "POST /tokens/revoke"] {
        service.log().clear();
        ok(service, order, "");
        world.api.list_buckets().unwrap();
        assert_eq!(unauthorized(service), 1, "{order}");
        assert_eq!(world.count(Operation::AuthorizeAccount), 1, "{order}");
    }
    world.bucket.upload_bytes(b"x", "a").unwrap();
    service.log().clear();
    ok(service, "POST /upload-urls/expire", "");
    world.bucket.upload_bytes(b"x", "a").unwrap();
    assert_eq!(unauthorized(service), 1);
    assert_eq!(world.count(Operation::GetUploadUrl), 1);
}

#[test]
fn keys_are_listed_without_secrets_and_expire_or_go() {
    let service = Simulator::start().unwrap();
    let key = service
        .create_key(KeyRequest::new(["listBuckets"]).name("mine"))
        .unwrap();
    let (id, secret) = (key.application_key_id(), key.application_key());
    let keys = ok(&service, "GET /keys", "");
    let shown = keys.to_string();
    assert!(shown.contains(id) && shown.contains("mine"), "{shown}");
    assert!(!shown.contains(secret) && !shown.contains(service.application_key()));

    let api = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    api.authorize_account(service.url(), id, secret).unwrap();
    api.list_buckets().unwrap();
    ok(&service, &format!("POST /keys/{id}/expire"), "");
    assert!(api.list_buckets().is_err());
    ok(&service, &format!("DELETE /keys/{id}"), "");
    assert!(!ok(&service, "GET /keys", "").to_string().contains(id));
    for gone in [id, service.application_key_id()] {
        let path = format!("POST /keys/{gone}/expire");
        assert_eq!(refused(&service, &path, "").0, 404);
    }
}

#[test]
fn caps_are_set_shown_with_what_is_used_and_lifted() {
    let world = World::new();
    let service = &world.service;
    world.bucket.upload_bytes(&noise(100), "a").unwrap();
    let all = ok(service, "POST /caps", "storage=100 class-c=1000");
    assert_eq!(all["storage"], json!({ "cap": 100, "used": 100 }));
    assert_eq!(all["classC"]["cap"], 1000);
    world.bucket.upload_bytes(b"x", "b").unwrap_err();
    let all = ok(service, "POST /caps", "storage=none");
    assert_eq!(all["storage"]["cap"], Value::Null);
    assert_eq!(ok(service, "GET /caps", "")["classC"]["cap"], 1000);
    world.bucket.upload_bytes(b"x", "b").unwrap();
    assert_eq!(refused(service, "POST /caps", "storage=lots").0, 400);
}

#[test]
fn settings_change_while_it_runs() {
    let world = World::new();
    let service = &world.service;
    let body = "minimum-part-size=100 recommended-part-size=1000 max-buckets=1";
    let all = ok(service, "POST /settings", body);
    assert_eq!(all["minimumPartSize"], 100);
    assert_eq!(all["maxSingleFile"], 5_000_000_000_u64);
    assert_eq!(ok(service, "GET /settings", ""), all);

    let api = B2Api::builder(InMemoryAccountInfo::new()).build().unwrap();
    authorize(&api, service);
    let bucket = api.get_bucket_by_name(crate::support::BUCKET).unwrap();
    bucket.upload_bytes(&noise(3000), "large").unwrap();
    assert_eq!(world.count(Operation::UploadPart), 3);
    api.create_bucket("one-too-many-1", BucketType::AllPrivate)
        .unwrap_err();
}

#[test]
fn uploads_may_choose_their_timestamp_from_the_moment_it_is_allowed() {
    let world = World::new();
    let service = &world.service;
    let options = UploadOptions::new().upload_timestamp(UNIX_EPOCH + Duration::from_secs(1));
    let upload = || world.bucket.upload_bytes_with(b"x", "a", &options);
    let refused = upload().unwrap_err();
    assert!(
        refused.to_string().contains("custom_timestamp_not_allowed"),
        "{refused}"
    );
    ok(service, "POST /settings", "custom-timestamps=true");
    let uploaded = upload().unwrap();
    assert_eq!(
        uploaded.version().upload_timestamp,
        Timestamp::from_millis(1000)
    );
    ok(service, "POST /settings", "custom-timestamps=false");
    upload().unwrap_err();
}

#[test]
fn no_answer_has_more_rows_than_is_allowed_and_listings_go_on() {
    let world = World::new();
    let service = &world.service;
    for name in ["a", "b", "c", "d", "e"] {
        world.bucket.upload_bytes(b"x", name).unwrap();
    }
    service.log().clear();
    let names = || {
        let files = world.bucket.ls("").unwrap();
        files.map(Result::unwrap).count()
    };
    assert_eq!((names(), world.count(Operation::ListFileNames)), (5, 1));
    ok(service, "POST /settings", "max-rows=2");
    assert_eq!((names(), world.count(Operation::ListFileNames)), (5, 4));
    // None would list for ever.
    assert_eq!(ok(service, "POST /settings", "max-rows=0")["maxRows"], 1);
}

#[test]
fn what_the_native_api_refuses_can_be_planted_and_is_listed() {
    let world = World::new();
    let service = &world.service;
    let overlapping = json!([
        { "fileNamePrefix": "animals/", "daysFromUploadingToHiding": 7, "daysFromHidingToDeleting": null },
        { "fileNamePrefix": "animals/cows/", "daysFromUploadingToHiding": 30, "daysFromHidingToDeleting": null },
    ]);
    let members = json!({ "lifecycleRules": overlapping, "bucketType": "shared" });
    ok(service, "POST /buckets/with.a.dot", &members.to_string());
    let planted = json!({ "fileName": "//odd\\name/", "content": "moo", "uploadTimestamp": 1000 });
    let id = ok(
        service,
        "POST /buckets/with.a.dot/files",
        &planted.to_string(),
    );

    let bucket = world.api.get_bucket_by_name("with.a.dot").unwrap();
    assert_eq!(bucket.details().unwrap().lifecycle_rules.len(), 2);
    let files = bucket.list_file_versions("//odd\\name/").unwrap();
    let files: Vec<_> = files.map(Result::unwrap).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].file_id.as_str(), id["fileId"].as_str().unwrap());
    assert_eq!(files[0].upload_timestamp, Timestamp::from_millis(1000));
    let content = bucket.download_file_by_id(&files[0].file_id).unwrap();
    assert_eq!(content.read_to_vec().unwrap(), b"moo");

    for (line, body, status) in [
        ("POST /buckets/a", "[]", 400),
        ("POST /buckets/a", r#"{"revision": 1}"#, 400),
        ("POST /buckets/a", r#"{"corsRules": {}}"#, 400),
        ("POST /buckets/none/files", r#"{"fileName": "a"}"#, 404),
        ("POST /buckets/with.a.dot/files", "{}", 400),
    ] {
        assert_eq!(refused(service, line, body).0, status, "{line} {body}");
    }
}

#[test]
fn a_clock_that_began_in_the_past_is_moved_up_to_the_machines_own() {
    let past = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let service = Simulator::builder().start_time(past).start().unwrap();
    let shown = ok(&service, "GET /clock", "");
    assert!(
        shown["date"]
            .as_str()
            .unwrap()
            .starts_with("Sun, 09 Sep 2001 01:46:4"),
        "{shown}"
    );
    assert!(shown["aheadMillis"].as_i64().unwrap() < 0);
    assert!(service.now() < past + Duration::from_secs(60));
    ok(&service, "POST /clock", "advance=86400");
    assert!(service.now() >= past + Duration::from_secs(86_400));
    let shown = ok(&service, "POST /clock", "to=system");
    assert_eq!(shown["aheadMillis"], 0);
    // Forward only.
    ok(&service, "POST /clock", "advance=60");
    assert_eq!(
        ok(&service, "POST /clock", "to=system")["aheadMillis"],
        60_000
    );
}

#[test]
fn the_log_is_read_and_cleared() {
    let world = World::new();
    let service = &world.service;
    world.bucket.upload_bytes(b"four", "a b").unwrap();
    let log = ok(service, "GET /log", "");
    assert_eq!(log["counts"]["b2_upload_file"], 1);
    let last = ok(service, "GET /log?last=1", "");
    let requests = last["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 1);
    let upload = &requests[0];
    assert_eq!(upload["operation"], "b2_upload_file");
    assert_eq!(
        (&upload["status"], &upload["bodyBytes"]),
        (&json!(200), &json!(44))
    );
    assert_eq!(upload["fileName"], "a b");
    assert_eq!(ok(service, "DELETE /log", ""), json!({}));
    assert_eq!(ok(service, "GET /log", "")["requests"], json!([]));
}
