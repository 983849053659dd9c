//! The methods of the store, each of which is one script.
//!
//! All but `put_upload_url` may be sent twice. What makes that harmless:
//!
//! | method | the second time |
//! | --- | --- |
//! | `begin_refresh` | finds a lease with its own number, which was drawn before the first time |
//! | `save_auth` | finds its own identity and generation, and saves them again |
//! | `take_upload_url` | takes another URL; the first one is lost |
//! | `renew_lease`, `abandon_refresh` | do nothing to a lease that is no longer theirs |
//! | the others | write what is already there |
//!
//! What is kept in this process is only the authorization that was read last, to save sending it
//! again: the script `AUTH` tells whether its generation is still the one that is held. The memory
//! that answers without asking is in front of this store (`cached`).
//!
//! `put_upload_url` is sent once, because a URL that was put by the first request may have been
//! taken by the time of the second, and would be handed out twice. If its answer is lost, it fails
//! and the caller drops the URL.
//!
//! Each method is one script and one round trip. Times of leases are the server's, so that the
//! clocks of the machines of a fleet do not matter. The ages of upload URLs are compared by this
//! machine's clock, with five minutes to spare.
//!
//! | key | of |
//! | --- | --- |
//! | `b2:{NAME}:auth`, `:lease`, `:names`, `:ids`, `:seq` | the account info |
//! | `b2:{NAME}:pool:b:ID` | the upload URLs of a bucket |
//! | `b2:{NAME}:pool:f:ID` | those of a large file |
//!
//! The keys and the arguments of each script, in the order in which it expects them; `scripts.rs`
//! says what each is. Pools end with the server's run, which is added to every request about them.
//!
//! | method | keys | arguments |
//! | --- | --- | --- |
//! | `auth` | auth | known generation |
//! | `is_logged_out` | auth | none |
//! | `begin_refresh` | auth, lease | moved, stale generation, ticket, lease |
//! | `renew_lease` | lease | moved, ticket, lease |
//! | `abandon_refresh` | lease | ticket |
//! | `save_auth` | auth, names, ids, lease | whether there is a ticket, its identity, identity, generation, JSON, epoch, names and ids |
//! | `clear` | auth, names, ids, lease | epoch |
//! | `bucket_id`, `bucket_name` | auth, and names or ids | owner, name or id |
//! | `buckets` | auth, names | owner |
//! | `save_bucket` | auth, names, ids | owner, name, id |
//! | `remove_bucket` | auth, names, ids, pool | owner, id |
//! | `replace_buckets` | auth, names, ids | owner, names and ids |
//! | `take_upload_url` | auth, pool | owner, oldest and newest time of receipt, run |
//! | `put_upload_url` | auth, pool, seq | owner, received, URL and token, size, lifetime, run |
//! | `drop_upload_urls` | auth, pool | owner |
//!
//! Locks of this process: only that of `last`, which is never held while the server is asked. Two
//! threads that read at the same time may therefore both receive the text, which does no harm.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{FromRedisValue as _, Script, ScriptInvocation, Value};

use super::methods::{Reply, Scripts};
use super::server::{Repeat, Server};
use crate::account_info::fleet::random;
use crate::account_info::sealing::Sealing;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::{StoreContext as _, StoreError};
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;
use crate::model::time::Timestamp;

/// The store behind the memory: it asks the server at each call.
#[derive(Debug)]
pub(super) struct RedisStore {
    /// Carries scripts out.
    server: Server,
    /// What all keys begin with.
    prefix: String,
    /// Made once, because their hashes are computed.
    scripts: Scripts,
    /// Writes and reads what is secret.
    pub(super) sealing: Sealing,
    /// How many upload URLs one target keeps.
    pub(super) pool_size: usize,
    /// By which upload URLs age. Tests move it, and with it the time of leases.
    pub(super) clock: Clock,
    /// What was read last: as long as the server holds that, it sends nothing.
    last: Mutex<Option<Arc<AuthSnapshot>>>,
}

