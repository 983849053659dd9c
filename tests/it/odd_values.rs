//! Odd names, numbers, times and lists: what is impossible is refused with what to do, before anything
//! is sent; what is possible comes back byte for byte.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use b2sdk::compose::{ComposeOptions, Piece};
use b2sdk::delete::{DeleteOutcome, FileIdAndName};
use b2sdk::encryption::Encryption;
use b2sdk::error::NameRule;
use b2sdk::keys::{Capability, CreateKeyOptions};
use b2sdk::limits::RequestBudget;
use b2sdk::lock::FileRetention;
use b2sdk::replication::ReplicationConfiguration;
use b2sdk::rules::LifecycleRule;
use b2sdk::{
    BucketType, ByteRange, CopyOptions, DownloadOptions, Error, FileInfo, InMemoryAccountInfo,
    LsOptions, RetryPolicy, Timeouts, Timestamp, UpdateBucketOptions, UploadOptions,
};
use proptest::prelude::{ProptestConfig, proptest};

use crate::support::{World, noise};

/// Names that must come back exactly as they are. Some look alike, or mean something in a path, a URL
/// or a header.
fn odd_names() -> Vec<String> {
    let four_bytes = "\u{1f980}";
    let mut names: Vec<String> = [
        ".",
        "..",
        "...",
        "./a",
        "../a",
        "a/.",
        "a/..",
        "a/./b",
        "a/../b",
        "a/b",
        "%",
        "%%",
        "%2",
        "%zz",
        "%2F",
        "a%2Fb",
        "%00",
        "%e9",
        "%C3%A9",
        "100%",
        "+",
        "a+b",
        "a b",
        "a%20b",
        " lead",
        "trail ",
        "a/ /b",
        "tab%09",
        "?",
        "a?b=c",
        "#",
        "a#b",
        "&",
        "=",
        ";",
        ":",
        "a:b",
        "@",
        "!",
        "$",
        "'",
        "\"",
        "<>",
        "|",
        "*",
        "[a]",
        "{a}",
        "~",
        "^",
        "`",
        ",",
        "(a)",
        "CON",
        "nul.txt",
        "b2/x-auto",
        "none",
        "null",
        "é",
        "e\u{301}",
        "\u{c5}",
        "\u{212b}",
        "A\u{30a}",
        "ﬁ",
        "ß",
        "SS",
        "İ",
        "i\u{307}",
        "\u{80}",
        "\u{85}",
        "\u{a0}",
        "\u{ad}",
        "\u{200b}",
        "\u{200e}",
        "\u{202e}txt.exe",
        "\u{2028}",
        "\u{2029}",
        "\u{feff}bom",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{e000}",
        "\u{10ffff}",
        "日本語",
        "עברית",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "a\u{300}\u{301}\u{302}\u{303}",
        "A",
        "a",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(250));
    names.push(four_bytes.repeat(62));
    // 1024 bytes in five segments.
    let segments = [
        four_bytes.repeat(62),
        "y".repeat(250),
        "é".repeat(125),
        "z".repeat(250),
    ];
    let start = segments.join("/");
    names.push(format!("{start}/{}", "w".repeat(1023 - start.len())));
    assert_eq!(names.last().unwrap().len(), 1024);
    names
}

#[test]
fn odd_names_come_back_as_they_are_from_everywhere() {
    let world = World::new();
    let names = odd_names();
    let all: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(all.len(), names.len(), "one stands here twice");
    for name in &names {
        let uploaded = world.bucket.upload_bytes(name.as_bytes(), name).unwrap();
        assert_eq!(uploaded.version().file_name, *name);
    }
    let options = LsOptions::new().recursive(true).page_size(7);
    let listed = world.bucket.ls_with("", &options).unwrap();
    let listed: Vec<_> = listed
        .map(|entry| entry.unwrap().version.file_name)
        .collect();
    assert!(listed.iter().eq(&all), "{listed:?}");
    for name in &names {
        let download = world.bucket.download_file_by_name(name).unwrap();
        assert_eq!(download.version().file_name, *name);
        let id = download.version().file_id.clone();
        assert_eq!(download.read_to_vec().unwrap(), name.as_bytes());
        let by_id = world.api.download_file_by_id(&id).unwrap();
        assert_eq!(by_id.version().file_name, *name);
        assert_eq!(world.api.get_file_info(&id).unwrap().file_name, *name);
        assert_eq!(
            world.bucket.get_file_info_by_name(name).unwrap().file_id,
            id
        );
        assert_eq!(world.versions(name).len(), 1, "{name:?}");
    }
    for name in &names {
        world.bucket.hide_file(name).unwrap();
        assert!(
            world
                .bucket
                .download_file_by_name(name)
                .unwrap_err()
                .is_not_found()
        );
        assert_eq!(world.bucket.unhide_file(name).unwrap().file_name, *name);
        let version = world.versions(name).remove(0);
        world
            .bucket
            .delete_file_version(&version.file_id, name)
            .unwrap();
    }
    assert_eq!(world.bucket.ls("").unwrap().count(), 0);
}

