//! Files composed of local and stored pieces.

use b2sdk::compose::{ComposeOptions, Overlap, Piece};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{BucketType, Error, FileId, FileInfo, Operation, Sha1Digest, UploadOptions};

use crate::support::{BUCKET, World, noise, other_noise as local};

const MIN: u64 = 1_000;
const PART: u64 = 10_000;

fn world() -> World {
    World::of_small_parts(MIN, PART)
}

/// A stored file; the log begins after it.
fn store(world: &World, data: &[u8], name: &str) -> FileId {
    let uploaded = world.bucket.upload_bytes(data, name).unwrap();
    world.service.log().clear();
    uploaded.into_version().file_id
}

/// How often parts were copied and uploaded, and stored files downloaded.
fn requests(world: &World) -> (usize, usize, usize) {
    (
        world.count(Operation::CopyPart),
        world.count(Operation::UploadPart),
        world.count(Operation::DownloadFileById),
    )
}

#[test]
fn pieces_follow_one_another_and_stored_bytes_do_not_move() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tail");
    std::fs::write(&path, local(3_000)).unwrap();
    let other = world
        .api
        .create_bucket("another-bucket", BucketType::AllPrivate)
        .unwrap();
    let far = other.upload_bytes(&noise(6_000), "far").unwrap();
    let near = store(&world, &noise(8_000), "near");
    let pieces = [
        Piece::bytes(local(2_000)),
        Piece::remote(&near).range(1_000..=6_999),
        Piece::remote(&far.version().file_id),
        Piece::local_file(&path).range(500..),
    ];
    let naive = [
        &local(2_000),
        &noise(8_000)[1_000..7_000],
        &noise(6_000),
        &local(3_000)[500..],
    ]
    .concat();
    let options = ComposeOptions::new()
        .content_type("a/b")
        .file_info(FileInfo::new().with("author", "Åsa"))
        .large_file_sha1(Sha1Digest::of(&naive));
    let made = world
        .bucket
        .concatenate_with(&pieces, "y", &options)
        .unwrap();
    assert_eq!(requests(&world), (2, 2, 0));
    assert_eq!(made.parts(), 4);
    let version = made.version();
    assert_eq!(
        (
            version.content_type.as_deref(),
            version.file_info.get("author")
        ),
        (Some("a/b"), Some("Åsa"))
    );
    assert_eq!(version.sha1(), Some(Sha1Digest::of(&naive)));
    assert_eq!(world.content("y"), naive);
}

#[test]
fn what_fits_into_one_part_is_one_request() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    world
        .bucket
        .concatenate(&[Piece::remote(&stored).range(10..=2_009)], "copied")
        .unwrap();
    assert_eq!(world.count(Operation::CopyFile), 1);
    assert_eq!(
        world.total(),
        2,
        "its length is asked for, and it is copied"
    );
    world
        .bucket
        .concatenate(&[Piece::bytes(local(10)), Piece::bytes(local(20))], "sent")
        .unwrap();
    world.bucket.concatenate(&[], "empty").unwrap();
    assert_eq!(
        (
            world.count(Operation::UploadFile),
            world.count(Operation::StartLargeFile)
        ),
        (2, 0)
    );
    assert_eq!(world.content("copied"), noise(5_000)[10..2_010]);
    assert_eq!(world.content("sent"), [local(10), local(20)].concat());
    assert_eq!(world.content("empty"), b"");
}

#[test]
fn small_stored_pieces_are_downloaded_and_go_up_with_their_neighbours() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    let pieces = [
        Piece::remote(&stored).range(0..=399),
        Piece::bytes(local(300)),
        Piece::remote(&stored).range(1_000..=1_499),
        Piece::remote(&stored).range(2_000..),
    ];
    let naive = [
        &noise(400)[..],
        &local(300),
        &noise(5_000)[1_000..1_500],
        &noise(5_000)[2_000..],
    ]
    .concat();
    world.bucket.concatenate(&pieces, "y").unwrap();
    assert_eq!(requests(&world), (1, 1, 2));
    assert_eq!(world.count(Operation::GetFileInfo), 1, "asked once a file");
    assert_eq!(world.content("y"), naive);
}

#[test]
fn pieces_that_overlap_come_from_where_it_was_asked_for() {
    let world = world();
    let stored = store(&world, &noise(8_000), "x");
    let sent = local(12_000);
    let pieces = [
        (0, Piece::bytes(&sent[..])),
        (2_000, Piece::remote(&stored)),
    ];
    let mut naive = sent.clone();
    naive[2_000..10_000].copy_from_slice(&noise(8_000));
    world.bucket.create_file(&pieces, "remote").unwrap();
    assert_eq!(requests(&world), (1, 2, 0));
    assert_eq!(world.content("remote"), naive);

    let options = ComposeOptions::new().overlap(Overlap::Local);
    world
        .bucket
        .create_file_with(&pieces, "local", &options)
        .unwrap();
    assert_eq!(world.content("local"), sent);
    assert_eq!(world.count(Operation::CopyPart), 1, "that of before");
}

