//! Runs of the lifecycle rules.

use super::*;
use crate::simulator::maintenance::{lifecycle, planting};

fn bucket_with(user: &User<'_>, rules: Value) -> String {
    let body = json!({ "bucketName": "bucket-1", "bucketType": "allPrivate",
        "fileLockEnabled": true, "lifecycleRules": rules });
    id_of(
        &user.account_call("b2_create_bucket", body).ok(),
        "bucketId",
    )
}

/// Days later, after a round: names and actions of all versions.
fn after(world: &World, bucket: &str, days: u32) -> Vec<(String, String)> {
    world.clock().advance(DAY * days);
    lifecycle::run(world).unwrap();
    let user = User::master(world);
    let page = user
        .call("b2_list_file_versions", json!({ "bucketId": bucket }))
        .ok();
    let files = page["files"].as_array().unwrap().iter();
    files
        .map(|file| (id_of(file, "fileName"), id_of(file, "action")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, action): &(&str, &str)| ((*name).to_owned(), (*action).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn files_are_hidden_then_deleted_then_their_marker_goes() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "a/", "daysFromUploadingToHiding": 3,
        "daysFromHidingToDeleting": 2 }]);
    let bucket = bucket_with(&user, rule);
    user.upload(&bucket, "a/1", b"x");
    user.upload(&bucket, "b", b"x");
    let whole = pairs(&[("a/1", "upload"), ("b", "upload")]);
    assert_eq!(after(&world, &bucket, 2), whole);
    let hidden = pairs(&[("a/1", "hide"), ("a/1", "upload"), ("b", "upload")]);
    assert_eq!(after(&world, &bucket, 1), hidden);
    assert_eq!(after(&world, &bucket, 1), hidden);
    assert_eq!(after(&world, &bucket, 1), pairs(&[("b", "upload")]));
}

#[test]
fn superseded_versions_go_unless_they_are_locked() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "", "daysFromHidingToDeleting": 1 }]);
    let bucket = bucket_with(&user, rule);
    let url = UploadUrl::get(&user, &bucket);
    url.upload("held", b"x", &[("X-Bz-File-Legal-Hold", "on")])
        .ok();
    user.upload(&bucket, "held", b"x");
    user.upload(&bucket, "old", b"x");
    user.upload(&bucket, "old", b"x");
    let kept = [("held", "upload"), ("held", "upload"), ("old", "upload")];
    // Uploads within one millisecond are stamped ahead of the clock: a day may not do.
    assert_eq!(after(&world, &bucket, 2), pairs(&kept));
}

#[test]
fn unfinished_large_files_are_cancelled() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "",
        "daysFromStartingToCancelingUnfinishedLargeFiles": 7 }]);
    let bucket = bucket_with(&user, rule);
    let start = json!({ "bucketId": bucket, "fileName": "big", "contentType": "a/b" });
    user.call("b2_start_large_file", start).ok();
    assert_eq!(after(&world, &bucket, 6), pairs(&[("big", "start")]));
    assert_eq!(after(&world, &bucket, 1), pairs(&[]));
}

/// Sections 3.5 and 3.11: a marker may be put over a locked version; the version stays until its
/// retention has ended, and its marker stays with it.
#[test]
fn locked_versions_outlast_the_rules_until_their_retention_ends() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "", "daysFromUploadingToHiding": 1,
        "daysFromHidingToDeleting": 1 }]);
    let bucket = bucket_with(&user, rule);
    let until = (world.clock().now_millis() + 10 * 24 * 60 * 60 * 1000).to_string();
    let url = UploadUrl::get(&user, &bucket);
    for mode in ["governance", "compliance"] {
        let lock = [
            ("X-Bz-File-Retention-Mode", mode),
            ("X-Bz-File-Retention-Retain-Until-Timestamp", until.as_str()),
        ];
        url.upload(mode, b"x", &lock).ok();
    }
    let both = pairs(&[
        ("compliance", "hide"),
        ("compliance", "upload"),
        ("governance", "hide"),
        ("governance", "upload"),
    ]);
    assert_eq!(after(&world, &bucket, 1), both);
    assert_eq!(after(&world, &bucket, 3), both);
    assert_eq!(after(&world, &bucket, 6), pairs(&[]));
}

