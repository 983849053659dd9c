//! What the client counts beside what the service saw: every request, whatever became of it.

use std::collections::BTreeMap;

use b2sdk::delete::DeleteManyOptions;
use b2sdk::keys::Capability;
use b2sdk::limits::{BillingClass, RequestBudget};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{DownloadOptions, Error, LsOptions, Operation, Result, UpdateBucketOptions, Versions};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};

use crate::support::{World, noise};

use BillingClass::{A, B, C};

/// As Backblaze bills them (docs/protocol.md, section 9.4), written down once more: the client and
/// the simulator have one table together.
const CLASSES: [(&str, BillingClass); 31] = [
    ("b2_authorize_account", C),
    ("b2_cancel_large_file", A),
    ("b2_copy_file", C),
    ("b2_copy_part", C),
    ("b2_create_bucket", C),
    ("b2_create_key", C),
    ("b2_delete_bucket", A),
    ("b2_delete_file_version", A),
    ("b2_delete_key", A),
    ("b2_download_file_by_id", B),
    ("b2_download_file_by_name", B),
    ("b2_finish_large_file", A),
    ("b2_get_bucket_notification_rules", C),
    ("b2_get_download_authorization", C),
    ("b2_get_file_info", B),
    ("b2_get_upload_part_url", A),
    ("b2_get_upload_url", A),
    ("b2_hide_file", A),
    ("b2_list_buckets", C),
    ("b2_list_file_names", C),
    ("b2_list_file_versions", C),
    ("b2_list_keys", C),
    ("b2_list_parts", C),
    ("b2_list_unfinished_large_files", C),
    ("b2_set_bucket_notification_rules", C),
    ("b2_start_large_file", A),
    ("b2_update_bucket", C),
    ("b2_update_file_legal_hold", A),
    ("b2_update_file_retention", A),
    ("b2_upload_file", A),
    ("b2_upload_part", A),
];

fn class_of(name: &str) -> BillingClass {
    let found = CLASSES.iter().find(|(own, _)| *own == name);
    found.unwrap().1
}

/// A world of small parts. One worker, so that no request is given up before it arrives.
fn world() -> World {
    let service = Simulator::builder()
        .minimum_part_size(1000)
        .recommended_part_size(1000)
        .start()
        .unwrap();
    let world = World::of(service, |builder| builder.workers(1));
    world.bucket.upload_bytes(b"x", "always").unwrap();
    world
}

/// What was counted before: the log was emptied since.
struct Before(BTreeMap<&'static str, u64>);

impl Before {
    fn of(world: &World) -> Self {
        world.service.log().clear();
        Self(counted(world))
    }

    /// How many requests of each operation the service saw since, which are as many as were counted.
    fn compare(&self, world: &World) -> BTreeMap<&'static str, u64> {
        let seen = world.service.log().counts();
        let seen: BTreeMap<_, _> = seen.into_iter().map(|(name, n)| (name, n as u64)).collect();
        let mut since = counted(world);
        for (name, count) in &mut since {
            *count -= self.0.get(name).copied().unwrap_or(0);
        }
        since.retain(|_, count| *count > 0);
        assert_eq!(since, seen, "counted, and seen by the service");
        seen
    }
}

fn counted(world: &World) -> BTreeMap<&'static str, u64> {
    let counts = world.api.request_counts();
    assert_eq!(counts.total(), counts.iter().map(|(_, n)| n).sum::<u64>());
    counts.iter().map(|(op, n)| (op.name(), n)).collect()
}

fn in_class(counts: &BTreeMap<&'static str, u64>, class: BillingClass) -> u64 {
    let own = counts.iter().filter(|(name, _)| class_of(name) == class);
    own.map(|(_, count)| count).sum()
}

/// One of the things that programs do; whether it succeeds is not the point.
fn act(world: &World, which: u8, number: usize) -> Result<()> {
    let (api, bucket) = (&world.api, &world.bucket);
    let name = format!("{}", number % 3);
    match which % 18 {
        0 => bucket.upload_bytes(b"small", &name).map(drop),
        1 => bucket.upload_bytes(&noise(4500), &name).map(drop),
        2 => bucket.upload_stream(&noise(2500)[..], &name).map(drop),
        3 => bucket.download_file_by_name(&name)?.read_to_vec().map(drop),
        4 => {
            let version = bucket.get_file_info_by_name("always")?;
            api.get_file_info(&version.file_id)?;
            let download = api.download_file_by_id(&version.file_id)?;
            download.read_to_vec().map(drop)
        }
        5 => {
            let directory = tempfile::tempdir().unwrap();
            let options = DownloadOptions::new().part_size(1000);
            let download = bucket.download_file_by_name_with(&name, &options)?;
            download.save_to(directory.path().join("x")).map(drop)
        }
        6 => bucket.ls("")?.try_for_each(|entry| entry.map(drop)),
        7 => bucket.hide_file(&name).map(drop),
        8 => bucket.unhide_file(&name).map(drop),
        9 => {
            let version = bucket.get_file_info_by_name("always")?;
            bucket.copy(&version.file_id, &name).map(drop)
        }
        10 => {
            let made = api.create_key("key", [Capability::ListFiles])?;
            api.list_keys()?.try_for_each(|key| key.map(drop))?;
            api.delete_key(&made.details.application_key_id).map(drop)
        }
        11 => {
            let hour = std::time::Duration::from_secs(3600);
            bucket.get_download_authorization("", hour).map(drop)
        }
        12 => {
            let options = UpdateBucketOptions::new().bucket_type(b2sdk::BucketType::AllPrivate);
            bucket.update(&options)?;
            bucket.details().map(drop)
        }
        13 => api.reauthorize(),
        14 => {
            world.service.expire_tokens().unwrap();
            api.list_buckets().map(drop)
        }
        15 => {
            world.service.drop_upload_urls().unwrap();
            bucket.upload_bytes(b"small", &name).map(drop)
        }
        16 => {
            for unfinished in bucket.list_unfinished_large_files("")? {
                let file_id = unfinished?.file_id;
                api.list_parts(&file_id)?
                    .try_for_each(|part| part.map(drop))?;
                api.cancel_large_file(&file_id)?;
            }
            Ok(())
        }
        _ => {
            let everything = LsOptions::new().recursive(true).versions(Versions::All);
            let options = DeleteManyOptions::new();
            for result in bucket.delete_many(&name, &everything, &options)? {
                result.map_err(|failed| failed.error)?;
            }
            Ok(())
        }
    }
}

