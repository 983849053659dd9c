//! A B2 service that costs next to nothing: it drains what is uploaded without hashing it and serves
//! downloads from one fixed block. It runs in a process of its own, one plain thread a connection.
//!
//! Its answers are valid all the same: an upload is answered with the SHA-1 that the client sent, a
//! download has the right one in its headers. It knows one bucket, with one large file and many small
//! ones to download, and forgets what is uploaded. `GET /bench/reset?latency=MS` sets the latency of
//! the responses that follow and forgets the counts; `GET /bench/counts` tells them. It listens on two ports, without
//! TLS and with it, and names in its answers the address that it was asked at, which may be a relay's.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use rustls::ServerConfig;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::sizes::Sizes;
use crate::tls::{self, Stream};

/// What the service and its clients agree on.
pub(crate) const BUCKET: &str = "bench-bucket";
pub(crate) const KEY_ID: &str = "0005b2e9f07c1d40000000001";
/// The folder of the names to list.
pub(crate) const LISTED: &str = "list/";
pub(crate) const KEY: &str = "K000benchbenchbenchbenchbenchbe";

const BUCKET_ID: &str = "e50ba23e791f80c74c619dd4";
const ACCOUNT_ID: &str = "5b2e9f07c1d4";
const TIMESTAMP: u64 = 1_793_779_200_123;
const PART_SIZE: u64 = 100_000_000;
const BUFFER: usize = 256 * 1024;

/// The content of every file is this block, again and again.
pub(crate) fn block() -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut block = Vec::with_capacity(1 << 20);
    while block.len() < 1 << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block
}

/// Serves until the process is ended; tells its ports on standard output, that with TLS second.
pub(crate) fn serve(sizes: &Sizes, certificates: &Path) -> Result<()> {
    let (plain, with_tls) = (bind()?, bind()?);
    let config = tls::server_config(certificates)?;
    let service = Arc::new(Service::new(sizes));
    let ports = (plain.local_addr()?.port(), with_tls.local_addr()?.port());
    writeln!(io::stdout(), "{} {}", ports.0, ports.1)?;
    let other = Arc::clone(&service);
    thread::spawn(move || accept(&with_tls, Some(&config), &other));
    accept(&plain, None, &service);
    Ok(())
}

fn bind() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
}

fn accept(listener: &TcpListener, config: Option<&Arc<ServerConfig>>, service: &Arc<Service>) {
    for stream in listener.incoming().filter_map(Result::ok) {
        let (config, service) = (config.cloned(), Arc::clone(service));
        thread::spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _ = serve_connection(stream, config.as_ref(), service);
        });
    }
}

fn serve_connection(
    stream: TcpStream,
    config: Option<&Arc<ServerConfig>>,
    service: Arc<Service>,
) -> Result<()> {
    Connection::new(Stream::accept(stream, config)?, service).run()
}

struct Service {
    block: Vec<u8>,
    files: BTreeMap<String, Stored>,
    started: Mutex<HashMap<String, Started>>,
    counts: Mutex<BTreeMap<String, u64>>,
    uploaded: AtomicU64,
    latency: AtomicU64,
    next: AtomicU64,
}

/// A file that can be downloaded.
struct Stored {
    length: u64,
    sha1: String,
    is_large: bool,
}

/// A large file that is being uploaded.
struct Started {
    name: String,
    info: Value,
    length: u64,
}

impl Service {
    fn new(sizes: &Sizes) -> Self {
        let block = block();
        let mut files = BTreeMap::new();
        for length in sizes.all_large() {
            let large = Stored {
                length,
                sha1: hash(&block, length),
                is_large: true,
            };
            files.insert(large_name("down", length), large);
        }
        let sha1 = hash(&block, sizes.small);
        for count in sizes.all_folders() {
            for n in 0..count {
                let small = Stored {
                    length: sizes.small,
                    sha1: sha1.clone(),
                    is_large: false,
                };
                files.insert(small_name(&small_folder(count), n), small);
            }
        }
        for n in 0..sizes.names {
            let small = Stored {
                length: sizes.small,
                sha1: sha1.clone(),
                is_large: false,
            };
            files.insert(format!("{LISTED}{n:06}"), small);
        }
        Self {
            block,
            files,
            started: Mutex::default(),
            counts: Mutex::default(),
            uploaded: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            next: AtomicU64::new(0),
        }
    }

