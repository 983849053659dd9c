//! Downloads by id and by name, and the tokens that let others download (docs/protocol.md, sections
//! 2.25 and 8).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, bucket_rules};
use crate::simulator::account::encryption::{Encryption, KeyCheck};
use crate::simulator::account::records::{Action, Bucket, Change, DownloadToken, Record, Version};
use crate::simulator::account::state::State;
use crate::simulator::account::test_mode;
use crate::simulator::account::world::{EXPIRED_MILLIS, World};
use crate::simulator::api::auth::{self, Caller, DownloadCaller};
use crate::simulator::api::content::{self, ChunkReader};
use crate::simulator::api::lock_fields;
use crate::simulator::protocol::decode::{self, ByteRange};
use crate::simulator::protocol::ids::{self, TokenKind};
use crate::simulator::protocol::json::Fields;
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::{Refusal, header};

/// A week.
const MAX_TOKEN_SECONDS: i64 = 604_800;

/// The query parameters that replace a header of the answer, and the file info of that header.
const OVERRIDES: [(&str, &str); 6] = [
    ("b2ContentDisposition", "b2-content-disposition"),
    ("b2ContentLanguage", "b2-content-language"),
    ("b2Expires", "b2-expires"),
    ("b2CacheControl", "b2-cache-control"),
    ("b2ContentEncoding", "b2-content-encoding"),
    ("b2ContentType", "content-type"),
];

/// Override values by parameter name.
type Overrides = BTreeMap<String, String>;

pub(crate) fn get_authorization(call: &Call<'_>) -> Result<Value, Refusal> {
    let bucket_id = call.bucket_id()?;
    let prefix = call.fields.required_string("fileNamePrefix")?;
    call.caller.require_name(prefix)?;
    let seconds = call.fields.required_integer("validDurationInSeconds")?;
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|_| (1..=MAX_TOKEN_SECONDS).contains(&seconds))
        .ok_or_else(|| {
            Refusal::bad_request("validDurationInSeconds must be in range 1 - 604800")
        })?;
    let (key_id, lifetime) = (&call.caller.key().id, seconds * 1000);
    let expires = call.now().saturating_add(lifetime);
    let token = DownloadToken {
        token: ids::token(key_id, TokenKind::Download).into(),
        key_id: call.world.shared_text(key_id),
        bucket_id: call.world.shared_text(bucket_id),
        prefix: prefix.into(),
        overrides: overrides(&call.fields)?,
        expires,
        // A client may create very many authorizations that are valid for a second.
        known_until: expires.saturating_add(lifetime.min(EXPIRED_MILLIS)),
    };
    let text = Arc::clone(&token.token);
    call.world.change(|state| {
        state.bucket(bucket_id)?;
        Ok((vec![Change::Put(Record::DownloadToken(token))], ()))
    })?;
    Ok(json!({
        "authorizationToken": &*text,
        "bucketId": bucket_id,
        "fileNamePrefix": prefix,
    }))
}

/// The overrides that are asked for, each of which must fit its header.
fn overrides(fields: &Fields) -> Result<Overrides, Refusal> {
    let mut given = Overrides::new();
    for (parameter, info_name) in OVERRIDES {
        if let Some(value) = fields.string(parameter)? {
            if !names::is_value_of(info_name, value) {
                return Err(Refusal::bad_request(format!(
                    "Invalid {parameter}: {value}"
                )));
            }
            given.insert(parameter.to_owned(), value.to_owned());
        }
    }
    Ok(given)
}

/// The caller of a download by id, if the request has a token. Download authorizations are valid
/// for downloads by name only.
pub(crate) fn caller(world: &World, request: &Request) -> Result<Option<Caller>, Refusal> {
    let Some(token) = request.header("authorization") else {
        return Ok(None);
    };
    match auth::download_caller(&world.state(), world, token)? {
        DownloadCaller::Account(caller) => Ok(Some(caller)),
        DownloadCaller::Token(_) => Err(Refusal::unauthorized()),
    }
}

