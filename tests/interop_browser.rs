//! The simulator's status page in a real browser: what it makes of names that clients chose.
//!
//! Ignored by default, because it needs a program that a checkout does not bring:
//!
//! ```text
//! bash tests/scripts/install-browser.sh
//! cargo test --all-features --test interop_browser -- --ignored
//! ```
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};

/// Names that would be elements if they were not text. Each would leave a mark in the document, with
/// a script or without.
const HOSTILE: [&str; 5] = [
    "<script>document.title = 'broken'</script>",
    "\"><img src=x onerror=\"document.title = 'broken'\">",
    "<td><h1>broken</h1><svg onload=\"document.title = 'broken'\">",
    "&lt;b&gt;&#60;b&#62;",
    "<!-- ' -->",
];

/// The document as the browser has it after everything has run.
fn document(url: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .arg(format!("--user-data-dir={}", home.path().display()))
        .args(["--virtual-time-budget=2000", "--dump-dom", url])
        .env("HOME", home.path())
        .output()
        .expect("needs chromium: tests/scripts/install-browser.sh");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// As a browser writes text in a document.
fn as_text(name: &str) -> String {
    let name = name.replace('&', "&amp;");
    name.replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
#[ignore = "needs chromium: tests/scripts/install-browser.sh"]
fn names_are_text_and_nothing_in_them_runs() {
    let simulator = Simulator::start().unwrap();
    let api = B2Api::new(InMemoryAccountInfo::new());
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    api.authorize_account(simulator.url(), id, key).unwrap();
    let bucket = api
        .create_bucket("photos-of-2026", BucketType::AllPrivate)
        .unwrap();
    for name in HOSTILE {
        bucket.upload_bytes(b"hello", name).unwrap();
    }
    let fault: Fault = "b2_list_keys status=500 body=%3Cscript%3E type=<script>"
        .parse()
        .unwrap();
    simulator.faults().inject(fault);

    let document = document(&format!("{}/", simulator.url()));
    assert!(
        document.contains("<title>b2-simulator</title>"),
        "{document}"
    );
    assert!(document.contains("photos-of-2026"), "{document}");
    for name in HOSTILE {
        // Once among the files, where it is a link, and once among the requests.
        let text = as_text(name);
        for cell in [
            format!("\">{text}</a></td>"),
            format!("<td class=\"t\">{text}</td>"),
        ] {
            assert_eq!(document.matches(&cell).count(), 1, "{name} in {document}");
        }
    }
    for element in ["<script", "<img", "<svg", "<h1>broken", "<!--"] {
        assert!(!document.contains(element), "{element} in {document}");
    }
    assert!(document.contains("b2_list_keys:1"), "{document}");
    assert!(!document.contains(key));
}
