//! `X-Bz-Test-Mode`: what the service lets go wrong when asked, and that we get over it.

use b2sdk::simulator::Simulator;
use b2sdk::testing::TestMode;
use b2sdk::{B2Api, Error, InMemoryAccountInfo, Operation};

use crate::support::{World, authorize, noise};

fn world(mode: TestMode, seed: u64) -> World {
    let service = Simulator::builder()
        .minimum_part_size(100)
        .recommended_part_size(1000)
        .test_mode_seed(seed)
        .start()
        .unwrap();
    World::of(service, |builder| builder.test_mode(mode))
}

/// How each upload ended, by the service's log.
fn statuses(world: &World, operation: Operation) -> Vec<Option<u16>> {
    let entries = world.service.log().entries();
    let uploads = entries
        .iter()
        .filter(|entry| entry.operation == Some(operation));
    uploads.map(|entry| entry.status).collect()
}

fn upload_thirty(seed: u64) -> (World, Vec<Option<u16>>) {
    let world = world(TestMode::FailSomeUploads, seed);
    for number in 0..30 {
        world
            .bucket
            .upload_bytes(&noise(100 + number), &number.to_string())
            .unwrap();
    }
    let statuses = statuses(&world, Operation::UploadFile);
    (world, statuses)
}

#[test]
fn uploads_that_some_fail_of_all_succeed() {
    let (world, ended) = upload_thirty(1);
    let failed = ended.iter().filter(|status| **status == Some(503)).count();
    assert_eq!(ended.len(), 30 + failed);
    assert!((5..30).contains(&failed), "{failed}");
    for number in 0..30 {
        assert_eq!(world.content(&number.to_string()), noise(100 + number));
        assert_eq!(world.versions(&number.to_string()).len(), 1);
    }
    assert_eq!(upload_thirty(1).1, ended, "the same seed");
    assert_ne!(upload_thirty(2).1, ended, "another seed");
}

#[test]
fn parts_that_some_fail_of_make_a_whole_file() {
    let world = world(TestMode::FailSomeUploads, 3);
    let content = noise(40_000);
    world.bucket.upload_bytes(&content, "large").unwrap();
    assert_eq!(world.content("large"), content);
    let ended = statuses(&world, Operation::UploadPart);
    assert!(ended.contains(&Some(503)), "{ended:?}");
    assert_eq!(ended.iter().filter(|s| **s == Some(200)).count(), 40);
}

#[test]
fn tokens_that_expire_early_are_replaced() {
    let world = world(TestMode::ExpireSomeAccountAuthorizationTokens, 0);
    for number in 0..40 {
        let name = number.to_string();
        world.bucket.upload_bytes(&noise(50), &name).unwrap();
        assert_eq!(world.content(&name), noise(50));
        world.api.list_buckets().unwrap();
    }
    let again = world.count(Operation::AuthorizeAccount);
    assert!(again >= 1, "no token expired");
    let entries = world.service.log().entries();
    let refused = entries.iter().filter(|entry| entry.status == Some(401));
    assert_eq!(refused.count(), again, "one authorization for each refusal");
}

#[test]
fn a_forced_cap_is_an_exceeded_cap() {
    let service = Simulator::start().unwrap();
    let account_info = InMemoryAccountInfo::new();
    let api = B2Api::builder(account_info)
        .test_mode(TestMode::ForceCapExceeded)
        .build()
        .unwrap();
    authorize(&api, &service);
    service.log().clear();
    let error = api.list_buckets().unwrap_err();
    assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
    assert_eq!(service.log().total(), 1, "it is not tried again");
}