    fn id(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("4_z{BUCKET_ID}_f1{n:015x}_d20261104_m080000_c003_v0301043_t0021_u0{TIMESTAMP}")
    }

    fn reset(&self, latency: u64) {
        self.latency.store(latency, Ordering::SeqCst);
        self.uploaded.store(0, Ordering::SeqCst);
        lock(&self.counts).clear();
    }

    fn counts(&self) -> Value {
        json!({
            "requests": *lock(&self.counts),
            "uploaded": self.uploaded.load(Ordering::SeqCst),
        })
    }
}

/// Where so many small files are to be downloaded.
pub(crate) fn small_folder(count: usize) -> String {
    format!("down/{count}")
}

/// The name of a large file of that length.
pub(crate) fn large_name(folder: &str, length: u64) -> String {
    format!("{folder}/large-{length}")
}

/// The name of a small file.
pub(crate) fn small_name(folder: &str, n: usize) -> String {
    format!("{folder}/{n:04}")
}

fn hash(block: &[u8], length: u64) -> String {
    let mut hasher = Sha1::new();
    let mut left = length;
    while left > 0 {
        let piece = head(block, left);
        hasher.update(piece);
        left -= piece.len() as u64;
    }
    hex::encode(hasher.finalize())
}

/// At most `most` bytes from the beginning.
fn head(bytes: &[u8], most: u64) -> &[u8] {
    let end = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
    &bytes[..end]
}

fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The head of a request.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
}

impl Request {
    fn parse(head: &str) -> Result<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next().context("no request line")?.split(' ');
        let method = first.next().context("no method")?.to_owned();
        let target = first.next().context("no target")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn length(&self) -> Result<u64> {
        if self.header("transfer-encoding").is_some() {
            bail!("only bodies of a known length are understood");
        }
        Ok(self.header("content-length").map_or(Ok(0), str::parse)?)
    }

    /// The B2 operation.
    fn operation(&self) -> &str {
        match self.path.strip_prefix("/b2api/") {
            Some(rest) => rest.split('/').nth(1).unwrap_or_default(),
            None if self.path.starts_with("/file/") => "b2_download_file_by_name",
            None => "",
        }
    }

    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The bytes that are asked for.
    fn range(&self, length: u64) -> Option<Range<u64>> {
        let (start, end) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let end = end
            .parse()
            .map_or(length, |last: u64| (last + 1).min(length));
        Some(start.parse().ok()?..end)
    }

    /// The file info that came in headers.
    fn info(&self) -> Value {
        let infos = self.headers.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("x-bz-info-")?;
            Some((name.to_owned(), Value::from(value.as_str())))
        });
        Value::Object(infos.collect())
    }
}

struct Connection {
    stream: Stream,
    service: Arc<Service>,
    buffer: Vec<u8>,
    /// What of the buffer was received and not used yet.
    filled: Range<usize>,
}

