//! What `SqliteAccountInfo` costs: reading the authorization, taking and putting an upload URL,
//! opening a current file, saving an authorization. Prints medians, beside those of Python's b2sdk
//! for the same if it is installed (`B2SDK_INTEROP_VENV`, otherwise target/interop-venv).
//!
//! `cargo bench --bench account_info`. Before it measures, it has another process save an
//! authorization, and checks that the next read sees it.
#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the real clock"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use b2sdk::account_info::{AccountAuth, AccountInfo, AuthSnapshot, UploadTarget, UploadUrl};
use b2sdk::{BucketId, Error, SqliteAccountInfo};
use serde_json::json;

/// The operations, with the most that each may take, in microseconds.
const OPERATIONS: [(&str, Option<f64>); 4] = [
    ("read the authorization", Some(10.0)),
    ("take and put an upload URL", Some(100.0)),
    ("open a current file", Some(1000.0)),
    ("save an authorization", None),
];

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [role, path] = arguments.as_slice()
        && role == "save"
    {
        save(&SqliteAccountInfo::open(path)?, "by another process")?;
        return Ok(());
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    sees_another_process(&directory.path().join("seen"))?;
    let ours = measure(&directory.path().join("account_info"))?;
    let theirs = measure_python(&directory.path().join("python_account_info"))?;
    print(&ours, &theirs)
}

fn auth(token: &str) -> Result<AccountAuth> {
    let stored = json!({
        "realm": "production",
        "accountId": "5b2e9f07c1d4",
        "applicationKeyId": "0005b2e9f07c1d40000000001",
        "applicationKey": "K000benchbenchbenchbenchbenchbe",
        "authorizationToken": token,
        "apiUrl": "https://api003.backblazeb2.com",
        "downloadUrl": "https://f003.backblazeb2.com",
        "s3ApiUrl": "https://s3.eu-central-003.backblazeb2.com",
        "absoluteMinimumPartSize": 5_000_000,
        "recommendedPartSize": 100_000_000,
        "allowed": { "buckets": null, "capabilities": ["listFiles", "writeFiles"], "namePrefix": null },
    });
    let snapshot = AuthSnapshot::from_json(&stored.to_string()).map_err(Error::from)?;
    Ok(snapshot.auth().clone())
}

fn save(store: &SqliteAccountInfo, token: &str) -> Result<()> {
    store.save_auth(auth(token)?, None).map_err(Error::from)?;
    Ok(())
}

fn sees_another_process(path: &Path) -> Result<()> {
    let store = SqliteAccountInfo::open(path)?;
    save(&store, "by this process")?;
    let token = || -> Result<String> {
        let snapshot = store
            .auth()
            .map_err(Error::from)?
            .context("nothing there")?;
        Ok(snapshot.auth().token.expose().to_owned())
    };
    ensure!(token()? == "by this process");
    let status = Command::new(std::env::current_exe()?)
        .arg("save")
        .arg(path)
        .status()?;
    ensure!(status.success());
    ensure!(token()? == "by another process", "the change was not seen");
    Ok(())
}

/// The medians in microseconds, in the order of `OPERATIONS`.
fn measure(path: &Path) -> Result<Vec<f64>> {
    let store = SqliteAccountInfo::open(path)?;
    save(&store, "first")?;
    let snapshot = store
        .auth()
        .map_err(Error::from)?
        .context("nothing there")?;
    let owner = snapshot.identity();
    let target = UploadTarget::Bucket(BucketId::from("e50ba23e791f80c74c619dd4"));
    let url = UploadUrl::new(
        "https://pod-000-1096-17.backblaze.com/b2api/v4/b2_upload_file/x/c003".to_owned(),
        "4_0035b2e9f07c1d40000000007_01c4d7e2_9a30bf_upld_qW3=".into(),
        SystemTime::now().into(),
    );
    store
        .put_upload_url(owner, &target, url)
        .map_err(Error::from)?;
    Ok(vec![
        median(20_000, |_| {
            black_box(store.auth().map_err(Error::from)?);
            Ok(())
        })?,
        median(2000, |_| {
            let url = store.take_upload_url(owner, &target).map_err(Error::from)?;
            let url = url.context("no URL")?;
            Ok(store
                .put_upload_url(owner, &target, url)
                .map_err(Error::from)?)
        })?,
        median(200, |_| {
            black_box(SqliteAccountInfo::open(path)?);
            Ok(())
        })?,
        median(200, |n| save(&store, &format!("token {n}")))?,
    ])
}

/// The median of so many single runs, in microseconds.
fn median(count: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(count);
    for n in 0..count {
        let started = Instant::now();
        run(n)?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[count / 2])
}

/// The same of Python's b2sdk; nothing if it is not installed.
fn measure_python(path: &Path) -> Result<BTreeMap<String, f64>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = std::env::var_os("B2SDK_INTEROP_VENV")
        .map_or_else(|| root.join("target/interop-venv"), PathBuf::from);
    let python = venv.join("bin/python");
    if !python.exists() {
        eprintln!(
            "not compared with Python b2sdk: it is not installed (tests/scripts/install-clients.sh)"
        );
        return Ok(BTreeMap::new());
    }
    let output = Command::new(python)
        .arg(root.join("tests/scripts/bench_account_info.py"))
        .arg(path)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn print(ours: &[f64], theirs: &BTreeMap<String, f64>) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "medians in microseconds\n")?;
    writeln!(
        out,
        "| | this crate | target | Python b2sdk |\n|---|--:|--:|--:|"
    )?;
    for ((name, target), ours) in OPERATIONS.iter().zip(ours) {
        let target = target.map_or_else(String::new, |target| format!("< {target:.0}"));
        let theirs = theirs.get(*name);
        let theirs = theirs.map_or_else(String::new, |theirs| format!("{theirs:.1}"));
        writeln!(out, "| {name} | {ours:.1} | {target} | {theirs} |")?;
    }
    Ok(())
}
