//! Where a Redis server is: at the address in its URL, or where Sentinels say that the primary of a
//! service is at the moment.
//!
//! | URL | where connections go |
//! | --- | --- |
//! | `redis://host:port/database` | to that server, in clear text |
//! | `rediss://...` | to that server, with TLS |
//! | `redis+sentinel://host:port,host:port/service/database` | to the primary that a Sentinel names |
//! | `rediss+sentinel://...` | the same with TLS, to the Sentinels as well |
//!
//! A login in the URL is that of the server. Sentinels are asked without one, and at port 26379
//! unless the URL names another.
//!
//! | what goes wrong | what follows |
//! | --- | --- |
//! | a Sentinel does not answer within the time-out | the next one is asked |
//! | a Sentinel does not know the service | the next one is asked |
//! | none of them names the primary | the last error, or an I/O error if all of them answered |
//! | the primary changes | its connections break, or it answers `READONLY`; Sentinels are asked for the next connection |

use std::time::Duration;

use redis::{
    Client, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisError, TlsCertificates,
};

/// Where a server is found.
pub(super) enum Address {
    /// The server in the URL.
    ///
    /// With its login and its database.
    Fixed(ConnectionInfo),
    /// The primary of a service, for which these Sentinels are asked at each new connection, in
    /// turn.
    Sentinels {
        /// In the order of the URL.
        sentinels: Vec<ConnectionInfo>,
        /// The name by which Sentinels know the service.
        service: String,
        /// How to log in to the server, whose address comes from a Sentinel.
        server: ConnectionInfo,
    },
}

/// How to connect to whatever address.
pub(super) struct Means<'a> {
    /// The limit of connecting, and of each sending and receiving.
    pub(super) timeout: Duration,
    /// Certificate authorities in PEM form that replace the system's.
    pub(super) tls_roots: Option<&'a [u8]>,
}

impl Address {
    /// Reads a URL; `None` if it has another form. The parser's own words may quote the password,
    /// so there are none.
    ///
    /// It connects to nothing and looks nothing up.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let Some(scheme) = scheme.strip_suffix("+sentinel") else {
            return Some(Self::Fixed(url.into_connection_info().ok()?));
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, path) = rest.split_once('/')?;
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return None;
        }
        let sentinel = |host: &str| {
            let port = if has_port(host) { "" } else { ":26379" };
            let url = format!("{scheme}://{host}{port}");
            url.into_connection_info().ok()
        };
        let server = format!("{scheme}://{login}server/{database}");
        Some(Self::Sentinels {
            sentinels: hosts.split(',').map(sentinel).collect::<Option<_>>()?,
            service: service.to_owned(),
            server: server.into_connection_info().ok()?,
        })
    }

    /// The server as an error names it.
    ///
    /// Hosts and ports only: the login never appears.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Fixed(info) => host(info),
            Self::Sentinels {
                sentinels, service, ..
            } => {
                let hosts: Vec<_> = sentinels.iter().map(host).collect();
                format!("{service} (by Sentinel {})", hosts.join(","))
            }
        }
    }

    /// Where the server is now. Sentinels are asked in the order of the URL; the first that knows
    /// the service decides. It is asked for each new connection, so a failover is noticed when the
    /// old primary's connections break.
    ///
    /// Costs nothing for a fixed address. With Sentinels it makes a connection to each that is
    /// asked, and closes it.
    pub(super) fn locate(&self, means: &Means<'_>) -> Result<ConnectionInfo, RedisError> {
        let (sentinels, service, server) = match self {
            Self::Fixed(info) => return Ok(info.clone()),
            Self::Sentinels {
                sentinels,
                service,
                server,
            } => (sentinels, service, server),
        };
        let mut last = RedisError::from((ErrorKind::Io, "no Sentinel knows the service"));
        for sentinel in sentinels {
            match ask(sentinel, service, means) {
                Ok(Some((host, port))) => return Ok(at(server, host, port)),
                Ok(None) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The server at the address that a node of a cluster named.
    ///
    /// `None` if the text is not a host and a port. The login and the database stay those of the
    /// URL.
    pub(super) fn redirected(&self, node: &str) -> Option<ConnectionInfo> {
        let (host, port) = node.rsplit_once(':')?;
        let server = match self {
            Self::Fixed(info) | Self::Sentinels { server: info, .. } => info,
        };
        Some(at(server, host.to_owned(), port.parse().ok()?))
    }
}

/// The primary of the service, of which a Sentinel may not know yet.
///
/// `None` if this one does not know the service.
fn ask(
    sentinel: &ConnectionInfo,
    service: &str,
    means: &Means<'_>,
) -> Result<Option<(String, u16)>, RedisError> {
    let mut connection = connect(sentinel.clone(), means)?;
    redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(service)
        .query(&mut connection)
}

/// Connects within the time-out, which later applies to each attempt to send or to receive.
///
/// A server that accepts the connection and then says nothing is given up after the time-out as
/// well.
pub(super) fn connect(info: ConnectionInfo, means: &Means<'_>) -> Result<Connection, RedisError> {
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
        // Without a choice, the driver panics in a program whose build has several.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client = match means.tls_roots {
        Some(roots) if is_tls => Client::build_with_tls(
            info,
            TlsCertificates {
                client_tls: None,
                root_cert: Some(roots.to_vec()),
            },
        )?,
        _ => Client::open(info)?,
    };
    let connection = client.get_connection_with_timeout(means.timeout)?;
    connection.set_read_timeout(Some(means.timeout))?;
    connection.set_write_timeout(Some(means.timeout))?;
    Ok(connection)
}

/// The login and the TLS settings of `server`, at another address.
///
/// The old address is replaced as a whole; only whether it uses TLS, and how, is taken from it.
fn at(server: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let address = match server.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(address)
}

/// Host and port as text, without the login.
///
/// A socket in the file system is shown as its path.
fn host(info: &ConnectionInfo) -> String {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            format!("{host}:{port}")
        }
        other => other.to_string(),
    }
}

/// Whether the text ends in a port; an IPv6 address has colons within its brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'))
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_url_names_a_server_or_sentinels() {
        for (url, name) in [
            ("redis://host", Some("host:6379")),
            ("rediss://user:secret@host:7000/2", Some("host:7000")),
            (
                "redis+sentinel://user:secret@one,two:7000/fleet/2",
                Some("fleet (by Sentinel one:26379,two:7000)"),
            ),
            (
                "rediss+sentinel://[::1]/fleet",
                Some("fleet (by Sentinel ::1:26379)"),
            ),
            ("redis+sentinel://one", None),
            ("redis+sentinel://one/", None),
            ("redis+sentinel:///fleet", None),
            ("http://host", None),
            ("host", None),
        ] {
            let parsed = Address::parse(url).map(|address| address.name());
            assert_eq!(parsed.as_deref(), name, "{url}");
        }
    }
}
