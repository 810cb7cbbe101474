//! Parsers for values, shared by the command line and the configuration file.
//!
//! Each error says what was found and what is accepted, for the one-line message.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ftpdlib::handlers::{IpNet, MasqueradeAddress};
use ftpdlib::proto::{EncodingError, NameEncoding, Perms};
use ftpdlib::servers::ServeOptions;

/// The longest time that can be set, in seconds: about 31 years, far below where clocks overflow.
const MAX_SECONDS: u32 = 1_000_000_000;

/// What [`seconds`] accepts.
pub(crate) const SECONDS: &str = "a number of seconds from 0 to 1000000000";

/// What [`ports`] accepts.
pub(crate) const PORTS: &str = "FROM-TO with ports from 1 to 65535, such as 60000-65535";

/// The accepted numbers of worker processes.
pub(crate) const WORKERS: RangeInclusive<u32> = 0..=ServeOptions::MOST_WORKER_PROCESSES as u32;

/// The accepted numbers of event loops in a process: more cannot be intended.
pub(crate) const THREADS: RangeInclusive<u32> = 0..=1024;

/// Ports for passive data connections.
pub(crate) type Ports = Vec<u16>;

/// An IP address of either family. An IPv4-mapped IPv6 address becomes the IPv4 address.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map(|address: IpAddr| address.to_canonical())
        .map_err(|_| expected(text, "an IP address such as 192.0.2.1 or ::"))
}

/// The IPv4 address of a host.
pub(crate) fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .ok()
        .filter(|&address| MasqueradeAddress::from(address).is_plausible())
        .ok_or_else(|| expected(text, "an IPv4 address such as 203.0.113.5"))
}

/// The address for PASV replies, or its host name.
pub(crate) fn masquerade_address(text: &str) -> Result<MasqueradeAddress, String> {
    let address = MasqueradeAddress::from(text);
    if text.is_empty() || !address.is_plausible() {
        let accepted = "an IPv4 address such as 203.0.113.5, or a host name";
        return Err(expected(text, accepted));
    }
    Ok(address)
}

/// A path, not empty: joined to a directory, an empty path would be that directory.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err(expected(text, "a path that is not empty"));
    }
    Ok(text.into())
}

/// The name or number of a user or group of the system.
pub(crate) fn account(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(expected(text, "a name or a number"));
    }
    Ok(text.into())
}

/// An address to listen on, with its port; IPv4-mapped as for [`address`].
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let mut address: SocketAddr = text
        .parse()
        .map_err(|_| expected(text, "ADDRESS:PORT such as 0.0.0.0:2121 or [::]:2121"))?;
    // Unless the family changes, this keeps the scope.
    address.set_ip(address.ip().to_canonical());
    Ok(address)
}

/// A port to listen on; 0 lets the kernel choose.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| expected(text, "a port from 0 to 65535"))
}

/// A range of ports, both ends included.
pub(crate) fn ports(text: &str) -> Result<Ports, String> {
    let range = text.split_once('-').and_then(|(from, to)| {
        let range: RangeInclusive<u16> = from.parse().ok()?..=to.parse().ok()?;
        (*range.start() >= 1 && !range.is_empty()).then_some(range)
    });
    range
        .map(Iterator::collect)
        .ok_or_else(|| expected(text, PORTS))
}

/// A time in seconds, with a fraction or without.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(duration)
        .ok_or_else(|| expected(text, SECONDS))
}

/// Converts a number of seconds, unless it is negative, not a number or absurdly large. Only 0,
/// which often means never, becomes zero: the shortest other time is a nanosecond.
pub(crate) fn duration(seconds: f64) -> Option<Duration> {
    let shortest = Duration::from_nanos(u64::from(seconds > 0.0));
    (0.0..=f64::from(MAX_SECONDS))
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds).max(shortest))
}

/// A number of things; 0 is allowed.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| expected(text, "a whole number from 0 to 4294967295"))
}

/// A number of worker processes, where 0 is one per usable CPU.
pub(crate) fn workers(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| WORKERS.contains(count))
        .ok_or_else(|| {
            let (from, to) = (WORKERS.start(), WORKERS.end());
            expected(text, format!("a whole number from {from} to {to}"))
        })
}

/// A number of things, at least one.
pub(crate) fn count_from_one(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|&count| count >= 1)
        .ok_or_else(|| expected(text, "a whole number from 1 to 4294967295"))
}

