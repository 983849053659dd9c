//! Settings that the service shows only to keys that may read them, and how it spells that there is
//! none (docs/protocol.md, sections 3.2 and 3.3).
//!
//! | the service sends, in its wrapper | becomes |
//! | --- | --- |
//! | `isClientAuthorizedToRead: false` | `NotAuthorized` |
//! | `true`, and a value | `Readable` |
//! | `true`, and `null`, or an object whose members are all `null` | `Unset` |
//! | a retention with a mode and no end, or the other way round | `NotAuthorized`: something is set, and it is not known what |
//! | no wrapper at all | `Unset` |
//! | a wrapper that says neither | `NotAuthorized` |

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A setting that the service may hide from the application key that asks for it.
///
/// The service then answers the rest of the request, so a missing capability does not fail the call; it only
/// leaves this value unknown.
///
/// Do not take [`NotAuthorized`](Self::NotAuthorized) for "not set": a file whose lock is hidden may be
/// locked.
///
/// ```
/// use b2sdk::Filtered;
///
/// let days = Filtered::Readable(7);
/// assert_eq!((days.readable(), days.is_hidden()), (Some(&7), false));
/// assert!(Filtered::<u32>::NotAuthorized.is_hidden());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Filtered<T> {
    /// The key may read the setting, and it has this value.
    Readable(T),
    /// The key may read the setting, and it has no value: nothing is set.
    #[default]
    Unset,
    /// The key may not read the setting, or the service reported only part of it. Whether it has a
    /// value is not known.
    NotAuthorized,
}

impl<T> Filtered<T> {
    /// Returns the value, if there is one and the key may read it.
    ///
    /// `None` means two things, nothing set and nothing known; [`is_hidden`](Self::is_hidden) tells
    /// them apart.
    pub const fn readable(&self) -> Option<&T> {
        match self {
            Self::Readable(value) => Some(value),
            Self::Unset | Self::NotAuthorized => None,
        }
    }

    /// Returns whether the setting is hidden from the key, so that it may or may not have a value.
    pub const fn is_hidden(&self) -> bool {
        matches!(self, Self::NotAuthorized)
    }
}

/// A setting that travels as an object whose members are `null` where there is none.
pub(crate) trait Setting: Sized {
    /// The object, every member of which may be missing.
    type Form: Serialize + DeserializeOwned;

    /// What the object says. One that says only half of it says nothing.
    fn from_form(form: Self::Form) -> Filtered<Self>;

    /// The object, for none too.
    fn to_form(setting: Option<&Self>) -> Self::Form;
}

/// Whether a key may read it beside the value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapper<F> {
    #[serde(default)]
    is_client_authorized_to_read: Option<bool>,
    #[serde(default = "nothing")]
    value: Option<F>,
}

// serde's own default would ask for `F: Default`.
const fn nothing<F>() -> Option<F> {
    None
}

/// For `#[serde(with)]`: a setting in its wrapper.
pub(crate) mod wrapped {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Filtered, Setting, Wrapper};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Setting>(
        deserializer: D,
    ) -> Result<Filtered<T>, D::Error> {
        let Some(wrapper) = Option::<Wrapper<T::Form>>::deserialize(deserializer)? else {
            return Ok(Filtered::Unset);
        };
        Ok(
            match (wrapper.is_client_authorized_to_read, wrapper.value) {
                (Some(true) | None, Some(form)) => T::from_form(form),
                (Some(true), None) => Filtered::Unset,
                (Some(false), _) | (None, None) => Filtered::NotAuthorized,
            },
        )
    }

    pub(crate) fn serialize<S: Serializer, T: Setting>(
        setting: &Filtered<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let hidden = setting.is_hidden();
        Wrapper {
            is_client_authorized_to_read: Some(!hidden),
            value: (!hidden).then(|| T::to_form(setting.readable())),
        }
        .serialize(serializer)
    }
}

/// For `#[serde(with)]`: a setting without a wrapper, which the service shows to everybody.
pub(crate) mod plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Filtered, Setting, wrapped};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Setting>(
        deserializer: D,
    ) -> Result<Filtered<T>, D::Error> {
        let form = Option::<T::Form>::deserialize(deserializer)?;
        Ok(form.map_or(Filtered::Unset, T::from_form))
    }

    pub(crate) fn serialize<S: Serializer, T: Setting>(
        setting: &Filtered<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match setting {
            Filtered::NotAuthorized => wrapped::serialize(setting, serializer),
            setting => T::to_form(setting.readable()).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::Filtered;
    use crate::model::lock::{FileRetention, LegalHold};
    use crate::model::time::Timestamp;

    #[derive(Serialize, Deserialize)]
    struct File {
        #[serde(with = "super::wrapped", default)]
        retention: Filtered<FileRetention>,
        #[serde(with = "super::wrapped", default)]
        hold: Filtered<LegalHold>,
    }

    fn retention(value: &Value) -> Filtered<FileRetention> {
        let file: File = serde_json::from_value(json!({ "retention": value })).unwrap();
        file.retention
    }

    #[test]
    fn set_unset_and_hidden_are_told_apart() {
        let until = Timestamp::from_millis(1_796_371_200_000);
        let set = json!({"mode": "governance", "retainUntilTimestamp": 1_796_371_200_000_u64});
        for (value, expected) in [
            (
                json!({"isClientAuthorizedToRead": true, "value": set}),
                Filtered::Readable(FileRetention::governance(until)),
            ),
            (
                json!({"isClientAuthorizedToRead": true, "value": {"mode": null, "retainUntilTimestamp": null}}),
                Filtered::Unset,
            ),
            (
                json!({"isClientAuthorizedToRead": true, "value": null}),
                Filtered::Unset,
            ),
            (
                json!({"isClientAuthorizedToRead": false, "value": null}),
                Filtered::NotAuthorized,
            ),
            (
                json!({"isClientAuthorizedToRead": false}),
                Filtered::NotAuthorized,
            ),
            (
                json!({"isClientAuthorizedToRead": true, "value": {"mode": "governance"}}),
                Filtered::NotAuthorized,
            ),
            (json!({}), Filtered::NotAuthorized),
            (json!(null), Filtered::Unset),
        ] {
            assert_eq!(retention(&value), expected, "{value}");
        }
        let nothing: File = serde_json::from_str("{}").unwrap();
        assert_eq!(nothing.retention, Filtered::Unset);
    }

    #[test]
    fn each_state_is_written_as_the_service_writes_it() {
        let unset = json!({
            "retention": {"isClientAuthorizedToRead": true, "value": {"mode": null, "retainUntilTimestamp": null}},
            "hold": {"isClientAuthorizedToRead": true, "value": null},
        });
        let hidden = json!({"isClientAuthorizedToRead": false, "value": null});
        let hidden = json!({ "retention": hidden, "hold": hidden });
        let set = json!({
            "retention": {"isClientAuthorizedToRead": true, "value": {"mode": "compliance", "retainUntilTimestamp": 5}},
            "hold": {"isClientAuthorizedToRead": true, "value": "on"},
        });
        for value in [unset, hidden, set] {
            let file: File = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(file).unwrap(), value);
        }
    }
}
