//! The PROXY protocol, versions 1 and 2: a trusted proxy names the client behind it
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ftpdlib_ioloop::{Context, Socket};
use ipnet::IpNet;
use mio::net::TcpStream;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use thiserror::Error;

/// The length of the shortest header, `PROXY UNKNOWN` with its line ending. Version 2 tells its
/// length one byte later, with the 16th.
const SHORTEST: usize = 15;

/// The longest header of version 1, with its line ending.
const LONGEST_LINE: usize = 107;

/// The fixed part of version 2, which ends with the length of the rest.
const FIXED: usize = 16;

/// The longest header accepted. Addresses take at most 232 bytes; the rest is not used.
const LONGEST: usize = 4096;

/// The length of the prefix of IPv4-mapped IPv6 addresses, in bits.
const IPV4_PREFIX: u8 = 96;

/// The networks whose connections begin with a header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn of(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    pub(crate) fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// Turns a network of IPv4-mapped addresses into one of IPv4, the form in which addresses are
/// compared.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.prefix_len().checked_sub(IPV4_PREFIX);
    match (network.addr().to_canonical(), mapped) {
        (IpAddr::V4(address), Some(prefix)) if !network.addr().is_ipv4() => {
            IpNet::new(address.into(), prefix).unwrap_or(network)
        }
        _ => network,
    }
}

/// A client that is connected through a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProxiedClient {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address of the proxy that the client connected to.
    pub local: SocketAddr,
}

/// How far the header at the beginning of a connection has come. The enum is complete: either more
/// of the header must come, or nothing more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyHeaderStep {
    /// At least this many more bytes belong to the header; never 0.
    More(usize),
    /// The header is complete and names a client. `None` is the proxy itself, for a health check.
    Complete(Option<ProxiedClient>),
}

impl ProxyHeaderStep {
    /// Parses all bytes that have come so far, from the first one of the connection.
    ///
    /// If never more bytes are read than [`More`](Self::More) says, [`Complete`](Self::Complete)
    /// follows the last byte of the header, at the latest the 4,096th byte of the connection.
    ///
    /// # Errors
    ///
    /// [`ProxyHeaderError`] for anything but the beginning of a header of a TCP connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_handlers::ProxyHeaderStep;
    ///
    /// assert_eq!(ProxyHeaderStep::after(b"PROXY UNKNO")?, ProxyHeaderStep::More(4));
    /// assert_eq!(ProxyHeaderStep::after(b"PROXY UNKNOWN\r\n")?, ProxyHeaderStep::Complete(None));
    /// assert!(ProxyHeaderStep::after(b"USER anonymous\r\n").is_err());
    /// # Ok::<(), ftpdlib_handlers::ProxyHeaderError>(())
    /// ```
    pub fn after(bytes: &[u8]) -> Result<Self, ProxyHeaderError> {
        let config = ParseConfig {
            include_tlvs: false,
            ..ParseConfig::default()
        };
        let header = match ProxyHeader::parse(bytes, config) {
            Ok((header, _)) => header,
            Err(proxy_header::Error::BufferTooShort) => return missing(bytes).map(Self::More),
            Err(_) => return Err(ProxyHeaderError),
        };
        match header.proxied_address() {
            None => Ok(Self::Complete(None)),
            Some(named) if named.protocol == Protocol::Stream => {
                Ok(Self::Complete(Some(ProxiedClient {
                    peer: named.source,
                    local: named.destination,
                })))
            }
            Some(_) => Err(ProxyHeaderError),
        }
    }
}

/// A connection does not begin with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no PROXY header")]
pub struct ProxyHeaderError;

impl From<ProxyHeaderError> for io::Error {
    fn from(error: ProxyHeaderError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads the header at the beginning of a connection, and no byte after it.
#[derive(Debug, Default)]
pub struct ProxyHeaderReader {
    bytes: Vec<u8>,
}

impl ProxyHeaderReader {
    /// How long a proxy may take to send its header, which it knows before it connects. After that,
    /// the connection should be closed.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Whether any part of the header has come.
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Reads more of the header, and returns the client that it names once it is complete. `None`
    /// is the proxy itself, for a health check.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) while more has to come, `InvalidData` for anything
    /// but a header of a TCP connection, else that of the socket.
    pub fn read(
        &mut self,
        socket: &Socket<TcpStream>,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<ProxiedClient>> {
        loop {
            let missing = match ProxyHeaderStep::after(&self.bytes)? {
                ProxyHeaderStep::More(missing) => missing,
                ProxyHeaderStep::Complete(named) => return Ok(named),
            };
            let mut piece = [0; 256];
            let size = missing.min(piece.len());
            match cx.read(socket, &mut piece[..size])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.bytes.extend_from_slice(&piece[..length]),
            }
        }
    }
}

/// The least number of bytes that an incomplete header lacks.
fn missing(bytes: &[u8]) -> Result<usize, ProxyHeaderError> {
    let length = bytes.len();
    if length < SHORTEST {
        return Ok(SHORTEST - length);
    }
    let whole = if bytes.starts_with(b"P") {
        // A line ending has two bytes.
        let ending = if bytes.ends_with(b"\r") { 1 } else { 2 };
        LONGEST_LINE.min(length + ending)
    } else if let Some(rest) = bytes.get(FIXED - 2..FIXED) {
        FIXED + usize::from(u16::from_be_bytes([rest[0], rest[1]]))
    } else {
        FIXED
    };
    if whole > LONGEST || whole <= length {
        return Err(ProxyHeaderError);
    }
    Ok(whole - length)
}

#[cfg(test)]
mod tests;
