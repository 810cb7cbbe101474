//! Transports for a stream of bytes: a plain socket, or something that wraps one.

use std::io;
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::socket::Socket;
use crate::sources::SourceId;

/// A stream of bytes over a registered socket.
///
/// A plain [`Socket`] is one. Another kind may encrypt, and may have to read before it can write;
/// [`interest`](Self::interest) tells which readiness it is waiting for.
///
/// As with a socket, an operation that cannot be done now fails with
/// [`WouldBlock`](io::ErrorKind::WouldBlock), and is to be repeated when the source is ready. Input
/// that a transport holds back, decoded or not, never waits for another event: the source stays
/// ready.
pub trait Transport {
    /// Does what has to happen before the first byte, such as a handshake. The other operations do
    /// the same if they are called first; calling this again costs nothing.
    ///
    /// # Errors
    ///
    /// `WouldBlock` until it is done; any other error is final.
    fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Announces that nothing will be written, so that the transport sends nothing that it does not
    /// have to: a peer that only sends may never read, and closing a connection with unread bytes
    /// resets it.
    fn note_only_reads(&mut self) {}

    /// Announces that nothing will be read, and that [`flush`](Self::flush) or
    /// [`finish`](Self::finish) will be called as soon as there is nothing more to write. Small
    /// amounts may then be held back until that call.
    fn note_only_writes(&mut self) {}

    /// Makes the system send only full segments until the end of the stream. Less than a segment
    /// waits for more data, for about 200 ms or the retransmission timeout. For bulk data that is
    /// written in pieces, each of which would otherwise end with a short segment.
    ///
    /// Has no effect where the congestion control paces segments (BBR), which this would slow down.
    ///
    /// # Errors
    ///
    /// The system refuses. Where the system has no such setting, nothing happens.
    fn fill_segments(&self) -> io::Result<()>;

    /// Registers the socket with the system, unless it is already registered; see
    /// [`Context::finish_registration`].
    ///
    /// # Errors
    ///
    /// The system refuses.
    fn finish_registration(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Reads into `buffer`. `Ok(0)` is the end of the stream, as declared by the peer, unless
    /// `buffer` is empty.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) for an end that the peer may not have
    /// caused, where the transport can tell.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns roughly how many bytes [`read`](Self::read) has taken from the socket in addition to
    /// those it returned, since the last call of this method. The overhead of the last piece may be
    /// counted later. A large number means that there were many pieces, each of which took its
    /// time.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// Accepts as many of `bytes` as it can. Some of them may be sent only by [`flush`].
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it accepts none, else the stream's error.
    ///
    /// [`flush`]: Self::flush
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize>;

    /// Passes the accepted bytes on to the system.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if something is left, else the stream's error.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Whether all accepted bytes have been passed on to the system.
    fn is_flushed(&self) -> bool {
        true
    }

    /// Ends the sending side, after all accepted bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if something is left, else the stream's error.
    fn finish(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// The interest to register for a caller that is waiting for `wanted`.
    fn interest(&self, wanted: Interest) -> Interest;

    /// Whether the first byte can be moved, because [`establish`](Self::establish) has nothing left
    /// to do.
    fn is_established(&self) -> bool;

    /// Returns, once, a note on how the stream was established, if there is something worth
    /// logging.
    fn take_notice(&mut self) -> Option<&'static str> {
        None
    }

    /// The certificate, in DER form, that authenticated the peer, if any.
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }

    /// The socket, if its bytes are those of the stream, so that other code can move them too.
    fn plain(&self) -> Option<&Socket<TcpStream>>;

    /// The socket, for operations that neither read nor write.
    fn socket(&self) -> &Socket<TcpStream>;

    /// The id of the socket.
    fn id(&self) -> SourceId {
        self.socket().id()
    }

    /// Gives the socket back in its current state.
    fn into_socket(self: Box<Self>) -> Socket<TcpStream>;
}

impl Transport for Socket<TcpStream> {
    fn establish(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn fill_segments(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let socket = socket2::SockRef::from(self.get_ref());
            // The name is padded with zeros.
            if !socket.tcp_congestion()?.starts_with(b"bbr") {
                socket.set_tcp_cork(true)?;
            }
        }
        Ok(())
    }

    fn finish_registration(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        cx.finish_registration(self)
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        cx.read_out(self, buffer)
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        cx.write(self, bytes)
    }

    fn flush(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        self.get_ref().shutdown(Shutdown::Write)
    }

    fn interest(&self, wanted: Interest) -> Interest {
        wanted
    }

    fn is_established(&self) -> bool {
        true
    }

    fn plain(&self) -> Option<&Socket<TcpStream>> {
        Some(self)
    }

    fn socket(&self) -> &Socket<TcpStream> {
        self
    }

    fn into_socket(self: Box<Self>) -> Socket<TcpStream> {
        *self
    }
}
