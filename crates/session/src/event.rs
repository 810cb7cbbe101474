//! What happens to a session.
use crate::Refusal;
use ftpdlib_proto::{TransferEnd, VirtualPath};
use std::net::SocketAddr;

/// From the control connection.
#[derive(Clone, Copy, Debug)]
pub enum ControlEvent<'a> {
    /// A command line, without its ending.
    Line(&'a [u8]),
    /// A line that was too long; its bytes are gone. Answered `500`.
    LineTooLong,
    /// The client ended the connection, or it failed. Nothing can be sent any more.
    Closed,
}

/// From the data side.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DataEvent {
    /// Answer to [`Effect::Listen`](crate::Effect::Listen): the port to tell the client.
    Listening {
        /// Port bound.
        port: u16,
    },
    /// Answer to `Listen`: no port could be had, or a limit was hit. The refusal is the reply (425).
    ListenFailed(Refusal),
    /// Somebody connected to the passive port. The session answers with `AcceptData` or
    /// `RejectData`.
    Accepted {
        /// Its address.
        peer: SocketAddr,
    },
    /// Answer to `Connect`: the active connection stands.
    Connected,
    /// Answer to `Connect`: it does not; or the data connection broke before a transfer.
    ConnectFailed,
    /// Bytes moved so far by the transfer in progress, told before a line is handed over.
    Progress {
        /// Bytes on the data connection.
        bytes: u64,
    },
    /// Answer to `StartTransfer` (also after `AbortTransfer`): it is over, the file is finished and
    /// the data connection is shut down. Exactly one for each `StartTransfer`.
    Ended {
        /// How it ended.
        end: TransferEnd,
        /// Bytes on the data connection.
        bytes: u64,
        /// Why the file could not be read, written or finished; replaces the usual text.
        refusal: Option<Refusal>,
    },
}

/// From the operator or a limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AdminEvent {
    /// The server is stopping: idle sessions get `421` and end; a transfer goes on, then `421`.
    Drain,
    /// End now with `421 text`.
    Kick(&'static str),
}

/// For logs and observers; never needed for the protocol.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// USER and PASS were accepted.
    LoggedIn {
        /// User name.
        username: String,
    },
    /// They were not.
    LoginFailed {
        /// As given.
        username: String,
    },
    /// QUIT or USER again (pyftpdlib: `on_logout`).
    LoggedOut {
        /// User name.
        username: String,
    },
    /// A data connection from a foreign address was turned away.
    ForeignData {
        /// Its address.
        peer: SocketAddr,
    },
    /// A RETR, STOR, APPE, STOU or listing ended (reply already queued).
    TransferEnded {
        /// Verb, e.g. `RETR`.
        verb: &'static str,
        /// The file or directory.
        path: VirtualPath,
        /// How it ended.
        end: TransferEnd,
        /// Bytes on the data connection.
        bytes: u64,
        /// Since `150`, in microseconds.
        micros: u64,
        /// Whether it came from the client.
        upload: bool,
    },
    // Renamed, Deleted, DirectoryMade, DirectoryRemoved, ModeChanged, TimeChanged … come with the
    // observer callbacks that need them; add variants for a command's completion where cheap:
    /// A command that changes the filesystem succeeded.
    Changed {
        /// Verb, e.g. `DELE`.
        verb: &'static str,
        /// The path (for RNTO: the old one).
        path: VirtualPath,
        /// For RNTO: the new one.
        to: Option<VirtualPath>,
    },
}
