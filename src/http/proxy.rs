//! Decides which proxy leads to a host, from the environment variables, as curl reads them.
//!
//! The variable of the URL's scheme (`https_proxy`, `http_proxy`) takes precedence over
//! `all_proxy`, and lower case over upper case. An empty variable counts as not set. `no_proxy`
//! lists the hosts that are reached directly. A variable that names no usable proxy is an error,
//! because a silent direct connection would send the application key past the proxy. Its value is
//! never shown, since it may contain a password.
//!
//! | entry of `no_proxy` | matches |
//! | --- | --- |
//! | `*` | every host |
//! | `example.com`, `.example.com`, `*.example.com` | the domain and all below it, at any port |
//! | `example.com:8080` | the same, at this port only |
//! | `10.0.0.0/8`, `fd00::/8` | addresses in this network; never a name, which is not looked up for this |
//! | `192.0.2.1`, `[2001:db8::1]:443` | this address |
//! | anything else | nothing, and it is skipped |
//!
//! The environment is read once, when the `B2Api` is built; later changes of the variables have no
//! effect. A proxy that the builder names replaces all of them, `no_proxy` included. This machine
//! is reached directly in every case (`agents`).
//!
//! | variables, in the order in which they are looked at | for |
//! | --- | --- |
//! | `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` | `https://` |
//! | `http_proxy`, `HTTP_PROXY` (not in a CGI program), `all_proxy`, `ALL_PROXY` | `http://` |
//! | `no_proxy`, `NO_PROXY` | the exceptions |

use std::env;
use std::ffi::OsString;
use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::error::{Error, Result};

/// The proxies of a process, or the one of its configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    /// For URLs with TLS.
    https: Option<Choice>,
    /// For URLs without TLS.
    http: Option<Choice>,
    /// The hosts that are reached directly.
    bypass: Bypass,
}

/// A proxy, or the name of the variable that should have named one.
#[derive(Debug, Clone)]
enum Choice {
    /// A proxy that can be used.
    Proxy(Proxy),
    /// The name of a variable whose value is no proxy.
    Unusable(&'static str),
}

impl Proxies {
    /// Uses one proxy for every host but this machine. Fails with `InvalidInput` if the URL is not
    /// that of an HTTP proxy.
    ///
    /// SOCKS proxies are refused. The URL is not shown in the error, because it may contain a
    /// password.
    pub(super) fn of_url(url: &str) -> Result<Self> {
        let proxy = parse(url).ok_or_else(|| {
            Error::invalid_input(
                "proxy",
                "it is not the URL of an HTTP proxy (http:// or https://, host and port)",
            )
        })?;
        Ok(Self {
            https: Some(Choice::Proxy(proxy.clone())),
            http: Some(Choice::Proxy(proxy)),
            bypass: Bypass::default(),
        })
    }

    /// Reads the environment of this process. An unusable variable is reported when a request needs
    /// it.
    pub(super) fn from_environment() -> Self {
        Self::from_variables(|name| env::var_os(name))
    }

    /// Reads the variables through `variable`.
    ///
    /// A variable that is not UTF-8 counts as unusable, and as set: the next one in the order is
    /// not looked at.
    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.is_empty())?;
                let proxy = value.to_str().and_then(parse);
                Some(proxy.map_or(Choice::Unusable(name), Choice::Proxy))
            })
        };
        // A web server passes a request's header `Proxy` to a CGI program as HTTP_PROXY, so anybody
        // could set it.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http: &[_] = match is_cgi {
            true => &["http_proxy", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let bypass = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(Bypass::parse(&value.to_string_lossy()))
        });
        Self {
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: first(http),
            bypass: bypass.unwrap_or_default(),
        }
    }

    /// The proxy that leads to this host; `None` for a direct connection. Fails with `InvalidInput`
    /// if the variable for it is unusable.
    ///
    /// The exceptions are looked at first, so an unusable variable is no error for a host that is
    /// reached directly.
    pub(super) fn for_host(&self, is_https: bool, host: &str, port: u16) -> Result<Option<&Proxy>> {
        let choice = if is_https { &self.https } else { &self.http };
        match choice {
            _ if self.bypass.includes(host, port) => Ok(None),
            None => Ok(None),
            Some(Choice::Proxy(proxy)) => Ok(Some(proxy)),
            Some(Choice::Unusable(name)) => {
                let reason = format!(
                    "the environment variable {name} does not name an HTTP proxy; correct or unset it, or name \
                     a proxy, or none, when building the B2Api"
                );
                Err(Error::invalid_input("proxy", reason))
            }
        }
    }

    /// The proxies that can be used.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Proxy> {
        let choices = self.https.iter().chain(&self.http);
        choices.filter_map(|choice| match choice {
            Choice::Proxy(proxy) => Some(proxy),
            Choice::Unusable(_) => None,
        })
    }
}