/// What the methods of the trait have in common: running a script, and reading what it returned.
impl RedisStore {
    /// Nothing is sent. The caller has checked the name, which has no braces.
    pub(super) fn new(
        server: Server,
        account: &str,
        sealing: Sealing,
        pool_size: usize,
        clock: Clock,
    ) -> Self {
        Self {
            server,
            prefix: format!("b2:{{{account}}}:"),
            scripts: Scripts::new(),
            sealing,
            pool_size,
            clock,
            last: Mutex::default(),
        }
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Runs a script on keys of this account info.
    ///
    /// The keys are given without the prefix. Fails with `superseded` if the script says so.
    fn run(
        &self,
        script: &Script,
        repeat: Repeat,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Reply, StoreError> {
        let invocation = self.invocation(script, keys, arguments);
        let values = self.server.request(repeat, |connection| {
            invocation.invoke(&mut connection.connection)
        })?;
        Self::reply(values)
    }

    /// Runs a script about a pool of upload URLs, whose last argument is the server's run: URLs
    /// that were put into another run are not handed out, because that run may have lost that they
    /// were taken.
    ///
    /// The run is that of the connection that is used, so a request that is repeated on a new one
    /// has the new one's.
    fn run_on_pool(
        &self,
        script: &Script,
        repeat: Repeat,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Reply, StoreError> {
        let values = self.server.request(repeat, |connection| {
            let mut invocation = self.invocation(script, keys, arguments);
            invocation.arg(&connection.run);
            invocation.invoke(&mut connection.connection)
        })?;
        Self::reply(values)
    }

    /// A script with its keys, which get the prefix, and its arguments.
    ///
    /// Every key that the script uses has to be among them: a cluster refuses others.
    fn invocation<'a>(
        &self,
        script: &'a Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(format!("{}{key}", self.prefix));
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        invocation
    }

    /// Reads what a script returned: a word, and what it belongs to. `superseded` becomes the
    /// error.
    ///
    /// An answer without a word has an empty status, which the callers take for nothing found, or
    /// for a lease that is held.
    fn reply(values: Vec<Value>) -> Result<Reply, StoreError> {
        let mut values = values.into_iter();
        let status = values.next().map(String::from_redis_value);
        let status = status
            .transpose()
            .map_err(|_| StoreError::new("the Redis server's answer cannot be understood"))?
            .unwrap_or_default();
        if status == "superseded" {
            return Err(StoreError::superseded());
        }
        let rest = values.collect();
        Ok(Reply { status, rest })
    }

    /// Opens and reads a stored authorization, and remembers it.
    ///
    /// Fails if the text was sealed under another secret, or is not the JSON of an authorization.
    fn snapshot(&self, stored: &str) -> Result<Arc<AuthSnapshot>, StoreError> {
        let json = self.sealing.open("auth", stored)?;
        let snapshot = Arc::new(AuthSnapshot::from_json(&json)?);
        *self.last.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// How far tests have moved the clock, for the server's time.
    ///
    /// Milliseconds as text; `0` outside tests.
    fn moved(&self) -> String {
        self.clock.moved().as_millis().to_string()
    }
}

/// The key of a pool.
///
/// The letter keeps a bucket and a large file with one id apart.
fn pool(target: &UploadTarget) -> String {
    match target {
        UploadTarget::Bucket(id) => format!("pool:b:{id}"),
        UploadTarget::LargeFile(id) => format!("pool:f:{id}"),
    }
}

/// A generation as text.
///
/// Text, because keys and arguments of scripts are compared as text.
fn hex(generation: Generation) -> String {
    generation
        .as_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Each method is one script. None of them waits for another process, because the server runs
/// scripts one after the other.
impl AccountInfo for RedisStore {
    /// The authorization itself travels only if it is another one than the last.
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        let last = self.last.lock().clone();
        let known = last.as_deref().map(AuthSnapshot::generation).map(hex);
        let known = known.unwrap_or_default();
        let reply = self.run(&self.scripts.auth, Repeat::Yes, &["auth"], &[&known])?;
        match reply.status.as_str() {
            "known" => Ok(last),
            "auth" => self.snapshot(&reply.text(0)?).map(Some),
            _ => {
                *self.last.lock() = None;
                Ok(None)
            }
        }
    }

    /// A key that is missing was never there, or was lost with the server: that is no logout.
    fn is_logged_out(&self) -> Result<bool, StoreError> {
        let reply = self.run(&self.scripts.logged_out, Repeat::Yes, &["auth"], &[])?;
        Ok(reply.status == "logged_out")
    }

    /// For all machines together.
    fn pool_size(&self) -> usize {
        self.pool_size
    }

    /// The lease is drawn, or the answer is what is newer, or that somebody holds it. It ends by
    /// the server's time, and its key goes after twice its length.
    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        // Drawn before the first attempt: a second one finds its own lease.
        let number = random();
        let stale = stale.map(hex).unwrap_or_default();
        let (ticket, lease) = (number.to_string(), lease.as_millis().to_string());
        let reply = self.run(
            &self.scripts.begin,
            Repeat::Yes,
            &["auth", "lease"],
            &[&self.moved(), &stale, &ticket, &lease],
        )?;
        Ok(match reply.status.as_str() {
            "newer" => Refresh::Newer(self.snapshot(&reply.text(0)?)?),
            "lease" => {
                let identity = Identity::from_text(&reply.text(0)?);
                Refresh::Lease(RefreshTicket::new(number, identity))
            }
            _ => Refresh::Busy,
        })
    }

    /// A lease that another ticket has drawn since is left alone, because its number differs.
    ///
    /// If no lease has this number any more, nothing is changed and nothing is reported.
    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let (number, lease) = (ticket.number().to_string(), lease.as_millis().to_string());
        self.run(
            &self.scripts.renew,
            Repeat::Yes,
            &["lease"],
            &[&self.moved(), &number, &lease],
        )?;
        Ok(())
    }

    /// The authorization, the end of the lease and the buckets of a restricted key are one script.
    ///
    /// Fails with `superseded` if the ticket was drawn for another identity than the one held now,
    /// unless what is held is what was to be saved. Nothing is changed then.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let snapshot = Arc::new(AuthSnapshot::new(auth));
        let json = self.sealing.seal("auth", &self.sealing.json(&snapshot)?)?;
        let (has_ticket, drawn) = match &ticket {
            Some(ticket) => ("1", ticket.identity().map(ToString::to_string)),
            None => ("0", None),
        };
        let drawn = drawn.unwrap_or_default();
        let identity = snapshot.identity().to_string();
        let generation = hex(snapshot.generation());
        let epoch = format!("{:016x}", random());
        let mut arguments = vec![has_ticket, &drawn, &identity, &generation, &json, &epoch];
        for bucket in snapshot.auth().allowed.buckets.iter().flatten() {
            if let Some(name) = &bucket.name {
                arguments.extend([name.as_str(), bucket.id.as_str()]);
            }
        }
        let keys = ["auth", "names", "ids", "lease"];
        self.run(&self.scripts.save, Repeat::Yes, &keys, &arguments)?;
        *self.last.lock() = None;
        Ok(snapshot)
    }

