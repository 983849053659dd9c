//! Which values of `Host` are accepted, and which name this machine.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Whether a host names this machine: a loopback address or `localhost`, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    let is_named = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_named && is_host(host)
}

/// A name or address with or without a port, and nothing that would change a URL's meaning.
pub(crate) fn is_host(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !name.is_empty() && name.bytes().all(allowed) && port.parse::<u16>().is_ok()
}

/// Returns the host without its port, and an IPv6 address without its brackets.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none_and_loopback_ones_from_others() {
        for (host, is_local) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("127.0.0.1", true),
            ("127.1.2.3:65535", true),
            ("[::1]", true),
            ("[::1]:9911", true),
            ("sim", false),
            ("b2.example:443", false),
            ("192.168.1.2", false),
            ("[2001:db8::1]", false),
        ] {
            assert!(is_host(host), "{host}");
            assert_eq!(is_loopback(host), is_local, "{host}");
        }
        for host in [
            "",
            ":80",
            "::1",
            "[::1",
            "[localhost]",
            "localhost:65536",
            "localhost:",
            "a/b",
            "a@b",
            "127.0.0.1:80:80",
            "[::1]x",
        ] {
            assert!(!is_host(host) && !is_loopback(host), "{host}");
        }
        assert_eq!(
            (name_of("[::1]:80"), name_of("a:1"), name_of("a")),
            ("::1", "a", "a")
        );
    }
}
