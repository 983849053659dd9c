//! TLS to a PostgreSQL server: certificates are always verified, by the roots of the system or by those
//! that the caller names.
//!
//! | `sslmode` in the URL | the server offers TLS | the server does not |
//! | --- | --- | --- |
//! | `disable` | clear text | clear text |
//! | none, or `prefer` | TLS, and its certificate is verified | clear text |
//! | `require`, `verify-ca`, `verify-full` | TLS, and its certificate is verified | the store fails for good |
//!
//! A server on another machine should therefore be named with `sslmode=require`: without it,
//! whoever can change what is on the way can make the connection fall back to clear text. A store
//! that is opened without it logs a warning, unless all of its hosts are this machine.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

/// Whether the connection may be in clear text although it leaves this machine.
///
/// An address in the URL (`hostaddr`) counts in place of its host, as it does for the driver. A name
/// is not looked up: only `localhost` is taken for this machine.
pub(super) fn may_be_overheard(config: &Config) -> bool {
    if config.get_ssl_mode() == SslMode::Require {
        return false;
    }
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return !addresses.iter().all(IpAddr::is_loopback);
    }
    !config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost")
                || name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// What connections get their TLS from. Fails with `InvalidInput` if the caller's roots are not
/// certificates. The system's roots that cannot be read are skipped, because their owner is not the
/// caller.
pub(super) fn connector(config: &Config, roots: Option<&[u8]>) -> Result<MakeRustlsConnect> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let added = certificate.map(|certificate| store.add(certificate));
                if !matches!(added, Ok(Ok(()))) {
                    return Err(invalid("they are not certificates in PEM form"));
                }
            }
            if store.is_empty() {
                return Err(invalid("there is no certificate in the PEM text"));
            }
        }
        // Reading the system's takes a while.
        None if config.get_ssl_mode() == SslMode::Disable => {}
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    // Named, because a program may have several in its build.
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid_input("TLS", error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

/// The error of roots that cannot be used.
fn invalid(reason: &str) -> Error {
    Error::invalid_input("TLS roots", reason)
}

#[cfg(test)]
mod tests {
    use super::may_be_overheard;

    #[test]
    fn only_a_url_without_sslmode_require_may_be_overheard_on_its_way() {
        for (url, expected) in [
            ("postgres://u@db.internal/b2", true),
            ("postgres://u@db.internal/b2?sslmode=prefer", true),
            ("postgres://u@db.internal/b2?sslmode=disable", true),
            ("postgres://u@db.internal/b2?sslmode=require", false),
            ("postgres://u@localhost,db.internal/b2", true),
            ("postgres://u@localhost/b2", false),
            ("postgres://u@127.0.0.1:5433/b2", false),
            ("postgres://u@10.0.0.1/b2", true),
            ("postgres://u@db.internal/b2?hostaddr=127.0.0.1", false),
            ("postgres://u@localhost/b2?hostaddr=10.0.0.1", true),
            #[cfg(unix)]
            ("postgres://u@%2Frun%2Fpostgresql/b2", false),
        ] {
            let config = url.parse().unwrap();
            assert_eq!(may_be_overheard(&config), expected, "{url}");
        }
    }
}
