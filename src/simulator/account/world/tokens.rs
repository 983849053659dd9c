//! Keys and tokens as a test, or the program around the simulator, changes them without a request, and
//! the removal of tokens that nobody can use any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{EXPIRED_MILLIS, World};
use crate::simulator::account::keyring;
use crate::simulator::account::records::{AccountToken, Change, Key, Kind, Record};

/// Fewer tokens than these are not searched for stale ones.
pub(super) const FEW_TOKENS: usize = 1024;

impl World {
    /// Key id and key of the master key.
    pub(crate) fn master_key(&self) -> (String, String) {
        let state = self.state();
        let master = state.keys.values().find(|key| key.is_master);
        master
            .map(|key| (key.id.clone(), key.secret.clone()))
            .unwrap_or_default()
    }

    /// Creates an application key without a request, and returns its id and secret. Nothing is
    /// checked, so it can also create keys that the service no longer creates.
    pub(crate) fn create_key(
        &self,
        name: &str,
        capabilities: &[&str],
        bucket_ids: Option<Vec<String>>,
        name_prefix: Option<String>,
        valid_seconds: Option<u64>,
    ) -> io::Result<(String, String)> {
        let settings = keyring::KeySettings {
            name: name.to_owned(),
            capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
            bucket_ids,
            name_prefix,
            valid_seconds,
        };
        let now = self.clock.now_millis();
        let key = self.change(|state| Ok(keyring::make(state, &self.account_id, now, settings)));
        key.map(|key| (key.id.clone(), key.secret.clone()))
            .map_err(|r| io::Error::other(r.message))
    }

    /// Expires every account token issued so far: they are answered with 401 `expired_auth_token`.
    pub(crate) fn expire_tokens(&self) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.change_tokens(|token| {
            Change::Put(Record::AccountToken(AccountToken {
                expires: now.min(token.expires),
                ..token.clone()
            }))
        })
    }

    /// Expires this account token: it is answered with 401 `expired_auth_token`.
    pub(crate) fn expire_token(&self, token: &str) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.apply(|state| {
            let known = state.account_tokens.get(token);
            let expired = known.map(|known| AccountToken {
                expires: now,
                ..known.clone()
            });
            let changes = expired.map(|token| Change::Put(Record::AccountToken(token)));
            changes.into_iter().collect()
        })
    }

    /// Revokes every account token issued so far: they are answered with 401 `bad_auth_token`.
    pub(crate) fn revoke_tokens(&self) -> io::Result<()> {
        self.change_tokens(|token| Change::Remove(Kind::AccountToken, token.token.clone()))
    }

    fn change_tokens(&self, change: impl Fn(&AccountToken) -> Change) -> io::Result<()> {
        self.apply(|state| state.account_tokens.values().map(change).collect())
    }

    /// Invalidates every upload URL handed out so far.
    pub(crate) fn drop_upload_urls(&self) -> io::Result<()> {
        self.apply(|state| {
            let tokens = state.upload_urls.keys();
            tokens
                .map(|token| Change::Remove(Kind::UploadUrl, token.to_string()))
                .collect()
        })
    }

    /// Expires this key and its tokens.
    pub(crate) fn expire_key(&self, id: &str) -> io::Result<()> {
        let now = self.clock.now_millis();
        self.change_key(id, |key| {
            Change::Put(Record::Key(Arc::new(Key {
                expires: Some(now),
                ..key.clone()
            })))
        })
    }

    /// Deletes this key.
    pub(crate) fn delete_key(&self, id: &str) -> io::Result<()> {
        self.change_key(id, |key| Change::Remove(Kind::Key, key.id.clone()))
    }

    /// The master key stays as it is.
    fn change_key(&self, id: &str, change: impl FnOnce(&Key) -> Change) -> io::Result<()> {
        let is_there = self.change(|state| {
            let key = state.keys.get(id).filter(|key| !key.is_master);
            let changes: Vec<Change> = key.map(|key| change(key)).into_iter().collect();
            let is_there = !changes.is_empty();
            Ok((changes, is_there))
        });
        match is_there {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no application key has the id {id}"),
            )),
            Err(refusal) => Err(io::Error::other(refusal.message)),
        }
    }

    /// Removes account tokens and upload URLs that expired more than an hour ago, and download
    /// authorizations that are no longer known as expired.
    pub(super) fn forget_stale_tokens(&self) -> io::Result<()> {
        let now = self.clock.now_millis();
        let is_stale = |expires: u64| expires.saturating_add(EXPIRED_MILLIS) < now;
        self.apply(|state| {
            let account = state
                .account_tokens
                .values()
                .filter(|t| is_stale(t.expires));
            let upload = state.upload_urls.values().filter(|t| is_stale(t.expires));
            let download = state
                .download_tokens
                .values()
                .filter(|t| t.known_until.max(t.expires) < now);
            account
                .map(|t| Change::Remove(Kind::AccountToken, t.token.clone()))
                .chain(upload.map(|t| Change::Remove(Kind::UploadUrl, t.token.to_string())))
                .chain(download.map(|t| Change::Remove(Kind::DownloadToken, t.token.to_string())))
                .collect()
        })
    }

    /// Removes stale tokens, and sets the numbers of tokens at which that happens again: twice the
    /// number that is left of each kind. So tokens take at most twice the memory that is needed, and
    /// each is looked at only a few times.
    pub(super) fn look_for_stale_tokens(&self) -> io::Result<()> {
        self.forget_stale_tokens()?;
        let left = self.state().count_tokens();
        for (left, next) in left.into_iter().zip(&self.next_look) {
            next.store(left.saturating_mul(2).max(FEW_TOKENS), Ordering::Relaxed);
        }
        Ok(())
    }
}
