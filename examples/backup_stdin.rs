//! Stores what comes on standard input as a file in a bucket:
//!
//! ```sh
//! tar -cz documents | backup_stdin BUCKET documents.tar.gz
//! ```
//!
//! The key is in `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY`, the realm, if it is not production,
//! in `B2_ENVIRONMENT`. The bucket must exist. The input may have any length; up to 176 MB of it are in
//! memory at a time. Nothing is written to disk. If the input breaks off with an error, or the upload
//! fails, there is no file; but where the program before the pipe dies, its output just ends, so let
//! the shell tell you (`set -o pipefail`).

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use b2sdk::{B2Api, InMemoryAccountInfo, Uploaded};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "backup_stdin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [bucket, name] = arguments.as_slice() else {
        bail!("usage: backup_stdin BUCKET NAME");
    };
    let uploaded = upload(bucket, name)?;
    let version = uploaded.version();
    writeln!(
        io::stdout(),
        "{} {} bytes",
        version.file_id,
        version.content_length
    )?;
    Ok(())
}

fn upload(bucket: &str, name: &str) -> Result<Uploaded> {
    let key_id = variable("B2_APPLICATION_KEY_ID")?;
    let key = variable("B2_APPLICATION_KEY")?;
    let realm = env::var("B2_ENVIRONMENT").unwrap_or_else(|_| "production".to_owned());
    let b2_api = B2Api::builder(InMemoryAccountInfo::new())
        .user_agent("b2sdk-backup-stdin/1")
        .build()?;
    b2_api.authorize_account(realm.as_str(), key_id, key)?;
    let bucket = b2_api.get_bucket_by_name(bucket)?;
    Ok(bucket.upload_stream(io::stdin().lock(), name)?)
}

fn variable(name: &str) -> Result<String> {
    env::var(name)
        .ok()
        .with_context(|| format!("{name} is not set"))
}
