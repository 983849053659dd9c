//! Deleting many versions while requests fail, are given up, or nobody takes results.

use std::sync::Arc;

use b2sdk::delete::{DeleteManyOptions, DeleteMode, DeleteOutcome, FileIdAndName};
use b2sdk::limits::RequestBudget;
use b2sdk::simulator::Fault;
use b2sdk::{B2Api, CancelToken, Error, FileAction, InMemoryAccountInfo, LsOptions, Operation};

use super::{all, left};
use crate::support::{BUCKET, World, authorize};

/// So many files, and a `B2Api` with three workers.
fn world(files: usize) -> World {
    let world = World::with(|builder| builder.workers(3));
    for n in 0..files {
        world.bucket.upload_bytes(b"", &format!("{n:02}")).unwrap();
    }
    world.service.log().clear();
    world
}

fn wait_until(is_so: impl Fn() -> bool) {
    let mut rounds = 0_u64;
    while !is_so() {
        std::thread::yield_now();
        rounds += 1;
        assert!(rounds < 1_000_000_000, "it never was so");
    }
}

#[test]
fn a_failure_of_any_request_that_can_be_repeated_keeps_nothing_from_going() {
    use Operation::{DeleteFileVersion, ListFileVersions};
    for operation in [ListFileVersions, DeleteFileVersion] {
        for after in [0, 1, 3] {
            for fault in [
                Fault::on(operation).status(503, "service_unavailable", ""),
                Fault::on(operation)
                    .status(429, "too_many_requests", "")
                    .retry_after(3),
                Fault::on(operation).drop_connection(),
                Fault::on(operation).drop_connection().after_effect(),
                Fault::on(operation).reset_connection().after_effect(),
                Fault::on(operation).truncate_answer(10),
                Fault::on(operation).status(401, "expired_auth_token", ""),
            ] {
                let told = format!("{fault:?}");
                let world = world(7);
                world.inject(fault.after(after));
                let listing = all().page_size(2);
                let options = DeleteManyOptions::new();
                let results = world.bucket.delete_many("", &listing, &options).unwrap();
                let outcomes: Vec<_> = results.map(|result| result.unwrap().outcome).collect();
                assert_eq!(outcomes, [DeleteOutcome::Deleted; 7], "{told}");
                assert_eq!(world.service.faults().remaining(), 0, "{told}");
                let sent = world.count(DeleteFileVersion) + world.count(ListFileVersions);
                assert_eq!(sent, 7 + 4 + 1, "{told}");
                assert!(left(&world).is_empty(), "{told}");
            }
        }
    }
}

#[test]
fn a_hiding_whose_answer_is_lost_is_looked_up_and_hides_once() {
    let world = world(5);
    world.inject(
        Fault::on(Operation::HideFile)
            .after(1)
            .drop_connection()
            .after_effect(),
    );
    let options = DeleteManyOptions::new().mode(DeleteMode::Hide);
    let listing = LsOptions::new();
    let results = world.bucket.delete_many("", &listing, &options).unwrap();
    let outcomes: Vec<_> = results.map(|result| result.unwrap().outcome).collect();
    assert_eq!(outcomes, [DeleteOutcome::Hidden; 5]);
    for name in left(&world) {
        let actions: Vec<_> = world
            .versions(&name)
            .into_iter()
            .map(|v| v.action)
            .collect();
        assert_eq!(actions, [FileAction::Hide, FileAction::Upload]);
    }
}

#[test]
fn all_threads_that_meet_an_old_token_authorize_once() {
    let world = world(20);
    let options = DeleteManyOptions::new();
    let mut results = world.bucket.delete_many("", &all(), &options).unwrap();
    results.next().unwrap().unwrap();
    world.service.expire_tokens().unwrap();
    assert_eq!(results.map(Result::unwrap).count(), 19);
    assert_eq!(world.count(Operation::AuthorizeAccount), 1);
}

#[test]
fn a_budget_that_is_used_up_stops_all_of_it() {
    let world = world(30);
    let used = world
        .api
        .request_counts()
        .of_class(b2sdk::limits::BillingClass::A);
    world
        .api
        .set_request_budget(RequestBudget::new().class_a(used + 5));
    let options = DeleteManyOptions::new();
    let results = world.bucket.delete_many("", &all(), &options).unwrap();
    let (gone, failed): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    assert_eq!(
        (gone.len(), world.count(Operation::DeleteFileVersion)),
        (5, 5)
    );
    assert!(!failed.is_empty() && failed.len() <= 3, "{}", failed.len());
    for failed in failed {
        let failed = failed.unwrap_err();
        assert!(matches!(failed.error, Error::BudgetExceeded { .. }));
    }
}

