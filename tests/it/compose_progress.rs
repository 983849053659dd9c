//! What is reported of copies and composed files.

use std::sync::{Arc, Mutex};

use b2sdk::compose::{ComposeOptions, Piece};
use b2sdk::progress::TransferStage::{Done, Finishing, Hashing, Transferring};
use b2sdk::progress::{TransferProgress, TransferStage};
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{CopyOptions, FileId, Operation, Resume, UploadOptions};

use crate::support::{World, noise};

fn world() -> World {
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(10_000)
        .max_single_file(20_000)
        .start()
        .unwrap();
    World::of(service, |builder| builder.workers(2))
}

/// Collects reports.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<TransferProgress>>>);

impl Reports {
    fn receiver(&self) -> impl Fn(&TransferProgress) + Send + Sync + 'static {
        let reports = Arc::clone(&self.0);
        move |progress| reports.lock().unwrap().push(progress.clone())
    }

    fn all(&self) -> Vec<TransferProgress> {
        self.0.lock().unwrap().clone()
    }

    fn stages(&self) -> Vec<TransferStage> {
        let mut stages: Vec<_> = self.all().iter().map(|report| report.stage).collect();
        stages.dedup();
        stages
    }

    #[track_caller]
    fn assert_end(&self, length: u64, parts: u32, total: Option<u64>) {
        let all = self.all();
        let (first, last) = (&all[0], &all[all.len() - 1]);
        assert_eq!((first.bytes, first.parts), (0, 0));
        assert_eq!((last.bytes, last.parts), (length, parts));
        assert_eq!(last.total, total);
        assert!(all.iter().all(|report| report.bytes <= length));
        assert!(all.iter().all(|report| report.id == first.id));
    }
}

fn store(world: &World, length: usize) -> FileId {
    let uploaded = world.bucket.upload_bytes(&noise(length), "x").unwrap();
    world.service.log().clear();
    uploaded.into_version().file_id
}

const ONE_REQUEST: &[TransferStage] = &[Transferring, Done];
const IN_PARTS: &[TransferStage] = &[Transferring, Finishing, Done];

#[test]
fn a_composed_file_tells_its_stages_bytes_and_parts() {
    let world = world();
    let stored = store(&world, 8_000);
    let remote = |range| Piece::remote(&stored).range(range);
    let bytes = |length| Piece::bytes(noise(length));
    for (pieces, length, parts, stages) in [
        (vec![], 0, 1, ONE_REQUEST),
        (vec![bytes(10)], 10, 1, ONE_REQUEST),
        (vec![remote(1..=5_000)], 5_000, 1, ONE_REQUEST),
        (vec![remote(1..=50), bytes(10)], 60, 1, ONE_REQUEST),
        (vec![remote(0..=7_999), bytes(10)], 8_010, 2, IN_PARTS),
        (
            vec![bytes(25_000), remote(0..=7_999), remote(1..=50)],
            33_050,
            5,
            IN_PARTS,
        ),
    ] {
        let reports = Reports::default();
        let options = ComposeOptions::new().progress(reports.receiver());
        let made = world.bucket.concatenate_with(&pieces, "y", &options);
        assert_eq!(made.unwrap().parts(), parts, "{pieces:?}");
        assert_eq!(reports.stages(), stages, "{pieces:?}");
        reports.assert_end(length, parts, Some(length));

        // Of a stream it is not known how long it will be.
        let reports = Reports::default();
        let options = ComposeOptions::new().progress(reports.receiver());
        let total = (parts == 1).then_some(length);
        let made = world.bucket.concatenate_stream_with(pieces, "y", &options);
        assert_eq!(made.unwrap().parts(), parts);
        assert_eq!(reports.stages(), stages);
        reports.assert_end(length, parts, total);
    }
}

