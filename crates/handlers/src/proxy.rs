//! The PROXY protocol, versions 1 and 2: what a trusted proxy says of who is behind it
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ftpdlib_ioloop::{Context, Socket};
use ipnet::IpNet;
use mio::net::TcpStream;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use thiserror::Error;

/// The shortest header, `PROXY UNKNOWN` with its line ending. Version 2 needs one byte more before
/// it tells its length.
const SHORTEST: usize = 15;

/// The longest header of version 1, with its line ending.
const LONGEST_LINE: usize = 107;

/// The part of version 2 that has always the same length, the length of the rest at its end.
const FIXED: usize = 16;

/// The longest header that is read; addresses take 232 bytes at most, the rest is not used here.
const LONGEST: usize = 4096;

/// How many bits stand before an IPv4 address in the form of IPv6.
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

/// A network of IPv4 in the form of IPv6 as one of IPv4, which is how its addresses are compared.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.prefix_len().checked_sub(IPV4_PREFIX);
    match (network.addr().to_canonical(), mapped) {
        (IpAddr::V4(address), Some(prefix)) if !network.addr().is_ipv4() => {
            IpNet::new(address.into(), prefix).unwrap_or(network)
        }
        _ => network,
    }
}

/// Who is connected through a proxy, and where to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProxiedClient {
    /// The client.
    pub peer: SocketAddr,
    /// The address at which it reached the proxy.
    pub local: SocketAddr,
}

/// How far the header at the beginning of a connection has come. Complete: there is more of it, or
/// there is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyHeaderStep {
    /// At least this many of the bytes to come belong to the header; never 0.
    More(usize),
    /// It is complete, and names a client; `None` is the proxy itself, which looks whether the
    /// server is there.
    Complete(Option<ProxiedClient>),
}

impl ProxyHeaderStep {
    /// What the bytes that have come so far make, from the first of the connection on.
    ///
    /// As long as no more is taken than [`More`](Self::More) says, in whichever pieces it comes,
    /// [`Complete`](Self::Complete) follows upon the last byte of the header, and upon the 4,096th
    /// of the connection at the latest.
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

/// A connection does not begin with the header that a proxy has to send.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no PROXY header")]
pub struct ProxyHeaderError;

impl From<ProxyHeaderError> for io::Error {
    fn from(error: ProxyHeaderError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads the header at the beginning of a connection, and no byte of what follows it.
#[derive(Debug, Default)]
pub struct ProxyHeaderReader {
    bytes: Vec<u8>,
}

impl ProxyHeaderReader {
    /// How long a proxy may take to send its header, which it knows before it connects. Whoever
    /// reads it closes the connection then.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Whether any of the header has come.
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Reads on; whom the header names, once it is complete. `None` is the proxy itself, which
    /// looks whether the server is there.
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

/// How many bytes an incomplete header lacks at least.
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
