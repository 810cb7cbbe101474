//! The data side of a connection: how its data connection comes about and goes.

mod arriving;
mod linger;
mod listen;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{AcceptState, Context, Interest, Socket, SourceId, Transport};
use ftpdlib_tls::{TlsSession, TlsStream};
use mio::net::{TcpListener, TcpStream};

use crate::Service;
use crate::log_prefix::Prefix;
use arriving::Arrivals;
pub(crate) use linger::Linger;
pub(crate) use listen::listen;

/// How long a passive port goes without being looked at.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// What there is of a data connection.
///
/// ```text
///          Listen                AcceptData          StartTransfer
/// Idle ───────────▶ Listening ───────────────▶ Open ───────────────▶ Idle
///   │                                           ▲     (the pump has it)
///   └─────────────▶ Connecting ─────────────────┘
///         Connect               connected
/// ```
#[derive(Default)]
pub(crate) enum DataSide {
    /// Nothing.
    #[default]
    Idle,
    /// Waiting for the client to connect; `candidate` has connected and is not accepted yet.
    /// `arrivals` come from a proxy, and their header has not come. The listener is looked at when
    /// the client sends the next line, and at `look_at` at the latest; also once the system was
    /// `exhausted`, and gave no descriptor for who has connected.
    Listening {
        listener: Socket<TcpListener>,
        candidate: Option<TcpStream>,
        arrivals: Option<Box<Arrivals>>,
        look_at: Instant,
        exhausted: bool,
        /// How many were turned away.
        rejected: u8,
    },
    /// Connecting to the client.
    Connecting(Socket<TcpStream>),
    /// Connected, no transfer yet. A TLS handshake may be going on, which has to be over at
    /// `secure_until`.
    Open {
        stream: Box<dyn Transport>,
        secure_until: Option<Instant>,
    },
}

