//! The FTP wire format: command lines in, replies out. No sockets, no files, no clock.
#![forbid(unsafe_code)]

mod ascii;
mod command;
mod encoding;
mod facts;
mod host_port;
mod line;
mod list_line;
mod metadata;
mod path;
mod perm;
mod reply;
mod time;
mod transfer;
mod verb;

pub use ascii::{AsciiReceiver, AsciiSender};
pub use command::{Command, CommandError, CommandLine, EpsvArgument, ListArgument};
pub use encoding::{EncodingError, NameEncoding, UndecodableName};
pub use facts::{EntryRole, Fact, FactSet, format_facts};
pub use host_port::{
    EprtError, HostPortError, format_epsv, format_host_port, parse_eprt, parse_host_port,
};
pub use line::{Line, LineDecoder, MAX_LINE};
pub use list_line::{ListEntry, format_list_line};
pub use metadata::{FileKind, Metadata};
pub use path::{PathError, VirtualPath};
pub use perm::{Perm, Perms, PermsError};
pub use reply::{Reply, ReplyCode};
pub use time::{CivilTime, TimeError, Zone};
pub use transfer::{TransferEnd, TransferType};
pub use verb::{ArgumentRule, Verb, VerbInfo, verbs};
