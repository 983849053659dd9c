//! Remembers which URLs were checked, and what a request needs to know of them.
//!
//! An upload URL serves thousands of small uploads, and each endpoint has one URL. Checking a URL and
//! parsing it takes longer than anything else that a request of a small file costs in this crate, so
//! the result is kept.
//!
//! | the URL | what happens |
//! | --- | --- |
//! | was checked for this realm | the result of that check is used |
//! | is new, or was checked for another realm | it is checked (`guard`), and the result replaces the old one |
//! | is refused | nothing is kept |
//! | is one of too many | any other one is forgotten first, and checked again if it is used again |
//!
//! URLs that are used once, such as those of downloads, are checked without this memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::http::checked_url::CheckedUrl;
use crate::http::config::HttpConfig;
use crate::http::guard;
use crate::model::operation::Operation;
use crate::model::realm::Realm;

/// The largest number of URLs that are remembered.
const MOST: usize = 1000;

/// The URLs that were checked. All threads of a `B2Api` share them.
#[derive(Default)]
pub(super) struct KnownUrls(Mutex<HashMap<Box<str>, Known>>);

/// A URL, and the realm that it was checked for.
struct Known {
    realm: Realm,
    checked: Arc<CheckedUrl>,
}

impl KnownUrls {
    /// Returns the checked form of a URL. Fails as [`guard::check`] does.
    pub(super) fn check(
        &self,
        realm: &Realm,
        url: &str,
        config: &HttpConfig,
        operation: Operation,
    ) -> Result<Arc<CheckedUrl>> {
        if let Some(known) = self.0.lock().get(url)
            && known.realm == *realm
        {
            return Ok(Arc::clone(&known.checked));
        }
        let checked = Arc::new(guard::check(realm, url, config, operation)?);
        let known = Known {
            realm: realm.clone(),
            checked: Arc::clone(&checked),
        };
        let mut urls = self.0.lock();
        if urls.len() >= MOST && !urls.contains_key(url) {
            let forgotten = urls.keys().next().cloned();
            forgotten.and_then(|forgotten| urls.remove(&forgotten));
        }
        urls.insert(url.into(), known);
        Ok(checked)
    }
}

/// Shows how many there are. An upload URL is as good as a password.
impl fmt::Debug for KnownUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownUrls")
            .field("urls", &self.0.lock().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownUrls, MOST};
    use crate::http::config::HttpConfig;
    use crate::model::operation::Operation;
    use crate::model::realm::Realm;

    fn check(urls: &KnownUrls, realm: &str, url: &str) -> bool {
        let config = HttpConfig::default();
        let realm = Realm::from(realm);
        urls.check(&realm, url, &config, Operation::UploadFile)
            .is_ok()
    }

    #[test]
    fn a_url_that_one_realm_may_call_is_refused_to_another() {
        let (urls, url) = (KnownUrls::default(), "https://pod-1.backblaze.com/x");
        for _ in 0..2 {
            assert!(check(&urls, "production", url));
            assert!(!check(&urls, "http://127.0.0.1:1", url));
        }
    }

    #[test]
    fn the_number_of_urls_in_memory_is_limited_and_refused_ones_are_not_kept() {
        let urls = KnownUrls::default();
        for n in 0..=MOST {
            let url = format!("https://pod-{n}.backblaze.com/x");
            assert!(check(&urls, "production", &url));
            assert!(!check(&urls, "production", &format!("https://{n}.test/x")));
        }
        assert_eq!(urls.0.lock().len(), MOST);
        let newest = format!("https://pod-{MOST}.backblaze.com/x");
        assert!(urls.0.lock().contains_key(newest.as_str()));
        assert!(!format!("{urls:?}").contains("backblaze"));
    }
}
