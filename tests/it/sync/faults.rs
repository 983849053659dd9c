//! Faults of the service: each of its answers refused, lost, cut or late, in every direction.

use b2sdk::simulator::Fault;
use b2sdk::sync::{Newer, Orphans, RemovalLimit, SyncError, SyncOptions, SyncReport, Synchronizer};
use b2sdk::{Operation, RetryPolicy};

use super::support::{Places, plan};
use crate::support::World;

const DIRECTIONS: [&str; 3] = ["up", "down", "copy"];

/// Both sides have files of their own, one that differs, and one that is the same.
fn places(retries: bool) -> Places {
    let places = Places::of(World::with(|builder| match retries {
        true => builder,
        false => builder.retry(RetryPolicy::none()),
    }));
    let bucket = &places.world.bucket;
    for name in ["new", "differs", "same"] {
        places.write(name, "source", 1_000_000_000);
        let (path, name) = (places.path(name), format!("from/{name}"));
        bucket.upload_local_file(path, &name).unwrap();
    }
    places
}

fn sync(places: &Places, direction: &str, orphans: Orphans) -> Synchronizer {
    let options = SyncOptions::new()
        .orphans(orphans)
        .newer(Newer::Replace)
        .removal_limit(RemovalLimit::None);
    let bucket = &places.world.bucket;
    match direction {
        "up" => places.up(options),
        "down" => Synchronizer::new(bucket.folder("from"), places.local()).options(options),
        _ => Synchronizer::new(bucket.folder("from"), bucket.folder("home")).options(options),
    }
}

/// Makes the destination different from the source.
fn diverge(places: &Places, direction: &str) {
    let bucket = &places.world.bucket;
    if direction == "down" {
        std::fs::remove_file(places.path("new")).unwrap();
        places.write("differs", "old", 900_000_000);
        places.write("orphan", "orphan", 900_000_000);
    } else {
        bucket
            .upload_local_file(places.path("same"), "home/same")
            .unwrap();
        bucket.upload_bytes(b"old", "home/differs").unwrap();
        bucket.upload_bytes(b"orphan", "home/orphan").unwrap();
    }
    places.world.service.log().clear();
}

fn destination(places: &Places, direction: &str) -> Vec<(String, String)> {
    let files = match direction {
        "down" => places.files(),
        _ => places.stored(),
    };
    files.into_iter().collect()
}

type Make = fn(Operation) -> Fault;

const FAULTS: [(&str, Make); 7] = [
    ("refused", |on| {
        Fault::on(on).status(400, "bad_request", "no")
    }),
    ("fails", |on| {
        Fault::on(on).status(500, "internal_error", "no")
    }),
    ("busy", |on| {
        Fault::on(on)
            .status(503, "service_unavailable", "no")
            .retry_after(1)
    }),
    ("too many", |on| {
        Fault::on(on)
            .status(429, "too_many_requests", "no")
            .retry_after(1)
    }),
    ("expired", |on| {
        Fault::on(on).status(401, "expired_auth_token", "no")
    }),
    ("cut", |on| Fault::on(on).drop_connection()),
    ("lost", |on| Fault::on(on).drop_connection().after_effect()),
];

fn operations(direction: &str, orphans: Orphans) -> Vec<Operation> {
    let mut operations = match direction {
        "up" => vec![Operation::GetUploadUrl, Operation::UploadFile],
        "down" => vec![Operation::DownloadFileById],
        _ => vec![Operation::CopyFile],
    };
    if direction != "down" {
        match orphans {
            Orphans::Delete => {
                operations.extend([Operation::ListFileVersions, Operation::DeleteFileVersion]);
            }
            Orphans::Hide => operations.extend([Operation::ListFileNames, Operation::HideFile]),
            _ => operations.push(Operation::ListFileNames),
        }
    } else {
        operations.push(Operation::ListFileNames);
    }
    operations
}

