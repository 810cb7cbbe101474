//! The forms of addresses in `PORT`, `EPRT` and the replies 227 and 229.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

use thiserror::Error;

use crate::digits::parse_decimal;

/// An argument of `PORT` that is not six decimal octets.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("invalid host-port")]
pub struct HostPortError;

/// Why an argument of `EPRT` is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EprtError {
    /// The argument is not of the form `<d>protocol<d>address<d>port<d>`.
    #[error("invalid extended host-port")]
    Syntax,
    /// The address does not belong to the protocol; this matters only to sessions over that
    /// protocol.
    #[error("not an address of the network protocol")]
    Address {
        /// Whether the protocol is 2 (IPv6) rather than 1 (IPv4).
        is_ipv6: bool,
    },
    /// The network protocol is neither 1 (IPv4) nor 2 (IPv6).
    #[error("network protocol not supported")]
    Protocol,
}

/// Parses the argument of `PORT` into the address where the client listens.
///
/// `arg` is the text after `PORT SP`: four address octets, then two port octets, most significant
/// first, in decimal of at most three digits, separated by commas (RFC 959 §4.1.2). The session
/// decides whether the address may be used.
///
/// # Errors
///
/// [`HostPortError`] unless there are exactly six fields, each in `0..=255`.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::parse_host_port;
/// let addr = parse_host_port(b"192,0,2,7,4,1")?;
/// assert_eq!(addr.to_string(), "192.0.2.7:1025");
/// # Ok::<(), ftpdlib_proto::HostPortError>(())
/// ```
pub fn parse_host_port(arg: &[u8]) -> Result<SocketAddrV4, HostPortError> {
    let mut fields = arg.split(|&byte| byte == b',');
    let mut octets = [0; 6];
    for octet in &mut octets {
        let field = fields
            .next()
            .filter(|field| field.len() <= 3)
            .ok_or(HostPortError)?;
        let number = parse_decimal(field).ok_or(HostPortError)?;
        *octet = u8::try_from(number).map_err(|_| HostPortError)?;
    }
    if fields.next().is_some() {
        return Err(HostPortError);
    }
    let [a, b, c, d, high, low] = octets;
    Ok(SocketAddrV4::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}

/// Formats an address as `h1,h2,h3,h4,p1,p2`, for the argument of `PORT` and the reply 227.
pub fn format_host_port(addr: SocketAddrV4) -> String {
    let [a, b, c, d] = addr.ip().octets();
    let [high, low] = addr.port().to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

/// Parses the argument of `EPRT` into the address where the client listens.
///
/// `arg` is `<d>1<d>192.0.2.7<d>1025<d>` or `<d>2<d>2001:db8::7<d>1025<d>`, where `<d>` is any one
/// printable ASCII character, usually `|` (RFC 2428 §2). An IPv4-mapped IPv6 address is kept as it
/// is. The session decides whether the address may be used.
///
/// # Errors
///
/// [`EprtError::Protocol`] if the protocol is a number other than 1 and 2, [`EprtError::Address`]
/// if only the address is wrong, [`EprtError::Syntax`] for any other mistake.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{EprtError, parse_eprt};
/// assert_eq!(parse_eprt(b"|2|2001:db8::7|1025|"), Ok("[2001:db8::7]:1025".parse().unwrap()));
/// assert_eq!(parse_eprt(b"|3|host|1025|"), Err(EprtError::Protocol));
/// ```
pub fn parse_eprt(arg: &[u8]) -> Result<SocketAddr, EprtError> {
    let (&delimiter, rest) = arg.split_first().ok_or(EprtError::Syntax)?;
    if !delimiter.is_ascii_graphic() {
        return Err(EprtError::Syntax);
    }
    let mut fields = rest.split(|&byte| byte == delimiter);
    let mut field = || fields.next().ok_or(EprtError::Syntax);
    let (protocol, address, port, end) = (field()?, field()?, field()?, field()?);
    if !end.is_empty() || fields.next().is_some() {
        return Err(EprtError::Syntax);
    }
    let port = parse_decimal(port).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(EprtError::Syntax)?;
    match parse_decimal(protocol) {
        Some(1) => match parse_address::<Ipv4Addr>(address) {
            Some(address) => Ok((address, port).into()),
            None => Err(EprtError::Address { is_ipv6: false }),
        },
        Some(2) => match parse_address::<Ipv6Addr>(address) {
            Some(address) => Ok((address, port).into()),
            None => Err(EprtError::Address { is_ipv6: true }),
        },
        Some(_) => Err(EprtError::Protocol),
        None => Err(EprtError::Syntax),
    }
}

/// Formats a port as `(|||port|)`, for the reply 229 (RFC 2428 §3).
pub fn format_epsv(port: u16) -> String {
    format!("(|||{port}|)")
}

fn parse_address<A: FromStr>(text: &[u8]) -> Option<A> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_port(arg: &str, expected: Option<&str>) {
        let got = parse_host_port(arg.as_bytes())
            .ok()
            .map(|addr| addr.to_string());
        assert_eq!(got.as_deref(), expected, "PORT {arg}");
    }

    #[test]
    fn host_port_needs_six_octets() {
        check_port("192,0,2,7,4,1", Some("192.0.2.7:1025"));
        check_port("010,0,0,001,0,0", Some("10.0.0.1:0"));
        check_port("192,0,2,7,4", None);
        check_port("192,0,2,7,4,1,9", None);
        check_port("192,0,2,+7,4,1", None);
        check_port("192,0,2, 7,4,1", None);
        check_port("256,0,2,7,4,1", None);
        check_port("192,0,2,7,0004,1", None);
        check_port("192,0,2,7,,1", None);
        check_port("192.0.2.7,4,1", None);
        check_port("", None);
    }

    #[track_caller]
    fn check_eprt(arg: &str, expected: Result<&str, EprtError>) {
        let got = parse_eprt(arg.as_bytes()).map(|addr| addr.to_string());
        assert_eq!(got, expected.map(str::to_owned), "EPRT {arg}");
    }

    #[test]
    fn eprt_takes_both_protocols() {
        check_eprt("|1|192.0.2.7|1025|", Ok("192.0.2.7:1025"));
        check_eprt("!1!192.0.2.7!0!", Ok("192.0.2.7:0"));
        check_eprt("|2|2001:db8::7|65535|", Ok("[2001:db8::7]:65535"));
        check_eprt("|2|::ffff:192.0.2.7|21|", Ok("[::ffff:192.0.2.7]:21"));
    }

    #[test]
    fn eprt_tells_a_foreign_protocol_from_a_malformed_argument() {
        check_eprt("|3|whatever|1025|", Err(EprtError::Protocol));
        check_eprt("|0|192.0.2.7|1025|", Err(EprtError::Protocol));
        check_eprt("||192.0.2.7|1025|", Err(EprtError::Syntax));
        check_eprt(
            "|1|2001:db8::7|1025|",
            Err(EprtError::Address { is_ipv6: false }),
        );
        check_eprt(
            "|2|192.0.2.7|1025|",
            Err(EprtError::Address { is_ipv6: true }),
        );
        check_eprt(
            "|2|fe80::1%eth0|1025|",
            Err(EprtError::Address { is_ipv6: true }),
        );
        check_eprt("|1|192.0.2.7|65536|", Err(EprtError::Syntax));
        check_eprt("|1|192.0.2.7|1025", Err(EprtError::Syntax));
        check_eprt("|1|192.0.2.7|1025|x", Err(EprtError::Syntax));
        check_eprt("|1|192.0.2.7|1025||", Err(EprtError::Syntax));
        check_eprt(" 1 192.0.2.7 1025 ", Err(EprtError::Syntax));
        check_eprt("", Err(EprtError::Syntax));
    }

    #[test]
    fn epsv_reply_has_the_literal_form() {
        assert_eq!(format_epsv(6446), "(|||6446|)");
    }

    proptest! {
        #[test]
        fn host_port_round_trips(ip: [u8; 4], port: u16) {
            let addr = SocketAddrV4::new(Ipv4Addr::from(ip), port);
            prop_assert_eq!(parse_host_port(format_host_port(addr).as_bytes()), Ok(addr));
        }

        #[test]
        fn eprt_round_trips(ip: [u8; 16], port: u16) {
            let ip = Ipv6Addr::from(ip);
            let arg = format!("|2|{ip}|{port}|");
            prop_assert_eq!(parse_eprt(arg.as_bytes()), Ok((ip, port).into()));
        }

        #[test]
        fn parsing_never_panics(arg: Vec<u8>) {
            let _ = parse_host_port(&arg);
            let _ = parse_eprt(&arg);
        }
    }
}
