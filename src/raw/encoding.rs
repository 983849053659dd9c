//! Percent-encoding of names and file-info values in headers and paths (reference section 4.1).
//!
//! The service reads `+` as a space, and may write one so: we always write `%20` and `%2B`, and
//! read both.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the characters that no client and no server ever touches.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// The encoded form for a header or a path.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The text that was encoded; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode(encoded: &str) -> String {
    let spaces: Cow<'_, str> = if encoded.contains('+') {
        encoded.replace('+', " ").into()
    } else {
        encoded.into()
    };
    percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{decode, encode};

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let encoded = encode(&text);
            assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~/%".contains(&b)), "{encoded}");
            assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn nothing_that_is_decoded_panics(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
