//! The filters of b2sdk for Python, for those who move from there: regular expressions with the
//! rules of its `ScanPoliciesManager`.
//!
//! A name is judged in this order: by the expressions for directories, by those that include files,
//! by those that exclude files. Each is matched at the beginning of a path, and need not reach its
//! end.
//!
//! Python asks the expressions for directories differently on its two sides. Here the rule of the
//! source is that of both sides, because a name that is left out on one side alone would be copied
//! again and again:
//!
//! - Of a local source, each directory's path on the way down is matched, but not the root's.
//! - Of a source in a bucket, the root's path is matched too, which is empty, for the files at the
//!   root. Python matches the directory that a file is in, and then passes over what follows below
//!   that directory: so a file deeper down is left out only if the directory has a file of its own
//!   that comes before it. Here it is left out in any case, because a name must not take part or
//!   not depending on other names.
//!
//! An expression is compiled once, before anything is listed. The crate `regex` matches in time
//! linear in the length of the name, so that no expression can make a scan hang.

use regex::Regex;

use crate::sync::error::{Refused, SyncError};
use crate::sync::filter::Mark;
use crate::sync::regex_filters::RegexFilters;

/// The expressions of a run.
///
/// `source_is_bucket` selects the rule for files at the root. It concerns the source even where a
/// name of the destination is judged.
#[derive(Debug)]
pub(super) struct Regexes {
    exclude_directories: Vec<Expression>,
    exclude_files: Vec<Expression>,
    include_files: Vec<Expression>,
    source_is_bucket: bool,
}

/// A compiled expression, and whether it has matched any path.
#[derive(Debug)]
struct Expression {
    regex: Regex,
    has_matched: Mark,
}

impl Expression {
    /// Fails with `Refused::Regex`, which has the expression and what is wrong with it.
    fn new(text: &str) -> Result<Self, SyncError> {
        let refused = |error: regex::Error| {
            SyncError::Refused(Refused::Regex {
                expression: text.into(),
                reason: error.to_string().into(),
            })
        };
        Ok(Self {
            regex: Regex::new(text).map_err(refused)?,
            has_matched: Mark::default(),
        })
    }

    /// Whether it matches at the beginning. Of all matches the first one is found, so there is none
    /// at the beginning if that one is elsewhere.
    fn matches(&self, path: &str) -> bool {
        let found = self.regex.find(path);
        self.has_matched
            .note(found.is_some_and(|found| found.start() == 0))
    }
}

impl Regexes {
    /// Compiles all expressions. Including files without excluding any is refused, as Python does,
    /// because it would have no effect.
    pub(super) fn new(filters: &RegexFilters, source_is_bucket: bool) -> Result<Self, SyncError> {
        if !filters.include_files.is_empty() && filters.exclude_files.is_empty() {
            return Err(Refused::contradiction(
                "regular expressions that include files do nothing without some that exclude files",
            ));
        }
        let compile = |texts: &[String]| {
            let compiled = texts.iter().map(|text| Expression::new(text));
            compiled.collect::<Result<_, _>>()
        };
        Ok(Self {
            exclude_directories: compile(&filters.exclude_directories)?,
            exclude_files: compile(&filters.exclude_files)?,
            include_files: compile(&filters.include_files)?,
            source_is_bucket,
        })
    }

    /// Whether a file of this name is left out, by itself or with a directory above it.
    pub(super) fn excludes(&self, name: &str) -> bool {
        let is_at_root = self.source_is_bucket && !name.contains('/');
        (is_at_root && any(&self.exclude_directories, ""))
            || self.excludes_all_below(name)
            || (!any(&self.include_files, name) && any(&self.exclude_files, name))
    }

    /// Whether a directory above the name is left out. A directory itself ends with `/`.
    pub(super) fn excludes_all_below(&self, name: &str) -> bool {
        let mut ends = name.match_indices('/');
        ends.any(|(end, _)| {
            any(
                &self.exclude_directories,
                name.get(..end).unwrap_or_default(),
            )
        })
    }

    /// The expressions that have matched nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = String> {
        let all = [
            &self.exclude_directories,
            &self.exclude_files,
            &self.include_files,
        ];
        let unused = all
            .into_iter()
            .flatten()
            .filter(|one| !one.has_matched.get());
        unused.map(|expression| expression.regex.as_str().to_owned())
    }
}

/// Whether one of them matches. Those after the first that does are not asked, and stay unmarked
/// for this path.
fn any(expressions: &[Expression], path: &str) -> bool {
    expressions
        .iter()
        .any(|expression| expression.matches(path))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::Regexes;
    use crate::sync::error::{Refused, SyncError};
    use crate::sync::regex_filters::RegexFilters;

    /// What `tests/scripts/scan_policies.py` printed.
    const CASES: &str = include_str!("../../../fixtures/sync/python_scan_policies.jsonl");

    #[derive(Deserialize)]
    struct Case {
        directories: Vec<String>,
        exclude: Vec<String>,
        include: Vec<String>,
        names: Vec<String>,
        /// What Python lets take part of them.
        local: Vec<String>,
        bucket: Vec<String>,
    }

    #[test]
    fn what_takes_part_is_what_takes_part_in_python() {
        let (mut cases, mut left_out, mut deeper) = (0, 0, 0);
        for line in CASES.lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let filters = RegexFilters::new()
                .exclude_directories(case.directories)
                .exclude_files(case.exclude)
                .include_files(case.include);
            for (is_bucket, expected) in [(false, &case.local), (true, &case.bucket)] {
                let regexes = Regexes::new(&filters, is_bucket).unwrap();
                for name in &case.names {
                    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
                    let is_meant = is_bucket && regexes.excludes_all_below(directory);
                    match (expected.contains(name), regexes.excludes(name)) {
                        (true, true) if is_meant => deeper += 1,
                        (takes_part, is_excluded) => {
                            assert_ne!(takes_part, is_excluded, "{is_bucket} {name} {line}");
                        }
                    }
                }
                left_out += case.names.len() - expected.len();
            }
            cases += 1;
        }
        assert!((1..left_out / 20).contains(&deeper), "{deeper}");
        assert!(cases >= 200 && left_out >= 1000, "{cases} {left_out}");
    }

    #[test]
    fn what_python_refuses_is_refused_and_what_is_no_expression() {
        let include = RegexFilters::new().include_files(["a".to_owned()]);
        let refused = Regexes::new(&include, false).unwrap_err();
        assert!(matches!(
            refused,
            SyncError::Refused(Refused::Contradiction { .. })
        ));
        let broken = RegexFilters::new().exclude_files(["a(".to_owned()]);
        let refused = Regexes::new(&broken, false).unwrap_err();
        assert!(refused.to_string().contains("\"a(\""), "{refused}");
    }

    #[test]
    fn an_expression_that_matched_nothing_is_named() {
        let filters = RegexFilters::new().exclude_files(["a".to_owned(), "b".to_owned()]);
        let regexes = Regexes::new(&filters, false).unwrap();
        assert!(regexes.excludes("ab") && !regexes.excludes("cb"));
        assert!(regexes.unused().eq(["b"]));
    }
}
