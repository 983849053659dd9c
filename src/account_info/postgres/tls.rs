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
//! whoever can change what is on the way can make the connection fall back to clear text.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

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
