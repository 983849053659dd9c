//! Answers with odd rows: one row that is not as documented never takes the others along, and what cannot
//! be read is kept and written back as it came.

use b2sdk::delete::{DeleteManyOptions, DeleteOutcome, FileIdAndName};
use b2sdk::keys::Capability;
use b2sdk::listing::Part;
use b2sdk::lock::{BucketRetention, RetentionPeriod};
use b2sdk::notifications::{EventNotificationRule, EventTarget};
use b2sdk::replication::{SetupOptions, set_up_with};
use b2sdk::rules::{CorsRule, LifecycleRule};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{
    BucketType, CreateBucketOptions, Error, FileInfo, Filtered, LsOptions, Operation, Sha1Digest,
    UpdateBucketOptions, Versions,
};
use serde_json::{Value, json};

use crate::support::{BUCKET, World};

/// What a member may be instead of what is documented.
fn oddities() -> [Value; 7] {
    [
        Value::Null,
        json!("odd 😀"),
        json!(-1),
        json!(1.5),
        json!(5_000_000_000_000_000_000_u64),
        json!([null]),
        json!({"odd": null}),
    ]
}

/// The pointers to all members below a value.
fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.replace('~', "~0").replace('/', "~1"), member))
            .collect(),
        Value::Array(items) => (0..).map(|n: usize| n.to_string()).zip(items).collect(),
        _ => return,
    };
    for (name, member) in below {
        let path = format!("{at}/{name}");
        paths(member, &path, found);
        found.push(path);
    }
}

fn without(value: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => _ = members.remove(name),
        Some(Value::Array(items)) => _ = items.remove(name.parse().unwrap()),
        _ => {}
    }
}

/// Changes each member of the first row of a list in each odd way, and looks at what is left.
fn sweep(
    world: &World,
    operation: Operation,
    list: &'static str,
    row: &Value,
    look: impl Fn() -> Result<Vec<String>, Error>,
    other: &str,
) {
    let mut members = vec![String::new()];
    paths(row, "", &mut members);
    let mut kept_all = 0;
    for path in &members {
        let mut ways: Vec<Option<Value>> = oddities().into_iter().map(Some).collect();
        ways.push(None);
        for way in ways {
            let told = format!("{operation} {path} {way:?}");
            let path = format!("/{list}/0{path}");
            world.inject(Fault::on(operation).edit_json(move |answer| match &way {
                Some(odd) => {
                    if let Some(member) = answer.pointer_mut(&path) {
                        *member = odd.clone();
                    }
                }
                None => without(answer, &path),
            }));
            let names = look().unwrap_or_else(|error| panic!("{told}: {error}"));
            assert!(names.iter().any(|name| name == other), "{told}: {names:?}");
            kept_all += usize::from(names.len() == 2);
            world.service.faults().clear();
        }
    }
    assert!(kept_all > members.len() * 4, "{operation}: {kept_all}");
}

/// The first row of a list as the service writes it.
fn first_row<T: serde::Serialize>(row: &T) -> Value {
    serde_json::to_value(row).unwrap()
}

#[test]
fn an_odd_bucket_hides_no_other() {
    let world = World::new();
    let rich = CreateBucketOptions::new()
        .file_lock(true)
        .info([("k", "v")])
        .cors_rules([CorsRule::new("downloads", ["*"], ["s3_get"], 5)
            .allowed_headers(["*"])
            .expose_headers(["a"])])
        .lifecycle_rules([LifecycleRule::new("x/")
            .hide_after_days(1)
            .delete_hidden_after_days(1)
            .cancel_unfinished_after_days(1)]);
    let bucket = world
        .api
        .create_bucket_with("a-rich-bucket", BucketType::AllPrivate, &rich)
        .unwrap();
    let options = SetupOptions::new().rule_name("to-other");
    set_up_with(&bucket, &world.bucket, &options).unwrap();
    let retention = BucketRetention::governance(RetentionPeriod::days(1));
    let update = UpdateBucketOptions::new().default_retention(retention);
    let details = bucket.update(&update).unwrap();
    sweep(
        &world,
        Operation::ListBuckets,
        "buckets",
        &first_row(&details),
        || {
            let buckets = world.api.list_buckets()?;
            Ok(buckets.iter().map(|b| b.name().to_owned()).collect())
        },
        BUCKET,
    );
}

#[test]
fn an_odd_file_hides_no_other() {
    // The odd name is between the two.
    let world = World::new();
    world.bucket.upload_bytes(b"1", "a").unwrap();
    world.bucket.upload_bytes(b"2", "z").unwrap();
    let first = world.versions("a").remove(0);
    for (operation, versions) in [
        (Operation::ListFileNames, Versions::Latest),
        (Operation::ListFileVersions, Versions::All),
    ] {
        let options = LsOptions::new().recursive(true).versions(versions);
        let look = || {
            let listing = world.bucket.ls_with("", &options)?;
            listing
                .map(|entry| Ok(entry?.version.file_name))
                .collect::<Result<Vec<_>, _>>()
        };
        sweep(&world, operation, "files", &first_row(&first), look, "z");
    }
}

