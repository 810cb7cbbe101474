//! A registered source and its place in the loop.

use std::{io, mem};

use mio::event::Source;

use crate::context::Context;
use crate::interest::Interest;
use crate::sources::{Slot, SourceId};

/// An I/O object of mio that is registered with a loop, for both directions and for life.
///
/// Made by [`Context::register`](crate::Context::register). Its operations go through
/// [`Context::try_io`](crate::Context::try_io), which keeps the books of its readiness.
/// [`Context::close`](crate::Context::close) ends it at once; dropped in whatever other way, it is
/// closed as well, and the loop takes note after the callback.
#[derive(Debug)]
pub struct Socket<S> {
    io: S,
    slot: Slot,
}

impl<S> Socket<S> {
    pub(crate) const fn new(io: S, slot: Slot) -> Self {
        Self { io, slot }
    }

    pub(crate) fn into_inner(self) -> S {
        self.io
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
