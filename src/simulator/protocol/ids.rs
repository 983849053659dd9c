//! The ids and tokens that the service hands out (docs/protocol.md, section 3.1). A file id reveals
//! its bucket, which is needed to judge calls that name only a file, and its upload time, with
//! which a listing can start at a version that no longer exists.

use crate::simulator::random;

const CLUSTER: &str = "002";

/// What a token is valid for. Its text contains it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenKind {
    Account,
    Upload,
    Download,
}

/// The character after `_f` in a file id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FileKind {
    Small,
    Large,
}

/// The facts that a well-formed file id contains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileIdParts<'a> {
    pub(crate) bucket_id: &'a str,
    /// The digits behind `_f` as a number.
    pub(crate) serial: u64,
    /// Older ids of the real service have no `_u` part, hence no milliseconds.
    pub(crate) uploaded: Option<u64>,
}

pub(crate) fn account_id() -> String {
    random::hex(12)
}

/// Number 0 is the master key.
pub(crate) fn key_id(account_id: &str, number: u64) -> String {
    format!("{CLUSTER}{account_id}{number:010x}")
}

pub(crate) fn application_key() -> String {
    format!("K{CLUSTER}{}", random::base64_url(27))
}

/// Every second character spells the account id, as observed on the real service.
pub(crate) fn bucket_id(account_id: &str) -> String {
    random::hex(account_id.len())
        .chars()
        .zip(account_id.chars())
        .flat_map(|(random, account)| [random, account])
        .collect()
}

/// What tells a file id from the others of its bucket and millisecond: its kind and 15 random digits.
pub(crate) fn file_serial(kind: FileKind) -> u64 {
    let kind = match kind {
        FileKind::Small => 1,
        FileKind::Large => 2,
    };
    kind << 60 | random::number() >> 4
}

pub(crate) fn file_id(bucket_id: &str, serial: u64, uploaded: u64) -> String {
    let (date, time) = date_and_time(uploaded / 1000);
    format!(
        "4_z{bucket_id}_f{serial:016x}_d{date:08}_m{time:06}_c{CLUSTER}_v0002207_t0035_u{uploaded:014}"
    )
}

pub(crate) fn token(key_id: &str, kind: TokenKind) -> String {
    let (word, length) = match kind {
        TokenKind::Account => ("acct", 27),
        TokenKind::Upload => ("upld", 27),
        TokenKind::Download => ("dnld", 61),
    };
    format!(
        "4_{key_id}_{}_{}_{word}_{}=",
        random::hex(8),
        random::hex(6),
        random::base64_url(length)
    )
}

pub(crate) fn is_bucket_id(id: &str) -> bool {
    id.len() == 24 && id.bytes().all(is_lower_hex)
}

/// Returns `None` for a text that the service could not have handed out.
pub(crate) fn parse_file_id(id: &str) -> Option<FileIdParts<'_>> {
    let mut parts = id.strip_prefix("4_z")?.split('_');
    let bucket_id = parts.next().filter(|bucket| is_bucket_id(bucket))?;
    let serial = parts
        .next()
        .and_then(|part| part.strip_prefix('f'))
        .filter(|digits| digits.len() == 16 && digits.bytes().all(is_lower_hex))?;
    let serial = u64::from_str_radix(serial, 16).ok()?;
    for (letter, length) in [('d', 8), ('m', 6), ('c', 3), ('v', 7), ('t', 4)] {
        digits(parts.next()?, letter, length)?;
    }
    let uploaded = match parts.next() {
        Some(part) => Some(digits(part, 'u', 14)?.parse().ok()?),
        None => None,
    };
    parts.next().is_none().then_some(FileIdParts {
        bucket_id,
        serial,
        uploaded,
    })
}

fn digits(part: &str, letter: char, length: usize) -> Option<&str> {
    part.strip_prefix(letter)
        .filter(|rest| rest.len() == length && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// `YYYYMMDD` and `HHMMSS` in UTC as numbers; the calendar counted from 1 March 0000, which puts the leap day
/// at the end of its year.
fn date_and_time(seconds: u64) -> (u64, u64) {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (
        year * 10_000 + month * 100 + day,
        second / 3600 * 10_000 + second / 60 % 60 * 100 + second % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_documented_forms() {
        let bucket = bucket_id("7c41f09d3be8");
        assert!(is_bucket_id(&bucket));
        let spelled: String = bucket.chars().skip(1).step_by(2).collect();
        assert_eq!(spelled, "7c41f09d3be8");
        assert_eq!(key_id("7c41f09d3be8", 12), "0027c41f09d3be8000000000c");
        assert_eq!(application_key().len(), 31);
        let key = key_id("7c41f09d3be8", 1);
        assert_eq!(token(&key, TokenKind::Account).len(), 77);
        assert_eq!(token(&key, TokenKind::Upload).len(), 77);
        assert_eq!(token(&key, TokenKind::Download).len(), 111);
    }

    #[test]
    fn a_file_id_tells_its_bucket_and_time() {
        let bucket = "a70c34e19f10595d73db0e28";
        let serial = file_serial(FileKind::Small);
        let id = file_id(bucket, serial, 1_709_972_142_123);
        assert!(id.contains("_d20240309_m081542_"), "{id}");
        assert_eq!(
            parse_file_id(&id),
            Some(FileIdParts {
                bucket_id: bucket,
                serial,
                uploaded: Some(1_709_972_142_123)
            })
        );
        let old =
            "4_za70c34e19f10595d73db0e28_f1093be5502c71d48_d20240309_m081542_c002_v0002207_t0035";
        assert_eq!(parse_file_id(old).and_then(|parts| parts.uploaded), None);
        for bad in [
            "",
            "bad-id",
            "4_z",
            "4_za70c34e19f10595d73db0e28",
            &format!("{id}_x1"),
        ] {
            assert_eq!(parse_file_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date_and_time(0).0, 19700101);
        assert_eq!(date_and_time(951_782_400).0, 20000229);
        assert_eq!(date_and_time(1_735_689_599).0, 20241231);
        assert_eq!(date_and_time(1_735_689_600).0, 20250101);
    }
}
