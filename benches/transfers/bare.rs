//! A bare program that uploads a large file with all of the requests that this crate sends, in their order, and
//! nothing else: what the rounds of the protocol cost where each response is late.
//!
//! 1. It authorizes and looks for the bucket, while another thread hashes the file.
//! 2. `b2_start_large_file`, with the hash.
//! 3. Each thread asks for a URL and uploads parts to it over one connection.
//! 4. `b2_finish_large_file`.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::floor::{Client, hash, up_part};
use crate::ours::each;
use crate::server::{BUCKET, large_name};
use crate::task::{Direction, Task};

pub(crate) fn run(task: &Task, realm: &str, directory: &Path) -> Result<()> {
    let Task::Large {
        direction: Direction::Up,
        workers,
        whole_sha1,
        length,
        part,
    } = task
    else {
        bail!("the bare program uploads large files only");
    };
    let part = match part {
        0 => up_part(*length, *workers),
        part => *part,
    };
    let file = &File::open(directory.join(large_name("large", *length)))?;
    let mut client = Client::connect(realm)?;
    let (bucket, sha1) = thread::scope(|scope| -> Result<_> {
        let hashing = scope.spawn(|| whole_sha1.then(|| hash(file, *length)).transpose());
        client.call("b2_authorize_account", &Value::Null)?;
        client.call("b2_list_buckets", &json!({ "bucketName": BUCKET }))?;
        let sha1 = hashing.join().ok().context("a thread panicked")??;
        Ok(("b", sha1))
    })?;
    let start = json!({
        "bucketId": bucket,
        "fileName": "up/large",
        "contentType": "b2/x-auto",
        "fileInfo": sha1.map_or_else(|| json!({}), |sha1| json!({ "large_file_sha1": sha1 })),
    });
    let id = text(&client.call("b2_start_large_file", &start)?, "fileId")?;
    let idle = Mutex::new(Vec::new());
    let parts = usize::try_from(length.div_ceil(part))?;
    each(parts, *workers, |n| {
        let kept = idle.lock().ok().and_then(|mut idle| idle.pop());
        let (mut client, path) = kept.map_or_else(|| with_url(realm, &id), Ok)?;
        let start = n as u64 * part;
        client.send_part(&path, file, n, (start, (start + part).min(*length)))?;
        if let Ok(mut idle) = idle.lock() {
            idle.push((client, path));
        }
        Ok(())
    })?;
    client.call("b2_finish_large_file", &json!({ "fileId": id }))?;
    Ok(())
}

/// A connection with a URL to upload parts to.
fn with_url(realm: &str, id: &str) -> Result<(Client, String)> {
    let mut client = Client::connect(realm)?;
    let answer = client.call("b2_get_upload_part_url", &json!({ "fileId": id }))?;
    let url = text(&answer, "uploadUrl")?;
    let path = url.strip_prefix(realm).context("another host")?;
    Ok((client, path.to_owned()))
}

/// A member of an answer.
fn text(answer: &[u8], name: &str) -> Result<String> {
    let answer: Value = serde_json::from_slice(answer)?;
    let text = answer.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {name}"))?.to_owned())
}