#[test]
fn odd_names_are_copied_started_and_shared_as_they_are() {
    let world = World::of_small_parts(100, 1000);
    let source = world.bucket.upload_bytes(b"x", "source").unwrap();
    for name in odd_names() {
        let large = world.bucket.upload_bytes(&noise(1500), &name).unwrap();
        assert_eq!((large.parts(), &large.version().file_name), (2, &name));
        assert_eq!(world.content(&name), noise(1500));
        let copy = world.bucket.copy(&source.version().file_id, &name).unwrap();
        assert_eq!(copy.file_name, name);
        assert_eq!(world.content(&name), b"x");
        let hour = Duration::from_secs(3600);
        world
            .bucket
            .get_download_authorization(&name, hour)
            .unwrap();
        let unfinished = world.bucket.list_unfinished_large_files(&name).unwrap();
        assert_eq!(unfinished.count(), 0);
    }
}

fn impossible_names() -> Vec<(String, NameRule)> {
    let mut names: Vec<_> = [
        ("", NameRule::Empty),
        ("/", NameRule::StartsWithSlash),
        ("/a", NameRule::StartsWithSlash),
        ("a/", NameRule::EndsWithSlash),
        ("a//b", NameRule::DoubleSlash),
        ("a\\b", NameRule::Backslash),
    ]
    .map(|(name, rule)| (name.to_owned(), rule))
    .into();
    let control = (0..0x20).chain([0x7f]).map(|byte| char::from(byte as u8));
    names.extend(control.map(|c| (format!("a{c}b"), NameRule::ControlCharacter)));
    names.push(("x".repeat(251), NameRule::SegmentTooLong));
    names.push(("\u{1f980}".repeat(63), NameRule::SegmentTooLong));
    let long = vec!["é".repeat(100); 5].join("/") + &"z".repeat(21);
    assert_eq!(long.len(), 1025);
    names.push((long, NameRule::TooLong));
    names
}

