//! Files that are written piece by piece: what is stored, in how many requests, when errors arrive, and that a
//! writer which is not finished leaves nothing.

use std::io::{self, Read, Write};

use b2sdk::simulator::{Fault, KeyRequest, Simulator};
use b2sdk::streams::UploadWriter;
use b2sdk::{CancelToken, Error, FileAction, FileInfo, Operation, UploadOptions, Versions};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::{ProptestConfig, prop, prop_oneof, proptest};

use crate::support::settings::{content, key};
use crate::support::{World, noise};

const PART: u64 = 10_000;

/// A world with small parts and so much memory for content.
fn world(memory: Option<u64>) -> World {
    let service = Simulator::builder()
        .minimum_part_size(1_000)
        .recommended_part_size(PART)
        .start()
        .unwrap();
    World::of(service, |builder| {
        let builder = builder.workers(3);
        match memory {
            Some(limit) => builder.memory_limit(limit),
            None => builder,
        }
    })
}

fn in_parts() -> UploadOptions {
    UploadOptions::new().part_size(PART)
}

/// The error inside an `io::Error`.
#[track_caller]
fn inner(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap()
}

/// Nothing is stored, and no large file is left unfinished.
#[track_caller]
fn assert_nothing(world: &World) {
    world.service.faults().clear();
    let all = b2sdk::LsOptions::new()
        .recursive(true)
        .versions(Versions::All);
    assert_eq!(world.bucket.ls_with("", &all).unwrap().count(), 0);
    let unfinished = world.bucket.list_unfinished_large_files("").unwrap();
    assert_eq!(unfinished.count(), 0);
}

/// Writes `data` again and again, until a write fails.
fn write_until_error(writer: &mut UploadWriter, data: &[u8]) -> (Error, u64) {
    for _ in 0..100_000 {
        if let Err(error) = writer.write_all(data) {
            return (inner(error), writer.written());
        }
    }
    panic!("{} bytes were written", writer.written());
}

#[test]
fn what_fits_into_a_part_is_one_request_and_is_made_when_it_is_finished() {
    let world = world(None);
    let info = FileInfo::new().with("author", "Åsa");
    let options = in_parts().content_type("text/x-poem").file_info(info);
    let mut writer = world.bucket.upload_writer_with("x", &options).unwrap();
    for part in noise(10_000).chunks(999) {
        writer.write_all(part).unwrap();
    }
    writer.flush().unwrap();
    assert_eq!((world.total(), writer.written()), (0, 10_000));
    let uploaded = writer.finish().unwrap();
    let version = uploaded.version();
    assert_eq!(uploaded.parts(), 1);
    assert_eq!(version.content_type.as_deref(), Some("text/x-poem"));
    assert_eq!(version.file_info.get("author"), Some("Åsa"));
    assert_eq!((world.count(Operation::UploadFile), world.total()), (1, 2));
    assert!(world.content("x") == noise(10_000));
}

#[test]
fn what_is_larger_goes_up_in_parts_while_it_is_written() {
    let world = world(None);
    let options = in_parts().encryption(key(1));
    let mut writer = world.bucket.upload_writer_with("x", &options).unwrap();
    let data = noise(1_000_001);
    let mut seen = 0;
    for part in data.chunks(12_345) {
        writer.write_all(part).unwrap();
        seen = seen.max(world.count(Operation::UploadPart));
    }
    // The pipe holds 256 KiB at most, and the buffers a few parts.
    assert!(seen > 30, "{seen} parts went up before the end");
    let uploaded = writer.finish().unwrap();
    assert_eq!(uploaded.parts(), 101);
    assert!(content(&world.bucket, "x", Some(&key(1))) == data);
    assert_eq!(world.count(Operation::StartLargeFile), 1);
}

#[test]
fn an_empty_file_is_a_file() {
    let world = world(None);
    let uploaded = world.bucket.upload_writer("x").unwrap().finish().unwrap();
    assert_eq!(uploaded.version().content_length, 0);
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn a_writer_that_is_dropped_stores_nothing_and_leaves_nothing() {
    for length in [0, 100, 10_000, 10_001, 500_000] {
        let world = world(None);
        let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
        writer.write_all(&noise(length)).unwrap();
        drop(writer);
        assert_eq!(world.count(Operation::UploadFile), 0);
        assert_nothing(&world);
    }
    // Also where the service is silent.
    let world = world(None);
    world.inject(Fault::on(Operation::UploadPart).stall().always());
    let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
    writer.write_all(&noise(30_000)).unwrap();
    drop(writer);
    assert_nothing(&world);
}

#[test]
fn a_panic_between_two_writes_leaves_nothing() {
    let world = world(None);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
            writer.write_all(&noise(50_000)).unwrap();
            panic!("the program has a mistake");
        });
        assert!(writing.join().is_err());
    });
    assert_nothing(&world);
}