pub(crate) fn by_id(
    world: &World,
    request: &Request,
    caller: Option<&Caller>,
    fields: &Fields,
) -> Result<Reply, Refusal> {
    let id = fields.required_string("fileId")?;
    let parts = ids::parse_file_id(id)
        .ok_or_else(|| Refusal::bad_request(format!("Invalid fileId: {id}")))?;
    let state = world.state();
    let file = state.file(id).filter(|file| file.action == Action::Upload);
    let bucket = state.buckets.get(parts.bucket_id);
    let overrides = overrides(fields)?;
    let name = file.map(|file| &*file.name);
    let caller = caller.cloned().map(DownloadCaller::Account);
    check_access(caller.as_ref(), bucket, parts.bucket_id, name, &overrides)?;
    test_mode::force_cap(request)?;
    match (bucket, file) {
        (Some(bucket), Some(file)) => serve(request, caller.as_ref(), bucket, file, &overrides),
        _ => Err(Refusal::not_found(format!("File not present: {id}"))),
    }
}

pub(crate) fn by_name(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let fields = Fields::from_query(request.query.as_deref())?;
    let (bucket_name, name) = split_path(&request.path)?;
    let state = world.state();
    let token = request
        .header("authorization")
        .or(fields.string("Authorization")?);
    let caller = token
        .map(|token| auth::download_caller(&state, world, token))
        .transpose()?;
    let bucket = state.bucket_by_name(bucket_name);
    let bucket_id = bucket.map_or("", |bucket| &bucket.id);
    let overrides = overrides(&fields)?;
    check_access(caller.as_ref(), bucket, bucket_id, Some(&name), &overrides)?;
    test_mode::force_cap(request)?;
    check_name(&name)?;
    let bucket = bucket
        .ok_or_else(|| Refusal::not_found(format!("Bucket does not exist: {bucket_name}")))?;
    let file = visible(&state, bucket, &name)
        .ok_or_else(|| Refusal::not_found("File with such name does not exist."))?;
    serve(request, caller.as_ref(), bucket, file, &overrides)
}

/// `/file/<bucket>/<name>`, the name still encoded.
fn split_path(path: &str) -> Result<(&str, String), Refusal> {
    let rest = path.strip_prefix("/file/").unwrap_or_default();
    let (bucket, encoded) = rest.split_once('/').unwrap_or((rest, ""));
    let name = decode::percent(encoded)
        .ok_or_else(|| Refusal::bad_request("Invalid percent-encoding in the file name"))?;
    Ok((bucket, name))
}

/// Other names that cannot be uploaded are answered with "not found": files that the S3 API created
/// may have them (docs/protocol.md, section 4.2).
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.ends_with('/') {
        return names::check_file_name(name);
    }
    Ok(())
}

fn visible<'s>(state: &'s State, bucket: &Bucket, name: &str) -> Option<&'s Arc<Version>> {
    state
        .latest(&bucket.id, name)
        .filter(|version| version.action == Action::Upload)
}

/// Whether this caller may download this file. Public buckets are open to all, but overrides need
/// an authorized request (docs/protocol.md, section 8.1). A missing file is revealed only to
/// callers whose key includes the bucket.
fn check_access(
    caller: Option<&DownloadCaller>,
    bucket: Option<&Arc<Bucket>>,
    bucket_id: &str,
    name: Option<&str>,
    overrides: &Overrides,
) -> Result<(), Refusal> {
    let is_public = bucket.is_some_and(|bucket| bucket.is_public());
    match caller {
        None if is_public && overrides.is_empty() => Ok(()),
        None => Err(Refusal::unauthorized()),
        Some(_) if is_public && overrides.is_empty() => Ok(()),
        Some(DownloadCaller::Account(caller)) => {
            caller.require("readFiles")?;
            caller.require_bucket(bucket_id)?;
            name.map_or(Ok(()), |name| caller.require_name(name))
        }
        Some(DownloadCaller::Token(token)) => {
            let covers = *token.bucket_id == *bucket_id
                && name.is_some_and(|name| name.starts_with(&*token.prefix))
                && token.overrides == *overrides;
            if covers {
                Ok(())
            } else {
                Err(Refusal::unauthorized())
            }
        }
    }
}

