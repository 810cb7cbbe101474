//! What happens to a session.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_proto::{Reply, TransferEnd, Verb, VirtualPath};

use crate::{Change, Refusal, Secret};

/// From the control connection.
///
/// The enum is complete: a driver has to know all that it is to hand over.
#[derive(Clone, Copy, Debug)]
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
    /// its turn, once; it is handed over in that, too. If it is ABOR, the work or the connect that
    /// is waited for is given up, and answered 426.
    Ahead(&'a [u8]),
    /// A command line that the session is not to act on: somebody has a say in what clients do, and
    /// answers this.
    Vetoed {
        /// The line, without its ending.
        line: &'a [u8],
        /// The answer.
        reply: &'a Reply,
    },
    /// The client ended the connection, or it failed. Nothing can be sent any more.
    ///
    /// Not for a client that has ended only its own side, in order, after
    /// [QUIT](crate::Session::waits_after_quit), nor while a
    /// [reply is owed](crate::Session::owes_reply): it waits for its transfer or its reply, and
    /// this would abort that.
    Closed,
}

/// From the data side.
///
/// The enum is complete: a driver has to know all that it is to hand over.
#[derive(Clone, Debug)]
pub enum DataEvent {
    /// Answer to [`Effect::Listen`](crate::Effect::Listen): the port to tell the client.
    Listening {
        /// Port bound.
        port: u16,
    },
    /// Answer to `Listen`: no port could be had, or a limit was hit. The refusal is the reply
    /// (425).
    ListenFailed(Refusal),
    /// Somebody connected to the passive port. The session answers with `AcceptData` or
    /// `RejectData`.
    Accepted {
        /// Its address.
        peer: SocketAddr,
    },
    /// Answer to `Connect`: the active connection stands.
    Connected,
    /// There is no data connection: the client's port was not reached (answer to `Connect`), the
    /// passive port can accept none, or it broke before a transfer. The driver has closed it.
    Failed,
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
///
/// The enum is complete: a driver has to know all that it may hand over.
#[derive(Clone, Debug)]
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
///
/// The enum is complete: what a log or an observer does not tell is left out by name.
#[derive(Clone, Debug)]
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
        /// As given; `None` where a certificate had to do.
        password: Option<Secret<Arc<str>>>,
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
    /// A data connection was closed since no transfer command came for it in time.
    DataUnused,
    /// A RETR, STOR, APPE, STOU or listing, also that of STAT, that had begun has ended (reply
    /// already queued).
    TransferEnded {
        /// Whose it was; that user may have logged out since it began.
        username: String,
        /// The command, which [says](Verb::transfers) what was transferred.
        verb: Verb,
        /// The file or directory.
        path: VirtualPath,
        /// How it ended.
        end: TransferEnd,
        /// Bytes on the data connection.
        bytes: u64,
        /// Time since the data connection stood.
        duration: Duration,
    },
    /// A command that changes the filesystem succeeded (reply already queued).
    Changed {
        /// The command, never another name of it: [`Verb::primary`].
        verb: Verb,
        /// What it changed.
        change: Change,
    },
    /// COMB has appended files to another one, and removed them; also where it could not remove
    /// all of them (reply already queued).
    Combined {
        /// The file they were appended to.
        target: VirtualPath,
        /// Those that it removed.
        removed: Vec<VirtualPath>,
    },
}