impl Connection {
    fn new(stream: Stream, service: Arc<Service>) -> Self {
        Self {
            stream,
            service,
            buffer: vec![0; BUFFER],
            filled: 0..0,
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(request) = self.read_head()? {
            let length = request.length()?;
            if request.header("expect").is_some() {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            self.answer(&request, length)?;
            if request.header("connection") == Some("close") {
                break;
            }
        }
        Ok(())
    }

    /// Receives more behind what is there.
    fn receive(&mut self) -> io::Result<usize> {
        if self.filled.end == self.buffer.len() {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let read = self.stream.read(&mut self.buffer[self.filled.end..])?;
        self.filled.end += read;
        Ok(read)
    }

    fn read_head(&mut self) -> Result<Option<Request>> {
        loop {
            let received = &self.buffer[self.filled.clone()];
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                let request = Request::parse(std::str::from_utf8(&received[..end])?)?;
                self.filled.start += end + 4;
                return Ok(Some(request));
            }
            if self.receive()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads a body and keeps no more than its last `keep` bytes.
    fn read_body(&mut self, length: u64, keep: usize) -> Result<Vec<u8>> {
        let mut tail = Vec::new();
        let mut left = length;
        while left > 0 {
            if self.filled.is_empty() {
                self.filled = 0..0;
                if self.receive()? == 0 {
                    bail!("the body ended early");
                }
            }
            let piece = head(&self.buffer[self.filled.clone()], left);
            left -= piece.len() as u64;
            self.filled.start += piece.len();
            if left < keep as u64 {
                tail.extend_from_slice(&piece[piece.len().saturating_sub(keep)..]);
                tail.drain(..tail.len().saturating_sub(keep));
            }
        }
        Ok(tail)
    }

    fn answer(&mut self, request: &Request, length: u64) -> Result<()> {
        let service = Arc::clone(&self.service);
        if let "/bench/reset" | "/bench/counts" = request.path.as_str() {
            if let Some(latency) = request.query("latency") {
                service.reset(latency.parse()?);
            }
            return self.send(&service.counts());
        }
        let operation = request.operation();
        let is_upload = matches!(operation, "b2_upload_file" | "b2_upload_part");
        let body = self.read_body(length, if is_upload { 40 } else { BUFFER })?;
        *lock(&service.counts)
            .entry(operation.to_owned())
            .or_default() += 1;
        match service.latency.load(Ordering::SeqCst) {
            0 => {}
            millis => thread::sleep(Duration::from_millis(millis)),
        }
        let is_download = operation.starts_with("b2_download");
        match operation {
            _ if is_upload => self.send(&service.uploaded(request, length, &body)?),
            _ if is_download => self.send_file(request),
            _ => {
                let body = serde_json::from_slice(&body).unwrap_or_default();
                match service.call(operation, &body, &self.origin(request)) {
                    Some(mut answer) => {
                        if !request.path.starts_with("/b2api/v1/") {
                            without_sizes(&mut answer);
                        }
                        self.send(&answer)
                    }
                    None => self.refuse(request),
                }
            }
        }
    }

    /// The address that the client knows us by.
    fn origin(&self, request: &Request) -> String {
        let scheme = if self.stream.has_tls() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", request.header("host").unwrap_or_default())
    }

    fn send(&mut self, answer: &Value) -> Result<()> {
        self.send_json("200 OK", answer)
    }

    fn refuse(&mut self, request: &Request) -> Result<()> {
        // What rclone expects of a bucket that is there.
        let (status, code) = match request.operation() {
            "b2_create_bucket" => ("400 Bad Request", "duplicate_bucket_name"),
            _ => ("404 Not Found", "not_found"),
        };
        let number: u32 = status[..3].parse()?;
        let answer = json!({ "status": number, "code": code, "message": "refused" });
        if request.method == "HEAD" {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            return Ok(self.stream.write_all(head.as_bytes())?);
        }
        self.send_json(status, &answer)
    }

    fn send_json(&mut self, status: &str, answer: &Value) -> Result<()> {
        let body = answer.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nDate: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            date()
        );
        Ok(self.stream.write_all(answer.as_bytes())?)
    }

    fn send_file(&mut self, request: &Request) -> Result<()> {
        let service = Arc::clone(&self.service);
        let by_name = request.path.strip_prefix(&format!("/file/{BUCKET}/"));
        let by_id = request
            .query("fileId")
            .and_then(|id| id.strip_prefix("id_"));
        // No other characters than these are encoded in our names.
        let name = by_name.or(by_id).unwrap_or_default();
        let name = name.replace("%2F", "/").replace("%2f", "/");
        let Some(file) = service.files.get(&name) else {
            return self.refuse(request);
        };
        let asked = request.range(file.length);
        let range = asked.clone().unwrap_or(0..file.length);
        let mut answer = match asked {
            None => "HTTP/1.1 200 OK\r\n".to_owned(),
            Some(_) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\n",
                range.start,
                range.end - 1,
                file.length
            ),
        };
        answer += &file.headers(&name, range.end - range.start);
        if request.method == "HEAD" {
            return Ok(self.stream.write_all(answer.as_bytes())?);
        }
        self.send_content(answer.into_bytes(), range)
    }

    /// Sends the head together with the first of the content, so that a small file is one write.
    fn send_content(&mut self, mut first: Vec<u8>, range: Range<u64>) -> Result<()> {
        let service = Arc::clone(&self.service);
        let mut position = range.start;
        while position < range.end {
            let offset = usize::try_from(position % service.block.len() as u64)?;
            let piece = head(&service.block[offset..], range.end - position);
            position += piece.len() as u64;
            if first.is_empty() {
                self.stream.write_all(piece)?;
            } else {
                first.extend_from_slice(piece);
                self.stream.write_all(&first)?;
                first = Vec::new();
            }
        }
        Ok(self.stream.write_all(&first)?)
    }
}

impl Stored {
    fn sha1s(&self) -> (&str, Value) {
        if self.is_large {
            return ("none", json!({ "large_file_sha1": self.sha1 }));
        }
        (&self.sha1, json!({}))
    }

    fn headers(&self, name: &str, length: u64) -> String {
        let (sha1, info) = self.sha1s();
        let mut headers = format!(
            "Content-Length: {length}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
             X-Bz-File-Id: id_{name}\r\nX-Bz-File-Name: {name}\r\nX-Bz-Content-Sha1: {sha1}\r\n\
             X-Bz-Upload-Timestamp: {TIMESTAMP}\r\nDate: {}\r\n",
            date()
        );
        if let Some(whole) = info.get("large_file_sha1").and_then(Value::as_str) {
            headers += &format!("X-Bz-Info-large_file_sha1: {whole}\r\n");
        }
        headers + "\r\n"
    }

    fn version(&self, name: &str) -> Value {
        let (sha1, info) = self.sha1s();
        version(
            &format!("id_{name}"),
            name,
            ("upload", self.length, sha1),
            &info,
        )
    }
}

fn version(id: &str, name: &str, (action, length, sha1): (&str, u64, &str), info: &Value) -> Value {
    json!({
        "accountId": ACCOUNT_ID,
        "action": action,
        "bucketId": BUCKET_ID,
        "contentLength": length,
        "size": length,
        "contentSha1": sha1,
        "contentMd5": null,
        "contentType": "application/octet-stream",
        "fileId": id,
        "fileInfo": info,
        "fileName": name,
        "fileRetention": { "isClientAuthorizedToRead": false, "value": null },
        "legalHold": { "isClientAuthorizedToRead": false, "value": null },
        "serverSideEncryption": { "algorithm": null, "mode": null },
        "uploadTimestamp": TIMESTAMP,
    })
}

/// Removes the member of rows that only the first version of the API has.
fn without_sizes(answer: &mut Value) {
    let rows = answer.get_mut("files").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("size");
    }
}

impl Service {
    /// The answer to an upload of a file or a part.
    fn uploaded(&self, request: &Request, length: u64, tail: &[u8]) -> Result<Value> {
        let (sha1, length) = match request.header("x-bz-content-sha1") {
            Some("hex_digits_at_end") => (std::str::from_utf8(tail)?, length - 40),
            Some(sha1) => (sha1, length),
            None => bail!("no SHA-1"),
        };
        self.uploaded.fetch_add(length, Ordering::SeqCst);
        if request.operation() == "b2_upload_file" {
            let name = request.header("x-bz-file-name").unwrap_or_default();
            let name = name.replace("%2F", "/").replace("%2f", "/");
            return Ok(version(
                &self.id(),
                &name,
                ("upload", length, sha1),
                &request.info(),
            ));
        }
        let id = request.path.rsplit('/').next().unwrap_or_default();
        if let Some(started) = lock(&self.started).get_mut(id) {
            started.length += length;
        }
        let number = request.header("x-bz-part-number").unwrap_or_default();
        Ok(json!({
            "fileId": id,
            "partNumber": number.parse::<u64>()?,
            "contentLength": length,
            "contentSha1": sha1,
            "contentMd5": null,
            "uploadTimestamp": TIMESTAMP,
        }))
    }

