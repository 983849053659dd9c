//! Reading members that the service may leave out or write as `null` (docs/protocol.md, section 1.5).

use serde::{Deserialize, Deserializer};

/// For `deserialize_with`, beside `default`: an explicit `null` is as good as no member at all.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
