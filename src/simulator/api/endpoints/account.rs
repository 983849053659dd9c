//! b2_authorize_account (docs/protocol.md, section 2.1): the same facts, nested differently in each
//! version of the API (docs/protocol.md, section 1.2).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::simulator::account::records::{AccountToken, Bucket, Change, Key, Record};
use crate::simulator::account::world::{TOKEN_LIFETIME_MILLIS, World};
use crate::simulator::api::auth::{self, Caller};
use crate::simulator::protocol::ids::{self, TokenKind};
use crate::simulator::protocol::message::{Reply, Request};
use crate::simulator::protocol::reply::{self, Refusal};

/// Only these refusals have `WWW-Authenticate`.
pub(crate) fn authorize(world: &World, request: &Request, version: u8) -> Reply {
    match try_authorize(world, request, version) {
        Ok(value) => reply::ok(&value),
        Err(refusal) => {
            let mut reply = refusal.into_reply();
            let realm = "BASIC realm=\"authorize_account\"";
            reply.headers.push(reply::header("WWW-Authenticate", realm));
            reply
        }
    }
}

fn try_authorize(world: &World, request: &Request, version: u8) -> Result<Value, Refusal> {
    let caller = auth::basic_caller(world, request)?;
    check_version(caller.key(), version)?;
    let now = world.clock().now_millis();
    let token = AccountToken {
        token: ids::token(&caller.key().id, TokenKind::Account),
        key_id: caller.key().id.clone(),
        expires: now.saturating_add(TOKEN_LIFETIME_MILLIS),
    };
    let text = token.token.clone();
    world.change(|_| Ok((vec![Change::Put(Record::AccountToken(token))], ())))?;
    let facts = Facts {
        world,
        caller: &caller,
        base: &request.base_url,
        token: &text,
    };
    Ok(match version {
        1 | 2 => facts.flat(version),
        3 => facts.grouped(facts.storage_api_v3()),
        _ => facts.grouped(facts.storage_api_v4()),
    })
}

/// A key for several buckets works with version 4 only.
fn check_version(key: &Key, version: u8) -> Result<(), Refusal> {
    if version < 4 && key.bucket_ids.as_ref().is_some_and(|ids| ids.len() > 1) {
        let message = "This application key is restricted to several buckets: use API version 4";
        return Err(Refusal::new(401, "unsupported", message));
    }
    Ok(())
}

struct Facts<'a> {
    world: &'a World,
    caller: &'a Caller,
    base: &'a str,
    token: &'a str,
}

impl Facts<'_> {
    /// The buckets of a restricted key. A deleted bucket keeps its id and has no name.
    fn buckets(&self) -> Option<Vec<(String, Option<String>)>> {
        let state = self.world.state();
        let named = |id: &String| {
            let bucket: Option<&Arc<Bucket>> = state.buckets.get(id.as_str());
            (id.clone(), bucket.map(|bucket| bucket.name.clone()))
        };
        self.caller
            .key()
            .bucket_ids
            .as_ref()
            .map(|ids| ids.iter().map(named).collect())
    }

    fn flat(&self, version: u8) -> Value {
        let key = self.caller.key();
        let (bucket_id, bucket_name) = self.only_bucket();
        let settings = self.world.settings();
        let mut answer = json!({
            "absoluteMinimumPartSize": settings.absolute_minimum_part_size,
            "accountId": self.world.account_id(),
            "allowed": {
                "bucketId": bucket_id,
                "bucketName": bucket_name,
                "capabilities": key.capabilities,
                "namePrefix": key.name_prefix,
            },
            "apiUrl": self.base,
            "authorizationToken": self.token,
            "downloadUrl": self.base,
            "recommendedPartSize": settings.recommended_part_size,
            "s3ApiUrl": self.base,
        });
        if version == 1 {
            answer["minimumPartSize"] = json!(settings.recommended_part_size);
        }
        answer
    }

    fn grouped(&self, storage_api: Value) -> Value {
        json!({
            "accountId": self.world.account_id(),
            "apiInfo": { "storageApi": storage_api },
            "applicationKeyExpirationTimestamp": self.caller.key().expires,
            "authorizationToken": self.token,
        })
    }

    fn storage_api_v3(&self) -> Value {
        let key = self.caller.key();
        let (bucket_id, bucket_name) = self.only_bucket();
        let mut api = self.storage_api();
        api["bucketId"] = json!(bucket_id);
        api["bucketName"] = json!(bucket_name);
        api["capabilities"] = json!(key.capabilities);
        api["infoType"] = json!("storageApi");
        api["namePrefix"] = json!(key.name_prefix);
        api
    }

    fn storage_api_v4(&self) -> Value {
        let key = self.caller.key();
        let buckets = self.buckets().map(|buckets| {
            let shown = buckets
                .iter()
                .map(|(id, name)| json!({ "id": id, "name": name }));
            shown.collect::<Vec<Value>>()
        });
        let mut api = self.storage_api();
        api["allowed"] = json!({
            "buckets": buckets,
            "capabilities": key.capabilities,
            "namePrefix": key.name_prefix,
        });
        api
    }

    fn storage_api(&self) -> Value {
        let settings = self.world.settings();
        json!({
            "absoluteMinimumPartSize": settings.absolute_minimum_part_size,
            "apiUrl": self.base,
            "downloadUrl": self.base,
            "recommendedPartSize": settings.recommended_part_size,
            "s3ApiUrl": self.base,
        })
    }

    fn only_bucket(&self) -> (Option<String>, Option<String>) {
        let first = self
            .buckets()
            .and_then(|buckets| buckets.into_iter().next());
        first.map_or((None, None), |(id, name)| (Some(id), name))
    }
}
