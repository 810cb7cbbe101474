//! The PROXY protocol, versions 1 and 2: what a trusted proxy says of who is behind it
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::io;
use std::net::{IpAddr, SocketAddr};

use ftpdlib_ioloop::{Context, Socket};
use ipnet::IpNet;
use mio::net::TcpStream;
use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};

/// The shortest header, `PROXY UNKNOWN` with its line ending. Version 2 needs one byte more before
/// it tells its length.
const SHORTEST: usize = 15;

/// The part of version 2 that has always the same length, the length of the rest at its end.
const FIXED: usize = 16;

/// The longest header that is read; addresses take 232 bytes at most, the rest is not used here.
const LONGEST: usize = 4096;

/// The networks whose connections begin with a header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn of(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    pub(crate) fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
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

/// Reads the header at the beginning of a connection, and no byte of what follows it.
#[derive(Debug, Default)]
pub struct ProxyHeaderReader {
    bytes: Vec<u8>,
}

impl ProxyHeaderReader {
    /// Reads on; whom the header names, once it is complete. `None` is the proxy itself, which looks
    /// whether the server is there.
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
            let mut piece = [0; 256];
            let size = self.missing()?.min(piece.len());
            match cx.read(socket, &mut piece[..size])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.bytes.extend_from_slice(&piece[..length]),
            }
            if let Some(named) = self.parse()? {
                return Ok(named);
            }
        }
    }

    /// How many of the bytes to come are the header's for certain; at least 1.
    fn missing(&self) -> io::Result<usize> {
        let length = self.bytes.len();
        if length < SHORTEST {
            return Ok(SHORTEST - length);
        }
        if self.bytes.starts_with(b"P") {
            // A line ending has two bytes.
            return Ok(if self.bytes.ends_with(b"\r") { 1 } else { 2 });
        }
        let Some(rest) = self.bytes.get(FIXED - 2..FIXED) else {
            return Ok(FIXED - length);
        };
        let whole = FIXED + usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        if whole > LONGEST || whole <= length {
            return Err(invalid());
        }
        Ok(whole - length)
    }

    /// The outer `None` is an incomplete header.
    fn parse(&self) -> io::Result<Option<Option<ProxiedClient>>> {
        let config = ParseConfig {
            include_tlvs: false,
            ..ParseConfig::default()
        };
        let header = match ProxyHeader::parse(&self.bytes, config) {
            Ok((header, _)) => header,
            Err(Error::BufferTooShort) => return Ok(None),
            Err(_) => return Err(invalid()),
        };
        match header.proxied_address() {
            None => Ok(Some(None)),
            Some(named) if named.protocol == Protocol::Stream => Ok(Some(Some(ProxiedClient {
                peer: named.source,
                local: named.destination,
            }))),
            Some(_) => Err(invalid()),
        }
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;
    use proptest::sample::select;
    use proxy_header::ProxiedAddress;

    use super::*;

    /// What a reader makes of bytes that come in as many pieces as it asks for, and how many it
    /// takes.
    fn read(mut bytes: &[u8]) -> (io::Result<Option<Option<ProxiedClient>>>, usize) {
        let (mut reader, all) = (ProxyHeaderReader::default(), bytes.len());
        loop {
            let size = match reader.missing() {
                Ok(size) => size,
                Err(error) => return (Err(error), all - bytes.len()),
            };
            if size > bytes.len() {
                return (Ok(None), all - bytes.len());
            }
            let (piece, rest) = bytes.split_at(size);
            reader.bytes.extend_from_slice(piece);
            bytes = rest;
            match reader.parse() {
                Ok(None) => {}
                end => return (end, all - bytes.len()),
            }
        }
    }

    #[track_caller]
    fn check(header: &[u8], expected: Option<(&str, &str)>) {
        let bytes = [header, b"USER a\r\n"].concat();
        let (end, taken) = read(&bytes);
        let expected = expected.map(|(peer, local)| ProxiedClient {
            peer: peer.parse().unwrap(),
            local: local.parse().unwrap(),
        });
        assert_eq!(end.unwrap(), Some(expected));
        assert_eq!(taken, header.len(), "not a byte of what follows");
    }

    #[track_caller]
    fn check_refused(bytes: &[u8]) {
        assert!(read(bytes).0.is_err(), "{bytes:?}");
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    const ADDRESSES: &[u8] = &[192, 0, 2, 1, 203, 0, 113, 5, 0xC0, 1, 0, 21];

    #[test]
    fn headers_name_the_client() {
        check(
            b"PROXY TCP4 192.0.2.1 203.0.113.5 49153 21\r\n",
            Some(("192.0.2.1:49153", "203.0.113.5:21")),
        );
        check(
            b"PROXY TCP6 2001:db8::1 :: 1 21\r\n",
            Some(("[2001:db8::1]:1", "[::]:21")),
        );
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN ffff:f...f:ffff 1 2\r\n", None);
        let expected = Some(("192.0.2.1:49153", "203.0.113.5:21"));
        check(&version_2(0x21, 0x11, ADDRESSES), expected);
        let with_more = [ADDRESSES, &[4, 0, 2, 0, 0]].concat();
        check(&version_2(0x21, 0x11, &with_more), expected);
        check(&version_2(0x20, 0x00, &[]), None);
        check(&version_2(0x20, 0x11, ADDRESSES), None);
    }

    #[test]
    fn anything_else_is_refused() {
        check_refused(b"USER anonymous\r\nPASS x\r\n");
        check_refused(b"PROXY TCP4 192.0.2.1 203.0.113.5 70000 21\r\n");
        check_refused(b"PROXY TCP5 192.0.2.1 203.0.113.5 1 21\r\n");
        check_refused(&[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat());
        check_refused(&version_2(0x22, 0x11, ADDRESSES));
        check_refused(&version_2(0x21, 0x12, ADDRESSES));
        check_refused(&version_2(0x21, 0x11, &ADDRESSES[..4]));
        check_refused(&version_2(0x21, 0x11, &[0; 5000]));
    }

    #[test]
    fn networks_hold_addresses_in_any_form() {
        let proxies = Proxies::of([
            "10.0.0.0/8".parse().unwrap(),
            "fd00::1/128".parse().unwrap(),
        ]);
        for (ip, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("fd00::1", true),
            ("fd00::2", false),
        ] {
            assert_eq!(proxies.contain(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    /// How headers begin, so that chance leads into them.
    const STARTS: &[&[u8]] = &[b"", b"PROXY ", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n!"];

    proptest! {
        #[test]
        fn no_bytes_break_a_reader(
            start in select(STARTS),
            rest: Vec<u8>,
        ) {
            let bytes = [start, &rest].concat();
            prop_assert!(read(&bytes).1 <= bytes.len());
        }

        #[test]
        fn what_a_proxy_writes_is_understood(peer: (Ipv6Addr, u16), local: (Ipv6Addr, u16)) {
            let client = ProxiedClient { peer: peer.into(), local: local.into() };
            let header = ProxyHeader::with_address(ProxiedAddress::stream(client.peer, client.local));
            let mut forms = [Vec::new(), Vec::new()];
            header.encode_v1(&mut forms[0]).unwrap();
            header.encode_v2(&mut forms[1]).unwrap();
            for bytes in forms {
                let (end, taken) = read(&[&bytes[..], b"NOOP\r\n"].concat());
                prop_assert_eq!(end.unwrap(), Some(Some(client)));
                prop_assert_eq!(taken, bytes.len());
            }
        }
    }
}