#[test]
fn the_error_of_a_part_reaches_a_write_that_follows_it() {
    for (name, fault) in [
        (
            "400",
            Fault::on(Operation::UploadPart).status(400, "bad_request", "no"),
        ),
        (
            "cap",
            Fault::on(Operation::UploadPart)
                .after(2)
                .status(403, "storage_cap_exceeded", ""),
        ),
        (
            "start",
            Fault::on(Operation::StartLargeFile).status(400, "bad_request", "no"),
        ),
    ] {
        let world = world(None);
        world.inject(fault.always());
        let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
        let (error, written) = write_until_error(&mut writer, &noise(1_000));
        assert!(
            matches!(error.failure(), Error::Service(_) | Error::CapExceeded(_)),
            "{name}: {error:?}"
        );
        // What the pipe holds, a buffer for each worker and one more, and the parts that were stored.
        assert!(written < 400_000, "{name}: {written} bytes");
        // It was told once; from then on it stays failed.
        for error in [writer.write(b"x").unwrap_err(), writer.flush().unwrap_err()] {
            let error = inner(error);
            assert!(matches!(error, Error::Stream { .. }), "{error:?}");
        }
        let outcome = writer.finish();
        assert!(matches!(outcome, Err(Error::Stream { .. })), "{outcome:?}");
        assert_nothing(&world);
    }
}

#[test]
fn flushing_tells_of_a_failure_too() {
    let world = world(None);
    world.inject(Fault::on(Operation::StartLargeFile).status(400, "bad_request", "no"));
    let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
    writer.write_all(&noise(30_000)).unwrap();
    let error = loop {
        match writer.flush() {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break inner(error),
        }
    };
    assert!(matches!(error, Error::Service(_)), "{error:?}");
}

#[test]
fn a_small_file_that_is_refused_is_an_error_of_finish() {
    let world = world(None);
    world.inject(
        Fault::on(Operation::UploadFile)
            .status(400, "bad_request", "no")
            .always(),
    );
    let mut writer = world.bucket.upload_writer("x").unwrap();
    writer.write_all(b"x").unwrap();
    let outcome = writer.finish();
    assert!(matches!(outcome, Err(Error::Service(_))), "{outcome:?}");
    assert_nothing(&world);
}

#[test]
fn lost_answers_and_broken_connections_make_one_right_file() {
    let on = Fault::on;
    for (name, fault) in [
        ("url", on(Operation::GetUploadPartUrl).drop_connection()),
        (
            "part",
            on(Operation::UploadPart).times(3).reset_connection(),
        ),
        (
            "part lost",
            on(Operation::UploadPart).after_effect().drop_connection(),
        ),
        (
            "part busy",
            on(Operation::UploadPart)
                .times(3)
                .status(503, "service_unavailable", ""),
        ),
        (
            "start lost",
            on(Operation::StartLargeFile)
                .after_effect()
                .drop_connection(),
        ),
        (
            "finish lost",
            on(Operation::FinishLargeFile)
                .after_effect()
                .drop_connection(),
        ),
        (
            "token",
            on(Operation::StartLargeFile).status(401, "expired_auth_token", ""),
        ),
    ] {
        let world = world(None);
        world.inject(fault);
        let mut writer = world.bucket.upload_writer_with("x", &in_parts()).unwrap();
        writer.write_all(&noise(200_000)).unwrap();
        let uploaded = writer.finish();
        assert!(uploaded.is_ok(), "{name}: {uploaded:?}");
        let mut versions = world.versions("x");
        versions.retain(|version| version.action == FileAction::Upload);
        assert_eq!(versions.len(), 1, "{name}");
        assert!(world.content("x") == noise(200_000), "{name}");
        assert_eq!(world.service.faults().remaining(), 0, "{name}");
    }
    let world = world(None);
    world.inject(on(Operation::UploadFile).after_effect().drop_connection());
    let mut writer = world.bucket.upload_writer("x").unwrap();
    writer.write_all(b"small").unwrap();
    writer.finish().unwrap();
    assert_eq!(world.versions("x").len(), 1);
}

