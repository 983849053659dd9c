//! How composed files are kept, and what their pieces are encrypted with; the same of files that only
//! grow.

use std::path::PathBuf;

use b2sdk::compose::{ComposeOptions, Overlap, Piece};
use b2sdk::encryption::{Encryption, EncryptionMode, SseCustomerKey};
use b2sdk::error::{ErrorCode, KeyProblem};
use b2sdk::lock::{FileRetention, LegalHold};
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    Error, FileId, Filtered, Operation, Resume, Sha1Digest, Timestamp, UploadOptions, Uploaded,
};

use crate::support::settings::{self, FAR, mode};
use crate::support::{World, noise, other_noise as local};

const MIN: u64 = 1_000;
const PART: u64 = 10_000;
const LONG_AGO: Timestamp = Timestamp::from_millis(1_000_000_000_123);

/// A world whose bucket has object lock, and whose account may choose upload times.
fn world() -> World {
    let service = Simulator::builder()
        .minimum_part_size(MIN)
        .recommended_part_size(PART)
        .custom_timestamps(true)
        .start()
        .unwrap();
    World::with_object_lock(service)
}

fn key(byte: u8) -> SseCustomerKey {
    settings::key(byte).with_id(format!("key {byte}"))
}

/// A stored file; the log begins after it.
fn store(world: &World, data: &[u8], name: &str, key: Option<&SseCustomerKey>) -> FileId {
    let mut options = UploadOptions::new();
    options.encryption = key.cloned().map(Into::into);
    let uploaded = world.bucket.upload_bytes_with(data, name, &options);
    world.service.log().clear();
    uploaded.unwrap().into_version().file_id
}

fn content(world: &World, name: &str, key: Option<&SseCustomerKey>) -> Vec<u8> {
    settings::content(&world.bucket, name, key)
}

/// Pieces of which one way each of making a file is chosen, and what they make.
fn ways(stored: &FileId) -> Vec<(&'static str, Vec<Piece<'static>>, Vec<u8>)> {
    let remote = |range| Piece::remote(stored).encryption_key(&key(1)).range(range);
    vec![
        ("nothing", vec![], vec![]),
        ("one upload", vec![Piece::bytes(local(10))], local(10)),
        (
            "one copy",
            vec![remote(1..=5_000)],
            noise(8_000)[1..=5_000].into(),
        ),
        (
            "one upload of what is downloaded",
            vec![remote(7..=99), Piece::bytes(local(10))],
            [&noise(8_000)[7..=99], &local(10)].concat(),
        ),
        (
            "parts",
            vec![
                remote(0..=7_999),
                Piece::bytes(local(2_000)),
                remote(7..=99),
            ],
            [&noise(8_000), &local(2_000), &noise(8_000)[7..=99]].concat(),
        ),
    ]
}

#[test]
fn pieces_under_several_keys_make_a_file_that_is_encrypted_as_was_asked_for() {
    let world = world();
    let one = store(&world, &noise(5_000), "one", Some(&key(1)));
    let two = store(&world, &noise(5_000), "two", Some(&key(2)));
    let plain = store(&world, &noise(5_000), "plain", None);
    let pieces = || {
        [
            Piece::remote(&one).encryption_key(&key(1)),
            Piece::bytes(local(1_500)),
            Piece::remote(&two).encryption_key(&key(2)).range(5..=104),
            Piece::remote(&plain).range(7..=3_000),
            Piece::remote(&two).encryption_key(&key(2)).range(9..=4_000),
        ]
    };
    let naive = [
        &noise(5_000),
        &local(1_500)[..],
        &noise(5_000)[5..=104],
        &noise(5_000)[7..=3_000],
        &noise(5_000)[9..=4_000],
    ]
    .concat();
    let placed = || {
        let offsets = [0, 5_000, 6_500, 6_600, 9_594];
        offsets.into_iter().zip(pieces())
    };
    for to in [
        None,
        Some(Encryption::SseB2),
        Some(key(1).into()),
        Some(key(3).into()),
    ] {
        let mut options = ComposeOptions::new();
        options.encryption.clone_from(&to);
        let bucket = &world.bucket;
        let placed_pieces: Vec<_> = placed().collect();
        for made in [
            bucket.concatenate_with(&pieces(), "y", &options),
            bucket.create_file_with(&placed_pieces, "y", &options),
            bucket.concatenate_stream_with(pieces(), "y", &options),
            bucket.create_file_stream_with(placed(), "y", &options),
        ] {
            let version = made.unwrap().into_version();
            let to = to.as_ref().and_then(Encryption::customer_key);
            assert_eq!(version.sse_c_key_id(), to.and_then(SseCustomerKey::id));
            let expected = match to {
                Some(_) => EncryptionMode::SseC,
                None => EncryptionMode::SseB2,
            };
            assert_eq!(mode(&version), Some(expected));
            assert!(content(&world, "y", to) == naive);
        }
    }
    assert_eq!(world.count(Operation::CopyPart), 4 * 4 * 3);
}

