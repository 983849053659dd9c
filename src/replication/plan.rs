//! Which rule is to be there, given the rules that are: pure.
//!
//! | the source has | the rule that is stored |
//! | --- | --- |
//! | no rule for this destination and prefix | a new one, named after the destination bucket, with a number if that name is taken |
//! | one, enabled | that one, with what the options change |
//! | one, paused | that one, enabled |
//! | a rule of the given name to another bucket | `InvalidInput` |
//! | two other rules | `InvalidInput`: there is no room |
//!
//! Nothing here sends a request. The caller runs it twice: once on what both buckets have before
//! any key is made, so that a mistake leaves nothing behind, and once more within the change of the
//! source, on what the source has then.
//!
//! The limit of two rules and the form of names and priorities are checked by
//! `ReplicationConfiguration::check`, on the rules that [`with_rule`] returns.
//!
//! What an existing rule keeps: its name, its prefix, its destination, its priority unless one is
//! given, and the members that this version of the crate has no field for. Existing files are
//! included if the rule or the options say so; there is no way here to exclude them again.

use crate::error::{Error, Result};
use crate::model::bucket::BucketDetails;
use crate::model::filtered::Filtered;
use crate::model::replication::{DEFAULT_PRIORITY, ReplicationConfiguration, ReplicationRule};
use crate::replication::options::SetupOptions;

/// How far above the others a new rule is put, so that there is room between them.
const PRIORITY_STEP: u32 = 5;
/// The highest priority that the service accepts.
const MAX_PRIORITY: u32 = i32::MAX as u32;

/// The configuration that a bucket has.
///
/// A bucket without replication has an empty one. Fails with `InvalidInput` if the key may not read
/// it.
pub(super) fn configuration(details: &BucketDetails) -> Result<ReplicationConfiguration> {
    match &details.replication_configuration {
        Filtered::Readable(configuration) => Ok(configuration.clone()),
        Filtered::Unset => Ok(ReplicationConfiguration::new()),
        Filtered::NotAuthorized => Err(Error::invalid_input(
            "replication",
            format!(
                "this key may not read that of {:?} (readBucketReplications), and writing it unread \
                 would undo the rules that are there",
                details.bucket_name
            ),
        )),
    }
}

/// The rule that is wanted: the one that is there, changed as far as the options say, or a new one.
///
/// Fails with `InvalidInput` if the options name a rule that leads to another bucket or has another
/// prefix.
///
/// 1. With a name, the rule of that name is looked for; without one, the first that leads to the
///    destination with this prefix.
/// 2. A rule that is found and leads there is enabled, and changed as the options say.
/// 3. A rule that is found and leads elsewhere is an error, because changing it would end another
///    replication.
/// 4. If none is found, a new one is made.
pub(super) fn rule(
    existing: &[ReplicationRule],
    destination: &BucketDetails,
    options: &SetupOptions,
) -> Result<ReplicationRule> {
    let SetupOptions {
        rule_name,
        file_name_prefix: prefix,
        include_existing_files,
        priority,
    } = options;
    let leads_there = |rule: &ReplicationRule| {
        rule.destination_bucket_id == destination.bucket_id && rule.file_name_prefix == *prefix
    };
    let found = existing.iter().find(|rule| match rule_name {
        Some(name) => rule.replication_rule_name == *name,
        None => leads_there(rule),
    });
    match found {
        Some(found) if leads_there(found) => {
            let mut rule = found.clone();
            rule.is_enabled = true;
            rule.include_existing_files |= include_existing_files;
            rule.priority = priority.unwrap_or(rule.priority);
            Ok(rule)
        }
        Some(found) => Err(Error::invalid_input(
            "rule_name",
            format!(
                "the rule {:?} is there already and replicates {:?} to bucket {}; choose another name, or remove that rule",
                found.replication_rule_name, found.file_name_prefix, found.destination_bucket_id
            ),
        )),
        None => {
            let name = rule_name
                .clone()
                .unwrap_or_else(|| free_name(existing, &destination.bucket_name));
            let priority = priority.unwrap_or_else(|| next_priority(existing));
            Ok(ReplicationRule::new(name, &destination.bucket_id)
                .file_name_prefix(prefix)
                .include_existing_files(*include_existing_files)
                .priority(priority))
        }
    }
}

