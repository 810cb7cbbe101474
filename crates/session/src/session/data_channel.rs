//! The data connection's states, and what moves it from one to the next.

use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_proto::Reply;

use super::Session;
use super::transfer::{Queued, Running};
use crate::{Effect, SessionEvent};

/// The data connection as the protocol interpreter sees it.
///
/// ```text
///             PASV, EPSV                         PORT, EPRT
///      ┌───────────────────── Closed ─────────────────────┐
///      ▼                         ▲                        ▼
///  Listening ◄─┐ transfer        │                     Target
///   │  │   │   │ command: 150    │                        │ transfer command
///   │  │   └───┘ (queued)        │                        ▼
///   │  │                         │                    Connecting
///   │  │ accepted, none queued   │                        │
///   │  └─────────────► Open      │                        │ connected: 150
///   │                   │        │ ended: 226, 426 …      │
///   │ accepted, queued  │ transfer command: 150           │
///   └─────────────► Transferring ◄────────────────────────┘
/// ```
///
/// From every state but `Transferring` a new PASV, EPSV, PORT or EPRT, ABOR, a failure, a refused
/// transfer or a deadline leads back to `Closed`; a queued transfer is then answered 425 (426 for
/// ABOR).
#[derive(Debug, Default)]
pub(super) enum DataChannel<P> {
    /// No data connection is open or expected.
    #[default]
    Closed,
    /// The client was told where to connect.
    Listening {
        /// When it has to have done so.
        deadline: Option<Instant>,
        /// The transfer that waits for it, 150 given.
        queued: Option<Box<Queued<P>>>,
    },
    /// The client said where it listens; nothing is connected before a transfer command comes
    /// (RFC 959 §5.2).
    Target(SocketAddr),
    /// Connecting to the client.
    Connecting {
        /// When the connection has to stand.
        deadline: Option<Instant>,
        /// The transfer that waits for it, 150 not yet given.
        queued: Box<Queued<P>>,
    },
    /// Established; no transfer command has come.
    Open,
    /// Bytes are moving.
    Transferring(Box<Running>),
}

impl<P> DataChannel<P> {
    /// Takes the transfer that waits for the data connection, leaving `Closed`'s caller to close
    /// what it waited for.
    pub(super) fn take_queued(&mut self) -> Option<Box<Queued<P>>> {
        match std::mem::take(self) {
            Self::Listening { deadline, queued } => {
                *self = Self::Listening {
                    deadline,
                    queued: None,
                };
                queued
            }
            Self::Connecting { queued, .. } => {
                *self = Self::Open;
                Some(queued)
            }
            other @ (Self::Closed | Self::Target(_) | Self::Open | Self::Transferring(_)) => {
                *self = other;
                None
            }
        }
    }

    /// Whether a transfer is in progress or queued.
    pub(super) fn is_occupied(&self) -> bool {
        match self {
            Self::Listening { queued, .. } => queued.is_some(),
            Self::Connecting { .. } | Self::Transferring(_) => true,
            Self::Closed | Self::Target(_) | Self::Open => false,
        }
    }

    /// When the client, or the connection to it, has to be there.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Listening { deadline, .. } | Self::Connecting { deadline, .. } => *deadline,
            Self::Closed | Self::Target(_) | Self::Open | Self::Transferring(_) => None,
        }
    }
}

impl<P> Session<P> {
    /// Somebody connected to the passive port.
    pub(super) fn accepted(&mut self, peer: SocketAddr, now: Instant) {
        if !matches!(self.data, DataChannel::Listening { .. }) {
            if self.ending != super::ending::Ending::Closed {
                self.effects.push_back(Effect::RejectData);
            }
            return;
        }
        if self.is_foreign(peer) {
            self.effects.push_back(Effect::RejectData);
            self.tell(SessionEvent::ForeignData { peer });
            return;
        }
        self.effects.push_back(Effect::AcceptData);
        let queued = self.data.take_queued();
        self.data = match queued {
            Some(queued) => self.start_transfer(*queued, now),
            None => DataChannel::Open,
        };
    }

    /// The active connection stands.
    pub(super) fn connected(&mut self, now: Instant) {
        self.data = match std::mem::take(&mut self.data) {
            DataChannel::Connecting { queued, .. } => {
                self.reply(queued.opening.clone());
                self.start_transfer(*queued, now)
            }
            other @ (DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Target(_)
            | DataChannel::Open
            | DataChannel::Transferring(_)) => other,
        };
    }

    /// The active connection does not stand, or an idle data connection broke.
    pub(super) fn connect_failed(&mut self, now: Instant) {
        match self.data {
            DataChannel::Connecting { .. } | DataChannel::Open => self.give_up_data(now),
            DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Target(_)
            | DataChannel::Transferring(_) => {}
        }
    }

    /// The data connection was not there in time.
    pub(super) fn data_timed_out(&mut self, now: Instant) {
        self.give_up_data(now);
    }

    /// Closes what is not a data connection yet, and answers the transfer that waits for one.
    fn give_up_data(&mut self, now: Instant) {
        let queued = self.data.take_queued();
        self.close_data();
        if let Some(queued) = queued {
            self.active_at = now;
            self.discard(queued.transfer.payload);
            self.reply(Reply::new(425, "Can't open data connection."));
        }
    }

    /// Whether an address is another one than the client's, and such are not permitted.
    pub(super) fn is_foreign(&self, address: SocketAddr) -> bool {
        !self.config.permit_foreign_addresses
            && address.ip().to_canonical() != self.peer.ip().to_canonical()
    }
}