#[test]
fn each_way_of_making_a_file_encrypts_and_locks_it_as_was_asked_for() {
    let world = world();
    let stored = store(&world, &noise(8_000), "x", Some(&key(1)));
    let retention = FileRetention::governance(FAR);
    for (way, pieces, naive) in ways(&stored) {
        for to in [None, Some(Encryption::SseB2), Some(key(2).into())] {
            let mut options = ComposeOptions::new()
                .retention(retention.clone())
                .legal_hold(LegalHold::On);
            options.encryption.clone_from(&to);
            let made = world.bucket.concatenate_with(&pieces, "y", &options);
            let version = made.unwrap().into_version();
            let to = to.as_ref().and_then(Encryption::customer_key);
            assert!(content(&world, "y", to) == naive, "{way}");
            assert_eq!(
                version.sse_c_key_id(),
                to.and_then(SseCustomerKey::id),
                "{way}"
            );
            let kept = Filtered::Readable(retention.clone());
            assert_eq!(version.file_retention, kept, "{way}");
            assert_eq!(
                version.legal_hold,
                Filtered::Readable(LegalHold::On),
                "{way}"
            );
        }
    }
    assert!(world.count(Operation::CopyFile) > 0 && world.count(Operation::CopyPart) > 0);
}

#[test]
fn each_way_of_making_a_file_gives_it_the_time_that_was_asked_for() {
    let world = world();
    let stored = store(&world, &noise(8_000), "x", Some(&key(1)));
    let smallest = (
        "one copy of the smallest size",
        vec![
            Piece::remote(&stored)
                .encryption_key(&key(1))
                .range(0..=MIN - 1),
        ],
        noise(MIN as usize),
    );
    for (way, pieces, naive) in ways(&stored).into_iter().chain([smallest]) {
        let options = ComposeOptions::new().upload_timestamp(LONG_AGO);
        let made = world.bucket.concatenate_with(&pieces, way, &options);
        let version = made.unwrap().into_version();
        assert_eq!(version.upload_timestamp, LONG_AGO, "{way}");
        assert!(content(&world, way, None) == naive, "{way}");
    }
    assert_eq!(world.count(Operation::CopyFile), 0, "it takes no time");
}

