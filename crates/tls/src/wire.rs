//! The socket under a stream, as a writer that rustls accepts.

use std::io::{self, IoSlice};

use ftpdlib_ioloop::mio::net::TcpStream;
use ftpdlib_ioloop::{Context, Socket};

/// The socket that a stream runs over.
pub(crate) type Wire = Socket<TcpStream>;

/// Writes to the socket through the reactor, which keeps track of its readiness.
pub(crate) struct Outlet<'a, 'l> {
    pub(crate) cx: &'a mut Context<'l>,
    pub(crate) wire: &'a Wire,
}

impl io::Write for Outlet<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cx.write(self.wire, bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.cx.write_vectored(self.wire, pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
