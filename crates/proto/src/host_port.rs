//! PORT, EPRT, 227 and 229 forms.
use std::net::{SocketAddr, SocketAddrV4};

/// `PORT`'s argument is not six decimal octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid host-port")]
pub struct HostPortError;

/// Why an `EPRT` argument is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EprtError {
    /// Not `<d>proto<d>address<d>port<d>`.
    #[error("invalid extended host-port")]
    Syntax,
    /// A network protocol other than 1 (IPv4) and 2 (IPv6): reply 522.
    #[error("network protocol not supported")]
    Protocol,
}

/// Parses `PORT`'s argument (RFC 959 §4.1.2).
pub fn parse_host_port(_arg: &[u8]) -> Result<SocketAddrV4, HostPortError> {
    todo!()
}
/// `h1,h2,h3,h4,p1,p2`.
pub fn format_host_port(_addr: SocketAddrV4) -> String {
    todo!()
}
/// Parses `EPRT`'s argument (RFC 2428 §2).
pub fn parse_eprt(_arg: &[u8]) -> Result<SocketAddr, EprtError> {
    todo!()
}
/// `(|||port|)` (RFC 2428 §3).
pub fn format_epsv(_port: u16) -> String {
    todo!()
}