fn serve(
    request: &Request,
    caller: Option<&DownloadCaller>,
    bucket: &Bucket,
    file: &Version,
    overrides: &Overrides,
) -> Result<Reply, Refusal> {
    let key = KeyCheck::of_headers(request)?;
    file.encryption.check_reader(key.as_ref())?;
    let mut headers = file_headers(bucket, file, overrides);
    if caller.is_none() {
        // Unlike on the service, the status page has the origin of public files, so no browser may
        // treat a public file as a script.
        headers.push(header("X-Content-Type-Options", "nosniff"));
    }
    if bucket.is_lock_enabled {
        let may = |capability| match caller {
            Some(DownloadCaller::Account(caller)) => caller.may(capability),
            Some(DownloadCaller::Token(_)) | None => false,
        };
        let (retention, hold) = (may("readFileRetentions"), may("readFileLegalHolds"));
        headers.extend(lock_fields::headers(file.lock, retention, hold));
    }
    // A malformed range is ignored (docs/protocol.md, section 8.2).
    let Some(range) = request.header("range").and_then(ByteRange::parse) else {
        content::check_readable(&file.content)?;
        let reader = ChunkReader::new(&file.content);
        return Ok(Reply {
            status: 200,
            headers,
            body: ReplyBody::Stream(Box::new(reader), file.length),
        });
    };
    let (first, last) = range
        .within(file.length)
        .ok_or_else(range_not_satisfiable)?;
    headers.push(header(
        "Content-Range",
        format!("bytes {first}-{last}/{}", file.length),
    ));
    let stretch = content::slice(&file.content, first, last);
    content::check_readable(&stretch)?;
    let reader = ChunkReader::new(&stretch);
    let body = ReplyBody::Stream(Box::new(reader), last - first + 1);
    Ok(Reply {
        status: 206,
        headers,
        body,
    })
}

pub(super) fn range_not_satisfiable() -> Refusal {
    Refusal::new(
        416,
        "range_not_satisfiable",
        "The range in the request is outside the size of the file",
    )
}

/// The headers of docs/protocol.md, section 8.3.
fn file_headers(bucket: &Bucket, file: &Version, overrides: &Overrides) -> Vec<(String, String)> {
    let content_type = overrides
        .get("b2ContentType")
        .map_or(&*file.content_type, String::as_str);
    let mut headers = vec![
        header("Accept-Ranges", "bytes"),
        header("Content-Type", content_type),
        header("X-Bz-Content-Sha1", file.sha1.to_string()),
        header("X-Bz-File-Id", file.file_id()),
        header("X-Bz-File-Name", decode::encode(&file.name)),
        header("X-Bz-Upload-Timestamp", file.uploaded.to_string()),
    ];
    headers.extend(encryption_headers(&file.encryption));
    if let Some(status) = file.replication.status {
        headers.push(header("X-Bz-Replication-Status", status.name()));
    }
    for (name, value) in &*file.info {
        if names::response_header(name).is_none() {
            headers.push(header(&format!("X-Bz-Info-{name}"), decode::encode(value)));
        }
    }
    for (parameter, info_name) in OVERRIDES {
        let Some(name) = names::response_header(info_name) else {
            continue;
        };
        let value = overrides
            .get(parameter)
            .or_else(|| file.info.get(info_name));
        let value = value.or_else(|| bucket_default(bucket, name));
        if let Some(value) = value {
            headers.push(header(name, value));
        }
    }
    headers
}

fn encryption_headers(encryption: &Encryption) -> Vec<(String, String)> {
    const CUSTOMER: &str = "X-Bz-Server-Side-Encryption-Customer";
    match encryption {
        Encryption::Service(false) => Vec::new(),
        Encryption::Service(true) => vec![header("X-Bz-Server-Side-Encryption", "AES256")],
        Encryption::Customer(key) => vec![
            header(&format!("{CUSTOMER}-Algorithm"), "AES256"),
            header(&format!("{CUSTOMER}-Key-Md5"), &key.md5),
        ],
    }
}

/// The one header that a bucket sets for all of its files (docs/protocol.md, section 4.4).
fn bucket_default<'b>(bucket: &'b Bucket, header: &str) -> Option<&'b String> {
    let mut info = bucket
        .info
        .iter()
        .filter(|(name, _)| bucket_rules::is_cache_control(name));
    (header == "Cache-Control")
        .then(|| info.next().map(|(_, value)| value))
        .flatten()
}