#[test]
fn a_copy_is_compared_with_local_bytes_where_that_is_asked_for() {
    let world = world();
    let stored = store(&world, &noise(8_000), "x");
    let mut same = local(12_000);
    same[2_000..10_000].copy_from_slice(&noise(8_000));
    let verify = ComposeOptions::new().overlap(Overlap::Verify);
    let create = |bytes: &[u8], name: &str| {
        let pieces = [(0, Piece::bytes(bytes)), (2_000, Piece::remote(&stored))];
        world.bucket.create_file_with(&pieces, name, &verify)
    };
    create(&same, "y").unwrap();
    assert_eq!(requests(&world), (1, 2, 0));
    assert_eq!(world.content("y"), same);

    same[9_999] ^= 1;
    let error = create(&same, "z").unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { what: "pieces", .. }),
        "{error:?}"
    );
    assert_eq!(world.count(Operation::CancelLargeFile), 1);
    assert!(world.versions("z").is_empty());
}

#[test]
fn pieces_that_cannot_be_are_refused_before_anything_is_made() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    let refused = |pieces: &[(u64, Piece<'_>)]| {
        let error = world.bucket.create_file(pieces, "y").unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { what: "pieces", .. }),
            "{error:?}"
        );
        error.to_string()
    };
    let hole = refused(&[(0, Piece::bytes(local(10))), (11, Piece::remote(&stored))]);
    assert!(hole.contains("bytes from 10 to 11"), "{hole}");
    refused(&[(1, Piece::bytes(local(10)))]);
    refused(&[(0, Piece::remote(&stored).range(0..=5_000))]);
    refused(&[(u64::MAX, Piece::remote(&stored))]);
    let gone = Piece::remote(&FileId::from("4_z0_f0"));
    assert!(world.bucket.concatenate(&[gone], "y").is_err());
    assert!(matches!(
        world
            .bucket
            .concatenate(&[Piece::local_file("/does/not/exist")], "y"),
        Err(Error::LocalFile { .. })
    ));
    assert_eq!(
        (
            world.count(Operation::StartLargeFile),
            world.count(Operation::UploadFile),
            world.count(Operation::CopyFile)
        ),
        (0, 0, 0)
    );
}

#[test]
fn streams_of_pieces_make_the_same_file() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    let count = 40;
    let pieces = (0..count).flat_map(|_| [Piece::remote(&stored), Piece::bytes(local(1_500))]);
    world.bucket.concatenate_stream(pieces, "y").unwrap();
    assert_eq!(requests(&world), (40, 40, 0));
    let naive = [noise(5_000), local(1_500)].concat().repeat(count);
    assert_eq!(world.content("y"), naive);

    let pieces = [
        (0, Piece::bytes(local(3_000))),
        (2_000, Piece::remote(&stored)),
    ];
    world.bucket.create_file_stream(pieces, "z").unwrap();
    let naive = [&local(2_000), &noise(5_000)[..]].concat();
    assert_eq!(world.content("z"), naive);
}

#[test]
fn a_stream_that_goes_back_or_breaks_off_leaves_nothing() {
    let world = world();
    let stored = store(&world, &noise(5_000), "x");
    for last in [
        (1_000, Piece::remote(&stored)),
        (90_000, Piece::bytes(local(10))),
    ] {
        let pieces = (0..10).map(|n| (n * 5_000, Piece::remote(&stored)));
        let error = world
            .bucket
            .create_file_stream(pieces.chain([last]), "y")
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { what: "pieces", .. }),
            "{error:?}"
        );
    }
    assert_eq!(
        (
            world.count(Operation::StartLargeFile),
            world.count(Operation::CancelLargeFile)
        ),
        (2, 2)
    );
    assert!(world.versions("y").is_empty());
}

#[test]
fn a_refused_part_cancels_the_large_file() {
    for operation in [Operation::CopyPart, Operation::UploadPart] {
        let world = world();
        let stored = store(&world, &noise(5_000), "x");
        world.inject(Fault::on(operation).status(403, "storage_cap_exceeded", ""));
        let pieces = [Piece::remote(&stored), Piece::bytes(local(2_000))];
        let error = world.bucket.concatenate(&pieces, "y").unwrap_err();
        assert!(matches!(error, Error::CapExceeded(_)), "{error:?}");
        assert_eq!(
            (
                world.count(Operation::CancelLargeFile),
                world.count(Operation::FinishLargeFile)
            ),
            (1, 0)
        );
        assert!(world.versions("y").is_empty());
    }
}

#[test]
fn lost_answers_end_in_one_right_file() {
    for operation in [
        Operation::CopyPart,
        Operation::UploadPart,
        Operation::FinishLargeFile,
        Operation::DownloadFileById,
    ] {
        let world = world();
        let stored = store(&world, &noise(5_000), "x");
        world.inject(Fault::on(operation).after_effect().drop_connection());
        let pieces = [
            Piece::remote(&stored),
            Piece::bytes(local(2_000)),
            Piece::remote(&stored).range(7..=99),
        ];
        world.bucket.concatenate(&pieces, "y").unwrap();
        let naive = [&noise(5_000), &local(2_000)[..], &noise(5_000)[7..100]].concat();
        assert_eq!(world.content("y"), naive);
        assert_eq!(world.versions("y").len(), 1, "{operation:?}");
    }
}

