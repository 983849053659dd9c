//! Which of the requests that a fault could meet it does meet: file names by pattern, and chance
//! that comes out the same for the same seed.

use crate::simulator::random::draw;

/// A sequence of draws from a seed (SplitMix64, whose whole state is one number that can be written
/// down and taken up again).
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    pub(super) percent: u8,
    pub(super) state: u64,
}

impl Chance {
    pub(super) fn hits(&mut self) -> bool {
        draw(&mut self.state) % 100 < u64::from(self.percent)
    }
}

/// Whether `name` is what `pattern` says, where `*` stands for any characters, `/` among them.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let Some((middle, tail)) = rest.rsplit_once('*') else {
        return left.ends_with(rest);
    };
    // The earliest place of each piece leaves the most for those behind it.
    for piece in middle.split('*') {
        let Some((_, behind)) = left.split_once(piece) else {
            return false;
        };
        left = behind;
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::{Chance, matches};

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*", "ab/c", true),
            ("*.txt", "d/a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab*ab*", "ab", false),
            ("**é", "é", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn chance_is_about_as_likely_as_asked_and_repeats_from_its_seed() {
        let draws = |percent| {
            let mut chance = Chance { percent, state: 7 };
            (0..10_000).map(|_| chance.hits()).collect::<Vec<_>>()
        };
        let hits = |percent| draws(percent).into_iter().filter(|hit| *hit).count();
        assert_eq!(draws(30), draws(30));
        assert!((2_500..3_500).contains(&hits(30)));
        assert_eq!((hits(0), hits(100)), (0, 10_000));
    }
}
