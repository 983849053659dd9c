//! The parameters of admin calls: `name=value`, separated by spaces or `&`, each name once and none too many.

use std::str::FromStr;

use crate::simulator::protocol::reply::Refusal;

/// The parameters that have not been taken yet.
pub(super) struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, Refusal> {
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        for parameter in text.split(|c: char| c == '&' || c.is_ascii_whitespace()) {
            if parameter.is_empty() {
                continue;
            }
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| Refusal::bad_request(format!("{parameter:?} is not NAME=VALUE")))?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::bad_request(format!("{name} is given twice")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
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

    /// A text as it stands, if it is given.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        self.take(name)
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(value) => Err(Refusal::bad_request(format!(
                "{name}={value} is neither true nor false"
            ))),
        }
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
        if let Some(at) = self
            .0
            .iter()
            .position(|parameter| *parameter == (name, "none"))
        {
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

    /// Refuses parameters that have not been taken.
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

    use super::Parameters;

    #[test]
    fn parameters_are_taken_once_and_none_is_left_over() {
        let mut parameters = Parameters::of(" a=1&b=none\n c=x ").unwrap();
        assert_eq!(parameters.number::<u8>("a").unwrap(), Some(1));
        assert_eq!(parameters.number::<u8>("a").unwrap(), None);
        assert_eq!(parameters.optional::<u8>("b").unwrap(), Some(None));
        assert_eq!(parameters.optional::<u8>("d").unwrap(), None);
        assert!(parameters.end().is_err(), "nobody took c");
        assert!(Parameters::of("c=x").unwrap().number::<u8>("c").is_err());
        assert!(Parameters::of("a=1 a=2").is_err());
        let mut flags = Parameters::of("a=true b=false c=1").unwrap();
        assert_eq!(flags.boolean("a").unwrap(), Some(true));
        assert_eq!(flags.boolean("b").unwrap(), Some(false));
        assert!(flags.boolean("c").is_err() && flags.boolean("d").unwrap().is_none());
        assert!(Parameters::of("").unwrap().end().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), parameters in "[a&= \n]{0,20}") {
            for text in [text, parameters] {
                if let Ok(mut parameters) = Parameters::of(&text) {
                    let _ = parameters.number::<u64>("a");
                    let _ = parameters.optional::<u64>("a");
                    let _ = parameters.end();
                }
            }
        }
    }
}
