//! The rules for names: of files (docs/protocol.md, section 4.2), file info (4.3, 4.4) and buckets
//! (2.2). Also the content type of an extension (4.5).

use std::collections::BTreeMap;

use crate::simulator::protocol::decode;
use crate::simulator::protocol::reply::Refusal;

const MAX_INFO: usize = 10;
/// File name and file info together, as encoded header bytes (docs/protocol.md, section 4.3).
pub(crate) const MAX_INFO_SIZE: usize = 7000;
/// The limit for files whose upload asks for encryption, and in buckets with file lock.
pub(crate) const MAX_INFO_SIZE_ENCRYPTED: usize = 2048;

/// Refuses a file name that the native API does not accept.
pub(crate) fn check_file_name(name: &str) -> Result<(), Refusal> {
    let refuse = |rule: &str| Err(Refusal::bad_request(format!("File names {rule}")));
    if name.is_empty() {
        return refuse("must contain at least one character");
    }
    if name.len() > 1024 {
        return refuse("in UTF8 must be no more than 1024 bytes");
    }
    if name.starts_with('/') {
        return refuse("must not start with '/'");
    }
    if name.ends_with('/') {
        return refuse("must not end with '/'");
    }
    if name.contains("//") {
        return refuse("must not contain '//'");
    }
    if name.contains('\\') {
        return refuse("must not contain '\\'");
    }
    if name.contains('\u{7f}') {
        return refuse("must not contain DELETE");
    }
    if name.chars().any(|c| c < ' ') {
        return refuse("must not contain characters less than 32");
    }
    if name.split('/').any(|segment| segment.len() > 250) {
        return refuse("segment must not be more than 250 bytes");
    }
    Ok(())
}

pub(crate) fn check_bucket_name(name: &str) -> Result<(), Refusal> {
    if name.chars().count() < 6 {
        return Err(Refusal::bad_request(
            "bucketName must be at least 6 characters long",
        ));
    }
    if name.chars().count() > 63 {
        return Err(Refusal::bad_request(
            "bucketName can be at most 63 characters long",
        ));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Refusal::bad_request(
            "Invalid characters in bucketName: must be alphanumeric or '-'",
        ));
    }
    if name.to_ascii_lowercase().starts_with("b2-") {
        return Err(Refusal::bad_request("bucketName must not start with 'b2-'"));
    }
    Ok(())
}

/// Checks names, count, size and the reserved `b2-` values of a file's info. `limit` bounds the
/// file name and the info together, as encoded header bytes.
pub(crate) fn check_file_info(
    file_name: &str,
    info: &BTreeMap<String, String>,
    limit: usize,
) -> Result<(), Refusal> {
    if info.len() > MAX_INFO {
        return Err(Refusal::bad_request(format!(
            "More than {MAX_INFO} file info entries"
        )));
    }
    for (name, value) in info {
        check_info_name(name)?;
        check_info_value(name, value)?;
    }
    let size = info_size(file_name, info);
    if size > limit {
        return Err(Refusal::bad_request(format!(
            "File name and file info take {size} bytes, the limit is {limit}"
        )));
    }
    Ok(())
}

/// What file name and info take together, as encoded header bytes.
pub(crate) fn info_size(file_name: &str, info: &BTreeMap<String, String>) -> usize {
    let pairs = info.iter();
    let pairs = pairs.map(|(name, value)| name.len() + decode::encode(value).len());
    decode::encode(file_name).len() + pairs.sum::<usize>()
}