#[test]
fn an_odd_key_hides_no_other() {
    let world = World::new();
    for name in ["one", "two"] {
        world.api.create_key(name, [Capability::ListFiles]).unwrap();
    }
    let keys: Vec<_> = world.api.list_keys().unwrap().map(Result::unwrap).collect();
    let (first, second) = (first_row(&keys[0]), keys[1].key_name.clone());
    let look = || {
        let keys = world.api.list_keys()?;
        keys.map(|key| Ok(key?.key_name)).collect()
    };
    sweep(&world, Operation::ListKeys, "keys", &first, look, &second);
}

#[test]
fn a_restriction_of_a_key_that_cannot_be_read_is_not_shown_as_none() {
    let world = World::new();
    world
        .api
        .create_key("one", [Capability::ListFiles])
        .unwrap();
    world.inject(Fault::on(Operation::ListKeys).edit_json(|answer| {
        answer["keys"][0]["bucketIds"] = json!("all of them");
    }));
    let key = world.api.list_keys().unwrap().next().unwrap().unwrap();
    assert_eq!(key.bucket_ids, Some(vec![]));
    assert_eq!(key.extra["unreadable"]["bucketIds"], "all of them");
}

#[test]
fn an_odd_part_and_an_odd_unfinished_file_hide_no_other() {
    let world = World::of_small_parts(5, 10);
    let (id, info) = (world.bucket.id(), FileInfo::new());
    let start = |name: &'static str| {
        let request = b2sdk::raw::StartLargeFileRequest::new(&id, name, "text/plain", &info);
        world
            .api
            .call_raw(Operation::StartLargeFile, |raw| {
                raw.start_large_file(&request)
            })
            .unwrap()
    };
    let first = start("a");
    start("b");
    for number in [1, 2] {
        let url = world
            .api
            .call_raw(Operation::GetUploadPartUrl, |raw| {
                raw.get_upload_part_url(&first.file_id)
            })
            .unwrap();
        let content = [b'x'; 5];
        world
            .api
            .call_raw(Operation::UploadPart, |raw| {
                let mut reader = &content[..];
                let sha1 = Sha1Digest::of(&content);
                let mut body = b2sdk::raw::UploadBody::with_sha1(&mut reader, 5, sha1);
                let request = b2sdk::raw::UploadPartRequest::new(number);
                raw.upload_part(
                    &url.upload_url,
                    &url.authorization_token,
                    &request,
                    &mut body,
                )
            })
            .unwrap();
    }
    let parts = || -> Result<Vec<Part>, Error> { world.api.list_parts(&first.file_id)?.collect() };
    let row = first_row(&parts().unwrap()[0]);
    let look = || Ok(parts()?.iter().map(|p| p.part_number.to_string()).collect());
    sweep(&world, Operation::ListParts, "parts", &row, look, "2");
    let look = || {
        let unfinished = world.bucket.list_unfinished_large_files("")?;
        unfinished.map(|file| Ok(file?.file_name)).collect()
    };
    // They are listed by their ids, in which chance has a part.
    let listed = world.bucket.list_unfinished_large_files("").unwrap();
    let listed: Vec<_> = listed.map(Result::unwrap).collect();
    let (row, other) = (first_row(&listed[0]), listed[1].file_name.as_str());
    let operation = Operation::ListUnfinishedLargeFiles;
    sweep(&world, operation, "files", &row, look, other);
}

#[test]
fn an_odd_notification_rule_hides_no_other_and_is_not_shown() {
    let world = World::new();
    let rule = |name: &str, prefix: &str| {
        let target = EventTarget::webhook("https://example.com/x").custom_header("a", "b");
        EventNotificationRule::new(name, ["b2:ObjectCreated:*"], target).object_name_prefix(prefix)
    };
    let rules = [rule("first-rule", "a/"), rule("second-rule", "b/")];
    world.bucket.set_notification_rules(&rules).unwrap();
    let row = json!({
        "name": "first-rule", "eventTypes": ["b2:ObjectCreated:*"], "objectNamePrefix": "a/",
        "isEnabled": true, "isSuspended": false, "suspensionReason": "", "maxEventsPerBatch": 1,
        "targetConfiguration": {"targetType": "webhook", "url": "https://example.com/x",
            "customHeaders": [{"name": "a", "value": "b"}]},
    });
    let look = || {
        let rules = world.bucket.get_notification_rules()?;
        Ok(rules.into_iter().map(|rule| rule.name).collect())
    };
    let operation = Operation::GetBucketNotificationRules;
    sweep(
        &world,
        operation,
        "eventNotificationRules",
        &row,
        look,
        "second-rule",
    );

    world.inject(Fault::on(operation).edit_json(|answer| {
        let rule = &mut answer["eventNotificationRules"][0];
        rule["targetConfiguration"]["hmacSha256SigningSecret"] = json!(["hidden secret"]);
    }));
    let rules = world.bucket.get_notification_rules().unwrap();
    assert!(rules[0].unreadable().is_some() && rules[1].unreadable().is_none());
    assert!(!format!("{rules:?}").contains("hidden secret"));
}