#[test]
fn impossible_names_are_refused_by_every_call_that_makes_a_file() {
    let world = World::new();
    let source = world.bucket.upload_bytes(b"x", "source").unwrap();
    let id = &source.version().file_id;
    let local = tempfile::NamedTempFile::new().unwrap();
    world.service.log().clear();
    let bucket = &world.bucket;
    for (name, rule) in impossible_names() {
        let name = name.as_str();
        for error in [
            bucket.upload_bytes(b"x", name).unwrap_err(),
            bucket.upload_stream(&b"x"[..], name).unwrap_err(),
            bucket.upload_reader(&b"x"[..], 1, name).unwrap_err(),
            bucket.upload_local_file(local.path(), name).unwrap_err(),
            bucket.upload_appended_file(local.path(), name).unwrap_err(),
            bucket.copy(id, name).unwrap_err(),
            bucket
                .concatenate(&[Piece::bytes(&b"x"[..])], name)
                .unwrap_err(),
            bucket
                .concatenate_stream([Piece::bytes(&b"x"[..])], name)
                .unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::InvalidFileName { rule: found, .. } if *found == rule),
                "{name:?}: {error:?}"
            );
            let text = error.to_string();
            assert!(text.contains(&rule.to_string()), "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
    assert_eq!(world.total(), 0);
}

/// Files made through the S3 API may have such names: the service is asked, once.
#[test]
fn impossible_names_can_be_looked_for_and_are_not_found() {
    let world = World::new();
    for (name, _) in impossible_names() {
        for ask in [
            |world: &World, name: &str| world.bucket.get_file_info_by_name(name).map(|_| ()),
            |world: &World, name: &str| world.bucket.download_file_by_name(name).map(|_| ()),
            |world: &World, name: &str| world.bucket.hide_file(name).map(|_| ()),
        ] {
            world.service.log().clear();
            let error = ask(&world, &name).unwrap_err();
            assert!(
                matches!(error.status(), Some(400 | 404)),
                "{name:?}: {error:?}"
            );
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
            // A refusal of HEAD says nothing: GET asks for its words.
            let entries = world.service.log().entries();
            let methods: BTreeSet<_> = entries.iter().map(|entry| &entry.method).collect();
            assert_eq!(methods.len(), entries.len(), "{name:?}: {entries:?}");
        }
        assert_eq!(world.bucket.list_file_versions(&name).unwrap().count(), 0);
        let error = world.bucket.unhide_file(&name).unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
    }
}

#[test]
fn odd_file_info_comes_back_as_it_is() {
    let world = World::of_small_parts(100, 1000);
    let info: FileInfo = [
        ("a-_.`~!#$%^&*'|+z", "every character that a name may have"),
        ("empty", ""),
        ("lines", "a\r\nb\nc\t\u{0}\u{7f}"),
        ("percent", "100% %2F %zz + a+b"),
        ("space", "  two  "),
        ("nfd", "e\u{301}"),
        ("nfc", "é"),
        ("emoji", "👩‍👩‍👧‍👦"),
        ("edge", "\u{10ffff}\u{fffe}\u{feff}"),
        (
            "x0123456789012345678901234567890123456789012345678",
            "50 bytes",
        ),
    ]
    .into_iter()
    .collect();
    assert_eq!(info.len(), 10);
    // Ten are all there may be: the SHA-1 of the whole would be the eleventh, and gives way.
    let options = UploadOptions::new().file_info(info.clone());
    for (name, length) in [("small", 1), ("large", 1500)] {
        let uploaded = world
            .bucket
            .upload_bytes_with(&noise(length), name, &options)
            .unwrap();
        let id = uploaded.version().file_id.clone();
        assert_eq!(world.versions(name)[0].file_info, info, "{name}");
        assert_eq!(world.api.get_file_info(&id).unwrap().file_info, info);
        let described = world.bucket.get_file_info_by_name(name).unwrap();
        assert_eq!(described.file_info, info, "{name}");
    }
}

#[test]
fn file_info_may_take_what_the_service_gives_it_and_not_a_byte_more() {
    let fits = |world: &World, length: usize, options: UploadOptions| {
        let info = FileInfo::new().with("note", "x".repeat(length));
        let outcome = world
            .bucket
            .upload_bytes_with(b"x", "x", &options.file_info(info));
        match outcome {
            Ok(_) => true,
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        Error::InvalidInput {
                            what: "file_info",
                            ..
                        }
                    ),
                    "{error:?}"
                );
                assert!(error.to_string().contains("are possible"), "{error}");
                false
            }
        }
    };
    for (limit, options) in [
        (7000, UploadOptions::new()),
        (2048, UploadOptions::new().encryption(Encryption::SseB2)),
    ] {
        let world = World::new();
        let longest = (0..=limit)
            .rev()
            .find(|length| fits(&world, *length, options.clone()));
        let longest = longest.unwrap();
        // The service took it; what more there is are names and separators.
        assert!(
            (limit - 40..=limit).contains(&longest),
            "{limit}: {longest}"
        );
        world.service.log().clear();
        assert!(!fits(&world, longest + 1, options));
        assert_eq!(world.total(), 0);
    }
}

#[test]
fn names_that_no_bucket_can_have_are_refused_with_the_rule() {
    let world = World::new();
    for (name, rule) in [
        ("", "6 to 63 characters"),
        ("short", "6 to 63 characters"),
        (&*"x".repeat(64), "6 to 63 characters"),
        ("b2-backup", "'b2-'"),
        ("B2-backup", "'b2-'"),
        ("a.b.c.d", "letters, digits and '-'"),
        ("under_score", "letters, digits and '-'"),
        ("white space", "letters, digits and '-'"),
        ("nul\0nul", "letters, digits and '-'"),
        ("größer", "letters, digits and '-'"),
        ("../../etc", "letters, digits and '-'"),
        ("192.168.1.1", "letters, digits and '-'"),
    ] {
        let error = world
            .api
            .create_bucket(name, BucketType::AllPrivate)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidInput {
                    what: "bucket name",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(rule), "{error}");
        assert_eq!(world.total(), 0);
        let error = world.api.get_bucket_by_name(name).unwrap_err();
        assert!(error.is_not_found(), "{name:?}: {error:?}");
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
        world.service.log().clear();
    }
    for name in ["abcdef", "-a-b-c-", &*"x".repeat(63), "UPPER-and-lower-1"] {
        let bucket = world
            .api
            .create_bucket(name, BucketType::AllPrivate)
            .unwrap();
        assert_eq!(
            world.api.get_bucket_by_id(bucket.id()).unwrap().name(),
            name
        );
    }
    let error = world
        .api
        .create_bucket("upper-AND-lower-1", BucketType::AllPrivate);
    assert!(
        matches!(error, Err(Error::BucketNameTaken { .. })),
        "{error:?}"
    );
}

