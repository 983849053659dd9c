//! A URL that was checked, with what choosing its connection and sending a request need to know of it.

use ureq::http::Uri;

use crate::model::realm::is_loopback;

/// A URL to which a realm's credentials may be sent. It has no `Debug`, because an upload URL is as good
/// as a password.
pub(super) struct CheckedUrl {
    /// The URL as the HTTP library takes it.
    pub(super) uri: Uri,
    /// The host, without brackets.
    pub(super) host: Box<str>,
    /// Whether the host can only be this machine.
    pub(super) is_loopback: bool,
}

impl CheckedUrl {
    /// Notes what is known of a URL with this host.
    pub(super) fn new(uri: Uri, host: &str) -> Self {
        Self {
            uri,
            host: host.into(),
            is_loopback: is_loopback(host),
        }
    }

    /// Whether the URL is `https`.
    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}
