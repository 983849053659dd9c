//! The values of `Host` that are taken, and those that name this machine.

use std::net::{IpAddr, SocketAddr};

/// Whether a host names this machine: a loopback address or `localhost`, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let named = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    named && port.parse::<u16>().is_ok()
}

/// A name or address with or without a port, and nothing that would change a URL's meaning.
pub(crate) fn is_host(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !name.is_empty() && name.bytes().all(allowed) && port.parse::<u16>().is_ok()
}
