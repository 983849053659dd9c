//! Listing names, versions and unfinished large files (docs/protocol.md, sections 2.8, 2.9, 2.20
//! and 9).

use serde_json::{Value, json};

use super::Call;
use crate::simulator::account::state::Place;
use crate::simulator::api::listed_page::ListedPage;
use crate::simulator::api::page::{self, Page, Query};
use crate::simulator::api::render;
use crate::simulator::protocol::ids;
use crate::simulator::protocol::message::Reply;
use crate::simulator::protocol::reply::Refusal;

const DEFAULT_COUNT: usize = 100;
const MAX_COUNT: usize = 10_000;
const MAX_UNFINISHED: usize = 100;

pub(crate) fn file_names(call: &Call<'_>) -> Result<Reply, Refusal> {
    let start = Place::first(call.fields.string("startFileName")?.unwrap_or_default());
    files(call, start, false)
}

pub(crate) fn file_versions(call: &Call<'_>) -> Result<Reply, Refusal> {
    files(call, start_version(call)?, true)
}

fn files(call: &Call<'_>, start: Place, all_versions: bool) -> Result<Reply, Refusal> {
    let bucket_id = bucket_id(call)?;
    let page = ListedPage {
        page: read(call, bucket_id, start, all_versions)?,
        account_id: call.world.account_id().to_owned(),
        bucket_id: bucket_id.to_owned(),
        caller: call.caller.clone(),
        version: call.version,
        has_next_id: all_versions,
    };
    Ok(page.into_reply()?)
}

/// The named version need not exist: its id contains the time at which the listing starts.
fn start_version(call: &Call<'_>) -> Result<Place, Refusal> {
    let name = call.fields.string("startFileName")?;
    let Some(id) = call.fields.string("startFileId")? else {
        return Ok(Place::first(name.unwrap_or_default()));
    };
    let invalid = || Refusal::new(400, "invalid_file_id", format!("Invalid startFileId: {id}"));
    let parts = ids::parse_file_id(id).ok_or_else(invalid)?;
    let uploaded = parts.uploaded.ok_or_else(invalid)?;
    let Some(name) = name else {
        return Err(Refusal::bad_request("startFileId requires startFileName"));
    };
    Ok(Place {
        name: name.to_owned(),
        uploaded,
        serial: parts.serial,
    })
}

fn read(
    call: &Call<'_>,
    bucket_id: &str,
    start: Place,
    all_versions: bool,
) -> Result<Page, Refusal> {
    let prefix = call.fields.string("prefix")?.unwrap_or_default();
    let query = Query {
        prefix,
        visible_prefix: visible_prefix(call, prefix)?,
        delimiter: call
            .fields
            .string("delimiter")?
            .filter(|delimiter| !delimiter.is_empty()),
        start,
        limit: call.count("maxFileCount", DEFAULT_COUNT, MAX_COUNT)?,
        all_versions,
        scan_limit: call.world.settings().listing_scan_limit,
    };
    let state = call.world.state();
    let contents = state
        .contents(bucket_id)
        .ok_or_else(|| Refusal::bad_bucket_id(bucket_id))?;
    Ok(page::read(&contents.versions, &query))
}

pub(crate) fn unfinished_large_files(call: &Call<'_>) -> Result<Value, Refusal> {
    let bucket_id = bucket_id(call)?;
    let prefix = call.fields.string("namePrefix")?.unwrap_or_default();
    let visible_prefix = visible_prefix(call, prefix)?;
    let count = call.count("maxFileCount", DEFAULT_COUNT, MAX_UNFINISHED)?;
    let start = match call.fields.string("startFileId")? {
        None => (0, String::new()),
        Some(id) => {
            let parts = ids::parse_file_id(id);
            let uploaded = parts.and_then(|parts| parts.uploaded);
            let invalid = || Refusal::bad_request(format!("Invalid startFileId: {id}"));
            (uploaded.ok_or_else(invalid)?, id.to_owned())
        }
    };
    let state = call.world.state();
    let contents = state
        .contents(bucket_id)
        .ok_or_else(|| Refusal::bad_bucket_id(bucket_id))?;
    let mut matching = contents
        .unfinished
        .range(start..)
        .filter_map(|(_, id)| state.file(id))
        .filter(|file| file.name.starts_with(prefix) && file.name.starts_with(visible_prefix));
    let shown = matching
        .by_ref()
        .take(count)
        .map(|file| render::started(call.view(), file));
    let files: Vec<Value> = shown.collect();
    let next = matching.next().map(|file| file.file_id());
    Ok(json!({ "files": files, "nextFileId": next, "nextFileName": null }))
}

/// Listings distinguish a malformed bucket id from an unknown one.
fn bucket_id<'c>(call: &'c Call<'_>) -> Result<&'c str, Refusal> {
    let id = call.bucket_id()?;
    if ids::is_bucket_id(id) {
        return Ok(id);
    }
    Err(Refusal::new(
        400,
        "invalid_bucket_id",
        format!("Invalid bucketId: {id}"),
    ))
}

/// A restricted key must ask for its own prefix or a longer one. In version 1, its listing is
/// filtered instead.
fn visible_prefix<'c>(call: &'c Call<'_>, asked: &str) -> Result<&'c str, Refusal> {
    if call.version > 1 {
        call.caller.require_name(asked)?;
    }
    Ok(call.caller.name_prefix())
}
