//! A local file that changes at any moment of its upload.

use std::io::{Read, Write};
use std::path::Path;

use super::{FileSource, FileState};
use crate::error::Error;
use crate::transfer::source::UploadSource as _;

#[test]
fn any_range_of_a_file_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"0123456789").unwrap();
    let source = FileSource::new(&path).unwrap();
    let mut text = String::new();
    source
        .open(3..7)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "3456");
}

/// The name of a change, the change, and what is said of it.
#[cfg(unix)]
type Change = (&'static str, fn(&Path), &'static str);

/// What may happen to a file.
#[cfg(unix)]
fn changes() -> Vec<Change> {
    use std::fs::{File, OpenOptions, remove_file, rename, write};
    fn rewrite(path: &Path) -> File {
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"HELLO").unwrap();
        file
    }
    vec![
        (
            "append",
            |path| {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(b"!").unwrap();
            },
            "it became longer",
        ),
        (
            "truncate",
            |path| {
                let file = File::options().write(true).open(path).unwrap();
                file.set_len(2).unwrap();
            },
            "it became shorter",
        ),
        ("rewrite", |path| drop(rewrite(path)), "it was written to"),
        (
            "rewrite, and put the time back",
            |path| {
                let modified = path.metadata().unwrap().modified().unwrap();
                rewrite(path).set_modified(modified).unwrap();
            },
            "it, or what is known of it, was changed",
        ),
        ("remove", |path| remove_file(path).unwrap(), "it is gone"),
        (
            "rename another over it, with its time",
            |path| {
                let other = path.with_extension("new");
                write(&other, b"HELLO").unwrap();
                let modified = path.metadata().unwrap().modified().unwrap();
                let file = File::options().write(true).open(&other).unwrap();
                file.set_modified(modified).unwrap();
                rename(&other, path).unwrap();
            },
            "another file took its place",
        ),
    ]
}

#[cfg(unix)]
#[test]
fn a_file_that_changes_at_any_moment_until_its_last_byte_is_noticed() {
    for (what, change, said) in changes() {
        for moment in 0..3 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            std::fs::write(&path, b"hello").unwrap();
            let source = older(&path);
            if moment == 0 {
                change(&path);
            }
            let outcome = source
                .open(0..5)
                .map_err(std::io::Error::from)
                .and_then(|mut reader| {
                    if moment == 1 {
                        change(&path);
                    }
                    reader.read_exact(&mut [0; 3])?;
                    if moment == 2 {
                        change(&path);
                    }
                    reader.read_to_end(&mut Vec::new())
                });
            match outcome.map_err(|error| Error::from_io(error).unwrap()) {
                Err(Error::SourceChanged { change, .. }) => {
                    assert_eq!(change, said, "{what} at {moment}");
                }
                other => panic!("{what} at {moment}: {other:?}"),
            }
        }
    }
}

/// A source whose stamps are older than the next change, however soon that comes.
#[cfg(unix)]
fn older(path: &Path) -> FileSource {
    let source = FileSource::new(path).unwrap();
    let before = source.state.system.changed;
    // The next change falls into another tick of the clock that stamps files.
    let probe = path.with_extension("probe");
    loop {
        std::fs::write(&probe, b"").unwrap();
        if FileState::of(&probe.metadata().unwrap()).system.changed > before {
            break;
        }
    }
    std::fs::remove_file(&probe).unwrap();
    source
}