/// Reads the URL of an HTTP proxy; `None` if it is not one.
///
/// The reason is not returned, because it could quote the URL.
fn parse(url: &str) -> Option<Proxy> {
    let proxy = Proxy::new(url).ok()?;
    let is_http = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    let authority = proxy.uri().authority()?.as_str();
    // `ureq` would replace an invalid port by the default one.
    let place = authority
        .rsplit_once('@')
        .map_or(authority, |(_, place)| place);
    let port = match place.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => Some(port),
        _ => None,
    };
    let is_port = port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    (is_http && is_port && !proxy.host().is_empty()).then_some(proxy)
}

/// The hosts that are reached without a proxy.
#[derive(Debug, Clone, Default)]
struct Bypass(Vec<Pattern>);

/// An entry of `no_proxy`.
#[derive(Debug, Clone)]
enum Pattern {
    /// Every host.
    Everything,
    /// A host and its subdomains, at one port or at all ports.
    Host(String, Option<u16>),
    /// The addresses of a network, by the number of their common first bits.
    Network(IpAddr, u32),
}

impl Bypass {
    /// Reads a list that is separated by commas or white space. Entries that mean nothing are
    /// skipped.
    fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(Pattern::parse).collect())
    }

    /// Whether this host is reached without a proxy.
    ///
    /// Case and a final dot do not count.
    fn includes(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|pattern| pattern.includes(&host, port))
    }
}

impl Pattern {
    /// Reads one entry; `None` if it means nothing.
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Some(Self::Network(address, bits));
        }
        let (host, port) = match entry.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            // More than one colon: an address without a port.
            None if entry.matches(':').count() > 1 => (entry, None),
            None => match entry.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (entry, None),
            },
        };
        let host = host.strip_prefix("*.").unwrap_or(host);
        let host = host.trim_matches('.').to_ascii_lowercase();
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        (!host.is_empty()).then_some(Self::Host(host, port))
    }

    /// Whether the entry includes this host, which is in lower case and has no final dot.
    fn includes(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Host(own, at) => {
                let is_below = host
                    .strip_suffix(own.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                is_below && at.is_none_or(|at| at == port)
            }
            Self::Network(network, bits) => host
                .parse()
                .is_ok_and(|address| is_within(address, *network, *bits)),
        }
    }
}

