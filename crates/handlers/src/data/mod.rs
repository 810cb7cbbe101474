//! The data side of a connection: how its data connection is made and closed.

mod arriving;
mod linger;
mod listen;
mod passive_port;

use std::io;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use ftpdlib_tls::{TlsSession, TlsStream};
use mio::net::TcpStream;

use crate::Permit;
use crate::data_connection::DataConnection;
pub(crate) use linger::Linger;
pub(crate) use listen::listen;
pub(crate) use passive_port::PassivePort;

/// The state of the data connection. It counts against the limits in every state but `Idle`.
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
    /// No data connection.
    #[default]
    Idle,
    /// Waiting for the client to connect.
    Listening(PassivePort),
    /// Connecting to the client.
    Connecting {
        socket: Socket<TcpStream>,
        permit: Permit,
    },
    /// Connected, without a transfer yet. A TLS handshake may be in progress, with the deadline
    /// `secure_until`.
    Open {
        connection: DataConnection,
        secure_until: Option<Instant>,
    },
}

impl DataSide {
    /// Closes the data connection in any state. It counts against the limits no more.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        match std::mem::take(self) {
            Self::Idle => {}
            Self::Listening(port) => drop(port.into_permit(cx)),
            Self::Connecting { socket, .. } => cx.close(socket),
            Self::Open { connection, .. } => cx.close(connection.stream.into_socket()),
        }
    }

    /// Makes the candidate the data connection, under TLS if there is a session for it, and closes
    /// the listener. The handshake must be over at `secure_until`, unless a transfer begins before.
    ///
    /// # Errors
    ///
    /// The loop cannot register the socket. There is no data connection then.
    pub(crate) fn accept_candidate(
        &mut self,
        tls: Option<&TlsSession>,
        secure_until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let port = self.passive_port_mut();
        let Some(stream) = port.and_then(PassivePort::take_candidate) else {
            return Ok(());
        };
        let Self::Listening(port) = std::mem::take(self) else {
            return Ok(());
        };
        let permit = port.into_permit(cx);
        // A transfer that ends in its first turn never needs the loop to watch its socket.
        let mut socket = cx.register_deferred(stream, Interest::NONE)?;
        if tls.is_some() {
            cx.finish_registration(&mut socket)?;
        }
        *self = Self::Open {
            connection: data_connection(socket, tls, permit),
            secure_until,
        };
        Ok(())
    }

    /// Makes the connection that was just established the data connection, under TLS if there is a
    /// session for it. Its transfer begins now and makes the handshake.
    pub(crate) fn connected(&mut self, tls: Option<&TlsSession>, cx: &mut Context<'_>) {
        match std::mem::take(self) {
            Self::Connecting { socket, permit } => {
                cx.set_interest(socket.id(), Interest::NONE);
                *self = Self::Open {
                    connection: data_connection(socket, tls, permit),
                    secure_until: None,
                };
            }
            other => *self = other,
        }
    }

    /// Continues the handshake of a data connection that waits for its transfer.
    ///
    /// # Errors
    ///
    /// The handshake has failed.
    pub(crate) fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Self::Open { connection, .. } = self else {
            return Ok(());
        };
        let stream = &mut connection.stream;
        let outcome = stream.establish(cx);
        cx.set_interest(stream.id(), stream.interest(Interest::NONE));
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Notes before the handshake that the client will only send.
    pub(crate) fn note_upload(&mut self) {
        if let Self::Open { connection, .. } = self {
            connection.stream.note_only_reads();
        }
    }

    /// Takes the open connection for a transfer.
    pub(crate) fn take_open(&mut self) -> Option<DataConnection> {
        match std::mem::take(self) {
            Self::Open { connection, .. } => Some(connection),
            other => {
                *self = other;
                None
            }
        }
    }

    /// The passive port, if there is one.
    pub(crate) fn passive_port_mut(&mut self) -> Option<&mut PassivePort> {
        match self {
            Self::Listening(port) => Some(port),
            Self::Idle | Self::Connecting { .. } | Self::Open { .. } => None,
        }
    }

    /// The passive port, if there is one.
    pub(crate) fn passive_port(&self) -> Option<&PassivePort> {
        match self {
            Self::Listening(port) => Some(port),
            Self::Idle | Self::Connecting { .. } | Self::Open { .. } => None,
        }
    }

    /// The deadline of a handshake before the transfer.
    pub(crate) fn secure_until(&self) -> Option<Instant> {
        match self {
            Self::Open {
                connection,
                secure_until,
            } if !connection.stream.is_established() => *secure_until,
            Self::Idle | Self::Listening(_) | Self::Connecting { .. } | Self::Open { .. } => None,
        }
    }

    /// Whether `source` belongs to this side.
    pub(crate) fn owns(&self, source: SourceId) -> bool {
        match self {
            Self::Idle => false,
            Self::Listening(port) => port.owns(source),
            Self::Connecting { socket, .. } => socket.id() == source,
            Self::Open { connection, .. } => connection.stream.id() == source,
        }
    }
}

/// Creates a data connection over `socket`, under TLS if there is a session for it.
fn data_connection(
    socket: Socket<TcpStream>,
    tls: Option<&TlsSession>,
    permit: Permit,
) -> DataConnection {
    let Some(session) = tls else {
        let stream = Box::new(socket);
        return DataConnection { stream, permit };
    };
    // The last records are small, and must not wait for an acknowledgement.
    if let Err(error) = socket.get_ref().set_nodelay(true) {
        log::debug!("data connection: {error}");
    }
    let stream = Box::new(TlsStream::data(socket, session));
    DataConnection { stream, permit }
}
