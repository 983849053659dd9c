//! Lifecycle rules of a bucket (docs/protocol.md, section 3.5).
//!
//! | what is wanted | rule |
//! | --- | --- |
//! | keep only the latest version of each file | `delete_hidden_after_days(1)` |
//! | keep old versions for 30 days | `delete_hidden_after_days(30)` |
//! | delete logs 90 days after their upload | `hide_after_days(90).delete_hidden_after_days(1)` |
//! | clear uploads that were given up | `cancel_unfinished_after_days(7)` |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::lenient::{RuleOrigin, kept_rule};

/// How many rules a bucket may have.
const MAX_RULES: usize = 100;

/// A lifecycle rule: after how many days the service hides and deletes files and cancels unfinished
/// ones. The service applies rules about once a day, so files may live up to a day longer. It does so without
/// any program and without billed requests, whatever key uploaded the files. Locked versions are not deleted.
///
/// Without any rule, a bucket keeps every version for good. To keep only the latest versions, use
/// `LifecycleRule::new("").delete_hidden_after_days(1)`.
///
/// ```
/// use b2sdk::rules::LifecycleRule;
///
/// let rule = LifecycleRule::new("logs/").hide_after_days(30).delete_hidden_after_days(1);
/// assert_eq!(rule.days_from_uploading_to_hiding, Some(30));
/// ```
///
/// A bucket has at most 100 rules. No prefix may be the beginning of another rule's prefix, so at
/// most one rule applies to a file. Members that this version of the crate does not know are kept
/// in [`extra`](Self::extra) and written back with the rule, so that an update does not lose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[non_exhaustive]
pub struct LifecycleRule {
    /// The prefix of the files that the rule applies to; empty for all files.
    pub file_name_prefix: String,
    /// The number of days from the upload of a file until it is hidden. The data stays, and is
    /// billed, until it is deleted.
    #[serde(default)]
    pub days_from_uploading_to_hiding: Option<u32>,
    /// The number of days from hiding or replacing a version until it is permanently deleted.
    #[serde(default)]
    pub days_from_hiding_to_deleting: Option<u32>,
    /// The number of days from starting a large file until it is cancelled, if it is not finished
    /// by then. Uploads that may still be resumed need longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_from_starting_to_canceling_unfinished_large_files: Option<u32>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    #[serde(skip)]
    pub(crate) origin: RuleOrigin<LifecycleRule>,
}

kept_rule!(serialized LifecycleRule, Self::new(""));

impl LifecycleRule {
    /// Creates a rule for files whose names start with the prefix. It needs at least one period
    /// before it can be stored.
    #[must_use]
    pub fn new(file_name_prefix: impl Into<String>) -> Self {
        Self {
            file_name_prefix: file_name_prefix.into(),
            days_from_uploading_to_hiding: None,
            days_from_hiding_to_deleting: None,
            days_from_starting_to_canceling_unfinished_large_files: None,
            extra: Map::new(),
            origin: RuleOrigin::Program,
        }
    }

    /// Hides each file this many days after its upload, at least 1. The data stays, and is billed, until it is
    /// deleted.
    #[must_use]
    pub const fn hide_after_days(mut self, days: u32) -> Self {
        self.days_from_uploading_to_hiding = Some(days);
        self
    }

    /// Deletes each version permanently this many days after it was hidden or replaced by a newer version, at
    /// least 1.
    #[must_use]
    pub const fn delete_hidden_after_days(mut self, days: u32) -> Self {
        self.days_from_hiding_to_deleting = Some(days);
        self
    }

    /// Cancels each unfinished large file this many days after its start, at least 1. Uploads that may still be
    /// resumed need longer.
    #[must_use]
    pub const fn cancel_unfinished_after_days(mut self, days: u32) -> Self {
        self.days_from_starting_to_canceling_unfinished_large_files = Some(days);
        self
    }

    /// What is wrong with this rule by itself: no period, or a period of zero days.
    fn check(&self) -> Result<(), String> {
        let Self {
            file_name_prefix: prefix,
            days_from_uploading_to_hiding: hide,
            days_from_hiding_to_deleting: delete,
            days_from_starting_to_canceling_unfinished_large_files: cancel,
            extra,
            origin: _,
        } = self;
        let periods = [hide, delete, cancel];
        if periods.contains(&&Some(0)) {
            return Err(format!(
                "the rule for {prefix:?} has a period of 0 days; the shortest is 1 day, and none at all is None"
            ));
        }
        // A member that has no name here may be an action that came later.
        let does_nothing =
            periods.iter().all(|days| days.is_none()) && extra.values().all(Value::is_null);
        if does_nothing {
            return Err(format!(
                "the rule for {prefix:?} does nothing; give it at least one period, or leave it out"
            ));
        }
        Ok(())
    }
}

/// Checks what the service would refuse; the reason is a sentence for the caller.
///
/// Rules that the service returned are its own to judge, and so is whether prefixes may overlap: the native
/// API documents that they must not, and the S3 API has made such rules since 2026.
pub(crate) fn check_lifecycle_rules(rules: &[LifecycleRule]) -> Result<(), String> {
    let own: Vec<_> = rules.iter().filter(|rule| !rule.is_as_read()).collect();
    if rules.len() > MAX_RULES && !own.is_empty() {
        return Err(format!(
            "a bucket has at most {MAX_RULES} lifecycle rules, not {}",
            rules.len()
        ));
    }
    own.into_iter().try_for_each(LifecycleRule::check)
}

#[cfg(test)]
mod tests {
    use super::{LifecycleRule, check_lifecycle_rules};

    fn hide(prefix: &str) -> LifecycleRule {
        LifecycleRule::new(prefix).hide_after_days(1)
    }

    #[test]
    fn each_broken_rule_is_named_with_what_to_do() {
        let many: Vec<_> = (0..101).map(|n| hide(&format!("{n:03}/"))).collect();
        for (rules, wanted) in [
            (vec![LifecycleRule::new("a/")], "\"a/\" does nothing"),
            (vec![hide("b/").delete_hidden_after_days(0)], "0 days"),
            (many, "at most 100 lifecycle rules, not 101"),
        ] {
            let reason = check_lifecycle_rules(&rules).unwrap_err();
            assert!(reason.contains(wanted), "{reason}");
        }
    }

    #[test]
    fn rules_at_the_limits_are_fine() {
        let hundred: Vec<_> = (0..100).map(|n| hide(&format!("{n:03}/"))).collect();
        for rules in [vec![], hundred, vec![hide("a/"), hide("a/b/"), hide("")]] {
            assert_eq!(check_lifecycle_rules(&rules), Ok(()));
        }
    }

    #[test]
    fn an_action_that_came_later_is_kept_and_counts_as_one() {
        let json = r#"{"daysFromHidingToDeleting":null,"daysFromUploadingToHiding":null,"fileNamePrefix":"a","freezeAfter":{"days":7}}"#;
        let rule: LifecycleRule = serde_json::from_str(json).unwrap();
        assert_eq!(check_lifecycle_rules(std::slice::from_ref(&rule)), Ok(()));
        assert_eq!(
            serde_json::to_value(&rule).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
    }
}
