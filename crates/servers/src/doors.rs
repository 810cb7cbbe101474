//! The listeners of a server, which may change while it runs.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ftpdlib_ioloop::{Acceptor, Context, Handler, HandlerId};
use mio::net::TcpListener;
use socket2::SockRef;

use crate::ServerError;
use crate::arrival::Arrival;
use crate::client;
use crate::handle::Shared;
use crate::places::{self, Place};

/// A listener that no loop has yet.
pub(crate) struct Listener {
    /// What was asked for; none where a bound socket was given.
    asked: Option<SocketAddr>,
    address: SocketAddr,
    only_v6: bool,
    socket: TcpListener,
}

impl Listener {
    /// Listens on an address.
    pub(crate) fn bind(asked: Place, backlog: u32) -> io::Result<Self> {
        let socket = match asked.only_v6 {
            true => Acceptor::bind_own_family(asked.address, backlog)?,
            false => Acceptor::bind(asked.address, backlog)?,
        };
        Ok(Self {
            asked: Some(asked.address),
            address: socket.local_addr()?,
            only_v6: asked.only_v6,
            socket,
        })
    }

    /// A socket that listens, and the address that an earlier program bound it for, if it was one.
    pub(crate) fn given(socket: TcpListener, asked: Option<SocketAddr>) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let only_v6 = address.is_ipv6() && SockRef::from(&socket).only_v6()?;
        Ok(Self {
            asked,
            address,
            only_v6,
            socket,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was bound for, or by whoever gave it.
    fn place(&self) -> Place {
        Place {
            address: self.asked.unwrap_or(self.address),
            only_v6: self.only_v6,
        }
    }

    /// What accepts its clients, to be `add`ed to a loop.
    fn open(
        self,
        shared: &Arc<Shared>,
        add: impl FnOnce(Box<dyn Handler>) -> io::Result<HandlerId>,
    ) -> io::Result<Door> {
        let copy = self.socket.as_fd().try_clone_to_owned()?;
        let (asked, address, only_v6) = (self.asked, self.address, self.only_v6);
        let door = |acceptor| Door {
            asked,
            address,
            only_v6,
            acceptor,
            copy: Some(copy),
        };
        let socket = match shared.placement().lend(self.socket) {
            Ok(lent) => return add(lent).map(door),
            Err(socket) => socket,
        };
        let server = Arc::clone(shared);
        let acceptor = Acceptor::new(socket, move |stream, peer, cx| {
            if !server.service().is_proxy(peer.ip()) {
                return client::receive(&server, stream, peer, None, cx);
            }
            if let Err(error) = cx.add(Box::new(Arrival::new(&server, stream, peer))) {
                log::warn!("connection of proxy {peer}: {error}");
            }
        });
        add(Box::new(acceptor)).map(door)
    }
}

/// A listener of a loop.
struct Door {
    asked: Option<SocketAddr>,
    address: SocketAddr,
    only_v6: bool,
    acceptor: HandlerId,
    /// The listener, for a program that takes over. While it is there, the system listens.
    copy: Option<OwnedFd>,
}

/// Where a server listens.
#[derive(Default)]
pub(crate) struct Doors {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    doors: Vec<Door>,
    /// Where it listens, or did when it was closed.
    addresses: Vec<SocketAddr>,
    /// The change planned last, while whoever is to make it has it.
    planned: Weak<Planned>,
}

/// How far doors have come.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Phase {
    /// No loop has listeners yet.
    #[default]
    Before,
    /// Between the first listener and the close.
    Open,
    /// After the close, where nobody is to be let in any more. The addresses may be those of a program
    /// that has taken over.
    After,
}

impl Doors {
    /// Doors at `addresses`, still closed.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            state: Mutex::new(State {
                addresses,
                ..State::default()
            }),
        }
    }

    /// Has a loop accept clients, once what accepts them is `add`ed to it.
    pub(crate) fn open(
        &self,
        listeners: Vec<Listener>,
        shared: &Arc<Shared>,
        mut add: impl FnMut(Box<dyn Handler>) -> io::Result<HandlerId>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        state.phase = Phase::Open;
        for listener in listeners {
            let door = listener.open(shared, &mut add)?;
            state.doors.push(door);
        }
        Ok(())
    }

    /// Accepts nobody any more.
    pub(crate) fn close(&self, cx: &mut Context<'_>) {
        let mut state = self.lock();
        state.phase = Phase::After;
        for door in state.doors.drain(..) {
            cx.remove(door.acceptor);
        }
    }

    /// Copies of the listeners, and what they were bound for, for a program that takes over.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors.
    pub(crate) fn copies(&self) -> io::Result<Vec<(OwnedFd, Option<SocketAddr>)>> {
        let state = self.lock();
        let copies = state
            .doors
            .iter()
            .filter_map(|door| Some((door.copy.as_ref()?, door.asked)));
        copies
            .map(|(copy, asked)| Ok((copy.try_clone()?, asked)))
            .collect()
    }

    /// Forgets what a child process has of its parent's doors.
    pub(crate) fn leave_to_parent(&self) {
        self.lock().doors.clear();
    }

    pub(crate) fn are_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().addresses.clone()
    }

    /// Binds what has to be bound, so that the server listens on `addresses` alone. `frees` says
    /// that a listener is gone from the system once it is closed here. A change that is not made yet
    /// is never made: this one takes its place, and what it has bound. Doors that were closed stay so,
    /// whatever the addresses.
    ///
    /// # Errors
    ///
    /// An address that cannot be had, where that is not because of a listener that is to go.
    pub(crate) fn plan(
        &self,
        addresses: &[SocketAddr],
        backlog: u32,
        frees: bool,
    ) -> Result<Arc<Planned>, ServerError> {
        let mut state = self.lock();
        if state.phase == Phase::After {
            return Ok(Arc::new(Planned(Mutex::new(None))));
        }
        let earlier = state.planned.upgrade();
        let mut earlier = earlier.as_deref().map(Planned::lock);
        let held = earlier.as_deref().and_then(Option::as_ref);
        let held = held.map_or(&[][..], |change| &change.bound);
        let mut change = Change {
            addresses: addresses.to_vec(),
            backlog,
            bound: Vec::new(),
            after: Vec::new(),
        };
        let staying = state.doors.iter().filter(|door| door.stays(addresses));
        let staying: Vec<_> = staying.map(Door::place).collect();
        let is_held = |place: &Place| held.iter().any(|listener| listener.place() == *place);
        let (kept, missing): (Vec<_>, Vec<_>) = places::missing(addresses, &staying)
            .into_iter()
            .partition(is_held);
        let going = state.doors.iter().filter(|door| !door.stays(addresses));
        let unwanted = held.iter().filter(|held| !kept.contains(&held.place()));
        let going: Vec<_> = going
            .map(|door| door.address)
            .chain(unwanted.map(Listener::address))
            .collect();
        for place in missing {
            let address = place.address;
            match Listener::bind(place, backlog) {
                Ok(listener) => change.bound.push(listener),
                Err(error)
                    if frees
                        && error.kind() == io::ErrorKind::AddrInUse
                        && going.iter().any(|&other| is_in_way(other, address)) =>
                {
                    change.after.push(place);
                }
                Err(source) => return Err(ServerError::Bind { address, source }),
            }
        }
        // Nothing can fail any more.
        if let Some(replaced) = earlier.as_deref_mut().and_then(Option::take) {
            let bound = replaced.bound.into_iter();
            change
                .bound
                .extend(bound.filter(|listener| kept.contains(&listener.place())));
        }
        let planned = Arc::new(Planned(Mutex::new(Some(change))));
        state.planned = Arc::downgrade(&planned);
        Ok(planned)
    }

    /// Makes a change on the loop that accepts, unless another has taken its place.
    pub(crate) fn make(&self, planned: &Planned, shared: &Arc<Shared>, cx: &mut Context<'_>) {
        let mut state = self.lock();
        let Some(change) = planned.lock().take().filter(|_| state.phase == Phase::Open) else {
            return;
        };
        let (staying, going): (Vec<_>, Vec<_>) = std::mem::take(&mut state.doors)
            .into_iter()
            .partition(|door| door.stays(&change.addresses));
        state.doors = staying;
        let mut listeners = change.bound;
        let mut closed = Vec::new();
        for mut door in going {
            door.copy = None;
            cx.remove(door.acceptor);
            log::info!("listening on {} no longer", door.address);
            closed.push(door);
        }
        for place in change.after {
            let address = place.address;
            match Listener::bind(place, change.backlog) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    log::error!("cannot listen on {address}: {error}");
                    let in_way = closed
                        .iter()
                        .filter(|door| is_in_way(door.address, address));
                    for door in in_way {
                        // With the port that it had, which the system may have chosen.
                        let before = Place {
                            address: door.address,
                            only_v6: door.only_v6,
                        };
                        match Listener::bind(before, change.backlog) {
                            Ok(listener) => listeners.push(listener),
                            Err(error) => log::error!("nor on {}: {error}", door.address),
                        }
                    }
                }
            }
        }
        for listener in listeners {
            let address = listener.address;
            match listener.open(shared, |acceptor| cx.add(acceptor)) {
                Ok(door) => {
                    log::info!("listening on {address}");
                    state.doors.push(door);
                }
                Err(error) => log::error!("cannot listen on {address}: {error}"),
            }
        }
        state.addresses = state.doors.iter().map(|door| door.address).collect();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    /// Whether it is among the addresses wanted. Sockets that were given stay anyway.
    fn stays(&self, addresses: &[SocketAddr]) -> bool {
        self.asked
            .is_none_or(|asked| places::is_of_use(asked, addresses))
    }

    /// What was bound for it, or by whoever gave it.
    fn place(&self) -> Place {
        Place {
            address: self.asked.unwrap_or(self.address),
            only_v6: self.only_v6,
        }
    }
}

/// Whether `address` may not be free because of a listener on `other`.
fn is_in_way(other: SocketAddr, address: SocketAddr) -> bool {
    let wide = |address: SocketAddr| address.ip().is_unspecified();
    other.port() == address.port() && (wide(other) || wide(address))
}

/// A change that has still to be made on the loop; none once it is made, or another has taken its
/// place.
pub(crate) struct Planned(Mutex<Option<Change>>);

impl Planned {
    fn lock(&self) -> MutexGuard<'_, Option<Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes of the listeners.
struct Change {
    /// All that are wanted.
    addresses: Vec<SocketAddr>,
    backlog: u32,
    /// The new ones.
    bound: Vec<Listener>,
    /// Those that can be bound only once others are closed.
    after: Vec<Place>,
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

    /// A server on a port of 127.0.0.1, and that port, which nobody has on other addresses.
    fn server() -> (FtpServer, u16) {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let any = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, port), handler).unwrap();
        turn(&mut server);
        (server, port)
    }

    /// Has a server on 127.0.0.1 listen elsewhere, several times before the loop makes its next turn.
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
    fn a_closed_server_could_not_be_changed_where_another_has_its_address() {
        let (mut server, port) = server();
        let handle = server.handle().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // Without one, the server would be over.
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
