//! Which files take part, by the filters of the options. It is counted which filter ever left
//! something out.
//!
//! Names are judged on both sides, so that a name that is left out is in no step. Sizes and times
//! are those of the source: what they leave out there stays as it is at the destination.
//!
//! 1. Regular expressions come first (`filter/regexes.rs`): what they leave out, no pattern brings
//!    back.
//! 2. Of the patterns, the last one that matches decides. If none does, a name takes part, unless
//!    all patterns include.
//! 3. Of the rules about sizes and times and the closure, each must let the file take part.
//!
//! A directory is entered unless nothing below it can take part, which is known if a pattern that
//! ends with `*` excludes it and no later one includes names below.
//!
//! | | what it looks at | on which side |
//! |---|---|---|
//! | regular expressions, patterns | the name | both, or the source alone with `also_remove_excluded` |
//! | sizes, times, the closure | the file | the source |
//!
//! Both scans share the filters. They note what they have left out in atomic marks.

#[cfg(feature = "regex")]
mod regexes;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::pattern::{Filter, Pattern};
use crate::model::time::Timestamp;
use crate::sync::error::SyncError;
use crate::sync::file_filter::{FileFilter, SourceFile};
#[cfg(feature = "regex")]
use crate::sync::filter::regexes::Regexes;
use crate::sync::options::SyncOptions;

/// The filters of a run.
///
/// Made once for a plan or a run, so that the marks are those of one run.
#[derive(Debug)]
pub(super) struct Filters {
    patterns: Vec<Step>,
    /// What becomes of a name that no pattern matches.
    otherwise: bool,
    rules: Vec<Rule>,
    #[cfg(feature = "regex")]
    regexes: Option<Regexes>,
    /// Whether what is left out counts as absent.
    removes_excluded: bool,
}

/// A pattern, and whether it includes or excludes what it matches.
#[derive(Debug)]
struct Step {
    text: String,
    pattern: Pattern,
    includes: bool,
    has_matched: Mark,
}

/// A rule about files at the source.
///
/// Each rule excludes: a file takes part if none of them matches.
#[derive(Debug)]
struct Rule {
    kind: RuleKind,
    has_matched: Mark,
}

/// What a rule excludes. Limits themselves take part: a file of exactly `MinSize` bytes is not
/// excluded.
#[derive(Debug)]
enum RuleKind {
    MinSize(u64),
    MaxSize(u64),
    ModifiedAfter(Timestamp),
    ModifiedBefore(Timestamp),
    Closure(FileFilter),
}

/// Whether something has happened, set once and read at the end.
///
/// It is relaxed: the marks are read when the scans have ended, by the thread that drives them.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicBool);

impl Mark {
    /// Notes that it has happened, if it has.
    ///
    /// Returns `happens`, so that it can stand in a condition. The store is left out once the mark
    /// is set, because it is called for each name.
    pub(super) fn note(&self, happens: bool) -> bool {
        if happens && !self.get() {
            self.0.store(true, Ordering::Relaxed);
        }
        happens
    }

    /// Whether it has happened so far.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Filters {
    /// The filters for a source in a bucket, or a local one.
    /// Fails with `Refused::Regex`, or with `Refused::Contradiction` for expressions that include
    /// files without others that exclude some.
    pub(super) fn new(options: &SyncOptions, source_is_bucket: bool) -> Result<Self, SyncError> {
        #[cfg(not(feature = "regex"))]
        let _ = source_is_bucket;
        let patterns: Vec<_> = options.filters.iter().map(Step::new).collect();
        let otherwise = patterns.is_empty() || patterns.iter().any(|step| !step.includes);
        let rules = [
            options.min_size.map(RuleKind::MinSize),
            options.max_size.map(RuleKind::MaxSize),
            options.modified_after.map(RuleKind::ModifiedAfter),
            options.modified_before.map(RuleKind::ModifiedBefore),
            options.file_filter.clone().map(RuleKind::Closure),
        ];
        let rule = |kind| Rule {
            kind,
            has_matched: Mark::default(),
        };
        Ok(Self {
            patterns,
            otherwise,
            rules: rules.into_iter().flatten().map(rule).collect(),
            #[cfg(feature = "regex")]
            regexes: match &options.regex_filters {
                Some(filters) => Some(Regexes::new(filters, source_is_bucket)?),
                None => None,
            },
            removes_excluded: options.also_remove_excluded,
        })
    }

