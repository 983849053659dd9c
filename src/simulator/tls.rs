//! The certificates of a simulator that speaks TLS.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The certificate of a simulator that speaks TLS, for
/// [`SimulatorBuilder::tls`](super::SimulatorBuilder::tls).
///
/// The certificate is either [generated](Self::generated) when the simulator starts, together with an
/// authority that clients have to trust, or one that you have already. `Debug` never shows the private key.
///
/// ```
/// use b2sdk::simulator::{Simulator, Tls};
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulator = Simulator::builder().tls(Tls::generated()).start()?;
/// assert!(simulator.url().starts_with("https://127.0.0.1:"));
/// let api = B2Api::builder(InMemoryAccountInfo::new())
///     .root_certificates(simulator.ca_certificate().unwrap_or_default())
///     .build()?;
/// api.authorize_account(simulator.url(), simulator.application_key_id(), simulator.application_key())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Source);

#[derive(Clone)]
enum Source {
    Generated,
    Pem { certificates: Vec<u8>, key: Vec<u8> },
}

impl Tls {
    /// Creates a certificate when the simulator starts, and a certificate authority that signs it.
    /// The certificate is for `localhost`, 127.0.0.1, ::1, the address that the simulator listens
    /// on, and the host of its public URL. Clients have to trust
    /// [`Simulator::ca_certificate`](super::Simulator::ca_certificate), which changes with every
    /// start.
    #[must_use]
    pub fn generated() -> Self {
        Self(Source::Generated)
    }

    /// Uses a certificate chain and its private key, both in PEM form.
    #[must_use]
    pub fn from_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self(Source::Pem {
            certificates: certificates.into(),
            key: key.into(),
        })
    }

    /// What the server needs, and the certificate of the authority in PEM form if one was made. The
    /// certificate is good for these names and addresses.
    pub(crate) fn acceptor(
        &self,
        names: &[String],
        year: i32,
    ) -> io::Result<(TlsAcceptor, Option<String>)> {
        match &self.0 {
            Source::Generated => {
                let (chain, key, ca) = generate(names, year).map_err(io::Error::other)?;
                Ok((acceptor(chain, key)?, Some(ca)))
            }
            Source::Pem { certificates, key } => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(certificates).collect();
                let chain = chain.map_err(|error| unusable("certificate", &error))?;
                if chain.is_empty() {
                    return Err(unusable("certificate", &"there is none in the PEM text"));
                }
                let key = PrivateKeyDer::from_pem_slice(key);
                let key = key.map_err(|error| unusable("private key", &error))?;
                Ok((acceptor(chain, key)?, None))
            }
        }
    }
}

/// Shows no key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Generated => "Tls(generated)",
            Source::Pem { .. } => "Tls(PEM)",
        })
    }
}

fn unusable(what: &str, why: &dyn fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("the {what} for TLS cannot be used: {why}"),
    )
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> io::Result<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable("certificate", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Generated = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, String);

/// A certificate for these names, signed by an authority of its own. Both begin with this year and
/// end with the next one: some clients refuse certificates that live longer than 825 days.
fn generate(names: &[String], year: i32) -> Result<Generated, rcgen::Error> {
    let named = |name: &str, names: &[String]| -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(year, 1, 1);
        params.not_after = rcgen::date_time_ymd(year.saturating_add(1), 12, 31);
        Ok(params)
    };
    let mut ca = named("b2-simulator test authority", &[])?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let mut params = named("b2-simulator", names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &ca)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], key.into(), ca.pem()))
}

/// The names that a generated certificate is good for.
pub(crate) fn certified_names(address: IpAddr, public_host: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let address = (!address.is_unspecified()).then(|| address.to_string());
    for name in address.into_iter().chain(public_host.map(str::to_owned)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
