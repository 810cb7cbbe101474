//! The FTP wire format: command lines in, replies out. No sockets, no files, no clock.
//!
//! Input from the client goes through [`LineDecoder`], which finds lines in a byte stream,
//! [`CommandLine`], which finds the verb, and [`Command`], which parses the argument. Output to the
//! client is a [`Reply`], or is appended to a buffer by [`format_list_line`], [`format_facts`] and
//! [`AsciiSender`]. In between, names are disk bytes in a [`VirtualPath`]; [`NameEncoding`]
//! converts them from the wire and back.
//!
//! The crate does no input and no output, and does not panic, whatever bytes it is given.
//!
//! Defined by [RFC 959], [RFC 2389] (features), [RFC 2428] (IPv6), [RFC 3659] (extensions) and
//! [RFC 854] (Telnet).
//!
//! [RFC 854]: https://www.rfc-editor.org/rfc/rfc854
//! [RFC 959]: https://www.rfc-editor.org/rfc/rfc959
//! [RFC 2389]: https://www.rfc-editor.org/rfc/rfc2389
//! [RFC 2428]: https://www.rfc-editor.org/rfc/rfc2428
//! [RFC 3659]: https://www.rfc-editor.org/rfc/rfc3659
//!
//! # Examples
//!
//! ```
//! use ftpdlib_proto::{Command, CommandLine, Line, LineDecoder, NameEncoding, Reply};
//!
//! let mut decoder = LineDecoder::default();
//! let mut input: &[u8] = b"TYPE I\r\nXYZZY\r\n";
//! let mut wire = Vec::new();
//! while let Some(line) = decoder.next(&mut input) {
//!     let reply = match line {
//!         Line::Complete(line) => CommandLine::split(line)
//!             .resolve()
//!             .and_then(|(verb, argument)| Command::parse(verb, argument, NameEncoding::UTF_8))
//!             .map_or_else(|error| error.reply(), |_command| Reply::new(200, "OK.")),
//!         Line::TooLong => Reply::new(500, "Command too long."),
//!     };
//!     reply.encode(NameEncoding::UTF_8, &mut wire);
//! }
//! assert_eq!(wire, b"200 OK.\r\n500 Command \"XYZZY\" not understood.\r\n");
//! ```

#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod ascii;
mod command;
mod digits;
mod encoding;
mod facts;
mod hash;
mod host_port;
mod line;
mod list_line;
mod metadata;
mod name_pattern;
mod path;
mod perm;
mod range;
mod reply;
mod text;
mod time;
mod transfer;
mod verb;

pub use ascii::{AsciiReceiver, AsciiSender};
pub use command::{
    AuthMechanism, Command, CommandError, CommandLine, DigestArgument, EpsvArgument, FactChange,
    ListArgument, ProtectionLevel,
};
pub use encoding::{EncodingError, NameEncoding, UndecodableName};
pub use facts::{EntryPerms, Fact, FactSet, format_facts};
pub use hash::HashAlgorithm;
pub use host_port::{
    EprtError, HostPortError, format_epsv, format_host_port, parse_eprt, parse_host_port,
};
pub use line::{Line, LineDecoder, MAX_LINE};
pub use list_line::{ListEntry, format_list_line};
pub use metadata::{FileKind, Metadata};
pub use name_pattern::NamePattern;
pub use path::{PathError, VirtualPath};
pub use perm::{Perm, Perms, PermsError};
pub use range::ByteRange;
pub use reply::{Reply, ReplyCode};
pub use text::{Escaped, is_disruptive};
pub use time::{CivilTime, TimeError, Zone};
pub use transfer::{TransferDirection, TransferEnd, TransferType, Transferred};
pub use verb::{ArgumentRule, Verb, VerbInfo, verbs};
