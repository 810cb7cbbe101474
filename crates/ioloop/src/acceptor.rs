//! Accepts the clients of a listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::accept::{AcceptState, Accepted};
use crate::context::Context;
use crate::handler::{Flow, Handler};
use crate::interest::{Direction, Interest, Ready};
use crate::socket::Registration;
use crate::sources::SourceId;
use crate::timers::TimerId;

/// A handler that accepts clients and passes each to a callback.
///
/// When the system has no descriptors or memory left for another client, the acceptor logs that
/// once, pauses, and retries until it has some again; clients wait in the listener's queue
/// meanwhile. A panic of the callback closes that client only.
///
/// To stop the acceptor and close the listener, [remove](Context::remove) it. The callback may do
/// that itself, and is then not called again.
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
    quota: Option<Quota>,
    /// The timer that runs while clients are left to other processes.
    left_timer: Option<TimerId>,
    /// The timer that runs while the system is out of resources.
    retry_timer: Option<TimerId>,
}

impl Acceptor {
    /// Creates an acceptor for the clients of `listener`. `on_accept` gets the connection and the
    /// peer's address; it usually [adds](Context::add) a handler, or drops the stream to refuse the
    /// client.
    pub fn new(
        listener: TcpListener,
        on_accept: impl FnMut(TcpStream, SocketAddr, &mut Context<'_>) + 'static,
    ) -> Self {
        Self {
            listener: Registration::new(listener),
            on_accept: Box::new(on_accept),
            accept_state: AcceptState::default(),
            quota: None,
            left_timer: None,
            retry_timer: None,
        }
    }

    /// Shares the clients with other processes that accept from the same listener. Whenever clients
    /// are waiting, `quota` says how many of them to accept now. The rest are left to the other
    /// processes; clients still waiting after 5 ms are accepted all the same.
    #[must_use]
    pub fn sharing(mut self, quota: impl FnMut(&TcpListener) -> usize + 'static) -> Self {
        self.quota = Some(Box::new(quota));
        self
    }

    /// Makes a listener for [`new`](Self::new), with a queue of `backlog` clients.
    ///
    /// An address can be reused at once while connections of an earlier program still hold it, but
    /// not while another listener has it. A listener on the unspecified IPv6 address also accepts
    /// IPv4 clients, where the system supports that.
    ///
    /// # Errors
    ///
    /// The system's error, mostly [`AddrInUse`](io::ErrorKind::AddrInUse).
    pub fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        Self::bind_for(addr, !addr.ip().is_unspecified(), backlog)
    }

    /// Makes a listener like [`bind`](Self::bind), but one that accepts only clients of its own
    /// address family, even on the unspecified IPv6 address, so that an IPv4 listener can use the
    /// same port.
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
        // On other systems, this option takes the address away from a listener that has it.
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

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let quota = match (&mut self.quota, self.listener.socket()) {
            (Some(quota), Some(listener)) => quota(listener.get_ref()),
            _ => usize::MAX,
        };
        Ok(self.accept(quota, cx))
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(listener) = self.listener.socket() else {
            return Ok(Flow::Close);
        };
        if self.left_timer == Some(timer) {
            self.left_timer = None;
            // The event for these clients has been reported already.
            cx.note_unread(listener.id());
            return Ok(self.accept(usize::MAX, cx));
        }
        self.retry_timer = None;
        cx.set_interest(listener.id(), Interest::READ);
        Ok(Flow::Continue)
    }
}

impl Acceptor {
    /// Accepts up to `quota` of the waiting clients, within the limit of a turn.
    fn accept(&mut self, quota: usize, cx: &mut Context<'_>) -> Flow {
        let Some(listener) = self.listener.socket() else {
            return Flow::Close;
        };
        for _ in 0..quota.min(CLIENTS_PER_TURN) {
            match self.accept_state.accept(listener, cx) {
                Accepted::Client(stream, peer) => {
                    // A panic is logged; the other clients are accepted all the same.
                    let _ = cx.catch_panic(|cx| (self.on_accept)(stream, peer, cx));
                    if cx.is_removed() {
                        return Flow::Close;
                    }
                }
                Accepted::Aborted => {}
                Accepted::NoneWaiting => return Flow::Continue,
                Accepted::OutOfResources => {
                    cx.set_interest(listener.id(), Interest::NONE);
                    // A timer may be running already: one for clients left to other processes can
                    // lead here at any time.
                    self.retry_timer
                        .get_or_insert_with(|| cx.start_timer_after(AcceptState::RETRY_DELAY));
                    return Flow::Continue;
                }
            }
        }
        if quota <= CLIENTS_PER_TURN {
            cx.wait_for_event(listener.id(), Direction::Read);
            self.left_timer
                .get_or_insert_with(|| cx.start_timer_after(LEFT_FOR));
        }
        Flow::Continue
    }
}

type OnAccept = Box<dyn FnMut(TcpStream, SocketAddr, &mut Context<'_>)>;
type Quota = Box<dyn FnMut(&TcpListener) -> usize>;

/// The most clients accepted in a turn, so that a flood of new ones does not starve those
/// connected.
const CLIENTS_PER_TURN: usize = 64;

/// How long other processes have to accept the clients left to them: longer than one of their
/// turns, and shorter than a client notices.
const LEFT_FOR: Duration = Duration::from_millis(5);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use crate::IoLoop;

    use super::*;

    struct TriesTwice(Acceptor);

    impl Handler for TriesTwice {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            self.0.start(cx)?;
            self.0.accept(usize::MAX, cx);
            self.0.accept(usize::MAX, cx);
            assert!(cx.cancel_timer(self.0.retry_timer.take().unwrap()));
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Close)
        }
    }

    #[test]
    fn each_try_in_vain_began_another_row_of_tries() {
        // Nothing listens, so the system refuses to accept.
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let acceptor = Acceptor::new(TcpListener::from_std(socket.into()), |_, _, _| {});
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(TriesTwice(acceptor))).unwrap();
        assert!(io_loop.timers.is_empty());
    }
}
