//! The address told in replies to `PASV`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::SettingsError;

/// The public address of a server behind NAT, for
/// [`FtpHandler::masquerade_address`](crate::FtpHandler::masquerade_address).
///
/// The enum is complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum MasqueradeAddress {
    /// None: the real address is told.
    #[default]
    None,
    /// This address.
    Address(Ipv4Addr),
    /// The current address of this host name.
    Name(String),
}

impl From<Ipv4Addr> for MasqueradeAddress {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl From<Option<Ipv4Addr>> for MasqueradeAddress {
    fn from(address: Option<Ipv4Addr>) -> Self {
        address.map_or(Self::None, Self::Address)
    }
}

/// Parses an address or a host name; empty text is none.
impl From<&str> for MasqueradeAddress {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) if text.is_empty() => Self::None,
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl From<String> for MasqueradeAddress {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// An IPv6 address is refused when the settings are checked: `PASV` has no form for it.
impl From<IpAddr> for MasqueradeAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Address(address),
            IpAddr::V6(address) => Self::Name(address.to_string()),
        }
    }
}

impl fmt::Display for MasqueradeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl MasqueradeAddress {
    /// Whether an address may belong to a single host, or a name is a valid host name. A mistyped
    /// IPv4 address is not one: no name server should be asked for it.
    pub fn is_plausible(&self) -> bool {
        let name = match self {
            Self::None => return true,
            Self::Address(address) => {
                return !(address.is_unspecified()
                    || address.is_multicast()
                    || address.is_broadcast());
            }
            Self::Name(name) => name,
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        name.len() <= 253 && name.bytes().all(known) && !name.bytes().all(is_number)
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.is_plausible() {
            return Ok(());
        }
        let reason = format!("{self} is neither the IPv4 address of a host nor a name of one");
        Err(SettingsError::new("masquerade_address", reason))
    }

    /// The address, if it need not be looked up.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::None | Self::Name(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_an_address_or_a_name() {
        let known = Ipv4Addr::new(203, 0, 113, 5);
        assert_eq!(MasqueradeAddress::from("203.0.113.5"), known.into());
        assert_eq!(
            MasqueradeAddress::from(String::from("203.0.113.5")),
            known.into()
        );
        assert_eq!(MasqueradeAddress::from(IpAddr::from(known)), known.into());
        let v6 = MasqueradeAddress::from(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        assert!(v6.check().is_err());
        assert_eq!(MasqueradeAddress::from(""), MasqueradeAddress::None);
        assert!(MasqueradeAddress::from("ftp.example.org").check().is_ok());
        for wrong in [
            "203.0.113",
            "a b",
            "é.example",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(MasqueradeAddress::from(wrong).check().is_err(), "{wrong}");
        }
    }
}
