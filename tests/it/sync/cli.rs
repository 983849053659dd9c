//! The program of `examples/sync.rs`: its arguments, its lines, its exit codes.

use std::io::{self, Write};
use std::sync::Arc;

use b2sdk::credentials::Credentials;
use parking_lot::Mutex;

use super::program::{Account, Console, sync};
use super::support::Places;
use crate::support::BUCKET;

/// What was written.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
    }
}

/// Runs the program: exit code, standard output, standard error.
fn program(places: &Places, arguments: &[&str]) -> (u8, String, String) {
    let service = &places.world.service;
    let credentials = Credentials::new(service.application_key_id(), service.application_key());
    let account = Account {
        credentials: credentials.realm(service.url()),
        store: None,
    };
    let (out, err) = (Text::default(), Text::default());
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let code = sync(
        &arguments,
        Ok(account),
        Console::new(Box::new(out.clone()), Box::new(err.clone()), false),
    );
    (code, out.take(), err.take())
}

#[test]
fn a_dry_run_prints_the_lines_of_the_run() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    places.write("b\n/c", "1", 1_000_000_000);
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let places_of = [home.to_str().unwrap(), bucket.as_str()];
    places.write("d.tmp", "1", 1_000_000_000);
    let dry = [&["--dry-run", "--exclude", "*.tmp"], &places_of[..]].concat();
    let (code, out, err) = program(&places, &dry);
    assert_eq!(code, 1, "{err}");
    assert_eq!(out, "upload a\n");
    assert!(
        err.starts_with("b\\n/: a file name must not contain control characters\n"),
        "{err}"
    );
    let (code, run, err) = program(&places, &dry[1..]);
    assert_eq!((code, run.as_str()), (1, "upload a\n"));
    assert!(
        err.ends_with("0 unchanged, 1 uploaded (1 bytes), 1 excluded, 1 failed\n"),
        "{err}"
    );
    std::fs::remove_dir_all(places.path("b\n")).unwrap();
    let (code, out, err) = program(&places, &places_of);
    assert_eq!((code, out.as_str()), (0, "upload d.tmp\n"), "{err}");
    std::fs::remove_file(places.path("a")).unwrap();
    let hide = ["--hide", places_of[0], places_of[1]];
    let (code, out, _) = program(&places, &hide);
    assert_eq!((code, out.as_str()), (0, "hide a\n"));
}

#[test]
fn what_is_refused_changes_nothing_and_ends_with_2() {
    let places = Places::new();
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let (home, bucket) = (home.to_str().unwrap(), bucket.as_str());
    let inner = format!("{bucket}/inner");
    for (arguments, told) in [
        (&["--fly", home, bucket][..], "there is no option --fly"),
        (&[home], "there are two places, not 1"),
        (
            &["--delete", "--hide", home, bucket],
            "--delete and --hide exclude each other",
        ),
        (
            &["--compare", "luck", home, bucket],
            "files are not compared by \"luck\"",
        ),
        (&["--keep-days", "-1", home, bucket], "is no number"),
        (&[home, bucket], "the source has no file"),
        (&[home, home], "both places are local"),
        (&[bucket, inner.as_str()], "lies inside of"),
        (&["/nowhere", bucket], "cannot be synchronized"),
        (
            &["bs://x", bucket],
            "a folder of a bucket is b2://bucket/folder",
        ),
        (
            &["B2://x", bucket],
            "a folder of a bucket is b2://bucket/folder",
        ),
        (
            &["b2:", bucket],
            "a folder of a bucket is b2://bucket/folder",
        ),
        (&["--hide", bucket, home], "local files cannot be hidden"),
        (&[home, "b2://example-no-such-bucket"], "there is no bucket"),
    ] {
        let (code, out, err) = program(&places, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?} {err}");
        assert!(err.contains(told), "{arguments:?} {err}");
    }
    assert_eq!(places.versions(), []);
}