    /// Whether what the filters leave out at the source counts as absent, and the destination is
    /// not filtered.
    pub(super) const fn removes_excluded(&self) -> bool {
        self.removes_excluded
    }

    /// Whether a name counts as absent at the source because it is left out there.
    pub(super) fn removes_name(&self, name: &str) -> bool {
        self.removes_excluded && !self.includes(name)
    }

    /// Whether a file counts as absent at the source because it is left out there, by its name, its
    /// size, its time or the closure.
    pub(super) fn removes_file(&self, name: &str, size: u64, modified: i64) -> bool {
        self.removes_excluded && !(self.includes(name) && self.selects(name, size, modified))
    }

    /// Whether a pattern or an expression leaves this very name out, so that it is not only left
    /// over by patterns that include others.
    pub(super) fn excludes(&self, name: &str) -> bool {
        #[cfg(feature = "regex")]
        if self
            .regexes
            .as_ref()
            .is_some_and(|regexes| regexes.excludes(name))
        {
            return true;
        }
        let mut deciding = self.patterns.iter().rev();
        deciding
            .find(|step| step.matches(name))
            .is_some_and(|step| !step.includes)
    }

    /// Whether a name takes part: the last pattern that matches decides.
    /// Patterns are asked from the last one back, so that those before the deciding one are not
    /// marked for this name.
    pub(super) fn includes(&self, name: &str) -> bool {
        #[cfg(feature = "regex")]
        if self
            .regexes
            .as_ref()
            .is_some_and(|regexes| regexes.excludes(name))
        {
            return false;
        }
        let mut deciding = self.patterns.iter().rev();
        deciding
            .find(|step| step.matches(name))
            .map_or(self.otherwise, |step| step.includes)
    }

    /// Whether nothing below a directory can take part, so that it need not be entered.
    ///
    /// `directory` ends with `/`. It may answer `false` although nothing takes part, which only
    /// costs reading the directory. It must not answer `true` if a name below takes part.
    pub(super) fn excludes_all_below(&self, directory: &str) -> bool {
        #[cfg(feature = "regex")]
        if self
            .regexes
            .as_ref()
            .is_some_and(|regexes| regexes.excludes_all_below(directory))
        {
            return true;
        }
        for step in self.patterns.iter().rev() {
            if step.includes {
                let fixed = step.pattern.fixed_prefix();
                if fixed.starts_with(directory) || directory.starts_with(fixed) {
                    return false;
                }
            } else if step.text.ends_with('*') && step.matches(directory) {
                // Its last star takes whatever follows.
                return true;
            }
        }
        !self.otherwise
    }

    /// Whether a file at the source takes part, whose name does.
    ///
    /// `modified` is in milliseconds since 1970. Callers ask it for files of the source only, after
    /// `includes`.
    pub(super) fn selects(&self, name: &str, size: u64, modified: i64) -> bool {
        let file = SourceFile {
            name,
            size,
            modified: Timestamp::from_millis(modified),
        };
        // Each of them is asked, to know of each whether it has left something out.
        let mut selected = true;
        for rule in &self.rules {
            selected &= !rule.has_matched.note(rule.kind.excludes(&file));
        }
        selected
    }

    /// The filters that have matched no name, or have left out no file.
    /// It is meaningful only when both scans have ended.
    pub(super) fn unused(&self) -> Vec<String> {
        let patterns = self.patterns.iter().filter(|step| !step.has_matched.get());
        let patterns = patterns.map(|step| step.text.clone());
        let rules = self.rules.iter().filter(|rule| !rule.has_matched.get());
        let unused = patterns.chain(rules.map(|rule| rule.kind.to_string()));
        #[cfg(feature = "regex")]
        let unused = unused.chain(self.regexes.iter().flat_map(Regexes::unused));
        unused.collect()
    }
}

