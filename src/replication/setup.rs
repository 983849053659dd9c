//! Setting up replication: the order of requests stands in `replication`.

use crate::bucket::Bucket;
use crate::bucket::settings::UpdateBucketOptions;
use crate::error::{Error, Result};
use crate::model::bucket::BucketDetails;
use crate::model::id::{ApplicationKeyId, BucketId};
use crate::model::replication::{ReplicationConfiguration, ReplicationRule};
use crate::replication::keys::KeyRequirements;
use crate::replication::options::SetupOptions;
use crate::replication::plan;

/// How often to begin again when somebody else configures the source bucket at the same time.
const TRIES: u32 = 3;

/// A replication as [`set_up`] or [`set_up_with`] leaves it: its rule, its keys, and both buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// The rule of the source bucket, which a [`Monitor`](crate::replication::Monitor) takes.
    pub rule: ReplicationRule,
    /// The id of the key with which the service reads the source bucket's files. Deleting the key ends the
    /// replication.
    pub source_key: ApplicationKeyId,
    /// The id of the key with which the service writes into the destination bucket. Deleting the key ends the
    /// replication.
    pub destination_key: ApplicationKeyId,
    /// The settings of the source bucket after the call, with the new rule.
    pub source: BucketDetails,
    /// The settings of the destination bucket after the call, with the keys that it accepts.
    pub destination: BucketDetails,
}

/// Replicates all new files of one bucket into another one: creates an application key for each bucket, tells
/// the destination to accept what is read with the source's key, and gives the source a rule. The buckets may
/// belong to two accounts, each being got from a `B2Api` of its own.
///
/// From then on the service replicates by itself; no program has to run. Files that exist already are not
/// replicated: [`SetupOptions::include_existing_files`] asks for that. The requests are billed in class C,
/// about ten of them the first time.
///
/// Rules and mappings that are there stay, and keys that are suitable are used; a second call changes
/// nothing. Only a rule that was paused is enabled again. To end a replication, remove its rule from the source
/// with [`Bucket::modify`].
///
/// # Errors
/// [`Error::InvalidInput`] if the two are one bucket, if there are two other rules already, if a key may not
/// read the configuration that is there, or if the source's key cannot do its work and rules to other buckets
/// depend on it; [`Error::Conflict`] if somebody else keeps changing the settings; [`Error::NotAllowed`]; the
/// [errors of any call](crate::Error#errors-of-any-call). After an error, a key may exist or the destination
/// may accept the source's key; the call can be repeated, and uses what exists.
pub fn set_up(source: &Bucket, destination: &Bucket) -> Result<Replication> {
    set_up_with(source, destination, &SetupOptions::default())
}

