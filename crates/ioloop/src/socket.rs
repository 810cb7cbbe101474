//! A registered source and its slot in the loop.

use std::{io, mem};

use mio::event::Source;
use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::sources::{SlotGuard, SourceId};

/// An I/O object of mio that belongs to a loop. It is registered there once, for both directions:
/// at once, or when the handler has to wait for it.
///
/// Made by [`Context::register`](crate::Context::register) and
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

    /// The object, to be registered with the system, unless it is.
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

    /// Whether it is registered with the system, which then reports its readiness; see
    /// [`Context::finish_registration`](crate::Context::finish_registration).
    pub const fn is_registered(&self) -> bool {
        self.registered
    }

    /// The id with which [`Handler::ready`](crate::Handler::ready) is called for this source.
    pub const fn id(&self) -> SourceId {
        self.slot.id
    }

    /// The I/O object, for what neither reads nor writes: addresses, options, shutdown.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }
}

impl Socket<TcpStream> {
    /// Has the system acknowledge at once what the peer sends, until something is sent from here
    /// again. Otherwise the system may delay the acknowledgement, for data to send with it, while a
    /// peer that sends little at a time waits for it.
    ///
    /// # Errors
    ///
    /// The system refuses. Where it has no such setting, nothing happens.
    pub fn acknowledge_at_once(&self) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(&self.io).set_tcp_quickack(true)?;
        Ok(())
    }
}

/// An I/O object that a handler is made with, and registers when it is started: only then is there
/// a loop to register it with.
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
    /// The system refused it, or the socket was taken out.
    Gone,
}

impl<S: Source> Registration<S> {
    /// Makes one that is to be registered.
    pub const fn new(io: S) -> Self {
        Self(State::Pending(io))
    }

    /// Registers the object, the first time, with what its handler waits for at first; see
    /// [`Context::register`].
    ///
    /// # Errors
    ///
    /// That of [`Context::register`]; the object is closed then.
    pub fn register(&mut self, cx: &mut Context<'_>, interest: Interest) -> io::Result<()> {
        self.0 = match mem::replace(&mut self.0, State::Gone) {
            State::Pending(io) => State::Registered(cx.register(io, interest)?),
            other @ (State::Registered(_) | State::Gone) => other,
        };
        Ok(())
    }

    /// Takes the socket out, to [close](Context::close) or [detach](Context::detach) it. `None` if
    /// it is not registered; an object that never was is closed then.
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
