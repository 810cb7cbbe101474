//! An open data connection.

use std::io;

use ftpdlib_ioloop::Transport;

use crate::Permit;

/// A data connection, which counts as one as long as this value lives.
pub(crate) struct DataConnection {
    pub(crate) stream: Box<dyn Transport>,
    pub(crate) permit: Permit,
}

/// That its TLS handshake did not end in time.
pub(crate) fn handshake_timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")
}