/// A greeting, not empty, since clients wait for one.
pub(crate) fn banner(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(expected(text, "a text that is not empty"));
    }
    Ok(text.to_owned())
}

/// An encoding of path names.
pub(crate) fn encoding(text: &str) -> Result<NameEncoding, String> {
    NameEncoding::for_label(text).map_err(|error| {
        let expected = match error {
            EncodingError::Unsuitable(_) => "another",
            _ => "a label of the WHATWG Encoding Standard",
        };
        format!("{error}, expected {expected} such as utf-8 or latin1")
    })
}

/// Permission letters.
pub(crate) fn perms(text: &str) -> Result<Perms, String> {
    text.parse()
        .map_err(|_| expected(text, "letters of elradfmwMT"))
}

/// A network: an address, or an address and a prefix length.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse().map(|address: IpAddr| address.into()))
        .map_err(|_| expected(text, "a network such as 10.0.0.0/8 or fd00::/8"))
}

/// The name or the address of a host.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_right) {
        return Ok(text.to_owned());
    }
    Err(expected(
        text,
        "a host name such as ftp.example.com, or an IP address",
    ))
}

/// The prefix of log lines: text and placeholders.
pub(crate) fn log_prefix(text: &str) -> Result<String, String> {
    let known = "text with {remote_ip}, {remote_port} and {username}";
    if text.contains("%(") {
        return Err(expected(text, known));
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let placeholder = after.split_once('}');
        rest = match placeholder {
            Some(("remote_ip" | "remote_port" | "username", rest)) => rest,
            Some(_) | None => return Err(expected(text, known)),
        };
    }
    Ok(text.to_owned())
}

/// `found "x", expected …`
pub(crate) fn expected(found: &str, accepted: impl Display) -> String {
    format!("found {found:?}, expected {accepted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: std::fmt::Debug>(
        parse: fn(&str) -> Result<T, String>,
        text: &str,
        expected: Option<&str>,
    ) {
        let got = parse(text).ok().map(|value| format!("{value:?}"));
        assert_eq!(got.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn ports_are_a_range() {
        check(ports, "60000-60002", Some("[60000, 60001, 60002]"));
        check(ports, "1-1", Some("[1]"));
        check(ports, "65535-65535", Some("[65535]"));
        for wrong in [
            "", "-", "5", "0-1", "2-1", "1-65536", "1-2-3", "a-b", "1 - 2",
        ] {
            check(ports, wrong, None);
        }
    }

    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_could_not_be_bound() {
        for (text, expected) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::ffff:0:0", "0.0.0.0"),
            ("::1", "::1"),
            ("::127.0.0.1", "::7f00:1"),
        ] {
            check(address, text, Some(expected));
            let expected: IpAddr = expected.parse().unwrap();
            let expected = SocketAddr::new(expected, 21).to_string();
            check(listen, &format!("[{text}]:21"), Some(&expected));
        }
        check(listen, "[fe80::1%3]:21", Some("[fe80::1%3]:21"));
    }

    #[test]
    fn seconds_are_finite_and_not_negative() {
        check(seconds, "0", Some("0ns"));
        check(seconds, "1.5", Some("1.5s"));
        check(seconds, "-0.0", Some("0ns"));
        check(seconds, "1000000000", Some("1000000000s"));
        for wrong in ["", "-1", "-0.1", "nan", "inf", "1e300", "1000000001", "5s"] {
            check(seconds, wrong, None);
        }
    }

    #[test]
    fn a_tiny_time_meant_never() {
        for tiny in ["1e-12", "4e-10", "1e-9", "5e-324"] {
            check(seconds, tiny, Some("1ns"));
        }
    }

    #[test]
    fn networks_have_a_prefix_that_fits() {
        check(network, "10.0.0.0/8", Some("10.0.0.0/8"));
        check(network, "192.0.2.7", Some("192.0.2.7/32"));
        check(network, "fd00::/128", Some("fd00::/128"));
        for wrong in ["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10/8", "/8"] {
            check(network, wrong, None);
        }
    }

    #[test]
    fn log_prefixes_hold_known_placeholders_only() {
        for right in ["", "ftp", "{remote_ip}:{remote_port}-[{username}]", "}"] {
            check(log_prefix, right, Some(&format!("{right:?}")));
        }
        for wrong in [
            "{",
            "{}",
            "{user}",
            "{remote_ip",
            "{{remote_ip}}",
            "%(username)s",
        ] {
            check(log_prefix, wrong, None);
        }
    }
}
