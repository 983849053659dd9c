//! Lifecycle rules of a bucket (reference section 3.5).

use serde::{Deserialize, Serialize};

/// When the service hides, deletes and cancels files by itself; it looks about once a day.
///
/// ```
/// use b2sdk::LifecycleRule;
///
/// let rule = LifecycleRule::new("logs/").hide_after_days(30).delete_hidden_after_days(1);
/// assert_eq!(rule.days_from_uploading_to_hiding, Some(30));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LifecycleRule {
    /// The files it is about; empty for all.
    pub file_name_prefix: String,
    /// Hide a file so many days after its upload.
    #[serde(default)]
    pub days_from_uploading_to_hiding: Option<u32>,
    /// Delete a version so many days after it was hidden or replaced.
    #[serde(default)]
    pub days_from_hiding_to_deleting: Option<u32>,
    /// Cancel a large file so many days after it was started and not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_from_starting_to_canceling_unfinished_large_files: Option<u32>,
}

impl LifecycleRule {
    /// A rule for the files whose names start so; at least one of the periods must follow.
    #[must_use]
    pub fn new(file_name_prefix: impl Into<String>) -> Self {
        Self {
            file_name_prefix: file_name_prefix.into(),
            days_from_uploading_to_hiding: None,
            days_from_hiding_to_deleting: None,
            days_from_starting_to_canceling_unfinished_large_files: None,
        }
    }

    /// Hide a file so many days after its upload.
    #[must_use]
    pub const fn hide_after_days(mut self, days: u32) -> Self {
        self.days_from_uploading_to_hiding = Some(days);
        self
    }

    /// Delete a version so many days after it was hidden or replaced.
    #[must_use]
    pub const fn delete_hidden_after_days(mut self, days: u32) -> Self {
        self.days_from_hiding_to_deleting = Some(days);
        self
    }

    /// Cancel a large file so many days after it was started and not finished.
    #[must_use]
    pub const fn cancel_unfinished_after_days(mut self, days: u32) -> Self {
        self.days_from_starting_to_canceling_unfinished_large_files = Some(days);
        self
    }
}
