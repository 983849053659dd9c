//! How copies are kept: encryption on both sides, retention, legal hold; and what of the source's file
//! info is true of them.

use b2sdk::encryption::{Encryption, EncryptionMode, SseCustomerKey};
use b2sdk::error::KeyProblem;
use b2sdk::lock::{BucketRetention, FileRetention, LegalHold, RetentionPeriod};
use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::{
    BucketType, CopyMetadata, CopyOptions, Error, FileInfo, FileVersion, Filtered, Operation,
    Resume, UpdateBucketOptions, UploadOptions, Verification,
};

use crate::support::settings::{FAR, assert_problem, content, key, mode};
use crate::support::{World, noise};

const MIN: u64 = 1_000;
const PART: u64 = 10_000;
const LENGTH: usize = 25_000;

fn world() -> World {
    World::of_small_parts(MIN, PART)
}

fn first() -> SseCustomerKey {
    key(1).with_id("first")
}

fn second() -> SseCustomerKey {
    key(2).with_id("second")
}

/// A stored file with the info `author`, in one request; the log begins after it.
fn store(world: &World, encryption: Option<Encryption>) -> FileVersion {
    let mut options = upload_options();
    options.encryption = encryption;
    let uploaded = world
        .bucket
        .upload_bytes_with(&noise(LENGTH), "x", &options);
    world.service.log().clear();
    uploaded.unwrap().into_version()
}

fn upload_options() -> UploadOptions {
    UploadOptions::new()
        .content_type("text/x-poem")
        .file_info(FileInfo::new().with("author", "Åsa"))
        .part_size(100_000)
}

/// In one request and in parts; all of it and a range.
fn ways() -> [(CopyOptions, std::ops::Range<usize>); 4] {
    let range = 3..LENGTH - 4;
    let bytes = || range.start as u64..=range.end as u64 - 1;
    [
        (CopyOptions::new(), 0..LENGTH),
        (CopyOptions::new().range(bytes()), range.clone()),
        (CopyOptions::new().part_size(PART), 0..LENGTH),
        (CopyOptions::new().part_size(PART).range(bytes()), range),
    ]
}

#[test]
fn a_copy_is_encrypted_as_was_asked_for_whatever_its_source_is() {
    for from in [None, Some(first())] {
        let world = world();
        let other = world.api.create_bucket("another", BucketType::AllPrivate);
        let other = other.unwrap();
        let source = store(&world, from.clone().map(Into::into));
        for (options, range) in ways() {
            for to in [
                None,
                Some(Encryption::SseB2),
                Some(first().into()),
                Some(second().into()),
            ] {
                let mut options = options.clone();
                options.source_encryption_key.clone_from(&from);
                options.encryption.clone_from(&to);
                let copy = other.copy_with(&source.file_id, "y", &options).unwrap();
                let to = to.as_ref().and_then(Encryption::customer_key);
                let expected = match to {
                    Some(_) => EncryptionMode::SseC,
                    None => EncryptionMode::SseB2,
                };
                let case = format!("{from:?} {options:?}");
                assert_eq!(mode(&copy), Some(expected), "{case}");
                let id = to.and_then(SseCustomerKey::id);
                assert_eq!(copy.sse_c_key_id(), id, "{case}");
                assert_eq!(
                    (&copy.content_type, copy.file_info.get("author")),
                    (&source.content_type, Some("Åsa")),
                    "{case}"
                );
                let expected = &noise(LENGTH)[range.clone()];
                assert!(content(&other, "y", to) == expected, "{case}");
            }
        }
        assert_eq!(world.count(Operation::UploadPart), 0);
    }
}

#[test]
fn the_source_is_asked_about_only_where_its_info_may_not_be_true_of_the_copy() {
    let world = world();
    let plain = store(&world, None);
    let secret = store(&world, Some(first().into()));
    let options = CopyOptions::new;
    let under = |key: &SseCustomerKey| options().source_encryption_key(key);
    let replaced = || {
        CopyOptions::new().metadata(CopyMetadata::Replace {
            content_type: "a/b".to_owned(),
            file_info: FileInfo::new(),
        })
    };
    for (source, options, asked) in [
        (&plain, options(), 0),
        (&plain, options().encryption(Encryption::SseB2), 0),
        (&plain, options().encryption(first()), 1),
        (&plain, options().range(0..=9), 1),
        (&plain, replaced().range(0..=9).encryption(second()), 0),
        (&secret, under(&first()).encryption(first()), 0),
        (&secret, under(&key(1)).encryption(key(1)), 0),
        (&secret, under(&first()).encryption(second()), 1),
        (&secret, under(&first()), 1),
    ] {
        world.service.log().clear();
        let copied = world.bucket.copy_with(&source.file_id, "y", &options);
        copied.unwrap();
        let requests = (
            world.count(Operation::GetFileInfo),
            world.count(Operation::CopyFile),
            world.total(),
        );
        assert_eq!(requests, (asked, 1, asked + 1), "{options:?}");
    }
}