/// What the service has by other interfaces: overlapping lifecycle rules, CORS rules with S3 names and
/// without an age, and rules that nobody here can read.
fn foreign_rules(answer: &mut Value) {
    let bucket = &mut answer["buckets"][0];
    bucket["lifecycleRules"] = json!([
        {"fileNamePrefix": "animals/", "daysFromUploadingToHiding": 30},
        {"fileNamePrefix": "animals/cows/", "daysFromUploadingToHiding": 7},
        {"daysFromUploadingToHiding": 1.5, "of": "tomorrow"},
    ]);
    bucket["corsRules"] = json!([
        {"corsRuleName": "Allow GET/POST", "allowedOrigins": ["https://a.example/"], "allowedOperations": []},
        {"allowedOrigins": ["*"], "allowedOperations": ["s3_get"]},
        "a rule",
    ]);
}

#[test]
fn rules_of_the_service_are_written_back_whatever_they_are() {
    let world = World::new();
    world.inject(Fault::on(Operation::ListBuckets).edit_json(foreign_rules));
    let details = world.bucket.details().unwrap();
    assert_eq!(
        serde_json::to_value(&details.lifecycle_rules).unwrap()[2],
        json!({"daysFromUploadingToHiding": 1.5, "of": "tomorrow"})
    );
    assert!(details.lifecycle_rules[2].unreadable().is_some());
    assert_eq!(
        serde_json::to_value(&details.cors_rules).unwrap(),
        json!([
            {"corsRuleName": "Allow GET/POST", "allowedOrigins": ["https://a.example/"],
                "allowedOperations": [], "allowedHeaders": null, "exposeHeaders": null},
            {"allowedOrigins": ["*"], "allowedOperations": ["s3_get"],
                "allowedHeaders": null, "exposeHeaders": null},
            "a rule",
        ])
    );
    world.service.log().clear();
    // Whether they are sent: the simulator refuses them, as a service may.
    world.inject(Fault::on(Operation::ListBuckets).edit_json(foreign_rules));
    let error = world
        .bucket
        .modify(|details| {
            let mut lifecycle = details.lifecycle_rules.clone();
            lifecycle.push(LifecycleRule::new("zebras/").hide_after_days(1));
            let mut cors = details.cors_rules.clone();
            cors.push(CorsRule::new("another-rule", ["*"], ["s3_get"], 5));
            let update = UpdateBucketOptions::new().lifecycle_rules(lifecycle);
            Ok(update.cors_rules(cors))
        })
        .unwrap_err();
    assert!(matches!(error, Error::Service(_)), "{error:?}");
    assert_eq!(world.count(Operation::UpdateBucket), 1);
    // A rule that the program adds is judged as ever.
    world.inject(Fault::on(Operation::ListBuckets).edit_json(foreign_rules));
    let error = world
        .bucket
        .modify(|details| {
            let mut rules = details.lifecycle_rules.clone();
            rules.push(LifecycleRule::new("zebras/"));
            Ok(UpdateBucketOptions::new().lifecycle_rules(rules))
        })
        .unwrap_err();
    assert!(error.to_string().contains("does nothing"), "{error}");
    assert_eq!(world.count(Operation::UpdateBucket), 1);
}

#[test]
fn a_setting_that_cannot_be_read_is_never_replaced_unseen() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::ListBuckets)
            .edit_json(|answer| {
                let bucket = &mut answer["buckets"][0];
                bucket["lifecycleRules"] = json!("many");
                bucket["replicationConfiguration"]["value"] = json!([1]);
            })
            .always(),
    );
    let details = world.bucket.details().unwrap();
    assert_eq!(details.extra["unreadable"]["lifecycleRules"], "many");
    assert_eq!(details.replication_configuration, Filtered::NotAuthorized);
    let rule = LifecycleRule::new("a/").hide_after_days(1);
    let error = world
        .bucket
        .modify(|_| Ok(UpdateBucketOptions::new().lifecycle_rules([rule.clone()])))
        .unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert_eq!(world.count(Operation::UpdateBucket), 0);
    world
        .bucket
        .modify(|_| Ok(UpdateBucketOptions::new().bucket_type(BucketType::AllPublic)))
        .unwrap();
}

