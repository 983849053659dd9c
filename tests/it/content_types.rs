//! Content types that are derived from names: by the service, and here where that is asked for.

use b2sdk::{Operation, UploadOptions};

use crate::support::{World, noise};

fn guessed() -> UploadOptions {
    UploadOptions::new().guess_content_type(true)
}

#[test]
fn a_guess_is_made_where_it_is_asked_for_and_nothing_else_is_said() {
    let world = World::of_small_parts(1_000, 10_000);
    let stored = |name: &str, length: usize, options: &UploadOptions| {
        let uploaded = world
            .bucket
            .upload_bytes_with(&noise(length), name, options);
        uploaded.unwrap().into_version().content_type.unwrap()
    };
    for (name, expected) in [
        ("photos/1.avif", "image/avif"),
        ("src/main.rs", "text/x-rust"),
        ("a.JSON", "application/json"),
        ("rows.jsonl", "application/x-ndjson"),
    ] {
        for length in [10, 25_000] {
            assert_eq!(stored(name, length, &guessed()), expected, "{name}");
        }
    }
    // The service is left to it where there is nothing to guess, or nobody asked.
    assert_eq!(
        stored("README", 10, &guessed()),
        stored("README", 10, &UploadOptions::new())
    );
    let plain = stored("src/main.rs", 10, &UploadOptions::new());
    assert_eq!(plain, "application/octet-stream");
    let given = guessed().content_type("text/plain");
    assert_eq!(stored("src/main.rs", 10, &given), "text/plain");
    assert_eq!(world.count(Operation::StartLargeFile), 4);
}

#[test]
fn files_that_are_written_piece_by_piece_are_guessed_too() {
    let world = World::new();
    let writer = world
        .bucket
        .upload_writer_with("a.avif", &guessed())
        .unwrap();
    let uploaded = writer.finish().unwrap();
    assert_eq!(
        uploaded.version().content_type.as_deref(),
        Some("image/avif")
    );
}
