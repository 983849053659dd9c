//! The endpoints of the native API, one module per family, and what the JSON ones share.

use super::auth::Caller;
use super::decode;
use super::ids;
use super::json::Fields;
use super::message::Request;
use super::records::{Bucket, Version};
use super::render::View;
use super::reply::Refusal;
use super::state::State;
use super::world::World;

pub(super) mod account;
mod bucket_rules;
pub(super) mod buckets;
pub(super) mod copy;
pub(super) mod download;
pub(super) mod files;
pub(super) mod keys;
pub(super) mod large;
pub(super) mod listing;
pub(super) mod locks;
pub(super) mod notifications;
mod replication;
pub(super) mod upload;

/// File name and file info as header bytes (docs/protocol.md, section 4.3).
const MAX_INFO_SIZE: usize = 7000;
/// The same, for files whose upload asks for encryption.
pub(super) const MAX_INFO_SIZE_ENCRYPTED: usize = 2048;

/// A JSON call whose token and capability are already found good.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) world: &'a World,
    pub(super) request: &'a Request,
    pub(super) version: u8,
    pub(super) caller: Caller,
    pub(super) fields: Fields,
}

impl Call<'_> {
    fn view(&self) -> View<'_> {
        View {
            account_id: self.world.account_id(),
            caller: &self.caller,
            version: self.version,
        }
    }

    /// Calls that name an account must name the token's own.
    fn check_account(&self) -> Result<(), Refusal> {
        if self.fields.required_string("accountId")? == self.world.account_id() {
            return Ok(());
        }
        Err(Refusal::unauthorized())
    }

    /// The bucket that the call names, which its key must reach.
    fn bucket_id(&self) -> Result<&str, Refusal> {
        let id = self.fields.required_string("bucketId")?;
        self.caller.require_bucket(id)?;
        Ok(id)
    }

    /// The file that the call names in this field, well-formed and in a bucket which its key
    /// reaches.
    fn file_id(&self, field: &str) -> Result<&str, Refusal> {
        let id = self.fields.required_string(field)?;
        let parts = ids::parse_file_id(id)
            .ok_or_else(|| Refusal::bad_request(format!("Invalid {field}: {id}")))?;
        self.caller.require_bucket(parts.bucket_id)?;
        Ok(id)
    }

    /// The unfinished large file with this id; names restrict parts as they restrict files.
    fn unfinished<'s>(&self, state: &'s State, id: &str) -> Result<&'s Version, Refusal> {
        let version = state.unfinished(id)?;
        self.caller.require_name(&version.name)?;
        Ok(version)
    }

    fn now(&self) -> u64 {
        self.world.clock().now_millis()
    }
}

/// The limit of file name and info as header bytes (docs/protocol.md, section 4.3):
/// `asks_encryption` is whether the request asks for encryption, which a bucket's default is not.
fn info_limit(asks_encryption: bool, bucket: &Bucket) -> usize {
    if asks_encryption || bucket.is_lock_enabled {
        MAX_INFO_SIZE_ENCRYPTED
    } else {
        MAX_INFO_SIZE
    }
}

/// A custom upload timestamp as it was sent, if it may be used: the account must have them, and
/// the future is not allowed.
fn custom_timestamp(world: &World, text: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    if !world.settings().custom_timestamps {
        let message = "Custom upload timestamps are not allowed";
        return Err(Refusal::new(400, "custom_timestamp_not_allowed", message));
    }
    decode::decimal(text)
        .filter(|millis| *millis <= world.clock().now_millis())
        .map(Some)
        .ok_or_else(|| {
            let message = format!("Invalid custom upload timestamp: {text}");
            Refusal::new(400, "custom_timestamp_invalid", message)
        })
}
