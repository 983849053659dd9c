//! Crates that know nothing of B2 read archives and texts in a bucket.

use std::io::{BufRead, BufReader, Cursor, Read, Write};

use b2sdk::Operation;
use b2sdk::Verification;
use b2sdk::compose::Piece;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::downloads;
use crate::support::{World, noise};

/// An archive with many members, of which `wanted` is one.
fn archive(wanted: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..200 {
        writer
            .start_file(format!("notes/{number}"), stored)
            .unwrap();
        writer.write_all(&noise(number * 50)).unwrap();
    }
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.start_file("wanted", deflated).unwrap();
    writer.write_all(wanted).unwrap();
    writer.start_file("last", stored).unwrap();
    writer.write_all(&noise(3_000_000)).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn zip_reads_one_member_of_a_gibibyte_in_four_requests() {
    let world = World::new();
    // What is before an archive does not matter to it: here the same bytes again and again, which the
    // service copies.
    let part = noise(64 << 20);
    let part = world.bucket.upload_bytes(&part, "part").unwrap();
    let wanted = noise(100_000);
    let archive = archive(&wanted);
    let mut pieces = vec![Piece::remote(&part.version().file_id); 16];
    pieces.push(Piece::bytes(archive));
    world.bucket.concatenate(&pieces, "archive.zip").unwrap();
    world.service.log().clear();

    let file = world.bucket.open_file("archive.zip").unwrap();
    assert!(file.length() > 1 << 30);
    let handle = file.clone();
    let mut archive = ZipArchive::new(file).unwrap();
    let mut read = Vec::new();
    archive
        .by_name("wanted")
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == wanted);
    assert!(world.total() <= 4, "{:?}", world.service.log().entries());
    assert!(
        handle.received_bytes() <= 2 << 20,
        "{}",
        handle.received_bytes()
    );
}

#[test]
fn tar_lists_and_reads_an_archive_from_start_to_end() {
    let world = World::new();
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..50 {
        let content = noise(number * 10_000);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        let path = format!("files/{number}");
        builder
            .append_data(&mut header, path, &content[..])
            .unwrap();
    }
    let archive = builder.into_inner().unwrap();
    world.bucket.upload_bytes(&archive, "archive.tar").unwrap();
    world.service.log().clear();
    let mut file = world.bucket.open_file("archive.tar").unwrap();
    let mut archive = tar::Archive::new(&mut file);
    for (number, entry) in archive.entries_with_seek().unwrap().enumerate() {
        let mut entry = entry.unwrap();
        assert_eq!(
            entry.path().unwrap().to_str(),
            Some(&*format!("files/{number}"))
        );
        // Every tenth is read, the others are passed over.
        if number % 10 == 0 {
            let mut read = Vec::new();
            entry.read_to_end(&mut read).unwrap();
            assert!(read == noise(number * 10_000));
        }
    }
    let whole = file.length();
    assert!(file.received_bytes() <= whole, "nothing came twice");
    let mut file = world.bucket.open_file("archive.tar").unwrap();
    assert_eq!(tar::Archive::new(&mut file).entries().unwrap().count(), 50);
    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
    assert_eq!(file.verification(), Verification::Verified);
}

#[test]
fn lines_of_a_compressed_text_are_read_one_by_one() {
    let world = World::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for number in 0..50_000 {
        writeln!(encoder, "line {number} of {}", number * 7919 % 50_000).unwrap();
    }
    let text = encoder.finish().unwrap();
    world.bucket.upload_bytes(&text, "log.gz").unwrap();
    let file = world.bucket.open_file("log.gz").unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    assert_eq!(lines.len(), 50_000);
    assert_eq!(
        lines[49_999],
        format!("line 49999 of {}", 49_999 * 7919 % 50_000)
    );
    assert_eq!(world.count(Operation::DownloadFileByName), 1, "HEAD");
    assert!(downloads(&world) <= text.len().div_ceil(256 * 1024));
}
