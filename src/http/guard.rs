//! May this URL be called at all? The credentials of a realm are sent to its hosts only, and in
//! the clear to this machine only (reference section 1.1).

use crate::error::{Error, Result};
use crate::model::operation::Operation;
use crate::model::realm::{Realm, host_of, is_loopback};

/// The host of `url`, if the realm's credentials may be sent there.
pub(super) fn check<'u>(realm: &Realm, url: &'u str, allow_http: bool, operation: Operation) -> Result<&'u str> {
    let host = host_of(url);
    let reason = match host {
        None => "it has no host, or carries credentials",
        Some(host) if !realm.owns_host(host) => "its host does not belong to the realm",
        Some(host) if url.starts_with("http://") && !is_loopback(host) && !allow_http => "it is not https",
        Some(host) if url.starts_with("https://") || url.starts_with("http://") => return Ok(host),
        Some(_) => "it is not https",
    };
    Err(Error::UnexpectedReply { operation, source: format!("the service named a URL for this call, but {reason}").into() })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::model::operation::Operation;
    use crate::model::realm::Realm;

    fn allowed(realm: &str, url: &str, allow_http: bool) -> bool {
        check(&Realm::from(realm), url, allow_http, Operation::UploadFile).is_ok()
    }

    #[test]
    fn only_the_realms_hosts_get_its_credentials() {
        assert!(allowed("production", "https://pod-000-2207-11.backblaze.com/b2api/v4/b2_upload_file/x", false));
        assert!(allowed("production", "https://f002.backblazeb2.com/file/b/n", false));
        assert!(!allowed("production", "https://pod.backblaze.com.evil.org/x", false));
        assert!(!allowed("production", "https://pod.backblaze.com@evil.org/x", false));
        assert!(!allowed("production", "http://f002.backblazeb2.com/file/b/n", false));
        assert!(!allowed("production", "ftp://f002.backblazeb2.com/file/b/n", false));
        assert!(allowed("http://127.0.0.1:1", "http://localhost:2/x", false));
        assert!(!allowed("http://127.0.0.1:1", "http://10.0.0.1:2/x", true));
        assert!(!allowed("http://b2.lan", "http://b2.lan/x", false));
        assert!(allowed("http://b2.lan", "http://b2.lan/x", true));
    }
}