/// Something that goes wrong with one of the next requests, or nothing.
fn fault(which: u8) -> Option<Fault> {
    let fault = match which % 10 {
        0 => Fault::on_any().status(503, "service_unavailable", ""),
        1 => Fault::on_any().status(401, "expired_auth_token", ""),
        2 => Fault::on_any()
            .status(429, "too_many_requests", "")
            .retry_after(7),
        3 => Fault::on_any().drop_connection(),
        4 => Fault::on_any().drop_connection().after_effect(),
        5 => Fault::on_any().truncate_answer(7),
        6 => Fault::on_any().status(400, "bad_request", ""),
        _ => return None,
    };
    Some(
        fault
            .after(usize::from(which / 10 % 6))
            .times(1 + usize::from(which) % 2),
    )
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn every_request_of_a_mixed_workload_is_counted(steps in vec(any::<(u8, u8)>(), 1..25)) {
        let world = world();
        let before = Before::of(&world);
        for (number, (action, failing)) in steps.into_iter().enumerate() {
            if let Some(fault) = fault(failing) {
                world.inject(fault);
            }
            let _outcome = act(&world, action, number);
            before.compare(&world);
            world.service.faults().clear();
        }
    }

    #[test]
    fn no_more_is_sent_than_the_budget_allows(
        steps in vec(any::<(u8, u8)>(), 1..25),
        limits in any::<(u8, u8, u8)>(),
    ) {
        let world = world();
        let before = Before::of(&world);
        let (a, b, c) = (limits.0 % 20, limits.1 % 8, limits.2 % 12);
        let limit_of = |class| u64::from(match class { A => a, B => b, C => c });
        let used = world.api.request_counts();
        let whole = |class| used.of_class(class) + limit_of(class);
        let budget = RequestBudget::new().class_a(whole(A)).class_b(whole(B)).class_c(whole(C));
        world.api.set_request_budget(budget);
        for (number, (action, failing)) in steps.into_iter().enumerate() {
            if let Some(fault) = fault(failing) {
                world.inject(fault);
            }
            let outcome = act(&world, action, number);
            let seen = before.compare(&world);
            for class in [A, B, C] {
                assert!(in_class(&seen, class) <= limit_of(class), "{class:?}: {seen:?}");
            }
            if let Err(Error::BudgetExceeded { class, limit, operation }) = outcome {
                assert_eq!(class_of(operation.name()), class);
                assert_eq!(limit, whole(class));
                assert_eq!(in_class(&seen, class), limit_of(class), "it was not used up");
            }
            world.service.faults().clear();
        }
    }
}

#[test]
fn the_classes_are_those_that_backblaze_bills() {
    for operation in Operation::ALL {
        let (name, class) = (operation.name(), operation.billing_class());
        assert_eq!(class, class_of(name), "{name}");
    }
    assert_eq!(Operation::ALL.len(), CLASSES.len());
}

#[test]
fn what_many_threads_send_is_counted_once_each() {
    // They cancel each other's unfinished files, so that parts fail: see `world`.
    let world = world();
    let before = Before::of(&world);
    // Alone, so that its five parts are sent whatever the others cancel.
    act(&world, 1, 0).unwrap();
    world.service.expire_tokens().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6_u8 {
            let world = &world;
            scope.spawn(move || {
                for number in 0..12 {
                    let _outcome = act(world, thread.wrapping_mul(7) + number, number.into());
                }
            });
        }
    });
    let seen = before.compare(&world);
    assert!(seen["b2_authorize_account"] >= 1 && seen["b2_upload_part"] >= 5);
    for class in [A, B, C] {
        let own = world.api.request_counts().of_class(class);
        let earlier = before.0.iter().filter(|(name, _)| class_of(name) == class);
        assert_eq!(
            own - earlier.map(|(_, n)| n).sum::<u64>(),
            in_class(&seen, class)
        );
    }
}

#[test]
fn a_budget_holds_for_authorizing_too() {
    let world = world();
    let used = world.api.request_counts().of_class(C);
    let budget = RequestBudget::new().class_c(used + 1);
    world.api.set_request_budget(budget);
    world.service.expire_tokens().unwrap();
    world.service.log().clear();
    let error = world.api.list_buckets().unwrap_err();
    match error {
        Error::BudgetExceeded { operation, .. } => {
            assert_eq!(operation, Operation::AuthorizeAccount);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.total(), 1, "the refused listing, and nothing else");
    world.api.set_request_budget(RequestBudget::new());
    assert_eq!(world.api.list_buckets().unwrap().len(), 1);
}
