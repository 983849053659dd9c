//! Orders as words: `name=value`, separated by spaces or `&`, each name once and none too many.

use std::str::FromStr;

use crate::simulator::reply::Refusal;

/// The words that are left.
pub(super) struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, Refusal> {
        let mut words: Vec<(&str, &str)> = Vec::new();
        for word in text.split(|c: char| c == '&' || c.is_ascii_whitespace()) {
            if word.is_empty() {
                continue;
            }
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| Refusal::bad_request(format!("{word:?} is not NAME=VALUE")))?;
            if words.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::bad_request(format!("{name} is given twice")));
            }
            words.push((name, value));
        }
        Ok(Self(words))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn number<N: FromStr>(&mut self, name: &str) -> Result<Option<N>, Refusal> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.parse();
        number
            .map(Some)
            .map_err(|_| Refusal::bad_request(format!("{name}={value} is no number that fits")))
    }

    /// A number, or `none`; nothing where the name is not given.
    #[expect(
        clippy::option_option,
        reason = "not given is not the same as given up"
    )]
    pub(super) fn optional<N: FromStr>(
        &mut self,
        name: &str,
    ) -> Result<Option<Option<N>>, Refusal> {
        if let Some(at) = self.0.iter().position(|word| *word == (name, "none")) {
            self.0.swap_remove(at);
            return Ok(Some(None));
        }
        Ok(self.number(name)?.map(Some))
    }

    /// Sets what is given to a number or to nothing.
    pub(super) fn change<N: FromStr>(
        &mut self,
        name: &str,
        value: &mut Option<N>,
    ) -> Result<(), Refusal> {
        if let Some(new) = self.optional(name)? {
            *value = new;
        }
        Ok(())
    }

    /// Refuses what nobody took.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::bad_request(format!(
                "{name} is nothing that can be set here"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::Words;

    #[test]
    fn words_are_taken_once_and_none_is_left_over() {
        let mut words = Words::of(" a=1&b=none\n c=x ").unwrap();
        assert_eq!(words.number::<u8>("a").unwrap(), Some(1));
        assert_eq!(words.number::<u8>("a").unwrap(), None);
        assert_eq!(words.optional::<u8>("b").unwrap(), Some(None));
        assert_eq!(words.optional::<u8>("d").unwrap(), None);
        assert!(words.end().is_err(), "nobody took c");
        assert!(Words::of("c=x").unwrap().number::<u8>("c").is_err());
        assert!(Words::of("a=1 a=2").is_err());
        assert!(Words::of("").unwrap().end().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), words in "[a&= \n]{0,20}") {
            for text in [text, words] {
                if let Ok(mut words) = Words::of(&text) {
                    let _ = words.number::<u64>("a");
                    let _ = words.optional::<u64>("a");
                    let _ = words.end();
                }
            }
        }
    }
}
