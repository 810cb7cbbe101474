//! The inputs of a session, and the events that it reports.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_proto::{Reply, TransferEnd, Verb, VirtualPath};

use crate::{Change, Refusal, Secret};

/// An event of the control connection.
///
/// The enum is complete: a driver has to know every event that it must report.
#[derive(Clone, Copy, Debug)]
pub enum ControlEvent<'a> {
    /// A command line, without its ending.
    Line(&'a [u8]),
    /// A line that was too long and has been dropped. Answered `500`.
    LineTooLong,
    /// Answers [`Effect::Secure`](crate::Effect::Secure): the connection is under TLS.
    Secured {
        /// Whether the client has presented a valid certificate.
        certificate: bool,
    },
    /// A command line behind one that [waits](crate::Session::holds_line), shown once before its
    /// turn; it is also handed over in its turn. If it is ABOR, the current work or connect is
    /// given up, and answered 426.
    Ahead(&'a [u8]),
    /// A command line that the session must not act on: an observer that may veto commands has
    /// answered it.
    Vetoed {
        /// The line, without its ending.
        line: &'a [u8],
        /// The reply to send.
        reply: &'a Reply,
    },
    /// The client ended the connection, or it failed. Nothing can be sent any more.
    ///
    /// Not reported for a client that has closed only its own side, in order, after
    /// [QUIT](crate::Session::waits_after_quit) or while a
    /// [reply is owed](crate::Session::owes_reply): it still waits for its transfer or its reply,
    /// which this event would abort.
    Closed,
}

/// An event of the data connection.
///
/// The enum is complete: a driver has to know every event that it must report.
#[derive(Clone, Debug)]
pub enum DataEvent {
    /// Answers [`Effect::Listen`](crate::Effect::Listen): the passive port is open.
    Listening {
        /// The port to tell the client.
        port: u16,
    },
    /// Answers `Listen`: no port was available, or a limit was reached. The refusal is the reply
    /// (425).
    ListenFailed(Refusal),
    /// A peer connected to the passive port. The session answers with `AcceptData` or `RejectData`.
    Accepted {
        /// Its address.
        peer: SocketAddr,
    },
    /// Answers `Connect`: the active data connection is established.
    Connected,
    /// The data connection failed, and the driver has closed it: the client's port was not reached
    /// (answers `Connect`), the passive port can no longer accept, or the connection broke before a
    /// transfer.
    Failed,
    /// How far the transfer in progress is, reported before a line is handed over.
    Progress {
        /// Bytes moved on the data connection so far.
        bytes: u64,
    },
    /// Answers `StartTransfer`, also after `AbortTransfer`: the transfer has ended, the file is
    /// finished and the data connection shut down. Comes exactly once for each `StartTransfer`.
    Ended {
        /// How it ended; `Stalled` ends the session, too.
        end: TransferEnd,
        /// Bytes moved on the data connection.
        bytes: u64,
        /// Why the file could not be read, written or finished; replaces the usual reply.
        refusal: Option<Refusal>,
    },
}

/// A request of the operator, or of a limit.
///
/// The enum is complete: a driver has to know everything that it can request.
#[derive(Clone, Debug)]
pub enum AdminEvent {
    /// The server is stopping: a session with nothing in progress gets `421` and ends; any other
    /// gets it after the reply to the command or transfer in progress.
    Drain,
    /// End the session now with `421 text`; a transfer in progress is aborted.
    Kick(&'static str),
    /// From now on `227` gives this address, instead of
    /// [`SessionConfig::masquerade_address`](crate::SessionConfig::masquerade_address).
    Masquerade(Option<Ipv4Addr>),
}

/// An event for logs and observers; the protocol does not need it.
///
/// The enum is complete: a log or an observer names the events that it leaves out.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// A user was let in, by PASS or by USER with a certificate.
    LoggedIn {
        /// User name.
        username: String,
    },
    /// A login was refused.
    LoginFailed {
        /// User name as given.
        username: String,
        /// Password as given; `None` if only a certificate was checked.
        password: Option<Secret<Arc<str>>>,
    },
    /// The user has logged out, by QUIT, REIN, another USER or AUTH (pyftpdlib: `on_logout`); not
    /// reported when the client just disconnects.
    LoggedOut {
        /// User name.
        username: String,
    },
    /// A data connection from a foreign address was rejected.
    ForeignData {
        /// Its address.
        peer: SocketAddr,
    },
    /// A data connection was closed because no transfer command came for it in time.
    DataUnused,
    /// A RETR, STOR, APPE, STOU or listing (also that of STAT) has ended after it had begun. Its
    /// reply is already queued.
    TransferEnded {
        /// The user who began it, who may have logged out since.
        username: String,
        /// The command, which [tells](Verb::transfers) what was transferred.
        verb: Verb,
        /// The file or directory.
        path: VirtualPath,
        /// How it ended.
        end: TransferEnd,
        /// Bytes moved on the data connection.
        bytes: u64,
        /// Time since the data connection was established.
        duration: Duration,
    },
    /// A command that changes the filesystem has succeeded. Its reply is already queued.
    Changed {
        /// The command, by its [primary](Verb::primary) name.
        verb: Verb,
        /// What it changed.
        change: Change,
    },
    /// COMB has appended files to another one and removed them, or at least some of them. Its reply
    /// is already queued.
    Combined {
        /// The file that they were appended to.
        target: VirtualPath,
        /// The files that were removed.
        removed: Vec<VirtualPath>,
    },
}
