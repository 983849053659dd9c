//! The headers of a request, as they are put together by the endpoints.

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// How many headers an upload of a file has as a rule, with its token and its length. There is room for so
/// many from the start. A larger table is so large that allocating it takes ten times as long.
const USUAL: usize = 6;

/// The headers of a request, whose values are already encoded. It has no `Debug`, because keys are among
/// them.
pub(crate) struct Headers(HeaderMap);

impl Headers {
    /// Creates an empty set with room for the usual number of headers.
    pub(crate) fn new() -> Self {
        Self(HeaderMap::with_capacity(USUAL))
    }

    /// Adds a header. A `String` is taken over without a copy.
    ///
    /// Fails with `InvalidInput` if HTTP cannot carry the value, or if there are more than some 24,000
    /// headers. The error of a value names the header and never shows the value, which may be a token or a
    /// key.
    pub(crate) fn add(&mut self, name: HeaderName, value: impl Into<Text>) -> Result<()> {
        let Some(value) = value.into().0 else {
            return Err(refused("value", name.as_str()));
        };
        let added = self.0.try_append(name, value);
        added.map_err(|_| Error::invalid_input("header", "there are too many headers"))?;
        Ok(())
    }

    /// Adds a header whose name is not known before.
    ///
    /// Fails as [`add`](Self::add) does, and if HTTP cannot carry the name.
    pub(crate) fn add_named(&mut self, name: &str, value: impl Into<Text>) -> Result<()> {
        let parsed = name.parse().map_err(|_| refused("name", name))?;
        self.add(parsed, value)
    }

    /// The headers, as the HTTP library takes them.
    pub(super) fn into_map(self) -> HeaderMap {
        self.0
    }
}

#[cfg(test)]
impl Headers {
    /// All names, which are in lower case, and values.
    pub(crate) fn to_text(&self) -> Vec<(String, String)> {
        let headers = self.0.iter();
        headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }
}

/// The value of a header; `None` inside if HTTP cannot carry it.
pub(crate) struct Text(Option<HeaderValue>);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.try_into().ok())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(HeaderValue::from_str(text).ok())
    }
}

impl From<HeaderValue> for Text {
    fn from(value: HeaderValue) -> Self {
        Self(Some(value))
    }
}

/// The error of a header that cannot be sent.
fn refused(what: &str, name: &str) -> Error {
    let reason = format!("the {what} of {name:?} contains characters that HTTP does not allow");
    Error::invalid_input("header", reason)
}

#[cfg(test)]
mod tests {
    use super::Headers;
    use crate::error::Error;

    #[test]
    fn too_many_headers_are_an_error() {
        let mut headers = Headers::new();
        let mut names = (0..100_000).map(|n| format!("x-bz-info-{n}"));
        let refused = names.find_map(|name| headers.add_named(&name, "1").err());
        assert!(matches!(refused, Some(Error::InvalidInput { .. })));
        assert!(headers.into_map().len() > 20_000);
    }
}
