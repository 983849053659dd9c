//! Patterns of file names and lists of filters, by the rules of Python's `fnmatch`, with which b2sdk
//! and the b2 tool match: so that a pattern means the same in both. No crate has these rules: the
//! others treat `/` or `**` specially, know `\`, or refuse a `[` that is not closed.
//!
//! Matching takes at most (length of the name) x (length of the pattern) steps, so no pattern of a
//! user can make a listing hang. A pattern's fixed beginning becomes the prefix of the listing, so
//! that only those rows are billed.

use std::iter::Peekable;
use std::str::Chars;

/// A pattern: `*` is any number of characters, `/` among them; `?` one character; `[abc]`, `[a-z]`
/// one of these, `[!abc]` one that is none of these. Everything else stands for itself, also a `[`
/// that is not closed. `[*]` is a `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The rest, character by character.
    tokens: Vec<Token>,
    /// What every name that matches begins with.
    fixed: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    One(char),
    Set {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
}

impl Token {
    /// Whether it accepts this one character.
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::One(own) => *own == c,
            Self::Set { ranges, is_negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

impl Pattern {
    /// Reads a pattern. Every text is one.
    pub(crate) fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let token = match c {
                '*' if tokens.last() == Some(&Token::Star) => continue,
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => match set(rest.as_str()) {
                    Some((set, after)) => {
                        rest = after.chars();
                        set
                    }
                    None => Token::One('['),
                },
                c => Token::One(c),
            };
            tokens.push(token);
        }
        let fixed = tokens
            .iter()
            .map_while(|token| match token {
                Token::One(c) => Some(*c),
                _ => None,
            })
            .collect();
        Self { tokens, fixed }
    }

    /// What every name that matches begins with.
    pub(crate) fn fixed_prefix(&self) -> &str {
        &self.fixed
    }

    /// Whether it matches the whole name. Takes at most (length of the name) x (length of the
    /// pattern) steps: a star never gives back what one before it took.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let (mut tokens, mut rest) = (self.tokens.as_slice(), name.chars());
        let mut star: Option<(&[Token], Chars<'_>)> = None;
        loop {
            match tokens.split_first() {
                Some((Token::Star, after)) => {
                    star = Some((after, rest.clone()));
                    tokens = after;
                    continue;
                }
                Some((token, after)) => {
                    let mut next = rest.clone();
                    if next.next().is_some_and(|c| token.accepts(c)) {
                        (tokens, rest) = (after, next);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            // The last star takes one character more.
            let Some((after, from)) = &mut star else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            (tokens, rest) = (after, from.clone());
        }
    }
}

/// The set that begins here, behind its `[`, and what follows it; `None` if it is not closed.
fn set(text: &str) -> Option<(Token, &str)> {
    let (is_negated, text) = match text.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, text),
    };
    // A `]` at the very beginning is one of the set.
    let skip = usize::from(text.starts_with(']'));
    let end = skip + text.get(skip..)?.find(']')?;
    let mut members = text.get(..end)?.chars().peekable();
    let mut ranges = Vec::new();
    while let Some(low) = members.next() {
        ranges.push((low, high(&mut members).unwrap_or(low)));
    }
    Some((Token::Set { ranges, is_negated }, text.get(end + 1..)?))
}

/// The upper end of a range, if here is `-` and something behind it.
fn high(members: &mut Peekable<Chars<'_>>) -> Option<char> {
    let mut ahead = members.clone();
    let high = ahead.next_if_eq(&'-').and_then(|_| ahead.next())?;
    *members = ahead;
    Some(high)
}

/// A filter of a listing: a pattern that is matched against whole file names. `*` matches any
/// number of characters, including `/`; `?` matches one character; `[a-z]` matches one of these
/// characters, and `[!a-z]` one other character.
///
/// If several filters match a name, **the last one** decides. A name that no filter matches is
/// included, unless all filters are [`Include`](Self::Include) filters. These are the rules of
/// Python's b2sdk and of `b2 ls --include --exclude`. Filters are applied on this machine, so
/// excluded rows are billed too.
///
/// ```
/// use b2sdk::listing::Filter;
/// use b2sdk::LsOptions;
///
/// let options = LsOptions::new()
///     .recursive(true)
///     .filters([Filter::exclude("*.tmp"), Filter::include("keep/*.tmp")]);
/// assert_eq!(options.filters.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Filter {
    /// Includes names that match this pattern.
    Include(String),
    /// Excludes names that match this pattern.
    Exclude(String),
}

