//! The listeners of a server, which may change while it runs.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ftpdlib_handlers::Service;
use ftpdlib_ioloop::{Acceptor, Context, Handler, HandlerId};
use mio::net::TcpListener;
use socket2::SockRef;

use super::bind_plan::{BindAddress, BoundTo};
use super::change::PlannedChange;
use super::{client, proxy_handshake};
use crate::ServerError;
use crate::shared::Shared;

/// A bound listener that is not on a loop yet.
pub(crate) struct BoundListener {
    pub(super) bound_to: BoundTo,
    socket: TcpListener,
}

impl BoundListener {
    /// Listens on an address.
    pub(crate) fn bind(requested: BindAddress, backlog: u32) -> io::Result<Self> {
        let socket = match requested.only_v6 {
            true => Acceptor::bind_own_family(requested.address, backlog)?,
            false => Acceptor::bind(requested.address, backlog)?,
        };
        let bound_to = BoundTo {
            requested: Some(requested.address),
            address: socket.local_addr()?,
            only_v6: requested.only_v6,
        };
        Ok(Self { bound_to, socket })
    }

    /// Wraps a socket that already listens. `requested` is the address that an earlier program
    /// bound it for, if any.
    pub(crate) fn from_socket(
        socket: TcpListener,
        requested: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let only_v6 = address.is_ipv6() && SockRef::from(&socket).only_v6()?;
        let bound_to = BoundTo {
            requested,
            address,
            only_v6,
        };
        Ok(Self { bound_to, socket })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.bound_to.address
    }

    /// Creates the handler that accepts its clients, and has `add` add it to a loop.
    fn open(
        self,
        shared: &Arc<Shared>,
        add: impl FnOnce(Box<dyn Handler>) -> io::Result<HandlerId>,
    ) -> io::Result<OpenListener> {
        let copy = self.socket.as_fd().try_clone_to_owned()?;
        let bound_to = self.bound_to;
        let opened = |acceptor| OpenListener {
            bound_to,
            acceptor,
            copy,
        };
        if let Some(supervisor) = shared.supervisor() {
            return add(supervisor.lend(self.socket)).map(opened);
        }
        let server = Arc::clone(shared);
        let acceptor = Acceptor::new(self.socket, move |stream, peer, cx| {
            match server.service().is_proxy(peer.ip()) {
                true => proxy_handshake::accept(&server, stream, peer, cx),
                false => client::accept(&server, stream, peer, cx),
            }
        });
        let acceptor = match shared.service().limits().share_listener() {
            None => acceptor,
            Some(share) => acceptor.sharing(move |listener| {
                share.quota(|| ftpdlib_sys::waiting_clients(listener.as_fd()))
            }),
        };
        add(Box::new(acceptor)).map(opened)
    }
}

/// A listener that is on the accepting loop.
struct OpenListener {
    bound_to: BoundTo,
    acceptor: HandlerId,
    /// A copy of the socket for a program that takes over. The system listens while it exists.
    copy: OwnedFd,
}

/// All listeners of a server.
#[derive(Default)]
pub(crate) struct Listeners {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    open: Vec<OpenListener>,
    /// Where the server listens, or listened when it was closed.
    addresses: Vec<SocketAddr>,
    /// The last planned change, while it can still be applied.
    planned: Weak<PlannedChange>,
}

/// How far the server has come with listening.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Phase {
    /// No listener is on a loop yet.
    #[default]
    NotStarted,
    /// From the first listener until the close.
    Open,
    /// No client is accepted any more. Another program that has taken over may have the addresses
    /// now.
    Closed,
}

