//! The data of events.

use std::path::PathBuf;
use std::time::Duration;

use ftpdlib_proto::{CommandLine, TransferDirection, TransferEnd, TransferType, VirtualPath};

/// A file or directory.
///
/// pyftpdlib's callbacks get the real path. Here it is a separate field, set only if the filesystem
/// knows it, and never sent to a client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedPath {
    /// The virtual path, as the client sees it.
    pub path: VirtualPath,
    /// The path on the disk, with links not resolved; `None` if the filesystem cannot tell.
    ///
    /// Meant for logs. The client can change what is there at any time: a link in the place of a
    /// directory makes this path lead anywhere, even out of the home. So do not open, change or
    /// remove anything by it with rights that the user does not have. An [`Observer`] has the
    /// server's rights, even if every access of the user is made as a user of the system.
    ///
    /// [`Observer`]: crate::Observer
    pub real_path: Option<PathBuf>,
}

/// A file transfer that has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedTransfer {
    /// `RETR`, `STOR`, `APPE` or `STOU`.
    pub verb: &'static str,
    /// The direction of the transfer.
    pub direction: TransferDirection,
    /// The file.
    pub file: ObservedPath,
    /// The representation type.
    pub transfer_type: TransferType,
    /// Whether the data connection was under TLS.
    pub secure: bool,
    /// How the transfer ended; [`TransferEnd::Complete`] only in the callbacks of complete files.
    pub end: TransferEnd,
    /// Bytes on the data connection.
    pub bytes: u64,
    /// The time since the data connection was established.
    pub duration: Duration,
}

/// A command line before it is carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedCommand {
    /// In upper case; `SITE CHMOD` for a sub-command. It may be unknown.
    pub verb: String,
    /// As received, but without a password and what follows it: empty for PASS, for ACCT, and for a
    /// [`secret`](crate::CustomCommand::secret) command.
    ///
    /// Lines that only look as if they held a password are cut as in the log: for `NOOP PASS x`
    /// this is `PASS`. The arguments of commands with a permission are names of files, and not cut,
    /// except for `secret` commands.
    pub argument: Vec<u8>,
}

impl ObservedCommand {
    /// Parses a line from which secrets were cut off.
    pub(crate) fn new(line: &[u8]) -> Self {
        let line = CommandLine::split(line);
        let sub_command = line.site_command();
        let (verb, argument) = match sub_command.filter(|command| !command.verb.is_empty()) {
            Some(command) => (format!("SITE {}", upper(command.verb)), command.argument),
            None => (upper(line.verb), line.argument),
        };
        Self {
            verb,
            argument: argument.to_vec(),
        }
    }
}

fn upper(verb: &[u8]) -> String {
    String::from_utf8_lossy(verb).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, verb: &str, argument: &str) {
        let command = ObservedCommand::new(line.as_bytes());
        assert_eq!(command.verb, verb, "{line}");
        assert_eq!(command.argument, argument.as_bytes(), "{line}");
    }

    #[test]
    fn verbs_and_arguments_are_told_apart() {
        check("noop", "NOOP", "");
        check("retr  a b ", "RETR", " a b ");
        check("site chmod 644 a", "SITE CHMOD", "644 a");
        check("SITE", "SITE", "");
        check("", "", "");
    }
}