impl Filter {
    /// Creates a filter that includes names that match this pattern.
    #[must_use]
    pub fn include(pattern: impl Into<String>) -> Self {
        Self::Include(pattern.into())
    }

    /// Creates a filter that excludes names that match this pattern.
    #[must_use]
    pub fn exclude(pattern: impl Into<String>) -> Self {
        Self::Exclude(pattern.into())
    }
}

/// A list of filters, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    steps: Vec<(Pattern, bool)>,
    without_match: bool,
}

impl Filters {
    pub(crate) fn new(filters: &[Filter]) -> Self {
        let steps: Vec<_> = filters
            .iter()
            .map(|filter| match filter {
                Filter::Include(pattern) => (Pattern::new(pattern), true),
                Filter::Exclude(pattern) => (Pattern::new(pattern), false),
            })
            .collect();
        let without_match = steps.is_empty() || steps.iter().any(|(_, includes)| !includes);
        Self {
            steps,
            without_match,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn includes(&self, name: &str) -> bool {
        let mut deciding = self.steps.iter().rev();
        deciding
            .find(|(pattern, _)| pattern.matches(name))
            .map_or(self.without_match, |(_, includes)| *includes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Filter, Filters, Pattern};

    #[test]
    fn patterns_match_what_they_match_in_python() {
        let cases: Vec<(String, String, bool)> =
            serde_json::from_str(include_str!("../../fixtures/patterns/fnmatch.json")).unwrap();
        assert!(cases.len() > 2000);
        for (pattern, name, matches) in cases {
            assert_eq!(
                Pattern::new(&pattern).matches(&name),
                matches,
                "{pattern:?} {name:?}"
            );
        }
    }

    /// The definition, word for word; exponential.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', after)), _) => {
                (0..=name.len()).any(|taken| by_definition(after, &name[taken..]))
            }
            (Some(('?', after)), Some((_, rest))) => by_definition(after, rest),
            (Some((own, after)), Some((c, rest))) => own == c && by_definition(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_match_by_definition(pattern in "[ab*?]{0,9}", name in "[ab]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                Pattern::new(&pattern).matches(&name),
                by_definition(&chars(&pattern), &chars(&name))
            );
        }

        #[test]
        fn whatever_matches_begins_with_the_fixed_prefix(pattern in "[ab*?\\[\\]!é-]{0,8}", name in "[ab\\[é]{0,6}") {
            let pattern = Pattern::new(&pattern);
            prop_assert!(!pattern.matches(&name) || name.starts_with(pattern.fixed_prefix()));
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        assert!(!Pattern::new(&"a*".repeat(500)).matches(&"a".repeat(400)));
    }

    #[test]
    fn the_last_filter_that_matches_decides() {
        let (only_in, only_out) = ([Filter::include("*.rs")], [Filter::exclude("*.tmp")]);
        let mixed = [
            Filter::exclude("*"),
            Filter::include("src/*"),
            Filter::exclude("*.tmp"),
        ];
        for (filters, name, included) in [
            (&[][..], "x", true),
            (&only_in, "a.rs", true),
            (&only_in, "a.c", false),
            (&only_out, "a.rs", true),
            (&only_out, "a.tmp", false),
            (&mixed, "src/a/b.rs", true),
            (&mixed, "src/b.tmp", false),
            (&mixed, "b.rs", false),
        ] {
            assert_eq!(
                Filters::new(filters).includes(name),
                included,
                "{filters:?} {name}"
            );
        }
    }
}