#[test]
fn the_id_of_the_key_is_that_of_the_copys_own() {
    let world = world();
    let source = store(&world, Some(first().into()));
    let renamed = key(1).with_id("renamed");
    for (from, to, id) in [
        // No names are given, and it is the same key: the name that is recorded stays.
        (key(1), Some(key(1)), Some("first")),
        (first(), Some(key(1)), Some("first")),
        (key(1), Some(renamed.clone()), Some("renamed")),
        (first(), Some(renamed), Some("renamed")),
        (first(), Some(key(2)), None),
        (first(), None, None),
    ] {
        for (options, _) in ways() {
            let mut options = options.source_encryption_key(&from);
            options.encryption = to.clone().map(Into::into);
            let copy = world.bucket.copy_with(&source.file_id, "y", &options);
            let copy = copy.unwrap();
            assert_eq!(copy.sse_c_key_id(), id, "{from:?} {to:?}");
            assert_eq!(copy.file_info.get("author"), Some("Åsa"));
        }
    }
}

#[test]
fn info_that_is_replaced_gets_the_id_of_the_key_and_must_not_contradict_it() {
    let world = world();
    let source = store(&world, None);
    let replaced = |file_info| {
        let metadata = CopyMetadata::Replace {
            content_type: "a/b".to_owned(),
            file_info,
        };
        CopyOptions::new().metadata(metadata).encryption(first())
    };
    for part_size in [None, Some(PART)] {
        let mut options = replaced(FileInfo::new().with("k", "v"));
        options.part_size = part_size;
        let copy = world.bucket.copy_with(&source.file_id, "y", &options);
        let info = copy.unwrap().file_info;
        assert_eq!(
            (info.get("k"), info.get("sse_c_key_id")),
            (Some("v"), Some("first"))
        );
    }
    world.service.log().clear();
    let other = replaced(FileInfo::new().with("sse_c_key_id", "other"));
    let full = (0..10).map(|n| (format!("n{n}"), "v")).collect();
    for options in [other, replaced(full)] {
        let error = world.bucket.copy_with(&source.file_id, "y", &options);
        assert!(
            matches!(error, Err(Error::InvalidInput { .. })),
            "{error:?}"
        );
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn info_that_leaves_no_room_for_the_id_of_the_key_is_an_error_and_no_copy() {
    let world = world();
    let full: FileInfo = (0..10).map(|n| (format!("n{n}"), "v")).collect();
    let options = UploadOptions::new().file_info(full);
    let source = world.bucket.upload_bytes_with(&noise(10), "x", &options);
    let source = source.unwrap().into_version();
    let options = CopyOptions::new().encryption(first());
    let error = world.bucket.copy_with(&source.file_id, "y", &options);
    let error = error.unwrap_err();
    assert!(error.to_string().contains("sse_c_key_id"), "{error}");
    assert_eq!(world.count(Operation::CopyFile), 0);
}

#[test]
fn a_key_that_is_wrong_or_missing_is_told_so_and_makes_no_copy() {
    let world = world();
    let source = store(&world, Some(first().into()));
    let wrong = CopyOptions::new().source_encryption_key(&second());
    for (options, problem) in [
        (CopyOptions::new(), KeyProblem::Missing),
        (wrong, KeyProblem::Wrong),
    ] {
        for (part_size, range) in [
            (None, None),
            (None, Some(0..=9)),
            (Some(PART), None),
            (Some(100_000), None),
        ] {
            for to in [None, Some(second().into())] {
                let mut options = options.clone();
                options.part_size = part_size;
                options.range = range.clone().map(Into::into);
                options.encryption = to;
                let outcome = world.bucket.copy_with(&source.file_id, "y", &options);
                assert_problem(outcome, problem);
            }
        }
    }
    assert_eq!(world.count(Operation::StartLargeFile), 0);
    assert!(world.versions("y").is_empty());
}

#[test]
fn a_wrong_key_that_only_the_service_can_tell_leaves_no_parts_behind() {
    let world = world();
    let source = store(&world, Some(first().into()));
    // As to a key that may not read it.
    world.inject(
        Fault::on(Operation::GetFileInfo)
            .edit_json(|file| {
                file["serverSideEncryption"] = serde_json::Value::Null;
            })
            .always(),
    );
    let wrong = CopyOptions::new().source_encryption_key(&second());
    for (options, problem) in [
        (CopyOptions::new(), KeyProblem::Missing),
        (wrong, KeyProblem::Wrong),
    ] {
        let options = options.part_size(PART);
        let outcome = world.bucket.copy_with(&source.file_id, "y", &options);
        assert_problem(outcome, problem);
    }
    assert_eq!(
        (
            world.count(Operation::StartLargeFile),
            world.count(Operation::CancelLargeFile)
        ),
        (2, 2)
    );
}

#[test]
fn a_lost_answer_to_an_encrypted_copy_leaves_one_version() {
    for (to, versions) in [(first(), 1), (second(), 1)] {
        let world = world();
        let source = store(&world, Some(first().into()));
        world.inject(
            Fault::on(Operation::CopyFile)
                .drop_connection()
                .after_effect(),
        );
        let options = CopyOptions::new()
            .source_encryption_key(&first())
            .encryption(to.clone());
        let copy = world.bucket.copy_with(&source.file_id, "y", &options);
        let copy = copy.unwrap();
        assert_eq!(copy.sse_c_key_id(), to.id());
        assert_eq!(world.versions("y").len(), versions);
        assert_eq!(world.count(Operation::CopyFile), 1);
    }
}

#[test]
fn a_version_that_is_kept_otherwise_is_not_taken_for_the_copy_whose_answer_was_lost() {
    let world = locking();
    let source = store(&world, None);
    let options = CopyOptions::new();
    let asked = [
        options.clone().encryption(key(1)),
        options.clone().retention(FileRetention::governance(FAR)),
        options.clone().legal_hold(LegalHold::On),
    ];
    for (number, options) in asked.into_iter().enumerate() {
        let name = format!("y{number}");
        world.bucket.copy(&source.file_id, &name).unwrap();
        world.service.log().clear();
        world.inject(Fault::on(Operation::CopyFile).reset_connection());
        let copied = world.bucket.copy_with(&source.file_id, &name, &options);
        copied.unwrap();
        assert_eq!(world.count(Operation::CopyFile), 2, "{options:?}");
        assert_eq!(world.versions(&name).len(), 2);
    }
}

#[test]
fn a_copy_of_which_the_service_tells_no_sha1_is_found_by_the_recorded_one() {
    let world = world();
    let options = UploadOptions::new().part_size(PART);
    let data = noise(LENGTH);
    let source = world.bucket.upload_bytes_with(&data, "x", &options);
    let source = source.unwrap().into_version();
    let none = |answer: &mut serde_json::Value| {
        for file in answer["files"].as_array_mut().into_iter().flatten() {
            file["contentSha1"] = "none".into();
        }
    };
    let lost = || {
        world.inject(
            Fault::on(Operation::CopyFile)
                .drop_connection()
                .after_effect(),
        );
        world.inject(Fault::on(Operation::ListFileVersions).edit_json(none));
    };
    lost();
    world.bucket.copy(&source.file_id, "y").unwrap();
    assert_eq!(world.count(Operation::CopyFile), 1);
    // Nothing tells whether this one is it.
    lost();
    let replaced = CopyOptions::new().metadata(CopyMetadata::Replace {
        content_type: "a/b".to_owned(),
        file_info: FileInfo::new(),
    });
    let error = world.bucket.copy_with(&source.file_id, "z", &replaced);
    assert!(matches!(error, Err(Error::Connection(_))), "{error:?}");
    assert_eq!(world.versions("z").len(), 1);
}

#[test]
fn a_copy_of_which_the_key_may_not_see_how_it_is_kept_is_not_made_twice() {
    let lost = || {
        Fault::on(Operation::CopyFile)
            .drop_connection()
            .after_effect()
    };
    let world = locking();
    let source = store(&world, None);
    let api = world.restricted(KeyRequest::new([
        "listBuckets",
        "listFiles",
        "readFiles",
        "writeFiles",
        "writeFileRetentions",
        "writeFileLegalHolds",
    ]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    for (name, options) in [
        (
            "retained",
            CopyOptions::new().retention(FileRetention::governance(FAR)),
        ),
        ("held", CopyOptions::new().legal_hold(LegalHold::On)),
    ] {
        world.inject(lost());
        let outcome = bucket.copy_with(&source.file_id, name, &options);
        assert!(matches!(outcome, Err(Error::Connection(_))), "{outcome:?}");
        assert_eq!(world.versions(name).len(), 1);
    }
    // A listing that does not tell the MD5 of the key: the id, if there is one, tells it.
    for (name, key, is_told) in [("named", first(), true), ("nameless", key(1), false)] {
        world.inject(lost());
        world.inject(Fault::on(Operation::ListFileVersions).edit_json(|answer| {
            for file in answer["files"].as_array_mut().into_iter().flatten() {
                let encryption = file["serverSideEncryption"].as_object_mut();
                encryption.unwrap().remove("customerKeyMd5");
            }
        }));
        let options = CopyOptions::new().encryption(key);
        let outcome = world.bucket.copy_with(&source.file_id, name, &options);
        assert_eq!(outcome.is_ok(), is_told, "{outcome:?}");
        assert_eq!(world.versions(name).len(), 1);
    }
}

#[test]
fn a_recorded_sha1_that_is_none_does_not_hinder_copies() {
    let world = world();
    let source = store(&world, None);
    let odd = Fault::on(Operation::GetFileInfo).edit_json(|file| {
        file["fileInfo"]["large_file_sha1"] = "whatever".into();
    });
    world.inject(odd.always());
    for (options, _) in ways() {
        for resume in [Resume::Never, Resume::Matching] {
            let options = options.clone().encryption(first()).resume(resume);
            let copied = world.bucket.copy_with(&source.file_id, "y", &options);
            let info = copied.unwrap().file_info;
            let is_range = options.range.is_some();
            assert_eq!(info.get("large_file_sha1").is_some(), !is_range);
        }
    }
}

#[test]
fn a_copied_range_does_not_carry_the_sha1_of_the_whole() {
    let world = world();
    let data = noise(LENGTH);
    let options = upload_options().part_size(PART);
    let source = world.bucket.upload_bytes_with(&data, "x", &options);
    let source = source.unwrap().into_version();
    assert!(source.file_info.get("large_file_sha1").is_some());
    let options = CopyOptions::new().range(5..=20_000);
    let copied = world.bucket.copy_with(&source.file_id, "y", &options);
    let copied = copied.unwrap();
    assert_eq!(copied.file_info.get("large_file_sha1"), None);
    assert_eq!(
        (&copied.content_type, copied.file_info.get("author")),
        (&source.content_type, Some("Åsa"))
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("y");
    let save = |name: &str| {
        let download = world.bucket.download_file_by_name(name).unwrap();
        download.save_to(&path).unwrap().verification()
    };
    // As of a service that tells no SHA-1 of what was copied from a large file.
    let untold = || Fault::on(Operation::DownloadFileByName).header("X-Bz-Content-Sha1", "none");
    world.inject(untold());
    assert_eq!(save("y"), Verification::NoChecksum);
    assert_eq!(save("y"), Verification::Verified);
    assert!(std::fs::read(&path).unwrap() == data[5..=20_000]);
    // A range of everything is the whole.
    let options = CopyOptions::new().range(0..=1_000_000);
    let copied = world.bucket.copy_with(&source.file_id, "z", &options);
    assert_eq!(copied.unwrap().file_info, source.file_info);
    world.inject(untold());
    assert_eq!(save("z"), Verification::Verified);
}

#[test]
fn who_may_not_read_the_sources_info_is_told_before_a_wrong_copy_is_made() {
    let world = world();
    let public = UpdateBucketOptions::new().bucket_type(BucketType::AllPublic);
    world.bucket.update(&public).unwrap();
    let source = store(&world, None);
    let api = world.restricted(KeyRequest::new(["listBuckets", "writeFiles"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    bucket.copy(&source.file_id, "y").unwrap();
    let options = CopyOptions::new().range(0..=9);
    let error = bucket.copy_with(&source.file_id, "z", &options);
    assert!(matches!(error, Err(Error::NotAllowed(_))), "{error:?}");
    assert!(world.versions("z").is_empty());
}

#[test]
fn ranges_that_select_nothing_are_refused_before_anything_is_sent() {
    let world = world();
    let source = store(&world, None);
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for options in [
        CopyOptions::new().range(5..=4),
        CopyOptions::new().part_size(PART).range(20_000..=3),
    ] {
        let outcome = world.bucket.copy_with(&source.file_id, "y", &options);
        assert!(
            matches!(outcome, Err(Error::InvalidInput { what: "range", .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(world.total(), 0);
    let outside = LENGTH as u64..=LENGTH as u64 + 5;
    for options in [CopyOptions::new(), CopyOptions::new().part_size(PART)] {
        let options = options.range(outside.clone());
        let outcome = world.bucket.copy_with(&source.file_id, "y", &options);
        assert!(
            matches!(outcome, Err(Error::RangeNotSatisfiable(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(world.count(Operation::StartLargeFile), 0);
}

/// A world whose bucket has object lock.
fn locking() -> World {
    let service = Simulator::builder()
        .minimum_part_size(MIN)
        .recommended_part_size(PART)
        .start()
        .unwrap();
    World::with_object_lock(service)
}

#[test]
fn a_copy_is_retained_and_held_as_was_asked_for() {
    let world = locking();
    let source = store(&world, None);
    let retention = FileRetention::governance(FAR);
    for (options, range) in ways() {
        let options = options
            .retention(retention.clone())
            .legal_hold(LegalHold::On);
        let copy = world.bucket.copy_with(&source.file_id, "y", &options);
        let copy = copy.unwrap();
        assert_eq!(copy.file_retention, Filtered::Readable(retention.clone()));
        assert_eq!(copy.legal_hold, Filtered::Readable(LegalHold::On));
        assert!(world.content("y") == noise(LENGTH)[range]);
        let deleted = world.bucket.delete_file_version(&copy.file_id, "y");
        assert!(matches!(deleted, Err(Error::Locked { .. })), "{deleted:?}");
    }
}

#[test]
fn a_copy_that_asks_for_no_lock_gets_the_buckets_default_and_nothing_of_the_source() {
    let world = locking();
    let options = UploadOptions::new()
        .retention(FileRetention::compliance(FAR))
        .legal_hold(LegalHold::On);
    let source = world
        .bucket
        .upload_bytes_with(&noise(LENGTH), "x", &options)
        .unwrap()
        .into_version();
    for (options, _) in ways() {
        let copy = world.bucket.copy_with(&source.file_id, "y", &options);
        let copy = copy.unwrap();
        assert_eq!(copy.file_retention.readable(), None);
        world
            .bucket
            .delete_file_version(&copy.file_id, "y")
            .unwrap();
    }
    let week = BucketRetention::governance(RetentionPeriod::days(7));
    let update = UpdateBucketOptions::new().default_retention(week);
    world.bucket.update(&update).unwrap();
    for (options, _) in ways() {
        let copy = world.bucket.copy_with(&source.file_id, "y", &options);
        assert!(copy.unwrap().file_retention.readable().is_some());
    }
}

#[test]
fn a_copy_that_the_key_may_not_lock_is_refused_before_anything_is_sent() {
    let world = locking();
    let source = store(&world, None);
    let capabilities = ["listBuckets", "listFiles", "writeFiles", "readFiles"];
    let api = world.restricted(KeyRequest::new(capabilities));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    for (options, _) in ways() {
        let retained = options.clone().retention(FileRetention::governance(FAR));
        for (options, needed) in [
            (retained, "writeFileRetentions"),
            (options.legal_hold(LegalHold::On), "writeFileLegalHolds"),
        ] {
            let error = bucket.copy_with(&source.file_id, "y", &options);
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains("b2_copy_file") && error.contains(needed),
                "{error}"
            );
        }
    }
    assert_eq!(world.total(), 0);
}

#[test]
fn a_lock_in_a_bucket_without_it_is_refused_and_leaves_nothing() {
    let world = world();
    let source = store(&world, None);
    for (options, _) in ways() {
        let options = options.legal_hold(LegalHold::On);
        let error = world.bucket.copy_with(&source.file_id, "y", &options);
        let error = error.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&b2sdk::error::ErrorCode::BucketMissingFileLock),
            "{error:?}"
        );
    }
    assert!(world.versions("y").is_empty());
}

#[test]
fn a_part_whose_answer_cannot_be_read_is_copied_again() {
    let world = world();
    let source = store(&world, None);
    let unreadable = || {
        Fault::on(Operation::CopyPart).after_effect().body(
            200,
            "application/json",
            "{\"contentLength\": 10",
        )
    };
    world.inject(unreadable().times(2));
    let options = CopyOptions::new().part_size(PART);
    world
        .bucket
        .copy_with(&source.file_id, "y", &options)
        .unwrap();
    assert!(world.content("y") == noise(LENGTH));
    assert_eq!(world.count(Operation::CopyPart), 5);
    world.service.log().clear();
    world.inject(unreadable().always());
    let error = world.bucket.copy_with(&source.file_id, "z", &options);
    assert!(
        matches!(error, Err(Error::UnexpectedReply { .. })),
        "{error:?}"
    );
    assert!(world.count(Operation::CopyPart) <= 3 * 8);
    assert_eq!(world.count(Operation::CancelLargeFile), 1);
    assert!(world.versions("z").is_empty());
}
