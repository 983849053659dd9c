//! Prefixes of file names of which none may begin with another one: lifecycle rules and event
//! notification rules are told apart by them (docs/protocol.md, sections 3.5 and 3.8).

/// Two of the prefixes of which the second begins with the first, if there are such.
pub(crate) fn overlapping<'a>(
    prefixes: impl IntoIterator<Item = &'a str>,
) -> Option<(&'a str, &'a str)> {
    let mut sorted: Vec<&str> = prefixes.into_iter().collect();
    sorted.sort_unstable();
    // In order, what begins with a prefix follows it, and so does whatever stands in between.
    let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs
        .find(|(short, long)| long.starts_with(**short))
        .map(|(short, long)| (*short, *long))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::overlapping;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn an_overlap_is_found_exactly_if_some_pair_has_one(
            words in proptest::collection::vec("[ab/]{0,3}", 0..5),
        ) {
            let naive = words.iter().enumerate().any(|(n, a)| {
                words.iter().skip(n + 1).any(|b| a.starts_with(b.as_str()) || b.starts_with(a.as_str()))
            });
            let found = overlapping(words.iter().map(String::as_str));
            prop_assert_eq!(found.is_some(), naive);
            if let Some((short, long)) = found {
                assert!(long.starts_with(short));
            }
        }
    }
}