/// Section 3.5: a version is deleted so many days after it was superseded, however old it is; what is
/// not finished supersedes nothing.
#[test]
fn days_count_from_what_took_a_versions_place() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "", "daysFromHidingToDeleting": 3 }]);
    let bucket = bucket_with(&user, rule);
    let one = pairs(&[("a", "upload")]);
    let two = pairs(&[("a", "upload"), ("a", "upload")]);
    user.upload(&bucket, "a", b"1");
    assert_eq!(after(&world, &bucket, 30), one);
    let user = User::master(&world);
    let start = json!({ "bucketId": bucket, "fileName": "a", "contentType": "a/b" });
    let large = user.call("b2_start_large_file", start).ok();
    let three = pairs(&[("a", "start"), ("a", "upload")]);
    assert_eq!(after(&world, &bucket, 30), three);
    let user = User::master(&world);
    let cancel = json!({ "fileId": large["fileId"] });
    user.call("b2_cancel_large_file", cancel).ok();
    user.upload(&bucket, "a", b"2");
    assert_eq!(after(&world, &bucket, 2), two);
    assert_eq!(after(&world, &bucket, 2), one);
}

#[test]
fn a_marker_that_hides_nothing_goes_at_once_by_rules_that_hide_too() {
    let world = world();
    let user = User::master(&world);
    let rule = json!([{ "fileNamePrefix": "a/", "daysFromUploadingToHiding": 3 },
        { "fileNamePrefix": "b/", "daysFromStartingToCancelingUnfinishedLargeFiles": 1 }]);
    let bucket = bucket_with(&user, rule);
    for name in ["a/orphan", "a/hidden", "b/orphan", "c"] {
        let file = user.upload(&bucket, name, b"x");
        user.hide(&bucket, name).ok();
        if name != "a/hidden" {
            let body = json!({ "fileId": file["fileId"], "fileName": name });
            user.call("b2_delete_file_version", body).ok();
        }
    }
    let expected = [
        ("a/hidden", "hide"),
        ("a/hidden", "upload"),
        ("b/orphan", "hide"),
        ("c", "hide"),
    ];
    assert_eq!(after(&world, &bucket, 0), pairs(&expected));
    assert_eq!(after(&world, &bucket, 1000), pairs(&expected));
}

#[test]
fn of_overlapping_rules_that_were_planted_the_earliest_action_counts() {
    let world = world();
    let user = User::master(&world);
    let rules = json!([
        { "fileNamePrefix": "", "daysFromUploadingToHiding": 9, "daysFromHidingToDeleting": 1 },
        { "fileNamePrefix": "a/", "daysFromUploadingToHiding": 3 },
        { "fileNamePrefix": "a/b", "daysFromUploadingToHiding": 5 },
    ]);
    let bucket = user.create_bucket("bucket-1");
    let body = json!({ "bucketId": bucket, "lifecycleRules": rules });
    user.account_call("b2_update_bucket", body)
        .refused(400, "bad_request");
    let planted = json!({ "lifecycleRules": rules });
    planting::bucket(&world, "bucket-1", planted.as_object().unwrap()).unwrap();
    user.upload(&bucket, "a/b", b"x");
    user.upload(&bucket, "c", b"x");
    let hidden = pairs(&[("a/b", "hide"), ("a/b", "upload"), ("c", "upload")]);
    assert_eq!(after(&world, &bucket, 3), hidden);
    // The file goes a day later, and its marker with it.
    assert_eq!(after(&world, &bucket, 1), pairs(&[("c", "upload")]));
    assert_eq!(
        after(&world, &bucket, 5),
        pairs(&[("c", "hide"), ("c", "upload")])
    );
}
