//! The connection pools of a configuration: one for this machine, which uses plain HTTP and never a
//! proxy, one for all other hosts, and one for each proxy.
//!
//! `ureq` calls a pool with its settings an agent. Its settings are made here, in one place.
//!
//! | the host is | plain HTTP | proxy | pool |
//! | --- | --- | --- | --- |
//! | this machine (`localhost`, 127.0.0.0/8, ::1) | allowed | never | `loopback` |
//! | any other, no proxy for it | only if the builder allows it | no | `direct` |
//! | any other, a proxy for it | only if the builder allows it | that one | one for each proxy |
//!
//! A call under a cancel token has a set of pools of its own (`token_connections`), made from the
//! same settings.
//!
//! The same settings apply to every pool: at most `connections` idle connections for one host and
//! four times as many in all, kept for `idle_age`; a read buffer of 256 KiB and a write buffer of
//! 128 KiB for each connection in use. The limits on silence are those of most endpoints; the others
//! are set for each request (`exchange`).
//!
//! | what is wrong with the settings | what follows |
//! | --- | --- |
//! | the builder's proxy URL is not that of an HTTP proxy | building fails with `InvalidInput` |
//! | an environment variable names no usable proxy | the first request that needs it fails with `InvalidInput` |
//! | the caller's certificates are not PEM, or one cannot be trusted | building fails with `InvalidInput` |
//! | some of the system's certificates cannot be used | they are skipped |
//! | none of the system's certificates can be used | building fails with `InvalidInput` |

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::config::IpFamily;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::error::{Error, Result};
use crate::http::checked_url::CheckedUrl;
use crate::http::config::{HttpConfig, ProxyChoice};
use crate::http::connector::Shared;
use crate::http::proxy::Proxies;

/// What all pools of a `B2Api` are made from. Created once, because reading root certificates and
/// proxy variables takes time and may fail.
#[derive(Debug)]
pub(super) struct AgentSettings {
    /// The cache of addresses and the TLS sessions.
    shared: Shared,
    /// Which proxy leads where.
    proxies: Proxies,
    /// The root certificates that are trusted.
    tls: TlsConfig,
}

impl AgentSettings {
    /// Reads the proxies and the root certificates of a configuration.
    ///
    /// Fails with `InvalidInput` if the builder's proxy or a certificate cannot be used. An
    /// unusable environment variable is no error here: a program that never leaves this machine
    /// does not need it.
    pub(super) fn new(config: &HttpConfig, shared: Shared) -> Result<Self> {
        let proxies = match &config.proxy {
            ProxyChoice::Environment => Proxies::from_environment(),
            ProxyChoice::None => Proxies::default(),
            ProxyChoice::Url(url) => Proxies::of_url(url)?,
        };
        let tls = TlsConfig::builder().root_certs(roots(config)?).build();
        Ok(Self {
            shared,
            proxies,
            tls,
        })
    }
}

/// A set of connection pools. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Agents {
    /// The pool for this machine.
    loopback: Agent,
    /// The pool for all hosts that are reached without a proxy.
    direct: Agent,
    /// A pool for each proxy.
    proxied: Vec<(Proxy, Agent)>,
    /// What the pools were made from, for choosing among them.
    agent_settings: Arc<AgentSettings>,
}

impl Agents {
    /// Creates pools without connections.
    ///
    /// One pool is made for each different proxy, also if the variables name it for both schemes.
    pub(super) fn new(config: &HttpConfig, agent_settings: &Arc<AgentSettings>) -> Self {
        let https_only = !config.allow_http;
        let mut proxied: Vec<(Proxy, Agent)> = Vec::new();
        for proxy in agent_settings.proxies.iter() {
            if proxied.iter().all(|(known, _)| known != proxy) {
                let agent = agent(config, agent_settings, Some(proxy.clone()), https_only);
                proxied.push((proxy.clone(), agent));
            }
        }
        Self {
            loopback: agent(config, agent_settings, None, false),
            direct: agent(config, agent_settings, None, https_only),
            proxied,
            agent_settings: Arc::clone(agent_settings),
        }
    }

    /// The pool for a URL at this host. Fails if the environment variable that should name the
    /// proxy does not name a usable one.
    ///
    /// A pool is a handle: a clone uses the same connections.
    pub(super) fn for_url(&self, url: &CheckedUrl) -> Result<Agent> {
        if url.is_loopback {
            return Ok(self.loopback.clone());
        }
        let is_https = url.is_https();
        let port = url.uri.port_u16();
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let proxies = &self.agent_settings.proxies;
        let proxy = proxies.for_host(is_https, &url.host, port)?;
        let through = proxy.and_then(|proxy| {
            let mut proxied = self.proxied.iter();
            proxied.find(|(known, _)| known == proxy)
        });
        Ok(through.map_or(&self.direct, |(_, agent)| agent).clone())
    }

