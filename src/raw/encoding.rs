//! Percent-encoding of names and file-info values in headers and paths (docs/protocol.md, section
//! 4.1).
//!
//! The service reads `+` as a space, and may write a space as `+`. So `%20` and `%2B` are always
//! written, and both forms are read.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything except the characters that no client and no server ever encodes or changes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// Encodes a text for a header or a path.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The number of bytes that an encoded text has.
pub(crate) fn encoded_len(text: &str) -> usize {
    utf8_percent_encode(text, ENCODED).map(str::len).sum()
}

/// Encodes a value for a query, including `/`.
pub(crate) fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Decodes a text. Bytes that are not UTF-8 become U+FFFD.
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
    use serde_json::Value;

    use super::{decode, encode, encoded_len};

    /// Vectors that the simulator's decoder is held against as well.
    fn vectors(json: &str) -> Vec<Value> {
        serde_json::from_str(json).unwrap()
    }

    fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
        vector[member].as_str().unwrap()
    }

    #[test]
    fn each_vector_is_encoded_as_we_send_it() {
        for vector in vectors(include_str!("../../fixtures/encoding/percent.json")) {
            let encoded = encode(text(&vector, "text"));
            assert_eq!(encoded, text(&vector, "encoded"), "{}", vector["what"]);
        }
    }

    #[test]
    fn each_vector_is_decoded_from_all_of_its_forms() {
        for vector in vectors(include_str!("../../fixtures/encoding/percent.json")) {
            let others = vector["also"].as_array().unwrap().iter();
            for form in others.chain([&vector["encoded"]]) {
                let decoded = decode(form.as_str().unwrap());
                assert_eq!(decoded, text(&vector, "text"), "{}: {form}", vector["what"]);
            }
        }
    }

    #[test]
    fn what_nobody_should_send_is_read_as_well_as_it_can_be() {
        for vector in vectors(include_str!("../../fixtures/encoding/malformed.json")) {
            let decoded = decode(text(&vector, "encoded"));
            assert_eq!(decoded, text(&vector, "lenient"), "{vector}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let encoded = encode(&text);
            assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~/%".contains(&b)), "{encoded}");
            assert_eq!(encoded_len(&text), encoded.len());
            assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn nothing_that_is_decoded_panics(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
