//! Takes in the clients of a listener.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::intake::{Intake, Taken};
use crate::interest::{Interest, Ready};
use crate::socket::Berth;
use crate::sources::SourceId;
use crate::timers::TimerId;

/// A handler that accepts clients, and calls back with each.
///
/// When the system has no descriptors or memory left for another client, it stops accepting for a
/// moment, says so in the log once, and tries again until there is room: clients wait in the
/// listener's queue meanwhile. A panic of the callback costs that client only.
///
/// To end it, [remove](Context::remove) it; the listener closes then.
///
/// # Examples
///
/// ```
/// use std::net::{Ipv4Addr, TcpStream};
///
/// use ftpdlib_ioloop::{Acceptor, IoLoop};
///
/// let listener = Acceptor::bind((Ipv4Addr::LOCALHOST, 0).into(), 100)?;
/// let addr = listener.local_addr()?;
///
/// let mut io_loop = IoLoop::new()?;
/// io_loop.add(Box::new(Acceptor::new(listener, |stream, peer, cx| {
///     assert_eq!(stream.peer_addr().ok(), Some(peer));
///     cx.stop();
/// })))?;
///
/// let client = TcpStream::connect(addr)?;
/// io_loop.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Acceptor {
    listener: Berth<TcpListener>,
    on_accept: OnAccept,
    intake: Intake,
}

impl Acceptor {
    /// Accepts the clients of `listener`. `on_accept` gets the connection and the peer's address;
    /// it usually [adds](Context::add) a handler, and drops the stream to refuse the client.
    pub fn new(
        listener: TcpListener,
        on_accept: impl FnMut(TcpStream, SocketAddr, &mut Context<'_>) + 'static,
    ) -> Self {
        Self {
            listener: Berth::Outside(listener),
            on_accept: Box::new(on_accept),
            intake: Intake::default(),
        }
    }

    /// Makes a listener for [`new`](Self::new), with a queue of `backlog` clients.
    ///
    /// An address that a former program's connections still hold may be used again at once, one
    /// that another listener has may not. The unspecified IPv6 address takes in IPv4 clients too,
    /// where the system can do that.
    ///
    /// # Errors
    ///
    /// That of the system, mostly [`AddrInUse`](io::ErrorKind::AddrInUse).
    pub fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        Self::bind_for(addr, !addr.ip().is_unspecified(), backlog)
    }

    /// Does the same, but an IPv6 address takes in IPv6 clients only, the unspecified one too: so
    /// there may be another listener for the port with IPv4.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_own_family(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        Self::bind_for(addr, true, backlog)
    }

    fn bind_for(addr: SocketAddr, only_v6: bool, backlog: u32) -> io::Result<TcpListener> {
        let domain = Domain::for_address(addr);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // Elsewhere this option takes an address from a listener that has it.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(only_v6)?;
        }
        socket.bind(&SockAddr::from(addr))?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from_std(socket.into()))
    }
}

impl Handler for Acceptor {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.listener.register(cx, Interest::READ)
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(listener) = self.listener.socket() else {
            return Ok(Flow::Close);
        };
        for _ in 0..CLIENTS_PER_TURN {
            match self.intake.take(listener, cx) {
                Taken::Client(stream, peer) => {
                    // Logged if it panics, which is no reason to turn away the others.
                    let _ = cx.guard(|cx| (self.on_accept)(stream, peer, cx));
                }
                Taken::Left => {}
                Taken::Nobody => break,
                Taken::Short => {
                    cx.set_interest(source, Interest::NONE);
                    cx.start_timer_after(Intake::RETRY_DELAY);
                    break;
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        if let Some(listener) = self.listener.socket() {
            cx.set_interest(listener.id(), Interest::READ);
        }
        Ok(Flow::Continue)
    }
}

type OnAccept = Box<dyn FnMut(TcpStream, SocketAddr, &mut Context<'_>)>;

/// So that a flood of clients does not starve those that are in.
const CLIENTS_PER_TURN: usize = 64;
