//! Finds the endpoint that answers a request. Whatever the head of the request decides is decided
//! before the body is read, so a refused client need not send the body (`Expect: 100-continue`).

use std::io::Read;

use serde_json::Value;

use crate::model::operation::Operation;
use crate::simulator::account::caps;
use crate::simulator::account::keyring;
use crate::simulator::account::test_mode;
use crate::simulator::account::world::World;
use crate::simulator::api::auth::{self, Caller};
use crate::simulator::api::endpoints::{
    Call, account, buckets, copy, download, files, keys, large, listing, locks, notifications,
    upload,
};
use crate::simulator::protocol::json::Fields;
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};
use crate::simulator::protocol::reply::{self, Refusal};

/// More than any JSON request needs: 10 000 checksums of parts are 450 kB.
const MAX_JSON_BODY: u64 = 4 * 1024 * 1024;

/// Answers a request. May be called from many threads at once.
pub(crate) fn handle(world: &World, request: &Request, body: &mut dyn Read) -> Reply {
    answer(world, request, body).unwrap_or_else(Refusal::into_reply)
}

/// Returns the operation that a request names, whether or not it is served.
pub(crate) fn operation_of(request: &Request) -> Option<Operation> {
    Target::of(&request.path).map(|target| target.operation)
}

/// What a path names.
#[derive(Debug, Clone, Copy)]
struct Target {
    operation: Operation,
    /// 1 to 4; the path of a download by name has none, its errors are those of the latest.
    version: u8,
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        if path.starts_with("/file/") {
            return Some(Self {
                operation: Operation::DownloadFileByName,
                version: 4,
            });
        }
        let mut segments = path.strip_prefix("/b2api/")?.split('/');
        let version = match segments.next()? {
            "v1" => 1,
            "v2" => 2,
            "v3" => 3,
            "v4" => 4,
            _ => return None,
        };
        let operation = Operation::from_name(segments.next()?)?;
        let following = segments.count();
        let is_upload = matches!(operation, Operation::UploadFile | Operation::UploadPart);
        let is_complete = following == if is_upload { 2 } else { 0 };
        let is_api_call = operation != Operation::DownloadFileByName;
        (is_complete && is_api_call).then_some(Self { operation, version })
    }
}

fn answer(world: &World, request: &Request, body: &mut dyn Read) -> Result<Reply, Refusal> {
    let target = Target::of(&request.path)
        .ok_or_else(|| Refusal::not_found(format!("No such endpoint: {}", request.path)))?;
    let version = target.version;
    match target.operation {
        Operation::UploadFile => {
            only(request, &["POST"])?;
            upload::file(world, request, version, body)
        }
        Operation::UploadPart => {
            only(request, &["POST"])?;
            upload::part(world, request, body)
        }
        Operation::DownloadFileByName => {
            only(request, &["GET", "HEAD"])?;
            expire_some_tokens(world, request)?;
            let reply = download::by_name(world, request)?;
            count_download(world, target.operation, &request.method, reply)
        }
        Operation::DownloadFileById => {
            only(request, &["GET", "HEAD", "POST"])?;
            expire_some_tokens(world, request)?;
            let caller = download::caller(world, request)?;
            let fields = read_fields(request, body)?;
            let reply = download::by_id(world, request, caller.as_ref(), &fields)?;
            count_download(world, target.operation, &request.method, reply)
        }
        Operation::AuthorizeAccount => {
            only(request, &["GET", "POST"])?;
            let reply = account::authorize(world, request, version);
            if reply.status == 200 {
                world.count(target.operation)?;
            }
            Ok(reply)
        }
        operation => {
            only(request, &["GET", "POST"])?;
            expire_some_tokens(world, request)?;
            let caller = auth::caller(world, request)?;
            check_capability(operation, &caller)?;
            test_mode::force_cap(request)?;
            if caps::prepares_storing(operation) {
                world.check_storage(0)?;
            }
            world.count(operation)?;
            let fields = read_fields(request, body)?;
            let call = Call {
                world,
                request,
                version,
                caller,
                fields,
            };
            match operation {
                Operation::ListFileNames => listing::file_names(&call),
                Operation::ListFileVersions => listing::file_versions(&call),
                operation => json_endpoint(operation, &call).map(|value| reply::ok(&value)),
            }
        }
    }
}

