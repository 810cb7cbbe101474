//! Ports that nothing else is given.

use std::net::{Ipv6Addr, TcpListener};
use std::process;

/// A port that nobody has, not even with IPv4; none where there is no IPv6. It is below those that
/// the system gives out by itself, which another test may be given before it is bound again.
pub fn free_port() -> Option<u16> {
    let start = 20_000 + process::id() % 10_000;
    let mut ports = (start..32_000).filter_map(|port| u16::try_from(port).ok());
    ports.find(|&port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok())
}
