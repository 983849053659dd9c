//! The scripts of the methods, ready to be sent, and what they return.

use redis::{FromRedisValue as _, Script, Value};

use super::scripts;
use crate::error::StoreError;

/// The scripts of the methods, with their hashes: a script is sent by its hash, and in full only to
/// a server that does not know it.
///
/// The methods that they belong to have their names, but for `look_up`, which finds a bucket by its
/// name or by its id.
#[derive(Debug)]
pub(super) struct Scripts {
    /// `scripts::AUTH`.
    pub(super) auth: Script,
    /// Tells whether somebody logged out.
    pub(super) logged_out: Script,
    /// Draws the lease.
    pub(super) begin: Script,
    /// Extends the lease of a ticket.
    pub(super) renew: Script,
    /// Ends the lease of a ticket.
    pub(super) abandon: Script,
    /// Stores an authorization.
    pub(super) save: Script,
    /// Logs out.
    pub(super) clear: Script,
    /// Finds an entry of `names` or `ids`.
    pub(super) look_up: Script,
    /// Returns all of `names`.
    pub(super) buckets: Script,
    /// Names one bucket.
    pub(super) save_bucket: Script,
    /// Forgets one bucket and its pool.
    pub(super) remove_bucket: Script,
    /// Names all buckets, and no others.
    pub(super) replace_buckets: Script,
    /// Takes an upload URL.
    pub(super) take: Script,
    /// Puts an upload URL.
    pub(super) put: Script,
    /// Forgets a pool.
    pub(super) drop_pool: Script,
}

impl Scripts {
    /// Computes the hashes of all scripts.
    pub(super) fn new() -> Self {
        let script = |code: String| Script::new(&code);
        Self {
            auth: Script::new(scripts::AUTH),
            logged_out: Script::new(scripts::LOGGED_OUT),
            begin: script(scripts::begin()),
            renew: script(scripts::renew()),
            abandon: Script::new(scripts::ABANDON),
            save: script(scripts::save()),
            clear: Script::new(scripts::CLEAR),
            look_up: script(scripts::look_up()),
            buckets: script(scripts::buckets()),
            save_bucket: script(scripts::save_bucket()),
            remove_bucket: script(scripts::remove_bucket()),
            replace_buckets: script(scripts::replace_buckets()),
            take: script(scripts::take()),
            put: script(scripts::put()),
            drop_pool: script(scripts::drop_pool()),
        }
    }
}

/// What a script returned.
pub(super) struct Reply {
    /// The word that tells what the rest is.
    pub(super) status: String,
    /// What follows the word.
    pub(super) rest: Vec<Value>,
}

/// Reading never panics, whatever the server answered.
impl Reply {
    /// A value of the reply as text; empty if it is missing.
    ///
    /// Fails if it is not text, with a lasting error that does not quote it.
    pub(super) fn text(&self, at: usize) -> Result<String, StoreError> {
        match self.rest.get(at) {
            Some(value) => String::from_redis_value_ref(value)
                .map_err(|_| StoreError::new("the Redis server's answer cannot be understood")),
            None => Ok(String::new()),
        }
    }

    /// Whether a value of the reply is missing or nil.
    ///
    /// A script answers nil for what a hash does not have.
    pub(super) fn is_missing(&self, at: usize) -> bool {
        matches!(self.rest.get(at), None | Some(Value::Nil))
    }
}
