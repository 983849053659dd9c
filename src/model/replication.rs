//! Replication of a bucket's files into other buckets (docs/protocol.md, section 3.7).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::model::filtered::{Filtered, Setting};
use crate::model::id::{ApplicationKeyId, BucketId};
use crate::model::lenient::{self, RuleOrigin, kept_rule, null_is_default};
use crate::model::open_enum::open_enum;

/// How many rules a source bucket may have.
const MAX_RULES: usize = 2;
/// The highest priority.
const MAX_PRIORITY: u32 = i32::MAX as u32;
/// The priority of a rule that nobody gave one, as other tools have it.
pub(crate) const DEFAULT_PRIORITY: u32 = 128;

open_enum! {
    /// The state of a file version's replication.
    ReplicationStatus {
        /// The version is going to be replicated, or is being replicated now.
        Pending = "pending",
        /// The version was replicated.
        Completed = "completed",
        /// The version could not be replicated. The service tries again once a day if the rule
        /// includes existing files.
        Failed = "failed",
        /// The version is itself a replica. Replicas are not replicated further.
        Replica = "replica",
    }
}

impl ReplicationStatus {
    /// The status as the service writes it, in capitals or not (docs/protocol.md, section 3.3).
    pub(crate) fn in_any_case(text: &str) -> Self {
        match Self::from(text.to_ascii_lowercase()) {
            Self::Other(_) => Self::Other(text.into()),
            known => known,
        }
    }
}

/// A replication rule: which files of a bucket are replicated to which other bucket.
///
/// The service copies each new file that the rule applies to, and the storage of the replicas is billed. It
/// does not replicate files that are encrypted with a customer's key, files
/// whose name and info take more than 2,048 bytes, hide markers, deletions, and replicas themselves
/// ([section 3.7](crate::guide::protocol#37-replication)).
///
/// ```
/// use b2sdk::replication::ReplicationRule;
/// use b2sdk::BucketId;
///
/// let rule = ReplicationRule::new("to-west", BucketId::from("57ac14714fc0397d43bb2e68"))
///     .file_name_prefix("photos/")
///     .include_existing_files(true);
/// assert_eq!(rule.priority, 128);
/// ```
///
/// Members that this version of the crate does not know are kept in [`extra`](Self::extra) and
/// written back with the rule, so that an update does not lose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[non_exhaustive]
pub struct ReplicationRule {
    /// The name of the rule: 1 to 64 letters, digits, `-` and `_`, unique in the bucket.
    pub replication_rule_name: String,
    /// The bucket that the files are replicated to. It must exist.
    pub destination_bucket_id: BucketId,
    /// The prefix of the files that the rule applies to; empty for all files.
    #[serde(default, deserialize_with = "null_is_default")]
    pub file_name_prefix: String,
    /// Whether files that existed before the rule are replicated as well. The service takes them up
    /// once a day.
    #[serde(default, deserialize_with = "null_is_default")]
    pub include_existing_files: bool,
    /// Whether the rule is active. An inactive rule replicates nothing and keeps its place.
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_enabled: bool,
    /// The priority, 1 to 2,147,483,647. If several rules apply to a file, the one with the highest
    /// priority is used.
    #[serde(default, deserialize_with = "null_is_default")]
    pub priority: u32,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    #[serde(skip)]
    pub(crate) origin: RuleOrigin<ReplicationRule>,
}

kept_rule!(serialized ReplicationRule, Self::new("", ""));

impl ReplicationRule {
    /// Creates an active rule of priority 128 for all new files.
    #[must_use]
    pub fn new(name: impl Into<String>, destination: impl Into<BucketId>) -> Self {
        Self {
            replication_rule_name: name.into(),
            destination_bucket_id: destination.into(),
            file_name_prefix: String::new(),
            include_existing_files: false,
            is_enabled: true,
            priority: DEFAULT_PRIORITY,
            extra: Map::new(),
            origin: RuleOrigin::Program,
        }
    }

    /// Restricts the rule to files whose names start with this prefix.
    #[must_use]
    pub fn file_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.file_name_prefix = prefix.into();
        self
    }

    /// Sets whether files that existed before the rule are replicated as well. The service takes them up
    /// once a day.
    #[must_use]
    pub const fn include_existing_files(mut self, include: bool) -> Self {
        self.include_existing_files = include;
        self
    }

    /// Sets whether the rule is active. An inactive rule replicates nothing and keeps its place.
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.is_enabled = enabled;
        self
    }

    /// Sets the priority, 1 to 2,147,483,647. If several rules apply to a file, the one with the
    /// highest priority is used.
    #[must_use]
    pub const fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self
    }

    /// What is wrong with this rule by itself.
    fn check(&self) -> Result<(), String> {
        let name = &self.replication_rule_name;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let wrong = if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name) {
            "a name has 1 to 64 letters, digits, '-' and '_'".to_owned()
        } else if self.destination_bucket_id.as_str().is_empty() {
            "it has no destination bucket".to_owned()
        } else if !(1..=MAX_PRIORITY).contains(&self.priority) {
            format!("its priority is {}, not 1 to {MAX_PRIORITY}", self.priority)
        } else {
            return Ok(());
        };
        Err(format!("rule {name:?}: {wrong}"))
    }
}

