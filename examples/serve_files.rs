//! Serves the files of a bucket over HTTP, with ranges, so that a browser can seek in a film or a download
//! manager can resume.
//!
//! ```text
//! cargo run --example serve_files --features simulator
//! curl -r 100-199 http://127.0.0.1:8000/numbers.txt
//! ```
//!
//! Without arguments it serves a bucket of the simulator, with one file in it. `serve_files BUCKET [ADDRESS]` serves a
//! bucket of the account whose key is in `B2_APPLICATION_KEY_ID` and `B2_APPLICATION_KEY`; then `simulator` is not
//! needed.

use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use b2sdk::credentials::EnvironmentCredentials;
use b2sdk::simulator::Simulator;
use b2sdk::streams::RemoteFile;
use b2sdk::{B2Api, Bucket, BucketType, InMemoryAccountInfo};
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

/// How many requests are answered at a time.
const THREADS: usize = 8;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let b2_api = B2Api::new(InMemoryAccountInfo::new());
    let (bucket, _simulator) = match arguments.next() {
        Some(name) => {
            b2_api.authorize_with(EnvironmentCredentials::new())?;
            (b2_api.get_bucket_by_name(&name)?, None)
        }
        None => {
            let simulator = Simulator::start()?;
            (example(&b2_api, &simulator)?, Some(simulator))
        }
    };
    let address = arguments.next();
    let address = address.as_deref().unwrap_or("127.0.0.1:8000");
    let address: SocketAddr = address.parse().context("ADDRESS is IP:PORT")?;
    let server = Server::http(address).map_err(anyhow::Error::from_boxed)?;
    println!(
        "serving {} at http://{}",
        bucket.name(),
        server.server_addr()
    );
    let server = Arc::new(server);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, bucket) = (Arc::clone(&server), bucket.clone());
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    if let Err(error) = answer(request, &bucket) {
                        eprintln!("{error:#}");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        let _ended = thread.join();
    }
    Ok(())
}

/// A bucket of the simulator with one file, written line by line.
fn example(b2_api: &B2Api, simulator: &Simulator) -> Result<Bucket> {
    b2_api.authorize_account(
        simulator.url(),
        simulator.application_key_id(),
        simulator.application_key(),
    )?;
    let bucket = b2_api.create_bucket("example-served-files", BucketType::AllPrivate)?;
    let mut file = bucket.upload_writer("numbers.txt")?;
    for number in 0..1_000_000 {
        use std::io::Write;
        writeln!(file, "{number:09}")?;
    }
    file.finish()?;
    Ok(bucket)
}

fn answer(request: Request, bucket: &Bucket) -> Result<()> {
    let name = decode(request.url().trim_start_matches('/'));
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Ok(request.respond(Response::empty(405))?);
    }
    let file = match bucket.open_file(&name) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => {
            return Ok(request.respond(Response::empty(404))?);
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            return Ok(request.respond(Response::empty(502))?);
        }
    };
    let length = file.length();
    let asked = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("Range"));
    match asked.map(|header| range(header.value.as_str(), length)) {
        // Ranges that this server does not understand are answered with the whole file.
        None | Some(Range::Unknown) => respond(request, file, 200, 0..length),
        Some(Range::Of(bytes)) => respond(request, file, 206, bytes),
        Some(Range::Unsatisfiable) => {
            let response = Response::empty(416);
            let response =
                response.with_header(header("Content-Range", &format!("bytes */{length}"))?);
            Ok(request.respond(response)?)
        }
    }
}

fn respond(
    request: Request,
    mut file: RemoteFile,
    status: u16,
    bytes: std::ops::Range<u64>,
) -> Result<()> {
    let version = file.version();
    let content_type = version.content_type.as_deref();
    let content_type = content_type.unwrap_or("application/octet-stream");
    let mut headers = vec![
        header("Content-Type", content_type)?,
        header("Accept-Ranges", "bytes")?,
        header("ETag", &format!("\"{}\"", version.file_id))?,
    ];
    if status == 206 {
        let (last, length) = (bytes.end - 1, file.length());
        let text = format!("bytes {}-{last}/{length}", bytes.start);
        headers.push(header("Content-Range", &text)?);
    }
    file.seek(SeekFrom::Start(bytes.start))?;
    let length = bytes.end - bytes.start;
    let response = Response::new(
        StatusCode(status),
        headers,
        file.take(length),
        Some(usize::try_from(length)?),
        None,
    )
    // Otherwise long answers would come in chunks, without their length.
    .with_chunked_threshold(usize::MAX);
    Ok(request.respond(response)?)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Of(std::ops::Range<u64>),
    Unsatisfiable,
    Unknown,
}

fn range(header: &str, length: u64) -> Range {
    let parse = || {
        let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
        let bytes = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
            (Ok(first), Err(_)) if last.is_empty() => first..length,
            (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
            _ => return None,
        };
        Some(bytes)
    };
    match parse() {
        None => Range::Unknown,
        Some(bytes) if bytes.start >= bytes.end => Range::Unsatisfiable,
        Some(bytes) => Range::Of(bytes),
    }
}

fn header(name: &str, value: &str) -> Result<Header> {
    Header::from_bytes(name, value)
        .ok()
        .with_context(|| format!("{name} cannot be {value:?}"))
}

/// Decodes the percent-encoding of a path, without its query.
fn decode(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = [ahead.next(), ahead.next()]
            .map(|digit| char::from(digit.unwrap_or(b'.')).to_digit(16));
        match (byte, digits) {
            (b'%', [Some(high), Some(low)]) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            (byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
