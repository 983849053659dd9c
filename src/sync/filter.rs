//! Which names take part, by the patterns of the options: pure, but for counting which pattern ever
//! matched.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::pattern::{Filter, Pattern};

/// The filters of a run.
#[derive(Debug, Default)]
pub(super) struct Filters {
    steps: Vec<Step>,
    /// What becomes of a name that no pattern matches.
    otherwise: bool,
}

#[derive(Debug)]
struct Step {
    text: String,
    pattern: Pattern,
    includes: bool,
    has_matched: AtomicBool,
}

impl Filters {
    pub(super) fn new(filters: &[Filter]) -> Self {
        let steps: Vec<_> = filters.iter().map(Step::new).collect();
        let otherwise = steps.is_empty() || steps.iter().any(|step| !step.includes);
        Self { steps, otherwise }
    }

    /// Whether a name takes part: the last pattern that matches decides.
    pub(super) fn includes(&self, name: &str) -> bool {
        let mut deciding = self.steps.iter().rev();
        deciding
            .find(|step| step.matches(name))
            .map_or(self.otherwise, |step| step.includes)
    }

    /// Whether nothing below a directory can take part, so that it need not be entered. `directory` ends
    /// with `/`.
    pub(super) fn excludes_all_below(&self, directory: &str) -> bool {
        for step in self.steps.iter().rev() {
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

    /// The patterns that have matched no name.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self
            .steps
            .iter()
            .filter(|step| !step.has_matched.load(Ordering::Relaxed));
        unused.map(|step| step.text.clone()).collect()
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
            has_matched: AtomicBool::new(false),
        }
    }

    fn matches(&self, name: &str) -> bool {
        let matches = self.pattern.matches(name);
        if matches && !self.has_matched.load(Ordering::Relaxed) {
            self.has_matched.store(true, Ordering::Relaxed);
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Filters;
    use crate::model::pattern::Filter;

    fn filter() -> impl Strategy<Value = Filter> {
        ("[ab*?/]{0,5}", any::<bool>()).prop_map(|(pattern, includes)| match includes {
            true => Filter::include(pattern),
            false => Filter::exclude(pattern),
        })
    }

    proptest! {
        #[test]
        fn nothing_that_takes_part_lies_below_a_directory_that_is_not_entered(
            filters in proptest::collection::vec(filter(), 0..4),
            directory in "[ab]{1,2}(/[ab]){0,2}/",
            below in "[ab]{1,3}(/[ab]{1,2})?",
        ) {
            let filters = Filters::new(&filters);
            let name = format!("{directory}{below}");
            prop_assert!(!(filters.excludes_all_below(&directory) && filters.includes(&name)));
        }
    }

    #[test]
    fn a_pattern_that_matched_nothing_is_named() {
        let filters = Filters::new(&[Filter::exclude("*.tmp"), Filter::exclude("cache/*")]);
        assert!(!filters.includes("a.tmp"));
        assert!(filters.includes("b"));
        assert_eq!(filters.unused(), ["cache/*"]);
    }
}