/// The argument that a refusal names; nothing may have been sent for it.
#[track_caller]
fn refused<T>(world: &World, outcome: Result<T, Error>) -> &'static str {
    let sent = world.total();
    match outcome {
        Err(Error::InvalidInput { what, reason }) => {
            assert!(!reason.is_empty());
            assert_eq!(sent, 0, "{what}: {reason}");
            what
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("this cannot be"),
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let world = World::new();
    let bucket = &world.bucket;
    let id = bucket
        .upload_bytes(b"x", "x")
        .unwrap()
        .into_version()
        .file_id;
    world.service.log().clear();
    for size in [0, 1, 4_999_999, 5_000_000_001, u64::MAX] {
        let options = UploadOptions::new().part_size(size);
        assert_eq!(
            refused(&world, bucket.upload_bytes_with(b"x", "x", &options)),
            "part_size"
        );
        let stream = bucket.upload_stream_with(&b"x"[..], "x", &options);
        assert_eq!(refused(&world, stream), "part_size");
        let options = CopyOptions::new().part_size(size);
        assert_eq!(
            refused(&world, bucket.copy_with(&id, "y", &options)),
            "part_size"
        );
    }
    let options = DownloadOptions::new().part_size(0);
    assert_eq!(
        refused(&world, bucket.download_file_by_name_with("x", &options)),
        "part_size"
    );
    for size in [0, 10_001, u32::MAX] {
        let options = LsOptions::new().page_size(size);
        assert_eq!(refused(&world, bucket.ls_with("", &options)), "page_size");
    }
    for length in [50_000_000_000_001, i64::MAX as u64, u64::MAX] {
        let outcome = bucket.upload_reader(std::io::empty(), length, "x");
        assert_eq!(refused(&world, outcome), "length", "{length}");
    }
    let options = CopyOptions::new().range(ByteRange::from(5..));
    // How long the source is, the service knows.
    let outcome = bucket.copy_with(&id, "y", &options);
    assert!(
        matches!(outcome, Err(Error::RangeNotSatisfiable(_))),
        "{outcome:?}"
    );
}

#[test]
fn ranges_at_the_end_of_all_numbers_do_not_overflow() {
    let world = World::new();
    world.bucket.upload_bytes(b"0123456789", "x").unwrap();
    let read = |range: ByteRange| {
        let options = DownloadOptions::new().range(range);
        let download = world.bucket.download_file_by_name_with("x", &options)?;
        download.read_to_vec()
    };
    assert_eq!(read((5..=u64::MAX).into()).unwrap(), b"56789");
    assert_eq!(read(ByteRange::last(u64::MAX)).unwrap(), b"0123456789");
    assert_eq!(read((9..).into()).unwrap(), b"9");
    for range in [
        ByteRange::from(10..),
        (u64::MAX..).into(),
        (u64::MAX..=u64::MAX).into(),
    ] {
        let error = read(range).unwrap_err();
        assert!(
            matches!(error, Error::RangeNotSatisfiable(_)),
            "{range}: {error:?}"
        );
    }
    assert_eq!(refused(&World::new(), read(ByteRange::last(0))), "range");
}

#[test]
fn times_that_cannot_be_are_refused_and_odd_ones_kept() {
    let world = World::new();
    let bucket = &world.bucket;
    let early = UploadOptions::new().upload_timestamp(Timestamp::from_millis(-1));
    let outcome = bucket.upload_bytes_with(b"x", "x", &early);
    assert_eq!(refused(&world, outcome), "upload_timestamp");
    let early = UploadOptions::new().src_last_modified(UNIX_EPOCH - Duration::from_millis(1));
    assert_eq!(
        refused(&world, bucket.upload_bytes_with(b"x", "x", &early)),
        "file_info"
    );
    for millis in [0, 253_402_300_800_000, i64::MAX] {
        // The beginning of 1970, of the year 10000, and the end of all numbers.
        let time = Timestamp::from_millis(millis);
        let options = UploadOptions::new().src_last_modified(time);
        bucket.upload_bytes_with(b"x", "x", &options).unwrap();
        let described = bucket.get_file_info_by_name("x").unwrap();
        assert_eq!(described.file_info.src_last_modified(), Some(time));
    }
    world.service.log().clear();
    for time in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        let outcome = bucket.get_download_authorization("", time);
        assert_eq!(refused(&world, outcome), "valid_for");
        let options = CreateKeyOptions::new().valid_for(time);
        let outcome = world
            .api
            .create_key_with("key", [Capability::ListFiles], &options);
        assert_eq!(refused(&world, outcome), "valid_for");
    }
    let most = Duration::from_secs(1000 * 24 * 3600 - 1);
    let options = CreateKeyOptions::new().valid_for(most);
    world
        .api
        .create_key_with("key", [Capability::ListFiles], &options)
        .unwrap();
    // Whatever is older than all time is nothing.
    assert_eq!(
        bucket.cancel_unfinished_large_files(Duration::MAX).unwrap(),
        []
    );
}

