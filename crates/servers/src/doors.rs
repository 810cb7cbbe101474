//! The listeners of a server, which may change while it runs.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

    /// A socket that listens.
    pub(crate) fn given(socket: TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let only_v6 = address.is_ipv6() && SockRef::from(&socket).only_v6()?;
        Ok(Self {
            asked: None,
            address,
            only_v6,
            socket,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
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
    /// Between the first listener and the close.
    open: bool,
    doors: Vec<Door>,
    /// Where it listens, or did when it was closed.
    addresses: Vec<SocketAddr>,
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
        state.open = true;
        for listener in listeners {
            let door = listener.open(shared, &mut add)?;
            state.doors.push(door);
        }
        Ok(())
    }

    /// Accepts nobody any more.
    pub(crate) fn close(&self, cx: &mut Context<'_>) {
        let mut state = self.lock();
        state.open = false;
        for door in state.doors.drain(..) {
            cx.remove(door.acceptor);
        }
    }

    /// Copies of the listeners, for a program that takes over.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors.
    pub(crate) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let state = self.lock();
        let copies = state.doors.iter().filter_map(|door| door.copy.as_ref());
        copies.map(OwnedFd::try_clone).collect()
    }

    /// Forgets what a child process has of its parent's doors.
    pub(crate) fn leave_to_parent(&self) {
        self.lock().doors.clear();
    }

    pub(crate) fn are_open(&self) -> bool {
        self.lock().open
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().addresses.clone()
    }

    /// Binds what has to be bound, so that the server listens on `addresses` alone. `frees` says
    /// that a listener is gone from the system once it is closed here.
    ///
    /// # Errors
    ///
    /// An address that cannot be had, where that is not because of a listener that is to go.
    pub(crate) fn plan(
        &self,
        addresses: &[SocketAddr],
        backlog: u32,
        frees: bool,
    ) -> Result<Change, ServerError> {
        let state = self.lock();
        let mut change = Change {
            addresses: addresses.to_vec(),
            backlog,
            bound: Vec::new(),
            after: Vec::new(),
        };
        let staying = state.doors.iter().filter(|door| door.stays(addresses));
        let staying: Vec<_> = staying.map(Door::place).collect();
        for place in places::missing(addresses, &staying) {
            let address = place.address;
            match Listener::bind(place, backlog) {
                Ok(listener) => change.bound.push(listener),
                Err(error)
                    if frees
                        && error.kind() == io::ErrorKind::AddrInUse
                        && state
                            .going(addresses)
                            .any(|door| door.is_in_way_of(address)) =>
                {
                    change.after.push(place);
                }
                Err(source) => return Err(ServerError::Bind { address, source }),
            }
        }
        Ok(change)
    }

    /// Makes a change on the loop that accepts.
    pub(crate) fn make(&self, change: Change, shared: &Arc<Shared>, cx: &mut Context<'_>) {
        let mut state = self.lock();
        if !state.open {
            return;
        }
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
                    let in_way = closed.iter().filter(|door| door.is_in_way_of(address));
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

impl State {
    fn going(&self, addresses: &[SocketAddr]) -> impl Iterator<Item = &Door> {
        self.doors.iter().filter(|door| !door.stays(addresses))
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

    /// Whether an address may not be free because of this one.
    fn is_in_way_of(&self, address: SocketAddr) -> bool {
        let wide = |address: SocketAddr| address.ip().is_unspecified();
        self.address.port() == address.port() && (wide(self.address) || wide(address))
    }
}

/// A change of the listeners that has still to be made on the loop.
pub(crate) struct Change {
    /// All that are wanted.
    addresses: Vec<SocketAddr>,
    backlog: u32,
    /// The new ones.
    bound: Vec<Listener>,
    /// Those that can be bound only once others are closed.
    after: Vec<Place>,
}