/// Whether an address belongs to a network. Addresses of different families never do.
///
/// A network of 0 bits contains every address of its family. A number of bits that the family does
/// not have matches nothing.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Proxies;

    /// Where a URL's host is reached, given these variables: `direct`, the proxy's host, or `error` with
    /// the variable's name.
    fn route(variables: &[(&str, &str)], is_https: bool, host: &str, port: u16) -> String {
        let proxies = Proxies::from_variables(|name| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).into())
        });
        match proxies.for_host(is_https, host, port) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(proxy)) => format!("{}:{}", proxy.host(), proxy.port()),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains("hunter2"), "{text}");
                let name = text
                    .split_whitespace()
                    .find(|word| word.ends_with("_proxy") || word.ends_with("_PROXY"));
                format!("error {}", name.unwrap_or_default())
            }
        }
    }

    #[test]
    fn the_variable_of_the_scheme_counts_before_the_general_one() {
        let b2 = |variables: &[(&str, &str)]| route(variables, true, "api.backblazeb2.com", 443);
        let plain = |variables: &[(&str, &str)]| route(variables, false, "b2.lan", 80);
        let (all, https, http) = (
            ("ALL_PROXY", "http://all:1"),
            ("HTTPS_PROXY", "https:2"),
            ("HTTP_PROXY", "http:3"),
        );
        assert_eq!(b2(&[]), "direct");
        assert_eq!(b2(&[all]), "all:1");
        assert_eq!(b2(&[all, https, http]), "https:2");
        assert_eq!(b2(&[http]), "direct");
        assert_eq!(b2(&[all, http]), "all:1");
        assert_eq!(b2(&[https, ("https_proxy", "small:4")]), "small:4");
        assert_eq!(b2(&[("https_proxy", ""), https]), "https:2");
        assert_eq!(plain(&[all, https, http]), "http:3");
        assert_eq!(plain(&[https]), "direct");
        assert_eq!(plain(&[http, ("REQUEST_METHOD", "GET")]), "direct");
        assert_eq!(
            plain(&[("http_proxy", "http:3"), ("REQUEST_METHOD", "GET")]),
            "http:3"
        );
    }

    #[test]
    fn an_unusable_variable_is_an_error_that_names_it_and_keeps_its_value() {
        for value in [
            "http://u:hunter2@p:8080 ",
            " http://p",
            "socks5://u:hunter2@p",
            "ftp://p",
            "http://",
            "http://p:99999",
            "http://u:hunter2@p:65536",
            "http://p:8080x",
            "p:8080x",
            "http://[::1]:99999",
            "http://p:",
            "p:port",
            "http://p:0",
            "\u{e9}\n",
        ] {
            let routed = route(
                &[("HTTPS_PROXY", value), ("ALL_PROXY", "http://all")],
                true,
                "b2.test",
                443,
            );
            assert_eq!(routed, "error HTTPS_PROXY", "{value:?}");
        }
        let unusable = ("all_proxy", "socks5h://p");
        assert_eq!(route(&[unusable], true, "b2.test", 443), "error all_proxy");
        assert_eq!(
            route(&[unusable, ("NO_PROXY", "b2.test")], true, "b2.test", 443),
            "direct"
        );
        assert_eq!(
            route(&[unusable, ("HTTPS_PROXY", "p:1")], true, "b2.test", 443),
            "p:1"
        );
    }

    #[test]
    fn no_proxy_names_hosts_subdomains_ports_and_networks() {
        for (list, host, port, is_direct) in [
            ("*", "b2.test", 443, true),
            ("b2.test", "b2.test", 443, true),
            ("b2.test", "api.b2.test", 443, true),
            ("b2.test", "notb2.test", 443, false),
            (".b2.test", "b2.test", 443, true),
            ("*.b2.test", "api.b2.test", 443, true),
            ("B2.Test.", "b2.TEST", 443, true),
            ("localhost, b2.test", "b2.test", 443, true),
            ("localhost b2.test", "b2.test", 443, true),
            ("localhost,,b2.test", "b2.test", 443, true),
            ("b2.test:443", "b2.test", 443, true),
            ("b2.test:8443", "b2.test", 443, false),
            ("b2.test:x", "b2.test", 443, false),
            ("test.b2", "b2.test", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("0.0.0.0/0", "11.1.2.3", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("fd00::/8", "fd12::1", 443, true),
            ("fd00::/8", "fe80::1", 443, false),
            ("::1", "::1", 443, true),
            ("[::1]:443", "::1", 443, true),
            ("[::1]:80", "::1", 443, false),
            ("b2.test/8", "b2.test", 443, false),
            ("", "b2.test", 443, false),
        ] {
            for variable in ["NO_PROXY", "no_proxy"] {
                let variables = [("HTTPS_PROXY", "http://p:1"), (variable, list)];
                let expected = if is_direct { "direct" } else { "p:1" };
                assert_eq!(
                    route(&variables, true, host, port),
                    expected,
                    "{list:?} {host}:{port}"
                );
            }
        }
        let both = [
            ("HTTPS_PROXY", "p:1"),
            ("no_proxy", "a.test"),
            ("NO_PROXY", "b.test"),
        ];
        assert_eq!(route(&both, true, "b.test", 443), "p:1");
    }

    /// Whether curl asks the proxy at this port for a host, given these variables; `None` without curl.
    fn curl_asks_the_proxy(variables: &[(&str, &str)], url: &str) -> Option<bool> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        listener.set_nonblocking(true).unwrap();
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "--connect-timeout", "1", "--max-time", "1", url]);
        curl.env_clear();
        for (name, value) in variables {
            curl.env(name, value.replace("PORT", &port));
        }
        curl.output().ok()?;
        Some(listener.accept().is_ok())
    }

    #[test]
    fn curl_reads_the_environment_in_the_same_way() {
        let proxy = "http://127.0.0.1:PORT";
        let (https, http, all) = (
            ("HTTPS_PROXY", proxy),
            ("http_proxy", proxy),
            ("ALL_PROXY", proxy),
        );
        let dead = "http://127.0.0.1:1";
        for (variables, url) in [
            (&[https][..], "https://b2.test"),
            (&[https], "http://b2.test"),
            (&[http], "http://b2.test"),
            (&[http], "https://b2.test"),
            (&[all], "https://b2.test"),
            (&[all, ("HTTPS_PROXY", dead)], "https://b2.test"),
            (&[all, ("HTTPS_PROXY", "")], "https://b2.test"),
            (&[https, ("https_proxy", dead)], "https://b2.test"),
            (&[https, ("NO_PROXY", "*")], "https://b2.test"),
            (&[https, ("NO_PROXY", "b2.test")], "https://api.b2.test"),
            (&[https, ("NO_PROXY", "b2.test")], "https://notb2.test"),
            (&[https, ("NO_PROXY", ".b2.test")], "https://b2.test"),
            (
                &[https, ("NO_PROXY", "localhost, b2.test")],
                "https://b2.test",
            ),
            (
                &[https, ("NO_PROXY", "localhost b2.test")],
                "https://b2.test",
            ),
            (&[https, ("NO_PROXY", "B2.TEST.")], "https://b2.test"),
            (
                &[https, ("no_proxy", "a.test"), ("NO_PROXY", "b2.test")],
                "https://b2.test",
            ),
        ] {
            let Some(asked) = curl_asks_the_proxy(variables, url) else {
                return;
            };
            let (scheme, host) = url.split_once("://").unwrap();
            let ours = route(variables, scheme == "https", host, 443);
            // The value holds the word PORT here, so that the proxy in question is an error.
            assert_eq!(
                ours.starts_with("error"),
                asked,
                "{variables:?} {url}: {ours}"
            );
        }
    }
}
