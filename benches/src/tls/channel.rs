//! A connection with or without TLS.

use std::io::{self, Read, Write};

use rustls::{ClientConnection, HandshakeKind, Stream};

use super::ClientTls;

/// A socket, and TLS over it once that was begun.
#[derive(Debug)]
pub(crate) struct Channel<S> {
    socket: S,
    tls: Option<Box<ClientConnection>>,
}

impl<S: Read + Write> Channel<S> {
    /// In the clear.
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, tls: None }
    }

    /// Begins TLS; [`handshake`](Self::handshake) goes on with it.
    pub(crate) fn secure(&mut self, settings: &ClientTls) -> io::Result<()> {
        self.tls = Some(Box::new(settings.connection()?));
        Ok(())
    }

    /// Does what is left of the handshake; a socket that does not block says `WouldBlock` where
    /// the server has to answer first.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) if tls.is_handshaking() => tls.complete_io(&mut self.socket).map(drop),
            _ => Ok(()),
        }
    }

    /// Sends the last bytes and, under TLS, the announcement of the end together with them.
    pub(crate) fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write_all(bytes);
        };
        tls.writer().write_all(bytes)?;
        tls.send_close_notify();
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// The socket under TLS.
    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    /// TLS, if it was begun.
    pub(crate) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// TLS, if it was begun.
    pub(crate) fn tls_mut(&mut self) -> Option<&mut ClientConnection> {
        self.tls.as_deref_mut()
    }

    /// Whether the handshake resumed a session.
    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.tls().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }
}

impl<S: Read + Write> Read for Channel<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(buffer),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).read(buffer),
        }
    }
}

impl<S: Read + Write> Write for Channel<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.flush(),
            Some(tls) => Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}