#[test]
fn retentions_at_the_ends_of_time_are_for_the_service_to_judge() {
    let world = World::with(|builder| builder.retry(RetryPolicy::none()));
    let update = UpdateBucketOptions::new().enable_file_lock(true);
    world.bucket.update(&update).unwrap();
    let upload = |millis| {
        let retention = FileRetention::governance(Timestamp::from_millis(millis));
        let options = UploadOptions::new().retention(retention);
        world.bucket.upload_bytes_with(b"x", "x", &options)
    };
    for millis in [i64::MIN, -1, 0, 1] {
        let error = upload(millis).unwrap_err();
        assert!(
            matches!(error.status(), None | Some(400)),
            "{millis}: {error:?}"
        );
    }
    let year_3000 = 32_503_680_000_000;
    assert_eq!(upload(year_3000).unwrap().version().file_name, "x");
}

#[test]
fn settings_that_would_stop_everything_are_refused_or_do_something_sensible() {
    use b2sdk::B2Api;
    let world = World::new();
    let none = || B2Api::builder(InMemoryAccountInfo::new()).clock(&world.clock);
    let works = |api: B2Api| {
        crate::support::authorize(&api, &world.service);
        let bucket = api.get_bucket_by_id(world.bucket.id()).unwrap();
        bucket.upload_bytes(b"x", "x").unwrap();
    };
    works(none().workers(0).build().unwrap());
    works(
        none()
            .retry(RetryPolicy::default().max_attempts(0))
            .build()
            .unwrap(),
    );
    works(
        none()
            .retry(RetryPolicy::default().total_time(Duration::ZERO))
            .build()
            .unwrap(),
    );
    works(
        none()
            .retry(RetryPolicy::default().base_delay(Duration::MAX))
            .build()
            .unwrap(),
    );
    works(
        none()
            .timeouts(Timeouts::default().idle(Duration::MAX))
            .build()
            .unwrap(),
    );
    works(none().expect_continue_from(0).build().unwrap());
    works(none().user_agent("").build().unwrap());
    for product in ["two\r\nX-Evil: 1", "nul\0", "größer"] {
        let built = none().user_agent(product).build();
        assert_eq!(refused(&World::new(), built), "user agent", "{product:?}");
    }
    let api = none().build().unwrap();
    crate::support::authorize(&api, &world.service);
    api.set_request_budget(RequestBudget::new().class_a(0).class_b(0).class_c(0));
    let error = api.list_buckets().unwrap_err();
    assert!(
        matches!(error, Error::BudgetExceeded { limit: 0, .. }),
        "{error:?}"
    );
}

/// Without room for a byte, a stream must not be taken for an empty one.
#[test]
fn a_memory_limit_below_any_part_loses_no_content() {
    for (limit, fits) in [(0, 0), (1, 1), (4_999_999, 1000)] {
        let world = World::with(|builder| builder.memory_limit(limit));
        let name = format!("{fits}-of-{limit}");
        if limit > 0 {
            world.bucket.upload_stream(&noise(fits)[..], &name).unwrap();
            assert_eq!(world.content(&name), noise(fits));
        }
        world.service.log().clear();
        let too_long = noise(usize::try_from(limit).unwrap() + 1);
        let stream = world.bucket.upload_stream(&too_long[..], "x");
        assert_eq!(refused(&world, stream), "memory_limit");
        let piece = Piece::bytes(&too_long[..]);
        let streamed = world.bucket.concatenate_stream([piece], "y").unwrap();
        assert_eq!(streamed.version().content_length, limit + 1);
        assert_eq!(world.api.memory_in_use(), 0);
    }
}