impl Listeners {
    /// Creates the list without open listeners; those at `addresses` are yet to be opened.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            state: Mutex::new(State {
                addresses,
                ..State::default()
            }),
        }
    }

    /// Accepts clients from `listeners`; `add` adds their handlers to the loop.
    pub(crate) fn open(
        &self,
        listeners: Vec<BoundListener>,
        shared: &Arc<Shared>,
        mut add: impl FnMut(Box<dyn Handler>) -> io::Result<HandlerId>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        state.phase = Phase::Open;
        for listener in listeners {
            let opened = listener.open(shared, &mut add)?;
            state.open.push(opened);
        }
        Ok(())
    }

    /// Stops accepting clients; `remove` removes the listeners' handlers from the loop.
    pub(crate) fn close(&self, mut remove: impl FnMut(HandlerId) -> bool) {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        for listener in state.open.drain(..) {
            remove(listener.acceptor);
        }
    }

    /// Copies the listeners for a program that takes over, each with the address it was bound for.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub(crate) fn copies(&self) -> io::Result<Vec<(OwnedFd, Option<SocketAddr>)>> {
        let state = self.lock();
        let copies = state.open.iter().map(|listener| {
            let copy = listener.copy.try_clone()?;
            Ok((copy, listener.bound_to.requested))
        });
        copies.collect()
    }

    /// In a child process: drops its copies of the parent's listeners, including those that the
    /// parent has yet to open.
    pub(crate) fn leave_to_parent(&self) {
        let mut state = self.lock();
        state.open.clear();
        if let Some(planned) = state.planned.upgrade() {
            planned.take();
        }
    }

    pub(crate) fn are_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().addresses.clone()
    }

    /// Plans a change after which the server listens on exactly these `addresses`, and binds the
    /// new ones; with a `service`, that serves clients from then on.
    ///
    /// `closing_frees` says whether the system frees an address once its listener is closed here.
    /// The new plan replaces one that is not applied yet, and takes over what that one has bound,
    /// and its service, unless it has one itself. After the close, nothing is bound and no listener
    /// will change.
    ///
    /// Also returns a service that was planned and is not needed now, which must be dropped without
    /// a lock held.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, for another reason than a listener that this change closes.
    pub(crate) fn plan(
        &self,
        addresses: &[SocketAddr],
        backlog: u32,
        closing_frees: bool,
        service: Option<Arc<Service>>,
    ) -> Result<(Arc<PlannedChange>, Option<Arc<Service>>), ServerError> {
        let mut state = self.lock();
        let planned = if state.phase == Phase::Closed {
            PlannedChange::without_listeners()
        } else {
            let earlier = state.planned.upgrade();
            let open = state.open.iter().map(|listener| listener.bound_to);
            PlannedChange::replacing(earlier.as_deref(), open, addresses, backlog, closing_frees)?
        };
        let replaced = service.and_then(|service| planned.set_service(service));
        let planned = Arc::new(planned);
        state.planned = Arc::downgrade(&planned);
        Ok((planned, replaced))
    }

    /// Takes the service out of a planned change: another one has replaced it. Must be dropped
    /// without a lock held.
    pub(crate) fn take_planned_service(&self) -> Option<Arc<Service>> {
        let state = self.lock();
        state.planned.upgrade()?.take_service()
    }

    /// Applies a change, on the loop that accepts, unless another change has replaced it. No client
    /// is accepted while this runs. Returns the service that was replaced, if one was, as
    /// [`Shared::replace_service`] does.
    pub(crate) fn apply(
        &self,
        planned: &PlannedChange,
        shared: &Arc<Shared>,
        cx: &mut Context<'_>,
    ) -> Option<Arc<Service>> {
        let mut state = self.lock();
        let mut change = planned.take()?;
        let renewed = change.service.take();
        let replaced = renewed.map(|renewed| shared.replace_service(renewed));
        if state.phase != Phase::Open {
            return replaced;
        }
        let (staying, going): (Vec<_>, Vec<_>) = std::mem::take(&mut state.open)
            .into_iter()
            .partition(|listener| listener.bound_to.stays(&change.addresses));
        state.open = staying;
        let mut closed = Vec::new();
        for listener in going {
            cx.remove(listener.acceptor);
            log::info!("listening on {} no longer", listener.bound_to.address);
            closed.push(listener.bound_to);
        }
        for listener in change.finish(&closed) {
            let address = listener.address();
            match listener.open(shared, |acceptor| cx.add(acceptor)) {
                Ok(opened) => {
                    log::info!("listening on {address}");
                    state.open.push(opened);
                }
                Err(error) => log::error!("cannot listen on {address}: {error}"),
            }
        }
        let open = state.open.iter();
        state.addresses = open.map(|listener| listener.bound_to.address).collect();
        replaced
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use crate::{FtpServer, ServeOptions};

    use super::*;

    fn turn(server: &mut FtpServer) {
        let options = ServeOptions::default()
            .handle_exit(false)
            .blocking(false)
            .timeout(Duration::ZERO);
        server.serve_forever(options).unwrap();
    }

    /// A server on a port of 127.0.0.1, and that port, which is free on other addresses.
    fn server() -> (FtpServer, u16) {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let any = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, port), handler).unwrap();
        turn(&mut server);
        (server, port)
    }

    #[test]
    fn clients_are_left_to_a_process_with_fewer_connections() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        let limits = Arc::clone(server.shared().service().limits());
        limits.share(3, 8).unwrap();
        limits.enter(2);
        let _other = limits.share_listener().unwrap();
        limits.enter(1);
        let _own = limits.acquire(Ipv4Addr::LOCALHOST.into()).unwrap();
        turn(&mut server);
        let _client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        turn(&mut server);
        assert_eq!(limits.count(), 1);
        // No other test takes the port meanwhile.
        while limits.count() == 1 {
            turn(&mut server);
        }
    }

    /// Moves a server on 127.0.0.1 to other addresses, several times before the loop's next turn.
    #[track_caller]
    fn check(changes: &[[u8; 4]]) {
        let (mut server, port) = server();
        let handle = server.handle().unwrap();
        for &ip in changes {
            handle.set_addresses(&[(ip, port).into()], 1).unwrap();
        }
        turn(&mut server);
        let &last = changes.last().unwrap();
        assert_eq!(server.local_addrs(), [(last, port).into()]);
        for ip in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            let reached = TcpStream::connect(SocketAddr::from((ip, port))).is_ok();
            assert_eq!(reached, last == ip || last == [0; 4], "{ip:?}");
        }
    }

    #[test]
    fn a_second_change_before_the_first_was_made_left_no_listener() {
        let (one, other, all) = ([127, 0, 0, 1], [127, 0, 0, 2], [0; 4]);
        check(&[other, one]);
        check(&[other, one, other]);
        check(&[all, one]);
        check(&[other, all]);
        check(&[all, other]);
    }

    #[test]
    fn a_change_was_refused_that_is_still_to_be_made() {
        check(&[[127, 0, 0, 2]; 3]);
        check(&[[0; 4]; 2]);
    }

    #[test]
    fn a_server_on_a_port_of_the_systems_choice_could_not_keep_it() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        turn(&mut server);
        let handle = server.handle().unwrap();
        let address = server.local_addrs()[0];
        let any = |ip: [u8; 4]| SocketAddr::from((ip, 0));
        for (wanted, count) in [
            (&[address][..], 1),
            (&[address, any([127, 0, 0, 2])], 2),
            (&[any([127, 0, 0, 1]), address], 2),
            (&[any([127, 0, 0, 1])], 2),
            (&[address], 1),
        ] {
            handle.set_addresses(wanted, 5).unwrap();
            turn(&mut server);
            let addresses = server.local_addrs();
            assert_eq!(
                (addresses[0], addresses.len()),
                (address, count),
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn a_closed_server_could_not_be_changed_where_another_has_its_address() {
        let (mut server, port) = server();
        let handle = server.handle().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // Without a client, the server would be over.
        let _client = TcpStream::connect(address).unwrap();
        turn(&mut server);
        handle.close();
        turn(&mut server);
        let _successor = TcpListener::bind(address).unwrap();
        let free = SocketAddr::from(([127, 0, 0, 2], port));
        handle.set_addresses(&[address, free], 1).unwrap();
        turn(&mut server);
        assert!(TcpStream::connect(free).is_err());
    }

    #[test]
    fn a_change_that_is_refused_leaves_the_one_to_be_made() {
        let (mut server, port) = server();
        let handle = server.handle().unwrap();
        let other = SocketAddr::from(([127, 0, 0, 2], port));
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        handle.set_addresses(&[other], 1).unwrap();
        let refused = handle.set_addresses(&[taken.local_addr().unwrap()], 1);
        assert!(refused.is_err());
        turn(&mut server);
        assert_eq!(server.local_addrs(), [other]);
        TcpStream::connect(other).unwrap();
    }

    #[test]
    fn a_change_that_no_loop_makes_holds_no_address() {
        let (mut server, port) = server();
        let handle = server.handle().unwrap();
        let other = SocketAddr::from(([127, 0, 0, 2], port));
        server.close_all().unwrap();
        handle.set_addresses(&[other], 1).unwrap();
        TcpListener::bind(other).unwrap();
    }
}
