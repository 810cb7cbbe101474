//! A registered source and its slot in the loop.

use std::{io, mem};

use mio::event::Source;
use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::sources::{SlotGuard, SourceId};

/// An I/O object of mio that belongs to a loop. It is registered once for both directions, either
/// immediately or when the handler has to wait for it.
///
/// Created by [`Context::register`](crate::Context::register) and
/// [`Context::register_deferred`](crate::Context::register_deferred). Its operations go through
/// [`Context::try_io`](crate::Context::try_io), which keeps track of its readiness.
/// [`Context::close`](crate::Context::close) closes it and frees its slot at once. Dropping it
/// closes it as well; the loop then frees the slot after the callback.
#[derive(Debug)]
pub struct Socket<S> {
    io: S,
    slot: SlotGuard,
    registered: bool,
}

impl<S> Socket<S> {
    pub(crate) const fn new(io: S, slot: SlotGuard) -> Self {
        Self {
            io,
            slot,
            registered: false,
        }
    }

    pub(crate) fn into_inner(self) -> S {
        self.io
    }

    /// The object, unless it is already registered with the system.
    pub(crate) const fn unregistered(&mut self) -> Option<&mut S> {
        if self.registered {
            None
        } else {
            Some(&mut self.io)
        }
    }

    pub(crate) const fn note_registered(&mut self) {
        self.registered = true;
    }

    /// Whether the object is registered with the system, which then reports its readiness; see
    /// [`Context::finish_registration`](crate::Context::finish_registration).
    pub const fn is_registered(&self) -> bool {
        self.registered
    }

    /// The id with which [`Handler::ready`](crate::Handler::ready) is called for this source.
    pub const fn id(&self) -> SourceId {
        self.slot.id
    }

    /// The I/O object, for operations that neither read nor write: addresses, options, shutdown.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }
}

impl Socket<TcpStream> {
    /// Makes the system acknowledge at once what the peer sends, until this side sends something
    /// again. Otherwise the system may delay the acknowledgement in the hope of sending data with
    /// it, while a peer that sends little at a time waits for it.
    ///
    /// # Errors
    ///
    /// The system refuses. Where the system has no such setting, nothing happens.
    pub fn acknowledge_at_once(&self) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(&self.io).set_tcp_quickack(true)?;
        Ok(())
    }
}

/// An I/O object that a handler is created with and registers when it is started, since there is no
/// loop to register it with before.
///
/// # Examples
///
/// See [`Handler`](crate::Handler).
#[derive(Debug)]
pub struct Registration<S>(State<S>);

#[derive(Debug)]
enum State<S> {
    Pending(S),
    Registered(Socket<S>),
    /// The system refused the object, or the socket was taken out.
    Gone,
}

impl<S: Source> Registration<S> {
    /// Wraps an object that is to be registered later.
    pub const fn new(io: S) -> Self {
        Self(State::Pending(io))
    }

    /// Registers the object with its handler's initial interest; see [`Context::register`]. Does
    /// nothing on later calls.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the object is then closed.
    pub fn register(&mut self, cx: &mut Context<'_>, interest: Interest) -> io::Result<()> {
        self.0 = match mem::replace(&mut self.0, State::Gone) {
            State::Pending(io) => State::Registered(cx.register(io, interest)?),
            other @ (State::Registered(_) | State::Gone) => other,
        };
        Ok(())
    }

    /// Takes the socket out, to [close](Context::close) or [detach](Context::detach) it. Returns
    /// `None` if it is not registered; an object that was never registered is closed.
    pub fn take(&mut self) -> Option<Socket<S>> {
        match mem::replace(&mut self.0, State::Gone) {
            State::Registered(socket) => Some(socket),
            State::Pending(_) | State::Gone => None,
        }
    }

    /// The socket, once it is registered.
    pub const fn socket(&self) -> Option<&Socket<S>> {
        match &self.0 {
            State::Registered(socket) => Some(socket),
            State::Pending(_) | State::Gone => None,
        }
    }
}
