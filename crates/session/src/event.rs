//! What happens to a session.

use std::net::{Ipv4Addr, SocketAddr};

use ftpdlib_proto::{Reply, TransferEnd, VirtualPath};

use crate::Refusal;

/// From the control connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ControlEvent<'a> {
    /// A command line, without its ending.
    Line(&'a [u8]),
    /// A line that was too long; its bytes are gone. Answered `500`.
    LineTooLong,
    /// Answer to [`Effect::Secure`](crate::Effect::Secure): the connection is under TLS.
    Secured {
        /// Whether the client has shown a certificate, and it is a good one.
        certificate: bool,
    },
    /// A command line that came behind one that [waits](crate::Session::holds_line), told ahead of
    /// its turn; it is handed over in that, too. If it is ABOR, the work or the connect that is waited
    /// for is given up, and answered 426.
    Ahead(&'a [u8]),
    /// A command line that the driver does not hand over: somebody has a say in what clients do,
    /// and answers this.
    Vetoed(&'a Reply),
    /// The client ended the connection, or it failed. Nothing can be sent any more.
    ///
    /// Not for a client that has ended only its own side, in order, after
    /// [QUIT](crate::Session::has_quit): it waits for its transfer, and this would abort that.
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
    /// Answer to `Connect`: it does not; or the passive port can accept none, or the data connection
    /// broke before a transfer. The driver has closed it.
    ConnectFailed,
    /// Bytes moved so far by the transfer in progress, told before a line is handed over.
    Progress {
        /// Bytes on the data connection.
        bytes: u64,
    },
    /// Answer to `StartTransfer` (also after `AbortTransfer`): it is over, the file is finished and
    /// the data connection is shut down. Exactly one for each `StartTransfer`.
    Ended {
        /// How it ended; with `Stalled` the session ends, too.
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
    /// The server is stopping: a session with nothing in progress gets `421` and ends; else that
    /// comes after the reply to the command, or to the transfer, in progress.
    Drain,
    /// End now with `421 text`; a transfer in progress is aborted.
    Kick(&'static str),
    /// From now on `227` tells this address, as
    /// [`SessionConfig::masquerade_address`](crate::SessionConfig::masquerade_address) did.
    Masquerade(Option<Ipv4Addr>),
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
    /// QUIT, REIN, USER again, or AUTH (pyftpdlib: `on_logout`); not when the client just goes.
    LoggedOut {
        /// User name.
        username: String,
    },
    /// A data connection from a foreign address was turned away.
    ForeignData {
        /// Its address.
        peer: SocketAddr,
    },
    /// A RETR, STOR, APPE, STOU or listing that had begun has ended (reply already queued).
    TransferEnded {
        /// Whose it was; that user may have logged out since it began.
        username: String,
        /// Verb, e.g. `RETR`.
        verb: &'static str,
        /// The file or directory.
        path: VirtualPath,
        /// How it ended.
        end: TransferEnd,
        /// Bytes on the data connection.
        bytes: u64,
        /// Time since the data connection stood, in microseconds.
        micros: u64,
        /// Whether it came from the client.
        upload: bool,
    },
    /// A command that changes the filesystem succeeded (reply already queued). COMB comes with one
    /// `DELE` for each part that it removed, and also where it could not remove others.
    Changed {
        /// `DELE`, `MKD`, `RMD`, `RNTO`, `MFMT`, `MFF`, `MDTM`, `COMB`, `CPTO`, `SITE CHMOD`,
        /// `SITE UTIME`, `SITE COPY` or `SITE SYMLINK`; the same for other names of a command.
        verb: &'static str,
        /// The path (for RNTO and copies: the old one; for SITE SYMLINK: where the link leads).
        path: VirtualPath,
        /// For RNTO, copies and SITE SYMLINK: the new one.
        to: Option<VirtualPath>,
    },
}
