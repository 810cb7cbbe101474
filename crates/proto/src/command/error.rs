//! Errors in command lines.

use thiserror::Error;

use crate::{EprtError, HashAlgorithm, HostPortError, Reply, TimeError, UndecodableName};

/// Why a command line was refused before any session state was consulted.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CommandError {
    /// The verb is not in the verb table.
    #[error("command {verb:?} not understood")]
    UnknownVerb {
        /// The verb as received, in upper case, with unprintable bytes escaped, at most 32
        /// characters.
        verb: String,
    },
    /// The sub-command of `SITE` is not in the verb table.
    #[error("command \"SITE {name}\" not understood")]
    UnknownSiteCommand {
        /// As received, treated like an unknown verb.
        name: String,
    },
    /// The command needs an argument.
    #[error("argument missing")]
    MissingArgument,
    /// The command needs one more argument.
    #[error("second argument missing")]
    MissingSecondArgument,
    /// The command takes no argument.
    #[error("argument not expected")]
    UnexpectedArgument,
    /// A name or text is malformed in the connection's encoding.
    #[error(transparent)]
    Encoding(#[from] UndecodableName),
    /// The argument of `PORT` is not six decimal octets.
    #[error(transparent)]
    HostPort(#[from] HostPortError),
    /// The argument of `EPRT` is malformed, or names another network protocol.
    #[error(transparent)]
    Eprt(#[from] EprtError),
    /// The argument of `EPSV` is neither a number nor `ALL`.
    #[error("invalid argument of EPSV")]
    Epsv,
    /// The argument of `EPSV` is the number of another network protocol.
    #[error("network protocol not supported")]
    EpsvProtocol,
    /// `TYPE` asks for a type that is not offered.
    #[error("unsupported type {given:?}")]
    Type {
        /// The type as received, treated like an unknown verb.
        given: String,
    },
    /// `STRU` asks for a structure of RFC 959 that is not offered.
    #[error("unsupported file structure")]
    Structure,
    /// `STRU` asks for something that is no structure.
    #[error("unknown file structure")]
    UnknownStructure,
    /// `MODE` asks for a mode of RFC 959 that is not offered.
    #[error("unsupported transfer mode")]
    Mode,
    /// `MODE` asks for something that is no mode.
    #[error("unknown transfer mode")]
    UnknownMode,
    /// `AUTH` names a mechanism that is not offered.
    #[error("unsupported security mechanism {given:?}")]
    Mechanism {
        /// The mechanism as received, treated like an unknown verb.
        given: String,
    },
    /// `PROT` names a protection level of RFC 2228 that TLS does not have.
    #[error("unsupported protection level {level:?}")]
    ProtectionLevel {
        /// `S` or `E`.
        level: char,
    },
    /// `PROT` names no protection level.
    #[error("unknown protection level")]
    UnknownProtectionLevel,
    /// A number is malformed or too large.
    #[error("invalid number")]
    Number,
    /// A time is malformed or does not exist.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// `SITE CHMOD` does not begin with an octal file mode.
    #[error("invalid file mode")]
    FileMode,
    /// The `UNIX.mode` of `MFF` is no octal file mode.
    #[error("invalid fact UNIX.mode")]
    UnixMode,
    /// `MFF` names a fact that it cannot set.
    #[error("fact cannot be set")]
    Fact,
    /// A list of names has an unmatched quote, or too few or too many names.
    #[error("invalid list of names")]
    Names,
    /// A range of bytes ends before it begins.
    #[error("invalid range")]
    Range,
    /// `OPTS HASH` names an algorithm that is not offered.
    #[error("unknown hash algorithm")]
    HashAlgorithm,
    /// `LANG` asks for a language other than English.
    #[error("language not supported")]
    Language,
    /// The argument of `HOST` is no host name.
    #[error("invalid host name")]
    HostName,
    /// `OPTS` names a command or options that do not exist.
    #[error("unknown option")]
    UnknownOption,
}

impl CommandError {
    /// The reply that reports this error (RFC 959 §4.2.2).
    ///
    /// The code is 500 for an unknown command, 501 for a wrong argument, 504 for a parameter that
    /// is not offered, 522 for another network protocol (RFC 2428 §2; the protocols offered depend
    /// on the connection, so a session has its own reply), 536 for a protection level that the
    /// mechanism does not have (RFC 4217 §9). The key words are pyftpdlib's if it has such a reply,
    /// as clients and their tests look for them.
    pub fn reply(&self) -> Reply {
        match self {
            Self::UnknownVerb { verb } => {
                Reply::new(500, format!("Command \"{verb}\" not understood."))
            }
            Self::UnknownSiteCommand { name } => {
                Reply::new(500, format!("Command \"SITE {name}\" not understood."))
            }
            Self::MissingArgument => Reply::new(501, "Syntax error: command needs an argument."),
            Self::MissingSecondArgument => {
                Reply::new(501, "Syntax error: command needs two arguments.")
            }
            Self::UnexpectedArgument => {
                Reply::new(501, "Syntax error: command does not accept arguments.")
            }
            Self::Encoding(UndecodableName) => {
                Reply::new(501, "Argument is not valid in this connection's encoding.")
            }
            Self::HostPort(HostPortError) => Reply::new(501, "Invalid PORT format."),
            Self::Eprt(EprtError::Syntax | EprtError::Address { .. }) => {
                Reply::new(501, "Invalid EPRT format.")
            }
            Self::Epsv => Reply::new(501, "Invalid EPSV argument."),
            Self::Eprt(EprtError::Protocol) | Self::EpsvProtocol => {
                Reply::new(522, "Network protocol not supported, use (1,2).")
            }
            Self::Type { given } => Reply::new(504, format!("Unsupported type \"{given}\".")),
            Self::Structure => Reply::new(504, "Unimplemented STRU type (use F)."),
            Self::UnknownStructure => Reply::new(504, "Unrecognized STRU type (use F)."),
            Self::Mode => Reply::new(504, "Unimplemented MODE type (use S)."),
            Self::UnknownMode => Reply::new(504, "Unrecognized MODE type (use S)."),
            Self::Mechanism { given } => Reply::new(
                504,
                format!("Unrecognized encryption type \"{given}\", use TLS."),
            ),
            Self::ProtectionLevel { level } => {
                Reply::new(536, format!("PROT {level} unsupported (use C or P)."))
            }
            Self::UnknownProtectionLevel => Reply::new(504, "Unrecognized PROT type (use C or P)."),
            Self::Number => Reply::new(501, "Invalid parameter, expected a number."),
            Self::Time(TimeError) => {
                Reply::new(501, "Invalid time format; expected: YYYYMMDDHHMMSS.")
            }
            Self::FileMode => Reply::new(501, "Invalid SITE CHMOD format, expected octal digits."),
            Self::UnixMode => Reply::new(501, "Invalid UNIX.mode, expected octal digits."),
            Self::Fact => Reply::new(504, "Unsupported fact, use Modify and UNIX.mode."),
            Self::Names => Reply::new(501, "Invalid list of names."),
            Self::Range => Reply::new(501, "Invalid range."),
            Self::HashAlgorithm => Reply::new(
                504,
                format!("Unknown algorithm, use {}.", HashAlgorithm::names(", ")),
            ),
            Self::Language => Reply::new(504, "Language not supported, use EN."),
            Self::HostName => Reply::new(501, "Invalid host name."),
            Self::UnknownOption => Reply::new(501, "Unsupported command or options."),
        }
    }
}

/// Length of the longest piece of a command line that is repeated in an error, in characters.
const MAX_REPEATED: usize = 32;

/// Makes a piece of a command line fit to be repeated: in upper case, with unprintable bytes
/// escaped.
pub(super) fn printable(bytes: &[u8]) -> String {
    let upper = bytes.iter().map(u8::to_ascii_uppercase);
    upper
        .flat_map(|byte| byte.escape_ascii())
        .take(MAX_REPEATED)
        .map(char::from)
        .collect()
}
