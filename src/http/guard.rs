//! Decides whether a URL may be called at all. The credentials of a realm are sent only to its own
//! hosts, and without TLS only to this machine (docs/protocol.md, section 1.1).
//!
//! Every URL passes through here, also those that the service names, such as upload URLs. A damaged
//! or forged answer can therefore not lead a token to another host.
//!
//! | URL | realm `production` | realm of another URL |
//! | --- | --- | --- |
//! | `https://` and a host below `backblaze.com` or `backblazeb2.com` | allowed | refused, unless the realm is such a URL itself |
//! | `https://` and the realm's own host | refused | allowed |
//! | a host that the builder trusts | allowed | allowed |
//! | `http://` to this machine | if the host belongs to the realm | if the host belongs to the realm |
//! | `http://` elsewhere | refused, unless the builder allows it | refused, unless the builder allows it |
//! | user and password in the URL, no host, another scheme | refused | refused |
//! | characters that a URL cannot have, a port that is no number up to 65535 | refused | refused |
//!
//! Nothing here looks a name up or sends anything, so a check costs no time. It trusts `host_of` to
//! read a URL as `ureq` does; a URL that has a user name before its host has no host for this
//! purpose.
//!
//! A refusal names the reason and never the URL: an upload URL is as good as a password, and a
//! realm may be a key that was typed into the wrong place.

use ureq::http::Uri;

use crate::error::{Error, Result};
use crate::http::checked_url::CheckedUrl;
use crate::http::config::HttpConfig;
use crate::model::operation::Operation;
use crate::model::realm::{Realm, host_of, is_loopback};

/// Returns what a request needs to know of `url`, if the realm's credentials may be sent there. Fails with `UnexpectedReply` otherwise; the message does not contain the URL.
///
/// A host that the builder trusts may be called by the credentials of any realm; case does not
/// count. The scheme is checked even for such a host.
pub(super) fn check(
    realm: &Realm,
    url: &str,
    config: &HttpConfig,
    operation: Operation,
) -> Result<CheckedUrl> {
    let HttpConfig {
        allow_http,
        trusted_hosts,
        ..
    } = config;
    let is_trusted = |host: &str| {
        trusted_hosts
            .iter()
            .any(|trusted| trusted.eq_ignore_ascii_case(host))
    };
    let host = host_of(url);
    let reason = match host {
        None => "it has no host, or carries credentials",
        Some(host) if !realm.owns_host(host) && !is_trusted(host) => {
            "its host does not belong to the realm"
        }
        Some(host) if url.starts_with("http://") && !is_loopback(host) && !allow_http => {
            "it is not https"
        }
        Some(host) if url.starts_with("https://") || url.starts_with("http://") => {
            match callable(url) {
                Some(uri) => return Ok(CheckedUrl::new(uri, host)),
                None => NOT_CALLABLE,
            }
        }
        Some(_) => "it is not https",
    };
    Err(Error::UnexpectedReply {
        operation,
        source: format!("the service named a URL for this call, but {reason}").into(),
    })
}

/// Fails with `InvalidInput` if credentials must not be sent to this realm. The message never shows
/// the value, which may be the key: the arguments of `authorize_account` are easily exchanged.
pub(super) fn check_realm(realm: &Realm, allow_http: bool) -> Result<()> {
    let url = realm.url();
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '`');
    let reason = match url.map(|url| (url, host_of(url))) {
        _ if realm.as_str().contains(is_odd) => {
            "it contains white space, quotes or characters that are not ASCII"
        }
        None => {
            "it is neither \"production\" nor a URL that starts with https://, or with http:// for a service \
             on this machine"
        }
        Some((_, None)) => "the URL has no host, or carries credentials",
        Some((url, Some(_))) if url.contains(['?', '#']) => {
            "the URL has more than scheme, host, port and path"
        }
        Some((url, Some(host)))
            if url.starts_with("http://") && !is_loopback(host) && !allow_http =>
        {
            "http:// is allowed for this machine only; use https://, or allow it when building the B2Api"
        }
        // A common mistake, because Backblaze's web pages show this URL beside the key.
        Some((_, Some(host))) if is_s3_endpoint(host) => {
            "this is an endpoint of the S3 API, which this crate does not speak; use \"production\""
        }
        Some((url, Some(_))) if callable(url).is_none() => NOT_CALLABLE,
        Some((_, Some(_))) => return Ok(()),
    };
    Err(Error::invalid_input("realm", reason))
}