    /// The next caller gets the lease at once.
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let number = ticket.number().to_string();
        self.run(&self.scripts.abandon, Repeat::Yes, &["lease"], &[&number])?;
        Ok(())
    }

    /// Authorization, buckets and lease go. Upload URLs stay, out of reach, until their keys
    /// expire: at most 23 hours after the last one was put.
    ///
    /// A second time it draws another epoch and finds nothing else to remove.
    fn clear(&self) -> Result<(), StoreError> {
        let epoch = format!("{:016x}", random());
        let keys = ["auth", "names", "ids", "lease"];
        self.run(&self.scripts.clear, Repeat::Yes, &keys, &[&epoch])?;
        *self.last.lock() = None;
        Ok(())
    }

    /// Looks the name up in `names`.
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        let owner = owner.to_string();
        let keys = ["auth", "names"];
        let reply = self.run(&self.scripts.look_up, Repeat::Yes, &keys, &[&owner, name])?;
        if reply.is_missing(0) {
            return Ok(None);
        }
        Ok(Some(reply.text(0)?.into()))
    }

    /// Looks the id up in `ids`.
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        let owner = owner.to_string();
        let keys = ["auth", "ids"];
        let arguments = [owner.as_str(), id.as_str()];
        let reply = self.run(&self.scripts.look_up, Repeat::Yes, &keys, &arguments)?;
        if reply.is_missing(0) {
            return Ok(None);
        }
        reply.text(0).map(Some)
    }

    /// The server returns them in no order; they are sorted here, by bytes.
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        let owner = owner.to_string();
        let keys = ["auth", "names"];
        let reply = self.run(&self.scripts.buckets, Repeat::Yes, &keys, &[&owner])?;
        let flat = reply.rest.first().map(Vec::<String>::from_redis_value_ref);
        let flat = flat
            .transpose()
            .map_err(|_| StoreError::new("the Redis server's answer cannot be understood"))?
            .unwrap_or_default();
        let mut buckets: Vec<(String, BucketId)> = flat
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].as_str().into()))
            .collect();
        buckets.sort();
        Ok(buckets)
    }

    /// Older entries of the name and of the id go in the same script.
    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        let owner = owner.to_string();
        let keys = ["auth", "names", "ids"];
        let arguments = [owner.as_str(), name, id.as_str()];
        self.run(&self.scripts.save_bucket, Repeat::Yes, &keys, &arguments)?;
        Ok(())
    }

    /// The bucket and its upload URLs go together.
    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        let owner = owner.to_string();
        let pool = pool(&UploadTarget::Bucket(id.clone()));
        let keys = ["auth", "names", "ids", &pool];
        let arguments = [owner.as_str(), id.as_str()];
        self.run(&self.scripts.remove_bucket, Repeat::Yes, &keys, &arguments)?;
        Ok(())
    }

    /// One script, so nobody sees a map that is empty in between. Of several entries of one name or
    /// id the last one stays.
    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        let owner = owner.to_string();
        let mut arguments = vec![owner.as_str()];
        for (name, id) in buckets {
            arguments.extend([name.as_str(), id.as_str()]);
        }
        let keys = ["auth", "names", "ids"];
        self.run(
            &self.scripts.replace_buckets,
            Repeat::Yes,
            &keys,
            &arguments,
        )?;
        Ok(())
    }

    /// The URL that was put last, of this epoch and this run of the server. Those that do not fit
    /// are removed on the way.
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        let owner = owner.to_string();
        let now = Timestamp::from(self.clock.now());
        let slack = i64::try_from(UploadUrl::CLOCK_SLACK.as_millis()).unwrap_or(i64::MAX);
        let after = now.earlier(UploadUrl::LIFETIME).as_millis().to_string();
        let until = now.as_millis().saturating_add(slack).to_string();
        let keys = ["auth", &pool(target)];
        let arguments = [owner.as_str(), &after, &until];
        // Whose answer is lost loses a URL, and never hands one out twice.
        let reply = self.run_on_pool(&self.scripts.take, Repeat::Yes, &keys, &arguments)?;
        if reply.status != "url" {
            return Ok(None);
        }
        let received = reply.text(0)?.parse().context("reading an upload URL")?;
        let (url, token): (String, String) = serde_json::from_str(&reply.text(1)?)
            .map_err(|_| StoreError::new("a stored upload URL cannot be read"))?;
        let token = self.sealing.open(&url, &token)?;
        Ok(Some(UploadUrl::new(
            url,
            token.into(),
            Timestamp::from_millis(received),
        )))
    }

    /// The oldest URLs beyond the size of the pool are removed in the same script, and the pool's
    /// key lives for another 23 hours.
    ///
    /// A connection that turns out to be closed makes the call fail; the URL is then lost, and
    /// another one costs a request of class A.
    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        let owner = owner.to_string();
        let token = self.sealing.seal(&url.url, url.token.expose())?;
        let stored = serde_json::to_string(&(&url.url, token)).context("writing an upload URL")?;
        let received = url.received.as_millis().to_string();
        let (size, lifetime) = (
            self.pool_size.to_string(),
            UploadUrl::LIFETIME.as_secs().to_string(),
        );
        let keys = ["auth", &pool(target), "seq"];
        let arguments = [owner.as_str(), &received, &stored, &size, &lifetime];
        self.run_on_pool(&self.scripts.put, Repeat::No, &keys, &arguments)?;
        Ok(())
    }

    /// The whole key goes, with URLs of older epochs.
    ///
    /// Dropping a pool that does not exist is no error.
    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        let owner = owner.to_string();
        let keys = ["auth", &pool(target)];
        self.run(&self.scripts.drop_pool, Repeat::Yes, &keys, &[&owner])?;
        Ok(())
    }
}
