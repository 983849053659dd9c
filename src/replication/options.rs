//! Options for setting up a replication.

use crate::setters::setters;

/// Options for setting up a replication with [`set_up_with`](crate::replication::set_up_with).
///
/// By default, the rule replicates all files that are uploaded after it was stored, and none that exist already.
///
/// ```
/// use b2sdk::replication::SetupOptions;
///
/// let options = SetupOptions::new().file_name_prefix("photos/").include_existing_files(true);
/// assert_eq!(options.file_name_prefix, "photos/");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SetupOptions {
    /// The rule's name: 1 to 64 letters, digits, `-` and `_`. If not set, an existing rule for the same
    /// destination and prefix is used, and a new one is named after the destination bucket.
    pub rule_name: Option<String>,
    /// What the names of the files begin with that are replicated; empty for all files.
    pub file_name_prefix: String,
    /// Whether files that exist already are replicated too. The service takes them up once a day, at midnight
    /// UTC. An existing rule that replicates them keeps doing so, whatever is set here. Off by default.
    pub include_existing_files: bool,
    /// Which rule applies to a file that several rules match: the one with the highest priority, from 1
    /// to 2,147,483,647. If not set, an existing rule keeps its priority, the first rule of a bucket gets
    /// 128, and another one gets 5 more than the highest.
    pub priority: Option<u32>,
}

setters! {
    new SetupOptions {
        include_existing_files: bool,
        priority: u32,
    }
    into {
        rule_name: String,
        file_name_prefix: String,
    }
}