/// What is wrong with a URL that is not [`callable`].
const NOT_CALLABLE: &str =
    "it contains characters that a URL cannot have, or its port is not a number up to 65535";

/// The URL as the HTTP library takes it. `None` if it is not valid, or if its port is no number up to 65535:
/// the library would call the usual port of the scheme instead, where another program may listen.
fn callable(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    (matches!(port, "" | ":") || uri.port_u16().is_some()).then_some(uri)
}

/// Whether a host belongs to the S3-compatible API.
///
/// Such a host belongs to Backblaze, so the check of the realm alone would accept it, and each call
/// would then fail with an answer in XML.
fn is_s3_endpoint(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.starts_with("s3.") && host.ends_with(".backblazeb2.com")
}

#[cfg(test)]
mod tests {
    use super::{check, check_realm};
    use crate::http::config::HttpConfig;
    use crate::model::operation::Operation;
    use crate::model::realm::Realm;

    fn allowed(realm: &str, url: &str, allow_http: bool) -> bool {
        let trusted_hosts = vec!["gateway.example.org".to_owned()];
        let config = HttpConfig {
            allow_http,
            trusted_hosts,
            ..HttpConfig::default()
        };
        check(&Realm::from(realm), url, &config, Operation::UploadFile).is_ok()
    }

    #[test]
    fn only_the_realms_hosts_get_its_credentials() {
        assert!(allowed(
            "production",
            "https://pod-000-2207-11.backblaze.com/b2api/v4/b2_upload_file/x",
            false
        ));
        assert!(allowed(
            "production",
            "https://f002.backblazeb2.com/file/b/n",
            false
        ));
        assert!(!allowed(
            "production",
            "https://pod.backblaze.com.evil.org/x",
            false
        ));
        assert!(!allowed(
            "production",
            "https://pod.backblaze.com@evil.org/x",
            false
        ));
        assert!(!allowed(
            "production",
            "http://f002.backblazeb2.com/file/b/n",
            false
        ));
        assert!(!allowed(
            "production",
            "ftp://f002.backblazeb2.com/file/b/n",
            false
        ));
        assert!(allowed("http://127.0.0.1:1", "http://localhost:2/x", false));
        assert!(!allowed("http://127.0.0.1:1", "http://10.0.0.1:2/x", true));
        assert!(!allowed("http://b2.lan", "http://b2.lan/x", false));
        assert!(allowed("http://b2.lan", "http://b2.lan/x", true));
        assert!(allowed(
            "production",
            "https://gateway.example.org/file/b/n",
            false
        ));
        assert!(!allowed(
            "production",
            "http://gateway.example.org/file/b/n",
            false
        ));
        assert!(!allowed(
            "production",
            "https://f002.backblazeb2.com/a b",
            false
        ));
    }

    #[test]
    fn realms_that_would_leak_credentials_are_refused() {
        for realm in [
            "production",
            "staging",
            "https://b2.example.org",
            "http://127.0.0.1:80",
            "http://[::1]:80/",
            "http://localhost",
        ] {
            assert!(check_realm(&Realm::from(realm), false).is_ok(), "{realm}");
        }
        let secret = "K002abcdefghijklmnopqrstuvwxyz";
        for realm in [
            "",
            secret,
            "http://b2.example.org",
            "dev",
            "https://",
            "https://a:b@c",
            "https://s3.us-west-002.backblazeb2.com",
            "ftp://x",
            "https://x?y",
            "production\n",
            "https://b2.example.org\n",
            "https://b2.example.org/ ",
            "\"production\"",
            "127.0.0.1:8180",
            "https://b2.example.org/<>",
            "https://b2.example.org:65536",
            "http://[::1]:80x",
        ] {
            let error = check_realm(&Realm::from(realm), false).unwrap_err();
            assert!(!error.to_string().contains(secret));
        }
        assert!(check_realm(&Realm::from("http://b2.lan"), true).is_ok());
    }
}