#[test]
fn a_piece_whose_key_is_wrong_or_missing_makes_no_file() {
    let world = world();
    let stored = store(&world, &noise(8_000), "x", Some(&key(1)));
    let with = |key: Option<&SseCustomerKey>, piece: Piece<'static>| match key {
        Some(key) => piece.encryption_key(key),
        None => piece,
    };
    for told in [true, false] {
        if !told {
            // As to a key that may not read it.
            let hide = |file: &mut serde_json::Value| {
                file["serverSideEncryption"] = serde_json::Value::Null;
            };
            let fault = Fault::on(Operation::GetFileInfo).edit_json(hide);
            world.inject(fault.always());
        }
        for (given, problem) in [
            (None, KeyProblem::Missing),
            (Some(key(2)), KeyProblem::Wrong),
        ] {
            for range in [0..=4_999, 7..=99] {
                let piece = with(given.as_ref(), Piece::remote(&stored).range(range));
                for pieces in [vec![piece.clone()], vec![Piece::bytes(local(2_000)), piece]] {
                    let made = world.bucket.concatenate(&pieces, "y");
                    match made {
                        Err(Error::EncryptionKey { problem: told, .. }) => {
                            assert_eq!(told, problem);
                        }
                        other => panic!("{pieces:?}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(world.count(Operation::StartLargeFile) > 0, !told);
    }
    assert_eq!(
        world.count(Operation::StartLargeFile),
        world.count(Operation::CancelLargeFile)
    );
    assert!(world.versions("y").is_empty());
}

#[test]
fn the_same_file_may_be_a_piece_with_the_right_and_with_a_wrong_key() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x", Some(&key(1)));
    let pieces = [
        Piece::remote(&stored).encryption_key(&key(1)),
        Piece::remote(&stored).encryption_key(&key(2)),
    ];
    let made = world.bucket.concatenate(&pieces, "y");
    let problem = KeyProblem::Wrong;
    assert!(
        matches!(&made, Err(Error::EncryptionKey { problem: told, .. }) if *told == problem),
        "{made:?}"
    );
    assert_eq!(world.count(Operation::GetFileInfo), 1);
}

#[test]
fn what_is_known_to_be_wrong_is_refused_before_anything_is_sent() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x", None);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("piece");
    std::fs::write(&path, local(10)).unwrap();
    let remote = || Piece::remote(&stored);
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let bad = [
        remote().range(5..=4),
        remote().range(b2sdk::ByteRange::last(0)),
        Piece::bytes(local(10)).range(0..=10),
        Piece::bytes(local(10)).range(10..),
        Piece::bytes(local(10)).range(b2sdk::ByteRange::last(11)),
        Piece::bytes(local(10)).range(9..=3),
        Piece::local_file(&path).range(0..=10),
        Piece::local_file(&path).encryption_key(&key(1)),
        Piece::bytes(local(10)).encryption_key(&key(1)),
    ];
    for bad in bad {
        // Behind one that the service would be asked about.
        let pieces = [remote(), bad.clone()];
        for made in [
            world.bucket.concatenate(&pieces, "y"),
            world
                .bucket
                .create_file(&[(0, remote()), (5_000, bad.clone())], "y"),
        ] {
            assert!(
                matches!(made, Err(Error::InvalidInput { what: "pieces", .. })),
                "{bad:?}: {made:?}"
            );
        }
    }
    let refused = |options: ComposeOptions| {
        let made = world.bucket.concatenate_with(&[remote()], "y", &options);
        assert!(matches!(made, Err(Error::InvalidInput { .. })), "{made:?}");
    };
    refused(ComposeOptions::new().encryption(Encryption::None));
    refused(ComposeOptions::new().upload_timestamp(Timestamp::from_millis(-1)));
    assert_eq!(world.total(), 0);
    // What only the service knows, after one question.
    let made = world.bucket.concatenate(&[remote().range(0..=5_000)], "y");
    assert!(matches!(made, Err(Error::InvalidInput { .. })), "{made:?}");
    assert_eq!(world.total(), 1);
    // Empty sources are no mistake.
    std::fs::write(&path, b"").unwrap();
    let pieces = [Piece::bytes(&b""[..]), remote(), Piece::local_file(&path)];
    world.bucket.concatenate(&pieces, "y").unwrap();
    assert!(content(&world, "y", None) == noise(5_000));
}

#[test]
fn one_copy_is_compared_although_nobody_recorded_its_sha1() {
    let world = world();
    let options = UploadOptions::new()
        .part_size(2_000)
        .large_file_sha1(b2sdk::LargeFileSha1::Omit);
    let data = noise(5_000);
    let stored = world.bucket.upload_bytes_with(&data, "x", &options);
    let stored = stored.unwrap().into_version().file_id;
    let verify = ComposeOptions::new().overlap(Overlap::Verify);
    for length in [5_000, MIN as usize] {
        let mut bytes = noise(length);
        let create = |bytes: &[u8], name: &str| {
            let range = 0..=length as u64 - 1;
            let pieces = [
                (0, Piece::bytes(bytes)),
                (0, Piece::remote(&stored).range(range)),
            ];
            world.bucket.create_file_with(&pieces, name, &verify)
        };
        create(&bytes, "y").unwrap();
        assert!(content(&world, "y", None) == bytes);
        bytes[length - 1] ^= 1;
        let made = create(&bytes, "z");
        assert!(
            matches!(made, Err(Error::InvalidInput { what: "pieces", .. })),
            "{length}: {made:?}"
        );
    }
    assert!(world.versions("z").is_empty());
}

#[test]
fn what_the_key_may_not_lock_is_refused_before_anything_is_sent() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x", None);
    let capabilities = ["listBuckets", "listFiles", "writeFiles", "readFiles"];
    let api = world.restricted(KeyRequest::new(capabilities));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    for options in [
        ComposeOptions::new().retention(FileRetention::governance(FAR)),
        ComposeOptions::new().legal_hold(LegalHold::On),
    ] {
        let made = bucket.concatenate_with(&[Piece::remote(&stored)], "y", &options);
        assert!(matches!(made, Err(Error::NotAllowed(_))), "{made:?}");
    }
    assert_eq!(world.total(), 0);
}

/// A local file that grows, and its versions.
struct Log {
    world: World,
    _directory: tempfile::TempDir,
    path: PathBuf,
    data: Vec<u8>,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            world: world(),
            path: directory.path().join("log"),
            _directory: directory,
            data: noise(40_000),
        }
    }

    /// Uploads the file when it has so many bytes.
    fn append(&self, length: usize, options: &UploadOptions) -> Result<Uploaded, Error> {
        std::fs::write(&self.path, &self.data[..length]).unwrap();
        self.world.service.log().clear();
        let bucket = &self.world.bucket;
        bucket.upload_appended_file_with(&self.path, "log", options)
    }

    /// How many parts were copied and uploaded, files copied and uploaded.
    fn requests(&self) -> [usize; 4] {
        [
            Operation::CopyPart,
            Operation::UploadPart,
            Operation::CopyFile,
            Operation::UploadFile,
        ]
        .map(|operation| self.world.count(operation))
    }

    fn assert_content(&self, length: usize, key: Option<&SseCustomerKey>) {
        assert!(content(&self.world, "log", key) == self.data[..length]);
    }
}

