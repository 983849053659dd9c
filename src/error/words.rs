//! Parts of the messages of [`Error`](enum@super::Error): names, the service's answer, and hints where the answer does not say
//! what to do.

use std::io;

use crate::error::service::{ErrorCode, ServiceError};

/// The service's answer behind what it means, where there is one.
pub(super) fn answer(service: Option<&ServiceError>) -> String {
    service.map_or_else(String::new, |service| format!(": {service}"))
}

/// The words for the bucket of a file, if it is known.
pub(super) fn in_bucket(bucket: Option<&str>) -> String {
    bucket.map_or_else(String::new, |bucket| format!(" in the bucket {bucket:?}"))
}

/// A name in quotes, without the middle of a very long one.
pub(super) fn shortened(name: &str) -> String {
    const SHOWN: usize = 60;
    let length = name.chars().count();
    if length <= 3 * SHOWN {
        return format!("{name:?}");
    }
    let start: String = name.chars().take(SHOWN).collect();
    let end: String = name.chars().skip(length - SHOWN).collect();
    format!("{start:?}...{end:?} ({} bytes)", name.len())
}

/// A refusal, and what to do about it where the service does not say it.
pub(super) fn with_hint(
    service: &ServiceError,
    f: &mut std::fmt::Formatter<'_>,
) -> std::fmt::Result {
    let hint = match service.code {
        ErrorCode::CannotDeleteNonEmptyBucket => {
            "; hidden files, old versions and unfinished large files count too: delete_many with \
             Versions::All deletes all of them"
        }
        _ => "",
    };
    write!(f, "{service}{hint}")
}

/// Whether a failure of the operating system is that the process, or the whole system, has no file descriptor
/// left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes: &[i32] = if cfg!(windows) { &[10024] } else { &[23, 24] };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// What helps if that is the failure.
pub(super) fn descriptors_hint(error: &io::Error) -> &'static str {
    match is_out_of_descriptors(error) {
        true => ": no file descriptor is left; raise the limit, or use fewer workers",
        false => "",
    }
}