/// Replicates files of one bucket into another one, with options: only some names, existing files as well, a
/// name and a priority for the rule.
///
/// The calls need keys with `listBuckets`, `writeBuckets`, `readBucketReplications`,
/// `writeBucketReplications`, `listKeys` and `writeKeys`, and with the capabilities that the new keys
/// get: `readFiles`, `readFileLegalHolds` and `readFileRetentions` for the source, `writeFiles`,
/// `writeFileLegalHolds`, `writeFileRetentions` and `deleteFiles` for the destination.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
/// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
/// # let east = b2_api.create_bucket("example-east-b2-1", b2sdk::BucketType::AllPrivate)?;
/// # let west = b2_api.create_bucket("example-west-b2-1", b2sdk::BucketType::AllPrivate)?;
/// use b2sdk::replication::{SetupOptions, set_up_with};
///
/// let options = SetupOptions::new().file_name_prefix("photos/").rule_name("photos-to-west");
/// let first = set_up_with(&east, &west, &options)?;
/// // Repeating the call, as after a failure, changes nothing.
/// let second = set_up_with(&east, &west, &options)?;
/// assert_eq!((first.rule, first.source_key), (second.rule, second.source_key));
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidInput`] if the two are one bucket, if a rule of the given name leads elsewhere, if there are
/// two other rules already, if a key may not read the configuration that is there, or if the source's key
/// cannot do its work and rules to other buckets depend on it; [`Error::Conflict`] if somebody else changes the
/// settings of a bucket at the same time, again and again; [`Error::NotAllowed`]; the [errors of any
/// call](crate::Error#errors-of-any-call).
///
/// # Consequences
/// After an error some of it may have been done: a key may exist, or the destination may accept the source's
/// key. Nothing is replicated before the last step. The call can be repeated, and uses what exists. A source
/// key that was deleted is replaced; rules to other destinations, which had ended with it, have to be set up
/// again.
pub fn set_up_with(
    source: &Bucket,
    destination: &Bucket,
    options: &SetupOptions,
) -> Result<Replication> {
    for _ in 1..TRIES {
        match try_set_up(source, destination, options)? {
            Outcome::Done(done) => return Ok(*done),
            Outcome::Overtaken(_) => {}
        }
    }
    match try_set_up(source, destination, options)? {
        Outcome::Done(done) => Ok(*done),
        Outcome::Overtaken(late) => late.write(source),
    }
}

/// How a try to set up a replication ended, if nothing failed.
enum Outcome {
    Done(Box<Replication>),
    /// Somebody else has given the source another key since its details were read.
    Overtaken(Box<Late>),
}

/// A change of the source that is based on settings that it no longer has.
struct Late {
    revision: u64,
    configuration: ReplicationConfiguration,
    replication: Replication,
}

impl Late {
    /// Asks for the change on the condition that the source is still what it was when it was read. The
    /// service's refusal is the [`Error::Conflict`] of the call; should it accept, the replication is set up.
    fn write(self: Box<Self>, source: &Bucket) -> Result<Replication> {
        let update = UpdateBucketOptions::new()
            .replication_configuration(self.configuration)
            .if_revision_is(self.revision);
        let source = source.update(&update)?;
        Ok(Replication {
            source,
            ..self.replication
        })
    }
}

/// Tries once to set a replication up. Everything but the source's rule has been done if it was overtaken.
fn try_set_up(source: &Bucket, destination: &Bucket, options: &SetupOptions) -> Result<Outcome> {
    let (from, to) = (source.details()?, destination.details()?);
    if from.bucket_id == to.bucket_id {
        return Err(Error::invalid_input(
            "destination",
            "a bucket cannot be replicated into itself",
        ));
    }
    let (old, accepted) = (plan::configuration(&from)?, plan::configuration(&to)?);
    // Before any key is made: whatever is wrong with the rule is found here.
    let rule = plan::rule(old.rules(), &to, options)?;
    let rules = plan::with_rule(old.rules(), &rule);
    ReplicationConfiguration::new()
        .source("a key that is yet to be made", rules.clone())
        .check()
        .map_err(|reason| Error::invalid_input("replication configuration", reason))?;

    let old_key = key_of(&old).cloned();
    let source_key = source_key(source, &old, &to.bucket_id)?;
    let destination_key = destination_key(destination, &accepted, &source_key)?;
    let accepting = destination.modify(|details| {
        let configuration = plan::configuration(details)?;
        let accepting = configuration.clone().accept(&source_key, &destination_key);
        Ok(change(&configuration, accepting))
    })?;
    let mut written = None;
    let replicating = source.modify(|details| {
        let configuration = plan::configuration(details)?;
        let key = key_of(&configuration);
        written = None;
        if key.is_some() && key != old_key.as_ref() && key != Some(&source_key) {
            return Ok(UpdateBucketOptions::new());
        }
        let rule = plan::rule(configuration.rules(), &to, options)?;
        let rules = plan::with_rule(configuration.rules(), &rule);
        written = Some(rule);
        let replicating = configuration.clone().source(&source_key, rules);
        Ok(change(&configuration, replicating))
    })?;
    let revision = from.revision;
    let replication = |rule, source| Replication {
        rule,
        source_key: source_key.clone(),
        destination_key: destination_key.clone(),
        source,
        destination: accepting.clone(),
    };
    Ok(match written {
        Some(rule) => Outcome::Done(Box::new(replication(rule, replicating))),
        None => Outcome::Overtaken(Box::new(Late {
            revision,
            configuration: old.source(&source_key, rules),
            replication: replication(rule, from),
        })),
    })
}

/// The key that the source's files are read with now, if one is configured.
fn key_of(configuration: &ReplicationConfiguration) -> Option<&ApplicationKeyId> {
    let source = configuration.as_replication_source.as_ref()?;
    source.source_application_key_id.as_ref()
}

/// Nothing if it is so already.
fn change(old: &ReplicationConfiguration, new: ReplicationConfiguration) -> UpdateBucketOptions {
    if *old == new {
        UpdateBucketOptions::new()
    } else {
        UpdateBucketOptions::new().replication_configuration(new)
    }
}

/// The key that the source has if it will do. A living one that other rules work with is never
/// replaced: their destinations accept no other.
fn source_key(
    source: &Bucket,
    configuration: &ReplicationConfiguration,
    destination: &BucketId,
) -> Result<ApplicationKeyId> {
    let keys = KeyRequirements::of_source(source);
    if let Some(id) = key_of(configuration)
        && let Some(key) = keys.by_id(id)?
    {
        if keys.fit(&key) {
            return Ok(key.application_key_id);
        }
        let mut rules = configuration.rules().iter();
        if rules.any(|rule| rule.destination_bucket_id != *destination) {
            return Err(Error::invalid_input(
                "source bucket",
                format!(
                    "its key {id} may not read all files with their locks, or has ended, and rules to other \
                     buckets depend on it; give the bucket another key, and those buckets its mapping"
                ),
            ));
        }
    }
    keys.find_or_make()
}

/// The key that the destination maps the source's key to, or any that it maps to, if it will do.
fn destination_key(
    destination: &Bucket,
    configuration: &ReplicationConfiguration,
    source_key: &ApplicationKeyId,
) -> Result<ApplicationKeyId> {
    let keys = KeyRequirements::of_destination(destination);
    let half = configuration.as_replication_destination.as_ref();
    let mapping = half.map(|half| &half.source_to_destination_key_mapping);
    let own = mapping.and_then(|mapping| mapping.get(source_key));
    let others = mapping.into_iter().flat_map(|mapping| mapping.values());
    let mut tried = Vec::new();
    for id in own.into_iter().chain(others) {
        if tried.contains(&id) {
            continue;
        }
        tried.push(id);
        if let Some(key) = keys.by_id(id)?
            && keys.fit(&key)
        {
            return Ok(key.application_key_id);
        }
    }
    keys.find_or_make()
}
