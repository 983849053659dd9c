//! Every request of a copy and of a composition, refused, cut, garbled and lost: the right file or a
//! clear error, and nothing left behind.

use std::time::Duration;

use b2sdk::compose::{ComposeOptions, Piece};
use b2sdk::encryption::SseCustomerKey;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    CopyOptions, DownloadOptions, Error, FileAction, FileId, Operation, Timeouts, UploadOptions,
};

use crate::support::{World, noise};

const LENGTH: usize = 25_000;

fn world() -> World {
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(10_000)
        .max_single_file(20_000)
        .start()
        .unwrap();
    // What stalls is given up soon.
    let timeouts = Timeouts::default().idle(Duration::from_millis(500));
    let timeouts = timeouts.slow_idle(Duration::from_millis(500));
    World::of(service, |builder| builder.workers(2).timeouts(timeouts))
}

fn key(byte: u8) -> SseCustomerKey {
    SseCustomerKey::new([byte; 32]).with_id(format!("key {byte}"))
}

/// What may happen to a request.
fn faults(operation: Operation) -> Vec<(&'static str, Fault)> {
    let on = || Fault::on(operation);
    vec![
        ("400", on().status(400, "bad_request", "no")),
        ("403", on().status(403, "storage_cap_exceeded", "")),
        ("404", on().status(404, "not_found", "")),
        ("503", on().status(503, "service_unavailable", "")),
        ("401", on().status(401, "expired_auth_token", "")),
        ("502", on().body(502, "text/html", "<html>")),
        ("garbled", on().body(200, "application/json", "{\"x\":")),
        ("empty", on().body(200, "application/json", "{}")),
        ("closed", on().drop_connection()),
        ("reset", on().reset_connection()),
        ("stalled", on().stall()),
        ("lost", on().after_effect().drop_connection()),
        ("lost by a reset", on().after_effect().reset_connection()),
        ("cut", on().truncate_answer(5)),
        ("cut by a reset", on().reset_answer(5)),
    ]
}

/// Makes "y" while requests meet this fault. What is there then is right, and nothing else is.
fn check(
    world: &World,
    (operation, name, fault): (Operation, &str, Fault),
    naive: &[u8],
    make: impl Fn() -> Result<(), Error>,
) {
    world.inject(fault);
    world.service.log().clear();
    let outcome = make();
    world.service.faults().clear();
    let case = format!("{operation} {name}: {outcome:?}");
    let mut versions = world.versions("y");
    versions.retain(|version| version.action == FileAction::Upload);
    match &outcome {
        Ok(()) => assert_eq!(versions.len(), 1, "{case}"),
        // Where nobody could tell, it may be there, and right.
        Err(_) => assert!(versions.len() <= 1, "{case}"),
    }
    let options = DownloadOptions::new().encryption_key(&key(2));
    for version in versions {
        let download = world
            .bucket
            .download_file_by_id_with(&version.file_id, &options);
        assert!(download.unwrap().read_to_vec().unwrap() == naive, "{case}");
        assert_eq!(version.sse_c_key_id(), Some("key 2"), "{case}");
        world
            .bucket
            .delete_file_version(&version.file_id, "y")
            .unwrap();
    }
    let unfinished = world.bucket.list_unfinished_large_files("").unwrap();
    let left: Vec<FileId> = unfinished.map(|file| file.unwrap().file_id).collect();
    // Nobody knows the id of a file whose start was not answered, and nobody may cancel one that may be
    // finished: the error names that.
    let most = match (operation, &outcome) {
        (Operation::StartLargeFile, _) => 3,
        (_, Err(Error::LargeFileLeft(_))) => 1,
        _ => 0,
    };
    assert!(left.len() <= most, "{case}");
    for file in left {
        let parts = world.api.list_parts(&file).unwrap().count();
        assert!(
            parts == 0 || operation != Operation::StartLargeFile,
            "{case}"
        );
        world.api.cancel_large_file(&file).unwrap();
    }
}

#[test]
fn a_copy_in_one_request_or_in_parts_is_right_or_an_error_whatever_happens() {
    let world = world();
    let upload = UploadOptions::new().encryption(key(1));
    let uploaded = world.bucket.upload_bytes_with(&noise(LENGTH), "x", &upload);
    let source = uploaded.unwrap().into_version().file_id;
    let options = || {
        CopyOptions::new()
            .source_encryption_key(&key(1))
            .encryption(key(2))
    };
    // Too large for one request; in parts; small.
    for (options, naive) in [
        (options(), 0..LENGTH),
        (options().part_size(5_000), 0..LENGTH),
        (options().range(5..=9_000), 5..9_001),
    ] {
        for operation in [
            Operation::GetFileInfo,
            Operation::CopyFile,
            Operation::StartLargeFile,
            Operation::CopyPart,
            Operation::FinishLargeFile,
        ] {
            for (name, fault) in faults(operation) {
                let make = || world.bucket.copy_with(&source, "y", &options).map(|_| ());
                let naive = &noise(LENGTH)[naive.clone()];
                check(&world, (operation, name, fault.clone()), naive, make);
                if name != "stalled" {
                    check(&world, (operation, name, fault.always()), naive, make);
                }
            }
        }
    }
}

#[test]
fn a_composed_file_is_right_or_an_error_whatever_happens() {
    let world = world();
    let upload = UploadOptions::new().encryption(key(1));
    let uploaded = world.bucket.upload_bytes_with(&noise(LENGTH), "x", &upload);
    let source = uploaded.unwrap().into_version().file_id;
    let remote = |range| Piece::remote(&source).encryption_key(&key(1)).range(range);
    let pieces = [
        remote(0..=9_999),
        remote(7..=99),
        Piece::bytes(noise(3_000)),
        remote(5..=15_000),
    ];
    let data = noise(LENGTH);
    let naive = [
        &data[..=9_999],
        &data[7..=99],
        &data[..3_000],
        &data[5..=15_000],
    ]
    .concat();
    let options = ComposeOptions::new().encryption(key(2));
    for operation in [
        Operation::GetFileInfo,
        Operation::StartLargeFile,
        Operation::CopyPart,
        Operation::DownloadFileById,
        Operation::GetUploadPartUrl,
        Operation::UploadPart,
        Operation::FinishLargeFile,
    ] {
        for (name, fault) in faults(operation) {
            let make = || {
                let made = world.bucket.concatenate_with(&pieces, "y", &options);
                made.map(|_| ())
            };
            check(&world, (operation, name, fault.clone()), &naive, make);
            if name != "stalled" {
                check(&world, (operation, name, fault.always()), &naive, make);
            }
        }
    }
}