/// The replication of a bucket's files to other buckets: one half of a [`ReplicationConfiguration`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplicationSource {
    /// The rules, at most two: which files are replicated, and to which bucket.
    #[serde(default, deserialize_with = "lenient::rules")]
    pub replication_rules: Vec<ReplicationRule>,
    /// The id of the application key, restricted to this bucket, that the service reads the files
    /// with.
    #[serde(default)]
    pub source_application_key_id: Option<ApplicationKeyId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The replication of other buckets' files to a bucket: one half of a [`ReplicationConfiguration`]. A bucket
/// accepts only what is read with a key that it lists here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplicationDestination {
    /// For the id of each source bucket's key that is accepted, the id of the key of this bucket
    /// that the service writes with.
    #[serde(default, deserialize_with = "null_is_default")]
    pub source_to_destination_key_mapping: BTreeMap<ApplicationKeyId, ApplicationKeyId>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A bucket's part in replication: as a source, as a destination, or both.
///
/// ```
/// use b2sdk::replication::{ReplicationConfiguration, ReplicationRule};
/// use b2sdk::BucketId;
///
/// let rule = ReplicationRule::new("to-west", BucketId::from("57ac14714fc0397d43bb2e68"));
/// let source = ReplicationConfiguration::new().source("0027c41f09d3be80000000006", [rule]);
/// let destination = ReplicationConfiguration::new()
///     .accept("0027c41f09d3be80000000006", "0027c41f09d3be80000000009");
/// assert!(source.as_replication_source.is_some() && !destination.is_empty());
/// ```
///
/// Storing a configuration replaces the earlier one as a whole; storing an empty one ends
/// replication. Replicas that exist stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplicationConfiguration {
    /// The replication of the bucket's files to other buckets.
    #[serde(default)]
    pub as_replication_source: Option<ReplicationSource>,
    /// The replication of other buckets' files to the bucket.
    #[serde(default)]
    pub as_replication_destination: Option<ReplicationDestination>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ReplicationConfiguration {
    /// Creates an empty configuration, without replication.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replicates files of the bucket by these rules. The service reads them with the application
    /// key of this id.
    #[must_use]
    pub fn source(
        mut self,
        key: impl Into<ApplicationKeyId>,
        rules: impl IntoIterator<Item = ReplicationRule>,
    ) -> Self {
        let source = self.as_replication_source.get_or_insert_default();
        source.source_application_key_id = Some(key.into());
        source.replication_rules = rules.into_iter().collect();
        self
    }

    /// Accepts files that are read with this key of a source bucket, and lets the service write
    /// them with this key of the destination.
    #[must_use]
    pub fn accept(
        mut self,
        source_key: impl Into<ApplicationKeyId>,
        destination_key: impl Into<ApplicationKeyId>,
    ) -> Self {
        let destination = self.as_replication_destination.get_or_insert_default();
        let mapping = &mut destination.source_to_destination_key_mapping;
        mapping.insert(source_key.into(), destination_key.into());
        self
    }

    /// Returns whether the configuration is empty. Storing an empty configuration ends replication.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            as_replication_source,
            as_replication_destination,
            extra,
        } = self;
        as_replication_source.is_none() && as_replication_destination.is_none() && extra.is_empty()
    }

    /// Returns the rules by which the bucket's files are replicated.
    #[must_use]
    pub fn rules(&self) -> &[ReplicationRule] {
        match &self.as_replication_source {
            Some(source) => &source.replication_rules,
            None => &[],
        }
    }

    /// Checks what the service would refuse; the reason is a sentence for the caller.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(source) = &self.as_replication_source {
            check_source(source)?;
        }
        let mapping = self
            .as_replication_destination
            .iter()
            .flat_map(|destination| &destination.source_to_destination_key_mapping);
        for (source, destination) in mapping {
            if source.as_str().is_empty() || destination.as_str().is_empty() {
                return Err(format!(
                    "the mapping from the source key {:?} to the destination key {:?} lacks a key",
                    source.as_str(),
                    destination.as_str()
                ));
            }
        }
        Ok(())
    }
}

impl Setting for ReplicationConfiguration {
    type Form = Option<Self>;

    fn from_form(form: Self::Form) -> Filtered<Self> {
        match form {
            Some(configuration) if !configuration.is_empty() => Filtered::Readable(configuration),
            _ => Filtered::Unset,
        }
    }