    /// The answer to a call in JSON, if there is one.
    fn call(&self, operation: &str, body: &Value, origin: &str) -> Option<Value> {
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let upload_url = |operation: &str, target: &str| {
            json!({
                "uploadUrl": format!("{origin}/b2api/v4/{operation}/{}/{target}", self.id()),
                "authorizationToken": self.id(),
                "bucketId": BUCKET_ID,
                "fileId": target,
            })
        };
        Some(match operation {
            "b2_authorize_account" => self.authorization(origin),
            "b2_list_buckets" => json!({ "buckets": [bucket()] }),
            "b2_get_upload_url" => upload_url("b2_upload_file", BUCKET_ID),
            "b2_get_upload_part_url" => upload_url("b2_upload_part", text("fileId")),
            "b2_start_large_file" => self.start(text("fileName"), body.get("fileInfo")?),
            "b2_finish_large_file" => self.finish(text("fileId"))?,
            "b2_list_file_names" | "b2_list_file_versions" => self.list(body),
            "b2_list_unfinished_large_files" => json!({ "files": [], "nextFileId": null }),
            "b2_get_file_info" => {
                let name = text("fileId").strip_prefix("id_")?;
                self.files.get(name)?.version(name)
            }
            _ => return None,
        })
    }

    fn start(&self, name: &str, info: &Value) -> Value {
        let id = self.id();
        let started = Started {
            name: name.to_owned(),
            info: info.clone(),
            length: 0,
        };
        lock(&self.started).insert(id.clone(), started);
        version(&id, name, ("start", 0, "none"), info)
    }

