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
fn c32_a_dry_run_prints_the_lines_of_the_run() {
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
    assert!(
        err.ends_with("would upload 1 file (1 B); 0 unchanged, 1 excluded, 1 failed\n"),
        "{err}"
    );
    let (code, run, err) = program(&places, &dry[1..]);
    assert_eq!((code, run.as_str()), (1, "upload a\n"));
    assert!(
        err.ends_with("0 unchanged, 1 uploaded (1 byte), 1 excluded, 1 failed\n"),
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
fn c33_what_is_refused_changes_nothing_and_ends_with_2() {
    let places = Places::new();
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let (home, bucket) = (home.to_str().unwrap(), bucket.as_str());
    let inner = format!("{bucket}/inner");
    let (nosuch, away) = (format!("{bucket}/nosuch"), format!("{home}/a/b"));
    for (arguments, told) in [
        (&["--fly", home, bucket][..], "there is no option --fly"),
        (&["-x", home, bucket], "there is no option -x; see --help\n"),
        (
            &[home],
            "two places are needed, a source and a destination, and the number of those given is 1",
        ),
        (
            &["--threads", "0", home, bucket],
            "at least one thread is needed",
        ),
        (&["--threads=two", home, bucket], "\"two\" is no number"),
        (&["--exclude"], "--exclude takes a value"),
        (&["--delete=yes", home, bucket], "--delete takes no value"),
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
        (&[home, bucket], "(see --allow-empty-source)"),
        (&[&nosuch, &away], "the source has no file"),
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
        assert_eq!(err.lines().count(), 1, "{arguments:?} {err}");
    }
    assert!(!places.path("a").exists());
    assert_eq!(places.versions(), []);
}

/// A pattern leaves out what it names and what is below such a directory, however it is given.
#[test]
fn an_excluded_directory_is_left_out_with_everything_below_it() {
    let places = Places::new();
    for name in ["d/1", "d/e/2", "d2", "sub/d/3", "x.tmp/4"] {
        places.write(name, "1", 1_000_000_000);
    }
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let places_of = [home.to_str().unwrap(), bucket.as_str()];
    for (excluded, expected) in [
        (
            &["--exclude", "d"][..],
            "upload d2\nupload sub/d/3\nupload x.tmp/4\n",
        ),
        (
            &["--exclude=d/", "-n"],
            "upload d2\nupload sub/d/3\nupload x.tmp/4\n",
        ),
        (
            &["--exclude=*/d", "--dry-run"],
            "upload d/1\nupload d/e/2\nupload d2\nupload x.tmp/4\n",
        ),
        (
            &["--exclude=*.tmp"],
            "upload d/1\nupload d/e/2\nupload d2\nupload sub/d/3\n",
        ),
    ] {
        let arguments = [&["-n", "-n"], excluded, &places_of].concat();
        let (code, out, err) = program(&places, &arguments);
        assert_eq!((code, out.as_str()), (0, expected), "{err}");
        assert!(!err.contains("no name matches"), "{err}");
    }
    let (_, _, err) = program(
        &places,
        &[&["-n", "--exclude=typo"], &places_of[..]].concat(),
    );
    assert!(err.contains("no name matches \"typo\"\n"), "{err}");
    for help in ["-h", "--help"] {
        let (code, out, _) = program(&places, &[help]);
        assert!(code == 0 && out.starts_with("usage: "), "{out}");
    }
}

/// What the program says names the option that decides otherwise, dates for a person, and one for one.
#[test]
fn what_is_told_names_options_and_dates() {
    let places = Places::new();
    places.write("a", "1", 1_000_000_000);
    places.write("b", "1", 1_000_000_000);
    let (home, bucket) = (places.root(), format!("b2://{BUCKET}/home"));
    let places_of = [home.to_str().unwrap(), bucket.as_str()];
    assert_eq!(program(&places, &places_of).0, 0);
    places.write("a", "1", 900_000_000);
    std::fs::remove_file(places.path("b")).unwrap();
    let dry = [&["-n", "--delete", "--delete"], &places_of[..]].concat();
    let (code, out, err) = program(&places, &dry);
    assert_eq!((code, out.as_str()), (1, "delete b\n"));
    let newer = "a: the destination is newer: it was changed at 2001-09-09T01:46:40.000Z, and the source at 1998-07-09T16:00:00.000Z (see --newer)\n";
    assert!(err.starts_with(newer), "{err}");
    assert!(
        err.ends_with("would delete 1; 0 unchanged, 1 failed\n"),
        "{err}"
    );
    let (_, _, err) = program(&places, &dry[1..]);
    assert!(
        err.ends_with("0 unchanged, 1 version deleted, 1 failed\n"),
        "{err}"
    );
}
