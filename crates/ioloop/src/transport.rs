//! What carries a stream of bytes: a plain socket, or something that wraps one.

use std::io;
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::socket::Socket;
use crate::sources::SourceId;

/// A stream of bytes over a registered socket.
///
/// A plain [`Socket`] is one. Another kind may encrypt, and may then have to read before it can
/// write; [`interest`](Self::interest) says what it waits for.
///
/// As with a socket, an operation that cannot be done now is an error of kind
/// [`WouldBlock`](io::ErrorKind::WouldBlock), to be repeated when the source is ready. Bytes that a
/// transport holds back, decoded or not, never wait for another event: the source stays ready.
pub trait Transport {
    /// Does what has to come before the first byte. The other operations do the same when they are
    /// the first; calling it again costs nothing.
    ///
    /// # Errors
    ///
    /// `WouldBlock` until it is done; anything else if it never will be.
    fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Says that nothing will be written, so that the transport leaves out what it need not send: a
    /// peer that only sends may never read, and closing a connection with unread bytes resets it.
    fn note_only_reads(&mut self) {}

    /// Says that nothing will be read, and that [`flush`](Self::flush) or [`finish`](Self::finish)
    /// will follow the writes as soon as there is nothing more to write. Small amounts may then be
    /// held back until that call.
    fn note_only_writes(&mut self) {}

    /// Has the system send only full segments until the end of the stream. Less than a segment
    /// waits for more, for some 200 ms or the retransmission timeout. For much data that is written
    /// in pieces, each of which would otherwise end with a short segment.
    ///
    /// Where the congestion control paces segments (BBR) nothing happens: that would make it
    /// slower.
    ///
    /// # Errors
    ///
    /// The system refuses. Where it has no such setting, nothing happens.
    fn fill_segments(&self) -> io::Result<()>;

    /// Registers the socket with the system, if it is not; see
    /// [`Context::finish_registration`].
    ///
    /// # Errors
    ///
    /// The system refuses.
    fn finish_registration(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Reads into `buffer`. `Ok(0)` is the end of the stream, said by the peer, unless `buffer` is
    /// empty.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) for an end that may not be the peer's
    /// doing, where that can be told.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize>;

    /// How many bytes [`read`](Self::read) has taken from the socket, since this was asked last,
    /// around those that it gave; about, and those of the last piece possibly later. Where they are
    /// many, so are the pieces, each of which took its time.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// Takes as many of `bytes` as it can. Some may be sent only by [`flush`].
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes none, else that of the stream.
    ///
    /// [`flush`]: Self::flush
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize>;

    /// Passes on to the system what was taken.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if something is left, else that of the stream.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// Whether the system has all that was taken.
    fn is_flushed(&self) -> bool {
        true
    }

    /// Ends the sending side, after everything that was taken.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if something is left, else that of the stream.
    fn finish(&mut self, cx: &mut Context<'_>) -> io::Result<()>;

    /// What to wait for on behalf of a caller that waits for `wanted`.
    fn interest(&self, wanted: Interest) -> Interest;

    /// Whether nothing has to come before the first byte any more.
    fn is_established(&self) -> bool;

    /// Something about how the stream was established that is worth logging, if anything is; given
    /// once.
    fn take_notice(&mut self) -> Option<&'static str> {
        None
    }

    /// The certificate, in DER form, by which the peer was authenticated, if it was.
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }

    /// The socket, if its bytes are the stream's: then others may move them too.
    fn plain(&self) -> Option<&Socket<TcpStream>>;

    /// The socket, for what neither reads nor writes.
    fn socket(&self) -> &Socket<TcpStream>;

    /// The socket's name.
    fn id(&self) -> SourceId;

    /// Gives the socket back, as it is.
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
            // The name stands in a longer field of zeros.
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

    fn id(&self) -> SourceId {
        Self::id(self)
    }

    fn into_socket(self: Box<Self>) -> Socket<TcpStream> {
        *self
    }
}
