//! What a handler waits for, and the readiness that is reported to it.

use std::ops::{BitOr, BitOrAssign};

/// A direction of a byte stream, as seen from this side. Exhaustive: there is no third.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// Incoming bytes, or incoming clients of a listener.
    Read,
    /// Outgoing bytes, or the end of a connection attempt.
    Write,
}

/// The kinds of readiness for which a source's handler is called.
///
/// The default is [`Interest::NONE`].
///
/// # Examples
///
/// ```
/// use ftpdlib_ioloop::Interest;
///
/// let interest = Interest::READ | Interest::HANGUP;
/// assert!(interest.contains(Interest::READ));
/// assert!(!interest.contains(Interest::BOTH));
/// assert_eq!(Interest::READ | Interest::WRITE, Interest::BOTH);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Interest(u8);

impl Interest {
    /// Nothing: the source is paused. Readiness that occurs meanwhile is remembered.
    pub const NONE: Self = Self(0);
    /// Something can be read, or accepted, or the end of the stream was reached.
    pub const READ: Self = Self(1);
    /// Something can be written, or a connection attempt has ended.
    pub const WRITE: Self = Self(2);
    /// [`READ`](Self::READ) and [`WRITE`](Self::WRITE).
    pub const BOTH: Self = Self(3);
    /// The peer will send no more, or the connection failed.
    ///
    /// For a handler that is not reading at the moment. Reported once, when everything that the
    /// peer sent before has arrived, whether it was read or not. Where the system does not report
    /// it, the next read finds out, as usual.
    pub const HANGUP: Self = Self(4);

    /// Kept with the readiness, but never reported: a read may stop short of what has arrived. Set
    /// at the end of the stream, and by urgent data, because a read stops at its mark.
    pub(crate) const SHORT_READS: Self = Self(8);

    /// Whether every kind in `other` is in `self` too.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl From<Direction> for Interest {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::READ,
            Direction::Write => Self::WRITE,
        }
    }
}

/// The readiness for which [`Handler::ready`](crate::Handler::ready) is called, out of what the
/// handler is interested in.
///
/// The end of a stream and an error count as both readable and writable, so that the next operation
/// reports them, whichever it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ready(pub(crate) Interest);

impl Ready {
    /// A read, or an accept, may succeed.
    pub const fn readable(self) -> bool {
        self.0.contains(Interest::READ)
    }

    /// A write may succeed, or a connection attempt has ended.
    pub const fn writable(self) -> bool {
        self.0.contains(Interest::WRITE)
    }

    /// The peer will send no more, or the connection failed; see [`Interest::HANGUP`].
    pub const fn hung_up(self) -> bool {
        self.0.contains(Interest::HANGUP)
    }
}