/// Every name has its old content or its new one; nothing that the source has is gone; a failure is told,
/// and withholds removals. Without the fault the next run completes, and the one after it plans nothing.
#[test]
fn c4_whatever_fails_each_name_is_old_or_new_and_the_next_run_completes() {
    let is_full = std::env::var_os("B2SDK_FULL_ROUNDS").is_some();
    let mut number = 0;
    for direction in DIRECTIONS {
        for orphans in [Orphans::Keep, Orphans::Hide, Orphans::Delete] {
            if direction == "down" && orphans == Orphans::Hide {
                continue;
            }
            for operation in operations(direction, orphans) {
                for (kind, fault) in FAULTS {
                    for lasting in [false, true] {
                        number += 1;
                        // One in five of them meets every operation and every fault.
                        if number % 5 != 0 && !is_full {
                            continue;
                        }
                        let places = places(!lasting);
                        diverge(&places, direction);
                        let before = destination(&places, direction);
                        let times = if lasting { 1000 } else { 1 };
                        places.world.inject(fault(operation).times(times));
                        let sync = sync(&places, direction, orphans);
                        let outcome = sync.run();
                        places.world.service.faults().clear();
                        let case = format!("{direction} {orphans:?} {operation} {kind} {lasting}");
                        let after = destination(&places, direction);
                        check(&case, &before, &after, orphans != Orphans::Keep, &outcome);
                        assert!(sync.run().is_ok(), "{case}");
                        assert_eq!(plan(&sync), Vec::<String>::new(), "{case}");
                    }
                }
            }
        }
    }
}

fn check(
    case: &str,
    before: &[(String, String)],
    after: &[(String, String)],
    removes: bool,
    outcome: &Result<SyncReport, SyncError>,
) {
    let content = |files: &[(String, String)], name: &str| {
        let found = files.iter().find(|(own, _)| own == name);
        found.map(|(_, content)| content.clone())
    };
    for name in ["new", "differs", "same", "orphan"] {
        let (old, now) = (content(before, name), content(after, name));
        let new = (name != "orphan").then(|| "source".to_owned());
        assert!(now == old || now == new, "{case}: {name} {now:?}");
    }
    match outcome {
        Ok(report) => {
            assert!(report.is_complete(), "{case}");
            for name in ["new", "differs", "same"] {
                assert_eq!(content(after, name).as_deref(), Some("source"), "{case}");
            }
            assert_eq!(after.len(), if removes { 3 } else { 4 }, "{case}");
        }
        Err(SyncError::Incomplete(report)) => {
            assert!(report.failures > 0 || report.fatal.is_some(), "{case}");
            assert_eq!(report.problems.len() as u64, report.failures, "{case}");
            let transferred = content(after, "new").is_some()
                && content(after, "differs").as_deref() == Some("source");
            if !transferred {
                assert!(
                    content(after, "orphan").is_some(),
                    "{case}: removed before all was there"
                );
            }
        }
        Err(other) => panic!("{case}: {other:?}"),
    }
}

/// A listing that fails in the middle removes nothing.
#[test]
fn p_a_listing_that_breaks_off_is_not_taken_for_its_end() {
    let places = Places::new();
    for n in 0..3 {
        places.write(&format!("f{n}"), "1", 1_000_000_000);
    }
    places.up(SyncOptions::new()).run().unwrap();
    std::fs::remove_file(places.path("f0")).unwrap();
    // The page says that another one follows, and that one is refused.
    places
        .world
        .inject(Fault::on(Operation::ListFileNames).edit_json(|json| {
            json["files"].as_array_mut().unwrap().truncate(1);
            json["nextFileName"] = "home/f1".into();
        }));
    let refused = Fault::on(Operation::ListFileNames).status(400, "bad_request", "no");
    places.world.inject(refused);
    let options = SyncOptions::new()
        .orphans(Orphans::Hide)
        .removal_limit(RemovalLimit::None);
    let outcome = places.up(options).run();
    let Err(SyncError::Incomplete(report)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(report.fatal.is_some());
    assert_eq!(report.hidden, 0);
    assert_eq!(places.stored().len(), 3);
}