#[test]
fn what_is_copied_counts_as_moved_but_not_as_sent() {
    let world = world();
    let stored = store(&world, 8_000);
    let pieces = [
        Piece::remote(&stored),
        Piece::bytes(noise(2_000)),
        Piece::remote(&stored).range(1..=50),
    ];
    world.inject(Fault::on(Operation::CopyPart).status(503, "service_unavailable", ""));
    let reports = Reports::default();
    let options = ComposeOptions::new().progress(reports.receiver());
    let made = world.bucket.concatenate_with(&pieces, "y", &options);
    let made = made.unwrap();
    assert_eq!((made.bytes_sent(), made.retries()), (2_050, 1));
    reports.assert_end(10_050, 2, Some(10_050));
    assert!(reports.all().iter().any(|report| report.retries == 1));
    assert_eq!(reports.stages(), IN_PARTS);
}

#[test]
fn what_fails_never_tells_that_it_is_done() {
    let world = world();
    let stored = store(&world, 8_000);
    let pieces = [Piece::remote(&stored), Piece::bytes(noise(2_000))];
    for (operation, stages) in [
        (Operation::StartLargeFile, &[Transferring][..]),
        (Operation::CopyPart, &[Transferring]),
        (Operation::UploadPart, &[Transferring]),
        (Operation::FinishLargeFile, &[Transferring, Finishing]),
    ] {
        world.inject(Fault::on(operation).status(403, "storage_cap_exceeded", ""));
        let reports = Reports::default();
        let options = ComposeOptions::new().progress(reports.receiver());
        let made = world.bucket.concatenate_with(&pieces, "y", &options);
        assert!(made.is_err());
        assert_eq!(reports.stages(), stages, "{operation:?}");
    }
}

#[test]
fn a_copy_tells_its_stages_bytes_and_parts() {
    let world = world();
    let small = store(&world, 8_000);
    let large = store(&world, 25_000);
    let options = CopyOptions::new;
    for (source, options, length, parts, total, stages) in [
        (&small, options(), 8_000, 1, None, ONE_REQUEST),
        (
            &small,
            options().range(0..=99),
            100,
            1,
            Some(100),
            ONE_REQUEST,
        ),
        (
            &small,
            options().part_size(5_000),
            8_000,
            2,
            Some(8_000),
            IN_PARTS,
        ),
        // The service says that it is too large.
        (&large, options(), 25_000, 2, Some(25_000), IN_PARTS),
    ] {
        let reports = Reports::default();
        let options = options.progress(reports.receiver());
        world.bucket.copy_with(source, "y", &options).unwrap();
        assert_eq!(reports.stages(), stages, "{options:?}");
        reports.assert_end(length, parts, total);
    }
}

#[test]
fn parts_that_are_there_already_count_from_the_beginning() {
    let world = world();
    let source = store(&world, 8_000);
    world.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", ""));
    let options = CopyOptions::new().part_size(2_000).resume(Resume::Matching);
    assert!(world.bucket.copy_with(&source, "y", &options).is_err());
    world.service.log().clear();
    let reports = Reports::default();
    let options = options.progress(reports.receiver());
    world.bucket.copy_with(&source, "y", &options).unwrap();
    assert_eq!(world.count(Operation::CopyPart), 0);
    assert_eq!(reports.stages(), IN_PARTS);
    reports.assert_end(8_000, 4, Some(8_000));
}

#[test]
fn a_grown_file_tells_that_it_is_read_first() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let append = |length: usize| {
        std::fs::write(&path, noise(length)).unwrap();
        let reports = Reports::default();
        let options = UploadOptions::new().progress(reports.receiver());
        let bucket = &world.bucket;
        bucket
            .upload_appended_file_with(&path, "log", &options)
            .unwrap();
        reports
    };
    // Each of them is read first, because it may grow.
    let stages = append(5_000).stages();
    assert_eq!(stages, [Hashing, Transferring, Done]);
    let reports = append(9_000);
    assert_eq!(reports.stages(), [Hashing, Transferring, Finishing, Done]);
    reports.assert_end(9_000, 2, Some(9_000));
    // It has not changed, and nothing is uploaded.
    assert_eq!(append(9_000).stages(), [Hashing, Done]);
}
