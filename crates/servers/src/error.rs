//! The errors of creating and running a server.

use std::io;
use std::net::SocketAddr;

use ftpdlib_handlers::SettingsError;
use thiserror::Error;

use crate::options::MOST_WORKERS;

/// Why a server cannot be created or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting of the handler is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No address was given to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// The system refuses to bind an address: it is in use, it is not this machine's, or its port
    /// is privileged.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// No address was found for a host to listen on.
    #[error("cannot find host {host:?}: {source}")]
    UnknownHost {
        /// The host as it was given.
        host: String,
        /// The error of the look-up.
        source: io::Error,
    },
    /// A given socket does not listen, or is not TCP.
    #[error("cannot use the given socket: {0}")]
    Socket(#[source] io::Error),
    /// More worker processes were requested than are possible.
    #[error("{0} worker processes asked for, at most {MOST_WORKERS} are possible")]
    Workers(usize),
    /// Worker processes were requested for a model with a process for each client.
    #[error("worker processes asked for beside a process for each client")]
    WorkersBesideProcesses,
    /// The process is to become another user, but is not root's.
    #[error("only root can become another user")]
    NotRoot,
    /// The system does not let a worker process become another user.
    #[error("cannot become another user: {0}")]
    Identity(#[source] io::Error),
    /// This process catches signals already, for another server, or for one that has ended and
    /// keeps them caught; see [`ServeOptions::handle_exit`](crate::ServeOptions::handle_exit) and
    /// [`ServeOptions::keep_signals`](crate::ServeOptions::keep_signals).
    #[error(
        "signals of this process are caught already; this server can serve without \
         (handle_exit(false))"
    )]
    SignalsCaught,
    /// The loop failed, or the system refuses what the server needs besides its sockets: a loop,
    /// threads, processes, signals.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}
