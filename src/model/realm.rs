//! Where an account lives, and which hosts belong there (docs/protocol.md, section 1.1): the
//! credentials of one realm are never sent to another.
//!
//! | realm | authorizes at | its tokens go to |
//! | --- | --- | --- |
//! | `production` | `api.backblazeb2.com` | hosts below `backblazeb2.com` and `backblaze.com` |
//! | `staging`, `dev` | Backblaze's own test services | hosts below their domains |
//! | the URL of a host on this machine | that host | this machine, any port |
//! | the URL of another host | that host | that host only |

use std::net::IpAddr;

/// The service to authorize at: one of Backblaze's names for its own, or the URL of another
/// service, such as a simulator.
///
/// The names are `production`, which is what accounts of customers use, and Backblaze's own `staging` and
/// `dev`. A text that is neither a name nor a URL is refused when a key is authorized. The key and the tokens
/// of a realm are sent to its hosts only.
///
/// ```
/// use b2sdk::credentials::Realm;
///
/// assert_eq!(Realm::from("production"), Realm::production());
/// let local = Realm::from("http://127.0.0.1:8180");
/// assert_eq!(local.as_str(), "http://127.0.0.1:8180");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Realm(String);

impl Realm {
    /// Returns the realm of Backblaze's production service, where accounts of customers are. It is
    /// the default.
    #[must_use]
    pub fn production() -> Self {
        Self("production".to_owned())
    }

    /// Returns the realm as it was given; a URL without slashes at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL to authorize at, if this is a name we know or a URL.
    pub(crate) fn url(&self) -> Option<&str> {
        match self.0.as_str() {
            "production" => Some("https://api.backblazeb2.com"),
            "staging" => Some("https://api.backblaze.net"),
            "dev" => Some("http://api.backblazeb2.xyz:8180"),
            url if url.starts_with("https://") || url.starts_with("http://") => Some(url),
            _ => None,
        }
    }

    /// Whether a host may be called with this realm's tokens.
    pub(crate) fn owns_host(&self, host: &str) -> bool {
        match self.0.as_str() {
            // Upload pods are under backblaze.com, everything else under backblazeb2.com.
            "production" => is_within(host, "backblazeb2.com") || is_within(host, "backblaze.com"),
            "staging" => is_within(host, "backblaze.net"),
            "dev" => is_within(host, "backblazeb2.xyz"),
            _ => match self.url().and_then(host_of) {
                // Backblaze's own service by its URL.
                Some(own) if is_within(own, "backblazeb2.com") => {
                    Self::production().owns_host(host)
                }
                Some(own) if is_loopback(own) => is_loopback(host),
                Some(own) => own.eq_ignore_ascii_case(host),
                None => false,
            },
        }
    }
}

/// Whether a host is the domain or lies below it, whatever the case.
fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.as_bytes(), domain.as_bytes());
    let split = host.len().checked_sub(domain.len());
    let parts = split.and_then(|at| host.split_at_checked(at));
    parts.is_some_and(|(rest, end)| {
        end.eq_ignore_ascii_case(domain) && rest.last().is_none_or(|byte| *byte == b'.')
    })
}

/// The host of a URL, without brackets; `None` if the URL carries credentials or has no host.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl From<&str> for Realm {
    fn from(realm: &str) -> Self {
        let is_url = realm.starts_with("https://") || realm.starts_with("http://");
        // `http://host/` and `http://host` are one place, and so one realm.
        let realm = if is_url {
            realm.trim_end_matches('/')
        } else {
            realm
        };
        Self(realm.to_owned())
    }
}

impl From<String> for Realm {
    fn from(realm: String) -> Self {
        Self::from(realm.as_str())
    }
}

impl From<&String> for Realm {
    fn from(realm: &String) -> Self {
        Self::from(realm.as_str())
    }
}

impl std::fmt::Debug for Realm {
    /// Shows what is a realm, and nothing of what is not: three strings in a row are easily passed
    /// in the wrong order, and this one may be the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.url().and_then(host_of) {
            Some(_) => write!(f, "Realm({:?})", self.0),
            None => f.write_str("Realm(***)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Realm, host_of};

    #[test]
    fn hosts_of_the_reference_belong_to_production() {
        let production = Realm::production();
        for host in [
            "api.backblazeb2.com",
            "api002.backblazeb2.com",
            "f002.backblazeb2.com",
            "s3.us-west-002.backblazeb2.com",
            "pod-000-2207-11.backblaze.com",
            "POD-000-2231-06.Backblaze.com",
        ] {
            assert!(production.owns_host(host), "{host}");
        }
        for host in [
            "evilbackblazeb2.com",
            "backblazeb2.com.evil.org",
            "127.0.0.1",
            "localhost",
            "api.backblaze.net",
            "",
        ] {
            assert!(!production.owns_host(host), "{host}");
        }
    }

    #[test]
    fn a_url_realm_owns_its_host_and_loopback_owns_loopback() {
        let own = Realm::from("https://b2.example.org");
        assert!(own.owns_host("B2.example.org"));
        assert!(!own.owns_host("f.b2.example.org") && !own.owns_host("example.org"));
        let by_url = Realm::from("https://api.backblazeb2.com");
        assert!(
            by_url.owns_host("api002.backblazeb2.com") && by_url.owns_host("pod-1.backblaze.com")
        );
        let local = Realm::from("http://127.0.0.1:8180");
        assert!(
            local.owns_host("127.0.0.1") && local.owns_host("localhost") && local.owns_host("::1")
        );
        assert!(!local.owns_host("192.168.1.1") && !local.owns_host("api.backblazeb2.com"));
    }

    #[test]
    fn hosts_are_cut_out_of_urls() {
        assert_eq!(host_of("http://[::1]:80/x"), Some("::1"));
        assert_eq!(host_of("https://a.b:1/x?y#z"), Some("a.b"));
        assert_eq!(host_of("https://user:pass@a.b/"), None);
        assert_eq!(host_of("https:///x"), None);
        assert_eq!(host_of("a.b"), None);
    }

    #[test]
    fn debug_hides_what_is_not_a_realm() {
        assert_eq!(format!("{:?}", Realm::from("K002secret")), "Realm(***)");
        assert_eq!(
            format!("{:?}", Realm::from("https://user:secret@a.b/")),
            "Realm(***)"
        );
        assert_eq!(
            format!("{:?}", Realm::production()),
            "Realm(\"production\")"
        );
    }
}
