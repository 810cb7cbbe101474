//! Accepts the clients of a listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::accept::{AcceptState, Accepted};
use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::interest::{Interest, Ready};
use crate::socket::Registration;
use crate::sources::SourceId;
use crate::timers::TimerId;

/// A handler that accepts clients, and calls back with each.
///
/// When the system has no descriptors or memory left for another client, the acceptor logs that
/// once, pauses, and tries again until there are; clients wait in the listener's queue meanwhile. A
/// panic of the callback closes that client only.
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
    listener: Registration<TcpListener>,
    on_accept: OnAccept,
    accept_state: AcceptState,
}

impl Acceptor {
    /// Accepts the clients of `listener`. `on_accept` gets the connection and the peer's address;
    /// it usually [adds](Context::add) a handler, and drops the stream to refuse the client.
    pub fn new(
        listener: TcpListener,
        on_accept: impl FnMut(TcpStream, SocketAddr, &mut Context<'_>) + 'static,
    ) -> Self {
        Self {
            listener: Registration::Pending(listener),
            on_accept: Box::new(on_accept),
            accept_state: AcceptState::default(),
        }
    }

    /// Makes a listener for [`new`](Self::new), with a queue of `backlog` clients.
    ///
    /// An address may be used again at once while connections of a former program still hold it,
    /// but not while another listener has it. The unspecified IPv6 address accepts IPv4 clients
    /// too, where the system can do that.
    ///
    /// # Errors
    ///
    /// That of the system, mostly [`AddrInUse`](io::ErrorKind::AddrInUse).
    pub fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        Self::bind_for(addr, !addr.ip().is_unspecified(), backlog)
    }

    /// Does the same, but any IPv6 address, the unspecified one included, accepts IPv6 clients
    /// only: so there may be another listener for the port with IPv4.
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

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
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
            match self.accept_state.accept(listener, cx) {
                Accepted::Client(stream, peer) => {
                    // A panic is logged; the other clients are accepted all the same.
                    let _ = cx.catch_panic(|cx| (self.on_accept)(stream, peer, cx));
                }
                Accepted::Aborted => {}
                Accepted::NoneWaiting => break,
                Accepted::OutOfResources => {
                    cx.set_interest(source, Interest::NONE);
                    cx.start_timer_after(AcceptState::RETRY_DELAY);
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

/// Bounded, so that a flood of new clients does not starve the connected ones.
const CLIENTS_PER_TURN: usize = 64;