    fn finish(&self, id: &str) -> Option<Value> {
        let Started { name, info, length } = lock(&self.started).remove(id)?;
        Some(version(id, &name, ("upload", length, "none"), &info))
    }

    fn list(&self, body: &Value) -> Value {
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let most = body.get("maxFileCount").and_then(Value::as_u64);
        let most = usize::try_from(most.unwrap_or(100))
            .unwrap_or(100)
            .min(10_000);
        let mut found = self
            .files
            .range(text("startFileName").to_owned()..)
            .filter(|(name, _)| name.starts_with(text("prefix")));
        // The rows of small files have what every upload of a local file stores.
        let mut times = TIMESTAMP..;
        let files: Vec<_> = (&mut found)
            .take(most)
            .zip(&mut times)
            .map(|((name, file), time)| {
                let mut row = file.version(name);
                if !file.is_large {
                    row["fileInfo"] = json!({ "src_last_modified_millis": time.to_string() });
                }
                row
            })
            .collect();
        let next = found.next().map(|(name, _)| name);
        let next_id = next.map(|name| format!("id_{name}"));
        json!({ "files": files, "nextFileName": next, "nextFileId": next_id })
    }

    /// In the forms of all versions of the API at once.
    fn authorization(&self, origin: &str) -> Value {
        let capabilities = json!([
            "listAllBucketNames",
            "listBuckets",
            "readBuckets",
            "listFiles",
            "readFiles",
            "writeFiles"
        ]);
        let allowed = json!({
            "capabilities": capabilities, "buckets": null, "bucketId": null, "bucketName": null, "namePrefix": null
        });
        let storage = json!({
            "apiUrl": origin,
            "downloadUrl": origin,
            "s3ApiUrl": origin,
            "absoluteMinimumPartSize": 5_000_000,
            "recommendedPartSize": PART_SIZE,
            "allowed": allowed,
            "capabilities": capabilities,
            "bucketId": null,
            "bucketName": null,
            "namePrefix": null,
        });
        json!({
            "accountId": ACCOUNT_ID,
            "authorizationToken": self.id(),
            "applicationKeyExpirationTimestamp": null,
            "apiInfo": { "storageApi": storage },
            "apiUrl": origin,
            "downloadUrl": origin,
            "s3ApiUrl": origin,
            "absoluteMinimumPartSize": 5_000_000,
            "minimumPartSize": PART_SIZE,
            "recommendedPartSize": PART_SIZE,
            "allowed": allowed,
        })
    }
}

fn bucket() -> Value {
    json!({
        "accountId": ACCOUNT_ID,
        "bucketId": BUCKET_ID,
        "bucketName": BUCKET,
        "bucketType": "allPrivate",
        "bucketInfo": {},
        "corsRules": [],
        "lifecycleRules": [],
        "options": [],
        "revision": 1,
        "defaultServerSideEncryption": {
            "isClientAuthorizedToRead": true, "value": { "algorithm": null, "mode": null }
        },
        "fileLockConfiguration": { "isClientAuthorizedToRead": false, "value": null },
        "replicationConfiguration": { "isClientAuthorizedToRead": true, "value": null },
    })
}