#[test]
fn lists_of_nothing_and_of_the_same_twice() {
    let world = World::new();
    let bucket = &world.bucket;
    let version = bucket.upload_bytes(b"x", "x").unwrap().into_version();
    world.service.log().clear();

    let nothing: [Result<FileIdAndName, Error>; 0] = [];
    assert_eq!(
        bucket
            .delete_versions(nothing, &Default::default())
            .unwrap()
            .count(),
        0
    );
    assert_eq!(world.total(), 0);
    let error = bucket.update(&UpdateBucketOptions::new()).unwrap_err();
    assert_eq!(error.status(), Some(400), "{error:?}");

    assert_eq!(bucket.set_notification_rules(&[]).unwrap(), []);
    let rules = UpdateBucketOptions::new()
        .cors_rules([])
        .lifecycle_rules([]);
    let cleared = bucket.update(&rules).unwrap();
    assert_eq!(
        (cleared.cors_rules.len(), cleared.lifecycle_rules.len()),
        (0, 0)
    );
    let clear = ReplicationConfiguration::new();
    bucket
        .update(&UpdateBucketOptions::new().replication_configuration(clear))
        .unwrap();

    let twice = [Capability::ListFiles, Capability::ListFiles];
    let options = CreateKeyOptions::new().buckets([bucket.id(), bucket.id()]);
    world.api.create_key_with("twice", twice, &options).unwrap();

    let file = FileIdAndName::new(&version.file_id, "x");
    let removed = bucket
        .delete_versions([Ok(file.clone()), Ok(file)], &Default::default())
        .unwrap();
    let outcomes: Vec<_> = removed.map(|removed| removed.unwrap().outcome).collect();
    assert!(
        outcomes.contains(&DeleteOutcome::Deleted) && outcomes.len() == 2,
        "{outcomes:?}"
    );

    let empty = bucket.concatenate(&[], "empty").unwrap();
    assert_eq!(empty.version().content_length, 0);
    let pieces = [
        Piece::bytes(&b""[..]),
        Piece::bytes(&b"a"[..]),
        Piece::bytes(&b""[..]),
    ];
    let one = bucket
        .concatenate_with(&pieces, "one", &ComposeOptions::new())
        .unwrap();
    assert_eq!(one.version().content_length, 1);
    let many = (0..101).map(|n| LifecycleRule::new(format!("{n}-")).hide_after_days(u32::MAX));
    world.service.log().clear();
    let many = UpdateBucketOptions::new().lifecycle_rules(many);
    assert_eq!(refused(&world, bucket.update(&many)), "lifecycle rules");
}

#[test]
fn no_text_whatever_makes_a_call_panic_or_a_message_unreadable() {
    let world = World::with(|builder| builder.retry(RetryPolicy::none()));
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(text in proptest::collection::vec(proptest::prelude::any::<char>(), 0..40))| {
        let text: String = text.into_iter().collect();
        let bucket = &world.bucket;
        let _ = bucket.upload_bytes(b"x", &text);
        let _ = bucket.get_file_info_by_name(&text);
        let _ = bucket.hide_file(&text);
        let _ = world.api.get_bucket_by_name(&text);
        let _ = world.api.get_bucket_by_id(text.as_str());
        let _ = world.api.get_file_info(text.as_str());
        let _ = world.api.download_file_by_id(text.as_str());
        let _ = world.api.delete_file_version(&text.as_str().into(), &text);
        let _ = world.api.cancel_large_file(&text.as_str().into());
        let _ = world.api.create_key(&text, [Capability::from(text.as_str())]);
        let errors = [
            world.api.get_file_info(text.as_str()).err(),
            world.api.delete_key(&text.as_str().into()).err(),
            world.api.create_bucket(&text, BucketType::from(text.as_str())).err(),
        ];
        for error in errors.into_iter().flatten() {
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
        for entry in bucket.ls(&text).unwrap() {
            entry.unwrap();
        }
    });
}