/// Lacking the capability is `unauthorized`, but for the two calls that change a lock
/// (docs/protocol.md, section 10.2).
fn check_capability(operation: Operation, caller: &Caller) -> Result<(), Refusal> {
    let Some(capability) = keyring::needed_for(operation) else {
        return Ok(());
    };
    caller
        .require(capability)
        .map_err(|refusal| match operation {
            Operation::UpdateFileRetention | Operation::UpdateFileLegalHold => {
                Refusal::access_denied()
            }
            _ => refusal,
        })
}

fn json_endpoint(operation: Operation, call: &Call<'_>) -> Result<Value, Refusal> {
    match operation {
        Operation::CreateBucket => buckets::create(call),
        Operation::DeleteBucket => buckets::delete(call),
        Operation::ListBuckets => buckets::list(call),
        Operation::UpdateBucket => buckets::update(call),
        Operation::GetUploadUrl => upload::get_url(call),
        Operation::GetUploadPartUrl => upload::get_part_url(call),
        Operation::ListUnfinishedLargeFiles => listing::unfinished_large_files(call),
        Operation::GetFileInfo => files::info(call),
        Operation::HideFile => files::hide(call),
        Operation::DeleteFileVersion => files::delete_version(call),
        Operation::CopyFile => copy::file(call),
        Operation::CopyPart => copy::part(call),
        Operation::StartLargeFile => large::start(call),
        Operation::FinishLargeFile => large::finish(call),
        Operation::CancelLargeFile => large::cancel(call),
        Operation::ListParts => large::list_parts(call),
        Operation::CreateKey => keys::create(call),
        Operation::ListKeys => keys::list(call),
        Operation::DeleteKey => keys::delete(call),
        Operation::GetBucketNotificationRules => notifications::get(call),
        Operation::SetBucketNotificationRules => notifications::set(call),
        Operation::UpdateFileRetention => locks::update_retention(call),
        Operation::UpdateFileLegalHold => locks::update_legal_hold(call),
        Operation::GetDownloadAuthorization => download::get_authorization(call),
        other => Err(Refusal::bad_request(format!(
            "{other} is not offered by the simulator"
        ))),
    }
}

fn only(request: &Request, methods: &[&str]) -> Result<(), Refusal> {
    if methods.contains(&request.method.as_str()) {
        return Ok(());
    }
    let message = format!("Only {} is supported", methods.join(" or "));
    Err(Refusal::new(405, "method_not_allowed", message))
}

/// Counts a download, if the caps allow it.
fn count_download(
    world: &World,
    operation: Operation,
    method: &str,
    reply: Reply,
) -> Result<Reply, Refusal> {
    let bytes = match &reply.body {
        ReplyBody::Stream(_, length) if method != "HEAD" => *length,
        _ => 0,
    };
    world.count_download(operation, bytes)?;
    Ok(reply)
}

/// Expires the request's token, if the test mode in the request draws that.
fn expire_some_tokens(world: &World, request: &Request) -> Result<(), Refusal> {
    let is_account_token = |token: &str| world.state().account_tokens.contains_key(token);
    match test_mode::expiring_token(world.test_modes(), request, is_account_token) {
        Some(token) => Ok(world.expire_token(token)?),
        None => Ok(()),
    }
}

fn read_fields(request: &Request, body: &mut dyn Read) -> Result<Fields, Refusal> {
    if request.method != "POST" {
        return Fields::from_query(request.query.as_deref());
    }
    let mut bytes = Vec::new();
    body.take(MAX_JSON_BODY + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| Refusal::bad_request("The request ended early"))?;
    if bytes.len() as u64 > MAX_JSON_BODY {
        return Err(Refusal::bad_request("The request is too long"));
    }
    if request
        .content_length
        .is_some_and(|length| length > bytes.len() as u64)
    {
        return Err(Refusal::bad_request("The request ended early"));
    }
    Fields::from_body(&bytes)
}

#[cfg(test)]
mod tests;