#[test]
fn a_token_ends_it_and_what_waits_in_it() {
    for by_bucket in [false, true] {
        let world = world(None);
        let token = CancelToken::new();
        world.inject(Fault::on(Operation::UploadPart).stall().always());
        let mut writer = if by_bucket {
            let bucket = world.bucket.with_cancel(&token);
            bucket.upload_writer_with("x", &in_parts())
        } else {
            let options = in_parts().cancel(&token);
            world.bucket.upload_writer_with("x", &options)
        }
        .unwrap();
        std::thread::scope(|scope| {
            // Until the pipe and all buffers are full, and it waits.
            let writing = scope.spawn(move || write_until_error(&mut writer, &noise(1_000)));
            while world.count(Operation::GetUploadPartUrl) == 0 {
                std::thread::yield_now();
            }
            token.cancel();
            let (error, _) = writing.join().unwrap();
            assert!(matches!(error.failure(), Error::Cancelled), "{error:?}");
        });
        assert_nothing(&world);
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let world = world(Some(25_000));
    let upload =
        |name: &str, options: &UploadOptions| world.bucket.upload_writer_with(name, options);
    let outcome = upload("", &in_parts());
    assert!(
        matches!(outcome, Err(Error::InvalidFileName { .. })),
        "{outcome:?}"
    );
    let resumed = in_parts().resume(b2sdk::Resume::Matching);
    let too_large = in_parts().part_size(26_000);
    for options in [resumed, too_large] {
        let outcome = upload("x", &options);
        assert!(
            matches!(outcome, Err(Error::InvalidInput { .. })),
            "{outcome:?}"
        );
    }
    let api = world.restricted(KeyRequest::new(["listBuckets", "readFiles"]));
    let bucket = api.get_bucket_by_name(world.bucket.name()).unwrap();
    world.service.log().clear();
    let outcome = bucket.upload_writer("x");
    assert!(matches!(outcome, Err(Error::NotAllowed(_))), "{outcome:?}");
    assert_eq!(world.total(), 0);
}

#[test]
fn several_writers_take_turns_within_the_memory_limit() {
    let world = world(Some(25_000));
    let open = |name: &str| world.bucket.upload_writer_with(name, &in_parts());
    let (mut one, mut two) = (open("1").unwrap(), open("2").unwrap());
    // A third one could have to wait for memory that only this thread gives back.
    let third = open("3");
    assert!(
        matches!(
            third,
            Err(Error::InvalidInput {
                what: "memory_limit",
                ..
            })
        ),
        "{third:?}"
    );
    let data = noise(400_000);
    for part in data.chunks(7_000) {
        one.write_all(part).unwrap();
        two.write_all(part).unwrap();
    }
    one.finish().unwrap();
    open("3").unwrap().finish().unwrap();
    two.finish().unwrap();
    assert!(world.content("1") == data && world.content("2") == data);
}

#[test]
fn archives_compressors_and_serializers_write_into_a_bucket() {
    let world = world(None);
    let open = |name: &str| world.bucket.upload_writer_with(name, &in_parts()).unwrap();

    let mut archive = tar::Builder::new(open("a.tar"));
    for number in 0..20 {
        let content = noise(number * 1_000);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive
            .append_data(&mut header, format!("{number}"), &content[..])
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
    let stored = world.content("a.tar");
    let mut archive = tar::Archive::new(&stored[..]);
    let lengths = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().size());
    assert!(lengths.eq((0..20).map(|number| number * 1_000)));

    let mut encoder = GzEncoder::new(open("text.gz"), Compression::fast());
    for number in 0..20_000 {
        writeln!(encoder, "line {number}").unwrap();
    }
    encoder.finish().unwrap().finish().unwrap();
    let mut text = String::new();
    let stored = world.content("text.gz");
    GzDecoder::new(&stored[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with("line 19999\n") && text.lines().count() == 20_000);

    let numbers: Vec<u32> = (0..20_000).collect();
    let mut file = open("numbers.json");
    serde_json::to_writer(&mut file, &numbers).unwrap();
    file.finish().unwrap();
    let read: Vec<u32> = serde_json::from_slice(&world.content("numbers.json")).unwrap();
    assert_eq!(read, numbers);

    let mut archive = zip::ZipWriter::new_stream(open("a.zip"));
    archive
        .start_file("x", zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.write_all(&noise(60_000)).unwrap();
    archive.finish().unwrap().into_inner().finish().unwrap();
    // And is read where it is.
    let file = world.bucket.open_file("a.zip").unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let mut read = Vec::new();
    archive
        .by_name("x")
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == noise(60_000));
}

#[test]
fn it_stores_what_a_vector_holds_after_the_same_writes() {
    let world = world(None);
    let length = || prop_oneof![0..50_usize, 0..5_000_usize, 0..40_000_usize];
    proptest!(ProptestConfig::with_cases(30), |(
        lengths in prop::collection::vec(length(), 0..30),
        part_size in prop_oneof![1_000..2_000_u64, 5_000..100_000_u64],
    )| {
        let options = UploadOptions::new().part_size(part_size);
        let mut ours = world.bucket.upload_writer_with("x", &options).unwrap();
        let mut vector = Vec::new();
        for (number, length) in lengths.into_iter().enumerate() {
            let bytes = &noise(length + number)[number..];
            ours.write_all(bytes).unwrap();
            vector.write_all(bytes).unwrap();
            if number % 5 == 0 {
                ours.flush().unwrap();
            }
        }
        assert_eq!(ours.written(), vector.len() as u64);
        let uploaded = ours.finish().unwrap();
        let parts = (vector.len() as u64).div_ceil(part_size).max(1);
        assert_eq!(u64::from(uploaded.parts()), parts);
        assert!(world.content("x") == vector);
    });
}