    /// Closes all connections of these pools. What is blocked on one of them fails.
    ///
    /// There is no way back: a later request on these pools fails as well.
    pub(super) fn shutdown(&self) {
        let proxied = self.proxied.iter().map(|(_, agent)| agent);
        for agent in [&self.loopback, &self.direct].into_iter().chain(proxied) {
            agent.clone().shutdown();
        }
    }
}

/// Creates a pool. It returns answers of any status, follows no redirect, decodes nothing and sets
/// no limit on the whole time of a request.
///
/// A limit on the whole time would break the upload of a large file over a slow line, however
/// steadily it moves. An empty `Accept-Encoding` keeps the body as it is stored, so that its length
/// and its SHA-1 can be checked.
fn agent(
    config: &HttpConfig,
    agent_settings: &AgentSettings,
    proxy: Option<Proxy>,
    https_only: bool,
) -> Agent {
    let timeouts = &config.timeouts;
    let limits = timeouts.usual_limits();
    let family = if config.ipv4_only {
        IpFamily::Ipv4Only
    } else {
        IpFamily::Any
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(https_only)
        .proxy(proxy)
        .ip_family(family)
        .user_agent(config.user_agent.as_str())
        .accept_encoding("")
        .timeout_resolve(Some(timeouts.resolve))
        .timeout_connect(Some(timeouts.connect))
        .timeout_per_read(Some(limits.idle))
        .timeout_per_write(Some(limits.idle))
        .timeout_recv_response(Some(limits.head))
        .timeout_await_100(Some(limits.consent))
        .max_idle_connections(4 * config.connections)
        .max_idle_connections_per_host(config.connections)
        .max_idle_age(config.idle_age)
        .input_buffer_size(256 * 1024)
        .output_buffer_size(128 * 1024)
        .tls_config(agent_settings.tls.clone())
        .build();
    let shared = &agent_settings.shared;
    Agent::with_parts(config, shared.connector(), shared.dns_cache.clone())
}

/// The root certificates to trust: those that are compiled in, those that the caller added, and
/// those of the system if they are wanted.
///
/// With no roots of the caller's or the system's, `ureq` uses the compiled-in ones directly, which
/// saves converting them.
fn roots(config: &HttpConfig) -> Result<RootCerts> {
    let mut roots = match &config.extra_roots {
        Some(pem) => extra_roots(pem)?,
        None => Vec::new(),
    };
    #[cfg(feature = "system-roots")]
    if config.system_roots {
        roots.extend(system_roots()?);
    }
    if roots.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    let compiled_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.extend(compiled_in.map(|root| Certificate::from_der(root).to_owned()));
    Ok(RootCerts::from(roots))
}

/// The error of root certificates that cannot be used.
///
/// The text names no path and quotes no certificate.
fn invalid(reason: &str) -> Error {
    Error::invalid_input("root certificates", reason.to_owned())
}

/// The caller's root certificates. They are checked, because `ureq` silently skips what it cannot
/// use.
///
/// Other PEM items, such as a private key in the same text, are passed over.
fn extra_roots(pem: &[u8]) -> Result<Vec<Certificate<'static>>> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    let mut checked = RootCertStore::empty();
    for item in parse_pem(pem) {
        let item = item.map_err(|_| invalid("they are not in PEM form"))?;
        if let PemItem::Certificate(certificate) = item {
            checked
                .add(CertificateDer::from(certificate.der()).into_owned())
                .map_err(|_| invalid("one of them is no certificate that can be trusted"))?;
            roots.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(invalid("there is no certificate in them"));
    }
    Ok(roots)
}

/// The root certificates of the system. Those that cannot be used are skipped, because their owner is
/// not the caller; it fails if none is left.
#[cfg(feature = "system-roots")]
fn system_roots() -> Result<Vec<Certificate<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    let is_usable = |root: &CertificateDer<'_>| {
        let root = root.clone().into_owned();
        RootCertStore::empty().add(root).is_ok()
    };
    let usable = found.certs.iter().filter(|root| is_usable(root));
    let roots: Vec<_> = usable
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    if roots.is_empty() {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let reason = format!(
            "the system has none that can be read: {}",
            errors.join("; ")
        );
        return Err(invalid(&reason));
    }
    Ok(roots)
}
