//! Reading answers that are not quite as documented (docs/protocol.md, section 1.5).
//!
//! Members may be missing or `null`. In a list, one odd row must not take the others along: a member that
//! cannot be read is set aside under [`UNREADABLE`], and a row that means nothing without it is left out
//! with a warning.

use std::fmt;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Where the members of a row that cannot be read are kept, in its `extra`.
pub(crate) const UNREADABLE: &str = "unreadable";

/// For `deserialize_with`, beside `default`: an explicit `null` is as good as no member at all.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// For `deserialize_with`, beside `default = "empty"`: text that is missing or `null` is empty.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + for<'a> From<&'a str>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(empty))
}

/// Reads text and makes a value of it, without a copy of the text.
pub(crate) fn from_text<'de, D, T>(
    deserializer: D,
    make: impl FnOnce(&str) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Text<F>(F);
    impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E>(self, text: &str) -> Result<T, E> {
            Ok((self.0)(text))
        }
    }
    deserializer.deserialize_str(Text(make))
}

pub(crate) fn empty<T: for<'a> From<&'a str>>() -> T {
    T::from("")
}

/// A row of a list in an answer.
pub(crate) trait Row: DeserializeOwned {
    /// The members without which the row means nothing.
    const REQUIRED: &'static [&'static str];

    /// The members that have no name.
    fn extra_mut(&mut self) -> &mut Map<String, Value>;

    /// Takes note that a member is set, and to what is unknown.
    fn hide(&mut self, _member: &str) {}
}

/// Reads a row, without the members that cannot be read.
pub(crate) fn row<T: Row>(value: &Value) -> Result<T, serde_json::Error> {
    let error = match T::deserialize(value) {
        Ok(row) => return Ok(row),
        Err(error) => error,
    };
    let Value::Object(members) = value else {
        return Err(error);
    };
    let is_required = |name: &String| T::REQUIRED.contains(&name.as_str());
    let (mut readable, others): (Map<_, _>, Map<_, _>) = members
        .clone()
        .into_iter()
        .partition(|(name, _)| is_required(name));
    let required = readable.clone();
    let mut odd = Map::new();
    for (name, member) in others {
        let mut with_it = required.clone();
        with_it.insert(name.clone(), member.clone());
        match T::deserialize(Value::Object(with_it)) {
            Ok(_) => readable.insert(name, member),
            Err(_) => odd.insert(name, member),
        };
    }
    let mut row = T::deserialize(Value::Object(readable))?;
    for name in odd.keys() {
        row.hide(name);
    }
    row.extra_mut()
        .insert(UNREADABLE.to_owned(), Value::Object(odd));
    Ok(row)
}

/// For `deserialize_with`: the rows of a list, without those that mean nothing.
pub(crate) fn rows<'de, D: Deserializer<'de>, T: Row>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    let readable = values.iter().filter_map(|value| match row(value) {
        Ok(row) => Some(row),
        Err(error) => {
            tracing::warn!(%error, "a row of the answer cannot be read and is left out");
            None
        }
    });
    Ok(readable.collect())
}

/// Where a rule of a bucket comes from.
///
/// The service judges its own rules: one that is still as it was read is never checked before it is written
/// back, and one that cannot be read is written back as it came. Where a readable rule comes from makes no
/// difference when rules are compared.
#[derive(Clone, Default)]
pub(crate) enum RuleOrigin<T> {
    /// The program made it.
    #[default]
    Program,
    /// The service returned it, like this.
    Service(Box<T>),
    /// The service returned this, which cannot be read as a rule.
    Unreadable(Value),
}

impl<T> RuleOrigin<T> {
    pub(crate) const fn unreadable(&self) -> Option<&Value> {
        match self {
            Self::Unreadable(value) => Some(value),
            Self::Program | Self::Service(_) => None,
        }
    }
}

impl<T> PartialEq for RuleOrigin<T> {
    fn eq(&self, other: &Self) -> bool {
        self.unreadable() == other.unreadable()
    }
}

impl<T> Eq for RuleOrigin<T> {}

impl<T> std::fmt::Debug for RuleOrigin<T> {
    /// Shows nothing of a rule that cannot be read: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Program => "Program",
            Self::Service(_) => "Service",
            Self::Unreadable(_) => "Unreadable",
        })
    }
}

/// A rule of a bucket.
pub(crate) trait Rule: DeserializeOwned + Clone {
    /// The rule that stands for one that cannot be read.
    fn blank() -> Self;

    fn set_origin(&mut self, origin: RuleOrigin<Self>);
}

/// For `deserialize_with`: the rules of a bucket, also those that cannot be read.
pub(crate) fn rules<'de, D: Deserializer<'de>, T: Rule>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(deserializer)?;
    let read = |value: Value| {
        let (mut rule, origin) = match T::deserialize(&value) {
            Ok(rule) => (rule.clone(), RuleOrigin::Service(Box::new(rule))),
            Err(error) => {
                tracing::warn!(%error, "a rule of a bucket cannot be read and is kept as it is");
                (T::blank(), RuleOrigin::Unreadable(value))
            }
        };
        rule.set_origin(origin);
        rule
    };
    Ok(values.into_iter().flatten().map(read).collect())
}

/// Implements what a rule shares with the others: where it comes from, and the form in which one that
/// cannot be read is written back. The rule's derives have `#[serde(remote = "Self")]`.
macro_rules! kept_rule {
    ($name:ident, $blank:expr) => {
        impl $name {
            /// Returns the rule as the service sent it, if it cannot be read as one. All other members are
            /// empty then. Such a rule is written back unchanged.
            #[must_use]
            pub fn unreadable(&self) -> Option<&serde_json::Value> {
                self.origin.unreadable()
            }

            /// Whether the program has nothing to do with what the rule says.
            fn is_as_read(&self) -> bool {
                match &self.origin {
                    crate::model::lenient::RuleOrigin::Program => false,
                    crate::model::lenient::RuleOrigin::Service(read) => **read == *self,
                    crate::model::lenient::RuleOrigin::Unreadable(_) => true,
                }
            }
        }

        impl crate::model::lenient::Rule for $name {
            fn blank() -> Self {
                $blank
            }

            fn set_origin(&mut self, origin: crate::model::lenient::RuleOrigin<Self>) {
                self.origin = origin;
            }
        }
    };
    (serialized $name:ident, $blank:expr) => {
        crate::model::lenient::kept_rule!($name, $blank);

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The function that `remote` derives, not this one.
                Self::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.origin.unreadable() {
                    Some(value) => value.serialize(serializer),
                    None => Self::serialize(self, serializer),
                }
            }
        }
    };
}

pub(crate) use kept_rule;
