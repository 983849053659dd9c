//! Application keys that a test creates directly.

use std::fmt;
use std::io;
use std::time::Duration;

use super::account::world::World;

/// The settings of a new application key. See
/// [`Simulator::create_key`](super::Simulator::create_key).
///
/// The settings are not checked, so keys can be created that the service created years ago and
/// would refuse today.
#[derive(Debug, Clone)]
#[must_use = "give it to `Simulator::create_key`"]
pub struct KeyRequest {
    name: String,
    capabilities: Vec<String>,
    buckets: Vec<String>,
    name_prefix: Option<String>,
    valid_for: Option<Duration>,
}

impl KeyRequest {
    /// Returns settings for a key with these capabilities (`"readFiles"`, ...) in all buckets.
    pub fn new<C: Into<String>>(capabilities: impl IntoIterator<Item = C>) -> Self {
        Self {
            name: "simulator".to_owned(),
            capabilities: capabilities.into_iter().map(Into::into).collect(),
            buckets: Vec::new(),
            name_prefix: None,
            valid_for: None,
        }
    }

    /// Sets the name of the key.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Restricts the key to this bucket. Further calls add buckets.
    pub fn bucket(mut self, name: &str) -> Self {
        self.buckets.push(name.to_owned());
        self
    }

    /// Restricts the key to files whose names begin with this prefix.
    pub fn name_prefix(mut self, prefix: &str) -> Self {
        self.name_prefix = Some(prefix.to_owned());
        self
    }

    /// Sets the time after which the key expires, in whole seconds.
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time);
        self
    }

    pub(super) fn create(self, world: &World) -> io::Result<NewKey> {
        let ids: Vec<String> = self
            .buckets
            .iter()
            .map(|name| bucket_id(world, name))
            .collect::<io::Result<_>>()?;
        let capabilities: Vec<&str> = self.capabilities.iter().map(String::as_str).collect();
        let (id, key) = world.create_key(
            &self.name,
            &capabilities,
            Some(ids).filter(|ids| !ids.is_empty()),
            self.name_prefix,
            self.valid_for.map(|time| time.as_secs()),
        )?;
        Ok(NewKey { id, key })
    }
}

fn bucket_id(world: &World, name: &str) -> io::Result<String> {
    let state = world.state();
    let bucket = state.bucket_by_name(name);
    bucket.map(|bucket| bucket.id.to_string()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no bucket is named {name}"),
        )
    })
}

/// A new application key.
#[derive(Clone)]
pub struct NewKey {
    id: String,
    key: String,
}

impl NewKey {
    /// Returns the id of the key.
    #[must_use]
    pub fn application_key_id(&self) -> &str {
        &self.id
    }

    /// Returns the secret.
    #[must_use]
    pub fn application_key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