    fn to_form(setting: Option<&Self>) -> Self::Form {
        setting.cloned()
    }
}

/// What is wrong with the rules of a source together: too many, two of one name, no key to read
/// with. Rules that the service returned and nobody changed are passed over.
fn check_source(source: &ReplicationSource) -> Result<(), String> {
    let rules = &source.replication_rules;
    let (kept, own): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.is_as_read());
    if rules.len() > MAX_RULES && !own.is_empty() {
        return Err(format!(
            "a bucket has at most {MAX_RULES} replication rules, not {}",
            rules.len()
        ));
    }
    own.iter().try_for_each(|rule| rule.check())?;
    let mut names: BTreeSet<_> = kept
        .iter()
        .map(|rule| &rule.replication_rule_name)
        .collect();
    if let Some(twice) = own
        .iter()
        .find(|rule| !names.insert(&rule.replication_rule_name))
    {
        return Err(format!(
            "there are two rules named {:?}; each needs a name of its own",
            twice.replication_rule_name
        ));
    }
    let key = source.source_application_key_id.as_ref();
    if !own.is_empty() && key.is_none_or(|key| key.as_str().is_empty()) {
        return Err(
            "rules need a source_application_key_id, a key to read the files with".to_owned(),
        );
    }
    Ok(())
}

/// For `deserialize_with`: a status in capitals or not, or none.
pub(crate) fn status_in_any_case<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ReplicationStatus>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().map(ReplicationStatus::in_any_case))
}

#[cfg(test)]
mod tests {
    use super::{ReplicationConfiguration, ReplicationRule, ReplicationStatus};

    const KEY: &str = "0027c41f09d3be80000000006";

    fn rule(name: &str) -> ReplicationRule {
        ReplicationRule::new(name, "57ac14714fc0397d43bb2e68")
    }

    fn of(rules: impl IntoIterator<Item = ReplicationRule>) -> ReplicationConfiguration {
        ReplicationConfiguration::new().source(KEY, rules)
    }

    #[test]
    fn each_broken_rule_is_named_with_what_to_do() {
        let mut keyless = of([rule("a")]);
        if let Some(source) = &mut keyless.as_replication_source {
            source.source_application_key_id = None;
        }
        for (configuration, wanted) in [
            (of([rule("")]), "1 to 64"),
            (of([rule(&"x".repeat(65))]), "1 to 64"),
            (of([rule("with space")]), "1 to 64"),
            (of([rule("a").priority(0)]), "priority is 0"),
            (of([rule("a").priority(1 << 31)]), "priority is 2147483648"),
            (of([ReplicationRule::new("a", "")]), "no destination"),
            (of([rule("a"), rule("a")]), "two rules named \"a\""),
            (
                of(["a", "b", "c"].map(rule)),
                "at most 2 replication rules, not 3",
            ),
            (keyless, "source_application_key_id"),
            (
                ReplicationConfiguration::new().accept(KEY, ""),
                "lacks a key",
            ),
            (
                ReplicationConfiguration::new().accept("", KEY),
                "lacks a key",
            ),
        ] {
            let reason = configuration.check().unwrap_err();
            assert!(reason.contains(wanted), "{reason}");
        }
    }

    #[test]
    fn configurations_at_the_limits_are_fine() {
        let rules = [
            rule(&"x".repeat(64)).priority(i32::MAX as u32),
            rule("a_-Z9").priority(1),
        ];
        for configuration in [
            of(rules).accept("a", "b"),
            of([]),
            ReplicationConfiguration::new(),
        ] {
            assert_eq!(configuration.check(), Ok(()));
        }
    }

    #[test]
    fn a_configuration_is_written_as_it_was_read() {
        let json = serde_json::json!({
            "asReplicationSource": {
                "replicationRules": [{
                    "destinationBucketId": "57ac14714fc0397d43bb2e68", "fileNamePrefix": "",
                    "includeExistingFiles": false, "isEnabled": true, "priority": 1,
                    "replicationRuleName": "to-west", "replicateDeletes": true,
                }],
                "sourceApplicationKeyId": KEY, "speed": 7,
            },
            "asReplicationDestination": {"sourceToDestinationKeyMapping": {KEY: "x"}, "new": null},
            "newer": [1],
        });
        let read: ReplicationConfiguration = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
        let none =
            serde_json::json!({"asReplicationSource": null, "asReplicationDestination": null});
        assert_eq!(
            serde_json::to_value(ReplicationConfiguration::new()).unwrap(),
            none
        );
    }

    #[test]
    fn a_status_is_known_in_capitals_too() {
        for text in ["COMPLETED", "completed", "Completed"] {
            let status = ReplicationStatus::in_any_case(text);
            assert_eq!(status, ReplicationStatus::Completed);
        }
        let other = ReplicationStatus::in_any_case("Teleported");
        assert_eq!(other.as_str(), "Teleported");
    }
}