#[test]
fn no_more_run_at_a_time_than_there_are_workers_and_cancelling_ends_them() {
    let world = world(20);
    world.inject(Fault::on(Operation::DeleteFileVersion).always().stall());
    let token = CancelToken::new();
    let options = DeleteManyOptions::new().cancel(&token);
    let results = world.bucket.delete_many("", &all(), &options).unwrap();
    let results = std::thread::scope(|scope| {
        let taker = scope.spawn(|| results.collect::<Vec<_>>());
        wait_until(|| world.count(Operation::DeleteFileVersion) == 3);
        token.cancel();
        taker.join().unwrap()
    });
    assert_eq!(world.count(Operation::DeleteFileVersion), 3);
    assert!(results.len() <= 4, "{results:?}");
    for result in results {
        assert!(matches!(result.unwrap_err().error, Error::Cancelled));
    }
    world.service.faults().clear();
    assert_eq!(left(&world).len(), 20);
}

#[test]
fn dropping_it_midway_leaves_no_thread_and_deletes_nothing_more() {
    let world = world(20);
    let info = Arc::new(InMemoryAccountInfo::new());
    let api = B2Api::builder(Arc::clone(&info))
        .workers(4)
        .build()
        .unwrap();
    authorize(&api, &world.service);
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    let info = {
        let weak = Arc::downgrade(&info);
        drop(info);
        weak
    };
    // The first deletion succeeds, and those beside it never end by themselves.
    world.inject(
        Fault::on(Operation::DeleteFileVersion)
            .after(1)
            .always()
            .stall(),
    );
    world.service.log().clear();
    let options = DeleteManyOptions::new();
    let mut results = bucket.delete_many("", &all(), &options).unwrap();
    results.next().unwrap().unwrap();
    drop(results);
    drop((bucket, api));
    assert!(info.upgrade().is_none(), "a thread still holds the account");
    assert!(world.count(Operation::DeleteFileVersion) <= 4);
    world.service.faults().clear();
    assert_eq!(left(&world).len(), 19);
}

#[test]
fn versions_are_read_only_as_they_are_needed() {
    let world = world(20);
    let mut read = 0;
    let named: Vec<_> = world
        .bucket
        .ls_with("", &all())
        .unwrap()
        .map(|entry| FileIdAndName::from(entry.unwrap()))
        .collect();
    let counted = named.into_iter().inspect(|_| read += 1).map(Ok);
    let options = DeleteManyOptions::new();
    let mut results = world.bucket.delete_versions(counted, &options).unwrap();
    results.next().unwrap().unwrap();
    drop(results);
    assert_eq!(read, 3, "as many as there are workers");

    world.service.log().clear();
    let listing = all().page_size(4);
    let mut results = world.bucket.delete_many("", &listing, &options).unwrap();
    results.next().unwrap().unwrap();
    drop(results);
    assert_eq!(world.count(Operation::ListFileVersions), 1, "one page");
}

#[test]
fn the_results_end_for_good_after_what_ran_beside_a_failure() {
    let world = world(9);
    world.inject(
        Fault::on(Operation::ListFileVersions)
            .after(1)
            .status(400, "bad_request", ""),
    );
    let listing = all().page_size(2);
    let options = DeleteManyOptions::new();
    let mut results = world.bucket.delete_many("", &listing, &options).unwrap();
    let first = results.next().unwrap().unwrap_err();
    assert!(
        first.file.is_none(),
        "what fails without a thread comes first"
    );
    assert!(results.by_ref().take(2).all(|result| result.is_ok()));
    assert!(results.next().is_none() && results.next().is_none());
    assert_eq!(left(&world).len(), 7);
}

#[test]
fn a_panic_while_versions_are_read_gives_up_what_runs() {
    let world = world(9);
    world.inject(Fault::on(Operation::DeleteFileVersion).always().stall());
    let mut named = world.bucket.ls_with("", &all()).unwrap();
    let mut count = 0;
    let versions = std::iter::from_fn(move || {
        count += 1;
        assert!(count < 3, "the caller's own iterator");
        named.next()
    });
    let options = DeleteManyOptions::new();
    let mut results = world.bucket.delete_versions(versions, &options).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| results.next()));
    assert!(caught.is_err());
    drop(results);
    world.service.faults().clear();
    assert_eq!(left(&world).len(), 9);
}