#[test]
fn a_bare_id_of_a_bucket_that_was_created_again_is_deleted_by_an_older_handle() {
    let world = World::new();
    world.api.delete_bucket(&world.bucket).unwrap();
    let newer = world
        .api
        .create_bucket(BUCKET, BucketType::AllPrivate)
        .unwrap();
    let stored = newer.upload_bytes(b"1", "x").unwrap();
    world
        .bucket
        .delete_file_version(&stored.version().file_id, "x")
        .unwrap();
    assert_eq!(newer.list_file_versions("x").unwrap().count(), 0);
}

#[test]
fn a_version_under_another_spelling_or_of_another_bucket_is_not_told_as_gone() {
    let world = World::new();
    let version = world.bucket.upload_bytes(b"1", "é.txt").unwrap();
    let id = &version.version().file_id;
    let delete = |version: FileIdAndName| {
        let options = DeleteManyOptions::new();
        let mut results = world
            .bucket
            .delete_versions([Ok(version)], &options)
            .unwrap();
        results.next().unwrap()
    };
    let failed = delete(FileIdAndName::new(id.clone(), "e\u{301}.txt")).unwrap_err();
    assert!(
        matches!(failed.error, Error::InvalidInput { .. }),
        "{failed:?}"
    );
    assert!(failed.error.to_string().contains("was not deleted"));
    assert_eq!(world.versions("é.txt").len(), 1);

    let other = world
        .api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap();
    let elsewhere = other.upload_bytes(b"1", "x").unwrap().version().clone();
    world.service.log().clear();
    let failed = delete(elsewhere.clone().into()).unwrap_err();
    let message = failed.error.to_string();
    assert!(message.contains(other.id().as_str()), "{message}");
    assert_eq!(world.total(), 0);
    assert_eq!(other.list_file_versions("x").unwrap().count(), 1);

    // Of a bare id, the service tells the bucket, and a key that may not ask deletes nothing elsewhere.
    let bare = FileIdAndName::new(elsewhere.file_id.clone(), "x");
    let failed = delete(bare.clone()).unwrap_err();
    let message = failed.error.to_string();
    assert!(message.contains(other.id().as_str()), "{message}");
    let deleted = world.bucket.delete_file_version(&elsewhere.file_id, "x");
    assert!(
        matches!(deleted, Err(Error::InvalidInput { .. })),
        "{deleted:?}"
    );
    assert_eq!(world.count(Operation::DeleteFileVersion), 0);
    assert_eq!(world.count(Operation::GetFileInfo), 2);
    let blind = world.restricted(KeyRequest::new(["deleteFiles", "listBuckets"]));
    let blind = blind.get_bucket_by_name(BUCKET).unwrap();
    let deleted = blind.delete_file_version(&elsewhere.file_id, "x");
    assert!(
        matches!(deleted, Err(Error::InvalidInput { .. })),
        "{deleted:?}"
    );
    assert_eq!(world.count(Operation::DeleteFileVersion), 0);
    assert_eq!(other.list_file_versions("x").unwrap().count(), 1);
    // An id whose form says otherwise is nothing against what the service says.
    let moved = world.bucket.id();
    world.inject(Fault::on(Operation::GetFileInfo).edit_json(move |json| {
        json["bucketId"] = moved.as_str().into();
    }));
    world
        .bucket
        .delete_file_version(&elsewhere.file_id, "x")
        .unwrap();
    assert_eq!(other.list_file_versions("x").unwrap().count(), 0);
    // One that is gone is gone, whatever its id says.
    assert_eq!(delete(bare).unwrap().outcome, DeleteOutcome::WasGone);

    // A version that is gone is gone under any name.
    world.bucket.delete_file_version(id, "é.txt").unwrap();
    for name in ["é.txt", "e\u{301}.txt"] {
        let outcome = delete(FileIdAndName::new(id.clone(), name))
            .unwrap()
            .outcome;
        assert_eq!(outcome, DeleteOutcome::WasGone, "{name}");
    }
    // A key that may not look gets the outcome that the service gave.
    let version = world.bucket.upload_bytes(b"1", "é.txt").unwrap();
    let api = world.restricted(KeyRequest::new(["deleteFiles", "listBuckets"]).bucket(BUCKET));
    let blind = api.get_bucket_by_name(BUCKET).unwrap();
    let asked = FileIdAndName::new(version.version().file_id.clone(), "e\u{301}.txt");
    let options = DeleteManyOptions::new();
    let mut results = blind.delete_versions([Ok(asked)], &options).unwrap();
    let outcome = results.next().unwrap().unwrap().outcome;
    assert_eq!(outcome, DeleteOutcome::WasGone);
}
