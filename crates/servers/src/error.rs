//! Why a server cannot be made or run.

use std::io;
use std::net::SocketAddr;

use ftpdlib_handlers::SettingsError;
use thiserror::Error;

use crate::options::MOST_WORKERS;

/// Why a server cannot be made or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting of the handler cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No address was given to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// The system refuses an address: in use, not this machine's, or a privileged port.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A host to listen on has no address that could be found.
    #[error("cannot find host {host:?}: {source}")]
    UnknownHost {
        /// As it was given.
        host: String,
        /// What the look-up said.
        source: io::Error,
    },
    /// A socket was given that does not listen, or not on TCP.
    #[error("cannot use the given socket: {0}")]
    Socket(#[source] io::Error),
    /// More worker processes were asked for than make sense.
    #[error("{0} worker processes asked for, at most {MOST_WORKERS} are possible")]
    Workers(usize),
    /// Worker processes were asked for beside a model that makes a process for each client.
    #[error("worker processes asked for beside a process for each client")]
    WorkersBesideProcesses,
    /// Root is to be given up by a process that is not root's.
    #[error("only root can become another user")]
    NotRoot,
    /// The system does not let a worker process become another user.
    #[error("cannot become another user: {0}")]
    Identity(#[source] io::Error),
    /// Another server of this process catches signals, which only one can do, or has ended and
    /// keeps them caught; see [`ServeOptions::handle_exit`](crate::ServeOptions::handle_exit) and
    /// [`ServeOptions::keep_signals`](crate::ServeOptions::keep_signals).
    #[error(
        "signals of this process are caught already; this server can serve without \
         (handle_exit(false))"
    )]
    SignalsCaught,
    /// The system refuses what the server needs beside its sockets: a loop, threads, processes,
    /// signals; or the loop failed.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}
