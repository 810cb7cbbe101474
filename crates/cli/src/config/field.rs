//! Deserialisers for single fields: types that TOML lacks, with errors that say what is accepted.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ftpdlib::authorizers::CertificateSubject;
use ftpdlib::handlers::{FtpHandler, IpNet, MasqueradeAddress};
use ftpdlib::proto::{NameEncoding, Perms};
use serde::de::{Error, IntoDeserializer, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::value::{self, Ports};

/// The largest whole number that TOML can hold: its numbers are signed.
const MAX_INTEGER: u64 = i64::MAX.cast_unsigned();

/// A time in seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Seconds)
}

/// Like [`seconds`], for a key without a default.
pub(super) fn stated_seconds<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    seconds(from).map(Some)
}

/// A time in seconds that a processor may be kept busy.
pub(super) fn busy_poll<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let (time, most) = (seconds(from)?, FtpHandler::LONGEST_BUSY_POLL);
    if time > most {
        return Err(Error::custom(format!(
            "found {}, expected a number of seconds from 0 to {}",
            time.as_secs_f64(),
            most.as_secs_f64()
        )));
    }
    Ok(time)
}

/// A number of things; 0 is allowed.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    whole(from, 0..=u32::MAX)
}

/// A number of things, at least one.
pub(super) fn count_from_one<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    whole(from, 1..=u32::MAX)
}

/// A number of worker processes, where 0 is one per usable CPU.
pub(super) fn workers<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    whole(from, value::WORKERS)
}

/// A number of event loops, where 0 is one per usable CPU.
pub(super) fn threads<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    whole(from, value::THREADS)
}

/// A number of bytes per second, where 0 means no rate of its own.
pub(super) fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(Some(whole(from, 0..=MAX_INTEGER)?).filter(|&rate| rate > 0))
}

/// A number of bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    whole(from, 0..=MAX_INTEGER)
}

/// The size of a buffer in bytes.
pub(super) fn buffer_size<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    whole(from, 512..=16 * 1024 * 1024)
}

/// One of the names of an enum, which by itself would also accept a table with such a key.
pub(super) fn name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(from)?.into_deserializer())
}

/// Like [`name`], for a key without a default.
pub(super) fn stated_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    name(from).map(Some)
}

/// A text; an empty one means none.
pub(super) fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(from)?).filter(|text| !text.is_empty()))
}

/// The subject of a certificate.
pub(super) fn certificate_subject<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<CertificateSubject>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(|_| {
        Error::custom(format!(
            "found {text:?}, expected a subject such as \"CN=alice,O=Example\", as `openssl x509 \
             -noout -subject -nameopt RFC2253` prints it"
        ))
    })
}

/// A path.
pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    text(from, value::path)
}

/// A path, for a key without a default.
pub(super) fn stated_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    path(from).map(Some)
}

/// A path; an empty one means none.
pub(super) fn path_or_none<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<PathBuf>, D::Error> {
    Ok(text_or_none(from)?.map(PathBuf::from))
}

/// Addresses to listen on: at least one, without duplicates.
pub(super) fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    let addresses = texts(from, value::listen)?;
    if addresses.is_empty() {
        return Err(Error::custom("found no address, expected one or more"));
    }
    for (index, address) in addresses.iter().enumerate() {
        if addresses[..index].contains(address) {
            return Err(Error::custom(format!(
                "found {address} twice, expected each address once"
            )));
        }
    }
    Ok(addresses)
}

/// Networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    texts(from, value::network)
}

/// Names of hosts.
pub(super) fn host_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    texts(from, value::host_name)
}

/// An IPv4 address or a host name; an empty text means none.
pub(super) fn masquerade_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<MasqueradeAddress, D::Error> {
    match text_or_none(from)? {
        Some(text) => value::masquerade_address(&text).map_err(Error::custom),
        None => Ok(MasqueradeAddress::None),
    }
}

/// An encoding of path names, for a key without a default.
pub(super) fn encoding_or_none<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<NameEncoding>, D::Error> {
    encoding(from).map(Some)
}

/// Pairs of IPv4 addresses.
pub(super) fn ipv4_map<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<Ipv4Addr, Ipv4Addr>, D::Error> {
    BTreeMap::<String, String>::deserialize(from)?
        .iter()
        .map(|(from, to)| Ok((value::ipv4(from)?, value::ipv4(to)?)))
        .collect::<Result<_, String>>()
        .map_err(Error::custom)
}

/// Ports as `FROM-TO` or as a list; an empty text or list means none.
pub(super) fn ports_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ports>, D::Error> {
    Ok(Some(from.deserialize_any(PortsVisitor)?).filter(|ports| !ports.is_empty()))
}

/// An encoding of path names.
pub(super) fn encoding<'de, D: Deserializer<'de>>(from: D) -> Result<NameEncoding, D::Error> {
    text(from, value::encoding)
}

/// Permission letters.
pub(super) fn perms<'de, D: Deserializer<'de>>(from: D) -> Result<Perms, D::Error> {
    text(from, value::perms)
}

/// Permission letters, for a key without a default.
pub(super) fn perms_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Perms>, D::Error> {
    perms(from).map(Some)
}

/// A greeting.
pub(super) fn banner<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, value::banner)
}

/// The prefix of log lines.
pub(super) fn log_prefix<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, value::log_prefix)
}

fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(from)?).map_err(Error::custom)
}

fn texts<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    Vec::<String>::deserialize(from)?
        .iter()
        .map(|text| parse(text))
        .collect::<Result<_, _>>()
        .map_err(Error::custom)
}

fn whole<'de, D, T>(from: D, range: RangeInclusive<T>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Copy + Into<u64> + TryFrom<u64>,
{
    let accepted = Whole((*range.start()).into()..=(*range.end()).into());
    let number = from.deserialize_any(&accepted)?;
    T::try_from(number).map_err(|_| Error::invalid_value(Unexpected::Unsigned(number), &&accepted))
}

struct Whole(RangeInclusive<u64>);

impl Visitor<'_> for &Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.0.start(), self.0.end());
        write!(f, "a whole number from {from} to {to}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if self.0.contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(value::SECONDS)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        value::duration(number as f64)
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Duration, E> {
        value::duration(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

struct PortsVisitor;

impl<'de> Visitor<'de> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of ports", value::PORTS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ports, E> {
        if text.is_empty() {
            return Ok(Ports::new());
        }
        value::ports(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ports, A::Error> {
        let mut ports = Ports::new();
        while let Some(port) = list.next_element::<i64>()? {
            match u16::try_from(port) {
                Ok(port) if port > 0 && !ports.contains(&port) => ports.push(port),
                Ok(_) | Err(_) => {
                    return Err(Error::custom(format!(
                        "found {port} in the list, expected different ports from 1 to 65535"
                    )));
                }
            }
        }
        Ok(ports)
    }
}