impl Step {
    fn new(filter: &Filter) -> Self {
        let (text, includes) = match filter {
            Filter::Include(text) => (text, true),
            Filter::Exclude(text) => (text, false),
        };
        Self {
            text: text.clone(),
            pattern: Pattern::new(text),
            includes,
            has_matched: Mark::default(),
        }
    }

    /// Whether the pattern matches the whole name, noting if it does.
    fn matches(&self, name: &str) -> bool {
        self.has_matched.note(self.pattern.matches(name))
    }
}

impl RuleKind {
    /// Whether a file is left out by this rule.
    fn excludes(&self, file: &SourceFile<'_>) -> bool {
        match self {
            Self::MinSize(least) => file.size < *least,
            Self::MaxSize(most) => file.size > *most,
            Self::ModifiedAfter(time) => file.modified < *time,
            Self::ModifiedBefore(time) => file.modified > *time,
            Self::Closure(filter) => !filter.judge(file),
        }
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinSize(least) => write!(f, "min_size {least}"),
            Self::MaxSize(most) => write!(f, "max_size {most}"),
            Self::ModifiedAfter(time) => write!(f, "modified_after {time}"),
            Self::ModifiedBefore(time) => write!(f, "modified_before {time}"),
            Self::Closure(_) => f.write_str("file_filter"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Filters;
    use crate::model::pattern::Filter;
    use crate::sync::options::SyncOptions;

    fn filters(filters: Vec<Filter>) -> Filters {
        Filters::new(&SyncOptions::new().filters(filters), false).unwrap()
    }

    fn filter() -> impl Strategy<Value = Filter> {
        ("[ab*?/]{0,5}", any::<bool>()).prop_map(|(pattern, includes)| match includes {
            true => Filter::include(pattern),
            false => Filter::exclude(pattern),
        })
    }

    proptest! {
        #[test]
        fn nothing_that_takes_part_lies_below_a_directory_that_is_not_entered(
            list in proptest::collection::vec(filter(), 0..4),
            directory in "[ab]{1,2}(/[ab]){0,2}/",
            below in "[ab]{1,3}(/[ab]{1,2})?",
        ) {
            let filters = filters(list);
            let name = format!("{directory}{below}");
            prop_assert!(!(filters.excludes_all_below(&directory) && filters.includes(&name)));
        }
    }

    #[test]
    fn a_pattern_that_matched_nothing_is_named() {
        let filters = filters(vec![Filter::exclude("*.tmp"), Filter::exclude("cache/*")]);
        assert!(!filters.includes("a.tmp"));
        assert!(filters.includes("b"));
        assert_eq!(filters.unused(), ["cache/*"]);
    }

    /// The limits themselves take part, as in b2sdk for Python.
    #[test]
    fn sizes_and_times_are_limits_that_take_part_themselves() {
        let options = SyncOptions::new()
            .min_size(2)
            .max_size(3)
            .modified_after(crate::model::time::Timestamp::from_millis(20))
            .modified_before(crate::model::time::Timestamp::from_millis(30))
            .file_filter(|file| file.name != "odd");
        let filters = Filters::new(&options, false).unwrap();
        assert_eq!(filters.unused().len(), 5);
        for (size, modified, selected) in [
            (2, 20, true),
            (3, 30, true),
            (1, 25, false),
            (4, 25, false),
            (2, 19, false),
            (2, 31, false),
        ] {
            assert_eq!(
                filters.selects("a", size, modified),
                selected,
                "{size} {modified}"
            );
        }
        assert_eq!(filters.unused(), ["file_filter"]);
        assert!(!filters.selects("odd", 2, 20));
        assert!(filters.unused().is_empty());
    }
}