/// The rules with this one in the place of the one of its name, or behind the others.
///
/// The order of the others stays as it is.
pub(super) fn with_rule(
    existing: &[ReplicationRule],
    rule: &ReplicationRule,
) -> Vec<ReplicationRule> {
    let mut rules = existing.to_vec();
    match rules
        .iter_mut()
        .find(|other| other.replication_rule_name == rule.replication_rule_name)
    {
        Some(other) => *other = rule.clone(),
        None => rules.push(rule.clone()),
    }
    rules
}

/// The priority of a new rule: above all others as far as there is room, or the usual 128 if it is
/// the first.
fn next_priority(existing: &[ReplicationRule]) -> u32 {
    match existing.iter().map(|rule| rule.priority).max() {
        Some(highest) => highest.saturating_add(PRIORITY_STEP).min(MAX_PRIORITY),
        None => DEFAULT_PRIORITY,
    }
}

/// The destination's name, with a number if a rule has that name.
///
/// Other characters than letters, digits and hyphens become hyphens. The name has at most 60
/// characters before the number, so that it stays within the 64 that the service allows.
fn free_name(existing: &[ReplicationRule], bucket_name: &str) -> String {
    let base: String = bucket_name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    let is_free = |name: &String| {
        existing
            .iter()
            .all(|rule| rule.replication_rule_name != *name)
    };
    // One more name than there are rules, so one of them is free.
    (0..=existing.len())
        .map(|n| match n {
            0 => base.clone(),
            n => format!("{base}-{}", n + 1),
        })
        .find(is_free)
        .unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::{free_name, rule, with_rule};
    use crate::model::bucket::BucketDetails;
    use crate::model::replication::ReplicationRule;
    use crate::replication::options::SetupOptions;

    fn destination() -> BucketDetails {
        serde_json::from_str(
            r#"{"accountId":"a","bucketId":"west","bucketName":"my.west","bucketType":"allPrivate"}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_first_rule_is_named_after_the_destination_and_the_next_stands_above_it() {
        let first = rule(&[], &destination(), &SetupOptions::new()).unwrap();
        assert_eq!(
            (first.replication_rule_name.as_str(), first.priority),
            ("my-west", 128)
        );
        let options = SetupOptions::new().file_name_prefix("a/");
        let second = rule(&[first], &destination(), &options).unwrap();
        assert_eq!(
            (second.replication_rule_name.as_str(), second.priority),
            ("my-west-2", 133)
        );
    }

    #[test]
    fn a_rule_that_is_there_stays_as_it_is() {
        let mut there = ReplicationRule::new("mine", "west").priority(9);
        there.include_existing_files = true;
        let existing = [ReplicationRule::new("other", "east"), there.clone()];
        for options in [
            SetupOptions::new(),
            SetupOptions::new().rule_name("mine").priority(9),
        ] {
            let planned = rule(&existing, &destination(), &options).unwrap();
            assert_eq!(planned, there);
            assert_eq!(with_rule(&existing, &planned), existing);
        }
        let paused = [there.clone().enabled(false)];
        let planned = rule(&paused, &destination(), &SetupOptions::new()).unwrap();
        assert_eq!(planned, there);
    }

    #[test]
    fn a_rule_that_leads_elsewhere_is_not_taken_over() {
        for other in [
            ReplicationRule::new("mine", "east"),
            ReplicationRule::new("mine", "west").file_name_prefix("a/"),
        ] {
            let options = SetupOptions::new().rule_name("mine");
            let error = rule(&[other], &destination(), &options).unwrap_err();
            assert!(error.to_string().contains("\"mine\" is there"), "{error}");
        }
    }

    #[test]
    fn priorities_stay_below_their_limit_and_names_below_theirs() {
        let highest = ReplicationRule::new("x", "east").priority(i32::MAX as u32);
        let planned = rule(&[highest], &destination(), &SetupOptions::new()).unwrap();
        assert_eq!(planned.priority, i32::MAX as u32);
        let long = "b".repeat(63);
        let taken = [ReplicationRule::new("b".repeat(60), "x")];
        assert_eq!(free_name(&taken, &long), format!("{}-2", "b".repeat(60)));
    }
}
