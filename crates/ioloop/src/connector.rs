//! Connects to a peer without waiting.

use std::fmt;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::time::Duration;
use std::{io, mem};

use ftpdlib_sys::errno;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::interest::{Interest, Ready};
use crate::socket::Socket;
use crate::sources::SourceId;
use crate::timers::TimerId;

/// A handler that makes one connection, passes it to a callback, and is dropped.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::net::TcpListener;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// use ftpdlib_ioloop::{Connector, IoLoop};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
///
/// let peer = Rc::new(Cell::new(None));
/// let told = Rc::clone(&peer);
/// let mut io_loop = IoLoop::new()?;
/// let connector = Connector::new(addr, move |outcome, _cx| {
///     told.set(outcome.and_then(|stream| stream.peer_addr()).ok());
/// });
/// io_loop.add(Box::new(connector.timeout(Duration::from_secs(30))))?;
/// io_loop.run()?;
/// assert_eq!(peer.get(), Some(addr));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Connector {
    remote: SocketAddr,
    local: Option<SocketAddr>,
    timeout: Option<Duration>,
    attempt: Attempt,
    on_end: Option<OnEnd>,
}

impl Connector {
    /// Connects to `remote`, then calls `on_end` once, with the stream or the error:
    /// [`TimedOut`](io::ErrorKind::TimedOut) if the [`timeout`](Self::timeout) has passed,
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the connector was
    /// [removed](Context::remove), or the system's error. The callback never runs within the call
    /// that adds the connector.
    ///
    /// The connector is dropped after the call, with everything registered in it: `on_end` has to
    /// [add](Context::add) a handler for the stream.
    pub fn new(
        remote: SocketAddr,
        on_end: impl FnOnce(io::Result<TcpStream>, &mut Context<'_>) + 'static,
    ) -> Self {
        Self {
            remote,
            local: None,
            timeout: None,
            attempt: Attempt::Idle,
            on_end: Some(Box::new(on_end)),
        }
    }

    /// Connects from this address; port 0 stands for any port. By default, the system chooses.
    #[must_use]
    pub const fn local(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Gives up after this time. The default is the system's limit, which is minutes.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Starts to connect, for a handler that owns the stream from the beginning. The handler
    /// [registers](Context::register_connecting) the stream with interest in writing and, when the
    /// stream is ready, asks for [the outcome](Context::finish_connect).
    ///
    /// # Errors
    ///
    /// Failures that the system reports at once: the local address cannot be used, or there is no
    /// route to `remote`.
    pub fn open(remote: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
        let domain = Domain::for_address(remote);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(local) = local {
            bind(&socket, local)?;
        }
        match socket.connect(&SockAddr::from(remote)) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    fn begin(&self, cx: &mut Context<'_>) -> io::Result<Socket<TcpStream>> {
        let stream = Self::open(self.remote, self.local)?;
        cx.register_connecting(stream, Interest::WRITE)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("remote", &self.remote)
            .field("local", &self.local)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Handler for Connector {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.attempt = match self.begin(cx) {
            Ok(socket) => {
                if let Some(timeout) = self.timeout {
                    cx.start_timer_after(timeout);
                }
                Attempt::Pending(socket)
            }
            Err(error) => {
                cx.start_timer_after(Duration::ZERO);
                Attempt::Failed(error)
            }
        };
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        match mem::replace(&mut self.attempt, Attempt::Idle) {
            Attempt::Pending(socket) => match cx.finish_connect(&socket) {
                Ok(()) => {
                    self.attempt = Attempt::Done(cx.detach(socket)?);
                    Ok(Flow::Close)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.attempt = Attempt::Pending(socket);
                    Ok(Flow::Continue)
                }
                Err(error) => Err(error),
            },
            other @ (Attempt::Idle | Attempt::Failed(_) | Attempt::Done(_)) => {
                self.attempt = other;
                Ok(Flow::Continue)
            }
        }
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        match mem::replace(&mut self.attempt, Attempt::Idle) {
            Attempt::Failed(error) => Err(error),
            Attempt::Idle | Attempt::Pending(_) | Attempt::Done(_) => {
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        let outcome = match (mem::replace(&mut self.attempt, Attempt::Idle), error) {
            (_, Some(error)) => Err(error),
            (Attempt::Done(stream), None) => Ok(stream),
            (Attempt::Idle | Attempt::Pending(_) | Attempt::Failed(_), None) => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        };
        if let Some(on_end) = self.on_end.take() {
            on_end(outcome, cx);
        }
    }
}

fn bind(socket: &socket2::Socket, local: SocketAddr) -> io::Result<()> {
    #[cfg(unix)]
    {
        if local.port() == 0 {
            // A port chosen at this point would be taken from the whole system, and stay taken for
            // a minute after the connection ends: many short connections would leave none for
            // others. Systems without this option have to live with that.
            let _ = ftpdlib_sys::choose_port_late(socket.as_fd());
        }
        // A fixed port is used again and again, for different peers; see `Acceptor::bind`. This
        // also lets a listener have the port of a connection that has ended.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(local))
}

type OnEnd = Box<dyn FnOnce(io::Result<TcpStream>, &mut Context<'_>)>;

/// ```text
/// Idle --start--> Pending --ready--> Done
///   |                |
///   |                +--timeout, error--> Idle
///   +--start--> Failed --timer--> Idle
/// ```
enum Attempt {
    /// Not begun, or ended with an error that is being reported.
    Idle,
    /// The attempt is under way.
    Pending(Socket<TcpStream>),
    /// Failed while the connector was added; reported in the next turn.
    Failed(io::Error),
    /// Connected.
    Done(TcpStream),
}

/// Whether the attempt goes on in the background, as one interrupted by a signal also does.
fn is_in_progress(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::Interrupted => true,
        // Windows reports this for an attempt in progress; on other systems it means a lack of
        // ports.
        io::ErrorKind::WouldBlock => cfg!(windows),
        _ => error.raw_os_error() == Some(errno::EINPROGRESS),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn each_connection_took_a_port_from_the_whole_system() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let any: SocketAddr = any.parse().unwrap();
            let domain = Domain::for_address(any);
            let socket = socket2::Socket::new(domain, Type::STREAM, None).unwrap();
            bind(&socket, any).unwrap();
            assert_eq!(socket.local_addr().unwrap().as_socket(), Some(any));
        }
    }

    #[test]
    fn the_port_of_an_ended_connection_was_no_listeners_for_a_minute() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let peers = std::net::TcpListener::bind(any).unwrap();
        let listen_after_connection = || {
            let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            bind(&socket, any).unwrap();
            socket.connect(&peers.local_addr().unwrap().into()).unwrap();
            let local = socket.local_addr().unwrap().as_socket().unwrap();
            let peer = peers.accept().unwrap();
            drop(socket);
            drop(peer);
            crate::Acceptor::bind(local, 1)
        };
        // A connection of another program may have the same port.
        assert!((0..100).any(|_| listen_after_connection().is_ok()));
    }
}
