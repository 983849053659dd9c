//! A week of a daemon's calls: tokens and upload URLs are removed while the service runs, from memory and
//! from the database.

use std::path::Path;

use super::*;
use crate::simulator::account::records::Record;
use crate::simulator::account::storage::Storage as _;
use crate::simulator::account::storage::disk::DiskStorage;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Fewer tokens of a kind are not looked through.
const FEW: usize = 1024;

fn known_tokens(world: &World) -> usize {
    world.state().count_tokens().iter().sum()
}

/// Makes so many upload URLs and as many download authorizations of a second in each hour of a week, and
/// authorizes in each; returns how many tokens were known at most.
fn work_for_a_week(world: &World, an_hour: usize) -> usize {
    let bucket = User::master(world).create_bucket("bucket-1");
    let mut most = 0;
    for _ in 0..7 * 24 {
        let user = User::master(world);
        for _ in 0..an_hour {
            user.call("b2_get_upload_url", json!({ "bucketId": bucket }))
                .ok();
            let body = json!({ "bucketId": bucket, "fileNamePrefix": "backup/",
                "validDurationInSeconds": 1 });
            user.call("b2_get_download_authorization", body).ok();
        }
        // Not through the world, which looks for stale tokens then.
        world.clock().advance(HOUR);
        most = most.max(known_tokens(world));
    }
    most
}

#[test]
fn a_running_service_forgets_tokens_and_upload_urls() {
    let world = world();
    let most = work_for_a_week(&world, 60);
    // A day of upload URLs and account tokens, which an hour more is known as expired, and two hours of
    // authorizations for downloads, which are not looked for while they are few.
    let needed = 25 * 61 + 2 * 60;
    assert!(most > 25 * 61 && most <= 2 * needed + FEW, "{most}");
    // A day and an hour later, all of them are removed when new ones are created.
    world.clock().advance(25 * HOUR);
    let user = User::master(&world);
    let bucket = id_of(
        &user.account_call("b2_list_buckets", json!({})).ok()["buckets"][0],
        "bucketId",
    );
    for _ in 0..2 * needed {
        user.call("b2_get_upload_url", json!({ "bucketId": bucket }))
            .ok();
    }
    let known = known_tokens(&world);
    assert!(known <= 2 * needed + 1, "{known}");
}

/// How many tokens the database in this directory holds.
fn tokens_in(dir: &Path) -> usize {
    let loaded = DiskStorage::open(dir).unwrap().load().unwrap();
    let is_token = |record: &&Record| {
        matches!(
            record,
            Record::AccountToken(_) | Record::UploadUrl(_) | Record::DownloadToken(_)
        )
    };
    loaded.records.iter().filter(is_token).count()
}

#[test]
fn a_database_forgets_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let known = {
        let world = World::open(dir.path(), Settings::default()).unwrap();
        let most = work_for_a_week(&world, 8);
        // Of each of the two kinds, a day and an hour make less than half of that.
        assert!(most <= 2 * FEW + 7 * 24 + 1, "{most}");
        known_tokens(&world)
    };
    assert_eq!(tokens_in(dir.path()), known);
}
