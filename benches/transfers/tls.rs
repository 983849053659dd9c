//! TLS on both sides: the certificate that the server shows, and what clients trust.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

/// The variable that names the file with the certificate authority to trust.
pub(crate) const CA: &str = "B2SDK_BENCH_CA";

const CA_FILE: &str = "ca.pem";
const CHAIN_FILE: &str = "server.pem";
const KEY_FILE: &str = "server.key";

/// Makes a certificate authority and a certificate for this machine; the path of the authority's.
pub(crate) fn make_certificates(directory: &Path) -> Result<String> {
    let mut params = CertificateParams::new(vec!["b2sdk benches".to_owned()])?;
    // Names that differ, or OpenSSL takes the server's certificate for one that signed itself.
    let name = "b2sdk benches, authority";
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "b2sdk benches, server");
    let certificate = params.signed_by(&key, &authority)?;
    let path = directory.join(CA_FILE);
    fs::write(&path, authority.pem())?;
    fs::write(directory.join(CHAIN_FILE), certificate.pem())?;
    fs::write(directory.join(KEY_FILE), key.serialize_pem())?;
    Ok(path.to_string_lossy().into_owned())
}

/// What the server needs of them.
pub(crate) fn server_config(directory: &Path) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(directory.join(CHAIN_FILE))?;
    let chain = chain.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY_FILE))?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// What the floor connects with; its connections resume each other's sessions.
fn client_config() -> Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let file = std::env::var_os(CA).context("no certificate authority is named")?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

/// A connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TcpStream),
    Client(StreamOwned<ClientConnection, TcpStream>),
    Server(StreamOwned<ServerConnection, TcpStream>),
}

impl Stream {
    /// Connects to a realm.
    pub(crate) fn connect(realm: &str) -> Result<Self> {
        let (scheme, host) = realm.split_once("://").context("no URL")?;
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        if scheme == "http" {
            return Ok(Self::Plain(stream));
        }
        let name = "127.0.0.1".try_into()?;
        let tls = ClientConnection::new(client_config()?, name)?;
        Ok(Self::Client(StreamOwned::new(tls, stream)))
    }

    /// Answers a connection.
    pub(crate) fn accept(stream: TcpStream, config: Option<&Arc<ServerConfig>>) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(match config {
            None => Self::Plain(stream),
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config))?;
                Self::Server(StreamOwned::new(tls, stream))
            }
        })
    }

    pub(crate) fn has_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Client(stream) => stream.read(buffer),
            Self::Server(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Client(stream) => stream.write(bytes),
            Self::Server(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
            Self::Server(stream) => stream.flush(),
        }
    }
}
