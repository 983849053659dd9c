//! The filters of b2sdk for Python as options; `filter/regexes.rs` applies them.

use crate::setters::setters;

/// Filters by regular expressions, as b2sdk for Python's `ScanPoliciesManager` has them.
///
/// Every expression is matched at the beginning of a path below the place, with `/` between its
/// parts, and need not reach the end of it: `a` matches `a.txt` and `ab`, and `a$` matches neither.
/// The syntax is that of the crate `regex`, which has no look-around and no backreferences.
///
/// ```
/// use b2sdk::sync::{RegexFilters, SyncOptions};
///
/// let filters = RegexFilters::new()
///     .exclude_directories(["cache$".into()])
///     .exclude_files([r".*\.tmp$".into()]);
/// let options = SyncOptions::new().regex_filters(filters);
/// assert!(options.regex_filters.is_some());
/// ```
///
/// | expression | `a.txt` | `b/a.txt` | `cab` |
/// |---|---|---|---|
/// | `a` | matches | does not | does not |
/// | `.*a` | matches | matches | matches |
/// | `a\.txt$` | matches | does not | does not |
///
/// Both sides are filtered alike, so that what is left out stays at the destination. An expression
/// that is malformed is refused before anything is listed
/// ([`Refused::Regex`](crate::sync::Refused::Regex)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RegexFilters {
    /// Leaves out directories with everything below them.
    ///
    /// If the source is in a bucket, an expression that matches an empty text leaves out the files
    /// at the root as well. They are matched against the path of each directory above a file,
    /// without a `/` at its end.
    pub exclude_directories: Vec<String>,
    /// Leaves out files, unless [`include_files`](Self::include_files) matches.
    pub exclude_files: Vec<String>,
    /// Lets files take part that [`exclude_files`](Self::exclude_files) matches. A run with these
    /// alone is refused.
    pub include_files: Vec<String>,
}

setters! {
    new RegexFilters {}
    into {}
    list {
        exclude_directories: String,
        exclude_files: String,
        include_files: String,
    }
}
