//! Decoders for what clients encode: names and values with percent-encoding (docs/protocol.md,
//! section 4.1), query strings, and ranges (section 8.2). They share no code with the client's
//! encoders, so an error in those is noticed here.

use std::fmt::Write as _;

/// Decodes `%XX` and, as the service does, `+` as a space. `None` if a `%` is not followed by two
/// hex digits, or if the result is not UTF-8.
pub(crate) fn percent(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Encodes for a response header; a space becomes `+`, which clients must be able to read.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// The decoded pairs of a query string, in order; `None` if one of them does not decode.
pub(crate) fn query(text: Option<&str>) -> Option<Vec<(String, String)>> {
    text.unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent(name)?, percent(value)?))
        })
        .collect()
}

/// A `bytes=` range as asked for, before the file's length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `a-b`, both inclusive, or `a-`.
    From(u64, Option<u64>),
    /// `-n`: the last n bytes.
    Last(u64),
}

impl ByteRange {
    /// Returns `None` if the range is malformed, or if there are several ranges, which the service
    /// does not support.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(decimal(last)?)),
            (first, "") => Some(Self::From(decimal(first)?, None)),
            (first, last) => {
                let (first, last) = (decimal(first)?, decimal(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// Reads a range of a copy, which names both ends.
    pub(crate) fn parse_bounded(text: &str) -> Option<Self> {
        Self::parse(text).filter(|range| matches!(range, Self::From(_, Some(_))))
    }

    /// Returns the first and last byte of the range in a file of this length; `None` if it selects
    /// no byte.
    pub(crate) fn within(self, length: u64) -> Option<(u64, u64)> {
        let end = length.checked_sub(1)?;
        match self {
            Self::From(first, last) => {
                (first <= end).then(|| (first, last.map_or(end, |last| last.min(end))))
            }
            Self::Last(0) => None,
            Self::Last(count) => Some((length.saturating_sub(count), end)),
        }
    }
}

/// Reads a number that consists of digits only, without sign or space.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Vectors that the client's encoder is held against as well.
    fn vectors(json: &str) -> Vec<Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn each_vector_is_decoded_from_all_of_its_forms() {
        for vector in vectors(include_str!("../../../fixtures/encoding/percent.json")) {
            let others = vector["also"].as_array().unwrap().iter();
            for form in others.chain([&vector["encoded"]]) {
                let decoded = percent(form.as_str().unwrap());
                assert_eq!(decoded.as_deref(), vector["text"].as_str(), "{form}");
            }
        }
    }

    #[test]
    fn each_vector_is_encoded_as_one_of_its_forms() {
        for vector in vectors(include_str!("../../../fixtures/encoding/percent.json")) {
            let encoded = Value::from(encode(vector["text"].as_str().unwrap()));
            let others = vector["also"].as_array().unwrap();
            let is_a_form = vector["encoded"] == encoded || others.contains(&encoded);
            assert!(is_a_form, "{encoded} of {vector}");
        }
    }

    #[test]
    fn what_nobody_should_send_is_refused() {
        for vector in vectors(include_str!("../../../fixtures/encoding/malformed.json")) {
            let encoded = vector["encoded"].as_str().unwrap();
            assert_eq!(percent(encoded), None, "{encoded}");
        }
    }

    #[test]
    fn percent_decoding_reads_plus_as_space_and_either_case() {
        assert_eq!(percent("a+b%2Bc%2bd").as_deref(), Some("a b+c+d"));
        assert_eq!(percent("%E2%82%AC/%f0%9f%98%80").as_deref(), Some("€/😀"));
        for bad in ["%", "%4", "%zz", "%+1", "%ff", "%C3"] {
            assert_eq!(percent(bad), None, "{bad}");
        }
        assert_eq!(encode("a b+€/~"), "a+b%2B%E2%82%AC/~");
    }

    #[test]
    fn queries_decode_each_pair() {
        let pairs = query(Some("fileId=4_z%3D&&x=a+b&flag")).unwrap();
        let expected = [("fileId", "4_z="), ("x", "a b"), ("flag", "")];
        assert_eq!(pairs.len(), 3);
        for ((name, value), (n, v)) in pairs.iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_str()), (n, v));
        }
        assert_eq!(query(Some("")), Some(Vec::new()));
        assert_eq!(query(Some("a=%")), None);
    }

    #[test]
    fn ranges_parse_and_clamp() {
        let within = |text: &str, length| ByteRange::parse(text).and_then(|r| r.within(length));
        assert_eq!(within("bytes=0-0", 10), Some((0, 0)));
        assert_eq!(within("bytes=2-5", 10), Some((2, 5)));
        assert_eq!(within("bytes=2-99", 10), Some((2, 9)));
        assert_eq!(within("bytes=2-", 10), Some((2, 9)));
        assert_eq!(within("bytes=-3", 10), Some((7, 9)));
        assert_eq!(within("bytes=-30", 10), Some((0, 9)));
        assert_eq!(within("bytes=10-", 10), None);
        assert_eq!(within("bytes=-0", 10), None);
        assert_eq!(within("bytes=0-", 0), None);
        for bad in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "items=0-1",
        ] {
            assert_eq!(ByteRange::parse(bad), None, "{bad}");
        }
    }
}