#[test]
fn a_grown_file_is_composed_under_the_encryption_that_was_asked_for() {
    let log = Log::new();
    let options = UploadOptions::new;
    let mut under: Option<SseCustomerKey> = None;
    let mut length = 5_000;
    log.append(length, &options()).unwrap();
    for (encryption, composed) in [
        (Some(Encryption::SseB2), true),
        (Some(key(1).into()), true),
        (Some(key(1).into()), true),
        // The one before cannot be read: it is under another key.
        (Some(key(2).into()), false),
        (None, false),
        (None, true),
    ] {
        length += 3_000;
        let mut options = options();
        options.encryption.clone_from(&encryption);
        let made = log.append(length, &options).unwrap();
        let expected = if composed { [1, 1, 0, 0] } else { [0, 0, 0, 1] };
        // More than fits into one part.
        let is_large = !composed && length > PART as usize;
        let parts = length.div_ceil(PART as usize);
        let expected = if is_large { [0, parts, 0, 0] } else { expected };
        assert_eq!(log.requests(), expected, "{encryption:?} at {length}");
        under = encryption
            .as_ref()
            .and_then(Encryption::customer_key)
            .cloned();
        let id = under.as_ref().and_then(SseCustomerKey::id);
        assert_eq!(made.version().sse_c_key_id(), id);
        let sha1 = Sha1Digest::of(&log.data[..length]);
        assert_eq!(made.version().sha1(), Some(sha1));
        log.assert_content(length, under.as_ref());
    }
    assert_eq!(under, None);
}

