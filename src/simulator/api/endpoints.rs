//! The endpoints of the native API, one module per family, and what the JSON ones share.

use crate::simulator::account::records::{Bucket, Version};
use crate::simulator::account::state::State;
use crate::simulator::account::world::World;
use crate::simulator::api::auth::Caller;
use crate::simulator::api::view::View;
use crate::simulator::protocol::decode;
use crate::simulator::protocol::ids;
use crate::simulator::protocol::json::Fields;
use crate::simulator::protocol::message::Request;
use crate::simulator::protocol::names;
use crate::simulator::protocol::reply::Refusal;

pub(crate) mod account;
mod bucket_rules;
pub(crate) mod buckets;
pub(crate) mod copy;
pub(crate) mod download;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod large;
pub(crate) mod listing;
pub(crate) mod locks;
pub(crate) mod notifications;
mod replication;
pub(crate) mod upload;

/// A JSON call whose token and capability are already found good.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) request: &'a Request,
    pub(crate) version: u8,
    pub(crate) caller: Caller,
    pub(crate) fields: Fields,
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

    /// Returns how many rows a listing has: the number in this field, but at most the simulator's
    /// limit.
    fn count(&self, field: &str, default: usize, max: usize) -> Result<usize, Refusal> {
        let count = self.fields.count(field, default, max)?;
        Ok(count.min(self.world.settings().max_rows))
    }

    fn now(&self) -> u64 {
        self.world.clock().now_millis()
    }
}

/// The limit of file name and info as header bytes (docs/protocol.md, section 4.3):
/// `asks_encryption` is whether the request asks for encryption, which a bucket's default is not.
fn info_limit(asks_encryption: bool, bucket: &Bucket) -> usize {
    if asks_encryption || bucket.is_lock_enabled {
        names::MAX_INFO_SIZE_ENCRYPTED
    } else {
        names::MAX_INFO_SIZE
    }
}

/// Returns a custom upload timestamp, if the account may use one. It must not be in the future.
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
