//! What observers are told.

use std::path::PathBuf;
use std::time::Duration;

use ftpdlib_proto::{CommandLine, TransferDirection, TransferEnd, TransferType, VirtualPath};

/// A file or directory.
///
/// pyftpdlib gives its callbacks the real path. Here it comes beside the virtual one, by name and
/// only where the filesystem knows it, and it is never sent to a client.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedPath {
    /// As the client sees it.
    pub path: VirtualPath,
    /// Where it lies on the disk, links not resolved; `None` where the filesystem cannot tell.
    ///
    /// For logs. What is there is the client's to change, at any time: who puts a link in the place
    /// of a directory has this path lead anywhere, out of the home, too. So do not open, change or
    /// remove anything by it with rights that the user does not have. An [`Observer`] has the
    /// server's rights, also where every access of the user is made as a user of the system.
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
    /// Which way the file went.
    pub direction: TransferDirection,
    /// The file.
    pub file: ObservedPath,
    /// Representation.
    pub transfer_type: TransferType,
    /// Whether the data connection was under TLS.
    pub secure: bool,
    /// How it ended; [`TransferEnd::Complete`] in the callbacks of whole files only.
    pub end: TransferEnd,
    /// Bytes on the data connection.
    pub bytes: u64,
    /// Time since the data connection stood.
    pub duration: Duration,
}

/// A command line, before anything is done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedCommand {
    /// In upper case; `SITE CHMOD` for a sub-command. It need not be one that there is.
    pub verb: String,
    /// As received, but without a password and what follows it, which are nobody's business: empty
    /// for PASS, for ACCT, and for a [`secret`](crate::CustomCommand::secret) command.
    ///
    /// Lines that only look as if they held one are cut as in the log: of `NOOP PASS x` this is
    /// `PASS`. What commands with a permission are given, which are names of files, is always
    /// whole.
    pub argument: Vec<u8>,
}

impl ObservedCommand {
    /// The command of a line from which secrets were cut off.
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
