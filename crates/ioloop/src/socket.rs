//! A registered source and its place in the loop.

use std::{io, mem};

use mio::event::Source;
use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::sources::{Slot, SourceId};

/// An I/O object of mio that belongs to a loop, and is registered there for both directions and for
/// life, at once or when it has to be waited for.
///
/// Made by [`Context::register`](crate::Context::register) and
/// [`Context::hold`](crate::Context::hold). Its operations go through
/// [`Context::try_io`](crate::Context::try_io), which keeps the books of its readiness.
/// [`Context::close`](crate::Context::close) ends it at once; dropped in whatever other way, it is
/// closed as well, and the loop takes note after the callback.
#[derive(Debug)]
pub struct Socket<S> {
    io: S,
    slot: Slot,
    attached: bool,
}

impl<S> Socket<S> {
    pub(crate) const fn new(io: S, slot: Slot) -> Self {
        Self {
            io,
            slot,
            attached: false,
        }
    }

    pub(crate) fn into_inner(self) -> S {
        self.io
    }

    /// The object, for the system to tell of it, unless it does.
    pub(crate) const fn unattached(&mut self) -> Option<&mut S> {
        if self.attached {
            None
        } else {
            Some(&mut self.io)
        }
    }

    pub(crate) const fn note_attached(&mut self) {
        self.attached = true;
    }

    /// Whether the system tells of its readiness; see
    /// [`Context::attach`](crate::Context::attach).
    pub const fn is_attached(&self) -> bool {
        self.attached
    }

    /// The name under which [`Handler::ready`](crate::Handler::ready) hears of this source.
    pub const fn id(&self) -> SourceId {
        self.slot.id
    }

    /// The I/O object, for what neither reads nor writes: addresses, options, shutdown.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }
}

impl Socket<TcpStream> {
    /// Has the system acknowledge at once what the peer sends, until something is sent here again. A
    /// peer that sends little by little waits for it, and the system for something to send along.
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

/// An I/O object on its way to the loop: a handler is made with one, and registers it when started.
pub(crate) enum Berth<S> {
    Outside(S),
    Inside(Socket<S>),
    /// The system refused it.
    Gone,
}

impl<S: Source> Berth<S> {
    pub(crate) fn register(&mut self, cx: &mut Context<'_>, interest: Interest) -> io::Result<()> {
        if let Self::Outside(io) = mem::replace(self, Self::Gone) {
            *self = Self::Inside(cx.register(io, interest)?);
        }
        Ok(())
    }

    pub(crate) const fn socket(&self) -> Option<&Socket<S>> {
        match self {
            Self::Inside(socket) => Some(socket),
            Self::Outside(_) | Self::Gone => None,
        }
    }
}
