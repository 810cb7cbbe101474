//! Arguments of AUTH, PBSZ and PROT (RFC 2228 §3, RFC 4217 §4, §8, §9).

use super::argument::parse_number;
use super::error::printable;
use super::{Command, CommandError};

/// The mechanism that secures a control connection: TLS under several names, which differ in the
/// initial protection level of data connections.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthMechanism {
    /// `TLS`
    Tls,
    /// `TLS-C`, an older name of `TLS`.
    TlsC,
    /// `TLS-P`: TLS as if `PROT P` followed.
    TlsP,
    /// `SSL`, an older name of `TLS-P`.
    Ssl,
}

impl AuthMechanism {
    /// Looks up a mechanism by its name, in any case.
    pub(super) fn parse(name: &[u8]) -> Result<Self, CommandError> {
        const ALL: [AuthMechanism; 4] = [
            AuthMechanism::Tls,
            AuthMechanism::TlsC,
            AuthMechanism::TlsP,
            AuthMechanism::Ssl,
        ];
        ALL.into_iter()
            .find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
            .ok_or_else(|| CommandError::Mechanism {
                given: printable(name),
            })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::TlsC => "TLS-C",
            Self::TlsP => "TLS-P",
            Self::Ssl => "SSL",
        }
    }

    /// The protection level of data connections until PROT changes it.
    pub fn protection_level(self) -> ProtectionLevel {
        match self {
            Self::Tls | Self::TlsC => ProtectionLevel::Clear,
            Self::TlsP | Self::Ssl => ProtectionLevel::Private,
        }
    }
}

/// The protection level of data connections (RFC 4217 §9).
///
/// The enum is complete: TLS has no other level.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ProtectionLevel {
    /// `C`: none.
    #[default]
    Clear,
    /// `P`: TLS.
    Private,
}

impl ProtectionLevel {
    pub(super) fn parse(level: &[u8]) -> Result<Self, CommandError> {
        match level.to_ascii_uppercase().as_slice() {
            b"C" => Ok(Self::Clear),
            b"P" => Ok(Self::Private),
            b"S" => Err(CommandError::ProtectionLevel { level: 'S' }),
            b"E" => Err(CommandError::ProtectionLevel { level: 'E' }),
            _ => Err(CommandError::UnknownProtectionLevel),
        }
    }
}

/// Parses the size in PBSZ, a number of 32 bits (RFC 2228 §3). TLS does not use it.
pub(super) fn parse_buffer_size(size: &[u8]) -> Result<Command<'_>, CommandError> {
    let size = parse_number(size)?;
    u32::try_from(size)
        .map(|_| Command::Pbsz)
        .map_err(|_| CommandError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_size_of_more_than_32_bits_was_accepted() {
        for size in ["0", "16384", "4294967295"] {
            assert_eq!(parse_buffer_size(size.as_bytes()), Ok(Command::Pbsz));
        }
        for size in ["4294967296", "99999999999", "-1", "0x0", ""] {
            let error = parse_buffer_size(size.as_bytes()).unwrap_err();
            assert_eq!(error.reply().code().value(), 501, "{size}");
        }
    }

    #[test]
    fn mechanisms_are_read_in_any_case() {
        for (name, mechanism) in [
            ("TLS", AuthMechanism::Tls),
            ("tls", AuthMechanism::Tls),
            ("TLS-C", AuthMechanism::TlsC),
            ("tls-p", AuthMechanism::TlsP),
            ("ssl", AuthMechanism::Ssl),
        ] {
            assert_eq!(AuthMechanism::parse(name.as_bytes()), Ok(mechanism));
        }
        for name in ["", "GSSAPI", "TLS ", "TLS-X", "\u{e9}"] {
            let error = AuthMechanism::parse(name.as_bytes()).unwrap_err();
            assert_eq!(error.reply().code().value(), 504, "{name:?}");
        }
    }

    #[test]
    fn levels_that_tls_lacks_are_told_from_unknown_ones() {
        let code = |level: &str| {
            let parsed = ProtectionLevel::parse(level.as_bytes());
            parsed.map_err(|error| error.reply().code().value())
        };
        assert_eq!(code("C"), Ok(ProtectionLevel::Clear));
        assert_eq!(code("p"), Ok(ProtectionLevel::Private));
        assert_eq!([code("S"), code("e")], [Err(536), Err(536)]);
        assert_eq!([code("X"), code(""), code("PP")], [Err(504); 3]);
    }
}
