//! The caller of a request and its permissions: tokens, capabilities, and the restrictions of keys
//! to buckets and names (docs/protocol.md, sections 2.0 and 10.2).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::simulator::account::records::{DownloadToken, Key, UploadUrl};
use crate::simulator::account::state::State;
use crate::simulator::account::world::World;
use crate::simulator::protocol::message::Request;
use crate::simulator::protocol::reply::Refusal;

/// The key of a request. It may have been deleted since.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    key: Arc<Key>,
}

impl Caller {
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn may(&self, capability: &str) -> bool {
        self.key.capabilities.iter().any(|held| held == capability)
    }

    pub(crate) fn require(&self, capability: &str) -> Result<(), Refusal> {
        allow(self.may(capability))
    }

    pub(crate) fn is_restricted_to_buckets(&self) -> bool {
        self.key.bucket_ids.is_some()
    }

    pub(crate) fn reaches_bucket(&self, id: &str) -> bool {
        self.key
            .bucket_ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|allowed| allowed == id))
    }

    pub(crate) fn require_bucket(&self, id: &str) -> Result<(), Refusal> {
        allow(self.reaches_bucket(id))
    }

    /// The prefix that every name must have; empty for keys without that restriction.
    pub(crate) fn name_prefix(&self) -> &str {
        self.key.name_prefix.as_deref().unwrap_or_default()
    }

    /// For file names, and for the prefixes that listings and download authorizations ask for.
    pub(crate) fn require_name(&self, name: &str) -> Result<(), Refusal> {
        allow(name.starts_with(self.name_prefix()))
    }
}

fn allow(is_allowed: bool) -> Result<(), Refusal> {
    if is_allowed {
        Ok(())
    } else {
        Err(Refusal::unauthorized())
    }
}

/// The caller of a JSON endpoint.
pub(crate) fn caller(world: &World, request: &Request) -> Result<Caller, Refusal> {
    account_caller(&world.state(), world, required_token(request)?)
}

/// The caller with this account token.
pub(crate) fn account_caller(state: &State, world: &World, token: &str) -> Result<Caller, Refusal> {
    let now = world.clock().now_millis();
    let known = state
        .account_tokens
        .get(token)
        .ok_or_else(Refusal::bad_auth_token)?;
    live_caller(state, &known.key_id, known.expires, now)
}

/// The upload URL that this request was sent to, with the caller it was made for. A token opens
/// only the URL that it came with.
pub(crate) fn upload_caller(
    world: &World,
    request: &Request,
) -> Result<(UploadUrl, Caller), Refusal> {
    let token = required_token(request)?;
    let state = world.state();
    let url = state
        .upload_urls
        .get(token)
        .filter(|url| *url.path == request.path)
        .ok_or_else(Refusal::bad_auth_token)?;
    let url = url.as_ref().clone();
    let now = world.clock().now_millis();
    let caller = live_caller(&state, &url.key_id, url.expires, now)?;
    caller.require("writeFiles")?;
    Ok((url, caller))
}

/// What a token that came with a download stands for.
#[derive(Debug)]
pub(crate) enum DownloadCaller {
    Account(Caller),
    Token(DownloadToken),
}

pub(crate) fn download_caller(
    state: &State,
    world: &World,
    token: &str,
) -> Result<DownloadCaller, Refusal> {
    let Some(known) = state.download_tokens.get(token) else {
        return account_caller(state, world, token).map(DownloadCaller::Account);
    };
    live_caller(
        state,
        &known.key_id,
        known.expires,
        world.clock().now_millis(),
    )?;
    Ok(DownloadCaller::Token(known.as_ref().clone()))
}

/// Whoever acts with this key, if it is there and has not expired.
pub(crate) fn key_caller(state: &State, world: &World, key_id: &str) -> Result<Caller, Refusal> {
    live_caller(state, key_id, u64::MAX, world.clock().now_millis())
}

/// Tokens die with their key (docs/protocol.md, section 2.1).
fn live_caller(state: &State, key_id: &str, expires: u64, now: u64) -> Result<Caller, Refusal> {
    let key = state.keys.get(key_id).ok_or_else(Refusal::bad_auth_token)?;
    if now >= expires || is_expired(key, now) {
        return Err(Refusal::expired_auth_token());
    }
    Ok(Caller {
        key: Arc::clone(key),
    })
}

fn is_expired(key: &Key, now: u64) -> bool {
    key.expires.is_some_and(|expires| now >= expires)
}

fn required_token(request: &Request) -> Result<&str, Refusal> {
    if !request
        .headers
        .iter()
        .any(|(name, _)| name == "authorization")
    {
        let message = "Authorization token is missing";
        return Err(Refusal::new(401, "missing_auth_token", message));
    }
    request
        .header("authorization")
        .ok_or_else(Refusal::bad_auth_token)
}

/// The key that Basic authorization names. Malformed is `bad_auth_token`, wrong is
/// `unauthorized`, both without a message (docs/protocol.md, sections 2.1 and 12 #5).
pub(crate) fn basic_caller(world: &World, request: &Request) -> Result<Caller, Refusal> {
    let malformed = || Refusal::new(401, "bad_auth_token", "");
    let (id, secret) = basic_credentials(request).ok_or_else(malformed)?;
    let state = world.state();
    let key = if id == world.account_id() {
        state.keys.values().find(|key| key.is_master)
    } else {
        state.keys.get(&id)
    };
    let now = world.clock().now_millis();
    match key {
        Some(key) if key.secret == secret && !is_expired(key, now) => Ok(Caller {
            key: Arc::clone(key),
        }),
        _ => Err(Refusal::unauthorized()),
    }
}

fn basic_credentials(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = request.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