/// Refuses a name that neither file info nor bucket info may have.
pub(crate) fn check_info_name(name: &str) -> Result<(), Refusal> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.`~!#$%^&*'|+".contains(&b);
    if name.is_empty() || name.len() > 50 || !name.bytes().all(allowed) {
        return Err(Refusal::bad_request(format!(
            "Invalid file info name: {name}"
        )));
    }
    if name.starts_with("b2-") && response_header(name).is_none() {
        return Err(Refusal::bad_request(format!(
            "Reserved file info name: {name}"
        )));
    }
    Ok(())
}

fn check_info_value(name: &str, value: &str) -> Result<(), Refusal> {
    let good = match name {
        "src_last_modified_millis" => decode::decimal(value).is_some(),
        _ if response_header(name).is_some() => is_value_of(name, value),
        _ => true,
    };
    if good {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "Invalid value for file info {name}: {value}"
    )))
}

/// The response header that a reserved info name stands for (docs/protocol.md, section 4.4).
pub(crate) fn response_header(info_name: &str) -> Option<&'static str> {
    match info_name {
        "b2-content-disposition" => Some("Content-Disposition"),
        "b2-content-language" => Some("Content-Language"),
        "b2-expires" => Some("Expires"),
        "b2-cache-control" => Some("Cache-Control"),
        "b2-content-encoding" => Some("Content-Encoding"),
        _ => None,
    }
}

/// Whether the value fits the grammar of the header that the reserved info name stands for.
pub(crate) fn is_value_of(info_name: &str, value: &str) -> bool {
    // Control characters are refused first, because trimming would remove some of them.
    if !is_header_text(value) {
        return false;
    }
    match info_name {
        "b2-expires" => httpdate::parse_http_date(value).is_ok(),
        "b2-content-encoding" => value.split(',').all(|item| is_token(item.trim())),
        "b2-content-language" => value.split(',').all(|item| is_language(item.trim())),
        "b2-cache-control" => unquoted_split(value, ',')
            .into_iter()
            .all(|item| is_directive(item.trim())),
        "b2-content-disposition" => is_disposition(value),
        _ => true,
    }
}

/// Printable ASCII: what may stand in any header.
pub(crate) fn is_header_text(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| matches!(b, b' '..=b'~'))
}

pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_language(text: &str) -> bool {
    text.split('-').all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// `name` or `name=value`, the value a token or quoted.
fn is_directive(text: &str) -> bool {
    match text.split_once('=') {
        None => is_token(text),
        Some((name, value)) => is_token(name.trim()) && is_parameter_value(value.trim()),
    }
}

fn is_parameter_value(value: &str) -> bool {
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(inner) => is_quoted_text(inner),
        None => is_token(value),
    }
}

/// What stands between quotes: printable characters, of which a quote and a backslash are escaped.
fn is_quoted_text(inner: &str) -> bool {
    let mut is_escaped = false;
    for byte in inner.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return false,
            b' '..=b'~' => {}
            _ => return false,
        }
    }
    !is_escaped
}

/// RFC 6266: a type and parameters. Extended values (`filename*=UTF-8''na%C3%AFve.txt`) are in UTF-8
/// and name no language; continuations (`filename*0=`) are not supported.
fn is_disposition(value: &str) -> bool {
    let mut parts = unquoted_split(value, ';').into_iter().map(str::trim);
    parts.next().is_some_and(is_token)
        && parts.all(|part| match part.split_once('=') {
            None => false,
            Some((name, value)) => {
                let (name, value) = (name.trim(), value.trim());
                let is_plain = |name: &str| is_token(name) && !name.contains('*');
                match name.strip_suffix('*') {
                    Some(name) => is_plain(name) && is_extended_value(value),
                    None => is_plain(name) && is_parameter_value(value),
                }
            }
        })
}

/// RFC 5987 with the charset UTF-8, in any case, and without a language.
fn is_extended_value(value: &str) -> bool {
    let mut parts = value.splitn(3, '\'');
    let (Some(charset), Some(""), Some(encoded)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&b);
    charset.eq_ignore_ascii_case("utf-8")
        && encoded.bytes().all(allowed)
        // A plus sign is one, not a space.
        && decode::percent(&encoded.replace('+', "%2B")).is_some()
}

/// The text between separators that are not in a quoted string.
fn unquoted_split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            other if other == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + other.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// What to store for the content type that was asked for.
pub(crate) fn resolve_content_type(asked: &str, file_name: &str) -> Result<String, Refusal> {
    if !is_header_text(asked) {
        return Err(Refusal::bad_request(format!(
            "Invalid content type: {asked}"
        )));
    }
    if asked != "b2/x-auto" {
        return Ok(asked.to_owned());
    }
    let last = file_name.rsplit('/').next().unwrap_or(file_name);
    let extension = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    Ok(type_of_extension(&extension.to_ascii_lowercase()).to_owned())
}

fn type_of_extension(extension: &str) -> &'static str {
    match extension {
        "txt" | "log" | "text" => "text/plain",
        "htm" | "html" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "js" => "application/javascript",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/x-gzip",
        "tar" => "application/x-tar",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "mp3" => "audio/mpeg",
        "wav" => "audio/x-wav",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(name: &str) -> String {
        check_file_name(name).unwrap_err().message
    }

    #[test]
    fn file_names_follow_the_rules() {
        for good in [
            "a",
            "a/b c/ü.txt",
            "😀",
            " ",
            &"x".repeat(250),
            &["y"; 512].join("/"),
        ] {
            assert_eq!(check_file_name(good), Ok(()), "{good}");
        }
        assert_eq!(
            message_of(""),
            "File names must contain at least one character"
        );
        assert_eq!(message_of("/a"), "File names must not start with '/'");
        assert_eq!(message_of("a/"), "File names must not end with '/'");
        assert_eq!(message_of("a//b"), "File names must not contain '//'");
        assert_eq!(message_of("a\u{7f}"), "File names must not contain DELETE");
        assert_eq!(
            message_of(&"ü".repeat(126)),
            "File names segment must not be more than 250 bytes"
        );
        assert!(message_of(&["y"; 513].join("/")).contains("1024 bytes"));
        assert!(check_file_name("a\nb").is_err());
    }

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abcdef", "A-1-b2", &"x".repeat(63)] {
            assert_eq!(check_bucket_name(good), Ok(()), "{good}");
        }
        for bad in [
            "abcde",
            &"x".repeat(64),
            "b2-archive",
            "B2-archive",
            "with.dot",
            "under_score",
            "ümlaut",
        ] {
            assert_eq!(
                check_bucket_name(bad).unwrap_err().code,
                "bad_request",
                "{bad}"
            );
        }
    }

    #[test]
    fn info_is_limited_in_count_size_names_and_reserved_values() {
        let check = |pairs: &[(&str, &str)]| {
            let info = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect();
            check_file_info("a.txt", &info, 7000).is_ok()
        };
        assert!(check(&[
            ("color", "blüe\nline"),
            ("src_last_modified_millis", "123")
        ]));
        assert!(check(&[(
            "b2-content-disposition",
            "attachment; filename=\"a b.txt\""
        )]));
        assert!(check(&[("b2-expires", "Thu, 01 Dec 1994 16:00:00 GMT")]));
        assert!(check(&[("b2-cache-control", "public, max-age=60")]));
        assert!(!check(&[("b2-expires", "tomorrow")]));
        assert!(!check(&[("b2-unknown", "x")]));
        assert!(!check(&[("src_last_modified_millis", "12.5")]));
        assert!(!check(&[("with space", "x")]));
        assert!(!check(&[("big", &"x".repeat(7000))]));
        let names: Vec<String> = (0..11).map(|n| format!("n{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(check(&many[..10]));
        assert!(!check(&many));
    }

    #[test]
    fn dispositions_follow_their_grammar() {
        let is_good = |value| is_value_of("b2-content-disposition", value);
        for good in [
            "inline",
            "attachment; filename=a.txt",
            "attachment; filename=\"a; b, \\\"c\\\".txt\"",
            "attachment; filename*=UTF-8''a",
            "attachment; filename*=utf-8''na%C3%AFve%20%28+%29.txt",
            "attachment; filename=\"naive.txt\" ; filename*=UTF-8''na%C3%AFve.txt",
        ] {
            assert!(is_good(good), "{good}");
        }
        for bad in [
            "",
            "attachment;",
            "attachment; filename",
            "attachment; filename=",
            "attachment; filename=\"a",
            "attachment; filename=\"a\\\"",
            "attachment; filename=a b",
            "attachment; filename*=a",
            "attachment; filename*=ISO-8859-1''a",
            "attachment; filename*=UTF-8'en'a",
            "attachment; filename*=UTF-8''a b",
            "attachment; filename*=UTF-8''%zz",
            "attachment; filename*=UTF-8''%ff",
            "attachment; filename*=UTF-8''a'b",
            "attachment; filename*0=a",
            "attachment; filename*0*=UTF-8''a",
            "attachment; filename=na\u{ef}ve",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
    }

    #[test]
    fn auto_types_come_from_the_extension() {
        let resolve = |name| resolve_content_type("b2/x-auto", name).unwrap();
        assert_eq!(resolve("a/b.TXT"), "text/plain");
        assert_eq!(resolve("dir.txt/file"), "application/octet-stream");
        assert_eq!(resolve_content_type("image/x", "a.txt").unwrap(), "image/x");
        assert!(resolve_content_type("", "a").is_err());
    }
}
