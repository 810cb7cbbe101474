//! Why a server cannot be made or run.

use std::io;
use std::net::SocketAddr;

use ftpdlib_handlers::SettingsError;
use thiserror::Error;

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
    /// A socket was given that does not listen, or not on TCP.
    #[error("cannot use the given socket: {0}")]
    Socket(#[source] io::Error),
    /// More than one worker process was asked for.
    #[error("{0} worker processes asked for, but this version runs in one process")]
    Workers(usize),
    /// The loop could not be made, or failed.
    #[error("event loop: {0}")]
    Loop(#[from] io::Error),
}