#[test]
fn a_local_piece_that_changes_makes_no_file() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("piece");
    std::fs::write(&path, local(3_000)).unwrap();
    let stored = store(&world, &noise(5_000), "x");
    // It is opened when the iterator yields it, and read when the iterator is at its end.
    let changed = path.clone();
    let pieces = [Piece::remote(&stored), Piece::local_file(&path)]
        .into_iter()
        .chain(std::iter::from_fn(move || {
            std::fs::write(&changed, noise(2_999)).unwrap();
            None
        }));
    let error = world.bucket.concatenate_stream(pieces, "y").unwrap_err();
    assert!(matches!(error, Error::SourceChanged { .. }), "{error:?}");
    assert!(world.versions("y").is_empty());
}

#[test]
fn of_a_file_that_has_grown_only_what_is_new_is_uploaded() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let data = noise(30_000);
    std::fs::write(&path, &data[..8_000]).unwrap();
    let append = || world.bucket.upload_appended_file(&path, "log").unwrap();
    append();
    assert_eq!(
        (
            world.count(Operation::UploadFile),
            world.count(Operation::StartLargeFile)
        ),
        (1, 0)
    );
    // Each new version is composed of the one before, which then is a large file.
    for length in [11_000, 30_000] {
        world.service.log().clear();
        std::fs::write(&path, &data[..length]).unwrap();
        let made = append();
        assert_eq!(world.count(Operation::CopyPart), 1);
        assert_eq!(world.count(Operation::UploadFile), 0);
        assert_eq!(made.version().sha1(), Some(Sha1Digest::of(&data[..length])));
        assert_eq!(world.content("log"), data[..length]);
    }
    assert_eq!(world.count(Operation::UploadPart), 2, "of 19,000 bytes");
    // Nothing new: no byte is sent.
    world.service.log().clear();
    append();
    assert_eq!(
        (
            world.count(Operation::UploadPart),
            world.count(Operation::UploadFile)
        ),
        (0, 0)
    );
    assert_eq!(world.content("log"), data);
}

#[test]
fn a_file_that_has_not_only_grown_is_uploaded_as_a_whole() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = UploadOptions::new();
    let cases = [
        ("changed", noise(8_000), local(9_000)),
        ("shorter", noise(8_000), noise(7_999)),
        ("too small", noise(999), noise(5_000)),
    ];
    for (name, before, after) in cases {
        store(&world, &before, name);
        std::fs::write(&path, &after).unwrap();
        world
            .bucket
            .upload_appended_file_with(&path, name, &options)
            .unwrap();
        assert_eq!(
            (
                world.count(Operation::UploadFile),
                world.count(Operation::StartLargeFile)
            ),
            (1, 0),
            "{name}"
        );
        assert_eq!(world.content(name), after);
    }
}

#[test]
fn a_key_that_may_not_read_uploads_the_whole() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    store(&world, &noise(5_000), "log");
    std::fs::write(&path, noise(9_000)).unwrap();
    let api = world.restricted(KeyRequest::new(["listBuckets", "writeFiles"]));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    bucket.upload_appended_file(&path, "log").unwrap();
    assert_eq!(world.count(Operation::CopyPart), 0);
    assert_eq!(world.count(Operation::UploadFile), 1);
    assert_eq!(world.content("log"), noise(9_000));
}

#[test]
fn an_appended_file_that_has_not_changed_makes_no_version() {
    // The smaller ones are less than a part.
    for length in [0, 999, 10_000] {
        an_unchanged_file_makes_no_version(length);
    }
}

fn an_unchanged_file_makes_no_version(length: usize) {
    let world = World::of_small_parts(1000, 20_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, noise(length)).unwrap();
    let upload = |options: &UploadOptions| {
        let uploaded = world
            .bucket
            .upload_appended_file_with(&path, "log", options);
        uploaded.unwrap()
    };
    let options = UploadOptions::new();
    let first = upload(&options);
    assert!(!first.is_unchanged());
    let second = upload(&options);
    assert!(second.is_unchanged());
    assert_eq!(second.version().file_id, first.version().file_id);
    // Its time does not count, other settings do.
    std::fs::write(&path, noise(length)).unwrap();
    assert!(upload(&options).is_unchanged());
    assert_eq!(world.versions("log").len(), 1);
    let options = options.file_info(b2sdk::FileInfo::new().with("a", "b"));
    assert!(!upload(&options).is_unchanged());
    assert!(upload(&options).is_unchanged());
    assert_eq!(world.versions("log").len(), 2);
}

#[test]
fn the_retries_of_a_copy_are_told() {
    let world = World::of_small_parts(1000, 20_000);
    let source = world.bucket.upload_bytes(&noise(10_000), "x").unwrap();
    world.inject(
        Fault::on(Operation::CopyFile)
            .status(503, "busy", "")
            .times(2),
    );
    let pieces = [Piece::remote(&source.version().file_id)];
    let uploaded = world.bucket.concatenate(&pieces, "y").unwrap();
    assert_eq!(uploaded.retries(), 2);
}
