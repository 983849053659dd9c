//! The floor of a listing: it decodes the names alone, or all members of each row into memory of their own, so that what
//! decoding costs can be told from what this crate adds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::floor::Client;
use crate::server::LISTED;
use crate::task::Listing;

/// A page of a listing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<R> {
    files: Vec<R>,
    next_file_name: Option<String>,
}

/// A row of a listing.
trait Named<'a>: Deserialize<'a> {
    fn name(&self) -> &str;
}

/// A row of which the name is decoded where it arrived.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "fileName")]
    name: Cow<'a, str>,
}

impl<'a> Named<'a> for Row<'a> {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A row of which all members are decoded, as `serde` derives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "decoding them is what is measured")]
struct FullRow {
    account_id: String,
    action: String,
    bucket_id: String,
    content_length: u64,
    content_md5: Option<String>,
    content_sha1: Option<String>,
    content_type: Option<String>,
    file_id: String,
    file_info: BTreeMap<String, String>,
    file_name: String,
    file_retention: Setting<Retention>,
    legal_hold: Setting<String>,
    server_side_encryption: Encryption,
    upload_timestamp: i64,
}

impl Named<'_> for FullRow {
    fn name(&self) -> &str {
        &self.file_name
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "decoding them is what is measured")]
struct Setting<T> {
    is_client_authorized_to_read: bool,
    value: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "decoding them is what is measured")]
struct Retention {
    mode: Option<String>,
    retain_until_timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding them is what is measured")]
struct Encryption {
    algorithm: Option<String>,
    mode: Option<String>,
}

pub(super) fn list(realm: &str, names: usize, page: usize, how: Listing) -> Result<()> {
    let mut client = Client::connect(realm)?;
    let (mut listed, mut start) = (0, None);
    loop {
        let request = json!({
            "bucketId": "b",
            "prefix": LISTED,
            "startFileName": start,
            "maxFileCount": page,
        });
        let answer = client.call("b2_list_file_names", &request)?;
        let (found, next) = match how {
            Listing::AllMembers => read_page::<FullRow>(&answer)?,
            Listing::OnDemand | Listing::Ahead => read_page::<Row<'_>>(&answer)?,
        };
        listed += found;
        start = next;
        if start.is_none() {
            ensure!(listed == names, "{listed} names");
            return Ok(());
        }
    }
}

/// The number of names that are wanted in a page, and where the next one starts.
fn read_page<'a, R: Named<'a>>(answer: &'a [u8]) -> Result<(usize, Option<String>)> {
    let page: Page<R> = serde_json::from_slice(answer)?;
    let wanted = page
        .files
        .iter()
        .filter(|row| row.name().starts_with(LISTED));
    Ok((wanted.count(), page.next_file_name))
}