impl DataSide {
    /// Closes whatever there is.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        match std::mem::take(self) {
            Self::Idle => {}
            Self::Listening {
                listener, arrivals, ..
            } => {
                cx.close(listener);
                if let Some(arrivals) = arrivals {
                    arrivals.close(cx);
                }
            }
            Self::Connecting(stream) => cx.close(stream),
            Self::Open { stream, .. } => cx.close(stream.into_socket()),
        }
    }

    /// Takes the next client of the listener as a candidate; `None` if there is none. Where a proxy
    /// connects, it is the client that the header names. A connection from `client` itself has no
    /// header, though `client` may be a proxy that only checks whether the server is up. The log of
    /// others has `prefix`.
    ///
    /// # Errors
    ///
    /// None can be taken, or waited for: there is no descriptor left, for instance.
    pub(crate) fn next_candidate(
        &mut self,
        service: &Service,
        client: IpAddr,
        prefix: &Prefix<'_>,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<SocketAddr>> {
        let Self::Listening {
            listener,
            candidate,
            arrivals,
            exhausted,
            ..
        } = self
        else {
            return Ok(None);
        };
        cx.set_interest(listener.id(), Interest::READ);
        loop {
            let arrived = arrivals
                .as_mut()
                .and_then(|arrivals| arrivals.take(prefix, cx));
            if let Some((stream, peer)) = arrived {
                *candidate = Some(stream);
                return Ok(Some(peer));
            }
            if arrivals.as_ref().is_some_and(|arrivals| arrivals.is_full()) {
                cx.finish_registration(listener)?;
                cx.set_interest(listener.id(), Interest::NONE);
                return Ok(None);
            }
            match cx.accept(listener) {
                Ok((stream, peer))
                    if service.is_proxy(peer.ip()) && peer.ip().to_canonical() != client =>
                {
                    if let Err(error) = arrivals.get_or_insert_default().push(stream, cx) {
                        log::warn!("{prefix} data connection of a proxy lost: {error}");
                    }
                }
                Ok((stream, peer)) => {
                    *exhausted = false;
                    *candidate = Some(stream);
                    return Ok(Some(peer));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    cx.finish_registration(listener)?;
                    *exhausted = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves the listener alone for a while, after an error of
    /// [`next_candidate`](Self::next_candidate); whether it is the first since one was taken, or
    /// there was none.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) -> bool {
        let Self::Listening {
            listener,
            look_at,
            exhausted,
            ..
        } = self
        else {
            return false;
        };
        cx.set_interest(listener.id(), Interest::NONE);
        *look_at = cx.now() + AcceptState::RETRY_DELAY;
        !std::mem::replace(exhausted, true)
    }

    /// Makes the candidate the data connection, under TLS if there is a session for it, and closes
    /// the listener. The handshake has to be over at `secure_until`, unless a transfer begins
    /// before.
    pub(crate) fn accept_candidate(
        &mut self,
        tls: Option<&TlsSession>,
        secure_until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        match std::mem::take(self) {
            Self::Listening {
                listener,
                candidate: Some(stream),
                arrivals,
                ..
            } => {
                cx.close(listener);
                if let Some(arrivals) = arrivals {
                    arrivals.close(cx);
                }
                // A transfer that is over in its first turn never needs the loop to watch its
                // socket.
                let mut socket = cx.register_deferred(stream, Interest::NONE)?;
                if tls.is_some() {
                    cx.finish_registration(&mut socket)?;
                }
                *self = Self::Open {
                    stream: carry(socket, tls),
                    secure_until,
                };
            }
            other => *self = other,
        }
        Ok(())
    }

    /// Makes the connection that was just established the data connection, under TLS if there is a
    /// session for it. Its transfer, which begins now, sees to the handshake.
    pub(crate) fn connected(&mut self, tls: Option<&TlsSession>, cx: &mut Context<'_>) {
        match std::mem::take(self) {
            Self::Connecting(socket) => {
                cx.set_interest(socket.id(), Interest::NONE);
                *self = Self::Open {
                    stream: carry(socket, tls),
                    secure_until: None,
                };
            }
            other => *self = other,
        }
    }

    /// Goes on with the handshake of a data connection that waits for its transfer.
    ///
    /// # Errors
    ///
    /// It failed.
    pub(crate) fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Self::Open { stream, .. } = self else {
            return Ok(());
        };
        let outcome = stream.establish(cx);
        cx.set_interest(stream.id(), stream.interest(Interest::NONE));
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Notes, before the handshake, that the client will only send.
    pub(crate) fn note_upload(&mut self) {
        if let Self::Open { stream, .. } = self {
            stream.note_only_reads();
        }
    }

    /// Has the loop tell of who else waits for the listener.
    ///
    /// # Errors
    ///
    /// The system refuses that.
    pub(crate) fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self {
            Self::Listening { listener, .. } => cx.finish_registration(listener),
            _ => Ok(()),
        }
    }

    /// Drops the candidate.
    pub(crate) fn reject_candidate(&mut self) {
        if let Self::Listening {
            candidate,
            rejected,
            ..
        } = self
        {
            *candidate = None;
            *rejected = rejected.saturating_add(1);
        }
    }

    /// Whether more than one was turned away from this listener.
    pub(crate) fn has_rejected_several(&self) -> bool {
        matches!(self, Self::Listening { rejected: 2.., .. })
    }

    /// Takes the established connection, for a transfer.
    pub(crate) fn take_open(&mut self) -> Option<Box<dyn Transport>> {
        match std::mem::take(self) {
            Self::Open { stream, .. } => Some(stream),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Waits for the client to connect to `listener`. The loop does not watch the listener at
    /// first: most clients have connected by the time they send the next line, when it is looked at
    /// anyway.
    pub(crate) fn await_client(listener: Socket<TcpListener>, now: Instant) -> Self {
        Self::Listening {
            listener,
            candidate: None,
            arrivals: None,
            look_at: now + LOOK_AFTER,
            exhausted: false,
            rejected: 0,
        }
    }

    /// When to look for whoever has connected, if the client sends no line before, or at proxies
    /// that have sent no header.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        match self {
            Self::Listening {
                listener,
                look_at,
                exhausted,
                ..
            } if *exhausted || !listener.is_registered() => Some(*look_at),
            Self::Listening { arrivals, .. } => arrivals.as_ref()?.until(),
            _ => None,
        }
    }

    /// Whether the client has been told a port and has not connected to it.
    pub(crate) fn awaits_client(&self) -> bool {
        matches!(
            self,
            Self::Listening {
                candidate: None,
                ..
            }
        )
    }

    /// When the handshake that goes on before there is a transfer has to be over.
    pub(crate) fn secure_until(&self) -> Option<Instant> {
        match self {
            Self::Open {
                stream,
                secure_until,
            } if !stream.is_established() => *secure_until,
            _ => None,
        }
    }

    /// Whether `source` belongs to this side.
    pub(crate) fn owns(&self, source: SourceId) -> bool {
        match self {
            Self::Idle => false,
            Self::Listening {
                listener, arrivals, ..
            } => {
                let arrivals = arrivals.as_deref();
                listener.id() == source || arrivals.is_some_and(|it| it.owns(source))
            }
            Self::Connecting(stream) => stream.id() == source,
            Self::Open { stream, .. } => stream.id() == source,
        }
    }
}

fn carry(socket: Socket<TcpStream>, tls: Option<&TlsSession>) -> Box<dyn Transport> {
    let Some(session) = tls else {
        return Box::new(socket);
    };
    // The last records are small ones, and must not wait for an acknowledgement.
    if let Err(error) = socket.get_ref().set_nodelay(true) {
        log::debug!("data connection: {error}");
    }
    Box::new(TlsStream::data(socket, session))
}