#[test]
fn a_grown_file_is_composed_with_lock_and_time() {
    let log = Log::new();
    log.append(5_000, &UploadOptions::new()).unwrap();
    let retention = FileRetention::governance(FAR);
    let retained = UploadOptions::new().retention(retention.clone());
    let made = log.append(7_000, &retained).unwrap();
    assert_eq!(log.requests(), [1, 1, 0, 0]);
    assert_eq!(made.version().file_retention, Filtered::Readable(retention));

    let held = UploadOptions::new().legal_hold(LegalHold::On);
    let made = log.append(9_000, &held).unwrap();
    assert_eq!(log.requests(), [1, 1, 0, 0]);
    assert_eq!(made.version().legal_hold, Filtered::Readable(LegalHold::On));
    assert_eq!(made.version().file_retention.readable(), None);

    // The time of tomorrow's midnight is not allowed; a moment ago is.
    let time = Timestamp::from_millis(made.version().upload_timestamp.as_millis() - 1);
    let dated = UploadOptions::new().upload_timestamp(time);
    let made = log.append(11_000, &dated).unwrap();
    assert_eq!(log.requests(), [1, 1, 0, 0]);
    assert_eq!(made.version().upload_timestamp, time);
}

#[test]
fn a_file_that_has_not_grown_is_copied_with_lock_key_and_time() {
    let log = Log::new();
    log.append(5_000, &UploadOptions::new()).unwrap();
    let retention = FileRetention::governance(FAR);
    let options = UploadOptions::new()
        .retention(retention.clone())
        .legal_hold(LegalHold::On)
        .encryption(key(1));
    let made = log.append(5_000, &options).unwrap();
    assert_eq!(log.requests(), [0, 0, 1, 0]);
    let version = made.version();
    assert_eq!(version.file_retention, Filtered::Readable(retention));
    assert_eq!(version.legal_hold, Filtered::Readable(LegalHold::On));
    assert_eq!(version.sse_c_key_id(), Some("key 1"));
    log.assert_content(5_000, Some(&key(1)));

    // A copy in one request takes no time.
    let time = Timestamp::from_millis(version.upload_timestamp.as_millis() + 1);
    log.world
        .service
        .advance_clock(std::time::Duration::from_secs(1));
    let options = UploadOptions::new()
        .encryption(key(1))
        .upload_timestamp(time);
    let made = log.append(5_000, &options).unwrap();
    assert_eq!(log.requests(), [2, 0, 0, 0]);
    assert_eq!(made.version().upload_timestamp, time);
    assert_eq!(
        made.version().sha1(),
        Some(Sha1Digest::of(&log.data[..5_000]))
    );
    log.assert_content(5_000, Some(&key(1)));
}

#[test]
fn what_the_options_of_a_grown_file_cannot_be_is_refused_before_anything_is_sent() {
    let log = Log::new();
    log.append(5_000, &UploadOptions::new()).unwrap();
    let options = UploadOptions::new().encryption(Encryption::None);
    let made = log.append(7_000, &options);
    assert!(matches!(made, Err(Error::InvalidInput { .. })), "{made:?}");
    assert_eq!(log.world.total(), 0);
    let past = FileRetention::governance(LONG_AGO);
    let made = log.append(7_000, &UploadOptions::new().retention(past));
    let code = ErrorCode::RetainUntilTimestampMustBeInFuture;
    assert_eq!(made.unwrap_err().code(), Some(&code));
}

#[test]
fn a_version_that_is_gone_when_it_is_to_be_copied_does_not_keep_a_file_from_being_uploaded() {
    for resume in [Resume::Never, Resume::Matching] {
        let log = Log::new();
        let world = &log.world;
        log.append(5_000, &UploadOptions::new()).unwrap();
        world.inject(Fault::on(Operation::CopyPart).status(404, "not_found", ""));
        let options = UploadOptions::new().resume(resume);
        log.append(7_000, &options).unwrap();
        assert_eq!(log.requests()[3], 1);
        assert_eq!(world.count(Operation::StartLargeFile), 1);
        // What would never be gone on with is not left.
        assert_eq!(world.count(Operation::CancelLargeFile), 1);
        log.assert_content(7_000, None);
    }
}
